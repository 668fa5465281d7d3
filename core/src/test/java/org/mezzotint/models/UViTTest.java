package org.mezzotint.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.mezzotint.golden.Golden;
import org.mezzotint.models.UViTConfig.Transformer;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class UViTTest {
    private static final List<ResidualLevel> LEVELS = List.of(new ResidualLevel(1, 2), new ResidualLevel(2, 1));

    private static UViTConfig config(
            int height, int width, Downsampling downsampling, Transformer transformer, int groups) {
        return new UViTConfig(height, width, 3, downsampling, 8, 12, LEVELS, transformer, groups, 3);
    }

    private static UViTConfig usual() {
        return config(16, 16, new Downsampling.None(), new Transformer(3, 2, 2, 0), 4);
    }

    static List<UViTConfig> variants() {
        return List.of(
                usual(),
                config(16, 24, new Downsampling.Wavelet(1), new Transformer(2, 2, 4, 0), 2),
                config(32, 16, new Downsampling.Wavelet(2), new Transformer(2, 1, 1, 0), 8),
                config(24, 12, new Downsampling.Patch(3), new Transformer(2, 1, 2, 0), 1));
    }

    @ParameterizedTest
    @MethodSource("variants")
    void theNetworkEqualsPlainLoops(UViTConfig config) {
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(1);
                Model model = ModelContract.random(config, Precision.FLOAT64, 2)) {
            Tensor x = rng.normal(ScalarType.Double, 1, 3, config.height(), config.width());
            Tensor y = model.forward(x, Tensors.of(4.2), Conditioning.classes(1L), Tape.plain());
            double[][][] plain = PlainSimpleDiffusion.forward(
                    (UViT) model,
                    PlainSimpleDiffusion.picture(Tensors.doubles(x), 3, config.height(), config.width()),
                    4.2,
                    1);
            Golden.assertCloseToLargest("output", Tensors.doubles(y), PlainSimpleDiffusion.flat(plain), 1e-11);
        }
    }

    @Test
    void aFreshNetworkGivesZeroAndItsPositionsAreSmall() {
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(1);
                Init init = Init.random(1, Precision.FLOAT64, new Device("cpu"));
                Model model = usual().create(init)) {
            assertThat(outputs(model, rng.normal(ScalarType.Double, 2, 3, 16, 16), Tape.plain()))
                    .containsOnly(0);
            Tensor positions = model.state().get("positions");
            assertThat(positions.shape()).containsExactly(4, 4, 24);
            assertThat(positions.std().item_double()).isBetween(0.008, 0.012); // 384 numbers of deviation 0.01
        }
    }

    private static double[] outputs(Model model, Tensor x, Tape tape) {
        return Tensors.doubles(model.forward(x, Tensors.of(-3.0, 2.0), Conditioning.classes(Tensors.of(0L, 3L)), tape));
    }

    private static double[] outputs(UViTConfig config, Tape tape) {
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
        Downsampling none = new Downsampling.None();
        double[] usual = outputs(usual(), Tape.plain());
        assertThat(usual).doesNotContain(Double.NaN);
        for (UViTConfig other : List.of(
                config(16, 16, none, new Transformer(2, 2, 2, 0), 4),
                config(16, 16, none, new Transformer(3, 1, 2, 0), 4),
                config(16, 16, none, new Transformer(3, 2, 4, 0), 4),
                config(16, 16, none, new Transformer(3, 2, 2, 0), 2),
                config(16, 16, new Downsampling.Wavelet(1), new Transformer(3, 2, 2, 0), 4),
                config(16, 16, new Downsampling.Patch(2), new Transformer(3, 2, 2, 0), 4))) {
            assertThat(outputs(other, Tape.plain())).as("%s", other).isNotEqualTo(usual);
        }
        UViTConfig dropping = config(16, 16, none, new Transformer(3, 2, 2, 0.4), 4);
        assertThat(outputs(dropping, Tape.plain())).isEqualTo(usual);
        assertThat(outputs(dropping, Tape.training(1)))
                .isNotEqualTo(usual)
                .isNotEqualTo(outputs(dropping, Tape.training(2)));
    }

    @Test
    void shapesThatDoNotFitAreRefusedWithNameRuleAndValue() {
        Transformer transformer = new Transformer(3, 2, 2, 0);
        assertThatThrownBy(() -> config(18, 16, new Downsampling.None(), transformer, 4))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("height must be a multiple of the first layer's factor times 2 for each further level, 4,"
                        + " got 18");
        assertThatThrownBy(() -> config(16, 21, new Downsampling.Wavelet(1), transformer, 4))
                .hasMessage("width must be a multiple of 2 for a wavelet of 1 level, got 21");
        assertThatThrownBy(() -> config(16, 16, new Downsampling.None(), new Transformer(3, 2, 5, 0), 4))
                .hasMessage("numHeads must divide the channels of every level that attends, got 5 and 24");
        assertThatThrownBy(() -> config(16, 16, new Downsampling.None(), transformer, 16))
                .hasMessage("groups must divide the channels of every level, got 16 and 8");
        assertThatThrownBy(() -> new Transformer(3, 0, 2, 0))
                .hasMessage("transformer.blocks must be at least 1, got 0");
        assertThatThrownBy(() -> new Transformer(3, 2, 2, 1))
                .hasMessage("transformer.dropout must be 0 or more and below 1, got 1.0");
        assertThatThrownBy(() -> new UViTConfig(16, 16, 3, new Downsampling.None(), 7, 12, LEVELS, transformer, 4, 3))
                .hasMessage("baseChannels must be even and at least 4, got 7");
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
                    gradients[i] =
                            Tensors.doubles(model.trainable().get("positions").grad());
                }
            }
            assertThat(SimpleDiffusionUNetTest.relative(outputs))
                    .isGreaterThan(0)
                    .isLessThan(0.03);
            assertThat(SimpleDiffusionUNetTest.relative(gradients)).isLessThan(0.1);
        }
    }

    @Test
    void anotherSizeKeepsTheLevels() {
        UViTConfig large = config(32, 16, new Downsampling.None(), new Transformer(3, 2, 2, 0.3), 4);
        assertThat(usual().inSizeOf(large)).isEqualTo(large);
        UViTConfig patches = config(32, 16, new Downsampling.Patch(2), new Transformer(3, 2, 2, 0.3), 4);
        assertThat(usual().inSizeOf(patches)).isEqualTo(usual());
    }
}
