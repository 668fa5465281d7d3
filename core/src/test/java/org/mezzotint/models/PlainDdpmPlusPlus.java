package org.mezzotint.models;

import static org.mezzotint.models.layers.PlainLayers.convolve;
import static org.mezzotint.models.layers.PlainLayers.doubled;
import static org.mezzotint.models.layers.PlainLayers.groupNorm;
import static org.mezzotint.models.layers.PlainLayers.map;
import static org.mezzotint.models.layers.PlainLayers.sum;

import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import org.mezzotint.models.DdpmPlusPlusConfig.Attention;
import org.mezzotint.models.layers.PlainLayers;
import org.mezzotint.tensor.Tensors;

/** DDPM++ for one picture, number by number, walked level by level as the papers tell it. */
final class PlainDdpmPlusPlus {
    private final DdpmPlusPlusConfig config;
    private final Map<String, double[]> parameters = new HashMap<>();

    PlainDdpmPlusPlus(DdpmPlusPlus model) {
        config = model.config();
        model.state().forEach((name, tensor) -> parameters.put(name, Tensors.doubles(tensor)));
    }

    /** Picture (C, H, W), time, label (ignored without classes) and nine numbers of the augmentation. */
    double[] forward(double[] picture, double t, int label, double[] augmentation) {
        int base = config.baseWidth();
        double[] features = new double[base];
        for (int k = 0; k < base / 2; k++) {
            double omega = Math.pow(10000, -(double) k / (base / 2 - 1));
            features[k] = Math.cos(t * omega);
            features[base / 2 + k] = Math.sin(t * omega);
        }
        double[] warp = linear("augmentation", augmentation, base);
        for (int i = 0; i < base; i++) {
            features[i] += warp[i];
            if (config.numClasses() > 0) {
                features[i] += parameters.get("class_emb.weight")[label * base + i];
            }
        }
        double[] c = silu(linear("time.1", silu(linear("time.0", features, 4 * base)), 4 * base));

        Deque<double[][][]> skips = new ArrayDeque<>();
        double[][][] x = PlainLayers.cube(picture, config.channels(), config.height(), config.width());
        x = conv("conv_in", x, base, 3);
        skips.push(x);
        int levels = config.levels().size();
        for (int level = 0; level < levels; level++) {
            if (level > 0) {
                x = block("down." + level + ".resize", x, x.length, c, halved(x), true);
                skips.push(x);
            }
            for (int j = 0; j < config.blocks(); j++) {
                x = residual(
                        "down." + level + "." + j,
                        x,
                        level,
                        c,
                        config.levels().get(level).attention());
                skips.push(x);
            }
        }
        x = residual("middle.0", x, levels - 1, c, true);
        x = residual("middle.1", x, levels - 1, c, false);
        for (int level = levels - 1; level >= 0; level--) {
            if (level < levels - 1) {
                x = block("up." + level + ".resize", x, x.length, c, doubled(x), true);
            }
            for (int j = 0; j <= config.blocks(); j++) {
                boolean attended = config.levels().get(level).attention() && j == config.blocks();
                x = residual("up." + level + "." + j, concatenated(x, skips.pop()), level, c, attended);
            }
        }
        return PlainLayers.flat(
                conv("conv_out", map(norm("norm_out", x), PlainDdpmPlusPlus::silu), config.channels(), 3));
    }

    private double[][][] residual(String name, double[][][] x, int level, double[] c, boolean attended) {
        double[][][] y = block(name, x, config.levels().get(level).width(), c, x, false);
        return attended ? attend(name + ".attention", y, c) : y;
    }

    /** {@code resized} is the input at the result's size. */
    private double[][][] block(
            String name, double[][][] x, int out, double[] c, double[][][] resized, boolean resizes) {
        double[][][] h = map(norm(name + ".norm0", x), PlainDdpmPlusPlus::silu);
        if (resizes) {
            h = resized[0].length > x[0].length ? doubled(h) : halved(h);
        }
        h = conv(name + ".conv0", h, out, 3);
        double[] shift = linear(name + ".affine", c, out);
        for (int i = 0; i < out; i++) {
            double s = shift[i];
            h[i] = map(new double[][][] {h[i]}, v -> v + s)[0];
        }
        h = conv(name + ".conv1", map(norm(name + ".norm1", h), PlainDdpmPlusPlus::silu), out, 3);
        boolean shortcut = parameters.containsKey(name + ".skip.weight");
        return scaled(sum(h, shortcut ? conv(name + ".skip", resized, out, 1) : resized));
    }

