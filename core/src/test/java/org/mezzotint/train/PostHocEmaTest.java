package org.mezzotint.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.mezzotint.data.Dataset;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Safetensors;
import org.mezzotint.io.Yaml;
import org.mezzotint.models.Model;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** Eleven steps of eight pictures: snapshots at 16, 32, 48, 64, 80 and 88, checkpoints at 24, 48, 72 and 88. */
class PostHocEmaTest {
    private static final Device CPU = new Device("cpu");

    @TempDir
    private static Path shared;

    @TempDir
    private Path folder;

    private static String recipe;
    /** A whole run, which no test changes, and its weights after each step. */
    private static Path whole;

    private static List<double[]> wholeHistory;

    @BeforeAll
    static void trainOnce() throws IOException {
        recipe = new String(
                        PostHocEmaTest.class
                                .getResourceAsStream("/recipes/tiny.yaml")
                                .readAllBytes(),
                        StandardCharsets.UTF_8)
                .replace(
                        "ema: {type: constant, decay: 0.9}",
                        "ema: {type: post-hoc, sigmaRels: [0.05, 0.1], snapshotImages: 16, storage: float32}");
        whole = shared.resolve("whole");
        wholeHistory = run(whole, config(), false, () -> false);
    }

    private static TrainConfig config(String... overrides) {
        Map<String, String> map = new LinkedHashMap<>();
        for (int i = 0; i < overrides.length; i += 2) {
            map.put(overrides[i], overrides[i + 1]);
        }
        return Yaml.parse(recipe, "tiny.yaml", map, TrainConfig.class);
    }

    /** The weights after each step, all parameters in a row. */
    private static final class History implements TrainListener {
        final List<double[]> weights = new ArrayList<>();
        private TrainState state;

        @Override
        public void started(TrainState start, long durationImages) {
            state = start;
        }

        @Override
        public void stepped(StepReport report) {
            Map<String, double[]> all = new TreeMap<>();
            state.model().trainable().forEach((name, tensor) -> all.put(name, Tensors.doubles(tensor)));
            weights.add(joined(all));
        }
    }

    private static double[] joined(Map<String, double[]> sorted) {
        return sorted.values().stream().flatMapToDouble(Arrays::stream).toArray();
    }

    /** The tensors with a prefix that are trained, in the order of {@link History}. */
    private static double[] content(Path file, String prefix) {
        Map<String, double[]> all = new TreeMap<>();
        try (Scope scope = Scope.open();
                Safetensors tensors = Safetensors.open(file)) {
            tensors.names().stream()
                    .filter(name -> name.startsWith(prefix) && !name.endsWith("pos_embed"))
                    .forEach(name -> all.put(name, Tensors.doubles(tensors.tensor(name))));
        }
        assertThat(all).isNotEmpty();
        return joined(all);
    }

    private static List<double[]> run(Path out, TrainConfig config, boolean resume, BooleanSupplier stop) {
        History history = new History();
        try (Dataset all = config.data().open(Optional.empty(), 8, 8, 3)) {
            RunDirectory directory = resume ? RunDirectory.open(out) : RunDirectory.create(out, config);
            TrainState state = resume
                    ? Trainer.resume(directory, config, all.fingerprint(), 2, CPU, line -> {})
                            .orElseThrow()
                    : Trainer.start(config, all.fingerprint(), 2, CPU);
            try (state;
                    Trainer trainer = new Trainer(directory, state, all, Optional.empty(), List.of(history))) {
                trainer.run(stop);
            }
        }
        return history.weights;
    }

    /** The average that would have been kept, straight from its definition (arXiv:2312.02696v2, eq. 3). */
    private static double[] direct(List<double[]> history, double sigmaRel, int steps) {
        double power = PowerProfile.gamma(sigmaRel) + 1;
        double[] sum = new double[history.get(0).length];
        for (int k = 0; k < steps; k++) {
            double mass = Math.pow((k + 1.0) / steps, power) - Math.pow((double) k / steps, power);
            for (int i = 0; i < sum.length; i++) {
                sum[i] += mass * history.get(k)[i];
            }
        }
        return sum;
    }

    private static double farthest(double[] a, double[] b) {
        assertThat(a).hasSameSizeAs(b);
        double farthest = 0;
        for (int i = 0; i < a.length; i++) {
            farthest = Math.max(farthest, Math.abs(a[i] - b[i]));
        }
        return farthest;
    }

