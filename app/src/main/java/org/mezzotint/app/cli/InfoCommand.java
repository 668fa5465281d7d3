package org.mezzotint.app.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import org.mezzotint.io.Yaml;
import org.mezzotint.models.ConvolutionCost;
import org.mezzotint.models.Cost;
import org.mezzotint.models.DdpmPlusPlusConfig;
import org.mezzotint.models.DiTConfig;
import org.mezzotint.models.ModelBundle;
import org.mezzotint.models.ModelConfig;
import org.mezzotint.models.NamedDiffiT;
import org.mezzotint.models.NamedHDiT;
import org.mezzotint.models.NamedImageDiffiT;
import org.mezzotint.models.NamedSimpleDiffusion;
import org.mezzotint.train.EmaSnapshots;
import org.mezzotint.train.RunDirectory;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Says what a model costs. */
@Command(
        name = "info",
        mixinStandardHelpOptions = true,
        description = {
            "Say what a model costs: parameters, multiply-accumulates of one picture, memory.",
            "The papers' \"Gflops\" are multiply-accumulates (MACs).",
            "Of models with levels of falling resolution, also where weights and activations are.",
            "With --convolutions, what one 3x3 convolution takes, as table 1 of arXiv:2301.11093 has it."
        })
final class InfoCommand implements Callable<Integer> {
    private static final int LATENT_FACTOR = 8;
    private static final int LARGEST = 4096;
    private static final int DIT_SIZE = 256;
    private static final double MEBI = 1 << 20;

    @Parameters(
            index = "0",
            arity = "0..1",
            paramLabel = "MODEL",
            description =
                    "a published name (dit-s/8 … dit-xl/2, hdit-imagenet-256, hdit-ablation-e …, diffit-256, diffit-cifar10 …, ddpmpp-cifar10,"
                            + " simple-unet-128, uvit-256 …), a recipe (.yaml),"
                            + " a bundle (.safetensors) or a run's folder")
    private String model;

    @Option(
            names = "--size",
            paramLabel = "N",
            description = "picture size of a published name (default: 256 for DiT, which sees latents of an eighth; the"
                    + " published size for HDiT and for DiffiT on pixels)")
    private Integer size;

    @Option(
            names = "--conditioning",
            paramLabel = "BLOCK",
            description = "of a published name: in-context, cross-attention, adaln or adaln-zero (default: adaln-zero)")
    private String conditioning;

    @Option(
            names = "--batch",
            paramLabel = "N",
            defaultValue = "1",
            description = "pictures at once, for the memory (default: 1)")
    private int batch;

    @Option(
            names = "--convolutions",
            paramLabel = "SIDExCHANNELS",
            arity = "0..1",
            split = ",",
            fallbackValue = "256x128,16x1024",
            description = "in place of a model: 3x3 convolutions on maps of such sides, with as many channels out as in"
                    + " (without a value: the paper's, 256x128,16x1024; its batch is 1024)")
    private List<String> convolutions;

    @Option(names = "--json", description = "one JSON object")
    private boolean json;

