package org.mezzotint.models.layers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class LinearTest {
    private final Scope scope = Scope.open();
    private final Rng rng = new Rng(1);
    private final NoGradGuard noGrad = new NoGradGuard();

    @AfterEach
    void free() {
        noGrad.close();
        rng.close();
        scope.close();
    }

    private Linear linear(Precision precision, long in, long out) {
        try (Init init = Init.random(1, precision, new Device("cpu"))) {
            Linear linear = new Linear(init, in, out, Linear.Weights.XAVIER_UNIFORM);
            rng.fillNormal(linear.state().get("bias"));
            return linear;
        }
    }

    private static double[] loop(Linear linear, Tensor x, boolean gelu) {
        Tensor weight = linear.state().get("weight");
        double[] w = Tensors.doubles(weight);
        double[] b = Tensors.doubles(linear.state().get("bias"));
        double[] in = Tensors.doubles(x);
        int inner = Math.toIntExact(weight.size(1));
        int rows = in.length / inner;
        double[] out = new double[rows * b.length];
        for (int row = 0; row < rows; row++) {
            for (int o = 0; o < b.length; o++) {
                double u = b[o];
                for (int i = 0; i < inner; i++) {
                    u += w[o * inner + i] * in[row * inner + i];
                }
                double tanh = Math.tanh(Math.sqrt(2 / Math.PI) * (u + 0.044715 * u * u * u));
                out[row * b.length + o] = gelu ? 0.5 * u * (1 + tanh) : u;
            }
        }
        return out;
    }

    @Test
    void equalsTheDoubleLoop() {
        Linear linear = linear(Precision.FLOAT64, 5, 7);
        Tensor x = rng.normal(ScalarType.Double, 2, 3, 5);
        assertThat(linear.forward(x).shape()).containsExactly(2, 3, 7);
        assertThat(Tensors.doubles(linear.forward(x))).containsExactly(loop(linear, x, false), within(1e-13));
        assertThat(Tensors.doubles(linear.forwardGeluTanh(x))).containsExactly(loop(linear, x, true), within(1e-13));
    }

    @Test
    void packedEqualsTheDoubleLoop() {
        Linear linear = linear(Precision.FLOAT32, 33, 17);
        Tensor x = rng.normal(ScalarType.Float, 2, 3, 33);
        linear.pack(6);
        assertThat(linear.forward(x).shape()).containsExactly(2, 3, 17);
        assertThat(Tensors.doubles(linear.forward(x))).containsExactly(loop(linear, x, false), within(1e-5));
        assertThat(Tensors.doubles(linear.forwardGeluTanh(x))).containsExactly(loop(linear, x, true), within(1e-5));
    }

    @ParameterizedTest
    @EnumSource(value = Precision.class, names = "FLOAT64", mode = EnumSource.Mode.EXCLUDE)
    void unpackingRestoresEveryBit(Precision precision) {
        Linear linear = linear(precision, 16, 24);
        Tensor x = rng.normal(ScalarType.Float, 4, 16);
        double[] before = Tensors.doubles(linear.forward(x));
        linear.pack(4);
        assertThat(Tensors.doubles(linear.forward(x))).containsExactly(before, within(0.05));
        linear.unpack();
        assertThat(Tensors.doubles(linear.forward(x))).containsExactly(before);
    }

    @Test
    void aPackedLayerRefusesGradients() {
        Linear linear = linear(Precision.FLOAT32, 5, 7);
        Tensor x = rng.normal(ScalarType.Float, 2, 5).set_requires_grad(true);
        linear.pack(2);
        assertThatThrownBy(() -> linear.forward(x)).hasMessage("a packed layer has no gradients: unpack it first");
        linear.unpack();
        assertThat(linear.forward(x).shape()).containsExactly(2, 7);
    }

    @Test
    void aPackedLayerDoesNotSeeChangesOfItsWeight() {
        Linear linear = linear(Precision.FLOAT32, 8, 8);
        Tensor x = rng.normal(ScalarType.Float, 3, 8);
        linear.pack(3);
        double[] before = Tensors.doubles(linear.forward(x));
        linear.state().get("weight").mul_(Scalars.of(2));
        assertThat(Tensors.doubles(linear.forward(x))).containsExactly(before);
        linear.unpack();
        assertThat(Tensors.doubles(linear.forward(x))).containsExactly(loop(linear, x, false), within(1e-5));
        linear.state().get("weight").mul_(Scalars.of(2));
        linear.pack(3);
        linear.state().get("weight").mul_(Scalars.of(0.5));
        linear.pack(3); // packs the weight as it is now
        assertThat(Tensors.doubles(linear.forward(x))).containsExactly(loop(linear, x, false), within(1e-5));
        linear.unpack();
    }

    @Test
    void packingAndUnpackingLeaveNoNativeMemoryBehind() {
        Linear linear = linear(Precision.FLOAT32, 8, 8);
        linear.pack(1);
        linear.unpack();
        long before = Pointer.totalCount();
        for (int i = 0; i < 10; i++) {
            linear.pack(i + 1);
            linear.pack(1);
            linear.unpack();
            linear.unpack();
        }
        assertThat(Pointer.totalCount()).isLessThanOrEqualTo(before);
    }

    @Test
    void mixedPrecisionMultipliesInBfloat16() {
        Linear linear = linear(Precision.BFLOAT16, 40, 8);
        Tensor x = rng.normal(ScalarType.Float, 5, 40);
        Tensor y = linear.forward(x);
        assertThat(Tensors.type(y)).isSameAs(ScalarType.BFloat16);
        assertThat(Tensors.type(linear.state().get("weight"))).isSameAs(ScalarType.Float);
        double[] exact = loop(linear, x, false);
        assertThat(Tensors.doubles(y)).containsExactly(exact, within(0.1));
        assertThat(Tensors.doubles(y)).isNotEqualTo(exact);
    }

    @Test
    void weightsStartAsAskedAndBiasesAtZero() {
        try (Init init = Init.random(7, Precision.FLOAT64, new Device("cpu"))) {
            double bound = Math.sqrt(6.0 / (300 + 200));
            double[] xavier = weight(new Linear(init, 300, 200, Linear.Weights.XAVIER_UNIFORM));
            assertThat(max(xavier)).isBetween(0.99 * bound, bound);
            assertThat(deviation(xavier)).isCloseTo(bound / Math.sqrt(3), within(0.01 * bound));
            Linear normal = new Linear(init, 300, 200, Linear.Weights.NORMAL_002);
            assertThat(deviation(weight(normal))).isCloseTo(0.02, within(2e-4));
            assertThat(max(Tensors.doubles(normal.state().get("bias")))).isZero();
            assertThat(max(weight(new Linear(init, 300, 200, Linear.Weights.ZERO))))
                    .isZero();
        }
    }

    private static double[] weight(Linear linear) {
        return Tensors.doubles(linear.state().get("weight"));
    }

    private static double max(double[] values) {
        double max = 0;
        for (double value : values) {
            max = Math.max(max, Math.abs(value));
        }
        return max;
    }

    private static double deviation(double[] values) {
        double sum = 0;
        for (double value : values) {
            sum += value * value;
        }
        return Math.sqrt(sum / values.length);
    }
}
