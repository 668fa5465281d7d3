package org.mezzotint.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.mezzotint.models.DdpmPlusPlusConfig.Attention;
import org.mezzotint.models.DdpmPlusPlusConfig.Level;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class DdpmPlusPlusTest {
    private static final List<Level> LEVELS = List.of(new Level(8, false), new Level(12, true), new Level(16, false));

    private static DdpmPlusPlusConfig small(Attention attention, int numClasses) {
        return new DdpmPlusPlusConfig(8, 4, 3, 4, LEVELS, 2, attention, 0.3, numClasses);
    }

    private static DdpmPlusPlusConfig withClasses(DdpmPlusPlusConfig config, int numClasses) {
        return new DdpmPlusPlusConfig(
                config.height(),
                config.width(),
                config.channels(),
                config.baseWidth(),
                config.levels(),
                config.blocks(),
                config.attention(),
                config.dropout(),
                numClasses);
    }

    /** EDM's figure is 55.7 million; the last digits are the sum over its tables, written out by hand. */
    @Test
    void theCifarNetworkHasThePublishedNumberOfParameters() {
        DdpmPlusPlusConfig cifar = DdpmPlusPlusConfig.named("ddpmpp-cifar10");
        assertThat(cifar.cost().parameters()).isEqualTo(55_733_891);
        assertThat(withClasses(cifar, 10).cost().parameters()).isEqualTo(55_735_299);
        // six attentions more wide in time: 512·768 weights and 31² offsets each, on the way in and out at 16 × 16; the
        // middle one has 8 × 8 pixels and 15² offsets
        assertThat(DdpmPlusPlusConfig.named("ddpmpp-cifar10-tmsa").cost().parameters())
                .isEqualTo(55_733_891 + 6 * 512 * 768 + 5 * 31 * 31 + 15 * 15);
    }

    @Test
    void theMiniatureIsOne() {
        assertThat(DdpmPlusPlusConfig.named("ddpmpp-mini").cost().macs()).isLessThan(100_000_000);
        assertThat(DdpmPlusPlusConfig.named("DDPMPP-mini-tmsa").cost().macs()).isLessThan(100_000_000);
        assertThatThrownBy(() -> DdpmPlusPlusConfig.named("ddpmpp"))
                .hasMessage("model must be one of ddpmpp-cifar10, ddpmpp-mini, ddpmpp-cifar10-tmsa, ddpmpp-mini-tmsa,"
                        + " got ddpmpp");
    }

    @ParameterizedTest
    @EnumSource(Attention.class)
    void aPlainSecondImplementationGivesTheSame(Attention attention) {
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(3);
                Model model = ModelContract.random(small(attention, 5), Precision.FLOAT64, 7)) {
            Tensor x = rng.normal(ScalarType.Double, 2, 3, 8, 4);
            Tensor nine = rng.normal(ScalarType.Double, 2, 9);
            double[] times = {-1.7, 613.25};
            long[] labels = {4, 5};
            Map<String, Tensor> inputs = new LinkedHashMap<>();
            inputs.put(Conditioning.CLASS, Tensors.of(labels));
            inputs.put(HDiT.AUGMENTATION, nine);
            double[] actual =
                    Tensors.doubles(model.forward(x, Tensors.of(times), Conditioning.of(inputs), Tape.plain()));
            PlainDdpmPlusPlus plain = new PlainDdpmPlusPlus((DdpmPlusPlus) model);
            for (int n = 0; n < 2; n++) {
                double[] expected = plain.forward(
                        Tensors.doubles(x.select(0, n)), times[n], (int) labels[n], Tensors.doubles(nine.select(0, n)));
                for (int i = 0; i < expected.length; i++) {
                    assertThat(actual[n * expected.length + i]).isCloseTo(expected[i], within(1e-10));
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Attention.class)
    void aFreshNetworkGivesZeroBecauseItsLastConvolutionIsZero(Attention attention) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1);
                Init init = Init.random(1, Precision.FLOAT32, new Device("cpu"));
                Model model = small(attention, 0).create(init)) {
            Tensor y = model.forward(
                    rng.normal(ScalarType.Float, 2, 3, 8, 4), Tensors.of(0.3, 2.0), Conditioning.none(), Tape.plain());
            assertThat(Tensors.doubles(y)).containsOnly(0);
        }
    }

    @Test
    void theAugmentationVectorMayBeAbsentAndIsThenZero() {
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(1);
                Model model = ModelContract.random(small(Attention.SELF, 0), Precision.FLOAT64, 3)) {
            Tensor x = rng.normal(ScalarType.Double, 2, 3, 8, 4);
            Tensor nine = rng.normal(ScalarType.Double, 2, 9);
            double[] absent = output(model, x, Map.of());
            assertThat(output(model, x, Map.of(HDiT.AUGMENTATION, nine.sub(nine))))
                    .isEqualTo(absent);
            assertThat(output(model, x, Map.of(HDiT.AUGMENTATION, nine))).isNotEqualTo(absent);
        }
    }

    private static double[] output(Model model, Tensor x, Map<String, Tensor> inputs) {
        return Tensors.doubles(model.forward(x, Tensors.of(0.3, 2.0), Conditioning.of(inputs), Tape.plain()));
    }

    @Test
    void trainingDropsActivationsAndEvaluationNone() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1);
                Model model = ModelContract.random(small(Attention.SELF, 0), Precision.FLOAT64, 3)) {
            Tensor x = rng.normal(ScalarType.Double, 1, 3, 8, 4);
            double[][] results = new double[3][];
            long[] seeds = {1, 1, 2};
            for (int i = 0; i < 3; i++) {
                try (Tape tape = Tape.training(seeds[i])) {
                    results[i] = Tensors.doubles(model.forward(x, Tensors.of(2.0), Conditioning.none(), tape));
                }
            }
            assertThat(results[0]).isEqualTo(results[1]).isNotEqualTo(results[2]);
            assertThat(results[0])
                    .isNotEqualTo(
                            Tensors.doubles(model.forward(x, Tensors.of(2.0), Conditioning.none(), Tape.plain())));
        }
    }

    @Test
    void bfloat16StaysNearFloat32ForwardAndBackward() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1)) {
            Tensor x = rng.normal(ScalarType.Float, 2, 3, 8, 4);
            double[][] outputs = new double[2][];
            double[][] gradients = new double[2][];
            for (int i = 0; i < 2; i++) {
                Precision precision = i == 0 ? Precision.FLOAT32 : Precision.BFLOAT16;
                try (Model model = ModelContract.random(small(Attention.TMSA, 0), precision, 3)) {
                    Tensor y = model.forward(x, Tensors.of(0.3, 2.0), Conditioning.none(), Tape.plain());
                    assertThat(Tensors.type(y)).isEqualTo(ScalarType.Float);
                    outputs[i] = Tensors.doubles(y);
                    y.mul(y).sum().backward();
                    gradients[i] = Tensors.doubles(
                            model.trainable().get("conv_in.weight").grad());
                }
            }
            assertThat(relative(outputs)).isGreaterThan(0).isLessThan(0.05);
            assertThat(relative(gradients)).isLessThan(0.15);
        }
    }

    /** √(Σ(b − a)²/Σa²). */
    private static double relative(double[][] ab) {
        double error = 0;
        double power = 0;
        for (int i = 0; i < ab[0].length; i++) {
            error += Math.pow(ab[1][i] - ab[0][i], 2);
            power += ab[0][i] * ab[0][i];
        }
        return Math.sqrt(error / power);
    }

    @Test
    void shapesThatDoNotFitAreRefusedWithNameRuleAndValue() {
        assertThatThrownBy(() -> new DdpmPlusPlusConfig(10, 8, 3, 4, LEVELS, 2, Attention.SELF, 0, 0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("height must be a multiple of 2 for each level but the first, 4, got 10");
        assertThatThrownBy(() ->
                        new DdpmPlusPlusConfig(8, 8, 3, 4, List.of(new Level(130, false)), 1, Attention.SELF, 0, 0))
                .hasMessage("channels of a block must be a multiple of the groups of its norm, got 130 and 32");
        assertThatThrownBy(() -> new DdpmPlusPlusConfig(8, 8, 3, 7, LEVELS, 1, Attention.SELF, 0, 0))
                .hasMessage("baseWidth must be even for its time features, got 7");
        assertThatThrownBy(() -> new DdpmPlusPlusConfig(8, 8, 3, 8, List.of(), 1, Attention.SELF, 0, 0))
                .hasMessage("levels must be 1 to 16, got 0");
        assertThatThrownBy(() -> new DdpmPlusPlusConfig(8, 8, 3, 8, LEVELS, 1, Attention.SELF, 1, 0))
                .hasMessage("dropout must be 0 or more and below 1, got 1.0");
        assertThatThrownBy(() -> new DdpmPlusPlusConfig(8, 8, 3, 8, LEVELS, 1, null, 0, 0))
                .hasMessage("attention must be given");
        assertThatThrownBy(
                        () -> new DdpmPlusPlusConfig(8, 8, 3, 8, List.of(new Level(2, false)), 1, Attention.SELF, 0, 0))
                .hasMessage("levels.width must be at least 4, got 2");
    }
}
