package org.mezzotint.models;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.IntStream;
import org.mezzotint.tensor.Tensors;

/** The networks of simple diffusion once more, for one picture, in double loops without libtorch. */
final class PlainSimpleDiffusion {
    private final Map<String, double[]> weights = new LinkedHashMap<>();
    private final int groups;
    private final double[] c; // conditioning vector

    PlainSimpleDiffusion(Model model, double logSnr, int label) {
        model.state().forEach((name, tensor) -> weights.put(name, Tensors.doubles(tensor)));
        ModelConfig config = model.config();
        groups = config instanceof UViTConfig uvit ? uvit.groups() : ((SimpleDiffusionUNetConfig) config).groups();
        int features = config instanceof UViTConfig uvit
                ? uvit.baseChannels()
                : ((SimpleDiffusionUNetConfig) config).baseChannels();
        double[] waves = new double[features];
        int half = features / 2;
        for (int k = 0; k < half; k++) {
            double angle = (logSnr + 10) / 20 * 1000 * Math.pow(10000, -k / (half - 1.0));
            waves[k] = Math.cos(angle);
            waves[half + k] = Math.sin(angle);
        }
        double[] hidden = each(linear("log_snr_embedding.first", waves), PlainSimpleDiffusion::swish);
        double[] e = linear("log_snr_embedding.second", hidden);
        if (config.numClasses() > 0) {
            for (int i = 0; i < e.length; i++) {
                e[i] += weights.get("class_embedding.weight")[label * e.length + i];
            }
        }
        c = each(e, PlainSimpleDiffusion::swish);
    }

    static double[][][] forward(SimpleDiffusionUNet model, double[][][] x, double logSnr, int label) {
        return new PlainSimpleDiffusion(model, logSnr, label).unet(model.config(), x);
    }

    static double[][][] forward(UViT model, double[][][] x, double logSnr, int label) {
        return new PlainSimpleDiffusion(model, logSnr, label).uvit(model.config(), x);
    }

    private double[][][] unet(SimpleDiffusionUNetConfig config, double[][][] x) {
        int last = config.levels().size() - 1;
        Map<String, double[][][]> skips = new LinkedHashMap<>();
        double[][][] y = in(config.downsampling(), x);
        for (int i = 0; i <= last; i++) {
            for (int j = 0; j < config.levels().get(i).blocks(); j++) {
                y = block("down." + i + "." + j, y, null, config.numHeads());
                skips.put(i + "." + j, y);
            }
            y = i < last ? conv("shrink." + i, average(y), 1) : y;
        }
        y = block("middle.0", y, null, config.numHeads());
        y = block("middle.1", y, null, config.numHeads());
        for (int i = last; i >= 0; i--) {
            y = i < last ? repeat(conv("grow." + i, y, 1)) : y;
            int n = config.levels().get(i).blocks();
            for (int j = 0; j <= n; j++) {
                y = block("up." + i + "." + j, y, j == 0 ? null : skips.get(i + "." + (n - j)), config.numHeads());
            }
        }
        return out(config.downsampling(), y);
    }

    private double[][][] uvit(UViTConfig config, double[][][] x) {
        int inner = config.levels().size();
        Map<String, double[][][]> skips = new LinkedHashMap<>();
        double[][][] y = in(config.downsampling(), x);
        for (int i = 0; i < inner; i++) {
            for (int j = 0; j < config.levels().get(i).blocks(); j++) {
                y = residual("down." + i + "." + j, y, null);
                skips.put(i + "." + j, y);
            }
            y = conv("shrink." + i, average(y), 1);
        }
        double[][] tokens = tokens(y);
        for (int t = 0; t < tokens.length; t++) {
            for (int k = 0; k < tokens[t].length; k++) {
                tokens[t][k] += weights.get("positions")[t * tokens[t].length + k];
            }
        }
        for (int i = 0; i < config.transformer().blocks(); i++) {
            mlp("transformer." + i + ".mlp", tokens);
            tokenAttention(
                    "transformer." + i + ".attention",
                    tokens,
                    config.transformer().numHeads());
        }
        y = map(tokens, y[0].length, y[0][0].length);
        for (int i = inner - 1; i >= 0; i--) {
            y = repeat(conv("grow." + i, y, 1));
            int n = config.levels().get(i).blocks();
            for (int j = 0; j < n; j++) {
                y = residual("up." + i + "." + j, y, skips.get(i + "." + (n - 1 - j)));
            }
        }
        return out(config.downsampling(), y);
    }

