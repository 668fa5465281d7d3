package org.mezzotint.models.layers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.MemoryFormat;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.mezzotint.golden.Golden;
import org.mezzotint.models.layers.Conv2d.Reach;
import org.mezzotint.models.layers.Linear.Weights;
import org.mezzotint.tensor.Devices;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** {@link Conv2d} and {@link GroupNorm} against plain loops. */
class ConvolutionTest {
    private Scope scope;
    private Rng rng;

    @BeforeEach
    void open() {
        scope = Scope.open();
        rng = new Rng(5);
    }

    @AfterEach
    void close() {
        rng.close();
        scope.close();
    }

    private static Init init(Precision precision) {
        return Init.random(3, precision, Devices.cpu());
    }

    private void randomize(Layer layer) {
        try (NoGradGuard noGrad = new NoGradGuard()) {
            layer.state().values().forEach(rng::fillNormal);
        }
    }

    private static double[][][] plain(Reach reach, Map<String, Tensor> state, double[][][] x, int out) {
        double[] weight = Tensors.doubles(state.get("weight"));
        double[] bias = state.containsKey("bias") ? Tensors.doubles(state.get("bias")) : null;
        return switch (reach) {
            case POINT -> PlainLayers.convolve(x, weight, bias, out, 1, 1, 0);
            case SAME -> PlainLayers.convolve(x, weight, bias, out, 3, 1, 1);
            case HALF -> PlainLayers.convolve(x, weight, bias, out, 3, 2, 1);
            case HALF_UNPADDED -> PlainLayers.convolve(x, weight, bias, out, 3, 2, 0);
        };
    }

    @ParameterizedTest
    @EnumSource(Reach.class)
    void convolutionEqualsPlainLoops(Reach reach) {
        try (Init init = init(Precision.FLOAT64)) {
            for (boolean biased : new boolean[] {true, false}) {
                Conv2d conv = biased
                        ? new Conv2d(init, 3, 4, reach, Weights.ZERO)
                        : Conv2d.withoutBias(init, 3, 4, reach, Weights.ZERO);
                randomize(conv);
                Tensor x = rng.normal(ScalarType.Double, 2, 3, 5, 8);
                Tensor y = conv.forward(x);
                for (int n = 0; n < 2; n++) {
                    double[][][] one = PlainLayers.cube(Tensors.doubles(x.select(0, n)), 3, 5, 8);
                    Golden.assertClose(
                            reach + " " + biased,
                            Tensors.doubles(y.select(0, n)),
                            PlainLayers.flat(plain(reach, conv.state(), one, 4)),
                            1e-12);
                }
            }
        }
    }

    /** Also for another shape than that it was packed for. */
    @ParameterizedTest
    @EnumSource(Reach.class)
    void packedWeightsGiveTheSameUntilTheyAreUnpacked(Reach reach) {
        try (NoGradGuard noGrad = new NoGradGuard()) {
            for (Precision precision : new Precision[] {Precision.FLOAT32, Precision.BFLOAT16}) {
                try (Init init = init(precision)) {
                    Conv2d conv = new Conv2d(init, 8, 16, reach, Weights.UNIFORM_FAN_IN);
                    randomize(conv);
                    for (long n : new long[] {2, 3}) {
                        Tensor x = Conv2d.channelsLast(rng.normal(ScalarType.Float, n, 8, 6, 10));
                        double[] plain = Tensors.doubles(conv.forward(x));
                        conv.pack(2, 6, 10);
                        Tensor y = conv.forward(x);
                        assertThat(Tensors.type(y)).isEqualTo(ScalarType.Float);
                        assertThat(y.is_contiguous(MemoryFormat.ChannelsLast)).isTrue();
                        double tolerance = precision == Precision.FLOAT32 ? 1e-5 : 0.01;
                        Golden.assertCloseToLargest("packed", Tensors.doubles(y), plain, tolerance);
                        conv.state().get("weight").zero_();
                        assertThat(Tensors.doubles(conv.forward(x))).isEqualTo(Tensors.doubles(y));
                        conv.unpack();
                        assertThat(Tensors.doubles(conv.forward(x))).isNotEqualTo(plain);
                        randomize(conv);
                    }
                }
            }
        }
    }

    @Test
    void aPackedConvolutionRefusesGradients() {
        try (Init init = init(Precision.FLOAT32)) {
            Conv2d conv = new Conv2d(init, 8, 16, Reach.SAME, Weights.UNIFORM_FAN_IN);
            conv.pack(1, 4, 4);
            Tensor x = rng.normal(ScalarType.Float, 1, 8, 4, 4).requires_grad_(true);
            assertThatThrownBy(() -> conv.forward(x))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("a packed layer has no gradients: unpack it first");
            conv.unpack();
            assertThat(conv.forward(x).requires_grad()).isTrue();
        }
    }

