package org.mezzotint.models;

import java.util.Map;
import java.util.TreeMap;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.models.layers.PlainLayers;
import org.mezzotint.tensor.Tensors;

/** {@link ImageDiffiT} in its published form as loops over one picture, from the description: the obvious way. */
final class PlainImageDiffiT {
    private final ImageDiffiTConfig config;
    private final Map<String, double[]> weights = new TreeMap<>();

    PlainImageDiffiT(ImageDiffiTConfig config, Map<String, Tensor> state) {
        this.config = config;
        state.forEach((name, tensor) -> weights.put(name, Tensors.doubles(tensor)));
    }

    private double[] weight(String name) {
        return weights.get(name + ".weight");
    }

    private double[] bias(String name) {
        return weights.get(name + ".bias");
    }

    /** W·x + b, of one vector. */
    private double[] linear(String name, double[] x) {
        double[] w = weight(name);
        double[] y = new double[w.length / x.length];
        for (int o = 0; o < y.length; o++) {
            y[o] = bias(name) == null ? 0 : bias(name)[o];
            for (int i = 0; i < x.length; i++) {
                y[o] += w[o * x.length + i] * x[i];
            }
        }
        return y;
    }

    private static double swish(double x) {
        return x / (1 + Math.exp(-x));
    }

    private static double gelu(double x) {
        return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
    }

    private double[][][] conv(String name, double[][][] x, int kernel, int stride) {
        return PlainLayers.convolve(x, weight(name), bias(name), bias(name).length, kernel, stride, kernel / 2);
    }

    private double[][][] groupNorm(String name, double[][][] x) {
        return PlainLayers.groupNorm(x, config.groups(), weight(name), bias(name), 1e-6);
    }

    /** The picture (C, H, W) at noise level σ; augmentation of nine numbers. */
    double[][][] forward(double[][][] x, double sigma, int label, double[] augmentation) {
        int e = config.timeWidth();
        double[] features = linear("time_token.augmentation", augmentation);
        for (int k = 0; k < e / 2; k++) {
            double angle = Math.log(sigma) / 4 * Math.pow(10000, -k / (e / 2.0));
            features[k] += Math.cos(angle);
            features[e / 2 + k] += Math.sin(angle);
        }
        double[] hidden = linear("time_token.mlp.0", features);
        for (int i = 0; i < e; i++) {
            hidden[i] = swish(hidden[i]);
        }
        double[] time = linear("time_token.mlp.2", hidden);
        for (int i = 0; i < e; i++) {
            time[i] += weight("class_emb")[label * e + i];
        }

        int stages = config.stages().size();
        double[][][][] skips = new double[stages][][][];
        double[][][] y = conv("encoder.open", x, 3, 1);
        for (int i = 0; i < stages; i++) {
            y = i == 0 ? y : conv("encoder.downs." + (i - 1), y, 3, 2);
            y = stage("encoder.stages." + i, i, y, time);
            skips[i] = y;
        }
        y = conv("decoder.open", y, 3, 1);
        for (int i = stages - 1; i >= 0; i--) {
            y = i == stages - 1 ? y : conv("decoder.ups." + i, PlainLayers.doubled(y), 3, 1);
            double[][][] both = new double[y.length + skips[i].length][][];
            System.arraycopy(y, 0, both, 0, y.length);
            System.arraycopy(skips[i], 0, both, y.length, skips[i].length);
            y = stage("decoder.stages." + i, i, conv("decoder.fuses." + i, both, 1, 1), time);
        }
        return conv("close", PlainLayers.map(groupNorm("out_norm", y), PlainImageDiffiT::swish), 3, 1);
    }

    private double[][][] stage(String name, int stage, double[][][] x, double[] time) {
        double[][][] y = x;
        for (int i = 0; i < config.stages().get(stage).blocks(); i++) {
            String block = name + ".blocks." + i;
            double[][][] inner = conv(
                    block + ".conv", PlainLayers.map(groupNorm(block + ".norm", y), PlainImageDiffiT::swish), 3, 1);
            inner = PlainLayers.sum(inner, attention(block + ".attn", normalised(inner), time));
            inner = PlainLayers.sum(inner, mlp(block + ".mlp", normalised(inner)));
            y = PlainLayers.sum(y, inner);
        }
        return y;
    }

