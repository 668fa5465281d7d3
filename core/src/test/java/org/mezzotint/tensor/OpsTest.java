package org.mezzotint.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class OpsTest {
    private static final long[][] SHAPES = {{3, 5}, {7}, {2, 1, 33}};

    /** arXiv:1711.05101v3, algorithm 2, one number after the other. */
    private static final class PlainAdamW {
        final double[] p;
        final double[] m;
        final double[] v;

        PlainAdamW(double[] p) {
            this.p = p;
            m = new double[p.length];
            v = new double[p.length];
        }

        void step(double[] g, int t, double rate, double beta1, double beta2, double decay, double epsilon) {
            for (int i = 0; i < p.length; i++) {
                p[i] -= rate * decay * p[i];
                m[i] = beta1 * m[i] + (1 - beta1) * g[i];
                v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i];
                double mHat = m[i] / (1 - Math.pow(beta1, t));
                double vHat = v[i] / (1 - Math.pow(beta2, t));
                p[i] -= rate * mHat / (Math.sqrt(vHat) + epsilon);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"Double, 0.1, 1e-12", "Double, 0, 1e-12", "Float, 0.1, 2e-6"})
    void fusedAdamWEqualsTheDoubleLoop(ScalarType type, double decay, double tolerance) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1)) {
            List<Tensor> p = drawn(rng, type);
            List<Tensor> g = drawn(rng, type);
            List<Tensor> m = zeros(type);
            List<Tensor> v = zeros(type);
            List<Tensor> counts = new ArrayList<>();
            List<PlainAdamW> plain = new ArrayList<>();
            for (Tensor parameter : p) {
                counts.add(Tensors.of(new float[1], 1).view());
                plain.add(new PlainAdamW(Tensors.doubles(parameter)));
            }
            try (TensorList ps = new TensorList(p);
                    TensorList gs = new TensorList(g);
                    TensorList ms = new TensorList(m);
                    TensorList vs = new TensorList(v);
                    TensorList steps = new TensorList(counts)) {
                for (int t = 1; t <= 5; t++) {
                    g.forEach(rng::fillNormal);
                    for (int i = 0; i < plain.size(); i++) {
                        plain.get(i).step(Tensors.doubles(g.get(i)), t, 3e-2, 0.8, 0.95, decay, 1e-3);
                    }
                    Ops.foreachAdd(steps, 1);
                    Ops.fusedAdamW(ps, gs, ms, vs, steps, 3e-2, 0.8, 0.95, decay, 1e-3);
                }
            }
            for (int i = 0; i < plain.size(); i++) {
                assertThat(Tensors.doubles(p.get(i))).containsExactly(plain.get(i).p, within(tolerance));
                assertThat(Tensors.doubles(m.get(i))).containsExactly(plain.get(i).m, within(tolerance));
                assertThat(Tensors.doubles(v.get(i))).containsExactly(plain.get(i).v, within(tolerance));
            }
        }
    }

    @Test
    void listArithmeticChangesEveryTensorInPlace() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(2)) {
            List<Tensor> a = drawn(rng, ScalarType.Double);
            List<Tensor> b = drawn(rng, ScalarType.Double);
            List<double[]> before = doubles(a);
            List<double[]> targets = doubles(b);
            try (TensorList as = new TensorList(a);
                    TensorList bs = new TensorList(b)) {
                assertThat(as.size()).isEqualTo(3);
                Ops.foreachMul(as, -3);
                Ops.foreachAdd(as, 0.5);
                for (int i = 0; i < a.size(); i++) {
                    double[] expected = before.get(i).clone();
                    for (int k = 0; k < expected.length; k++) {
                        expected[k] = -3 * expected[k] + 0.5;
                    }
                    assertThat(Tensors.doubles(a.get(i))).containsExactly(expected, within(1e-15));
                }
                List<double[]> from = doubles(a);
                Ops.foreachLerp(as, bs, 0.25);
                for (int i = 0; i < a.size(); i++) {
                    double[] expected = from.get(i).clone();
                    for (int k = 0; k < expected.length; k++) {
                        expected[k] += 0.25 * (targets.get(i)[k] - expected[k]);
                    }
                    assertThat(Tensors.doubles(a.get(i))).containsExactly(expected, within(1e-14));
                }
            }
        }
    }

    @Test
    void anEmptyListIsLeftAlone() {
        try (TensorList none = new TensorList(List.of())) {
            assertThat(none.size()).isZero();
        }
    }

    @Test
    void aClosedListHoldsNothingButLeavesItsTensorsAlone() {
        try (Scope scope = Scope.open()) {
            Tensor element = Tensors.of(1.0);
            new TensorList(List.of(element)).close();
            long before = Pointer.totalCount();
            TensorList list = new TensorList(List.of(element, element));
            list.close();
            list.close();
            assertThat(Pointer.totalCount()).isLessThanOrEqualTo(before);
            assertThat(Tensors.doubles(element)).containsExactly(1);
        }
    }

    @ParameterizedTest
    @EnumSource
    void packedLinearEqualsLinear(Ops.Activation activation) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(3)) {
            Tensor weight = rng.normal(ScalarType.Float, 48, 20);
            Tensor bias = rng.normal(ScalarType.Float, 48);
            Tensor packed = Ops.packLinearWeight(weight, 6);
            assertThat(packed.shape()).containsExactly(48, 20);
            for (long[] shape :
                    new long[][] {{6, 20}, {2, 3, 20}, {1, 20}, {2, 2, 5, 20}}) { // other rows than packed for too
                Tensor x = rng.normal(ScalarType.Float, shape);
                Tensor y = Ops.packedLinear(x, packed, bias, activation);
                long[] expectedShape = shape.clone();
                expectedShape[shape.length - 1] = 48;
                assertThat(y.shape()).containsExactly(expectedShape);
                double[] expected = plainLinear(x, weight, bias, activation == Ops.Activation.GELU_TANH);
                assertThat(Tensors.doubles(y)).containsExactly(expected, within(2e-5));
            }
        }
    }

    @Test
    void packedLinearTakesNonContiguousInputs() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(4)) {
            Tensor weight = rng.normal(ScalarType.Float, 8, 5);
            Tensor bias = rng.normal(ScalarType.Float, 8);
            Tensor x = rng.normal(ScalarType.Float, 5, 3).transpose(0, 1);
            Tensor y = Ops.packedLinear(x, Ops.packLinearWeight(weight, 3), bias, Ops.Activation.NONE);
            assertThat(Tensors.doubles(y)).containsExactly(plainLinear(x, weight, bias, false), within(1e-5));
        }
    }

    private static double[] plainLinear(Tensor x, Tensor weight, Tensor bias, boolean gelu) {
        double[] in = Tensors.doubles(x);
        double[] w = Tensors.doubles(weight);
        double[] b = Tensors.doubles(bias);
        int inner = Math.toIntExact(weight.size(1));
        int outer = b.length;
        double[] out = new double[in.length / inner * outer];
        for (int row = 0; row < in.length / inner; row++) {
            for (int o = 0; o < outer; o++) {
                double sum = b[o];
                for (int i = 0; i < inner; i++) {
                    sum += in[row * inner + i] * w[o * inner + i];
                }
                double cubic = sum + 0.044715 * sum * sum * sum;
                out[row * outer + o] = gelu ? 0.5 * sum * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * cubic)) : sum;
            }
        }
        return out;
    }

    @Test
    void callsLeaveNoNativeMemoryBehind() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(5)) {
            Tensor weight = rng.normal(ScalarType.Float, 4, 4);
            Tensor bias = rng.normal(ScalarType.Float, 4);
            Tensor one = Tensors.of(new float[] {1}, 1).view();
            try (TensorList p = new TensorList(List.of(weight));
                    TensorList g = new TensorList(List.of(rng.normal(ScalarType.Float, 4, 4)));
                    TensorList m = new TensorList(List.of(torch.zeros(4, 4)));
                    TensorList v = new TensorList(List.of(torch.zeros(4, 4)));
                    TensorList steps = new TensorList(List.of(one))) {
                callAll(weight, bias, p, g, m, v, steps);
                long before = Pointer.totalCount();
                for (int i = 0; i < 20; i++) {
                    callAll(weight, bias, p, g, m, v, steps);
                }
                assertThat(Pointer.totalCount()).isLessThanOrEqualTo(before);
            }
        }
    }

    private static void callAll(
            Tensor weight, Tensor bias, TensorList p, TensorList g, TensorList m, TensorList v, TensorList steps) {
        Ops.fusedAdamW(p, g, m, v, steps, 1e-3, 0.9, 0.99, 0, 1e-8);
        Ops.foreachAdd(steps, 1);
        Ops.foreachMul(m, 1);
        Ops.foreachLerp(m, g, 0.5);
        Ops.foreachMul(v, 0);
        Tensor packed = Ops.packLinearWeight(weight, 4);
        Ops.packedLinear(weight, packed, bias, Ops.Activation.GELU_TANH).close();
        packed.close();
    }

    private static List<Tensor> drawn(Rng rng, ScalarType type) {
        List<Tensor> list = new ArrayList<>();
        for (long[] shape : SHAPES) {
            list.add(rng.normal(type, shape));
        }
        return list;
    }

    private static List<Tensor> zeros(ScalarType type) {
        List<Tensor> list = new ArrayList<>();
        for (long[] shape : SHAPES) {
            list.add(Tensors.empty(type, shape).zero_());
        }
        return list;
    }

    private static List<double[]> doubles(List<Tensor> tensors) {
        return tensors.stream().map(Tensors::doubles).toList();
    }
}
