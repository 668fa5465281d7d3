package org.mezzotint.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.models.layers.AttentionWatch;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Devices;
import org.mezzotint.tensor.Ops;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.TensorList;
import org.mezzotint.tensor.Tensors;

/** What every network promises. */
abstract class ModelContract {
    @TempDir
    Path temp;

    /** A small network, not square, of which no dimension equals another. */
    abstract ModelConfig config();

    /** A network whose every parameter is random: fresh ones start with zeros that hide mistakes. */
    static Model random(ModelConfig config, Precision precision, long seed) {
        try (Device cpu = Devices.cpu();
                Init init = Init.random(seed, precision, cpu)) {
            Model model = config.create(init);
            randomise(model, seed);
            return model;
        }
    }

    static void randomise(Model model, long seed) {
        try (NoGradGuard noGrad = new NoGradGuard();
                Scope scope = Scope.open();
                Rng rng = new Rng(seed)) {
            model.trainable().forEach((name, parameter) -> {
                rng.fillNormal(parameter);
                parameter.mul_(Scalars.of(0.3));
                if (name.endsWith("attn.scale")) { // of cosine similarity, which is never negative
                    parameter.abs_().add_(Scalars.of(0.5));
                }
            });
        }
    }

    private Tensor pictures(Rng rng, ScalarType type, long n) {
        return rng.normal(type, n, config().channels(), config().height(), config().width());
    }

    private static Tensor times(long n) {
        return Tensors.of(LongStream.range(0, n).mapToDouble(i -> 1 + 83.5 * i).toArray());
    }

    private Conditioning cond(long n) {
        Map<String, Tensor> inputs = new LinkedHashMap<>();
        if (config().numClasses() > 0) {
            inputs.put(
                    Conditioning.CLASS,
                    Tensors.of(LongStream.range(0, n)
                            .map(i -> i % config().numClasses())
                            .toArray()));
        }
        if (config() instanceof HDiTConfig hdit && hdit.extraWidth() > 0) {
            inputs.put(
                    HDiT.EXTRA,
                    Tensors.of(LongStream.range(0, n * hdit.extraWidth())
                                    .mapToDouble(i -> Math.sin((double) i))
                                    .toArray())
                            .view(n, hdit.extraWidth()));
        }
        // without a description of the warp, what reads it gets nothing to learn from
        if (config() instanceof DdpmPlusPlusConfig
                || (config() instanceof ImageDiffiTConfig diffit && diffit.augmentation())) {
            inputs.put(
                    HDiT.AUGMENTATION,
                    Tensors.of(LongStream.range(0, 9 * n)
                                    .mapToDouble(i -> Math.cos((double) i))
                                    .toArray())
                            .view(n, 9));
        }
        return Conditioning.of(inputs);
    }