    @Test
    void averagesAreTheirWeightedSumsOverTheHistory() {
        checkAverages(whole, wholeHistory, 1e-6);
        for (int images : new int[] {16, 32, 48, 64, 80, 88}) {
            Path snapshot = whole.resolve("snapshots/" + RunDirectory.name(images) + ".safetensors");
            assertThat(farthest(content(snapshot, "ema0."), direct(wholeHistory, 0.05, images / 8)))
                    .isLessThan(1e-6);
            assertThat(farthest(content(snapshot, "ema1."), direct(wholeHistory, 0.1, images / 8)))
                    .isLessThan(1e-6);
        }
        Path exact = folder.resolve("exact");
        checkAverages(exact, run(exact, config("training.precision", "float64"), false, () -> false), 1e-14);
    }

    private static void checkAverages(Path run, List<double[]> history, double tolerance) {
        assertThat(history).hasSize(11);
        Path newest = run.resolve("checkpoints/000000088");
        assertThat(farthest(content(newest.resolve("model.safetensors"), "ema."), direct(history, 0.05, 11)))
                .isLessThan(tolerance);
        assertThat(farthest(content(newest.resolve("averages.safetensors"), "ema1."), direct(history, 0.1, 11)))
                .isLessThan(tolerance);
    }

    @Test
    void anAverageThatWasNotKeptIsRebuilt() {
        Path out = folder.resolve("run");
        List<double[]> history = run(out, config("training.ema.snapshotImages", "8"), false, () -> false);
        Path bundle = folder.resolve("rebuilt.safetensors");
        long before = Pointer.totalCount();
        PostHocEma.Report report = PostHocEma.rebuild(RunDirectory.find(out), 0.08, OptionalLong.empty(), bundle);
        assertThat(Pointer.totalCount()).isLessThanOrEqualTo(before);
        double[] truth = direct(history, 0.08, 11);
        double[] shorter = direct(history, 0.05, 11);
        double error = farthest(content(bundle, "ema."), truth) / farthest(shorter, truth);
        assertThat(error)
                .as("of the rebuilt average, over the distance of a kept one")
                .isLessThan(0.005);
        assertThat(report.profileError()).isBetween(1e-6, 0.01);
        assertThat(report.images()).isEqualTo(88);
        assertThat(report.rawImages()).isEqualTo(88);
        assertThat(report.snapshots()).isEqualTo(11);
        assertThat(content(bundle, "blocks"))
                .isEqualTo(content(out.resolve("checkpoints/000000088/model.safetensors"), "blocks"));
    }

    @Test
    void aLengthThatWasKeptComesBackToTheLastBit() {
        Path out = whole;
        Path checkpoint = out.resolve("checkpoints/000000088");
        Path bundle = folder.resolve("same.safetensors");
        PostHocEma.Report first = PostHocEma.rebuild(RunDirectory.find(out), 0.05, OptionalLong.empty(), bundle);
        assertThat(first.profileError()).isZero();
        assertThat(content(bundle, "ema.")).isEqualTo(content(checkpoint.resolve("model.safetensors"), "ema."));
        PostHocEma.rebuild(RunDirectory.find(out), 0.1, OptionalLong.empty(), bundle);
        assertThat(content(bundle, "ema.")).isEqualTo(content(checkpoint.resolve("averages.safetensors"), "ema1."));
        PostHocEma.Report earlier = PostHocEma.rebuild(RunDirectory.find(out), 0.1, OptionalLong.of(32), bundle);
        assertThat(content(bundle, "ema.")).isEqualTo(content(out.resolve("snapshots/000000032.safetensors"), "ema1."));
        assertThat(earlier.rawImages()).isEqualTo(88);
        assertThat(earlier.snapshots()).isEqualTo(2);
    }

    @Test
    void aKilledRunGoesOnToTheSameSnapshotsByteForByte() throws IOException {
        TrainConfig config = config();
        Path killed = folder.resolve("killed");
        int[] steps = {0};
        assertThatThrownBy(() -> run(killed, config, false, () -> {
                    if (++steps[0] == 9) {
                        throw new IllegalStateException("killed");
                    }
                    return false;
                }))
                .hasMessage("killed");
        // killed in step 9, before the checkpoint at 72: the snapshot at 64 is beyond the newest one, at 48
        assertThat(killed.resolve("snapshots/000000064.safetensors")).exists();
        Path unfinished = Files.writeString(killed.resolve("snapshots/.000000080.safetensors.abc.tmp"), "half");
        run(killed, config, true, () -> {
            assertThat(unfinished).doesNotExist();
            return false;
        });
        for (String part : List.of("snapshots", "checkpoints/000000088")) {
            Map<String, byte[]> expected = files(whole.resolve(part));
            Map<String, byte[]> actual = files(killed.resolve(part));
            assertThat(actual.keySet()).isEqualTo(expected.keySet());
            expected.forEach((name, bytes) ->
                    assertThat(actual.get(name)).as(part + "/" + name).isEqualTo(bytes));
        }
    }

