package org.mezzotint.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.mezzotint.data.Dataset;
import org.mezzotint.data.ImageFolder;
import org.mezzotint.data.PictureOptions;
import org.mezzotint.data.Subset;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Yaml;
import org.mezzotint.models.ModelBundle;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class TrainerTest {
    private static final Device CPU = new Device("cpu");

    @TempDir
    private Path folder;

    private String recipe;

    @BeforeEach
    void readRecipe() throws IOException {
        recipe = new String(
                TrainerTest.class.getResourceAsStream("/recipes/tiny.yaml").readAllBytes(),
                java.nio.charset.StandardCharsets.UTF_8);
    }

    private TrainConfig config(String... overrides) {
        Map<String, String> map = new LinkedHashMap<>();
        for (int i = 0; i < overrides.length; i += 2) {
            map.put(overrides[i], overrides[i + 1]);
        }
        return Yaml.parse(recipe, "tiny.yaml", map, TrainConfig.class);
    }

    private static final class Losses implements TrainListener {
        final List<Double> seen = new ArrayList<>();
        final List<Double> validation = new ArrayList<>();

        @Override
        public void stepped(StepReport report) {
            seen.add(report.loss());
        }

        @Override
        public void validated(long images, Validator.Result result) {
            validation.add(result.loss());
        }
    }

    private Losses run(Path out, TrainConfig config, boolean resume, BooleanSupplier stop) {
        Losses losses = new Losses();
        try (Dataset all = config.data().open(Optional.empty(), 8, 8, 3)) {
            Subset.Split split = Subset.split(all, config.validation().images());
            RunDirectory directory = resume ? RunDirectory.open(out) : RunDirectory.create(out, config);
            TrainState state = resume
                    ? Trainer.resume(directory, config, all.fingerprint(), 2, CPU, line -> {})
                            .orElseThrow()
                    : Trainer.start(config, all.fingerprint(), 2, CPU);
            Validator validator = new Validator(config.diffusion(), split.validation(), 4);
            try (state;
                    Trainer trainer = new Trainer(
                            directory,
                            state,
                            split.train(),
                            Optional.of(validator),
                            List.of(new RunLog(directory, 2, Clock.systemUTC()), losses))) {
                trainer.run(stop);
            }
        }
        return losses;
    }

    private static Map<String, double[]> content(Path bundle) {
        Map<String, double[]> all = new LinkedHashMap<>();
        try (Scope scope = Scope.open();
                org.mezzotint.io.Safetensors file = org.mezzotint.io.Safetensors.open(bundle)) {
            file.names().forEach(name -> all.put(name, Tensors.doubles(file.tensor(name))));
        }
        return all;
    }

    private static void assertSameCheckpoints(Path one, Path other) {
        for (String file : List.of(TrainState.MODEL_FILE, TrainState.OPTIMIZER_FILE)) {
            Map<String, double[]> a = content(one.resolve(file));
            Map<String, double[]> b = content(other.resolve(file));
            assertThat(a.keySet()).isEqualTo(b.keySet());
            a.forEach((name, values) -> assertThat(values).as(file + " " + name).containsExactly(b.get(name)));
        }
    }

    /** A tiny HDiT in place of the DiT, with dropout: random numbers inside the network. */
    private static final String HDIT = """
            model:
              type: hdit
              height: 8
              width: 8
              channels: 3
              patchHeight: 1
              patchWidth: 1
              levels:
                - {width: 8, depth: 1, feedForwardWidth: 12, attention: {type: neighborhood, headWidth: 8, kernel: 3}, dropout: 0.1}
                - {width: 16, depth: 2, feedForwardWidth: 24, attention: {type: global, headWidth: 8}, dropout: 0.2}
              mapping: {width: 12, depth: 1, feedForwardWidth: 16, dropout: 0.1}
              numClasses: 4
              extraWidth: 0
              design: {position: axial-rope, similarity: cosine, feedForward: geglu, norm: ada-rms-norm, outputGate: false, skip: lerp}
            """;

    private void takeHDiT() {
        recipe = HDIT + recipe.substring(recipe.indexOf("diffusion:"));
    }

    @ParameterizedTest
    @CsvSource({
        "dit, false, 0",
        "dit, true, 0",
        "hdit, false, 0",
        "hdit, true, 0",
        "hdit, true, 0.5",
        "uncertain, false, 0"
    })
    void aRunInTwoHalvesEqualsARunInOneGoToTheLastBit(String model, String checkpointing, String augmentation)
            throws IOException {
        if (model.equals("hdit")) {
            takeHDiT();
        }
        List<String> set = new ArrayList<>(
                List.of("training.activationCheckpointing", checkpointing, "data.augmentation", augmentation));
        if (model.equals("uncertain")) {
            set.addAll(List.of("diffusion", UncertaintyTest.DIFFUSION, "sampling", UncertaintyTest.SAMPLING));
        }
        TrainConfig config = config(set.toArray(String[]::new));
        Losses whole = run(folder.resolve("whole"), config, false, () -> false);
        int[] steps = {0};
        Losses first = run(folder.resolve("halves"), config, false, () -> ++steps[0] == 5);
        assertThat(first.seen).hasSize(5);
        Losses second = run(folder.resolve("halves"), config, true, () -> false);

        List<Double> joined = new ArrayList<>(first.seen);
        joined.addAll(second.seen);
        assertThat(joined).isEqualTo(whole.seen);
        assertThat(second.validation).endsWith(whole.validation.get(whole.validation.size() - 1));
        assertSameCheckpoints(
                folder.resolve("whole/checkpoints/000000088"), folder.resolve("halves/checkpoints/000000088"));
        List<String> rows = Files.readAllLines(folder.resolve("halves/validation.csv"));
        assertThat(rows).isEqualTo(Files.readAllLines(folder.resolve("whole/validation.csv")));
    }

    @Test
    void aKilledRunGoesOnFromItsLastCheckpointAndLeavesNoTemporaries() throws IOException {
        TrainConfig config = config();
        Losses whole = run(folder.resolve("whole"), config, false, () -> false);
        Path killed = folder.resolve("killed");
        int[] steps = {0};
        assertThatThrownBy(() -> run(killed, config, false, () -> {
                    if (++steps[0] == 7) {
                        throw new IllegalStateException("killed");
                    }
                    return false;
                }))
                .hasMessage("killed");
        Files.createDirectories(killed.resolve("checkpoints/.000000064.abc.tmp"));
        Files.writeString(killed.resolve("checkpoints/.000000064.abc.tmp/model.safetensors"), "half");
        Files.writeString(killed.resolve("metrics.csv"), "56,7,0.1", java.nio.file.StandardOpenOption.APPEND);
        Losses second = run(killed, config, true, () -> false);
        assertThat(second.seen).isEqualTo(whole.seen.subList(6, 11)); // the checkpoint is at step 6, 48 pictures
        assertSameCheckpoints(folder.resolve("whole/checkpoints/000000088"), killed.resolve("checkpoints/000000088"));
        assertThat(Files.readAllLines(killed.resolve("metrics.csv")).stream()
                        .map(row -> row.split(",", -1)[0])
                        .toList())
                .isEqualTo(Files.readAllLines(folder.resolve("whole/metrics.csv")).stream()
                        .map(row -> row.split(",", -1)[0])
                        .toList());
        try (Stream<Path> files = Files.walk(killed)) {
            assertThat(files.filter(path -> path.toString().endsWith(".tmp"))).isEmpty();
        }
    }

    @Test
    void aRunKilledRightAfterACheckpointHasItsRowOfMetrics() throws IOException {
        TrainConfig config = config();
        Path killed = folder.resolve("killed");
        TrainListener killer = new TrainListener() {
            @Override
            public void saved(Path checkpoint, long images) {
                throw new IllegalStateException("killed");
            }
        };
        assertThatThrownBy(() -> {
                    try (Dataset all = config.data().open(Optional.empty(), 8, 8, 3)) {
                        RunDirectory directory = RunDirectory.create(killed, config);
                        TrainState state = Trainer.start(config, all.fingerprint(), 2, CPU);
                        RunLog log = new RunLog(directory, 2, Clock.systemUTC());
                        try (state;
                                Trainer trainer =
                                        new Trainer(directory, state, all, Optional.empty(), List.of(killer, log))) {
                            trainer.run(() -> false);
                        }
                    }
                })
                .hasMessage("killed");
        assertThat(killed.resolve("checkpoints/000000024")).isDirectory();
        assertThat(Files.readAllLines(killed.resolve("metrics.csv")))
                .extracting(row -> row.split(",", -1)[0])
                .containsExactly("images", "16", "24");
    }

    @Test
    void aDamagedCheckpointIsNamedAndTheOneBeforeItIsUsed() throws IOException {
        TrainConfig config = config();
        Path out = folder.resolve("run");
        run(out, config, false, () -> false);
        Path newest = out.resolve("checkpoints/000000088/model.safetensors");
        byte[] bytes = Files.readAllBytes(newest);
        bytes[bytes.length - 3] ^= 1;
        Files.write(newest, bytes);
        List<String> notes = new ArrayList<>();
        try (Dataset all = config.data().open(Optional.empty(), 8, 8, 3);
                TrainState state = Trainer.resume(RunDirectory.open(out), config, all.fingerprint(), 2, CPU, notes::add)
                        .orElseThrow()) {
            assertThat(state.progress().images()).isEqualTo(72);
        }
        assertThat(notes)
                .singleElement()
                .asString()
                .contains("000000088 is damaged")
                .contains("checksums");
    }

    @Test
    void onlyTheNewestCheckpointsAndTheMilestonesAreKept() {
        run(folder.resolve("run"), config("checkpoints.milestoneImages", "48"), false, () -> false);
        assertThat(RunDirectory.find(folder.resolve("run")).complete())
                .extracting(path -> path.getFileName().toString())
                .containsExactly("000000088", "000000072", "000000048");
    }

    @Test
    void resumingWithAnotherRecipeNamesWhatDiffers() {
        Path out = folder.resolve("run");
        run(out, config(), false, () -> false);
        assertThatThrownBy(() -> run(out, config("training.learningRate", "0.5"), true, () -> false))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("training was")
                .hasMessageContaining("0.5");
        assertThatThrownBy(() -> run(out, config("data.size", "31"), true, () -> false))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("data was");
    }

    @Test
    void resumingWithAnotherDataSetIsRefused() {
        Path out = folder.resolve("run");
        TrainConfig config = config();
        run(out, config, false, () -> false);
        assertThatThrownBy(() -> Trainer.resume(RunDirectory.open(out), config, "0123456789abcdef", 2, CPU, line -> {}))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("the data set is not the one");
    }

    @Test
    void aFinishedRunCanBeMadeLonger() {
        Path out = folder.resolve("run");
        run(out, config(), false, () -> false);
        Losses more = run(out, config().withDuration(104), true, () -> false);
        assertThat(more.seen).hasSize(2);
        assertThat(RunDirectory.find(out).config().training().durationImages()).isEqualTo(104);
    }

    @Test
    void aFolderThatHoldsARunIsNotOverwritten() {
        RunDirectory.create(folder.resolve("run"), config());
        assertThatThrownBy(() -> RunDirectory.create(folder.resolve("run"), config()))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("already holds a run")
                .hasMessageContaining("--resume");
    }

    @Test
    void accumulationChangesNothingButRounding() {
        sameInParts();
    }

    /** The strata of noise levels are those of the whole batch. */
    @Test
    void accumulationKeepsStrata() {
        recipe = recipe.substring(0, recipe.indexOf("diffusion:"))
                + """
                diffusion:
                  type: preconditioned
                  sigmaData: 0.5
                  sigmaMin: 0.01
                  sigmaMax: 80.0
                  density: {type: log-normal, mean: -1.2, std: 1.2}
                  weighting: {type: edm}
                  scales: 1
                """
                + recipe.substring(recipe.indexOf("data:"))
                        .replace(
                                "grid: {type: schedule}",
                                "grid: {type: karras, sigmaMin: 0.01, sigmaMax: 80.0, rho: 7.0}");
        sameInParts();
    }

    private void sameInParts() {
        Losses whole = run(folder.resolve("whole"), config(), false, () -> false);
        Losses parts = run(folder.resolve("parts"), config("training.accumulation", "4"), false, () -> false);
        assertThat(parts.seen).hasSameSizeAs(whole.seen);
        for (int i = 0; i < whole.seen.size(); i++) {
            assertThat(parts.seen.get(i)).isCloseTo(whole.seen.get(i), org.assertj.core.data.Offset.offset(1e-4));
        }
    }

    @Test
    void theAverageFollowsTheWeightsByItsDecay() {
        TrainConfig config = config("training.durationImages", "8", "training.ema", "{type: constant, decay: 0.75}");
        run(folder.resolve("run"), config, false, () -> false);
        Path bundle = RunDirectory.find(folder.resolve("run")).newestBundle();
        Map<String, double[]> tensors = content(bundle);
        try (Scope scope = Scope.open();
                TrainState fresh = TrainState.fresh(config, CPU, new TrainState.Progress(0, 0, 0, "", 2))) {
            fresh.model().trainable().forEach((name, start) -> {
                double[] before = Tensors.doubles(start);
                double[] after = tensors.get(name);
                double[] average = tensors.get("ema." + name);
                for (int i = 0; i < before.length; i++) {
                    assertThat(average[i])
                            .isCloseTo(0.75 * before[i] + 0.25 * after[i], org.assertj.core.data.Offset.offset(1e-6));
                }
            });
        }
    }

    @Test
    void aLossThatIsNotFiniteStopsTheRunAndNamesTheLastGoodCheckpoint() {
        TrainConfig config = config();
        Path out = folder.resolve("run");
        int[] steps = {0};
        assertThatThrownBy(() -> {
                    try (Dataset all = config.data().open(Optional.empty(), 8, 8, 3)) {
                        RunDirectory directory = RunDirectory.create(out, config);
                        TrainState state = Trainer.start(config, all.fingerprint(), 2, CPU);
                        try (state;
                                Trainer trainer = new Trainer(directory, state, all, Optional.empty(), List.of())) {
                            trainer.run(() -> {
                                if (++steps[0] == 4) {
                                    poison(state);
                                }
                                return false;
                            });
                        }
                    }
                })
                .isInstanceOf(DivergedException.class)
                .hasMessageContaining("the loss is NaN at step 5")
                .hasMessageContaining("000000024");
    }

    private static void poison(TrainState state) {
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard()) {
            Tensor weight = state.model().trainable().get("blocks.0.attn.qkv.weight");
            weight.fill_(Scalars.of(Double.NaN));
        }
    }

    /** The second half of the features of "not warped" is sin 0: the weights behind them learn from warped pictures only. */
    @Test
    void aModelIsToldHowItsPicturesAreWarped() {
        takeHDiT();
        for (String augmentation : List.of("0", "0.5")) {
            TrainConfig config = config("data.augmentation", augmentation);
            Path out = folder.resolve("run" + augmentation);
            run(out, config, false, () -> false);
            double[] after = content(RunDirectory.find(out).newestBundle()).get("aug_in_proj.weight");
            boolean changed = false;
            try (Scope scope = Scope.open();
                    TrainState fresh = TrainState.fresh(config, CPU, new TrainState.Progress(0, 0, 0, "", 2))) {
                double[] before = Tensors.doubles(fresh.model().trainable().get("aug_in_proj.weight"));
                int width = (int) Math.sqrt(before.length);
                for (int i = 0; i < before.length; i++) {
                    changed |= i % width >= width / 2 && after[i] != before[i];
                }
            }
            assertThat(changed).as("augmentation " + augmentation).isEqualTo(!augmentation.equals("0"));
        }
    }

    @Test
    void validationSeesPicturesAsTheyAre() {
        takeHDiT();
        List<Losses> both = new ArrayList<>();
        for (String augmentation : List.of("0", "1")) {
            TrainConfig config = config(
                    "training.durationImages",
                    "8",
                    "training.learningRate",
                    "1e-30",
                    "data.augmentation",
                    augmentation);
            both.add(run(folder.resolve("run" + augmentation), config, false, () -> false));
        }
        assertThat(both.get(1).validation).isNotEmpty().isEqualTo(both.get(0).validation);
        assertThat(both.get(1).seen).isNotEqualTo(both.get(0).seen);
    }

    @Test
    void guidanceMovesNoMoreChannelsThanThereAre() {
        assertThatThrownBy(() -> config("sampling.guidedChannels", "first-12"))
                .isInstanceOf(InputException.class)
                .hasMessage("tiny.yaml: guided channels must be at most the model's 3, got first-12");
    }

    @Test
    void augmentationNeedsAModelThatIsToldOfIt() {
        assertThatThrownBy(() -> config("data.augmentation", "0.12"))
                .isInstanceOf(InputException.class)
                .hasMessage("tiny.yaml: data.augmentation must be 0 for this model: it cannot be told how a picture was"
                        + " warped (hdit, diffit-image and ddpmpp can), so its samples would be warped too, got 0.12");
        takeHDiT();
        assertThat(config("data.augmentation", "0.12").data().augmentation()).isEqualTo(0.12);
        for (String outside : List.of("-0.1", "1.1")) {
            assertThatThrownBy(() -> config("data.augmentation", outside))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("augmentation must be 0 to 1, got ");
        }
    }

    @Test
    void augmentationAndFlipsAreNotTakenTogether() {
        takeHDiT();
        String part = ", maxPixels: 99, loaderThreads: 1, onBroken: fail}";
        assertThatThrownBy(() -> config("data", "{type: pictures, flip: true, augmentation: 0.12" + part))
                .isInstanceOf(InputException.class)
                .hasMessageContaining(
                        "data: flip must be false with augmentation, which mirrors every second picture itself"
                                + " and tells the model, got flip true and augmentation 0.12");
        for (String allowed : List.of("flip: false, augmentation: 0.12", "flip: true, augmentation: 0.0")) {
            assertThat(config("data", "{type: pictures, " + allowed + part)
                            .data()
                            .augmentation())
                    .isEqualTo(allowed.endsWith("0.12") ? 0.12 : 0);
        }
    }

    @Test
    void theNumberOfClassesMustFitTheData() {
        TrainConfig config = config("model.numClasses", "7");
        assertThatThrownBy(() -> run(folder.resolve("run"), config, false, () -> false))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("the model has 7 classes, the data set has 4");
    }

    @Test
    void labelVectorsAreNoClasses() throws IOException {
        BufferedImage picture = new BufferedImage(8, 8, BufferedImage.TYPE_3BYTE_BGR);
        ImageIO.write(picture, "png", folder.resolve("a.png").toFile());
        Files.writeString(folder.resolve("dataset.json"), "{\"labels\": [[\"a.png\", [0.5, 0.5]]]}");
        try (Dataset vectors = ImageFolder.open(folder, PictureOptions.rgb(8, 8))) {
            assertThatThrownBy(() -> Trainer.checkDataset(config(), vectors))
                    .isInstanceOf(InputException.class)
                    .hasMessage("the model has 4 classes, the data set has vectors of 2 numbers in place of classes"
                            + " (set model.numClasses)");
        }
    }

    @Test
    void aBatchThatDoesNotFitIntoMemoryIsRefusedBeforeTheFirstStep() {
        assertThatThrownBy(() -> Trainer.checkMemory(config("training.batchSize", "100000000")))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("a batch of 100000000 pictures needs about")
                .hasMessageContaining("training.batchSize");
    }

    @Test
    void theBundleLoadsAndHoldsTheRecipesSections() {
        run(folder.resolve("run"), config(), false, () -> false);
        try (ModelBundle bundle =
                ModelBundle.open(RunDirectory.find(folder.resolve("run")).newestBundle())) {
            assertThat(bundle.config()).isEqualTo(config().model());
            assertThat(bundle.section("diffusion", org.mezzotint.diffusion.DiffusionConfig.class))
                    .isEqualTo(config().diffusion());
            assertThat(bundle.section("sampling", org.mezzotint.diffusion.SamplingConfig.class))
                    .isEqualTo(config().sampling());
        }
    }

    @Test
    void nativeObjectsDoNotPileUpOverAThousandSteps() {
        TrainConfig config = config(
                "training.durationImages", "2200",
                "training.batchSize", "2",
                "validation.everyImages", "100000",
                "checkpoints.everyImages", "100000");
        List<Long> counts = new ArrayList<>();
        try (Dataset all = config.data().open(Optional.empty(), 8, 8, 3)) {
            RunDirectory directory = RunDirectory.create(folder.resolve("run"), config);
            TrainState state = Trainer.start(config, all.fingerprint(), 2, CPU);
            try (state;
                    Trainer trainer = new Trainer(directory, state, all, Optional.empty(), List.of())) {
                trainer.run(() -> {
                    counts.add(Pointer.totalCount());
                    return false;
                });
            }
        }
        assertThat(counts).hasSizeGreaterThan(1000);
        assertThat(counts.get(counts.size() - 1)).isLessThanOrEqualTo(counts.get(20));
    }

    @Test
    void everyOptionOfTrainingChangesTheResult() {
        double base = last(config());
        Map<String, String> changes = new LinkedHashMap<>();
        changes.put("training.learningRate", "0.002");
        changes.put("training.seed", "6");
        changes.put("training.beta1", "0.5");
        changes.put("training.beta2", "0.5");
        changes.put("training.epsilon", "0.01");
        changes.put("training.weightDecay", "0.5");
        changes.put("training.gradientClip", "0.001");
        changes.put("training.classDropout", "0.9");
        changes.put("training.schedule", "{type: cosine, warmupImages: 40, finalFraction: 0.1}");
        changes.put("diffusion.weighting", "{type: min-snr, gamma: 1.0}");
        changes.put("diffusion.parameterization", "eps");
        changes.put("diffusion.schedule", "{type: linear, steps: 1000}");
        changes.forEach((key, value) ->
                assertThat(last(config(key, value))).as(key).isNotEqualTo(base).isFinite());
    }

    private int runs;

    private double last(TrainConfig config) {
        Losses losses = run(folder.resolve("run" + runs++), config, false, () -> false);
        return losses.seen.get(losses.seen.size() - 1);
    }
}