    private Tensor forward(Model model, Tensor x) {
        return model.forward(x, times(x.size(0)), cond(x.size(0)), Tape.plain());
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 3})
    void theShapeIsKept(long n) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1);
                Model model = random(config(), Precision.FLOAT32, 1)) {
            Tensor y = forward(model, pictures(rng, ScalarType.Float, n));
            assertThat(y.shape()).containsExactly(n, config().outputChannels(), config().height(), config().width());
            assertThat(Tensors.type(y)).isSameAs(ScalarType.Float);
            assertThat(Tensors.doubles(y)).doesNotContain(Double.NaN);
        }
    }

    @Test
    void everyParameterGetsAGradient() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(2);
                Model model = random(config(), Precision.FLOAT64, 2)) {
            Tensor y = forward(model, pictures(rng, ScalarType.Double, 3));
            Tape.plain()
                    .backward(y.mul(rng.normal(ScalarType.Double, y.shape())).sum());
            model.trainable().forEach((name, parameter) -> {
                assertThat(parameter.grad().defined()).as(name).isTrue();
                double[] gradient = Tensors.doubles(parameter.grad());
                double largest = 0;
                for (double g : gradient) {
                    largest = Math.max(largest, Math.abs(g));
                }
                assertThat(largest).as(name).isFinite().isGreaterThan(1e-6);
            });
        }
    }

    @Test
    void frozenTensorsGetNone() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(2);
                Model model = random(config(), Precision.FLOAT32, 2)) {
            Tape.plain()
                    .backward(forward(model, pictures(rng, ScalarType.Float, 1)).sum());
            Map<String, Tensor> frozen = new LinkedHashMap<>(model.state());
            frozen.keySet().removeAll(model.trainable().keySet());
            frozen.forEach((name, tensor) ->
                    assertThat(tensor.grad().defined()).as(name).isFalse());
        }
    }

    @Test
    void aPictureDoesNotDependOnItsBatch() {
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(3);
                Model model = random(config(), Precision.FLOAT64, 3)) {
            Tensor x = pictures(rng, ScalarType.Double, 3);
            Tensor t = times(3);
            Conditioning cond = cond(3);
            Tensor together = model.forward(x, t, cond, Tape.plain());
            for (int i = 0; i < 3; i++) {
                Tensor alone = model.forward(x.narrow(0, i, 1), t.narrow(0, i, 1), cond.slice(i, 1), Tape.plain());
                assertThat(Tensors.doubles(together.select(0, i)))
                        .containsExactly(Tensors.doubles(alone), within(1e-12));
            }
            assertThat(Tensors.doubles(together.select(0, 0))).isNotEqualTo(Tensors.doubles(together.select(0, 1)));
        }
    }

    @Test
    void timeChangesTheOutput() {
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(3);
                Model model = random(config(), Precision.FLOAT64, 3)) {
            Tensor x = pictures(rng, ScalarType.Double, 1);
            Tensor early = model.forward(x, Tensors.of(3.0), cond(1), Tape.plain());
            Tensor late = model.forward(x, Tensors.of(3.5), cond(1), Tape.plain());
            assertThat(distance(early, late)).isGreaterThan(1e-3);
            Tensor whole = model.forward(x, Tensors.of(3L), cond(1), Tape.plain());
            assertThat(Tensors.doubles(whole)).containsExactly(Tensors.doubles(early));
        }
    }

    static double distance(Tensor a, Tensor b) {
        double[] x = Tensors.doubles(a);
        double[] y = Tensors.doubles(b);
        double largest = 0;
        for (int i = 0; i < x.length; i++) {
            largest = Math.max(largest, Math.abs(x[i] - y[i]));
        }
        return largest;
    }

    @Test
    void watchingAttentionChangesNoBitAndWeightsSumToOne() {
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(4);
                Model model = random(config(), Precision.FLOAT32, 4)) {
            Tensor x = pictures(rng, ScalarType.Float, 2);
            float[] expected = Tensors.floats(forward(model, x));
            AttentionWatch watch = new AttentionWatch(new AttentionWatch.Mean(), name -> true);
            Tensor watched = model.forward(x, times(2), cond(2), Tape.watching(watch));
            assertThat(Tensors.floats(watched)).containsExactly(expected);
            for (AttentionWatch.Seen seen : watch.take()) {
                for (float[] head : seen.heads()) {
                    assertThat(head).hasSize(seen.rows() * seen.columns());
                    double sum = 0;
                    for (float weight : head) {
                        sum += weight;
                    }
                    assertThat(sum).as(seen.layer()).isCloseTo(1, within(1e-5));
                }
            }
        }
    }

    @Test
    void nonContiguousPicturesGiveTheSame() {
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(4);
                Model model = random(config(), Precision.FLOAT32, 4)) {
            Tensor x = pictures(rng, ScalarType.Float, 2);
            Tensor strided = x.permute(3, 1, 0, 2).contiguous().permute(2, 1, 3, 0);
            assertThat(strided.is_contiguous()).isFalse();
            Tensor part = pictures(rng, ScalarType.Float, 4);
            part.narrow(0, 1, 2).copy_(x);
            float[] expected = Tensors.floats(forward(model, x));
            assertThat(Tensors.floats(forward(model, strided))).containsExactly(expected);
            assertThat(Tensors.floats(forward(model, part.narrow(0, 1, 2)))).containsExactly(expected);
        }
    }

    @Test
    void wrongShapesAreRefusedWithNameRuleAndValue() {
        int c = config().channels();
        int h = config().height();
        int w = config().width();
        String rule = "x must have shape (any, " + c + ", " + h + ", " + w + "), got ";
        try (Scope scope = Scope.open();
                Model model = random(config(), Precision.FLOAT32, 4)) {
            long[][] shapes = {{2, c + 1, h, w}, {2, c, h + 1, w}, {2, c, h, 2L * w}, {2, c, w, h}, {2, c, h}};
            for (long[] shape : shapes) {
                Tensor x = Tensors.empty(ScalarType.Float, shape);
                assertThatThrownBy(() -> model.forward(x, times(2), cond(2), Tape.plain()))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessageStartingWith(rule);
            }
            Tensor x = Tensors.empty(ScalarType.Float, 2, c, h, w);
            assertThatThrownBy(() -> model.forward(x, times(3), cond(2), Tape.plain()))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("t must have shape (2,), got (3,)");
            assertThatThrownBy(() -> model.forward(x, times(2).view(2, 1), cond(2), Tape.plain()))
                    .hasMessage("t must have shape (2,), got (2, 1)");
            for (String input : config().inputs()) {
                assertThatThrownBy(() -> model.forward(x, times(2), Conditioning.none(), Tape.plain()))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessage("the network needs the input '" + input + "', got []");
                assertThatThrownBy(() -> model.forward(x, times(2), cond(3), Tape.plain()))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessageStartingWith(input + " must have shape (2,")
                        .hasMessageContaining("got (3,");
            }
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 3})
    void checkpointingGivesBitwiseEqualGradients(long n) {
        List<float[]> plain = gradients(n, false);
        List<float[]> checkpointed = gradients(n, true);
        for (int i = 0; i < plain.size(); i++) {
            assertThat(checkpointed.get(i)).as("tensor %d", i).containsExactly(plain.get(i));
        }
    }

    private List<float[]> gradients(long n, boolean checkpointing) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(5);
                Model model = random(config(), Precision.FLOAT32, 5);
                Tape tape = checkpointing ? Tape.checkpointing(4) : Tape.training(4)) {
            Tensor x = pictures(rng, ScalarType.Float, n).requires_grad_(true);
            Tensor y = model.forward(x, times(n), cond(n), tape);
            tape.backward(y.mul(rng.normal(ScalarType.Float, y.shape())).sum());
            List<float[]> all = new ArrayList<>(List.of(Tensors.floats(y), Tensors.floats(x.grad())));
            model.trainable().values().forEach(parameter -> all.add(Tensors.floats(parameter.grad())));
            return all;
        }
    }

    @Test
    void aSavedModelAndItsAverageComeBackBitByBit() {
        Path path = temp.resolve("model.safetensors");
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(6);
                Device cpu = Devices.cpu();
                Model model = random(config(), Precision.FLOAT32, 6);
                Model ema = random(config(), Precision.FLOAT32, 7)) {
            ModelBundle.write(path, model, ema, Map.of());
            Tensor x = pictures(rng, ScalarType.Float, 2);
            try (ModelBundle bundle = ModelBundle.open(path)) {
                assertThat(bundle.config()).isEqualTo(config());
                assertThat(bundle.hasEma()).isTrue();
                for (ModelBundle.Weights weights : ModelBundle.Weights.values()) {
                    Model saved = weights == ModelBundle.Weights.EMA ? ema : model;
                    try (Model loaded = bundle.load(weights, Precision.FLOAT32, cpu)) {
                        assertThat(loaded.config()).isEqualTo(config());
                        assertThat(loaded.state().keySet())
                                .containsExactlyElementsOf(saved.state().keySet());
                        saved.state().forEach((name, tensor) -> assertThat(
                                        Tensors.floats(loaded.state().get(name)))
                                .as("%s %s", weights, name)
                                .containsExactly(Tensors.floats(tensor)));
                        assertThat(Tensors.floats(forward(loaded, x)))
                                .containsExactly(Tensors.floats(forward(saved, x)));
                    }
                }
            }
        }
    }

    @Test
    void fiftyTrainingStepsLeaveNoNativeMemoryBehind() {
        try (Model model = random(config(), Precision.FLOAT32, 8);
                Rng rng = new Rng(8)) {
            Scope lists = Scope.owner();
            List<Tensor> parameters = List.copyOf(model.trainable().values());
            parameters.forEach(p -> p.mutable_grad().put(p.detach().mul(Scalars.of(0))));
            List<Tensor> gradients =
                    parameters.stream().map(p -> new Tensor(p.grad())).toList();
            List<Tensor> steps = parameters.stream()
                    .map(p -> Tensors.of(new float[1], 1).view())
                    .toList();
            lists.leave();
            try (TensorList p = new TensorList(parameters);
                    TensorList g = new TensorList(gradients);
                    TensorList m = new TensorList(zeros(parameters, lists));
                    TensorList v = new TensorList(zeros(parameters, lists));
                    TensorList s = new TensorList(steps)) {
                double[] losses = new double[54];
                long before = 0;
                for (int step = 0; step < losses.length; step++) {
                    before = step == 4 ? Pointer.totalCount() : before;
                    try (Scope scope = Scope.open();
                            Tape tape = step % 2 == 0 ? Tape.plain() : Tape.checkpointing(0)) {
                        rng.reseed(9);
                        Tensor y = model.forward(pictures(rng, ScalarType.Float, 2), times(2), cond(2), tape);
                        Tensor loss = y.mul(y).mean();
                        losses[step] = loss.item_double();
                        tape.backward(loss);
                        Ops.foreachAdd(s, 1);
                        Ops.fusedAdamW(p, g, m, v, s, 1e-3, 0.9, 0.999, 0, 1e-8);
                        Ops.foreachMul(g, 0);
                    }
                }
                assertThat(Pointer.totalCount()).isLessThanOrEqualTo(before);
                assertThat(losses[53]).isLessThan(0.9 * losses[0]); // the steps did train
            } finally {
                lists.close();
            }
        }
    }

    private static List<Tensor> zeros(List<Tensor> like, Scope owner) {
        try (Scope scope = Scope.open()) {
            return like.stream()
                    .map(p -> owner.hold(p.detach().mul(Scalars.of(0))))
                    .toList();
        }
    }

    @Test
    void fiftyEvaluationsLeaveNoNativeMemoryBehind() {
        try (Model model = random(config(), Precision.FLOAT32, 8);
                Rng rng = new Rng(8)) {
            long before = 0;
            for (int step = 0; step < 52; step++) {
                before = step == 2 ? Pointer.totalCount() : before;
                try (Scope scope = Scope.open();
                        NoGradGuard noGrad = new NoGradGuard()) {
                    forward(model, pictures(rng, ScalarType.Float, 2));
                }
            }
            assertThat(Pointer.totalCount()).isLessThanOrEqualTo(before);
        }
    }

    @Test
    void buildingPackingAndClosingLeaveNoNativeMemoryBehind() {
        random(config(), Precision.FLOAT32, 1).close();
        long before = Pointer.totalCount();
        for (int i = 0; i < 3; i++) {
            Model model = random(config(), Precision.FLOAT32, 1);
            model.pack(2);
            model.pack(1);
            model.close();
            model.close();
        }
        assertThat(Pointer.totalCount()).isLessThanOrEqualTo(before);
    }

    @Test
    void packedWeightsGiveTheSamePicturesUntilTheyAreUnpacked() {
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(4);
                Model model = random(config(), Precision.FLOAT32, 4)) {
            Tensor x = pictures(rng, ScalarType.Float, 2);
            float[] plain = Tensors.floats(forward(model, x));
            model.pack(2);
            float[] packed = Tensors.floats(forward(model, x));
            assertThat(packed).containsExactly(plain, within(2e-4f));
            randomise(model, 5);
            assertThat(Tensors.floats(forward(model, x))).isNotEqualTo(plain); // only the packed linears stand still
            model.unpack();
            randomise(model, 4);
            assertThat(Tensors.floats(forward(model, x))).containsExactly(plain);
        }
    }

    @Test
    void aSeedGivesTheSameFreshModelAndAnotherSeedAnother() {
        try (Scope scope = Scope.open();
                Init one = Init.random(1, Precision.FLOAT32, new Device("cpu"));
                Init same = Init.random(1, Precision.FLOAT32, new Device("cpu"));
                Init other = Init.random(2, Precision.FLOAT32, new Device("cpu"));
                Model a = config().create(one);
                Model b = config().create(same);
                Model c = config().create(other)) {
            List<String> differing = new ArrayList<>();
            a.state().forEach((name, tensor) -> {
                float[] values = Tensors.floats(tensor);
                assertThat(Tensors.floats(b.state().get(name))).as(name).containsExactly(values);
                if (!java.util.Arrays.equals(Tensors.floats(c.state().get(name)), values)) {
                    differing.add(name);
                }
            });
            assertThat(differing).isNotEmpty();
        }
    }

    @Test
    void theCostCountsTheTrainableParameters() {
        try (Model model = random(config(), Precision.FLOAT32, 4)) {
            long parameters =
                    model.trainable().values().stream().mapToLong(Tensor::numel).sum();
            assertThat(config().cost().parameters()).isEqualTo(parameters);
        }
    }
}
