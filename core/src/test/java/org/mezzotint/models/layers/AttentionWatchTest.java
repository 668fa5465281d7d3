package org.mezzotint.models.layers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.models.layers.AttentionWatch.At;
import org.mezzotint.models.layers.AttentionWatch.Mean;
import org.mezzotint.models.layers.AttentionWatch.Seen;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class AttentionWatchTest {
    private static final int ROWS = 4;
    private static final int COLUMNS = 6;
    private static final int TOKENS = ROWS * COLUMNS;
    private static final int HEADS = 2;

    private static MapAttention attention(String kind, Init init) {
        return switch (kind) {
            case "global" -> MapAttention.global();
            case "neighborhood" -> new NeighborhoodAttention(init, ROWS, COLUMNS, 3);
            case "windows" -> new ShiftedWindowAttention(init, ROWS, COLUMNS, 2, 0);
            default -> new ShiftedWindowAttention(init, ROWS, COLUMNS, 2, 1);
        };
    }

    /** Values that are the unit vectors make attention give its weights: the token's, on all tokens. */
    @ParameterizedTest
    @ValueSource(strings = {"global", "neighborhood", "windows", "shifted windows"})
    void weightsAreThoseOfTheKernel(String kind) {
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(1);
                Init init = Init.blank(Precision.FLOAT64, new Device("cpu"))) {
            MapAttention attention = attention(kind, init);
            Tensor q = rng.normal(ScalarType.Double, 2, ROWS, COLUMNS, HEADS, TOKENS);
            Tensor k = rng.normal(ScalarType.Double, 2, ROWS, COLUMNS, HEADS, TOKENS);
            Tensor v = torch.eye(TOKENS)
                    .to(ScalarType.Double)
                    .view(1, ROWS, COLUMNS, 1, TOKENS)
                    .expand(2, ROWS, COLUMNS, HEADS, TOKENS)
                    .contiguous();
            double[] weights = Tensors.doubles(attention.attend(q, k, v, 0.3).select(0, 0)); // (R, S, h, T)
            double[] mean = new double[HEADS * TOKENS];
            for (int query = 0; query < TOKENS; query++) {
                int row = query / COLUMNS;
                At at = new At((row + 0.5) / ROWS, (query % COLUMNS + 0.5) / COLUMNS);
                Seen seen = see(at, attention, q, k);
                for (int i = 0; i < HEADS * TOKENS; i++) {
                    double expected = weights[query * HEADS * TOKENS + i];
                    assertThat((double) seen.heads().get(i / TOKENS)[i % TOKENS])
                            .isCloseTo(expected, within(1e-7));
                    mean[i] += expected / TOKENS;
                }
            }
            Seen all = see(new Mean(), attention, q, k);
            for (int i = 0; i < mean.length; i++) {
                assertThat((double) all.heads().get(i / TOKENS)[i % TOKENS]).isCloseTo(mean[i], within(1e-7));
            }
        }
    }

    private static Seen see(AttentionWatch.Query query, MapAttention attention, Tensor q, Tensor k) {
        AttentionWatch watch = new AttentionWatch(query, name -> name.equals("a"));
        watch.seeMap("a", q, k, 0.3, attention::sees);
        watch.seeMap("b", q, k, 0.3, attention::sees); // not asked for
        List<Seen> seen = watch.take();
        assertThat(seen).hasSize(1);
        assertThat(watch.take()).isEmpty();
        assertThat(seen.get(0).rows()).isEqualTo(ROWS);
        assertThat(seen.get(0).columns()).isEqualTo(COLUMNS);
        for (float[] head : seen.get(0).heads()) {
            double sum = 0;
            for (float weight : head) {
                assertThat(weight).isNotNegative();
                sum += weight;
            }
            assertThat(sum).isCloseTo(1, within(1e-6));
        }
        return seen.get(0);
    }

    /** The definition in loops, with a bias that differs between heads. */
    @Test
    void weightsAreTheSoftmaxOfProductsAndBias() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(2)) {
            Tensor q = rng.normal(ScalarType.Double, 1, HEADS, TOKENS, 3);
            Tensor k = rng.normal(ScalarType.Double, 1, HEADS, TOKENS, 3);
            Tensor bias = rng.normal(ScalarType.Double, HEADS, TOKENS, TOKENS);
            AttentionWatch watch = new AttentionWatch(new At(0.5, 0.99), name -> true);
            watch.see("a", ROWS, COLUMNS, q, k, 0.7, queries -> bias.index_select(1, Tensors.of(queries)));
            Seen seen = watch.take().get(0);
            int query = 2 * COLUMNS + COLUMNS - 1;
            double[] a = Tensors.doubles(q);
            double[] b = Tensors.doubles(k);
            double[] c = Tensors.doubles(bias);
            for (int h = 0; h < HEADS; h++) {
                List<Double> expected = new ArrayList<>();
                double total = 0;
                for (int j = 0; j < TOKENS; j++) {
                    double logit = c[(h * TOKENS + query) * TOKENS + j];
                    for (int d = 0; d < 3; d++) {
                        logit += 0.7 * a[(h * TOKENS + query) * 3 + d] * b[(h * TOKENS + j) * 3 + d];
                    }
                    expected.add(Math.exp(logit));
                    total += Math.exp(logit);
                }
                for (int j = 0; j < TOKENS; j++) {
                    assertThat((double) seen.heads().get(h)[j]).isCloseTo(expected.get(j) / total, within(1e-7));
                }
            }
        }
    }

    @Test
    void aPlaceOutsideIsRefused() {
        assertThatThrownBy(() -> new At(1, 0.5))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("the place of a query must be 0 to below 1 down and across, got 1.0 and 0.5");
    }
}