    private static Map<String, byte[]> files(Path folder) throws IOException {
        Map<String, byte[]> files = new TreeMap<>();
        try (Stream<Path> list = Files.list(folder)) {
            for (Path file : list.toList()) {
                files.put(file.getFileName().toString(), Files.readAllBytes(file));
            }
        }
        assertThat(files).isNotEmpty();
        return files;
    }

    @Test
    void snapshotsBeyondTheCheckpointAreRemovedBeforeTheRunGoesOn() {
        int[] steps = {0};
        Path stopped = folder.resolve("stopped");
        run(stopped, config(), false, () -> ++steps[0] == 5); // at 40 pictures, where it is saved
        EmaSnapshots snapshots = RunDirectory.find(stopped).snapshots();
        assertThat(snapshots.all()).extracting(each -> each.content().images()).containsExactly(16L, 32L);
        snapshots.restartAt(32);
        assertThat(snapshots.all()).hasSize(2);
        snapshots.restartAt(31);
        assertThat(snapshots.all()).extracting(each -> each.content().images()).containsExactly(16L);
    }

    @ParameterizedTest
    @CsvSource({"float32, Float, 1e-7", "float16, Half, 1e-3", "bfloat16, BFloat16, 1e-2"})
    void storageIsTheNumberTypeOfTheSnapshots(String storage, ScalarType type, double tolerance) {
        Path out = folder.resolve("run");
        List<double[]> history =
                run(out, config("training.ema.storage", storage, "training.durationImages", "16"), false, () -> false);
        Path snapshot = out.resolve("snapshots/000000016.safetensors");
        try (Safetensors file = Safetensors.open(snapshot)) {
            assertThat(file.names()).allMatch(name -> file.type(name) == type);
        }
        double[] truth = direct(history, 0.1, 2);
        double[] stored = content(snapshot, "ema1.");
        for (int i = 0; i < truth.length; i++) {
            assertThat(Math.abs(stored[i] - truth[i])).isLessThan(tolerance * (0.1 + Math.abs(truth[i])));
        }
    }

    @Test
    void lengthsCanBeOneOrMore() {
        Path out = folder.resolve("run");
        List<double[]> history = run(
                out,
                config("training.ema.sigmaRels", "[0.2]", "training.ema.snapshotImages", "40"),
                false,
                () -> false);
        assertThat(out.resolve("checkpoints/000000088/averages.safetensors")).doesNotExist();
        Path bundle = out.resolve("checkpoints/000000088/model.safetensors");
        assertThat(farthest(content(bundle, "ema."), direct(history, 0.2, 11))).isLessThan(1e-6);
        assertThat(RunDirectory.find(out).snapshots().all())
                .extracting(EmaSnapshots.Snapshot::content)
                .containsExactly(
                        new EmaSnapshots.Content(40, List.of(0.2)),
                        new EmaSnapshots.Content(80, List.of(0.2)),
                        new EmaSnapshots.Content(88, List.of(0.2)));
    }

    /** Fine-tuning sets the weights after the state was made; what is frozen stays as it was set. */
    @Test
    void frozenParametersAreThoseOfTheModelInEveryAverage() {
        TrainConfig config = config("training.frozen", "[\"blocks.0.*\"]");
        Path out = folder.resolve("run");
        RunDirectory directory = RunDirectory.create(out, config);
        try (Dataset all = config.data().open(Optional.empty(), 8, 8, 3);
                TrainState state = Trainer.start(config, all.fingerprint(), 2, CPU)) {
            try (Scope scope = Scope.open();
                    NoGradGuard noGrad = new NoGradGuard()) {
                for (Model model : List.of(state.model(), state.average())) {
                    model.trainable().forEach((name, tensor) -> {
                        if (name.startsWith("blocks.0.")) {
                            tensor.fill_(Scalars.of(0.25));
                        }
                    });
                }
            }
            try (Trainer trainer = new Trainer(directory, state, all, Optional.empty(), List.of())) {
                trainer.run(() -> false);
            }
        }
        Path snapshot = out.resolve("snapshots/000000088.safetensors");
        try (Safetensors file = Safetensors.open(snapshot)) {
            assertThat(file.names()).isNotEmpty().noneMatch(name -> name.contains("blocks.0."));
        }
        Path bundle = folder.resolve("rebuilt.safetensors");
        PostHocEma.rebuild(directory, 0.1, OptionalLong.empty(), bundle);
        assertThat(content(bundle, "ema.blocks.0.")).containsOnly(0.25);
        assertThat(content(bundle, "ema.blocks.1.")).isEqualTo(content(snapshot, "ema1.blocks.1."));
    }

