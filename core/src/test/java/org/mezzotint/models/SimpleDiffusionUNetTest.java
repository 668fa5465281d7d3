package org.mezzotint.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.mezzotint.golden.Golden;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class SimpleDiffusionUNetTest {
    private static final List<ResidualLevel> LEVELS =
            List.of(new ResidualLevel(1, 2), new ResidualLevel(2, 1), new ResidualLevel(2, 1));

    private static SimpleDiffusionUNetConfig config(
            int height,
            int width,
            Downsampling downsampling,
            List<ResidualLevel> levels,
            List<Integer> attention,
            int heads,
            double dropout,
            int dropoutFrom,
            int groups) {
        return new SimpleDiffusionUNetConfig(
                height, width, 3, downsampling, 8, 12, levels, attention, heads, dropout, dropoutFrom, groups, 3);
    }

    private static SimpleDiffusionUNetConfig usual() {
        return config(16, 16, new Downsampling.None(), LEVELS, List.of(8), 2, 0, 0, 4);
    }

    static List<SimpleDiffusionUNetConfig> variants() {
        return List.of(
                usual(),
                config(16, 24, new Downsampling.Wavelet(1), LEVELS, List.of(8, 2), 2, 0, 0, 4),
                config(32, 16, new Downsampling.Wavelet(2), LEVELS.subList(0, 2), List.of(), 4, 0, 0, 2),
                config(16, 16, new Downsampling.Patch(4), LEVELS.subList(0, 1), List.of(4), 1, 0, 0, 1));
    }

    /** Every block, attention, level and first layer against loops over doubles. */
    @ParameterizedTest
    @MethodSource("variants")
    void theNetworkEqualsPlainLoops(SimpleDiffusionUNetConfig config) {
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(1);
                Model model = ModelContract.random(config, Precision.FLOAT64, 2)) {
            Tensor x = rng.normal(ScalarType.Double, 1, 3, config.height(), config.width());
            Tensor y = model.forward(x, Tensors.of(-3.7), Conditioning.classes(2L), Tape.plain());
            double[][][] plain = PlainSimpleDiffusion.forward(
                    (SimpleDiffusionUNet) model,
                    PlainSimpleDiffusion.picture(Tensors.doubles(x), 3, config.height(), config.width()),
                    -3.7,
                    2);
            Golden.assertCloseToLargest("output", Tensors.doubles(y), PlainSimpleDiffusion.flat(plain), 1e-11);
        }
    }

    @Test
    void aFreshNetworkGivesZeroBecauseItsLastConvolutionIsZero() {
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(1);
                Init init = Init.random(1, Precision.FLOAT64, new Device("cpu"));
                Model model = usual().create(init)) {
            assertThat(outputs(model, rng.normal(ScalarType.Double, 2, 3, 16, 16), Tape.plain()))
                    .containsOnly(0);
            assertThat(Tensors.doubles(model.state().get("middle.0.attention.proj.weight")))
                    .containsOnly(0);
            assertThat(Tensors.doubles(model.state().get("input.conv.weight"))).doesNotContain(0);
        }
    }

    private static double[] outputs(Model model, Tensor x, Tape tape) {
        return Tensors.doubles(model.forward(x, Tensors.of(-3.0, 2.0), Conditioning.classes(Tensors.of(0L, 3L)), tape));
    }

    /** The same numbers in every parameter that both have. */
    private static double[] outputs(SimpleDiffusionUNetConfig config, Tape tape) {
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(1);
                Model model = ModelContract.random(config, Precision.FLOAT64, 2)) {
            model.trainable()
                    .forEach((name, parameter) -> rng.reseed(name.hashCode()).fillNormal(parameter));
            rng.reseed(5);
            return outputs(model, rng.normal(ScalarType.Double, 2, 3, 16, 16), tape);
        }
    }

    @Test
    void everyChoiceChangesTheResult() {
        double[] usual = outputs(usual(), Tape.plain());
        Downsampling none = new Downsampling.None();
        assertThat(usual).doesNotContain(Double.NaN);
        for (SimpleDiffusionUNetConfig other : List.of(
                config(16, 16, none, LEVELS, List.of(), 2, 0, 0, 4),
                config(16, 16, none, LEVELS, List.of(16), 2, 0, 0, 4),
                config(16, 16, none, LEVELS, List.of(8), 4, 0, 0, 4),
                config(16, 16, none, LEVELS, List.of(8), 2, 0, 0, 2),
                config(16, 16, new Downsampling.Wavelet(1), LEVELS, List.of(8), 2, 0, 0, 4),
                config(16, 16, new Downsampling.Patch(2), LEVELS, List.of(8), 2, 0, 0, 4))) {
            assertThat(outputs(other, Tape.plain())).as("%s", other).isNotEqualTo(usual);
        }
    }

    @Test
    void dropoutActsInTrainingAtItsLevelAndBelowOnly() {
        Downsampling none = new Downsampling.None();
        double[] usual = outputs(usual(), Tape.training(1));
        assertThat(outputs(usual(), Tape.plain())).isEqualTo(usual);
        double[] everywhere = outputs(config(16, 16, none, LEVELS, List.of(8), 2, 0.3, 16, 4), Tape.training(1));
        double[] from8 = outputs(config(16, 16, none, LEVELS, List.of(8), 2, 0.3, 8, 4), Tape.training(1));
        assertThat(everywhere).isNotEqualTo(usual).isNotEqualTo(from8);
        assertThat(from8).isNotEqualTo(usual);
        assertThat(outputs(config(16, 16, none, LEVELS, List.of(8), 2, 0.3, 8, 4), Tape.training(2)))
                .isNotEqualTo(from8);
        assertThat(outputs(config(16, 16, none, LEVELS, List.of(8), 2, 0.3, 16, 4), Tape.plain()))
                .isEqualTo(usual);
        SimpleDiffusionUNetConfig config = config(16, 16, none, LEVELS, List.of(8), 2, 0.3, 8, 4);
        assertThat(List.of(config.dropoutOf(0), config.dropoutOf(1), config.dropoutOf(2)))
                .containsExactly(0.0, 0.3, 0.3);
    }

    @Test
    void aLogSnrThatIsNoneIsRefused() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1);
                Model model = ModelContract.random(usual(), Precision.FLOAT64, 3)) {
            Tensor x = rng.normal(ScalarType.Double, 1, 3, 16, 16);
            for (double logSnr : new double[] {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY}) {
                assertThatThrownBy(() -> model.forward(x, Tensors.of(logSnr), Conditioning.classes(0L), Tape.plain()))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessage("logSnr must be finite, got " + logSnr);
            }
        }
    }

    @Test
    void shapesThatDoNotFitAreRefusedWithNameRuleAndValue() {
        Downsampling none = new Downsampling.None();
        assertThatThrownBy(() -> config(16, 18, none, LEVELS, List.of(), 2, 0, 0, 4))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("width must be a multiple of the first layer's factor times 2 for each further level, 4,"
                        + " got 18");
        assertThatThrownBy(() -> config(17, 16, new Downsampling.Wavelet(1), LEVELS, List.of(), 2, 0, 0, 4))
                .hasMessage("height must be a multiple of 2 for a wavelet of 1 level, got 17");
        assertThatThrownBy(() -> config(16, 18, new Downsampling.Wavelet(2), LEVELS, List.of(), 2, 0, 0, 4))
                .hasMessage("width must be a multiple of 4 for a wavelet of 2 levels, got 18");
        assertThatThrownBy(() -> config(16, 16, new Downsampling.Patch(3), LEVELS, List.of(), 2, 0, 0, 4))
                .hasMessage("height must be a multiple of 3 for patches of that side, got 16");
        assertThatThrownBy(() -> config(16, 24, none, LEVELS, List.of(), 2, 0.1, 12, 4))
                .hasMessage("dropoutFrom must be the shorter side of a level, 16, 8, 4, got 12");
        assertThatThrownBy(() -> config(16, 16, none, LEVELS, List.of(), 2, 0, 8, 4))
                .hasMessage("dropoutFrom must be 0 without dropout, got 8");
        assertThatThrownBy(() -> config(16, 16, none, LEVELS, List.of(8, 7), 2, 0, 0, 4))
                .hasMessage("attentionResolutions must be shorter sides of levels, 16, 8, 4, got 7");
        assertThatThrownBy(() -> config(16, 16, none, LEVELS, List.of(8, 8), 2, 0, 0, 4))
                .hasMessage("attentionResolutions must not repeat, got 8, 8");
        assertThatThrownBy(() -> config(16, 16, none, LEVELS, List.of(), 2, 0, 0, 3))
                .hasMessage("groups must divide the channels of every level, got 3 and 8");
        assertThatThrownBy(() -> config(16, 16, none, LEVELS, List.of(), 3, 0, 0, 4))
                .hasMessage("numHeads must divide the channels of every level that attends, got 3 and 16");
        assertThatThrownBy(() -> config(16, 16, none, LEVELS, List.of(), 2, 1, 8, 4))
                .hasMessage("dropout must be 0 or more and below 1, got 1.0");
        assertThatThrownBy(() -> config(16, 16, none, List.of(), List.of(), 2, 0, 0, 4))
                .hasMessage("downsampling, levels and attentionResolutions must be given");
        assertThatThrownBy(() -> new ResidualLevel(0, 1)).hasMessage("levels.multiplier must be at least 1, got 0");
        assertThatThrownBy(() -> new ResidualLevel(1, 0)).hasMessage("levels.blocks must be at least 1, got 0");
        assertThatThrownBy(() -> config(16, 16, none, List.of(new ResidualLevel(9000, 1)), List.of(), 2, 0, 0, 4))
                .hasMessage("baseChannels times a multiplier must be at most 65536, got 8 and 9000");
        assertThatThrownBy(() -> new Downsampling.Wavelet(0)).hasMessage("levels of a wavelet must be 1 to 4, got 0");
        assertThatThrownBy(() -> new Downsampling.Patch(1)).hasMessage("side of a patch must be 2 to 64, got 1");
    }

    @Test
    void bfloat16StaysNearFloat32ForwardAndBackward() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1)) {
            Tensor x = rng.normal(ScalarType.Float, 2, 3, 16, 16);
            double[][] outputs = new double[2][];
            double[][] gradients = new double[2][];
            for (int i = 0; i < 2; i++) {
                Precision precision = i == 0 ? Precision.FLOAT32 : Precision.BFLOAT16;
                try (Model model = ModelContract.random(usual(), precision, 3)) {
                    Tensor y = model.forward(
                            x, Tensors.of(-1.0, 2.0), Conditioning.classes(Tensors.of(0L, 2L)), Tape.plain());
                    assertThat(Tensors.type(y)).isEqualTo(ScalarType.Float);
                    outputs[i] = Tensors.doubles(y);
                    y.mul(y).sum().backward();
                    gradients[i] = Tensors.doubles(
                            model.trainable().get("input.conv.weight").grad());
                }
            }
            assertThat(relative(outputs)).isGreaterThan(0).isLessThan(0.03);
            assertThat(relative(gradients)).isLessThan(0.1);
        }
    }

    /** √(Σ(b − a)²/Σa²). */
    static double relative(double[][] ab) {
        double error = 0;
        double power = 0;
        for (int i = 0; i < ab[0].length; i++) {
            error += Math.pow(ab[1][i] - ab[0][i], 2);
            power += ab[0][i] * ab[0][i];
        }
        return Math.sqrt(error / power);
    }

    @Test
    void anotherSizeKeepsWhatEachLevelDoes() {
        SimpleDiffusionUNetConfig small = config(16, 16, new Downsampling.None(), LEVELS, List.of(8, 4), 2, 0.1, 8, 4);
        SimpleDiffusionUNetConfig large =
                config(32, 48, new Downsampling.None(), LEVELS, List.of(16, 8), 2, 0.2, 16, 4);
        assertThat(small.inSizeOf(large)).isEqualTo(large);
        assertThat(small.inSizeOf(config(32, 48, new Downsampling.None(), LEVELS, List.of(16), 2, 0, 0, 4)))
                .isEqualTo(config(32, 48, new Downsampling.None(), LEVELS, List.of(16, 8), 2, 0, 0, 4));
        SimpleDiffusionUNetConfig fewer =
                config(32, 32, new Downsampling.None(), LEVELS.subList(0, 2), List.of(), 2, 0, 0, 4);
        assertThat(small.inSizeOf(fewer)).isEqualTo(small);
    }

    @Test
    void parametersAreNamedByTheirPlace() {
        try (Init init = Init.shapesOnly();
                Model model = usual().create(init)) {
            Map<String, Tensor> state = model.state();
            assertThat(state.keySet())
                    .contains(
                            "log_snr_embedding.first.weight",
                            "class_embedding.weight",
                            "input.conv.weight",
                            "down.0.1.residual.conv1.weight",
                            "down.1.0.attention.qkv.weight",
                            "shrink.1.weight",
                            "middle.0.attention.qkv.weight",
                            "up.0.1.residual.skip_norm.weight",
                            "up.0.2.residual.modulation.bias",
                            "grow.0.weight",
                            "output.norm.weight")
                    .doesNotContain(
                            "up.0.0.residual.skip_norm.weight",
                            "middle.1.attention.qkv.weight",
                            "down.0.0.attention.qkv.weight",
                            "shrink.2.weight",
                            "up.0.3.residual.conv1.weight");
            assertThat(state.get("class_embedding.weight").shape()).containsExactly(4, 12);
            assertThat(state.get("shrink.0.weight").shape()).containsExactly(16, 8, 1, 1);
        }
    }
}
