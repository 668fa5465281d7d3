package org.mezzotint.models.layers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.Optional;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.mezzotint.models.layers.TimeDependentAttention.Time;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Shapes;
import org.mezzotint.tensor.Tensors;

class TimeDependentAttentionTest {
    private static final int WIDTH = 6;
    private static final int TIME = 5;
    private static final int HEADS = 2;
    private static final int ROWS = 2;
    private static final int COLUMNS = 3;
    private static final int TOKENS = ROWS * COLUMNS;

    private static TimeDependentAttention layer(Init init, Time time, Rng rng) {
        TimeDependentAttention layer = new TimeDependentAttention(
                init, WIDTH, TIME, HEADS, new RelativePositions(init, ROWS, COLUMNS), time, Optional.empty());
        try (NoGradGuard noGrad = new NoGradGuard()) {
            layer.trainable().values().forEach(rng::fillNormal);
        }
        return layer;
    }

    private static Init init() {
        return Init.random(1, Precision.FLOAT64, new Device("cpu"));
    }

    /** One picture, one window, by the definition in loops: projections of the token concatenated with the time token. */
    private static double[] plain(TimeDependentAttention layer, double[] x, double[] t, double[] mask) {
        double[] weight = Tensors.doubles(layer.state().get("qkv.weight"));
        double[] bias = Tensors.doubles(layer.state().get("qkv.bias"));
        double[] timeWeight = Tensors.doubles(layer.state().get("qkv_temb.weight"));
        double[] timeBias = Tensors.doubles(layer.state().get("qkv_temb.bias"));
        double[] table = Tensors.doubles(layer.state().get("relative_position_bias_table"));
        double[] out = Tensors.doubles(layer.state().get("proj.weight"));
        double[] outBias = Tensors.doubles(layer.state().get("proj.bias"));
        int d = WIDTH / HEADS;
        double[][] qkv = new double[TOKENS][3 * WIDTH];
        for (int i = 0; i < TOKENS; i++) {
            double[] joined = new double[WIDTH + TIME]; // the token, then the time token
            System.arraycopy(x, i * WIDTH, joined, 0, WIDTH);
            System.arraycopy(t, 0, joined, WIDTH, TIME);
            for (int o = 0; o < 3 * WIDTH; o++) {
                double sum = bias[o] + timeBias[o];
                for (int k = 0; k < joined.length; k++) {
                    sum += joined[k] * (k < WIDTH ? weight[o * WIDTH + k] : timeWeight[o * TIME + k - WIDTH]);
                }
                qkv[i][o] = sum;
            }
        }
        double[][] attended = new double[TOKENS][WIDTH];
        for (int h = 0; h < HEADS; h++) {
            for (int i = 0; i < TOKENS; i++) {
                double[] p = new double[TOKENS];
                double total = 0;
                for (int j = 0; j < TOKENS; j++) {
                    double logit = 0;
                    for (int c = 0; c < d; c++) {
                        logit += qkv[i][h * d + c] * qkv[j][WIDTH + h * d + c];
                    }
                    int down = i / COLUMNS - j / COLUMNS + ROWS - 1;
                    int across = i % COLUMNS - j % COLUMNS + COLUMNS - 1;
                    p[j] = Math.exp(logit / Math.sqrt((double) d)
                            + table[(down * (2 * COLUMNS - 1) + across) * HEADS + h]
                            + mask[j]);
                    total += p[j];
                }
                for (int j = 0; j < TOKENS; j++) {
                    for (int c = 0; c < d; c++) {
                        attended[i][h * d + c] += p[j] / total * qkv[j][2 * WIDTH + h * d + c];
                    }
                }
            }
        }
        double[] y = new double[TOKENS * WIDTH];
        for (int i = 0; i < TOKENS; i++) {
            for (int o = 0; o < WIDTH; o++) {
                y[i * WIDTH + o] = outBias[o];
                for (int k = 0; k < WIDTH; k++) {
                    y[i * WIDTH + o] += attended[i][k] * out[o * WIDTH + k];
                }
            }
        }
        return y;
    }

