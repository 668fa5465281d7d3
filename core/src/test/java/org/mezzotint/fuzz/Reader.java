package org.mezzotint.fuzz;

import com.sun.management.ThreadMXBean;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import java.util.zip.GZIPOutputStream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import java.util.zip.ZipOutputStream;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.data.Dataset;
import org.mezzotint.data.Datasets;
import org.mezzotint.data.PictureFiles;
import org.mezzotint.data.PictureOptions;
import org.mezzotint.golden.Golden;
import org.mezzotint.io.InputException;
import org.mezzotint.io.TensorFile;
import org.mezzotint.io.TorchFile;
import org.mezzotint.io.Yaml;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;
import org.mezzotint.train.TrainConfig;

/** Everything that reads a file from outside: what it starts from, and how it is run on any bytes. */
enum Reader {
    /** Any file of tensors. */
    SAFETENSORS(Limit.CONTAINER) {
        @Override
        List<byte[]> seeds() {
            return files("checkpoints", ".safetensors");
        }

        @Override
        Path place(Path folder, byte[] input) throws IOException {
            return Files.write(folder.resolve("f.safetensors"), input);
        }

        @Override
        void read(Path file) {
            tensors(file);
        }
    },
    /** Zip and legacy files of PyTorch, damaged anywhere. */
    TORCH(Limit.CONTAINER) {
        @Override
        List<byte[]> seeds() {
            List<byte[]> seeds = files("checkpoints", ".pt");
            seeds.addAll(files("checkpoints", ".pkl"));
            seeds.addAll(files("script", ".pt"));
            return seeds;
        }

        @Override
        Path place(Path folder, byte[] input) throws IOException {
            return Files.write(folder.resolve("f.pt"), input);
        }

        @Override
        void read(Path file) {
            tensors(file);
        }
    },
    /** A pickle in an archive that is sound, checksums included. */
    PICKLE(Limit.CONTAINER) {
        @Override
        List<byte[]> seeds() {
            List<byte[]> seeds = new ArrayList<>();
            for (byte[] file : TORCH.seeds()) {
                zipped(file).forEach((name, data) -> {
                    if (name.endsWith("data.pkl")) {
                        seeds.add(data);
                    }
                });
            }
            return seeds;
        }

        @Override
        Path place(Path folder, byte[] input) throws IOException {
            Map<String, byte[]> entries = new LinkedHashMap<>();
            entries.put("a/data.pkl", input);
            entries.put("a/code/x.py", new byte[0]);
            for (int i = 0; i < 4; i++) {
                entries.put("a/data/" + i, new byte[i == 0 ? 24 : 4 * i]);
            }
            return Files.write(folder.resolve("f.pt"), zip(entries));
        }

        @Override
        void read(Path file) {
            tensors(file);
        }
    },
    /** Arrays of numpy, alone. */
    NPY(Limit.CONTAINER) {
        @Override
        List<byte[]> seeds() {
            return files("npz", ".npy");
        }

        @Override
        Path place(Path folder, byte[] input) throws IOException {
            return Files.write(folder.resolve("f.npy"), input);
        }

        @Override
        void read(Path file) {
            tensors(file);
        }
    },
    /** Archives of numpy arrays. */
    NPZ(Limit.CONTAINER) {
        @Override
        List<byte[]> seeds() {
            return files("npz", ".npz");
        }

        @Override
        Path place(Path folder, byte[] input) throws IOException {
            return Files.write(folder.resolve("f.npz"), input);
        }

        @Override
        void read(Path file) {
            tensors(file);
        }
    },
    /** The index of a sharded folder. */
    INDEX(Limit.CONTAINER) {
        @Override
        List<byte[]> seeds() {
            return files("diffusers/dit-tiny-sharded", ".index.json");
        }

        @Override
        Path place(Path folder, byte[] input) throws IOException {
            for (Path shard : paths("diffusers/dit-tiny-sharded", ".safetensors")) {
                Path copy = folder.resolve(shard.getFileName());
                if (!Files.exists(copy)) {
                    Files.copy(shard, copy);
                }
            }
            return Files.write(folder.resolve("f.json"), input);
        }

        @Override
        void read(Path file) {
            tensors(file);
        }
    },
    /** Pictures of all formats. */
    PICTURE(Limit.PICTURE) {
        @Override
        List<byte[]> seeds() {
            return files("formats/images", "");
        }

        @Override
        Path place(Path folder, byte[] input) throws IOException {
            return Files.write(folder.resolve("f"), input);
        }

        @Override
        void read(Path file) {
            PictureFiles.read(file, PIXELS);
        }
    },
    /** Data sets in a zip file. */
    ZIP(Limit.PICTURE) {
        @Override
        List<byte[]> seeds() {
            List<byte[]> seeds = files("formats/edm", ".zip");
            seeds.addAll(files("../fuzz", ".zip")); // found once
            return seeds;
        }

        @Override
        Path place(Path folder, byte[] input) throws IOException {
            return Files.write(folder.resolve("f.zip"), input);
        }

        @Override
        void read(Path file) {
            pictures(file);
        }
    },
    /** The label file of a folder of pictures. */
    LABELS(Limit.PICTURE) {
        @Override
        List<byte[]> seeds() {
            List<byte[]> seeds = new ArrayList<>();
            for (byte[] file : ZIP.seeds()) {
                byte[] labels = zipped(file).get("dataset.json");
                if (labels != null) {
                    seeds.add(labels);
                }
            }
            return seeds;
        }

        @Override
        Path place(Path folder, byte[] input) throws IOException {
            Path data = folder.resolve("data");
            if (!Files.exists(data)) {
                zipped(files("formats/edm", "labelled.zip").get(0))
                        .forEach((name, bytes) -> write(data.resolve(name), bytes));
            }
            Files.write(data.resolve("dataset.json"), input);
            return data;
        }

        @Override
        void read(Path file) {
            pictures(file);
        }
    },
    /** The files of MNIST: pictures and labels, packed or not, one after the other in the input. */
    IDX(Limit.PICTURE) {
        private static final int SPLIT = 16 + 2 * 9;

        @Override
        List<byte[]> seeds() {
            byte[] images = ByteBuffer.allocate(SPLIT)
                    .putInt(0x803)
                    .putInt(2)
                    .putInt(3)
                    .putInt(3)
                    .array();
            byte[] labels = ByteBuffer.allocate(10)
                    .putInt(0x801)
                    .putInt(2)
                    .put((byte) 1)
                    .put((byte) 0)
                    .array();
            return new ArrayList<>(List.of(split(images, labels), split(gzip(images), gzip(labels))));
        }

        private static byte[] split(byte[] first, byte[] second) {
            return ByteBuffer.allocate(1 + first.length + second.length)
                    .put((byte) first.length)
                    .put(first)
                    .put(second)
                    .array();
        }

        @Override
        Path place(Path folder, byte[] input) throws IOException {
            int at = input.length == 0 ? 0 : Math.min(input.length - 1, input[0] & 0xFF);
            int start = Math.min(1, input.length);
            Files.write(folder.resolve("train-images-idx3-ubyte"), Arrays.copyOfRange(input, start, start + at));
            Files.write(folder.resolve("train-labels-idx1-ubyte"), Arrays.copyOfRange(input, start + at, input.length));
            return folder;
        }

        @Override
        void read(Path file) {
            pictures(file);
        }
    },
    /** Recipes. */
    YAML(Limit.TEXT) {
        @Override
        List<byte[]> seeds() {
            List<byte[]> seeds = files("../recipes", ".yaml");
            seeds.add("{a: [1, 2.5e3, \"x\\n\"], b: !!set {c}, d: &e f, g: *e}".getBytes(StandardCharsets.UTF_8));
            return seeds;
        }

        @Override
        Path place(Path folder, byte[] input) throws IOException {
            return Files.write(folder.resolve("f.yaml"), input);
        }

        @Override
        void read(Path file) {
            Yaml.read(file, TrainConfig.class);
        }
    };

