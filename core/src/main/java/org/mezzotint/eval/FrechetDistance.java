package org.mezzotint.eval;

import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.T_TensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.io.InputException;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * The Fréchet distance of two Gaussians (Dowson and Landau, 1982; arXiv:1706.08500, eq. 6), which on {@code pool_3} features
 * is FID and on spatial ones sFID:
 *
 * <pre>
 *   d² = |μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁ Σ₂)^½
 * </pre>
 *
 * <p>The last trace is computed as the sum of the singular values of AᵀB, where Σ₁ = AAᵀ and Σ₂ = BBᵀ: exact for any real
 * covariances, also singular ones (fewer pictures than dimensions), where libraries that take the root of the asymmetric
 * product stray by 1e-5 to 1e-4, add an ε to the diagonal, or fail on imaginary parts.
 */
public final class FrechetDistance {
    /** The plain Cholesky factor of correlations is accurate if none of its pivots' roots is smaller. */
    private static final double SMALLEST_PIVOT = 1e-5;
    /** Correlations that a factor misses by more are those of no vectors. */
    private static final double LARGEST_LOSS = 1e-4;

    private FrechetDistance() {}

    /**
     * The distance of two sets of vectors, squared as usual. Rounding may make it a little negative for equal sets; such
     * a value is returned as 0.
     *
     * @param a of the first set
     * @param b of the second, in as many dimensions
     * @return at least 0
     * @throws InputException if a covariance is not finite or has negative eigenvalues
     */
    public static double between(Moments a, Moments b) {
        if (a.dims() != b.dims()) {
            throw new InputException("both sets must have as many dimensions, got " + a.dims() + " and " + b.dims()
                    + ": their features are of different extractors");
        }
        try (Scope scope = Scope.open();
                NoGradGuard noGradient = new NoGradGuard()) {
            Tensor apart = a.mean().sub(b.mean());
            double distance = apart.dot(apart).item_double()
                    + a.covariance().trace().item_double()
                    + b.covariance().trace().item_double()
                    - 2 * traceOfRoot(a.covariance(), b.covariance());
            if (Double.isNaN(distance)) {
                throw new InputException("means and covariances must be finite");
            }
            return Math.max(0, distance);
        }
    }

    /** tr (Σ₁ Σ₂)^½ = ‖AᵀB‖, the nuclear norm. */
    private static double traceOfRoot(Tensor first, Tensor second) {
        Tensor product = factor(first).t().matmul(factor(second));
        return product.numel() == 0 ? 0 : torch.linalg_svdvals(product).sum().item_double();
    }

    /** A of (D, D) = AAᵀ: (D, rank), from the correlations, so that the scales of the dimensions do not matter. */
    private static Tensor factor(Tensor covariance) {
        try (Scope scope = Scope.open()) {
            Tensor variances = covariance.diagonal();
            if (!covariance.isfinite().all().item_bool()) {
                throw new InputException("means and covariances must be finite");
            }
            if (variances.lt(new Scalar(0.0)).any().item_bool()) {
                throw new InputException("a variance must not be negative, got "
                        + variances.min().item_double());
            }
            Tensor deviations = variances.sqrt();
            Tensor inverse = deviations.reciprocal();
            Tensor constant = deviations.eq(new Scalar(0.0));
            if (covariance.abs().amax(new long[] {1}, false).mul(constant).any().item_bool()) {
                throw new InputException("a dimension without variance must not be correlated with another");
            }
            inverse.masked_fill_(constant, new Scalar(0.0));
            Tensor correlation = covariance.mul(inverse).mul(inverse.view(-1, 1));
            T_TensorTensor_T cholesky = torch.linalg_cholesky_ex(correlation);
            Tensor lower = new Tensor(cholesky.get0());
            boolean regular = lower.numel() > 0
                    && cholesky.get1().item_int() == 0
                    && lower.diagonal().min().item_double() > SMALLEST_PIVOT;
            return scope.keep((regular ? lower : pivoted(correlation)).mul(deviations.view(-1, 1)));
        }
    }

    /**
     * Cholesky's factor (D, rank) of a correlation matrix that may be singular: the largest remaining pivot first, until
     * nothing but rounding is left.
     */
    static Tensor pivoted(Tensor correlation) {
        long dims = correlation.size(0);
        try (Scope scope = Scope.open()) {
            Tensor rows = Tensors.empty(ScalarType.Double, dims, dims);
            Tensor left = correlation.diagonal().clone();
            long rank = 0;
            for (double pivot = largest(left); pivot > 4 * dims * Math.ulp(1.0); pivot = largest(left)) {
                try (Scope inner = Scope.open()) {
                    long at = left.argmax().item_long();
                    Tensor row = correlation.select(0, at);
                    if (rank > 0) {
                        Tensor done = rows.narrow(0, 0, rank);
                        row = row.sub(done.t().mv(done.select(1, at)));
                    }
                    row = row.div(Scalars.of(Math.sqrt(pivot)));
                    rows.select(0, rank).copy_(row);
                    left.sub_(row.mul(row));
                    rank++;
                }
            }
            Tensor factor = rows.narrow(0, 0, rank).t();
            double lost = dims == 0
                    ? 0
                    : correlation.sub(factor.matmul(factor.t())).abs().max().item_double();
            if (lost > LARGEST_LOSS) {
                throw new InputException(
                        "a covariance must have no negative eigenvalues: this one has correlations that no"
                                + " vectors can have, off by " + lost);
            }
            return scope.keep(factor.contiguous());
        }
    }

    private static double largest(Tensor left) {
        try (Scope scope = Scope.open()) {
            return left.numel() == 0 ? 0 : left.max().item_double();
        }
    }
}
