package org.mezzotint.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * How much each moment of a run counts in a power-function average of the weights (arXiv:2312.02696v2, section 3.1), and how
 * an average that was not kept is put together from those that were (section 3.2).
 *
 * <p>{@code p(τ) = (γ + 1)·τ^γ / T^(γ+1)} for {@code 0 ≤ τ ≤ T} (eq. 3): it is 0 at the start, where weights are bad, rises to
 * the end, and keeps its form when time is stretched. Its length is told by its relative standard deviation σ_rel, that of p
 * over T: 0.10 looks back over about a tenth of the run.
 *
 * @param gamma γ, not negative
 * @param end T, above 0, in pictures seen
 */
public record PowerProfile(double gamma, double end) {
    /** The σ_rel of γ = 0, the plain mean of all: 1/√12. */
    public static final double LARGEST_SIGMA_REL = sigmaRel(0);

    /** Below this share of its square norm a profile is told by others; more would let the rounding of snapshots through. */
    private static final double INDEPENDENT = 1e-12;

    /** Checks the rules. */
    public PowerProfile {
        if (!(gamma >= 0 && Double.isFinite(gamma) && end > 0 && Double.isFinite(end))) {
            throw new IllegalArgumentException(
                    "gamma must not be negative and end must be above 0, got " + gamma + " and " + end);
        }
    }

    /**
     * The profile of a length.
     *
     * @param sigmaRel as {@link #gamma(double)} takes it
     * @param end T, in pictures seen
     * @return the profile
     */
    public static PowerProfile of(double sigmaRel, double end) {
        return new PowerProfile(gamma(sigmaRel), end);
    }

    /**
     * {@code σ_rel = (γ + 1)^½ · (γ + 2)^-1 · (γ + 3)^-½} (arXiv:2312.02696v2, eq. 5).
     *
     * @param gamma γ, not negative
     * @return the relative standard deviation
     */
    public static double sigmaRel(double gamma) {
        return Math.sqrt((gamma + 1) / (gamma + 3)) / (gamma + 2);
    }

    /**
     * The inverse of {@link #sigmaRel(double)}: the largest root of {@code σ²·(γ+2)²·(γ+3) = γ + 1}, by Newton's method from
     * above, where the cubic is convex. About 16.97 for 0.05 and 6.94 for 0.10.
     *
     * @param sigmaRel at least 0.001 and at most {@link #LARGEST_SIGMA_REL}, 0.2886
     * @return γ
     * @throws IllegalArgumentException if it is outside
     */
    public static double gamma(double sigmaRel) {
        if (!(sigmaRel >= 0.001 && sigmaRel <= LARGEST_SIGMA_REL)) {
            throw new IllegalArgumentException("sigmaRel must be 0.001 to 0.2886, got " + sigmaRel);
        }
        double square = sigmaRel * sigmaRel;
        double u = 1 / sigmaRel; // γ + 2
        for (int i = 0; i < 100; i++) {
            double value = square * u * u * (u + 1) - u + 1;
            double next = u - value / (square * u * (3 * u + 2) - 1);
            if (!(next < u)) {
                break;
            }
            u = next;
        }
        return Math.max(0, u - 2);
    }

    /**
     * The decay of an update, {@code β = (1 − 1/n)^(γ+1)} with n counted from 1 (arXiv:2312.02696v2, eq. 4): what remains of
     * the average when the n-th weights come in. Steps have equally many pictures, so that their size does not matter.
     *
     * @param gamma γ
     * @param update number of the update, from 0
     * @return 0 at the first update, which copies the weights
     */
    static double decay(double gamma, long update) {
        return Math.pow((double) update / (update + 1), gamma + 1);
    }

    /**
     * {@code ∫ p·q dτ} (arXiv:2312.02696v2, appendix C). With T ≤ T′ it is
     * {@code (γ+1)(γ′+1)/(γ+γ′+1) · (T/T′)^γ′ / T′}: no power of a time, which would overflow.
     *
     * @param other q
     * @return above 0
     */
    public double dot(PowerProfile other) {
        PowerProfile later = other.end > end ? other : this;
        double ratio = Math.min(end, other.end) / later.end;
        return (gamma + 1) * (other.gamma + 1) / (gamma + other.gamma + 1) * Math.pow(ratio, later.gamma) / later.end;
    }

    /** {@code ‖p‖ = (∫ p² dτ)^½}. */
    private double norm() {
        return Math.sqrt(dot(this));
    }