    @Override
    public Integer call() {
        if (batch < 1) {
            throw new IllegalArgumentException("--batch must be at least 1, got " + batch);
        }
        if ((model == null) == (convolutions == null)) {
            throw new IllegalArgumentException("give a MODEL or --convolutions");
        }
        if (convolutions != null) {
            return convolutions();
        }
        ModelConfig config = config();
        Cost cost = config.cost();
        Map<String, Object> facts = new LinkedHashMap<>();
        facts.put("model", model);
        facts.put("input", config.channels() + "x" + config.height() + "x" + config.width());
        facts.put("parameters", cost.parameters());
        facts.put("macs", cost.macs());
        OptionalLong published = config.macsWithoutAttentionProducts();
        if (published.isPresent()) {
            facts.put("macsWithoutAttentionProducts", published.getAsLong());
        }
        facts.put("batch", batch);
        facts.put("trainingBytes", cost.trainingBytes(batch, false));
        facts.put("trainingBytesCheckpointed", cost.trainingBytes(batch, true));
        facts.put("samplingBytes", cost.samplingBytes(batch));
        if (!cost.levels().isEmpty()) {
            facts.put("levels", cost.levels());
        }
        List<EmaSnapshots.Content> snapshots = snapshots();
        if (!snapshots.isEmpty()) {
            facts.put("snapshots", snapshots);
        }
        if (json) {
            System.out.println(Yaml.toJson(facts));
            return 0;
        }
        line("model", model + ", input " + facts.get("input"));
        line("parameters", String.format(Locale.ROOT, "%,d", cost.parameters()));
        line("multiply-accumulates", String.format(Locale.ROOT, "%.3f G a picture", cost.macs() / 1e9));
        if (published.isPresent()) {
            line(
                    "  as the paper counts",
                    String.format(Locale.ROOT, "%.3f G, without attention's products", published.getAsLong() / 1e9));
        }
        line(
                "memory, training",
                Sizes.bytes(cost.trainingBytes(batch, false)) + " at batch " + batch + " (estimate, float32)");
        line("  with checkpointing", Sizes.bytes(cost.trainingBytes(batch, true)));
        line("memory, sampling", Sizes.bytes(cost.samplingBytes(batch)));
        levels(cost);
        if (!snapshots.isEmpty()) {
            EmaSnapshots.Content last = snapshots.get(snapshots.size() - 1);
            line(
                    "snapshots",
                    snapshots.size() + ", from " + snapshots.get(0).images() + " to " + last.images()
                            + " pictures, of averages of relative lengths " + last.sigmaRels());
        }
        return 0;
    }

    /** A line a level: weights with their optimiser, activations, work. */
    private void levels(Cost cost) {
        long parameters = cost.parameters();
        long macs = cost.macs();
        long activations = cost.activationBytes();
        for (Cost.Level level : cost.levels()) {
            level(
                    level.columns() + "x" + level.rows() + ", " + level.channels() + " channels",
                    level.parameters(),
                    level.activationBytes(),
                    level.macs());
            parameters -= level.parameters();
            macs -= level.macs();
            activations -= level.activationBytes();
        }
        if (!cost.levels().isEmpty()) {
            level("shared", parameters, activations, macs);
        }
    }

    private void level(String name, long parameters, long activationBytes, long macs) {
        line(
                "  " + name,
                String.format(
                        Locale.ROOT,
                        "weights and optimiser %s, activations %s, %.3f GMAC a picture",
                        Sizes.bytes(Math.multiplyExact(parameters, Cost.BYTES_A_PARAMETER)),
                        Sizes.bytes(Math.multiplyExact(batch, activationBytes)),
                        macs / 1e9));
    }

    private int convolutions() {
        if (size != null || conditioning != null) {
            throw new IllegalArgumentException("--size and --conditioning are for a MODEL");
        }
        List<Map<String, Object>> rows = new ArrayList<>();
        for (String each : convolutions) {
            if (!each.matches("[0-9]{1,5}x[0-9]{1,5}")) {
                throw new IllegalArgumentException(
                        "--convolutions must be a side and channels such as 256x128, got " + each);
            }
            String[] numbers = each.split("x", 2);
            ConvolutionCost cost =
                    new ConvolutionCost(batch, Integer.parseInt(numbers[0]), Integer.parseInt(numbers[1]));
            Map<String, Object> row = new LinkedHashMap<>();
            row.put("size", cost.size());
            row.put("channels", cost.channels());
            row.put("kernelBytes", cost.kernelBytes());
            row.put("featureBytes", cost.featureBytes());
            row.put("macs", cost.macs());
            rows.add(row);
            if (!json) {
                // binary units, as the paper's figures are
                System.out.printf(
                        Locale.ROOT,
                        "%dx%d, %d channels, batch %d: kernel %.1f MiB, features %.2f GiB, both %.2f GiB, %.2f Ti"
                                + " multiply-accumulates%n",
                        cost.size(),
                        cost.size(),
                        cost.channels(),
                        batch,
                        cost.kernelBytes() / MEBI,
                        cost.featureBytes() / (1024 * MEBI),
                        (cost.kernelBytes() + cost.featureBytes()) / (1024 * MEBI),
                        cost.macs() / (1024 * 1024 * MEBI));
            }
        }
        if (json) {
            System.out.println(Yaml.toJson(Map.of("batch", batch, "convolutions", rows)));
        }
        return 0;
    }