    private static double[] part(double[] all, int index, int length) {
        return Arrays.copyOfRange(all, index * length, (index + 1) * length);
    }

    @Test
    void itIsAttentionOfTokensJoinedWithTheTimeToken() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(2);
                Init init = init()) {
            TimeDependentAttention layer = layer(init, Time.PROJECTIONS, rng);
            Tensor x = rng.normal(ScalarType.Double, 3, TOKENS, WIDTH);
            Tensor t = rng.normal(ScalarType.Double, 3, TIME);
            double[] y = Tensors.doubles(layer.forward(x, t, null, Tape.plain()));
            for (int n = 0; n < 3; n++) {
                double[] expected = plain(
                        layer,
                        part(Tensors.doubles(x), n, TOKENS * WIDTH),
                        part(Tensors.doubles(t), n, TIME),
                        new double[TOKENS]);
                assertThat(part(y, n, TOKENS * WIDTH)).containsExactly(expected, within(1e-11));
            }
        }
    }

    /** Windows of a picture see its time and not their neighbours; padding is not seen. */
    @Test
    void windowsSeeTheirPicturesTimeAndNoPadding() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(3);
                Init init = init()) {
            TimeDependentAttention layer = layer(init, Time.PROJECTIONS, rng);
            int windows = 2;
            Tensor x = rng.normal(ScalarType.Double, 2L * windows, TOKENS, WIDTH);
            Tensor t = rng.normal(ScalarType.Double, 2, TIME);
            double[] mask = new double[windows * TOKENS];
            mask[TOKENS + 2] = Double.NEGATIVE_INFINITY;
            mask[TOKENS + 5] = Double.NEGATIVE_INFINITY;
            double[] y = Tensors.doubles(layer.forward(x, t, Tensors.of(mask).view(windows, TOKENS), Tape.plain()));
            for (int i = 0; i < 2 * windows; i++) {
                double[] expected = plain(
                        layer,
                        part(Tensors.doubles(x), i, TOKENS * WIDTH),
                        part(Tensors.doubles(t), i / windows, TIME),
                        part(mask, i % windows, TOKENS));
                assertThat(part(y, i, TOKENS * WIDTH)).as("window %d", i).containsExactly(expected, within(1e-11));
            }
        }
    }

    /** softmax takes away what is the same for all keys of a query. */
    @Test
    void theKeysTimeTermChangesNothing() {
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(4);
                Init init = init()) {
            TimeDependentAttention layer = layer(init, Time.PROJECTIONS, rng);
            Tensor x = rng.normal(ScalarType.Double, 1, TOKENS, WIDTH);
            Tensor t = rng.normal(ScalarType.Double, 1, TIME);
            double[] before = Tensors.doubles(layer.forward(x, t, null, Tape.plain()));
            Tensor weight = layer.state().get("qkv_temb.weight");
            weight.narrow(0, WIDTH, WIDTH).zero_(); // the key's rows
            assertThat(Tensors.doubles(layer.forward(x, t, null, Tape.plain()))).containsExactly(before, within(1e-11));
            weight.narrow(0, 0, WIDTH).zero_(); // the query's
            assertThat(Tensors.doubles(layer.forward(x, t, null, Tape.plain()))).isNotEqualTo(before);
        }
    }

    /** With time in the bias, the entry (r, c) of a picture's table is table[r, c] + a_r + b_c. */
    @Test
    void timeInTheBiasIsAnOffsetOfEachRowAndEachColumn() {
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(5);
                Init init = init()) {
            TimeDependentAttention timed = layer(init, Time.BIAS, rng);
            TimeDependentAttention plain = layer(init, Time.ABSENT, rng);
            for (String name : plain.state().keySet()) {
                plain.state().get(name).copy_(timed.state().get(name));
            }
            Tensor x = rng.normal(ScalarType.Double, 2, TOKENS, WIDTH);
            Tensor t = rng.normal(ScalarType.Double, 2, TIME);
            Tensor y = timed.forward(x, t, null, Tape.plain());
            double[] table = Tensors.doubles(timed.state().get("relative_position_bias_table"));
            int rows = 2 * ROWS - 1;
            int columns = 2 * COLUMNS - 1;
            for (int n = 0; n < 2; n++) {
                Tensor offsets = torch.linear(
                        t.narrow(0, n, 1),
                        timed.state().get("bias_temb.weight"),
                        timed.state().get("bias_temb.bias"));
                double[] o = Tensors.doubles(offsets); // (rows + columns, h)
                double[] own = table.clone();
                for (int i = 0; i < own.length; i++) {
                    int entry = i / HEADS;
                    int head = i % HEADS;
                    own[i] += o[entry / columns * HEADS + head] + o[(rows + entry % columns) * HEADS + head];
                }
                plain.state()
                        .get("relative_position_bias_table")
                        .copy_(Tensors.of(own).view((long) rows * columns, HEADS));
                assertThat(Tensors.doubles(y.select(0, n)))
                        .containsExactly(
                                Tensors.doubles(plain.forward(x.narrow(0, n, 1), null, null, Tape.plain())),
                                within(1e-11));
            }
        }
    }

    /** Gradients of every parameter against differences, the bias table's too. */
    @ParameterizedTest
    @EnumSource
    void gradientsAreThoseOfDifferences(Time time) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(6);
                Init init = init()) {
            TimeDependentAttention layer = layer(init, time, rng);
            Tensor x = rng.normal(ScalarType.Double, 4, TOKENS, WIDTH);
            Tensor t = rng.normal(ScalarType.Double, 2, TIME);
            Tensor cotangent = rng.normal(ScalarType.Double, 4, TOKENS, WIDTH);
            Tensor mask = Tensors.of(0, 0, 0, 0, 0, 0, 0, 0, Double.NEGATIVE_INFINITY, 0, 0, 0)
                    .view(2, TOKENS);
            layer.forward(x, t, mask, Tape.plain()).mul(cotangent).sum().backward();
            layer.trainable().forEach((name, parameter) -> {
                try (Scope each = Scope.open();
                        NoGradGuard noGrad = new NoGradGuard()) {
                    Tensor direction = rng.normal(ScalarType.Double, parameter.shape());
                    double slope = parameter.grad().mul(direction).sum().item_double();
                    double[] ends = new double[2];
                    for (int i = 0; i < 2; i++) {
                        parameter.add_(direction, Scalars.of(i == 0 ? 1e-5 : -2e-5));
                        ends[i] = layer.forward(x, t, mask, Tape.plain())
                                .mul(cotangent)
                                .sum()
                                .item_double();
                    }
                    parameter.add_(direction, Scalars.of(1e-5));
                    double difference = (ends[0] - ends[1]) / 2e-5;
                    assertThat(slope).as(name).isCloseTo(difference, within(1e-6 * Math.max(1, Math.abs(slope))));
                    assertThat(Math.abs(slope)).as(name).isGreaterThan(1e-4);
                }
            });
        }
    }

    /** The weights a watch sees, times the values, are what attention gives, over a map of padded windows. */
    @ParameterizedTest
    @EnumSource
    void watchedWeightsGiveTheLayersResult(Time time) {
        int rows = 3;
        int columns = 5; // two windows down, two across, the outer ones padded
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(7);
                Init init = init()) {
            TimeDependentAttention layer = new TimeDependentAttention(
                    init,
                    WIDTH,
                    TIME,
                    HEADS,
                    new RelativePositions(init, ROWS, COLUMNS),
                    time,
                    Optional.of(new TimeDependentAttention.Place("here", rows, columns)));
            layer.trainable().values().forEach(rng::fillNormal);
            layer.state().get("proj.weight").copy_(torch.eye(WIDTH));
            layer.state().get("proj.bias").zero_();
            Tensor x = rng.normal(ScalarType.Double, 2 * 4, TOKENS, WIDTH);
            Tensor t = rng.normal(ScalarType.Double, 2, TIME);
            double[] mask = new double[4 * TOKENS];
            for (int i = 0; i < mask.length; i++) {
                int row = i / TOKENS / 2 * ROWS + i % TOKENS / COLUMNS;
                int column = i / TOKENS % 2 * COLUMNS + i % TOKENS % COLUMNS;
                mask[i] = row < rows && column < columns ? 0 : Double.NEGATIVE_INFINITY;
            }
            Tensor masked = Tensors.of(mask).view(4, TOKENS);
            double[] unwatched = Tensors.doubles(layer.forward(x, t, masked, Tape.plain()));
            // the values, as the layer makes them
            Tensor qkv = torch.linear(
                    x, layer.state().get("qkv.weight"), layer.state().get("qkv.bias"));
            if (time == Time.PROJECTIONS) {
                Tensor term = torch.linear(
                        t, layer.state().get("qkv_temb.weight"), layer.state().get("qkv_temb.bias"));
                qkv = qkv.view(2, -1, 3L * WIDTH).add(term.unsqueeze(1)).view(2 * 4, TOKENS, 3L * WIDTH);
            }
            double[] v = Tensors.doubles(qkv.narrow(2, 2L * WIDTH, WIDTH));
            for (int query : new int[] {0, 4, 7, 14}) {
                int row = query / columns;
                AttentionWatch watch = new AttentionWatch(
                        new AttentionWatch.At((row + 0.5) / rows, (query % columns + 0.5) / columns), "here"::equals);
                assertThat(Tensors.doubles(layer.forward(x, t, masked, Tape.watching(watch))))
                        .containsExactly(unwatched);
                AttentionWatch.Seen seen = watch.take().get(0);
                for (int c = 0; c < WIDTH; c++) {
                    float[] weights = seen.heads().get(c / (WIDTH / HEADS));
                    double sum = 0;
                    for (int j = 0; j < rows * columns; j++) {
                        sum += weights[j] * v[place(j, columns) * WIDTH + c];
                    }
                    assertThat(unwatched[place(query, columns) * WIDTH + c]).isCloseTo(sum, within(1e-6));
                }
            }
        }
    }

    /** Where a token of the map lies in the first picture's windows, two across. */
    private static int place(int token, int columns) {
        int row = token / columns;
        int column = token % columns;
        int window = row / ROWS * 2 + column / COLUMNS;
        return window * TOKENS + row % ROWS * COLUMNS + column % COLUMNS;
    }

    @Test
    void whatDoesNotFitIsRefused() {
        try (Scope scope = Scope.open();
                Init init = init();
                Rng rng = new Rng(8)) {
            RelativePositions positions = new RelativePositions(init, 2, 2);
            assertThatThrownBy(() ->
                            new TimeDependentAttention(init, 6, 5, 4, positions, Time.PROJECTIONS, Optional.empty()))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("width must be a multiple of the number of heads, got 6 and 4");
            assertThatThrownBy(() -> new RelativePositions(init, 0, 2))
                    .hasMessage("a window's sides must be at least 1, got 0 and 2");
            assertThatThrownBy(() -> new RelativePositions(init, 65, 64))
                    .hasMessage("a window of relative positions must have at most 4096 tokens, got 65x64");
            TimeDependentAttention layer = layer(init, Time.PROJECTIONS, rng);
            Tensor x = rng.normal(ScalarType.Double, 3, TOKENS, WIDTH);
            assertThatThrownBy(() -> layer.forward(
                            x.narrow(1, 0, TOKENS - 1), rng.normal(ScalarType.Double, 3, TIME), null, Tape.plain()))
                    .hasMessageStartingWith("x must have shape (any, 6, 6), got " + Shapes.toString(3L, 5L, 6L));
            assertThatThrownBy(() -> layer.forward(x, rng.normal(ScalarType.Double, 2, TIME), null, Tape.plain()))
                    .hasMessage("the number of windows must be a multiple of the number of time vectors, got 3 and 2");
        }
    }
}