    /**
     * A sum of kept averages in place of one that was not kept.
     *
     * @param factors one a kept average, 1 in all; 0 where others tell as much
     * @param error {@code ‖Σ xᵢ·pᵢ − p‖ / ‖p‖}, the part of the profile that is missed
     */
    public record Fit(List<Double> factors, double error) {
        /**
         * How much the rounding of the kept averages grows.
         *
         * @return the sum of the factors' absolute values, about 1 or more
         */
        public double amplification() {
            return factors.stream().mapToDouble(Math::abs).sum();
        }
    }

    /**
     * Finds the x that make {@code ‖Σ xᵢ·pᵢ − p‖} least: {@code Σⱼ ⟨pᵢ, pⱼ⟩·xⱼ = ⟨pᵢ, p⟩} (arXiv:2312.02696v2, algorithm 3).
     *
     * <p>Differs from algorithm 3: the x sum to 1 (a Lagrange multiplier), because what does not change must come back as it is,
     * and weights here are not normalised as those of the paper are; profiles are brought to norm 1, and one that others tell to
     * 10⁻⁶ gets the factor 0, because neighbouring snapshots make the equations almost singular. A profile that was kept
     * itself is given as it is.
     *
     * @param kept the profiles of the averages at hand, at least one
     * @param wanted p
     * @return the factors in the order of {@code kept}
     */
    public static Fit fit(List<PowerProfile> kept, PowerProfile wanted) {
        int n = kept.size();
        double[] x = new double[n];
        int same = kept.indexOf(wanted);
        if (same >= 0) {
            x[same] = 1;
            return new Fit(boxed(x), 0);
        }
        Gram gram = new Gram(kept);
        double[] g = new double[n]; // ⟨pᵢ, p⟩ of profiles of norm 1
        double[] c = new double[n]; // x = c·y: of profiles of norm 1 to those themselves
        for (int i = 0; i < n; i++) {
            c[i] = wanted.norm() / kept.get(i).norm();
            g[i] = kept.get(i).dot(wanted) / (kept.get(i).norm() * wanted.norm());
        }
        double[] y = gram.solve(g);
        double[] u = gram.solve(c);
        double missed = 1 - dot(g, y);
        double multiplier = (1 - dot(c, y)) / dot(c, u);
        for (int i = 0; i < n; i++) {
            x[i] = c[i] * (y[i] + multiplier * u[i]);
        }
        return new Fit(boxed(x), Math.sqrt(Math.max(0, missed + multiplier * multiplier * dot(c, u))));
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }

    /** The inner products of profiles of norm 1, as a Cholesky factor that takes the most different profile next. */
    private static final class Gram {
        private final int n;
        /** The rows of the factor, for all profiles. */
        private final double[][] factor;
        /** The profiles in the order in which they were taken; {@code rank} of them. */
        private final int[] taken;

        private int rank;

        Gram(List<PowerProfile> profiles) {
            n = profiles.size();
            factor = new double[n][n];
            taken = new int[n];
            double[] norms = profiles.stream().mapToDouble(PowerProfile::norm).toArray();
            double[] left = new double[n];
            Arrays.fill(left, 1);
            while (rank < n) {
                int pivot = largest(left);
                if (left[pivot] < INDEPENDENT) {
                    break;
                }
                double root = Math.sqrt(left[pivot]);
                for (int i = 0; i < n; i++) {
                    double sum = profiles.get(i).dot(profiles.get(pivot)) / (norms[i] * norms[pivot]);
                    for (int k = 0; k < rank; k++) {
                        sum -= factor[i][k] * factor[pivot][k];
                    }
                    factor[i][rank] = i == pivot ? root : sum / root;
                    left[i] -= factor[i][rank] * factor[i][rank];
                }
                left[pivot] = 0;
                taken[rank++] = pivot;
            }
        }

        private static int largest(double[] values) {
            int at = 0;
            for (int i = 1; i < values.length; i++) {
                at = values[i] > values[at] ? i : at;
            }
            return at;
        }

        /** Solves for the profiles that were taken; the others get 0. */
        double[] solve(double[] right) {
            double[] z = new double[rank];
            for (int r = 0; r < rank; r++) {
                double sum = right[taken[r]];
                for (int k = 0; k < r; k++) {
                    sum -= factor[taken[r]][k] * z[k];
                }
                z[r] = sum / factor[taken[r]][r];
            }
            double[] solution = new double[n];
            for (int r = rank - 1; r >= 0; r--) {
                for (int k = r + 1; k < rank; k++) {
                    z[r] -= factor[taken[k]][r] * z[k];
                }
                z[r] /= factor[taken[r]][r];
                solution[taken[r]] = z[r];
            }
            return solution;
        }
    }

    private static List<Double> boxed(double[] values) {
        List<Double> list = new ArrayList<>();
        for (double value : values) {
            list.add(value);
        }
        return List.copyOf(list);
    }
}
