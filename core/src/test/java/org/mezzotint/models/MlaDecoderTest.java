package org.mezzotint.models;

import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.mezzotint.golden.Golden;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.PlainLayers;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class MlaDecoderTest {
    /** Maps of 4 × 6, 2 × 3 and 2 × 3 tokens, from the top down in loops. */
    @Test
    void equalsPlainLoops() {
        int[][] shapes = {{4, 4, 6}, {5, 2, 3}, {3, 2, 3}};
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(1);
                Init init = Init.blank(Precision.FLOAT64, new Device("cpu"))) {
            MlaDecoder decoder = new MlaDecoder(init, List.of(4, 5, 3), 6);
            decoder.trainable().values().forEach(rng::fillNormal);
            double[][][][] x = new double[3][][][];
            Tensor[] levels = new Tensor[3];
            for (int i = 0; i < 3; i++) {
                levels[i] = rng.normal(ScalarType.Double, 1, shapes[i][0], shapes[i][1], shapes[i][2]);
                x[i] = PlainLayers.cube(Tensors.doubles(levels[i]), shapes[i][0], shapes[i][1], shapes[i][2]);
            }
            double[][][] side = new double[9][][];
            double[][][] sum = null;
            for (int i = 2; i >= 0; i--) {
                double[][][] level = conv(decoder.state(), "reduce." + i, x[i], 3, 1);
                sum = sum == null ? level : PlainLayers.sum(level, bilinear(sum, shapes[i][1], shapes[i][2]));
                double[][][] mixed =
                        PlainLayers.map(conv(decoder.state(), "mix." + i, sum, 3, 3), v -> v / (1 + Math.exp(-v)));
                System.arraycopy(bilinear(mixed, 4, 6), 0, side, (2 - i) * 3, 3);
            }
            double[][][] expected = conv(decoder.state(), "fuse", side, 6, 3);
            Golden.assertClose(
                    "y", Tensors.doubles(decoder.forward(List.of(levels))), PlainLayers.flat(expected), 1e-11);
        }
    }

    private static double[][][] conv(Map<String, Tensor> state, String name, double[][][] x, int out, int kernel) {
        return PlainLayers.convolve(
                x,
                Tensors.doubles(state.get(name + ".weight")),
                Tensors.doubles(state.get(name + ".bias")),
                out,
                kernel,
                1,
                kernel / 2);
    }

    /** Half-pixel centres, borders repeated. */
    private static double[][][] bilinear(double[][][] x, int rows, int columns) {
        int height = x[0].length;
        int width = x[0][0].length;
        double[][][] y = new double[x.length][rows][columns];
        for (int c = 0; c < x.length; c++) {
            for (int r = 0; r < rows; r++) {
                for (int i = 0; i < columns; i++) {
                    double down = Math.max(0, (r + 0.5) * height / rows - 0.5);
                    double across = Math.max(0, (i + 0.5) * width / columns - 0.5);
                    int r0 = (int) down;
                    int c0 = (int) across;
                    int r1 = Math.min(height - 1, r0 + 1);
                    int c1 = Math.min(width - 1, c0 + 1);
                    double a = down - r0;
                    double b = across - c0;
                    y[c][r][i] = (1 - a) * ((1 - b) * x[c][r0][c0] + b * x[c][r0][c1])
                            + a * ((1 - b) * x[c][r1][c0] + b * x[c][r1][c1]);
                }
            }
        }
        return y;
    }
}