    @Test
    void aRunWithAnotherAverageKeepsNoSnapshots() {
        Path out = folder.resolve("run");
        run(out, config("training.ema", "{type: constant, decay: 0.5}"), false, () -> false);
        assertThat(out.resolve("snapshots")).doesNotExist();
        assertThat(out.resolve("checkpoints/000000088/averages.safetensors")).doesNotExist();
        assertThatExceptionOfType(InputException.class)
                .isThrownBy(() -> PostHocEma.rebuild(
                        RunDirectory.find(out), 0.1, OptionalLong.empty(), folder.resolve("x.safetensors")))
                .withMessage("the run in " + out + " has no snapshots of its averages: its recipe needs training.ema of"
                        + " type post-hoc");
    }

    @Test
    void aFileThatIsNoSnapshotIsNamed() throws IOException {
        Path out = folder.resolve("run");
        run(out, config("training.durationImages", "16"), false, () -> false);
        Path wrong = out.resolve("snapshots/000000008.safetensors");
        Files.copy(out.resolve("checkpoints/000000016/model.safetensors"), wrong);
        assertThatExceptionOfType(CheckpointException.class)
                .isThrownBy(() -> RunDirectory.find(out).snapshots().all())
                .withMessage(wrong + " is not a snapshot of averages of format 1: its header says format mezzotint,"
                        + " version 1");
        Files.delete(wrong);
        Files.copy(out.resolve("snapshots/000000016.safetensors"), wrong);
        assertThatExceptionOfType(CheckpointException.class)
                .isThrownBy(() -> RunDirectory.find(out).snapshots().all())
                .withMessage(wrong + ": its name and its header must say the same time, got 16");
    }

    @Test
    void weightsThatAreNotFiniteGiveNoSnapshot() {
        TrainConfig config = config("training.ema.snapshotImages", "8", "checkpoints.everyImages", "1000");
        Path out = folder.resolve("run");
        try (Dataset all = config.data().open(Optional.empty(), 8, 8, 3);
                TrainState state = Trainer.start(config, all.fingerprint(), 2, CPU)) {
            RunDirectory directory = RunDirectory.create(out, config);
            TrainListener poison = new TrainListener() {
                @Override
                public void stepped(StepReport report) {
                    if (report.step() == 2) {
                        try (Scope scope = Scope.open();
                                NoGradGuard noGrad = new NoGradGuard()) {
                            state.model()
                                    .trainable()
                                    .get("blocks.0.attn.qkv.weight")
                                    .fill_(Scalars.of(Double.NaN));
                        }
                    }
                }
            };
            try (Trainer trainer = new Trainer(directory, state, all, Optional.empty(), List.of(poison))) {
                assertThatExceptionOfType(DivergedException.class).isThrownBy(() -> trainer.run(() -> false));
            }
        }
        assertThat(out.resolve("snapshots/000000008.safetensors")).exists();
        assertThat(out.resolve("snapshots/000000016.safetensors")).doesNotExist();
    }

    @Test
    void nativeObjectsDoNotPileUp() {
        List<Long> counts = new ArrayList<>();
        TrainConfig config = config(
                "training.durationImages", "100",
                "training.batchSize", "2",
                "training.ema.snapshotImages", "20",
                "checkpoints.everyImages", "100000");
        try (Dataset all = config.data().open(Optional.empty(), 8, 8, 3);
                TrainState state = Trainer.start(config, all.fingerprint(), 2, CPU);
                Trainer trainer = new Trainer(
                        RunDirectory.create(folder.resolve("run"), config), state, all, Optional.empty(), List.of())) {
            trainer.run(() -> {
                counts.add(Pointer.totalCount());
                return false;
            });
        }
        assertThat(counts).hasSize(49);
        assertThat(counts.get(counts.size() - 1)).isLessThanOrEqualTo(counts.get(20));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "training.ema.sigmaRels | [] | sigmaRels must be 1 to 8 numbers, got []",
                "training.ema.sigmaRels | [0.1, 0.05] | sigmaRels must rise, got [0.1, 0.05]",
                "training.ema.sigmaRels | [0.1, 0.1] | sigmaRels must rise, got [0.1, 0.1]",
                "training.ema.sigmaRels | [0.3] | sigmaRel must be 0.001 to 0.2886, got 0.3",
                "training.ema.snapshotImages | 0 | snapshotImages must be at least 1, got 0",
                "training.ema.storage | float8 | float8"
            })
    void recipesThatMakeNoSenseAreRefused(String key, String value, String message) {
        assertThatExceptionOfType(InputException.class)
                .isThrownBy(() -> config(key, value))
                .withMessageContaining(message);
    }

    @Test
    void thePaperKeepsTwoLengths() {
        assertThat(Ema.PostHoc.edm2(1000).sigmaRels()).containsExactly(0.05, 0.10);
        assertThat(Yaml.write(Ema.PostHoc.edm2(1000)))
                .contains("type: post-hoc", "- 0.05", "snapshotImages: 1000", "storage: float32");
    }
}
