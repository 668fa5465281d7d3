package org.mezzotint.models;

import java.util.HashMap;
import java.util.Map;
import org.mezzotint.tensor.Tensors;

/** DiT (arXiv:2212.09748v2, figure 3) for one picture, number by number: what the real one is compared with. */
final class PlainDiT {
    private final DiTConfig config;
    private final Map<String, double[]> parameters = new HashMap<>();
    private final int d;

    PlainDiT(DiT dit) {
        config = dit.config();
        d = config.hiddenSize();
        dit.state().forEach((name, tensor) -> parameters.put(name, Tensors.doubles(tensor)));
    }

    /** Picture (C, H, W) to output (C', H, W); the label of an unconditional network is ignored. */
    double[] forward(double[] picture, double t, int label) {
        double[] time = embedTime(t);
        double[] classVector = config.numClasses() == 0 ? null : row("y_embedder.embedding_table.weight", label);
        double[] sum = time.clone();
        for (int i = 0; classVector != null && i < d; i++) {
            sum[i] += classVector[i];
        }
        double[][] sequence = classVector == null ? new double[][] {time} : new double[][] {time, classVector};
        double[][] silu = {silu(sum)};

        double[][] x = embedPatches(picture);
        int tokens = x.length;
        boolean inContext = config.conditioning() == DiTConfig.Conditioning.IN_CONTEXT;
        if (inContext) {
            double[][] longer = java.util.Arrays.copyOf(x, tokens + sequence.length);
            System.arraycopy(sequence, 0, longer, tokens, sequence.length);
            x = longer;
        }
        for (int i = 0; i < config.depth(); i++) {
            x = block("blocks." + i + ".", x, silu, sequence);
        }
        x = java.util.Arrays.copyOf(x, tokens);
        if (isAdaptive()) {
            double[] m = linear("final_layer.adaLN_modulation.1", silu)[0];
            x = modulate(normalise(x, null), m, 0, 1);
        } else {
            x = normalise(x, "final_layer.norm_final");
        }
        return unpatchify(linear("final_layer.linear", x));
    }

    private boolean isAdaptive() {
        return config.conditioning() == DiTConfig.Conditioning.ADALN
                || config.conditioning() == DiTConfig.Conditioning.ADALN_ZERO;
    }

    private double[][] block(String name, double[][] x, double[][] silu, double[][] sequence) {
        switch (config.conditioning()) {
            case ADALN_ZERO -> {
                double[] m = linear(name + "adaLN_modulation.1", silu)[0]; // shift, scale, gate, shift, scale, gate
                double[][] a = selfAttention(name + "attn.", modulate(normalise(x, null), m, 0, 1));
                double[][] y = add(x, a, m, 2);
                return add(y, mlp(name, modulate(normalise(y, null), m, 3, 4)), m, 5);
            }
            case ADALN -> {
                double[] m = linear(name + "adaLN_modulation.1", silu)[0]; // shift, scale, shift, scale
                double[][] y = add(x, selfAttention(name + "attn.", modulate(normalise(x, null), m, 0, 1)), null, 0);
                return add(y, mlp(name, modulate(normalise(y, null), m, 2, 3)), null, 0);
            }
            case CROSS_ATTENTION -> {
                double[][] y = add(x, selfAttention(name + "attn.", normalise(x, name + "norm1")), null, 0);
                double[][] q = linear(name + "cross_attn.q", normalise(y, name + "norm_cross"));
                double[][] kv = linear(name + "cross_attn.kv", sequence);
                double[][] a = attend(q, columns(kv, 0), columns(kv, 1));
                y = add(y, linear(name + "cross_attn.proj", a), null, 0);
                return add(y, mlp(name, normalise(y, name + "norm2")), null, 0);
            }
            default -> {
                double[][] y = add(x, selfAttention(name + "attn.", normalise(x, name + "norm1")), null, 0);
                return add(y, mlp(name, normalise(y, name + "norm2")), null, 0);
            }
        }
    }

    private double[][] selfAttention(String name, double[][] x) {
        double[][] qkv = linear(name + "qkv", x);
        return linear(name + "proj", attend(columns(qkv, 0), columns(qkv, 1), columns(qkv, 2)));
    }

    /** For each head and query: the values weighted by softmax(q·k/√width of a head). */
    private double[][] attend(double[][] q, double[][] k, double[][] v) {
        int width = d / config.numHeads();
        double[][] out = new double[q.length][d];
        for (int from = 0; from < d; from += width) {
            for (int i = 0; i < q.length; i++) {
                double[] weights = new double[k.length];
                double total = 0;
                for (int j = 0; j < k.length; j++) {
                    double dot = 0;
                    for (int c = from; c < from + width; c++) {
                        dot += q[i][c] * k[j][c];
                    }
                    weights[j] = Math.exp(dot / Math.sqrt(width));
                    total += weights[j];
                }
                for (int j = 0; j < k.length; j++) {
                    for (int c = from; c < from + width; c++) {
                        out[i][c] += weights[j] / total * v[j][c];
                    }
                }
            }
        }
        return out;
    }

