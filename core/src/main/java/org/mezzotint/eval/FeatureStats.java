package org.mezzotint.eval;

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
 * Mean and covariance of vectors that arrive in parts, in float64 and in the memory of one covariance.
 *
 * <p>Each part is centred on its own mean before it is squared, and parts are joined by the rule of Chan, Golub and LeVeque
 * (1979), so that no large numbers cancel:
 *
 * <pre>
 *   M = M_a + M_b + (n_a n_b / n) δ δᵀ,   δ = mean_b − mean_a,   covariance = M / (n − 1)
 * </pre>
 */
public final class FeatureStats implements AutoCloseable {
    /** Rows that are widened to float64 at once. */
    private static final long BLOCK = 4096;

    private final long dims;
    private final Scope scope;
    private final Tensor mean;
    private final Tensor comoment;
    private long count;

    /**
     * Statistics of nothing yet.
     *
     * @param dims D, at least 1
     */
    public FeatureStats(long dims) {
        if (dims < 1) {
            throw new IllegalArgumentException("dims must be at least 1, got " + dims);
        }
        this.dims = dims;
        scope = Scope.owner();
        mean = Tensors.empty(ScalarType.Double, dims).zero_();
        comoment = Tensors.empty(ScalarType.Double, dims, dims).zero_();
        scope.leave();
    }

    /**
     * Adds vectors (N, D).
     *
     * @param features of any floating type, on any device
     * @throws InputException if one of them is not finite; nothing of its block is added
     */
    public void add(Tensor features) {
        Shapes.check("features", features, Shapes.ANY, dims);
        for (long from = 0; from < features.size(0); from += BLOCK) {
            try (Scope inner = Scope.open();
                    NoGradGuard noGradient = new NoGradGuard()) {
                long rows = Math.min(BLOCK, features.size(0) - from);
                Tensor x = features.narrow(0, from, rows).cpu().to(ScalarType.Double);
                checkFinite(x);
                Tensor middle = x.mean(0); // (D,)
                Tensor centred = x.sub(middle);
                join(rows, middle, centred.t(), centred);
            }
        }
    }

    private void checkFinite(Tensor x) {
        Tensor finite = x.sum(1).isfinite();
        if (!finite.all().item_bool()) {
            long row = finite.to(ScalarType.Long).argmin().item_long();
            throw new InputException("features must be finite, those of picture " + (count + row + 1) + " are not");
        }
    }

    /**
     * Adds all that another one has seen.
     *
     * @param other of the same D; it stays as it is
     */
    public void merge(FeatureStats other) {
        if (other.dims != dims) {
            throw new IllegalArgumentException("dims must be equal, got " + dims + " and " + other.dims);
        }
        if (other.count > 0) {
            try (Scope inner = Scope.open();
                    NoGradGuard noGradient = new NoGradGuard()) {
                Tensor theirs = other.comoment.clone();
                Tensor middle = other.mean.clone();
                comoment.add_(theirs);
                shift(other.count, middle);
            }
        }
    }

    private void join(long rows, Tensor middle, Tensor left, Tensor right) {
        comoment.addmm_(left, right);
        shift(rows, middle);
    }

    /** The part of the joined moments that the distance of the means makes. */
    private void shift(long rows, Tensor middle) {
        Tensor delta = middle.sub(mean);
        double total = (double) count + rows;
        try (Scalar keep = new Scalar(1.0);
                Scalar weight = Scalars.of(count * (rows / total))) {
            comoment.addr_(delta, delta, keep, weight);
        }
        mean.add_(delta.mul(Scalars.of(rows / total)));
        count += rows;
    }

    /**
     * How many vectors were added.
     *
     * @return at least 0
     */
    public long count() {
        return count;
    }

    /**
     * Mean (D,) and covariance (D, D), divided by n − 1.
     *
     * @return copies in the caller's scope
     * @throws InputException if fewer than two vectors were added: their covariance is not defined
     */
    public Moments moments() {
        if (count < 2) {
            throw new InputException("a covariance needs at least 2 pictures, got " + count);
        }
        try (Scope inner = Scope.open()) {
            Tensor covariance = inner.keep(comoment.div(Scalars.of(count - 1.0)));
            return new Moments(inner.keep(mean.clone()), covariance);
        }
    }

    @Override
    public void close() {
        scope.close();
    }
}