    private double[][][] in(Downsampling downsampling, double[][][] x) {
        if (downsampling instanceof Downsampling.Wavelet wavelet) {
            return conv("input.conv", analyse(x, wavelet.levels()), 3);
        }
        if (downsampling instanceof Downsampling.Patch patch) { // a convolution with stride, written as one
            int p = patch.side();
            double[] w = weights.get("input.conv.weight");
            double[] b = weights.get("input.conv.bias");
            double[][][] y = new double[b.length][x[0].length / p][x[0][0].length / p];
            for (int o = 0; o < b.length; o++) {
                for (int r = 0; r < y[o].length; r++) {
                    for (int s = 0; s < y[o][r].length; s++) {
                        double sum = b[o];
                        for (int ch = 0; ch < x.length; ch++) {
                            for (int k = 0; k < p * p; k++) {
                                sum += w[(o * x.length + ch) * p * p + k] * x[ch][r * p + k / p][s * p + k % p];
                            }
                        }
                        y[o][r][s] = sum;
                    }
                }
            }
            return y;
        }
        return conv("input.conv", x, 3);
    }

    private double[][][] out(Downsampling downsampling, double[][][] y) {
        double[][][] h = each(norm("output.norm", y), PlainSimpleDiffusion::swish);
        if (downsampling instanceof Downsampling.Wavelet wavelet) {
            return synthesise(conv("output.conv", h, 3), wavelet.levels());
        }
        return downsampling instanceof Downsampling.Patch patch
                ? unfold(conv("output.conv", h, 1), patch.side())
                : conv("output.conv", h, 3);
    }

    private double[][][] block(String name, double[][][] x, double[][][] skip, int heads) {
        double[][][] y = residual(name + ".residual", x, skip);
        if (!weights.containsKey(name + ".attention.qkv.weight")) {
            return y;
        }
        double[][] tokens = tokens(norm(name + ".attention.norm", y));
        double[][] attended = attend(name + ".attention", tokens, tokens, heads, false);
        return add(y, map(attended, y[0].length, y[0][0].length));
    }

    /** The four lines of {@link org.mezzotint.models.layers.ResidualBlock}'s comment. */
    private double[][][] residual(String name, double[][][] x, double[][][] skip) {
        double[][][] h = norm(name + ".norm1", x);
        if (skip != null) {
            h = each(add(h, norm(name + ".skip_norm", skip)), v -> v / Math.sqrt(2));
        }
        h = norm(name + ".norm2", conv(name + ".conv1", each(h, PlainSimpleDiffusion::swish), 3));
        double[] m = linear(name + ".modulation", c);
        for (int ch = 0; ch < h.length; ch++) {
            double scale = 1 + m[ch];
            double shift = m[h.length + ch];
            for (double[] row : h[ch]) {
                for (int s = 0; s < row.length; s++) {
                    row[s] = row[s] * scale + shift;
                }
            }
        }
        return add(x, conv(name + ".conv2", each(h, PlainSimpleDiffusion::swish), 3));
    }

    private void mlp(String name, double[][] tokens) {
        double[] m = linear(name + ".modulation", c);
        for (double[] token : tokens) {
            double[] h = each(linear(name + ".up", layerNorm(name + ".norm", token)), PlainSimpleDiffusion::swish);
            for (int k = 0; k < h.length; k++) {
                h[k] = h[k] * (1 + m[k]) + m[h.length + k];
            }
            double[] y = linear(name + ".down", h);
            for (int k = 0; k < token.length; k++) {
                token[k] += y[k];
            }
        }
    }

    private void tokenAttention(String name, double[][] tokens, int heads) {
        double[][] normed = IntStream.range(0, tokens.length)
                .mapToObj(t -> layerNorm(name + ".norm", tokens[t]))
                .toArray(double[][]::new);
        double[][] y = attend(name, normed, normed, heads, true);
        for (int t = 0; t < tokens.length; t++) {
            for (int k = 0; k < tokens[t].length; k++) {
                tokens[t][k] += y[t][k];
            }
        }
    }