    private static double[] at(double[][][] x, int row, int column) {
        double[] token = new double[x.length];
        for (int c = 0; c < x.length; c++) {
            token[c] = x[c][row][column];
        }
        return token;
    }

    private static void put(double[][][] x, int row, int column, double[] token) {
        for (int c = 0; c < x.length; c++) {
            x[c][row][column] = token[c];
        }
    }

    /** Layer norm of each token. */
    private static double[][][] normalised(double[][][] x) {
        double[][][] y = new double[x.length][x[0].length][x[0][0].length];
        for (int r = 0; r < x[0].length; r++) {
            for (int c = 0; c < x[0][0].length; c++) {
                double[] token = at(x, r, c);
                double mean = 0;
                double square = 0;
                for (double v : token) {
                    mean += v / token.length;
                }
                for (double v : token) {
                    square += (v - mean) * (v - mean) / token.length;
                }
                for (int i = 0; i < token.length; i++) {
                    token[i] = (token[i] - mean) / Math.sqrt(square + 1e-6);
                }
                put(y, r, c, token);
            }
        }
        return y;
    }

    private double[][][] mlp(String name, double[][][] x) {
        double[][][] y = new double[x.length][x[0].length][x[0][0].length];
        for (int r = 0; r < x[0].length; r++) {
            for (int c = 0; c < x[0][0].length; c++) {
                double[] hidden = linear(name + ".fc1", at(x, r, c));
                for (int i = 0; i < hidden.length; i++) {
                    hidden[i] = gelu(hidden[i]);
                }
                put(y, r, c, linear(name + ".fc2", hidden));
            }
        }
        return y;
    }

    /** Each token over the tokens of its window, one head after the other; query, key and value from token and time. */
    private double[][][] attention(String name, double[][][] x, double[] time) {
        int width = x.length;
        int d = config.headWidth();
        int heads = width / d;
        int side = config.window();
        int rows = x[0].length;
        int columns = x[0][0].length;
        double[] table = weights.get(name + ".relative_position_bias_table");
        double[] told = linear(name + ".qkv_temb", time);
        double[][][] qkv = new double[3 * width][rows][columns];
        for (int r = 0; r < rows; r++) {
            for (int c = 0; c < columns; c++) {
                double[] token = linear(name + ".qkv", at(x, r, c));
                for (int i = 0; i < token.length; i++) {
                    token[i] += told[i];
                }
                put(qkv, r, c, token);
            }
        }
        double[][][] y = new double[width][rows][columns];
        for (int r = 0; r < rows; r++) {
            for (int c = 0; c < columns; c++) {
                double[] result = new double[width];
                for (int h = 0; h < heads; h++) {
                    double total = 0;
                    for (int kr = r / side * side; kr < Math.min(rows, r / side * side + side); kr++) {
                        for (int kc = c / side * side; kc < Math.min(columns, c / side * side + side); kc++) {
                            double dot = 0;
                            for (int i = 0; i < d; i++) {
                                dot += qkv[h * d + i][r][c] * qkv[width + h * d + i][kr][kc];
                            }
                            int entry = (r - kr + side - 1) * (2 * side - 1) + c - kc + side - 1;
                            double weight = Math.exp(dot / Math.sqrt((double) d) + table[entry * heads + h]);
                            total += weight;
                            for (int i = 0; i < d; i++) {
                                result[h * d + i] += weight * qkv[2 * width + h * d + i][kr][kc];
                            }
                        }
                    }
                    for (int i = 0; i < d; i++) {
                        result[h * d + i] /= total;
                    }
                }
                put(y, r, c, linear(name + ".proj", result));
            }
        }
        return y;
    }
}
