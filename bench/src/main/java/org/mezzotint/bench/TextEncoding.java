package org.mezzotint.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.io.AtomicFiles;
import org.mezzotint.io.Safetensors;
import org.mezzotint.tensor.Devices;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;
import org.mezzotint.text.T5Config;
import org.mezzotint.text.T5Encoder;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Tokens per second of our T5 encoder beside that of Hugging Face's transformers, on the same weights and the same batches of
 * captions of several lengths. Both run the same padded batches; what is counted is tokens of captions. First the hidden states
 * of one batch are compared.
 */
@Command(name = "TextEncoding", mixinStandardHelpOptions = true, description = "T5 beside transformers: tokens/s.")
final class TextEncoding implements Callable<Integer> {
    private static final int SHORTEST = 8;
    private static final int LONGEST = 48;
    private static final int FIRST_ID = 3;

    @Option(names = "--root", paramLabel = "FOLDER", description = "the repository (default: .)")
    private Path root = Path.of(".");

    @Option(
            names = "--python",
            paramLabel = "PATH",
            defaultValue = "python3",
            description = "with torch, transformers and safetensors (default: python3)")
    private String python;

    @Option(
            names = "--model",
            paramLabel = "NAME",
            defaultValue = "t5-v1_1-base",
            description = "shape of the encoder, random weights (default: t5-v1_1-base)")
    private String model;

    @Option(names = "--batch", paramLabel = "N", defaultValue = "16", description = "captions a batch (default: 16)")
    private int batch;

    @Option(names = "--batches", paramLabel = "N", defaultValue = "4", description = "different batches (default: 4)")
    private int batches;

    @Option(
            names = "--precision",
            paramLabel = "NAME",
            defaultValue = "float32",
            description = "float32 or bfloat16, of both (default: float32)")
    private String precision;

    @Option(names = "--mapped", description = "ours with its weights in the memory map of the file")
    private boolean mapped;

    @Option(names = "--pairs", paramLabel = "N", defaultValue = "10", description = "measured pairs (default: 10)")
    private int pairs;

    @Option(names = "--warmup", paramLabel = "N", defaultValue = "2", description = "rounds before (default: 2)")
    private int warmup;

    @Option(names = "--threads", paramLabel = "N", defaultValue = "2", description = "of each side (default: 2)")
    private int threads;

    private final List<List<int[]>> captions = new ArrayList<>();

    /**
     * Runs the comparison and ends the process.
     *
     * @param arguments the command line
     */
    public static void main(String... arguments) {
        System.exit(SideBySide.commandLine(new TextEncoding()).execute(arguments));
    }

    @Override
    public Integer call() throws IOException {
        if (batch < 1 || batches < 1 || pairs < 1 || warmup < 1 || threads < 1) {
            throw new IllegalArgumentException("numbers must be at least 1");
        }
        torch.set_num_threads(threads);
        T5Config config = T5Config.named(model);
        Path folder = Files.createTempDirectory("mezzotint-t5");
        try {
            writeEncoder(folder, config);
            draw(config);
            Path ids = folder.resolve("ids.safetensors");
            writeIds(ids);
            measure(folder, ids, config);
        } finally {
            AtomicFiles.deleteRecursively(folder);
        }
        return 0;
    }

