package org.mezzotint.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Devices;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class DiTTest {
    private static DiTConfig small(int numClasses, DiTConfig.Conditioning conditioning) {
        return new DiTConfig(
                4,
                6,
                3,
                2,
                12,
                2,
                3,
                2.5,
                numClasses,
                numClasses > 0,
                true,
                conditioning,
                DiTConfig.Convention.paper());
    }

    private static DiT fresh(DiTConfig config) {
        try (Device cpu = Devices.cpu();
                Init init = Init.random(1, Precision.FLOAT64, cpu)) {
            return config.create(init);
        }
    }

    private static Tensor forward(DiT dit, Tensor x, double t, long label) {
        Conditioning cond =
                dit.config().numClasses() == 0 ? Conditioning.none() : Conditioning.classes(new long[] {label});
        return dit.forward(x, Tensors.of(new double[] {t}), cond, Tape.plain());
    }

    private static void fill(DiT dit, String part, long seed) {
        try (NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(seed)) {
            List<Tensor> chosen = dit.trainable().entrySet().stream()
                    .filter(entry -> entry.getKey().contains(part))
                    .map(java.util.Map.Entry::getValue)
                    .toList();
            assertThat(chosen).as(part).isNotEmpty();
            chosen.forEach(rng::fillNormal);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "5, ADALN_ZERO", "5, ADALN", "5, CROSS_ATTENTION", "5, IN_CONTEXT",
        "0, ADALN_ZERO", "0, ADALN", "0, CROSS_ATTENTION", "0, IN_CONTEXT"
    })
    void everyBlockEqualsThePlainLoops(int numClasses, DiTConfig.Conditioning conditioning) {
        DiTConfig config = small(numClasses, conditioning);
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(1);
                DiT dit = fresh(config)) {
            ModelContract.randomise(dit, 1);
            PlainDiT plain = new PlainDiT(dit);
            double[] times = {0, 17.25, 999};
            int[] labels = {0, 4, numClasses}; // the last one is the null class
            Tensor x = rng.normal(ScalarType.Double, 3, 3, 4, 6);
            Conditioning cond = numClasses == 0 ? Conditioning.none() : Conditioning.classes(0, 4, numClasses);
            Tensor y = dit.forward(x, Tensors.of(times), cond, Tape.plain());
            for (int i = 0; i < 3; i++) {
                double[] expected = plain.forward(Tensors.doubles(x.select(0, i)), times[i], labels[i]);
                assertThat(Tensors.doubles(y.select(0, i))).containsExactly(expected, within(1e-10));
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void freshModelsPredictZeroBecauseTheDecoderStartsAtZero(DiTConfig.Conditioning conditioning) {
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(1);
                DiT dit = fresh(small(5, conditioning))) {
            Tensor x = rng.normal(ScalarType.Double, 1, 3, 4, 6);
            assertThat(Tensors.doubles(forward(dit, x, 500, 3))).containsOnly(0);
        }
    }

    @ParameterizedTest
    @EnumSource
    void freshModelPredictsZeroBecauseOfAdaLnZero(DiTConfig.Conditioning conditioning) {
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(1);
                DiT dit = fresh(small(5, conditioning))) {
            Tensor x = rng.normal(ScalarType.Double, 1, 3, 4, 6);
            fill(dit, "final_layer.linear", 2);
            double[] before = Tensors.doubles(forward(dit, x, 500, 3));
            fill(dit, "attn", 3);
            fill(dit, "mlp.fc", 4);
            double[] after = Tensors.doubles(forward(dit, x, 500, 3));
            // only adaLN-Zero's blocks are the identity at the start: the branches that they gate do not matter
            assertThat(Arrays.equals(before, after)).isEqualTo(conditioning == DiTConfig.Conditioning.ADALN_ZERO);
            double[] elsewhen = Tensors.doubles(forward(dit, x, 2, 1));
            boolean modulated =
                    conditioning == DiTConfig.Conditioning.ADALN_ZERO || conditioning == DiTConfig.Conditioning.ADALN;
            assertThat(Arrays.equals(after, elsewhen))
                    .as("blind to time and class")
                    .isEqualTo(modulated);
        }
    }

    @ParameterizedTest
    @EnumSource
    void theClassReachesThePicture(DiTConfig.Conditioning conditioning) {
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(1);
                DiT dit = fresh(small(5, conditioning))) {
            ModelContract.randomise(dit, 2);
            Tensor x = rng.normal(ScalarType.Double, 1, 3, 4, 6);
            Tensor one = forward(dit, x, 500, 1);
            assertThat(ModelContract.distance(one, forward(dit, x, 500, 2))).isGreaterThan(1e-3);
            assertThat(ModelContract.distance(one, forward(dit, x, 500, 5))).isGreaterThan(1e-3); // the null class
        }
    }

    @Test
    void inContextTheClassReachesThePictureThroughAttentionOnly() {
        withoutAttention(DiTConfig.Conditioning.IN_CONTEXT, ".attn.proj");
    }

    @Test
    void withCrossAttentionTheClassReachesThePictureThroughItOnly() {
        withoutAttention(DiTConfig.Conditioning.CROSS_ATTENTION, "cross_attn.proj");
    }

    private static void withoutAttention(DiTConfig.Conditioning conditioning, String part) {
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(1);
                DiT dit = fresh(small(5, conditioning))) {
            ModelContract.randomise(dit, 2);
            Tensor x = rng.normal(ScalarType.Double, 1, 3, 4, 6);
            assertThat(ModelContract.distance(forward(dit, x, 500, 1), forward(dit, x, 500, 2)))
                    .isGreaterThan(1e-3);
            dit.state().forEach((name, tensor) -> {
                if (name.contains(part)) {
                    tensor.zero_();
                }
            });
            assertThat(ModelContract.distance(forward(dit, x, 500, 1), forward(dit, x, 500, 2)))
                    .isZero();
        }
    }

    // arXiv:2212.09748v2, table 4; the multiply-accumulates are papers.md's, which print the paper's "Gflops"
    @ParameterizedTest
    @CsvSource({
        "dit-s/8, 33142016, 0.358", "dit-s/4, 32920448, 1.413", "dit-s/2, 32865056, 6.056",
        "dit-b/8, 130869248, 1.418", "dit-b/4, 130426496, 5.565", "dit-b/2, 130315808, 23.005",
        "dit-l/8, 458578432, 5.011", "dit-l/4, 457988224, 19.696", "dit-l/2, 457840672, 80.698",
        "dit-xl/8, 675664640, 7.392", "dit-xl/4, 675000704, 29.044", "DiT-XL/2, 674834720, 118.621"
    })
    void costsAreThoseOfTheTable(String name, long parameters, String gigaMacs) {
        Cost cost = DiTConfig.named(name, 32).cost();
        assertThat(cost.parameters()).isEqualTo(parameters);
        assertThat(String.format(Locale.ROOT, "%.3f", cost.macs() / 1e9)).isEqualTo(gigaMacs);
    }

    @ParameterizedTest
    @CsvSource({
        "IN_CONTEXT, 449, 119.35",
        "CROSS_ATTENTION, 598, 137.60",
        "ADALN, 600, 118.55",
        "ADALN_ZERO, 675, 118.62"
    })
    void theFourBlocksCostWhatTheTableSays(DiTConfig.Conditioning conditioning, long millions, String gigaMacs) {
        Cost cost =
                DiTConfig.named("dit-xl/2", 32).withConditioning(conditioning).cost();
        assertThat(Math.round(cost.parameters() / 1e6)).isEqualTo(millions);
        assertThat(String.format(Locale.ROOT, "%.2f", cost.macs() / 1e9)).isEqualTo(gigaMacs);
    }

    @Test
    void picturesOf512PixelsCostWhatTheTableSays() {
        Cost cost = DiTConfig.named("dit-xl/2", 64).cost();
        assertThat(cost.parameters()).isEqualTo(674834720);
        assertThat(String.format(Locale.ROOT, "%.3f", cost.macs() / 1e9)).isEqualTo("524.538");
    }

    @Test
    void namedShapesAreThoseOfTableOne() {
        assertThat(DiTConfig.named("dit-l/4", 32))
                .isEqualTo(new DiTConfig(
                        32,
                        32,
                        4,
                        4,
                        1024,
                        24,
                        16,
                        4,
                        1000,
                        true,
                        true,
                        DiTConfig.Conditioning.ADALN_ZERO,
                        DiTConfig.Convention.paper()));
        assertThat(DiTConfig.named("dit-xl/8", 64).hiddenSize()).isEqualTo(1152);
        assertThat(DiTConfig.named("dit-b/2", 32).numHeads()).isEqualTo(12);
        assertThat(DiTConfig.named("dit-s/2", 32).outputChannels()).isEqualTo(8);
    }

    @ParameterizedTest
    @ValueSource(strings = {"dit-xl", "dit-xl/3", "dit-m/2", "xl/2", "dit-xl/16", "dit-xl/2 "})
    void otherNamesAreRefused(String name) {
        assertThatThrownBy(() -> DiTConfig.named(name, 32))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "model must be dit-s, dit-b, dit-l or dit-xl with /8, /4 or /2, such as dit-xl/2, got " + name);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "0|6|3|2|12|2|3|4|5|true|height must be at least 1, got 0",
                "4|-6|3|2|12|2|3|4|5|true|width must be at least 1, got -6",
                "4|6|0|2|12|2|3|4|5|true|channels must be at least 1, got 0",
                "4|6|3|0|12|2|3|4|5|true|patchSize must be at least 1, got 0",
                "4|6|3|2|0|2|3|4|5|true|hiddenSize must be at least 1, got 0",
                "4|6|3|2|12|0|3|4|5|true|depth must be at least 1, got 0",
                "4|6|3|2|12|2|0|4|5|true|numHeads must be at least 1, got 0",
                "5|6|3|2|12|2|3|4|5|true|height must be a multiple of patchSize, got 5 and 2",
                "4|7|3|2|12|2|3|4|5|true|width must be a multiple of patchSize, got 7 and 2",
                "4|6|3|2|384|2|7|4|5|true|hiddenSize must be a multiple of numHeads, got 384 and 7",
                "4|6|3|2|6|2|3|4|5|true|hiddenSize must be a multiple of 4 for 2-D positions, got 6",
                "4|6|3|2|12|2|3|0|5|true|mlpRatio must be above 0 and at most 64, got 0.0",
                "4|6|3|2|12|2|3|65|5|true|mlpRatio must be above 0 and at most 64, got 65.0",
                "4|6|3|2|12|2|3|NaN|5|true|mlpRatio must be above 0 and at most 64, got NaN",
                "4|6|3|2|12|2|3|4|-1|true|numClasses must not be negative, got -1",
                "4|6|3|2|12|2|3|4|0|true|nullClass needs classes, got numClasses 0"
            })
    void everyRuleOfAShapeHasItsMessage(
            int height,
            int width,
            int channels,
            int patch,
            int hidden,
            int depth,
            int heads,
            double ratio,
            int classes,
            boolean nullClass,
            String message) {
        assertThatThrownBy(() -> new DiTConfig(
                        height,
                        width,
                        channels,
                        patch,
                        hidden,
                        depth,
                        heads,
                        ratio,
                        classes,
                        nullClass,
                        true,
                        DiTConfig.Conditioning.ADALN,
                        DiTConfig.Convention.paper()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(message);
    }

    @Test
    void conditioningMustBeGiven() {
        assertThatThrownBy(
                        () -> new DiTConfig(4, 6, 3, 2, 12, 2, 3, 4, 5, true, true, null, DiTConfig.Convention.paper()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("conditioning and convention must be given");
    }

    @Test
    void aNullClassIsOneMoreRowAndAVarianceCodeTwiceTheChannels() {
        DiTConfig plain = new DiTConfig(
                4,
                6,
                3,
                2,
                12,
                1,
                3,
                4,
                5,
                false,
                false,
                DiTConfig.Conditioning.ADALN_ZERO,
                DiTConfig.Convention.paper());
        DiTConfig more = new DiTConfig(
                4,
                6,
                3,
                2,
                12,
                1,
                3,
                4,
                5,
                true,
                true,
                DiTConfig.Conditioning.ADALN_ZERO,
                DiTConfig.Convention.paper());
        try (DiT a = fresh(plain);
                DiT b = fresh(more)) {
            String table = "y_embedder.embedding_table.weight";
            assertThat(a.state().get(table).shape()).containsExactly(5, 12);
            assertThat(b.state().get(table).shape()).containsExactly(6, 12);
            assertThat(a.state().get("final_layer.linear.weight").shape()).containsExactly(12, 12);
            assertThat(b.state().get("final_layer.linear.weight").shape()).containsExactly(24, 12);
            assertThat(a.config().outputChannels()).isEqualTo(3);
            assertThat(b.config().outputChannels()).isEqualTo(6);
        }
        assertThat(more.cost().macs() - plain.cost().macs()).isEqualTo(6L * 12 * 4 * 3);
        assertThat(small(0, DiTConfig.Conditioning.ADALN).inputs()).isEmpty();
        assertThat(more.inputs()).containsExactly("class");
    }

    @Test
    void aConventionHasItsRange() {
        assertThatThrownBy(() -> new DiTConfig.Convention(2, 1e-6))
                .hasMessage("timeFrequencyShift must be 0 or 1, got 2");
        assertThatThrownBy(() -> new DiTConfig.Convention(0, 0))
                .hasMessage("mlpNormEpsilon must be above 0 and below 1, got 0.0");
    }
}
