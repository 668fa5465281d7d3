package org.mezzotint.data;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.mezzotint.io.InputException;

/**
 * Where each sample of some tar shards begins, and its label: 12 bytes a sample. Names are not kept; they are read again
 * with the sample. While a shard is read, the keys of its samples are in memory.
 */
final class TarIndex {
    private static final int NO_LABEL = -1;
    private static final int MAX_LABEL_BYTES = 32;
    private static final String LABEL = "cls";

    private final List<Path> shards;
    private final long[] shardBytes;
    /** The number of the first sample of each shard, and behind the last one the number of all. */
    private final int[] firsts;

    private long[] starts = new long[1024];
    private int[] labels = new int[1024];
    private int size;
    private int maxLabel = NO_LABEL;
    private final String fingerprint;

    /**
     * A member's name in two parts, as WebDataset cuts it.
     *
     * @param key the name up to the first dot of its last part, folders included
     * @param extension what follows that dot, in lower case, such as {@code jpg} or {@code seg.png}
     */
    record Name(String key, String extension) {
        /** Nothing for hidden files, names that lead outside, and names without a dot. */
        static Optional<Name> of(String name) {
            int dot = name.indexOf('.', name.lastIndexOf('/') + 1);
            if (dot < 0 || PictureSource.isHidden(name)) {
                return Optional.empty();
            }
            return Optional.of(
                    new Name(name.substring(0, dot), name.substring(dot + 1).toLowerCase(Locale.ROOT)));
        }

        boolean isPicture() {
            return PictureFiles.EXTENSIONS.contains("." + extension);
        }
    }

    private TarIndex(List<Path> shards) {
        this.shards = List.copyOf(shards);
        shardBytes = new long[shards.size()];
        firsts = new int[shards.size() + 1];
        Fingerprint samples = new Fingerprint("tar samples");
        for (int i = 0; i < shards.size(); i++) {
            try (TarShard tar = TarShard.open(shards.get(i))) {
                shardBytes[i] = tar.size();
                add(tar, shards.get(i), samples);
            }
            firsts[i + 1] = size;
        }
        starts = Arrays.copyOf(starts, size);
        labels = Arrays.copyOf(labels, size);
        fingerprint = samples.hex();
    }

    /**
     * Reads all headers and labels.
     *
     * @throws InputException naming shard, member and rule, if a shard is missing or damaged, or a sample is not as it must be
     */
    static TarIndex of(List<Path> shards) {
        Set<Path> different = new HashSet<>();
        for (Path shard : shards) {
            if (!different.add(shard.toAbsolutePath().normalize())) {
                throw new InputException("the shard " + shard + " is given twice");
            }
        }
        return new TarIndex(shards);
    }

    private void add(TarShard tar, Path path, Fingerprint samples) {
        Set<String> keys = new HashSet<>();
        Sample sample = null;
        for (Optional<TarShard.Member> next = tar.next(); next.isPresent(); next = tar.next()) {
            TarShard.Member member = next.get();
            Optional<Name> name = Name.of(member.name());
            if (name.isEmpty()) {
                continue;
            }
            String key = name.get().key();
            if (sample == null || !sample.key.equals(key)) {
                finish(sample, samples);
                if (!keys.add(key)) {
                    throw new InputException(path + ": the members of a sample must follow each other, those of " + key
                            + " come in two places");
                }
                sample = new Sample(path, key, member.start());
            }
            sample.add(tar, member, name.get().extension(), name.get().isPicture());
        }
        finish(sample, samples);
    }

    /** A sample whose members are being met. */
    private static final class Sample {
        private final Path path;
        private final String key;
        private final long start;
        private final Set<String> extensions = new TreeSet<>();
        private TarShard.Member picture;
        private int label = NO_LABEL;

        Sample(Path path, String key, long start) {
            this.path = path;
            this.key = key;
            this.start = start;
        }

        void add(TarShard tar, TarShard.Member member, String extension, boolean isPicture) {
            if (!extensions.add(extension)) {
                throw new InputException(path + ": two members are called " + member.name());
            }
            if (isPicture && picture != null) {
                throw new InputException(path + ": a sample must have one picture, " + key + " has " + picture.name()
                        + " and " + member.name());
            }
            picture = isPicture ? member : picture;
            label = extension.equals(LABEL) ? label(tar, member) : label;
        }

        private int label(TarShard tar, TarShard.Member member) {
            String text = member.bytes() > MAX_LABEL_BYTES
                    ? member.bytes() + " bytes"
                    : new String(tar.read(member), StandardCharsets.UTF_8).strip();
            if (!text.matches("[0-9]{1,9}") || Integer.parseInt(text) > PictureLabels.MAX_LABEL) {
                throw new InputException(path + ": " + member.name() + " must hold a whole number 0 to "
                        + PictureLabels.MAX_LABEL + ", got " + text.replaceAll("\\p{Cntrl}", "?"));
            }
            return Integer.parseInt(text);
        }
    }

    private void finish(Sample sample, Fingerprint samples) {
        if (sample == null) {
            return;
        }
        if (sample.picture == null) {
            throw new InputException(sample.path + ": sample " + sample.key + " has no picture ("
                    + String.join(" ", new TreeSet<>(PictureFiles.EXTENSIONS)) + "), only ."
                    + String.join(" .", sample.extensions));
        }
        if (size == starts.length) {
            if (size > Integer.MAX_VALUE / 2) {
                throw new InputException(sample.path + ": at most " + size + " samples");
            }
            starts = Arrays.copyOf(starts, 2 * size);
            labels = Arrays.copyOf(labels, 2 * size);
        }
        starts[size] = sample.start;
        labels[size] = sample.label;
        size++;
        maxLabel = Math.max(maxLabel, sample.label);
        samples.add(sample.picture.name()).add(sample.picture.bytes()).add(sample.label);
    }

    int size() {
        return size;
    }

    /** The largest label, or −1 if no sample has one. */
    int maxLabel() {
        return maxLabel;
    }

    /** The label of a sample, or −1 if it has none. */
    int label(int index) {
        return labels[index];
    }

    /** The shard in which a sample lies. */
    Path shard(int index) {
        return shards.get(shardOf(index));
    }

    private int shardOf(int index) {
        Objects.checkIndex(index, size);
        int at = Arrays.binarySearch(firsts, index);
        // of several equal entries (shards without samples) the last one counts
        int shard = at < 0 ? -at - 2 : at;
        while (firsts[shard + 1] == index) {
            shard++;
        }
        return shard;
    }

    /**
     * Opens a shard at the first header of a sample.
     *
     * @throws InputException if the shard is gone or has another length than when it was indexed
     */
    TarShard open(int index) {
        int shard = shardOf(index);
        Path path = shards.get(shard);
        TarShard tar = TarShard.open(path, starts[index]);
        if (tar.size() != shardBytes[shard]) {
            tar.close();
            throw new InputException(path + ": changed while it was in use, it had " + shardBytes[shard]
                    + " bytes and has " + tar.size());
        }
        return tar;
    }

    /** SHA-256 over name, size and label of every picture, in order; wherever the shards lie and end. */
    String fingerprint() {
        return fingerprint;
    }
}