    private static void writeEncoder(Path folder, T5Config config) throws IOException {
        Files.writeString(
                folder.resolve("config.json"),
                String.format(
                        Locale.ROOT,
                        "{\"architectures\": [\"T5EncoderModel\"], \"model_type\": \"t5\", \"vocab_size\": %d, \"d_model\": %d,"
                                + " \"d_kv\": %d, \"d_ff\": %d, \"num_layers\": %d, \"num_heads\": %d,"
                                + " \"feed_forward_proj\": \"gated-gelu\", \"is_encoder_decoder\": false, \"use_cache\": false}",
                        config.vocabSize(),
                        config.width(),
                        config.headWidth(),
                        config.hidden(),
                        config.depth(),
                        config.heads()));
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(0)) {
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            config.tensors().forEach((name, shape) -> {
                Tensor tensor = rng.normal(ScalarType.Float, shape);
                if (shape.length == 1) {
                    tensor.fill_(Scalars.of(1));
                } else if (!name.equals("shared.weight")) {
                    boolean query = name.endsWith("SelfAttention.q.weight"); // T5 scales its initial queries, not q·kᵀ
                    tensor.mul_(Scalars.of(1 / Math.sqrt((double) shape[1] * (query ? config.headWidth() : 1))));
                }
                tensors.put(name, tensor);
            });
            Safetensors.write(folder.resolve("model.safetensors"), tensors, Map.of("format", "pt"));
        }
    }

    private void draw(T5Config config) {
        SplittableRandom random = new SplittableRandom(0);
        for (int b = 0; b < batches; b++) {
            List<int[]> each = new ArrayList<>();
            for (int n = 0; n < batch; n++) {
                int[] ids = random.ints(random.nextInt(SHORTEST, LONGEST), FIRST_ID, config.vocabSize())
                        .toArray();
                ids[ids.length - 1] = 1;
                each.add(ids);
            }
            captions.add(each);
        }
    }

    private void writeIds(Path path) {
        try (Scope scope = Scope.open()) {
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            for (int b = 0; b < batches; b++) {
                int longest = captions.get(b).stream()
                        .mapToInt(ids -> ids.length)
                        .max()
                        .orElseThrow();
                long[] ids = new long[batch * longest];
                long[] mask = new long[batch * longest];
                for (int n = 0; n < batch; n++) {
                    int[] caption = captions.get(b).get(n);
                    for (int i = 0; i < caption.length; i++) {
                        ids[n * longest + i] = caption[i];
                        mask[n * longest + i] = 1;
                    }
                }
                tensors.put("ids." + b, Tensors.of(ids).view(batch, longest));
                tensors.put("mask." + b, Tensors.of(mask).view(batch, longest));
            }
            Safetensors.write(path, tensors, Map.of());
        }
    }

    private List<String> peer(String command, Path folder, Path ids) {
        List<String> words = new ArrayList<>(List.of(
                python,
                root.resolve("bench/peer/t5_peer.py").toAbsolutePath().toString(),
                command,
                folder.toString(),
                ids.toString(),
                "--threads",
                Integer.toString(threads)));
        if (precision.equals("bfloat16")) {
            words.add("--bf16");
        }
        return words;
    }

    private void measure(Path folder, Path ids, T5Config config) throws IOException {
        T5Encoder.Holding holding = mapped ? T5Encoder.Holding.MAPPED : T5Encoder.Holding.LOADED;
        try (T5Encoder encoder = T5Encoder.open(folder, Precision.parse(precision), Devices.cpu(), holding)) {
            System.out.printf(
                    Locale.ROOT,
                    "%s, %,d parameters, %s, %s, batch %d, %d threads%n",
                    model,
                    config.parameters(),
                    precision,
                    holding.name().toLowerCase(Locale.ROOT),
                    batch,
                    threads);
            compare(encoder, folder, ids);
            double tokens = captions.stream()
                    .flatMap(List::stream)
                    .mapToInt(each -> each.length)
                    .sum();
            double[] ours = new double[pairs];
            double[] theirs = new double[pairs];
            try (Server server = new Server("transformers", peer("serve", folder, ids), root.toAbsolutePath())) {
                for (int i = 0; i < warmup; i++) {
                    round(encoder);
                    server.steps("sample", batches);
                }
                for (int i = 0; i < pairs; i++) {
                    boolean first = i % 2 == 0;
                    theirs[i] = first ? 0 : server.steps("sample", batches) * batches;
                    ours[i] = round(encoder);
                    theirs[i] = first ? server.steps("sample", batches) * batches : theirs[i];
                }
            }
            Statistics.Ratio ratio = Statistics.ratio(ours, theirs);
            System.out.printf(
                    Locale.ROOT,
                    "tokens/s: ours %,.0f, transformers %,.0f; ratio %.3f (95 %% interval %.3f to %.3f)%n",
                    tokens / Statistics.median(ours),
                    tokens / Statistics.median(theirs),
                    ratio.value(),
                    ratio.low(),
                    ratio.high());
        }
    }

    /** Seconds of all batches. */
    private double round(T5Encoder encoder) {
        long start = System.nanoTime();
        for (List<int[]> each : captions) {
            try (Scope scope = Scope.open()) {
                encoder.encode(each).select(0, 0).sum().item_double();
            }
        }
        return (System.nanoTime() - start) / 1e9;
    }

    private void compare(T5Encoder encoder, Path folder, Path ids) throws IOException {
        Path out = folder.resolve("states.safetensors");
        List<String> words = peer("states", folder, ids);
        words.addAll(List.of("--out", out.toString()));
        Process process = new ProcessBuilder(words)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        try {
            if (process.waitFor() != 0) {
                throw new IllegalStateException("the peer failed: " + String.join(" ", words));
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        }
        try (Scope scope = Scope.open();
                Safetensors file = Safetensors.open(out)) {
            Tensor theirs = file.tensor("states");
            Tensor ours = encoder.encode(captions.get(0));
            System.out.printf(
                    Locale.ROOT,
                    "largest difference of hidden states %.2e, largest state %.2f%n",
                    ours.sub(theirs).abs().max().item_double(),
                    theirs.abs().max().item_double());
        }
    }
}