    private double[][] attend(String name, double[][] from, double[][] to, int heads, boolean normed) {
        int width = from[0].length;
        int d = width / heads;
        double[][] qkv = new double[to.length][];
        for (int t = 0; t < to.length; t++) {
            qkv[t] = linear(name + ".qkv", to[t]);
        }
        double[][] result = new double[from.length][];
        for (int t = 0; t < from.length; t++) {
            double[] y = new double[width];
            for (int h = 0; h < heads; h++) {
                double[] q = part(qkv[t], h * d, d);
                q = normed ? layerNorm(name + ".q_norm", q) : q;
                double[] weight = new double[to.length];
                double total = 0;
                for (int s = 0; s < to.length; s++) {
                    double[] k = part(qkv[s], width + h * d, d);
                    k = normed ? layerNorm(name + ".k_norm", k) : k;
                    double product = 0;
                    for (int i = 0; i < d; i++) {
                        product += q[i] * k[i];
                    }
                    weight[s] = Math.exp(product / Math.sqrt((double) d));
                    total += weight[s];
                }
                for (int s = 0; s < to.length; s++) {
                    for (int i = 0; i < d; i++) {
                        y[h * d + i] += weight[s] / total * qkv[s][2 * width + h * d + i];
                    }
                }
            }
            result[t] = linear(name + ".proj", y);
        }
        return result;
    }

    private static double[] part(double[] x, int from, int count) {
        return java.util.Arrays.copyOfRange(x, from, from + count);
    }

    static double swish(double x) {
        return x / (1 + Math.exp(-x));
    }

    private double[] linear(String name, double[] x) {
        double[] w = weights.get(name + ".weight");
        double[] y = weights.get(name + ".bias").clone();
        for (int o = 0; o < y.length; o++) {
            for (int i = 0; i < x.length; i++) {
                y[o] += w[o * x.length + i] * x[i];
            }
        }
        return y;
    }

    private double[][][] conv(String name, double[][][] x, int kernel) {
        double[] w = weights.get(name + ".weight");
        double[] b = weights.get(name + ".bias");
        int reach = kernel / 2;
        double[][][] y = new double[b.length][x[0].length][x[0][0].length];
        for (int o = 0; o < b.length; o++) {
            for (int r = 0; r < x[0].length; r++) {
                for (int s = 0; s < x[0][0].length; s++) {
                    double sum = b[o];
                    for (int ch = 0; ch < x.length; ch++) {
                        for (int k = 0; k < kernel * kernel; k++) {
                            int row = r + k / kernel - reach;
                            int column = s + k % kernel - reach;
                            if (row >= 0 && row < x[0].length && column >= 0 && column < x[0][0].length) {
                                sum += w[(o * x.length + ch) * kernel * kernel + k] * x[ch][row][column];
                            }
                        }
                    }
                    y[o][r][s] = sum;
                }
            }
        }
        return y;
    }

    /** Group norm. */
    private double[][][] norm(String name, double[][][] x) {
        int per = x.length / groups;
        double[][][] y = new double[x.length][x[0].length][x[0][0].length];
        for (int g = 0; g < groups; g++) {
            double sum = 0;
            double squares = 0;
            for (int ch = g * per; ch < (g + 1) * per; ch++) {
                for (double[] row : x[ch]) {
                    for (double v : row) {
                        sum += v;
                        squares += v * v;
                    }
                }
            }
            double n = (double) per * x[0].length * x[0][0].length;
            double mean = sum / n;
            double deviation = Math.sqrt(squares / n - mean * mean + 1e-6);
            for (int ch = g * per; ch < (g + 1) * per; ch++) {
                double weight = weights.get(name + ".weight")[ch] / deviation;
                double bias = weights.get(name + ".bias")[ch];
                for (int r = 0; r < y[ch].length; r++) {
                    for (int s = 0; s < y[ch][r].length; s++) {
                        y[ch][r][s] = (x[ch][r][s] - mean) * weight + bias;
                    }
                }
            }
        }
        return y;
    }

