package org.mezzotint.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.mezzotint.golden.Golden;
import org.mezzotint.models.ImageDiffiTConfig.Decoder;
import org.mezzotint.models.ImageDiffiTConfig.Design;
import org.mezzotint.models.ImageDiffiTConfig.Encoder;
import org.mezzotint.models.ImageDiffiTConfig.Stage;
import org.mezzotint.models.ImageDiffiTConfig.Time;
import org.mezzotint.models.ImageDiffiTConfig.TimeEmbedding;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.PlainLayers;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class ImageDiffiTTest {
    private static final Design PAPER = Design.paper();
    private static final List<Stage> STAGES = List.of(new Stage(8, 1), new Stage(16, 2));

    private static ImageDiffiTConfig config(int patch, List<Stage> stages, int window, int timeWidth, Design design) {
        return new ImageDiffiTConfig(8, 8, 3, patch, stages, window, 4, 2, 4, timeWidth, 2, true, design);
    }

    private static Design design(Encoder encoder, Decoder decoder, Time time) {
        return new Design(encoder, decoder, time, TimeEmbedding.POSITIONAL);
    }

    /** The same numbers for the same name, whatever else there is. */
    private static Model random(ImageDiffiTConfig config, Precision precision) {
        Model model = ModelContract.random(config, precision, 3);
        try (NoGradGuard noGrad = new NoGradGuard();
                Scope scope = Scope.open();
                Rng rng = new Rng(1)) {
            model.state().forEach((name, tensor) -> {
                if (!name.endsWith("index")) {
                    rng.reseed(name.hashCode()).fillNormal(tensor);
                    tensor.mul_(Scalars.of(0.3));
                }
            });
        }
        return model;
    }

    private static double[] output(Model model, Tensor x, Map<String, Tensor> more) {
        Map<String, Tensor> inputs = new LinkedHashMap<>(more);
        inputs.put(Conditioning.CLASS, Tensors.of(0L, 2L));
        try (NoGradGuard noGrad = new NoGradGuard()) {
            return Tensors.doubles(model.forward(x, Tensors.of(0.3, 2.0), Conditioning.of(inputs), Tape.plain()));
        }
    }

    /** Maps of 8 × 12 and 4 × 6 tokens, of which a window of 4 divides the sides but one. */
    @ParameterizedTest
    @EnumSource(
            value = Precision.class,
            names = {"FLOAT64", "FLOAT32"})
    void theWholeNetworkEqualsPlainLoops(Precision precision) {
        ImageDiffiTConfig config = new ImageDiffiTConfig(8, 12, 3, 1, STAGES, 4, 4, 2, 4, 6, 2, true, PAPER);
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1);
                Model model = random(config, precision)) {
            Tensor x = rng.normal(precision.storage(), 2, 3, 8, 12);
            Tensor nine = rng.normal(precision.storage(), 2, 9);
            double[] y = output(model, x, Map.of(HDiT.AUGMENTATION, nine));
            PlainImageDiffiT plain = new PlainImageDiffiT(config, model.state());
            double[] expected = new double[y.length];
            for (int n = 0; n < 2; n++) {
                double[][][] picture = PlainLayers.cube(Tensors.doubles(x.select(0, n)), 3, 8, 12);
                double[][][] result =
                        plain.forward(picture, n == 0 ? 0.3 : 2.0, n == 0 ? 0 : 2, Tensors.doubles(nine.select(0, n)));
                System.arraycopy(PlainLayers.flat(result), 0, expected, n * y.length / 2, y.length / 2);
            }
            Golden.assertCloseToLargest("y", y, expected, precision == Precision.FLOAT64 ? 1e-11 : 2e-4);
        }
    }

    @Test
    void aFreshNetworkGivesZeroBecauseItsLastConvolutionIsZero() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1);
                Init init = Init.random(1, Precision.FLOAT64, new Device("cpu"));
                ImageDiffiT diffit = config(1, STAGES, 4, 6, PAPER).create(init)) {
            assertThat(output(diffit, rng.normal(ScalarType.Double, 2, 3, 8, 8), Map.of()))
                    .containsOnly(0);
        }
    }

    static Stream<ImageDiffiTConfig> choices() {
        return Stream.of(
                config(1, STAGES, 4, 6, design(Encoder.DIFFIT, Decoder.DIFFIT, Time.TOKEN)),
                config(1, STAGES, 4, 6, design(Encoder.DIFFIT, Decoder.DIFFIT, Time.BIAS)),
                config(1, STAGES, 4, 6, design(Encoder.DIFFIT, Decoder.DIFFIT, Time.MLP)),
                config(1, STAGES, 4, 6, design(Encoder.DIFFIT, Decoder.DIFFIT, Time.STAGE)),
                config(1, STAGES, 4, 6, design(Encoder.DIFFIT, Decoder.PLAIN, Time.TMSA)),
                config(1, STAGES, 4, 6, design(Encoder.PLAIN, Decoder.DIFFIT, Time.TMSA)),
                config(1, STAGES, 4, 6, design(Encoder.PLAIN, Decoder.PLAIN, Time.STAGE)),
                config(1, STAGES, 4, 6, design(Encoder.DIFFIT, Decoder.MLA, Time.TMSA)),
                config(1, STAGES, 4, 6, design(Encoder.PLAIN, Decoder.MLA, Time.STAGE)),
                config(1, STAGES, 4, 6, new Design(Encoder.DIFFIT, Decoder.DIFFIT, Time.TMSA, TimeEmbedding.FOURIER)),
                config(1, STAGES, 2, 6, PAPER),
                config(1, STAGES, 4, 8, PAPER),
                config(1, List.of(new Stage(8, 1), new Stage(24, 2)), 4, 6, PAPER),
                config(1, List.of(new Stage(8, 1), new Stage(16, 1)), 4, 6, PAPER),
                config(2, STAGES, 2, 6, PAPER),
                new ImageDiffiTConfig(8, 8, 3, 1, STAGES, 4, 8, 2, 4, 6, 2, true, PAPER),
                new ImageDiffiTConfig(8, 8, 3, 1, STAGES, 4, 4, 3, 4, 6, 2, true, PAPER),
                new ImageDiffiTConfig(8, 8, 3, 1, STAGES, 4, 4, 2, 8, 6, 2, true, PAPER));
    }

    /** Each choice of the ablations and each number, everything else as in the paper. */
    @ParameterizedTest
    @MethodSource("choices")
    void everyChoiceChangesTheResult(ImageDiffiTConfig choice) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1);
                Model papers = random(config(1, STAGES, 4, 6, PAPER), Precision.FLOAT64);
                Model other = random(choice, Precision.FLOAT64)) {
            Tensor x = rng.normal(ScalarType.Double, 2, 3, 8, 8);
            double[] expected = output(papers, x, Map.of());
            double[] result = output(other, x, Map.of());
            assertThat(result).hasSameSizeAs(expected).doesNotContain(Double.NaN);
            assertThat(largestDifference(result, expected)).isGreaterThan(1e-3);
        }
    }

    private static double largestDifference(double[] a, double[] b) {
        double largest = 0;
        for (int i = 0; i < a.length; i++) {
            largest = Math.max(largest, Math.abs(a[i] - b[i]));
        }
        return largest;
    }

    @ParameterizedTest
    @EnumSource(Time.class)
    void timeIsHeardHoweverItIsTold(Time time) {
        ImageDiffiTConfig config = config(1, STAGES, 4, 6, design(Encoder.DIFFIT, Decoder.DIFFIT, time));
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(1);
                Model model = random(config, Precision.FLOAT64)) {
            Tensor one = rng.normal(ScalarType.Double, 1, 3, 8, 8);
            Conditioning cond = Conditioning.classes(Tensors.of(0L));
            double[] low = Tensors.doubles(model.forward(one, Tensors.of(0.1), cond, Tape.plain()));
            double[] high = Tensors.doubles(model.forward(one, Tensors.of(10.0), cond, Tape.plain()));
            assertThat(largestDifference(low, high)).isGreaterThan(1e-4);
        }
    }

    @Test
    void theAugmentationVectorMayBeAbsentAndIsThenZero() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1);
                Model diffit = random(config(1, STAGES, 4, 6, PAPER), Precision.FLOAT64)) {
            Tensor x = rng.normal(ScalarType.Double, 2, 3, 8, 8);
            double[] absent = output(diffit, x, Map.of());
            Tensor nine = rng.normal(ScalarType.Double, 2, 9);
            assertThat(output(diffit, x, Map.of(HDiT.AUGMENTATION, nine.sub(nine))))
                    .isEqualTo(absent);
            assertThat(output(diffit, x, Map.of(HDiT.AUGMENTATION, nine))).isNotEqualTo(absent);
        }
    }

    /** Positions are relative: the same weights serve pictures of every size that the stages divide. */
    @Test
    void theSameWeightsServeAnotherSize() {
        ImageDiffiTConfig small = config(1, STAGES, 4, 6, PAPER);
        ImageDiffiTConfig large = small.with(8, 16, 2);
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1);
                Model a = random(small, Precision.FLOAT64);
                Model b = random(large, Precision.FLOAT64)) {
            assertThat(a.state().keySet()).isEqualTo(b.state().keySet());
            a.state()
                    .forEach((name, tensor) ->
                            assertThat(b.state().get(name).shape()).as(name).isEqualTo(tensor.shape()));
            assertThat(output(b, rng.normal(ScalarType.Double, 2, 3, 8, 16), Map.of()))
                    .doesNotContain(Double.NaN);
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = Time.class,
            names = {"TMSA", "TOKEN", "BIAS", "MLP"})
    void bfloat16StaysNearFloat32ForwardAndBackward(Time time) {
        ImageDiffiTConfig config = config(1, STAGES, 4, 6, design(Encoder.DIFFIT, Decoder.PLAIN, time));
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1)) {
            Tensor x = rng.normal(ScalarType.Float, 2, 3, 8, 8);
            double[][] outputs = new double[2][];
            double[][] gradients = new double[2][];
            for (int i = 0; i < 2; i++) {
                try (Model diffit = random(config, i == 0 ? Precision.FLOAT32 : Precision.BFLOAT16)) {
                    Tensor y = diffit.forward(
                            x, Tensors.of(0.3, 2.0), Conditioning.classes(Tensors.of(0L, 2L)), Tape.plain());
                    assertThat(Tensors.type(y)).isEqualTo(ScalarType.Float);
                    outputs[i] = Tensors.doubles(y);
                    y.mul(y).sum().backward();
                    gradients[i] = Tensors.doubles(
                            diffit.trainable().get("encoder.open.weight").grad());
                }
            }
            assertThat(relative(outputs)).isGreaterThan(0).isLessThan(0.03);
            assertThat(relative(gradients)).isLessThan(0.1);
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

    private static void refused(Supplier<Object> config, String message) {
        assertThatThrownBy(config::get)
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(message);
    }

    @Test
    void shapesThatDoNotFitAreRefusedWithNameRuleAndValue() {
        refused(
                () -> config(1, STAGES, 5, 6, PAPER),
                "window must be at most the height and width of the coarsest map, got 5 for a map of 4x4");
        refused(() -> config(1, STAGES, 0, 6, PAPER), "window must be at least 1, got 0");
        refused(() -> config(1, STAGES, 4, 7, PAPER), "timeWidth must be even, got 7");
        refused(
                () -> new ImageDiffiTConfig(8, 8, 3, 1, STAGES, 4, 4, 2, 3, 6, 2, true, PAPER),
                "stages.width must be a multiple of groups, got 8 and 3");
        refused(
                () -> new ImageDiffiTConfig(8, 8, 3, 1, STAGES, 4, 3, 2, 4, 6, 2, true, PAPER),
                "stages.width must be a multiple of headWidth, got 8 and 3");
        refused(
                () -> new ImageDiffiTConfig(10, 12, 3, 2, STAGES, 2, 4, 2, 4, 6, 2, true, PAPER),
                "height must be a multiple of patch times 2 for each further stage, got 10 and 4");
        refused(
                () -> new ImageDiffiTConfig(12, 9, 3, 1, STAGES, 2, 4, 2, 4, 6, 2, true, PAPER),
                "width must be a multiple of patch times 2 for each further stage, got 9 and 2");
        refused(
                () -> design(Encoder.PLAIN, Decoder.MLA, Time.TMSA),
                "design.time must be stage without diffit blocks in the encoder or the decoder, got tmsa");
        refused(
                () -> config(2, List.of(new Stage(8, 3)), 4, 6, design(Encoder.PLAIN, Decoder.MLA, Time.STAGE)),
                "stages.blocks must be a multiple of 4 for decoder mla on one stage, got 3");
        refused(
                () -> new ImageDiffiTConfig(8, 8, 3, 1, STAGES, 4, 4, 0, 4, 6, 2, true, PAPER),
                "mlpRatio must be above 0 and at most 64, got 0.0");
        refused(() -> new Stage(8, 0), "stages.blocks must be at least 1, got 0");
        refused(() -> config(1, List.of(), 4, 6, PAPER), "stages and design must be given");
    }

    @Test
    void aNoiseLevelThatIsNoneIsRefused() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1);
                Model diffit = random(config(1, STAGES, 4, 6, PAPER), Precision.FLOAT64)) {
            Tensor x = rng.normal(ScalarType.Double, 1, 3, 8, 8);
            for (double sigma : new double[] {0, -1, Double.NaN, Double.POSITIVE_INFINITY}) {
                assertThatThrownBy(() -> diffit.forward(
                                x, Tensors.of(sigma), Conditioning.classes(Tensors.of(0L)), Tape.plain()))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessage("sigma must be above 0 and finite, got " + sigma);
            }
        }
    }
}
