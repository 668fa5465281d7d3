package org.mezzotint.eval;

import java.util.Arrays;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.io.InputException;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Shapes;
import org.mezzotint.tensor.Tensors;

/**
 * The Inception Score (arXiv:1606.03498): exp of the mean divergence KL(p(y|x) ‖ p(y)), over parts of the set, in float64.
 *
 * <p>Logits are those without the classifier's bias. Log-probabilities come from the log-softmax: taking the logarithm of
 * rounded probabilities, as ADM's evaluator does in float32, gives NaN where one is 0.
 *
 * @param mean of the parts' scores
 * @param deviation of the parts' scores, divided by their number
 * @param scores one a part
 */
@SuppressWarnings("ArrayRecordComponent") // a carrier of results, never compared
public record InceptionScore(double mean, double deviation, double[] scores) {
    /** Rows that are widened to float64 at once. */
    private static final int BLOCK = 4096;

    /**
     * Of a set in the given order: part i of S is rows ⌊iN/S⌋ to ⌊(i + 1)N/S⌋.
     *
     * @param logits (N, classes)
     * @param parts S, 1 to N; 10 is usual
     * @return the score
     */
    public static InceptionScore of(Tensor logits, int parts) {
        return of(logits, parts, LongStream.range(0, rows(logits)).toArray());
    }

    /**
     * Of a set in random order, as torch-fidelity does it: NumPy's {@code RandomState(seed).permutation(N)}, usually of 2020.
     *
     * @param logits (N, classes)
     * @param parts S, 1 to N; 10 is usual
     * @param seed 0 to 2³² − 1
     * @return the score
     */
    public static InceptionScore shuffled(Tensor logits, int parts, long seed) {
        return of(logits, parts, new NumpyRandom(seed).permutation(rows(logits)));
    }

    /**
     * As ADM's evaluator does it: parts of so many rows, usually 5,000, the last one maybe shorter.
     *
     * @param logits (N, classes)
     * @param rows at least 1
     * @return the score, of which ADM prints the mean
     */
    public static InceptionScore inChunks(Tensor logits, int rows) {
        if (rows < 1) {
            throw new IllegalArgumentException("rows must be at least 1, got " + rows);
        }
        int n = rows(logits);
        int parts = n / rows + (n % rows == 0 ? 0 : 1);
        int[] bounds = new int[parts + 1];
        for (int i = 0; i <= parts; i++) {
            bounds[i] = (int) Math.min(n, (long) i * rows);
        }
        return score(logits, LongStream.range(0, n).toArray(), bounds);
    }

    private static int rows(Tensor logits) {
        Shapes.check("logits", logits, Shapes.ANY, Shapes.ANY);
        return Math.toIntExact(logits.size(0));
    }

    private static InceptionScore of(Tensor logits, int parts, long[] order) {
        if (parts < 1 || parts > order.length) {
            throw new InputException(
                    "the Inception Score in " + parts + " parts needs at least as many pictures, got " + order.length);
        }
        int[] bounds = new int[parts + 1];
        for (int i = 0; i <= parts; i++) {
            bounds[i] = (int) ((long) i * order.length / parts);
        }
        return score(logits, order, bounds);
    }

    private static InceptionScore score(Tensor logits, long[] order, int... bounds) {
        double[] scores = new double[bounds.length - 1];
        for (int i = 0; i < scores.length; i++) {
            scores[i] = Math.exp(divergence(logits, order, bounds[i], bounds[i + 1]));
        }
        double mean = Arrays.stream(scores).average().orElse(Double.NaN);
        if (!Double.isFinite(mean)) {
            throw new InputException(
                    scores.length == 0 ? "there must be at least one picture" : "logits must be finite");
        }
        double squares = Arrays.stream(scores).map(s -> (s - mean) * (s - mean)).sum();
        return new InceptionScore(mean, Math.sqrt(squares / scores.length), scores);
    }

    /** mean over x of Σ p log p, less Σ q log q of the mean probabilities q. */
    private static double divergence(Tensor logits, long[] order, int from, int to) {
        double negentropy = 0;
        try (Scope scope = Scope.open();
                NoGradGuard noGradient = new NoGradGuard()) {
            Tensor total = Tensors.empty(ScalarType.Double, logits.size(1)).zero_();
            for (int start = from; start < to; start += BLOCK) {
                try (Scope inner = Scope.open()) {
                    long[] rows = Arrays.copyOfRange(order, start, Math.min(to, start + BLOCK));
                    Tensor block =
                            logits.cpu().index_select(0, Tensors.of(rows)).to(ScalarType.Double);
                    Tensor logP = block.log_softmax(1);
                    Tensor p = logP.exp();
                    negentropy += p.mul(logP).sum().item_double();
                    total.add_(p.sum(0));
                }
            }
            Tensor q = total.div(Scalars.of(to - from));
            return negentropy / (to - from) - torch.xlogy(q, q).sum().item_double();
        }
    }
}
