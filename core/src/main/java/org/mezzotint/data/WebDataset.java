package org.mezzotint.data;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.random.RandomGenerator;
import java.util.stream.IntStream;
import org.mezzotint.io.InputException;

/**
 * The pictures of tar files as WebDataset lays them out, read without unpacking them.
 *
 * <p>Consecutive members whose names are equal up to the first dot of the last part make a sample: {@code a/0001.jpg},
 * {@code a/0001.cls}, {@code a/0001.txt}. What follows that dot says what a member is: {@code jpg jpeg png webp bmp gif} the
 * picture, of which each sample has one; {@code cls} the class, a whole number in text; {@code txt} the caption, UTF-8, or else
 * {@code json} an object whose {@code caption} is a text or a list of texts. Others, such as {@code seg.png}, are given by
 * {@link #bytes}. Hidden files, links, folders and names that lead outside
 * are passed over. If some samples have a class, one without it cannot be read: under {@link BatchLoader.OnBroken#SKIP} it
 * is passed over like a broken picture, and no label moves to another picture.
 *
 * <p>Why nothing is streamed. Tools for tar shards read them from end to end and shuffle within a buffer, because their shards
 * lie behind a network. A position in such a stream can only be reached again by reading up to it, and pictures far apart
 * never meet in a batch. Here {@link #open} notes where each sample begins, once, by reading all headers but no picture;
 * afterwards picture n of a run is one read at a known place, the order is a shuffle of everything, and a resumed run goes on
 * at any picture with the same bits. The price: shards must be plain files on a disk that reads small pieces well.
 */
public final class WebDataset implements Dataset {
    private static final String TEXT = "txt";
    private static final String JSON = "json";

    private final TarIndex index;
    private final PictureOptions options;
    private final List<String> classNames;

    private WebDataset(TarIndex index, PictureOptions options) {
        this.index = index;
        this.options = options;
        this.classNames = IntStream.rangeClosed(0, index.maxLabel())
                .mapToObj(Integer::toString)
                .toList();
    }

    /**
     * Reads the headers and labels of all shards; pictures are decoded when they are read.
     *
     * @param path one tar, or several with braces: {@code train-{000000..000146}.tar}, {@code {a,b}-{0..3}.tar}
     * @param options picture size, channels, flip and limit
     * @return the data set, in the order of the shards and of the samples in them
     * @throws InputException if a shard is missing, damaged, cut short or packed, a sample has no picture or two, a label is
     *     no whole number 0 to 999999, or a key comes twice in a shard
     */
    public static WebDataset open(Path path, PictureOptions options) {
        return open(ShardPattern.isPattern(path) ? ShardPattern.expand(path) : List.of(path), options);
    }

    /**
     * Reads the headers and labels of all shards; pictures are decoded when they are read.
     *
     * @param shards plain tar files
     * @param options picture size, channels, flip and limit
     * @return the data set, in the order of the shards and of the samples in them
     * @throws InputException as {@link #open(Path, PictureOptions)}
     */
    public static WebDataset open(List<Path> shards, PictureOptions options) {
        return new WebDataset(index(shards), options);
    }

    /** Reads all headers; says how many shards are missing before any is read. */
    static TarIndex index(List<Path> shards) {
        List<Path> missing =
                shards.stream().filter(shard -> !Files.exists(shard)).toList();
        if (shards.size() > 1 && !missing.isEmpty()) {
            throw new InputException(
                    missing.size() + " of " + shards.size() + " shards are missing, the first is " + missing.get(0));
        }
        return TarIndex.of(shards);
    }

    @Override
    public int size() {
        return index.size();
    }

    @Override
    public int channels() {
        return options.channels();
    }

    @Override
    public int height() {
        return options.height();
    }

    @Override
    public int width() {
        return options.width();
    }

    /** The numbers from 0 to the largest label, as text. */
    @Override
    public List<String> classNames() {
        return classNames;
    }