    @Test
    void resultsStayChannelsLastSoThatNothingIsReordered() {
        try (Init init = init(Precision.FLOAT32)) {
            Conv2d conv = new Conv2d(init, 8, 16, Reach.SAME, Weights.UNIFORM_FAN_IN);
            GroupNorm norm = new GroupNorm(init, 4, 16, 1e-6);
            Tensor x = Conv2d.channelsLast(rng.normal(ScalarType.Float, 2, 8, 6, 5));
            Tensor y = norm.forward(conv.forward(x));
            assertThat(y.is_contiguous(MemoryFormat.ChannelsLast)).isTrue();
            assertThat(y.is_contiguous()).isFalse();
            assertThat(Conv2d.channelsLast(y).is_same(y)).isTrue();
        }
    }

    @Test
    void bfloat16ProductsGiveAFloat32ResultNearTheExactOne() {
        try (Init single = init(Precision.FLOAT32);
                Init mixed = init(Precision.BFLOAT16)) {
            Conv2d exact = new Conv2d(single, 8, 16, Reach.SAME, Weights.UNIFORM_FAN_IN);
            Conv2d rough = new Conv2d(mixed, 8, 16, Reach.SAME, Weights.UNIFORM_FAN_IN);
            randomize(exact);
            try (NoGradGuard noGrad = new NoGradGuard()) {
                exact.state().forEach((name, tensor) -> rough.state().get(name).copy_(tensor));
            }
            Tensor x = rng.normal(ScalarType.Float, 1, 8, 6, 5);
            Tensor y = rough.forward(x);
            assertThat(Tensors.type(y)).isEqualTo(ScalarType.Float);
            double error = y.sub(exact.forward(x)).norm().item_double();
            double size = exact.forward(x).norm().item_double();
            assertThat(error / size).isGreaterThan(1e-4).isLessThan(0.01);
        }
    }

    @Test
    void newWeightsFollowTheirRule() {
        try (Init init = init(Precision.FLOAT64)) {
            double bound = 1 / Math.sqrt(8 * 9);
            Tensor fanIn = new Conv2d(init, 8, 16, Reach.SAME, Weights.UNIFORM_FAN_IN)
                    .state()
                    .get("weight");
            assertThat(fanIn.abs().max().item_double()).isBetween(0.95 * bound, bound);
            double glorot = Math.sqrt(6.0 / (8 * 9 + 16));
            Tensor xavier = new Conv2d(init, 8, 16, Reach.SAME, Weights.XAVIER_UNIFORM)
                    .state()
                    .get("weight");
            assertThat(xavier.abs().max().item_double()).isBetween(0.95 * glorot, glorot);
            Tensor normal = new Conv2d(init, 8, 16, Reach.SAME, Weights.NORMAL_002)
                    .state()
                    .get("weight");
            assertThat(normal.std().item_double()).isBetween(0.018, 0.022);
            Conv2d zero = new Conv2d(init, 8, 16, Reach.SAME, Weights.ZERO);
            assertThat(zero.state().get("weight").abs().max().item_double()).isZero();
            assertThat(zero.state().get("bias").abs().max().item_double()).isZero();
            assertThat(zero.trainable().keySet()).containsExactly("weight", "bias");
        }
    }

    @Test
    void groupNormEqualsPlainLoopsInBothLayouts() {
        try (Init init = init(Precision.FLOAT64)) {
            GroupNorm norm = new GroupNorm(init, 3, 6, 1e-2);
            assertThat(Tensors.doubles(norm.state().get("weight"))).containsOnly(1.0);
            randomize(norm);
            Tensor x = rng.normal(ScalarType.Double, 2, 6, 4, 5);
            double[] weight = Tensors.doubles(norm.state().get("weight"));
            double[] bias = Tensors.doubles(norm.state().get("bias"));
            for (Tensor same : new Tensor[] {x, Conv2d.channelsLast(x)}) {
                Tensor y = norm.forward(same);
                for (int n = 0; n < 2; n++) {
                    double[][][] one = PlainLayers.cube(Tensors.doubles(x.select(0, n)), 6, 4, 5);
                    Golden.assertClose(
                            "norm",
                            Tensors.doubles(y.select(0, n)),
                            PlainLayers.flat(PlainLayers.groupNorm(one, 3, weight, bias, 1e-2)),
                            1e-12);
                }
            }
        }
    }

    @Test
    void groupsMustDivideTheChannels() {
        try (Init init = init(Precision.FLOAT32)) {
            assertThatThrownBy(() -> new GroupNorm(init, 4, 6, 1e-6))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("channels must be a multiple of groups, got 6 and 4");
        }
    }
}