    private double[][] mlp(String name, double[][] x) {
        double[][] hidden = linear(name + "mlp.fc1", x);
        for (double[] token : hidden) {
            for (int i = 0; i < token.length; i++) {
                double u = token[i];
                token[i] = u / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * (u + 0.044715 * u * u * u)));
            }
        }
        return linear(name + "mlp.fc2", hidden);
    }

    /** x + gate · branch, the gate being the given vector of the modulation; without modulation 1. */
    private double[][] add(double[][] x, double[][] branch, double[] modulation, int vector) {
        double[][] out = new double[x.length][d];
        for (int i = 0; i < x.length; i++) {
            for (int c = 0; c < d; c++) {
                double gate = modulation == null ? 1 : modulation[vector * d + c];
                out[i][c] = x[i][c] + gate * branch[i][c];
            }
        }
        return out;
    }

    private double[][] modulate(double[][] x, double[] modulation, int shift, int scale) {
        for (double[] token : x) {
            for (int c = 0; c < d; c++) {
                token[c] = token[c] * (1 + modulation[scale * d + c]) + modulation[shift * d + c];
            }
        }
        return x;
    }

    private double[][] normalise(double[][] x, String affine) {
        double[][] out = new double[x.length][d];
        for (int i = 0; i < x.length; i++) {
            double mean = 0;
            double square = 0;
            for (double value : x[i]) {
                mean += value / d;
                square += value * value / d;
            }
            for (int c = 0; c < d; c++) {
                double value = (x[i][c] - mean) / Math.sqrt(square - mean * mean + 1e-6);
                out[i][c] = affine == null
                        ? value
                        : value * parameters.get(affine + ".weight")[c]
                                + parameters.get(affine + ".bias")[c];
            }
        }
        return out;
    }

    private double[][] linear(String name, double[][] x) {
        double[] weight = parameters.get(name + ".weight");
        double[] bias = parameters.get(name + ".bias");
        int in = x[0].length;
        double[][] out = new double[x.length][bias.length];
        for (int i = 0; i < x.length; i++) {
            for (int o = 0; o < bias.length; o++) {
                out[i][o] = bias[o];
                for (int k = 0; k < in; k++) {
                    out[i][o] += weight[o * in + k] * x[i][k];
                }
            }
        }
        return out;
    }

    /** The given one of the vectors of width D that lie side by side. */
    private double[][] columns(double[][] x, int vector) {
        double[][] out = new double[x.length][];
        for (int i = 0; i < x.length; i++) {
            out[i] = java.util.Arrays.copyOfRange(x[i], vector * d, (vector + 1) * d);
        }
        return out;
    }

    private double[] row(String table, int index) {
        return java.util.Arrays.copyOfRange(parameters.get(table), index * d, (index + 1) * d);
    }

    private double[] embedTime(double t) {
        double[] features = new double[256];
        for (int k = 0; k < 128; k++) {
            double angle = t * Math.pow(10000, -k / 128.0);
            features[k] = Math.cos(angle);
            features[128 + k] = Math.sin(angle);
        }
        double[] hidden = silu(linear("t_embedder.mlp.0", new double[][] {features})[0]);
        return linear("t_embedder.mlp.2", new double[][] {hidden})[0];
    }

    private static double[] silu(double[] x) {
        double[] out = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            out[i] = x[i] / (1 + Math.exp(-x[i]));
        }
        return out;
    }

    private double[][] embedPatches(double[] picture) {
        int patch = config.patchSize();
        int columns = config.width() / patch;
        double[] weight = parameters.get("x_embedder.proj.weight"); // (D, C, P, P)
        double[] positions = parameters.get("pos_embed");
        double[][] tokens = new double[config.height() / patch * columns][d];
        for (int token = 0; token < tokens.length; token++) {
            for (int o = 0; o < d; o++) {
                double sum = parameters.get("x_embedder.proj.bias")[o] + positions[token * d + o];
                for (int c = 0; c < config.channels(); c++) {
                    for (int i = 0; i < patch; i++) {
                        for (int j = 0; j < patch; j++) {
                            int y = token / columns * patch + i;
                            int x = token % columns * patch + j;
                            sum += weight[((o * config.channels() + c) * patch + i) * patch + j]
                                    * picture[(c * config.height() + y) * config.width() + x];
                        }
                    }
                }
                tokens[token][o] = sum;
            }
        }
        return tokens;
    }

    private double[] unpatchify(double[][] tokens) {
        int patch = config.patchSize();
        int columns = config.width() / patch;
        int channels = config.outputChannels();
        double[] picture = new double[channels * config.height() * config.width()];
        for (int c = 0; c < channels; c++) {
            for (int y = 0; y < config.height(); y++) {
                for (int x = 0; x < config.width(); x++) {
                    picture[(c * config.height() + y) * config.width() + x] =
                            tokens[y / patch * columns + x / patch][(y % patch * patch + x % patch) * channels + c];
                }
            }
        }
        return picture;
    }
}
