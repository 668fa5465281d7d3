package org.mezzotint.models.layers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.golden.Golden;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class NeighborhoodAttentionTest {
    @ParameterizedTest
    @ValueSource(strings = {"16x16-k7", "3x3-k3", "5x5-k3", "7x10-k7", "7x7-k7", "8x9-k7", "9x12-k5"})
    void resultAndGradientsEqualTheReference(String name) {
        for (Precision precision : List.of(Precision.FLOAT64, Precision.FLOAT32)) {
            try (Golden golden = Golden.open("hdit/unit-na2d-" + name);
                    Scope scope = Scope.open();
                    Init init = Init.blank(precision, new Device("cpu"))) {
                ScalarType type = precision.storage();
                Tensor q = golden.get("in.q", type).clone().requires_grad_(true);
                Tensor k = golden.get("in.k", type).clone().requires_grad_(true);
                Tensor v = golden.get("in.v", type).clone().requires_grad_(true);
                int kernel = golden.config().get("kernel_size").asInt();
                NeighborhoodAttention attention =
                        new NeighborhoodAttention(init, (int) q.size(1), (int) q.size(2), kernel);
                Tensor y =
                        attention.attend(q, k, v, golden.config().get("scale").asDouble());
                double tolerance = golden.tolerance(type);
                Golden.assertCloseToLargest("y", Tensors.doubles(y), golden.doubles("out.y"), tolerance);
                y.mul(golden.get("in.cotangent_y", type)).sum().backward();
                Golden.assertCloseToLargest("q", Tensors.doubles(q.grad()), golden.doubles("grad.in.q"), tolerance);
                Golden.assertCloseToLargest("k", Tensors.doubles(k.grad()), golden.doubles("grad.in.k"), tolerance);
                Golden.assertCloseToLargest("v", Tensors.doubles(v.grad()), golden.doubles("grad.in.v"), tolerance);
            }
        }
    }

    /** Every query's own k² keys, one after the other. */
    private static double[] plain(double[] q, double[] k, double[] v, int[] s, int kernel, double scale) {
        int n = s[0];
        int height = s[1];
        int width = s[2];
        int heads = s[3];
        int d = s[4];
        double[] y = new double[q.length];
        double[] weights = new double[kernel * kernel];
        for (int b = 0; b < n; b++) {
            for (int row = 0; row < height; row++) {
                int top = Math.max(0, Math.min(row - kernel / 2, height - kernel));
                for (int column = 0; column < width; column++) {
                    int left = Math.max(0, Math.min(column - kernel / 2, width - kernel));
                    for (int h = 0; h < heads; h++) {
                        int at = (((b * height + row) * width + column) * heads + h) * d;
                        double sum = 0;
                        for (int i = 0; i < weights.length; i++) {
                            int key = (((b * height + top + i / kernel) * width + left + i % kernel) * heads + h) * d;
                            double dot = 0;
                            for (int c = 0; c < d; c++) {
                                dot += q[at + c] * k[key + c];
                            }
                            weights[i] = Math.exp(scale * dot);
                            sum += weights[i];
                        }
                        for (int i = 0; i < weights.length; i++) {
                            int key = (((b * height + top + i / kernel) * width + left + i % kernel) * heads + h) * d;
                            for (int c = 0; c < d; c++) {
                                y[at + c] += weights[i] / sum * v[key + c];
                            }
                        }
                    }
                }
            }
        }
        return y;
    }

    @ParameterizedTest
    @CsvSource({
        "3, 3, 3",
        "3, 17, 3",
        "4, 9, 3",
        "8, 8, 5",
        "9, 25, 5",
        "16, 11, 7",
        "24, 18, 7",
        "9, 33, 9",
        "12, 31, 11",
        "13, 13, 13",
        "13, 40, 13",
        "1, 1, 1",
        "5, 20, 1"
    })
    void equalsOneQueryAtATime(int height, int width, int kernel) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(5);
                Init init = Init.blank(Precision.FLOAT64, new Device("cpu"))) {
            int[] shape = {2, height, width, 3, 4};
            long[] s = {2, height, width, 3, 4};
            Tensor q = rng.normal(ScalarType.Double, s);
            Tensor k = rng.normal(ScalarType.Double, s);
            Tensor v = rng.normal(ScalarType.Double, s);
            double[] expected = plain(Tensors.doubles(q), Tensors.doubles(k), Tensors.doubles(v), shape, kernel, 0.7);
            NeighborhoodAttention attention = new NeighborhoodAttention(init, height, width, kernel);
            Golden.assertClose("sampling", Tensors.doubles(attention.attend(q, k, v, 0.7)), expected, 1e-12);
            k.requires_grad_(true);
            v.requires_grad_(true);
            Golden.assertClose("training", Tensors.doubles(attention.attend(q, k, v, 0.7)), expected, 1e-12);
        }
    }

    @Test
    void gradientsDoNotDependOnTheRun() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(5);
                Init init = Init.blank(Precision.FLOAT32, new Device("cpu"))) {
            NeighborhoodAttention attention = new NeighborhoodAttention(init, 20, 27, 7);
            double[][] gradients = new double[2][];
            for (int run = 0; run < 2; run++) {
                Tensor k =
                        rng.reseed(7).normal(ScalarType.Float, 2, 20, 27, 2, 8).requires_grad_(true);
                Tensor y = attention.attend(k.mul(k), k, k, 1);
                y.mul(y).sum().backward();
                gradients[run] = Tensors.doubles(k.grad());
            }
            assertThat(gradients[0]).isEqualTo(gradients[1]);
        }
    }

    @Test
    void impossibleKernelsAreRefused() {
        try (Init init = Init.blank(Precision.FLOAT32, new Device("cpu"))) {
            assertThatThrownBy(() -> new NeighborhoodAttention(init, 8, 8, 4)).hasMessage("kernel must be odd, got 4");
            assertThatThrownBy(() -> new NeighborhoodAttention(init, 8, 6, 7))
                    .hasMessage("kernel must be at most the map's height and width, got 7 for 8x6");
        }
    }
}