    private double[][][] attend(String name, double[][][] x, double[] c) {
        int d = x.length;
        int rows = x[0].length;
        int columns = x[0][0].length;
        double[][][] normed = norm(name + ".norm", x);
        boolean timed = config.attention() == Attention.TMSA;
        double[] shift = timed ? linear(name + ".qkv_time", c, 3 * d) : new double[3 * d];
        double[][] qkv = new double[rows * columns][];
        for (int p = 0; p < qkv.length; p++) {
            double[] token = new double[d];
            for (int i = 0; i < d; i++) {
                token[i] = normed[i][p / columns][p % columns];
            }
            qkv[p] = linear(name + ".qkv", token, 3 * d);
            for (int i = 0; i < 3 * d; i++) {
                qkv[p][i] += shift[i];
            }
        }
        double[][][] y = new double[d][rows][columns];
        for (int p = 0; p < qkv.length; p++) {
            double[] weights = new double[qkv.length];
            for (int k = 0; k < qkv.length; k++) {
                for (int i = 0; i < d; i++) {
                    weights[k] += qkv[p][i] * qkv[k][d + i] / Math.sqrt(d);
                }
                if (timed) {
                    int down = p / columns - k / columns + rows - 1;
                    int across = p % columns - k % columns + columns - 1;
                    weights[k] +=
                            parameters.get(name + ".relative_position_bias_table")[down * (2 * columns - 1) + across];
                }
            }
            double most = Arrays.stream(weights).max().orElseThrow();
            double total = 0;
            double[] value = new double[d];
            for (int k = 0; k < qkv.length; k++) {
                double weight = Math.exp(weights[k] - most);
                total += weight;
                for (int i = 0; i < d; i++) {
                    value[i] += weight * qkv[k][2 * d + i];
                }
            }
            for (int i = 0; i < d; i++) {
                value[i] /= total;
            }
            double[] projected = linear(name + ".proj", value, d);
            for (int i = 0; i < d; i++) {
                y[i][p / columns][p % columns] = projected[i];
            }
        }
        return scaled(sum(x, y));
    }

    private double[][][] norm(String name, double[][][] x) {
        int groups = Math.min(32, x.length / 4);
        return groupNorm(x, groups, parameters.get(name + ".weight"), parameters.get(name + ".bias"), 1e-6);
    }

    private double[][][] conv(String name, double[][][] x, int out, int kernel) {
        return convolve(
                x, parameters.get(name + ".weight"), parameters.get(name + ".bias"), out, kernel, 1, kernel / 2);
    }

    private double[] linear(String name, double[] x, int out) {
        double[] weight = parameters.get(name + ".weight");
        double[] bias = parameters.get(name + ".bias");
        double[] y = bias == null ? new double[out] : bias.clone();
        for (int o = 0; o < out; o++) {
            for (int i = 0; i < x.length; i++) {
                y[o] += weight[o * x.length + i] * x[i];
            }
        }
        return y;
    }

    private static double[][][] concatenated(double[][][] a, double[][][] b) {
        double[][][] all = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, all, a.length, b.length);
        return all;
    }

    private static double[][][] halved(double[][][] x) {
        double[][][] y = new double[x.length][x[0].length / 2][x[0][0].length / 2];
        for (int c = 0; c < y.length; c++) {
            for (int r = 0; r < y[c].length; r++) {
                for (int i = 0; i < y[c][r].length; i++) {
                    y[c][r][i] = (x[c][2 * r][2 * i]
                                    + x[c][2 * r][2 * i + 1]
                                    + x[c][2 * r + 1][2 * i]
                                    + x[c][2 * r + 1][2 * i + 1])
                            / 4;
                }
            }
        }
        return y;
    }

    private static double[][][] scaled(double[][][] x) {
        return map(x, v -> v / Math.sqrt(2));
    }

    private static double silu(double x) {
        return x / (1 + Math.exp(-x));
    }

    private static double[] silu(double[] x) {
        return Arrays.stream(x).map(PlainDdpmPlusPlus::silu).toArray();
    }
}
