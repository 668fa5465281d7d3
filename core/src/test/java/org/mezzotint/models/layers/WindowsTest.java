package org.mezzotint.models.layers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.mezzotint.golden.Golden;
import org.mezzotint.models.layers.TimeDependentAttention.Time;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** Attention in windows beside attention of all tokens under a mask. */
class WindowsTest {
    private static final int N = 2;
    private static final int D = 12;
    private static final int HEADS = 3;
    private static final int E = 5;

    static Stream<Arguments> maps() {
        int[][] sizes = {{4, 6, 2}, {5, 7, 3}, {3, 8, 3}, {9, 4, 4}, {4, 4, 4}, {3, 2, 1}};
        return Stream.of(sizes).flatMap(s -> Stream.of(Time.PROJECTIONS, Time.TOKEN, Time.ABSENT)
                .map(time -> Arguments.of(s[0], s[1], s[2], time)));
    }

    @ParameterizedTest
    @MethodSource("maps")
    void attentionAndItsGradientsEqualThoseOfADenseMask(int height, int width, int side, Time time) {
        List<double[]> windowed = run(height, width, side, time, true);
        List<double[]> dense = run(height, width, side, time, false);
        assertThat(windowed).hasSameSizeAs(dense);
        for (int i = 0; i < dense.size(); i++) {
            Golden.assertCloseToLargest("tensor " + i, windowed.get(i), dense.get(i), 1e-12);
        }
    }

    /** Output, gradients of map and time, gradients of all parameters. */
    private static List<double[]> run(int height, int width, int side, Time time, boolean windowed) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(7);
                Init init = Init.blank(Precision.FLOAT64, new Device("cpu"))) {
            TimeDependentAttention attention = new TimeDependentAttention(
                    init, D, E, HEADS, new RelativePositions(init, side, side), time, Optional.empty());
            try (NoGradGuard noGrad = new NoGradGuard()) {
                attention.trainable().values().forEach(p -> {
                    rng.fillNormal(p);
                    p.mul_(Scalars.of(0.5));
                });
            }
            Tensor x = rng.normal(ScalarType.Double, N, height, width, D).requires_grad_(true);
            Tensor t = rng.normal(ScalarType.Double, N, E).requires_grad_(true);
            Tensor y;
            if (windowed) {
                Windows windows = new Windows(init, height, width, side);
                y = windows.join(attention.forward(windows.split(x), t, windows.mask(), Tape.plain()));
            } else {
                y = dense(attention, x, t, side);
            }
            y.mul(rng.normal(ScalarType.Double, y.shape())).sum().backward();
            List<double[]> results = new ArrayList<>(List.of(Tensors.doubles(y), Tensors.doubles(x.grad())));
            if (time != Time.ABSENT) {
                results.add(Tensors.doubles(t.grad()));
            }
            attention.trainable().values().forEach(p -> results.add(Tensors.doubles(p.grad())));
            return results;
        }
    }

    /** All tokens at once, from the layer's parameters: logits, bias of relative positions, −∞ between windows, softmax. */
    private static Tensor dense(TimeDependentAttention layer, Tensor x, Tensor t, int side) {
        int height = (int) x.size(1);
        int width = (int) x.size(2);
        int tokens = height * width;
        long[] index = new long[tokens * tokens];
        double[] apart = new double[tokens * tokens];
        for (int i = 0; i < tokens; i++) {
            for (int j = 0; j < tokens; j++) {
                int down = i / width - j / width;
                int across = i % width - j % width;
                boolean together = i / width / side == j / width / side && i % width / side == j % width / side;
                index[i * tokens + j] = together ? (long) (down + side - 1) * (2L * side - 1) + across + side - 1 : 0;
                apart[i * tokens + j] = together ? 0 : Double.NEGATIVE_INFINITY;
            }
        }
        var state = layer.state();
        Tensor flat = x.view(N, tokens, D);
        Tensor qkv = torch.linear(flat, state.get("qkv.weight"), state.get("qkv.bias"));
        if (state.containsKey("qkv_temb.weight")) {
            qkv = qkv.add(torch.linear(t, state.get("qkv_temb.weight"), state.get("qkv_temb.bias"))
                    .unsqueeze(1));
        }
        Tensor bias = torch.embedding(
                        state.get("relative_position_bias_table"),
                        Tensors.of(index).view(tokens, tokens))
                .add(Tensors.of(apart).view(tokens, tokens, 1)); // (tokens, tokens, h)
        TensorVector heads = new TensorVector();
        int d = D / HEADS;
        for (int h = 0; h < HEADS; h++) {
            Tensor q = qkv.narrow(2, (long) h * d, d);
            Tensor k = qkv.narrow(2, D + (long) h * d, d);
            Tensor v = qkv.narrow(2, 2L * D + (long) h * d, d);
            Tensor logits = q.matmul(k.transpose(1, 2))
                    .mul(Scalars.of(1 / Math.sqrt((double) d)))
                    .add(bias.select(2, h)); // (N, tokens, tokens)
            if (state.containsKey("kv_temb.weight")) {
                Tensor kv = torch.linear(t, state.get("kv_temb.weight"), state.get("kv_temb.bias"))
                        .unsqueeze(1); // (N, 1, 2D)
                Tensor more = q.matmul(kv.narrow(2, (long) h * d, d).transpose(1, 2))
                        .mul(Scalars.of(1 / Math.sqrt((double) d))); // (N, tokens, 1)
                logits = torch.cat(new TensorVector(logits, more), 2);
                v = torch.cat(new TensorVector(v, kv.narrow(2, D + (long) h * d, d)), 1);
            }
            heads.push_back(torch.softmax(logits, 2).matmul(v));
        }
        return torch.linear(torch.cat(heads, 2), state.get("proj.weight"), state.get("proj.bias"))
                .view(x.shape());
    }

    @ParameterizedTest
    @CsvSource({"4, 6, 2", "5, 7, 3", "7, 3, 3", "2, 2, 2"})
    void whatIsCutComesBackWhole(int height, int width, int side) {
        try (Scope scope = Scope.open();
                Init init = Init.blank(Precision.FLOAT64, new Device("cpu"))) {
            Windows windows = new Windows(init, height, width, side);
            double[] numbers = IntStream.range(0, N * height * width * 3)
                    .mapToDouble(i -> i + 1.0)
                    .toArray();
            Tensor cut = windows.split(Tensors.of(numbers).view(N, height, width, 3));
            assertThat(cut.shape()).containsExactly((long) N * windows.count(), (long) side * side, 3);
            assertThat(Tensors.doubles(windows.join(cut))).containsExactly(numbers);
            int padding = (int) (windows.tokens() - (long) height * width);
            assertThat(IntStream.range(0, (int) cut.numel())
                            .filter(i -> Tensors.doubles(cut)[i] == 0)
                            .count())
                    .isEqualTo((long) N * padding * 3);
            if (padding == 0) {
                assertThat(windows.mask()).isNull();
            } else {
                assertThat(Arrays.stream(Tensors.doubles(windows.mask()))
                                .filter(Double::isInfinite)
                                .count())
                        .isEqualTo(padding);
            }
        }
    }

    @Test
    void aWindowLargerThanTheMapIsRefused() {
        try (Init init = Init.shapesOnly()) {
            assertThatThrownBy(() -> new Windows(init, 4, 6, 5))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("window must be 1 to the map's height and width, got 5 for a map of 4x6");
        }
    }
}