    private static final int PIXELS = 1 << 18;
    private static final int LONGEST_MESSAGE = 20_000;
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    /** Bytes that the last reading of tensors took, in Java and outside of it. */
    private static final ThreadLocal<Long> TAKEN = ThreadLocal.withInitial(() -> 0L);

    static {
        // Loading libtorch's classes is not what is measured.
        try (Scope scope = Scope.open()) {
            Tensors.of(1.0).clone().close();
        }
    }

    private final Limit limit;

    Reader(Limit limit) {
        this.limit = limit;
    }

    /** How much memory a reader may take. */
    private enum Limit {
        CONTAINER {
            @Override
            long bytes(long input) {
                return 4 * input + (64L << 20);
            }
        },
        /** Files, decoded pictures and what the JDK's decoders take besides. */
        PICTURE {
            @Override
            long bytes(long input) {
                return 64 * input + 64L * PIXELS + (64L << 20);
            }
        },
        TEXT {
            @Override
            long bytes(long input) {
                return 2000 * input + (64L << 20);
            }
        };

        abstract long bytes(long input);
    }

    /** Files to start from, good and bad ones. */
    abstract List<byte[]> seeds();

    /** Makes a file or folder of an input. */
    abstract Path place(Path folder, byte[] input) throws IOException;

    /** Reads all there is in a file or folder; throws an {@code InputException} if it cannot be used. */
    abstract void read(Path file);

    /**
     * Reads an input and requires that it is read, or refused by an exception of ours with one line, within the memory that
     * this reader may take.
     *
     * @return whether it was read
     */
    boolean accepts(Path folder, byte[] input) throws IOException {
        return accepts(folder, input, true);
    }