    /**
     * {@inheritDoc}
     *
     * @throws InputException if other samples have a label and this one has none
     */
    @Override
    public long label(int at) {
        Objects.checkIndex(at, size());
        if (classNames.isEmpty()) {
            return 0;
        }
        if (index.label(at) < 0) {
            throw new InputException(name(at) + ": the sample has no label (.cls), others of the data set have one");
        }
        return index.label(at);
    }

    @Override
    public void read(int at, RandomGenerator random, float[] into, int offset) {
        label(at);
        String name;
        byte[] file;
        try (TarShard tar = index.open(at)) {
            TarShard.Member picture = picture(index, tar, at);
            name = index.shard(at) + "/" + picture.name();
            file = tar.read(picture);
        }
        options.fit(PictureFiles.decode(name, file, options.maxPixels()), random, into, offset);
    }

    /** The picture of the sample at which a shard was opened. */
    static TarShard.Member picture(TarIndex index, TarShard tar, int at) {
        return members(tar).values().stream()
                .filter(member -> TarIndex.Name.of(member.name()).orElseThrow().isPicture())
                .findFirst()
                .orElseThrow(() -> new InputException(
                        index.shard(at) + ": changed while it was in use, sample " + at + " has no picture any more"));
    }

    /** The members of the sample at which the shard was opened, by extension. */
    private static Map<String, TarShard.Member> members(TarShard tar) {
        Map<String, TarShard.Member> members = new LinkedHashMap<>();
        String key = null;
        for (Optional<TarShard.Member> next = tar.next(); next.isPresent(); next = tar.next()) {
            Optional<TarIndex.Name> name = TarIndex.Name.of(next.get().name());
            if (name.isPresent()) {
                if (key != null && !key.equals(name.get().key())) {
                    break;
                }
                key = name.get().key();
                members.put(name.get().extension(), next.get());
            }
        }
        return members;
    }

    /** The path of the shard, and in it the name of the picture. */
    @Override
    public String name(int at) {
        try (TarShard tar = index.open(at)) {
            return index.shard(at) + "/" + picture(index, tar, at).name();
        }
    }

    /**
     * What the members of a sample are.
     *
     * @param at which sample
     * @return such as {@code jpg}, {@code cls}, {@code json}, in the order of the tar
     */
    public Set<String> extensions(int at) {
        try (TarShard tar = index.open(at)) {
            return members(tar).keySet();
        }
    }

    /**
     * The content of one member of a sample.
     *
     * @param at which sample
     * @param extension one of {@link #extensions}
     * @return all its bytes
     * @throws IllegalArgumentException if the sample has no such member
     * @throws InputException if it has more than 256 MiB
     */
    public byte[] bytes(int at, String extension) {
        try (TarShard tar = index.open(at)) {
            Map<String, TarShard.Member> members = members(tar);
            if (!members.containsKey(extension)) {
                throw new IllegalArgumentException(
                        "extension must be one of " + String.join(", ", members.keySet()) + ", got " + extension);
            }
            return tar.read(members.get(extension));
        }
    }

    /** The member {@code txt} as it is, else {@code caption} of the member {@code json}. */
    @Override
    public List<String> captions(int at) {
        try (TarShard tar = index.open(at)) {
            Map<String, TarShard.Member> members = members(tar);
            TarShard.Member text = members.getOrDefault(TEXT, members.get(JSON));
            if (text == null) {
                return List.of();
            }
            String path = index.shard(at) + "/" + text.name();
            if (text.bytes() > Captions.LONGEST) {
                throw new InputException(
                        path + ": a caption must have at most " + Captions.LONGEST + " bytes, got " + text.bytes());
            }
            String content = Captions.decode(tar.read(text), path);
            if (!members.containsKey(TEXT)) {
                return Captions.ofJson(content, path);
            }
            return content.isBlank() ? List.of() : List.of(content);
        }
    }

    @Override
    public String fingerprint() {
        return new Fingerprint("tar")
                .add(options.channels())
                .add(options.height())
                .add(options.width())
                .add(classNames)
                .add(size())
                .add(index.fingerprint())
                .hex();
    }

    /** Nothing to release: a shard is open only while it is read. */
    @Override
    public void close() {}
}
