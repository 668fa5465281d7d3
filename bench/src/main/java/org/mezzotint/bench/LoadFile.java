package org.mezzotint.bench;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.io.AtomicFiles;
import org.mezzotint.io.Safetensors;
import org.mezzotint.io.TensorFile;
import org.mezzotint.io.TorchFile;
import org.mezzotint.tensor.Scope;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Measures how long loading weights takes beside reading the same bytes, and what memory it needs. */
@Command(
        name = "load-file",
        mixinStandardHelpOptions = true,
        description = {
            "Load a safetensors and a .pt file of DiT-XL/2's size (2.7 GB) into a model's tensors,",
            "in turn with reading the bytes of the file, into the same memory and into a small buffer."
        })
public final class LoadFile implements Callable<Integer> {
    private static final int WIDTH = 1152;
    private static final int BUFFER = 1 << 20;

    @Option(names = "--blocks", paramLabel = "N", description = "transformer blocks, 96 MB each (default: 28)")
    private int blocks = 28;

    @Option(names = "--runs", paramLabel = "N", description = "measured turns (default: 5)")
    private int runs = 5;

    @Option(
            names = "--dir",
            paramLabel = "DIR",
            description = "where the files are made and removed (default: a temporary folder)")
    private Path directory;

    private LoadFile() {}

    /**
     * Runs the program.
     *
     * @param arguments see {@code --help}
     */
    public static void main(String[] arguments) {
        System.exit(new CommandLine(new LoadFile()).execute(arguments));
    }

    @Override
    public Integer call() throws IOException {
        Path folder = directory == null
                ? Files.createTempDirectory("load-file")
                : Files.createTempDirectory(directory, "load-file");
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard()) {
            Map<String, Tensor> model = model();
            Path safetensors = folder.resolve("model.safetensors");
            Safetensors.write(safetensors, model, Map.of());
            measure("safetensors", safetensors, model);
            Files.delete(safetensors);
            Path torch = folder.resolve("model.pt");
            TorchFile.write(torch, model);
            measure(".pt", torch, model);
        } finally {
            AtomicFiles.deleteRecursively(folder);
        }
        return 0;
    }

    /** The large tensors of a DiT of width 1152, filled with random numbers: memory as a trained model has it. */
    private Map<String, Tensor> model() {
        Map<String, Tensor> model = new LinkedHashMap<>();
        for (int i = 0; i < blocks; i++) {
            String block = "blocks." + i + ".";
            add(model, block + "attn.qkv", 3 * WIDTH, WIDTH);
            add(model, block + "attn.proj", WIDTH, WIDTH);
            add(model, block + "mlp.fc1", 4 * WIDTH, WIDTH);
            add(model, block + "mlp.fc2", WIDTH, 4 * WIDTH);
            add(model, block + "adaLN_modulation.1", 6 * WIDTH, WIDTH);
        }
        return model;
    }

    private static void add(Map<String, Tensor> model, String name, long out, long in) {
        model.put(name + ".weight", torch.rand(out, in));
        model.put(name + ".bias", torch.rand(out));
    }

    private void measure(String what, Path file, Map<String, Tensor> model) throws IOException {
        Times buffered = new Times(runs);
        Times direct = new Times(runs);
        Times loaded = new Times(runs);
        long before = resident();
        long extra = load(file, model, true) - before;
        for (int run = -1; run < runs; run++) {
            buffered.take(run, () -> readBuffered(file));
            direct.take(run, () -> readInto(file, model));
            loaded.take(run, () -> load(file, model, false));
        }
        System.out.printf(Locale.ROOT, "%s, %.2f GB%n", what, Files.size(file) / 1e9);
        print("read into a small buffer", buffered, loaded);
        print("read into the model's memory", direct, loaded);
        System.out.printf(Locale.ROOT, "  memory of its own while loading: %.0f MB%n", extra / 1e6);
    }

    private static void print(String what, Times read, Times loaded) {
        Statistics.Ratio wall = Statistics.ratio(read.wall, loaded.wall);
        Statistics.Ratio processor = Statistics.ratio(read.processor, loaded.processor);
        System.out.printf(
                Locale.ROOT,
                "  %-29s %.2f s, loaded %.2f s, ratio %.2f (%.2f to %.2f); processor %.2f s, %.2f s, ratio %.2f%n",
                what,
                Statistics.median(read.wall),
                Statistics.median(loaded.wall),
                wall.value(),
                wall.low(),
                wall.high(),
                Statistics.median(read.processor),
                Statistics.median(loaded.processor),
                processor.value());
    }

    /** Seconds on the clock and of all threads together, which other programs on the machine disturb less. */
    private static final class Times {
        private static final OperatingSystemMXBean SYSTEM =
                (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

        private final double[] wall;
        private final double[] processor;

        Times(int runs) {
            wall = new double[runs];
            processor = new double[runs];
        }

        /** Measures one turn; the one before the first is a warm-up. */
        void take(int run, Reading reading) throws IOException {
            long start = System.nanoTime();
            long startProcessor = SYSTEM.getProcessCpuTime();
            reading.run();
            if (run >= 0) {
                wall[run] = (System.nanoTime() - start) * 1e-9;
                processor[run] = Math.max(1, SYSTEM.getProcessCpuTime() - startProcessor) * 1e-9;
            }
        }
    }

    /** Something that reads. */
    private interface Reading {
        void run() throws IOException;
    }

    private static void readBuffered(Path file) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER);
        try (FileChannel channel = FileChannel.open(file)) {
            while (channel.read(buffer.clear()) >= 0) {
                // Only the time matters.
            }
        }
    }

    private static void readInto(Path file, Map<String, Tensor> model) throws IOException {
        try (FileChannel channel = FileChannel.open(file);
                Scope scope = Scope.open()) {
            for (Tensor tensor : model.values()) {
                long bytes = tensor.nbytes();
                ByteBuffer buffer =
                        new BytePointer(tensor.data_ptr()).capacity(bytes).asByteBuffer();
                while (buffer.hasRemaining() && channel.read(buffer) >= 0) {
                    // Only the time matters.
                }
            }
        }
    }

    /** Loads all tensors; gives the most memory that the process had meanwhile if asked to watch, which takes time. */
    private static long load(Path file, Map<String, Tensor> model, boolean watch) {
        long most = 0;
        try (TensorFile tensors = TensorFile.open(file)) {
            for (Map.Entry<String, Tensor> each : model.entrySet()) {
                tensors.copyTo(each.getKey(), each.getValue());
                most = watch ? Math.max(most, resident()) : 0;
            }
        }
        return most;
    }

    /** The process's memory that is not a file's, in bytes; 0 where the system does not tell. */
    private static long resident() {
        Path status = Path.of("/proc/self/status");
        try {
            for (String line : Files.exists(status) ? Files.readAllLines(status) : List.<String>of()) {
                if (line.startsWith("RssAnon:")) {
                    return 1024 * Long.parseLong(line.replaceAll("[^0-9]", ""));
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return 0;
    }
}
