package org.mezzotint.eval;

import java.util.Arrays;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.io.InputException;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Shapes;
import org.mezzotint.tensor.Tensors;

/**
 * The kernel distance (arXiv:1801.01401, KID): the squared maximum mean discrepancy of two sets of vectors under the kernel
 * (x·y / D + 1)³. It has no bias in the number of pictures, so small sets can be compared; it may be negative.
 */
public final class KernelDistance {
    private static final long BLOCK = 2048;

    private KernelDistance() {}

    /** How the mean of the kernel over pairs is taken. */
    public enum Estimator {
        /** No pair of a vector with itself within a set. The usual one. */
        UNBIASED,
        /** All pairs. */
        BIASED,
        /** As unbiased, and across the sets no pair of equal indices; needs sets of equal size. */
        U_STATISTIC
    }

    /**
     * An average over random subsets.
     *
     * @param mean of the estimates
     * @param deviation of the estimates, divided by their number
     * @param estimates one a subset
     */
    @SuppressWarnings("ArrayRecordComponent") // a carrier of results, never compared
    public record Result(double mean, double deviation, double[] estimates) {}

    /**
     * The distance of two whole sets (N, D) and (M, D); it takes N · M products.
     *
     * @param x vectors of any floating type
     * @param y vectors of as many dimensions
     * @param estimator which pairs count
     * @return may be negative
     */
    public static double between(Tensor x, Tensor y, Estimator estimator) {
        Shapes.check("x", x, Shapes.ANY, Shapes.ANY);
        Shapes.check("y", y, Shapes.ANY, Shapes.ANY);
        if (x.size(1) != y.size(1)) {
            throw new InputException("both sets must have as many dimensions, got " + x.size(1) + " and " + y.size(1)
                    + ": their features are of different extractors");
        }
        double n = x.size(0);
        double m = y.size(0);
        if (n < 2 || m < 2) {
            throw new InputException(
                    "the kernel distance needs at least 2 pictures in each set, got " + (long) n + " and " + (long) m);
        }
        if (estimator == Estimator.U_STATISTIC && n != m) {
            throw new IllegalArgumentException(
                    "the U-statistic needs sets of equal size, got " + (long) n + " and " + (long) m);
        }
        Sums xx = sums(x, x);
        Sums yy = sums(y, y);
        Sums xy = sums(x, y);
        double distance =
                switch (estimator) {
                    case UNBIASED -> xx.others() / (n * (n - 1)) + yy.others() / (m * (m - 1)) - 2 * xy.all / (n * m);
                    case BIASED -> xx.all / (n * n) + yy.all / (m * m) - 2 * xy.all / (n * m);
                    case U_STATISTIC -> (xx.others() + yy.others() - 2 * xy.others()) / (n * (n - 1));
                };
        if (!Double.isFinite(distance)) {
            throw new InputException("features must be finite");
        }
        return distance;
    }

    /** Sums of the kernel over all pairs, and over pairs of equal index. */
    private record Sums(double all, double equal) {
        double others() {
            return all - equal;
        }
    }

    private static Sums sums(Tensor x, Tensor y) {
        double all = 0;
        double equal = 0;
        for (long i = 0; i < x.size(0); i += BLOCK) {
            try (Scope rows = Scope.open();
                    NoGradGuard noGradient = new NoGradGuard()) {
                Tensor left = block(x, i);
                for (long j = 0; j < y.size(0); j += BLOCK) {
                    try (Scope columns = Scope.open()) {
                        Tensor products = left.matmul(block(y, j).t());
                        products.div_(Scalars.of(x.size(1))).add_(new Scalar(1.0));
                        Tensor kernel = products.mul(products).mul_(products);
                        all += kernel.sum().item_double();
                        if (i == j) {
                            equal += kernel.diagonal().sum().item_double();
                        }
                    }
                }
            }
        }
        return new Sums(all, equal);
    }

    private static Tensor block(Tensor x, long from) {
        return x.narrow(0, from, Math.min(BLOCK, x.size(0) - from)).cpu().to(ScalarType.Double);
    }

    /**
     * The mean over random subsets of both sets, chosen as torch-fidelity chooses them: from NumPy's {@code
     * RandomState(seed)}, in turn from the first and the second set. Its settings are 100 subsets of 1,000 and seed 2020.
     *
     * @param x vectors (N, D)
     * @param y vectors (M, D)
     * @param subsets how many
     * @param size of each, at most N and M
     * @param seed 0 to 2³² − 1
     * @return mean and deviation
     */
    public static Result subsets(Tensor x, Tensor y, int subsets, int size, long seed) {
        if (subsets < 1 || size < 2) {
            throw new IllegalArgumentException(
                    "subsets must be at least 1 and their size at least 2, got " + subsets + " and " + size);
        }
        int n = Math.toIntExact(x.size(0));
        int m = Math.toIntExact(y.size(0));
        if (size > n || size > m) {
            throw new InputException("subsets of " + size + " pictures need at least as many in each set, got " + n
                    + " and " + m + ": take smaller subsets");
        }
        NumpyRandom random = new NumpyRandom(seed);
        long[][] fromX = new long[subsets][];
        long[][] fromY = new long[subsets][];
        for (int i = 0; i < subsets; i++) {
            fromX[i] = random.choice(n, size);
            fromY[i] = random.choice(m, size);
        }
        return subsets(x, y, fromX, fromY, Estimator.UNBIASED);
    }

    /** The mean over given subsets. */
    static Result subsets(Tensor x, Tensor y, long[][] fromX, long[][] fromY, Estimator estimator) {
        double[] estimates = new double[fromX.length];
        for (int i = 0; i < estimates.length; i++) {
            try (Scope scope = Scope.open()) {
                estimates[i] = between(
                        x.index_select(0, Tensors.of(fromX[i])), y.index_select(0, Tensors.of(fromY[i])), estimator);
            }
        }
        double mean = Arrays.stream(estimates).average().orElseThrow();
        double squares =
                Arrays.stream(estimates).map(e -> (e - mean) * (e - mean)).sum();
        return new Result(mean, Math.sqrt(squares / estimates.length), estimates);
    }
}
