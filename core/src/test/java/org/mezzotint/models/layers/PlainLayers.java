package org.mezzotint.models.layers;

import java.util.function.DoubleBinaryOperator;
import java.util.function.DoubleUnaryOperator;

/** Convolution, group norm and doubling of one picture as loops over double[C][H][W]: the obvious way. */
public final class PlainLayers {
    private PlainLayers() {}

    /** Weight (out, in, k, k) in row-major order; null bias for none; zeros outside the picture. */
    public static double[][][] convolve(
            double[][][] x, double[] weight, double[] bias, int out, int k, int stride, int padding) {
        int in = x.length;
        int height = (x[0].length + 2 * padding - k) / stride + 1;
        int width = (x[0][0].length + 2 * padding - k) / stride + 1;
        double[][][] y = new double[out][height][width];
        for (int o = 0; o < out; o++) {
            for (int row = 0; row < height; row++) {
                for (int column = 0; column < width; column++) {
                    double sum = bias == null ? 0 : bias[o];
                    for (int i = 0; i < in; i++) {
                        for (int a = 0; a < k; a++) {
                            for (int b = 0; b < k; b++) {
                                int r = row * stride - padding + a;
                                int c = column * stride - padding + b;
                                if (r >= 0 && r < x[0].length && c >= 0 && c < x[0][0].length) {
                                    sum += x[i][r][c] * weight[((o * in + i) * k + a) * k + b];
                                }
                            }
                        }
                    }
                    y[o][row][column] = sum;
                }
            }
        }
        return y;
    }

    public static double[][][] groupNorm(double[][][] x, int groups, double[] weight, double[] bias, double epsilon) {
        int size = x.length / groups;
        double[][][] y = new double[x.length][x[0].length][x[0][0].length];
        for (int g = 0; g < groups; g++) {
            double mean = 0;
            double square = 0;
            int count = size * x[0].length * x[0][0].length;
            for (int c = g * size; c < (g + 1) * size; c++) {
                for (double[] row : x[c]) {
                    for (double value : row) {
                        mean += value / count;
                    }
                }
            }
            for (int c = g * size; c < (g + 1) * size; c++) {
                for (double[] row : x[c]) {
                    for (double value : row) {
                        square += (value - mean) * (value - mean) / count;
                    }
                }
            }
            for (int c = g * size; c < (g + 1) * size; c++) {
                for (int r = 0; r < y[c].length; r++) {
                    for (int i = 0; i < y[c][r].length; i++) {
                        y[c][r][i] = (x[c][r][i] - mean) / Math.sqrt(square + epsilon) * weight[c] + bias[c];
                    }
                }
            }
        }
        return y;
    }

    /** Each pixel four times. */
    public static double[][][] doubled(double[][][] x) {
        double[][][] y = new double[x.length][2 * x[0].length][2 * x[0][0].length];
        for (int c = 0; c < y.length; c++) {
            for (int r = 0; r < y[c].length; r++) {
                for (int i = 0; i < y[c][r].length; i++) {
                    y[c][r][i] = x[c][r / 2][i / 2];
                }
            }
        }
        return y;
    }

    public static double[][][] sum(double[][][] a, double[][][] b) {
        return zip(a, b, Double::sum);
    }

    public static double[][][] relu(double[][][] x) {
        return map(x, v -> Math.max(v, 0));
    }

    public static double[][][] map(double[][][] x, DoubleUnaryOperator f) {
        return zip(x, x, (a, b) -> f.applyAsDouble(a));
    }

    private static double[][][] zip(double[][][] a, double[][][] b, DoubleBinaryOperator f) {
        double[][][] y = new double[a.length][a[0].length][a[0][0].length];
        for (int c = 0; c < y.length; c++) {
            for (int r = 0; r < y[c].length; r++) {
                for (int i = 0; i < y[c][r].length; i++) {
                    y[c][r][i] = f.applyAsDouble(a[c][r][i], b[c][r][i]);
                }
            }
        }
        return y;
    }

    public static double[] flat(double[][][] x) {
        double[] flat = new double[x.length * x[0].length * x[0][0].length];
        int at = 0;
        for (double[][] channel : x) {
            for (double[] row : channel) {
                System.arraycopy(row, 0, flat, at, row.length);
                at += row.length;
            }
        }
        return flat;
    }

    public static double[][][] cube(double[] flat, int channels, int height, int width) {
        double[][][] x = new double[channels][height][width];
        for (int c = 0; c < channels; c++) {
            for (int r = 0; r < height; r++) {
                System.arraycopy(flat, (c * height + r) * width, x[c][r], 0, width);
            }
        }
        return x;
    }
}