    private double[] layerNorm(String name, double[] x) {
        double mean = java.util.Arrays.stream(x).average().orElseThrow();
        double variance = java.util.Arrays.stream(x)
                .map(v -> (v - mean) * (v - mean))
                .average()
                .orElseThrow();
        double[] bias = weights.get(name + ".bias");
        double[] y = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            y[i] = (x[i] - mean) / Math.sqrt(variance + 1e-6) * weights.get(name + ".weight")[i]
                    + (bias == null ? 0 : bias[i]);
        }
        return y;
    }

    private static double[] each(double[] x, DoubleUnaryOperator f) {
        return java.util.Arrays.stream(x).map(f).toArray();
    }

    private static double[][][] each(double[][][] x, DoubleUnaryOperator f) {
        double[][][] y = new double[x.length][x[0].length][];
        for (int ch = 0; ch < x.length; ch++) {
            for (int r = 0; r < x[ch].length; r++) {
                y[ch][r] = each(x[ch][r], f);
            }
        }
        return y;
    }

    private static double[][][] add(double[][][] a, double[][][] b) {
        double[][][] y = each(a, v -> v);
        for (int ch = 0; ch < y.length; ch++) {
            for (int r = 0; r < y[ch].length; r++) {
                for (int s = 0; s < y[ch][r].length; s++) {
                    y[ch][r][s] += b[ch][r][s];
                }
            }
        }
        return y;
    }

    private static double[][][] average(double[][][] x) {
        double[][][] y = new double[x.length][x[0].length / 2][x[0][0].length / 2];
        for (int ch = 0; ch < x.length; ch++) {
            for (int r = 0; r < x[ch].length; r++) {
                for (int s = 0; s < x[ch][r].length; s++) {
                    y[ch][r / 2][s / 2] += x[ch][r][s] / 4;
                }
            }
        }
        return y;
    }

    private static double[][][] repeat(double[][][] x) {
        double[][][] y = new double[x.length][2 * x[0].length][2 * x[0][0].length];
        for (int ch = 0; ch < y.length; ch++) {
            for (int r = 0; r < y[ch].length; r++) {
                for (int s = 0; s < y[ch][r].length; s++) {
                    y[ch][r][s] = x[ch][r / 2][s / 2];
                }
            }
        }
        return y;
    }

    private static double[][] tokens(double[][][] x) {
        int columns = x[0][0].length;
        double[][] tokens = new double[x[0].length * columns][x.length];
        for (int t = 0; t < tokens.length; t++) {
            for (int ch = 0; ch < x.length; ch++) {
                tokens[t][ch] = x[ch][t / columns][t % columns];
            }
        }
        return tokens;
    }

    private static double[][][] map(double[][] tokens, int rows, int columns) {
        double[][][] y = new double[tokens[0].length][rows][columns];
        for (int t = 0; t < tokens.length; t++) {
            for (int ch = 0; ch < y.length; ch++) {
                y[ch][t / columns][t % columns] = tokens[t][ch];
            }
        }
        return y;
    }

    /** Depth to space: channel c·s² + row·s + column. */
    private static double[][][] unfold(double[][][] x, int side) {
        double[][][] y = new double[x.length / (side * side)][x[0].length * side][x[0][0].length * side];
        for (int ch = 0; ch < y.length; ch++) {
            for (int r = 0; r < y[ch].length; r++) {
                for (int s = 0; s < y[ch][r].length; s++) {
                    y[ch][r][s] = x[ch * side * side + r % side * side + s % side][r / side][s / side];
                }
            }
        }
        return y;
    }

    private static double[][][] fold(double[][][] x, int side) {
        double[][][] y = new double[x.length * side * side][x[0].length / side][x[0][0].length / side];
        for (int ch = 0; ch < x.length; ch++) {
            for (int r = 0; r < x[ch].length; r++) {
                for (int s = 0; s < x[ch][r].length; s++) {
                    y[ch * side * side + r % side * side + s % side][r / side][s / side] = x[ch][r][s];
                }
            }
        }
        return y;
    }

    private static final double[] LOW = {-1 / 8.0, 2 / 8.0, 6 / 8.0, 2 / 8.0, -1 / 8.0};
    private static final double[] HIGH = {-1 / 2.0, 2 / 2.0, -1 / 2.0};

    /** By the filters instead of lifting. */
    private static double[][][] analyse(double[][][] x, int levels) {
        int c = x.length;
        double[][][] bands = new double[4 * c][x[0].length / 2][x[0][0].length / 2];
        for (int b = 0; b < 4; b++) {
            double[] across = b < 2 ? LOW : HIGH; // first letter: along the width
            double[] down = b % 2 == 0 ? LOW : HIGH;
            for (int ch = 0; ch < c; ch++) {
                for (int r = 0; r < bands[0].length; r++) {
                    for (int s = 0; s < bands[0][0].length; s++) {
                        for (int i = 0; i < down.length; i++) {
                            for (int j = 0; j < across.length; j++) {
                                // low is centred on the even place, high on the odd one behind it
                                int row = 2 * r + (down.length == 5 ? i - 2 : i);
                                int column = 2 * s + (across.length == 5 ? j - 2 : j);
                                bands[b * c + ch][r][s] += down[i]
                                        * across[j]
                                        * x[ch][mirrored(row, x[ch].length)][mirrored(column, x[ch][0].length)];
                            }
                        }
                    }
                }
            }
        }
        if (levels == 1) {
            return bands;
        }
        double[][][] coarse = analyse(java.util.Arrays.copyOf(bands, c), levels - 1);
        double[][][] fine = fold(java.util.Arrays.copyOfRange(bands, c, 4 * c), 1 << (levels - 1));
        return java.util.stream.Stream.of(coarse, fine)
                .flatMap(java.util.Arrays::stream)
                .toArray(double[][][]::new);
    }

    private static int mirrored(int at, int n) {
        return at < 0 ? -at : at >= n ? 2 * (n - 1) - at : at;
    }

    private static double[][][] synthesise(double[][][] y, int levels) {
        int c = y.length >> (2 * levels);
        double[][][] bands = y;
        if (levels > 1) {
            double[][][] coarse = synthesise(java.util.Arrays.copyOf(y, c << (2 * (levels - 1))), levels - 1);
            double[][][] fine =
                    unfold(java.util.Arrays.copyOfRange(y, c << (2 * (levels - 1)), y.length), 1 << (levels - 1));
            bands = java.util.stream.Stream.of(coarse, fine)
                    .flatMap(java.util.Arrays::stream)
                    .toArray(double[][][]::new);
        }
        double[][][] x = new double[c][2 * bands[0].length][2 * bands[0][0].length];
        for (int ch = 0; ch < c; ch++) {
            double[][] low = down(bands[ch], bands[c + ch]);
            double[][] high = down(bands[2 * c + ch], bands[3 * c + ch]);
            for (int r = 0; r < low.length; r++) {
                x[ch][r] = joined(low[r], high[r]);
            }
        }
        return x;
    }

    private static double[][] down(double[][] low, double[][] high) {
        double[][] y = new double[2 * low.length][low[0].length];
        for (int s = 0; s < low[0].length; s++) {
            int column = s;
            double[] line = joined(
                    java.util.Arrays.stream(low).mapToDouble(row -> row[column]).toArray(),
                    java.util.Arrays.stream(high)
                            .mapToDouble(row -> row[column])
                            .toArray());
            for (int r = 0; r < line.length; r++) {
                y[r][s] = line[r];
            }
        }
        return y;
    }

    private static double[] joined(double[] low, double[] high) {
        int n = low.length;
        double[] x = new double[2 * n];
        for (int i = 0; i < n; i++) {
            x[2 * i] = low[i] - (high[Math.max(0, i - 1)] + high[i]) / 4;
        }
        for (int i = 0; i < n; i++) {
            x[2 * i + 1] = high[i] + (x[2 * i] + x[2 * Math.min(n - 1, i + 1)]) / 2;
        }
        return x;
    }

    /** One picture of a tensor (C, H, W). */
    static double[][][] picture(double[] values, int channels, int height, int width) {
        double[][][] x = new double[channels][height][];
        for (int ch = 0; ch < channels; ch++) {
            for (int r = 0; r < height; r++) {
                x[ch][r] = part(values, (ch * height + r) * width, width);
            }
        }
        return x;
    }

    static double[] flat(double[][][] x) {
        return List.of(x).stream()
                .flatMap(java.util.Arrays::stream)
                .flatMapToDouble(java.util.Arrays::stream)
                .toArray();
    }
}