    /** The same without a look at the memory, for a fuzzer whose instrumentation takes much of it. */
    void acceptsUnmeasured(Path folder, byte[] input) throws IOException {
        accepts(folder, input, false);
    }

    private boolean accepts(Path folder, byte[] input, boolean measured) throws IOException {
        Path file = place(folder, input);
        TAKEN.set(0L);
        long before = THREADS.getCurrentThreadAllocatedBytes();
        boolean read = true;
        String problem = null;
        Throwable cause = null;
        try {
            read(file);
        } catch (InputException e) {
            read = false;
            if (e.getMessage().contains("\n") || e.getMessage().length() > LONGEST_MESSAGE) {
                problem = "its message is not one line: " + e.getMessage();
            }
        } catch (RuntimeException | Error e) {
            problem = "it fails with " + e;
            cause = e;
        }
        long taken = limit == Limit.CONTAINER ? TAKEN.get() : THREADS.getCurrentThreadAllocatedBytes() - before;
        if (problem == null && measured && taken > limit.bytes(input.length)) {
            problem = "it takes " + taken + " bytes for " + input.length;
        }
        if (problem != null) {
            Path kept = Path.of("target", "fuzz", name() + "-" + Integer.toHexString(Arrays.hashCode(input)));
            Files.createDirectories(kept.getParent());
            Files.write(kept, input);
            throw new AssertionError(name() + ": " + problem + "; the file is " + kept, cause);
        }
        return read;
    }

    /** Opening counts as a whole, and so does each tensor: what they leave behind does not add up. */
    private static void tensors(Path path) {
        long total = 0;
        long most = 0;
        long start = THREADS.getCurrentThreadAllocatedBytes();
        try (TensorFile file = TensorFile.open(path)) {
            if (file instanceof TorchFile torch) {
                torch.values();
            }
            file.metadata();
            for (String name : file.names()) {
                most = Math.max(most, THREADS.getCurrentThreadAllocatedBytes() - start);
                start = THREADS.getCurrentThreadAllocatedBytes();
                try (Scope scope = Scope.open()) {
                    Tensor tensor = file.tensor(name);
                    // The copy looks at all of the data.
                    total += tensor.numel() == 0 ? 0 : tensor.clone().nbytes();
                }
            }
        } finally {
            TAKEN.set(total + Math.max(most, THREADS.getCurrentThreadAllocatedBytes() - start));
        }
    }

    private static void pictures(Path path) {
        PictureOptions options = new PictureOptions(8, 8, 3, false, PIXELS);
        try (Dataset data = Datasets.open(path, options)) {
            float[] pixels = new float[3 * 8 * 8];
            for (int i = 0; i < Math.min(data.size(), 20); i++) {
                data.read(i, new SplittableRandom(1), pixels, 0);
                data.label(i);
            }
            data.classNames();
            data.fingerprint();
        }
    }

    private static List<Path> paths(String folder, String suffix) {
        Path golden = Golden.path("checkpoints/manifest.json").getParent().getParent();
        if (!Files.isDirectory(golden.resolve(folder))) {
            throw new IllegalStateException("no golden folder " + folder);
        }
        try (Stream<Path> files = Files.list(golden.resolve(folder))) {
            return files.filter(file -> file.toString().endsWith(suffix))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static List<byte[]> files(String folder, String suffix) {
        List<byte[]> files = new ArrayList<>();
        for (Path path : paths(folder, suffix)) {
            try {
                if (Files.size(path) < 50_000) {
                    files.add(Files.readAllBytes(path));
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        return files;
    }

    private static void write(Path path, byte[] bytes) {
        try {
            Files.createDirectories(path.getParent());
            Files.write(path, bytes);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Map<String, byte[]> zipped(byte[] file) {
        Map<String, byte[]> entries = new LinkedHashMap<>();
        try (ZipInputStream in = new ZipInputStream(new ByteArrayInputStream(file))) {
            for (ZipEntry entry = in.getNextEntry(); entry != null; entry = in.getNextEntry()) {
                entries.put(entry.getName(), in.readNBytes(1 << 20));
            }
        } catch (IOException e) {
            // A damaged seed, or one that streams cannot read: what was there is enough.
        }
        return entries;
    }

    private static byte[] zip(Map<String, byte[]> entries) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream out = new ZipOutputStream(bytes)) {
            out.setMethod(ZipOutputStream.STORED);
            for (Map.Entry<String, byte[]> each : entries.entrySet()) {
                CRC32 crc = new CRC32();
                crc.update(each.getValue());
                ZipEntry entry = new ZipEntry(each.getKey());
                entry.setSize(each.getValue().length);
                entry.setCrc(crc.getValue());
                out.putNextEntry(entry);
                out.write(each.getValue());
            }
        }
        return bytes.toByteArray();
    }

    private static byte[] gzip(byte[] data) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (GZIPOutputStream out = new GZIPOutputStream(bytes)) {
            out.write(data);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }
}
