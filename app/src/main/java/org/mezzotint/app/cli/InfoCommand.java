package org.mezzotint.app.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.mezzotint.io.Yaml;
import org.mezzotint.models.Cost;
import org.mezzotint.models.DdpmPlusPlusConfig;
import org.mezzotint.models.DiTConfig;
import org.mezzotint.models.ModelBundle;
import org.mezzotint.models.ModelConfig;
import org.mezzotint.models.NamedHDiT;
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
            "The papers' \"Gflops\" are multiply-accumulates (MACs)."
        })
final class InfoCommand implements Callable<Integer> {
    private static final int LATENT_FACTOR = 8;
    private static final int LARGEST = 4096;
    private static final int DIT_SIZE = 256;

    @Parameters(
            index = "0",
            paramLabel = "MODEL",
            description =
                    "a published name (dit-s/8 … dit-xl/2, hdit-imagenet-256, hdit-ablation-e …, ddpmpp-cifar10 …), a recipe (.yaml),"
                            + " a bundle (.safetensors) or a run's folder")
    private String model;

    @Option(
            names = "--size",
            paramLabel = "N",
            description = "picture size of a published name (default: 256 for DiT, which sees latents of an eighth; the"
                    + " published size for HDiT)")
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

    @Option(names = "--json", description = "one JSON object")
    private boolean json;

    @Override
    public Integer call() {
        if (batch < 1) {
            throw new IllegalArgumentException("--batch must be at least 1, got " + batch);
        }
        ModelConfig config = config();
        Cost cost = config.cost();
        Map<String, Object> facts = new LinkedHashMap<>();
        facts.put("model", model);
        facts.put("input", config.channels() + "x" + config.height() + "x" + config.width());
        facts.put("parameters", cost.parameters());
        facts.put("macs", cost.macs());
        facts.put("batch", batch);
        facts.put("trainingBytes", cost.trainingBytes(batch, false));
        facts.put("trainingBytesCheckpointed", cost.trainingBytes(batch, true));
        facts.put("samplingBytes", cost.samplingBytes(batch));
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
        line(
                "memory, training",
                Sizes.bytes(cost.trainingBytes(batch, false)) + " at batch " + batch + " (estimate, float32)");
        line("  with checkpointing", Sizes.bytes(cost.trainingBytes(batch, true)));
        line("memory, sampling", Sizes.bytes(cost.samplingBytes(batch)));
        if (!snapshots.isEmpty()) {
            EmaSnapshots.Content last = snapshots.get(snapshots.size() - 1);
            line(
                    "snapshots",
                    snapshots.size() + ", from " + snapshots.get(0).images() + " to " + last.images()
                            + " pictures, of averages of relative lengths " + last.sigmaRels());
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
        System.out.printf(Locale.ROOT, "%-22s %s%n", name, value);
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
        if (model.toLowerCase(Locale.ROOT).startsWith("hdit-")) {
            if (conditioning != null) {
                throw new IllegalArgumentException("--conditioning is for DiT only, got " + model);
            }
            if (size != null && (size < 1 || size > LARGEST)) {
                throw new IllegalArgumentException("--size must be 1 to " + LARGEST + ", got " + size);
            }
            return NamedHDiT.named(model, size == null ? 0 : size);
        }
        if (model.toLowerCase(Locale.ROOT).startsWith("ddpmpp-")) {
            if (conditioning != null || size != null) {
                throw new IllegalArgumentException(
                        "--conditioning and --size are not for DDPM++, whose names say the size, got " + model);
            }
            return DdpmPlusPlusConfig.named(model);
        }
        return dit(size == null ? DIT_SIZE : size);
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