    /** Those of a run; none for what is no run's folder. */
    private List<EmaSnapshots.Content> snapshots() {
        Path folder = Path.of(model);
        return Files.isRegularFile(folder.resolve(RunDirectory.CONFIG_FILE))
                ? RunDirectory.find(folder).snapshots().all().stream()
                        .map(EmaSnapshots.Snapshot::content)
                        .toList()
                : List.of();
    }

    private static void line(String name, String value) {
        System.out.printf(Locale.ROOT, "%-28s %s%n", name, value);
    }

    private ModelConfig config() {
        Path file = Path.of(model);
        if (model.endsWith(".yaml")) {
            return Recipes.read(model, List.of()).model();
        }
        if (Files.exists(file) || model.endsWith(".safetensors")) {
            try (ModelBundle bundle = ModelBundle.open(BundleOptions.find(file))) {
                return bundle.config();
            }
        }
        return named(model.toLowerCase(Locale.ROOT));
    }

    /** A published name, whose beginning says of which family. */
    private ModelConfig named(String name) {
        if (NamedImageDiffiT.names().contains(name)) {
            return NamedImageDiffiT.named(name, side());
        }
        if (name.startsWith("hdit-")) {
            return NamedHDiT.named(name, side());
        }
        if (name.startsWith("diffit-")) {
            sizeIsInTheName();
            return NamedDiffiT.named(model);
        }
        if (name.startsWith("ddpmpp-")) {
            sizeIsInTheName();
            return DdpmPlusPlusConfig.named(model);
        }
        if (name.startsWith("simple-unet") || name.startsWith("uvit")) {
            sizeIsInTheName();
            return NamedSimpleDiffusion.named(model);
        }
        return dit(size == null ? DIT_SIZE : size);
    }

    private int side() {
        if (conditioning != null) {
            throw new IllegalArgumentException("--conditioning is for DiT only, got " + model);
        }
        if (size != null && (size < 1 || size > LARGEST)) {
            throw new IllegalArgumentException("--size must be 1 to " + LARGEST + ", got " + size);
        }
        return size == null ? 0 : size;
    }

    private void sizeIsInTheName() {
        if (conditioning != null || size != null) {
            throw new IllegalArgumentException(
                    "--size and --conditioning are not for " + model + ", whose name says its size");
        }
    }

    private ModelConfig dit(int size) {
        if (size < LATENT_FACTOR || size % LATENT_FACTOR != 0 || size > LARGEST) {
            throw new IllegalArgumentException(
                    "--size must be a multiple of " + LATENT_FACTOR + " up to " + LARGEST + ", got " + size);
        }
        DiTConfig named = DiTConfig.named(model, size / LATENT_FACTOR);
        if (conditioning == null) {
            return named;
        }
        return named.withConditioning(
                switch (conditioning) {
                    case "in-context" -> DiTConfig.Conditioning.IN_CONTEXT;
                    case "cross-attention" -> DiTConfig.Conditioning.CROSS_ATTENTION;
                    case "adaln" -> DiTConfig.Conditioning.ADALN;
                    case "adaln-zero" -> DiTConfig.Conditioning.ADALN_ZERO;
                    default ->
                        throw new IllegalArgumentException(
                                "--conditioning must be in-context, cross-attention, adaln or adaln-zero, got "
                                        + conditioning);
                });
    }
}
