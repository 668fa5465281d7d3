package org.mezzotint.models.layers;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Shapes;
import org.mezzotint.tensor.Tensors;

/**
 * Looks at the weights of attention layers while a network runs on a {@link Tape#watching watching} tape (figure 7 of
 * arXiv:2312.02139v3). The layers themselves go on with libtorch's fused kernel, which never makes the weights; beside it a
 * layer shows its queries and keys here, and the weights of the queries asked for are computed by their definition.
 *
 * <p>Only the first picture of a batch is looked at: under guidance it is the one with a condition. Letters: N batch, h heads,
 * R × C map of tokens, T = R·C, d head width, Q queries looked at. Not for several threads at once.
 */
public final class AttentionWatch {
    /** Weights computed at once, at most: 128 MB of float64. */
    private static final long AT_ONCE = 16_000_000;

    private final Query query;
    private final Predicate<String> layers;
    private List<Seen> seen = new ArrayList<>();

    /** Whose attention is shown. */
    public sealed interface Query {}

    /** The mean over all tokens: how much each token is looked at. */
    public record Mean() implements Query {}

    /**
     * The token at a place of the picture.
     *
     * @param row of the place, 0 (top) to below 1
     * @param column of the place, 0 (left) to below 1
     */
    public record At(double row, double column) implements Query {
        /** Checks the rules. */
        public At {
            if (!(row >= 0 && row < 1 && column >= 0 && column < 1)) {
                throw new IllegalArgumentException(
                        "the place of a query must be 0 to below 1 down and across, got " + row + " and " + column);
            }
        }
    }

    /**
     * What one layer showed once.
     *
     * @param layer its name
     * @param rows R
     * @param columns C
     * @param heads for each head the weights of the R·C tokens in row-major order, not negative, with a sum of 1
     */
    public record Seen(String layer, int rows, int columns, List<float[]> heads) {
        /** Copies the list. */
        public Seen {
            heads = List.copyOf(heads);
        }
    }

    /** What a layer adds to the logits. */
    @FunctionalInterface
    public interface Bias {
        /** Nothing. */
        Bias NONE = queries -> null;

        /**
         * The bias of some queries of the first picture.
         *
         * @param queries their tokens in row-major order
         * @return broadcasts against (h, Q, T), −∞ where a query does not see a key; null for none
         */
        Tensor of(long[] queries);
    }

    /** Who sees whom. */
    @FunctionalInterface
    public interface Sees {
        /**
         * Whether a query sees a key.
         *
         * @param query a token of the map in row-major order
         * @param key likewise
         * @return true if it does
         */
        boolean key(int query, int key);
    }

    /**
     * Makes a watch.
     *
     * @param query whose attention
     * @param layers which layers, by name
     */
    public AttentionWatch(Query query, Predicate<String> layers) {
        this.query = query;
        this.layers = layers;
    }

    /**
     * Called by an attention layer with what it attends with.
     *
     * @param layer its name
     * @param rows R
     * @param columns C
     * @param q (N, h, T, d), tokens of the whole map in row-major order
     * @param k (N, h, T, d), likewise
     * @param scale of the products
     * @param bias what is added to them
     */
    public void see(String layer, int rows, int columns, Tensor q, Tensor k, double scale, Bias bias) {
        if (!layers.test(layer)) {
            return;
        }
        long tokens = (long) rows * columns;
        Shapes.check("q", q, Shapes.ANY, Shapes.ANY, tokens, Shapes.ANY);
        Shapes.check("k", k, q.size(0), q.size(1), tokens, q.size(3));
        int heads = Math.toIntExact(q.size(1));
        long[] queries = queries(rows, columns);
        double[][] sums = new double[heads][Math.toIntExact(tokens)];
        int chunk = (int) Math.max(1, AT_ONCE / (tokens * heads));
        for (int first = 0; first < queries.length; first += chunk) {
            long[] some = Arrays.copyOfRange(queries, first, Math.min(queries.length, first + chunk));
            try (Scope scope = Scope.open();
                    NoGradGuard noGrad = new NoGradGuard()) {
                Tensor weights = weights(q, k, scale, bias, some); // (h, Q, T)
                double[] part = Tensors.doubles(weights.sum(1));
                for (int i = 0; i < part.length; i++) {
                    sums[i / (int) tokens][i % (int) tokens] += part[i];
                }
            }
        }
        List<float[]> maps = new ArrayList<>();
        for (double[] sum : sums) {
            float[] map = new float[sum.length];
            for (int i = 0; i < map.length; i++) {
                map[i] = (float) (sum[i] / queries.length);
            }
            maps.add(map);
        }
        seen.add(new Seen(layer, rows, columns, maps));
    }

    /**
     * Called by a layer of {@link MapAttention}.
     *
     * @param layer its name
     * @param q (N, R, C, h, d)
     * @param k (N, R, C, h, d)
     * @param scale of the products
     * @param sees which keys a query sees
     */
    public void seeMap(String layer, Tensor q, Tensor k, double scale, Sees sees) {
        int rows = (int) q.size(1);
        int columns = (int) q.size(2);
        int tokens = rows * columns;
        try (Scope scope = Scope.open()) {
            Tensor flatQ = q.narrow(0, 0, 1).flatten(1, 2).transpose(1, 2); // (1, h, T, d)
            Tensor flatK = k.narrow(0, 0, 1).flatten(1, 2).transpose(1, 2);
            see(layer, rows, columns, flatQ, flatK, scale, queries -> {
                double[] bias = new double[queries.length * tokens];
                for (int i = 0; i < bias.length; i++) {
                    bias[i] = sees.key((int) queries[i / tokens], i % tokens) ? 0 : Double.NEGATIVE_INFINITY;
                }
                return Tensors.of(bias).view(queries.length, tokens);
            });
        }
    }

    /** The tokens whose attention is shown. */
    private long[] queries(int rows, int columns) {
        if (query instanceof At at) {
            long row = (long) (at.row() * rows);
            return new long[] {row * columns + (long) (at.column() * columns)};
        }
        return LongStream.range(0, (long) rows * columns).toArray();
    }

    /** softmax(scale · q·kᵀ + bias) of some queries of the first picture, (h, Q, T), in float64. */
    private static Tensor weights(Tensor q, Tensor k, double scale, Bias bias, long[] queries) {
        Tensor index = Tensors.of(queries).to(q.device(), ScalarType.Long);
        Tensor chosen = q.select(0, 0).index_select(1, index).to(ScalarType.Double); // (h, Q, d)
        Tensor keys = k.select(0, 0).to(ScalarType.Double).transpose(1, 2); // (h, d, T)
        Tensor logits = chosen.matmul(keys).mul(Scalars.of(scale)); // (h, Q, T)
        Tensor added = bias.of(queries);
        return torch.softmax(added == null ? logits : logits.add(added.to(q.device(), ScalarType.Double)), 2);
    }

    /**
     * What was seen since the last call, in the order of the layers.
     *
     * @return one entry a layer and evaluation of the network
     */
    public List<Seen> take() {
        List<Seen> taken = seen;
        seen = new ArrayList<>();
        return taken;
    }
}
