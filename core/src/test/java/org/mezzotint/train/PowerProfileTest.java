package org.mezzotint.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.DoubleUnaryOperator;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PowerProfileTest {
    private static final double[] LENGTHS = {0.002, 0.01, 0.03, 0.05, 0.1, 0.15, 0.2, 0.25, 0.28, 0.2886};

    /** The midpoint rule on 2^20 cells. */
    private static double integral(double end, DoubleUnaryOperator f) {
        int n = 1 << 20;
        double sum = 0;
        for (int i = 0; i < n; i++) {
            sum += f.applyAsDouble((i + 0.5) * end / n);
        }
        return sum * end / n;
    }

    private static double density(PowerProfile p, double tau) {
        return tau > p.end() ? 0 : (p.gamma() + 1) / p.end() * Math.pow(tau / p.end(), p.gamma());
    }

    /** arXiv:2312.02696v2, section 3.1: "γ ≈ 16.97 and 6.94" for the two lengths of the paper. */
    @Test
    void lengthsOfThePaperHaveItsExponents() {
        assertThat(PowerProfile.gamma(0.05)).isCloseTo(16.97, Offset.offset(0.005));
        assertThat(PowerProfile.gamma(0.10)).isCloseTo(6.94, Offset.offset(0.005));
        assertThat(PowerProfile.gamma(PowerProfile.LARGEST_SIGMA_REL)).isCloseTo(0, Offset.offset(1e-12));
    }

    @Test
    void gammaIsTheLargestRootOfTheCubicAndTheInverse() {
        for (double sigmaRel : LENGTHS) {
            double gamma = PowerProfile.gamma(sigmaRel);
            double t = 1 / (sigmaRel * sigmaRel);
            // arXiv:2312.02696v2, algorithm 2: γ³ + 7γ² + (16 − σ⁻²)γ + (12 − σ⁻²) = 0
            double cubic = ((gamma + 7) * gamma + 16 - t) * gamma + 12 - t;
            assertThat(cubic / (t * (gamma + 1))).isCloseTo(0, Offset.offset(1e-12));
            assertThat(gamma).isCloseTo(largestRoot(7, 16 - t, 12 - t), Offset.offset(1e-9 * (1 + gamma)));
            assertThat(PowerProfile.sigmaRel(gamma)).isCloseTo(sigmaRel, Offset.offset(1e-13));
        }
    }

    /** Of x³ + a·x² + b·x + c with three real roots: Viète's formula. */
    private static double largestRoot(double a, double b, double c) {
        double p = b - a * a / 3;
        double q = 2 * a * a * a / 27 - a * b / 3 + c;
        double angle = Math.acos(Math.max(-1, Math.min(1, 3 * q / (2 * p) * Math.sqrt(-3 / p)))) / 3;
        return 2 * Math.sqrt(-p / 3) * Math.cos(angle) - a / 3;
    }

    @Test
    void profileHasMassOneAndItsStandardDeviation() {
        for (double sigmaRel : new double[] {0.03, 0.05, 0.1, 0.25}) {
            PowerProfile p = PowerProfile.of(sigmaRel, 500);
            double mean = integral(500, tau -> tau * density(p, tau));
            double variance = integral(500, tau -> (tau - mean) * (tau - mean) * density(p, tau));
            assertThat(integral(500, tau -> density(p, tau))).isCloseTo(1, Offset.offset(1e-8));
            assertThat(Math.sqrt(variance) / 500).isCloseTo(sigmaRel, Offset.offset(1e-8));
        }
    }

    @Test
    void innerProductsEqualNumericIntegration() {
        List<PowerProfile> all = List.of(
                PowerProfile.of(0.05, 300),
                PowerProfile.of(0.1, 300),
                PowerProfile.of(0.1, 200),
                PowerProfile.of(0.25, 700),
                PowerProfile.of(0.05, 650));
        for (PowerProfile a : all) {
            for (PowerProfile b : all) {
                double end = Math.min(a.end(), b.end());
                double expected = integral(end, tau -> density(a, tau) * density(b, tau));
                assertThat(a.dot(b)).isCloseTo(expected, Offset.offset(1e-7 * expected + 1e-18));
            }
        }
    }

    /** Powers of picture counts would overflow a double. */
    @Test
    void shortAveragesOfLongRunsStayFinite() {
        PowerProfile p = PowerProfile.of(0.001, 4e9);
        PowerProfile q = PowerProfile.of(0.05, 2e9);
        assertThat(p.dot(p)).isBetween(1e-8, 1.0);
        assertThat(p.dot(q)).isNotNegative().isFinite();
    }

    @ParameterizedTest
    @ValueSource(doubles = {0.02, 0.05, 0.1, 0.28})
    void updatesByTheDecayGiveTheWeightsOfTheProfile(double sigmaRel) {
        double gamma = PowerProfile.gamma(sigmaRel);
        int n = 400;
        double[] weights = new double[n];
        for (int update = 0; update < n; update++) {
            double decay = PowerProfile.decay(gamma, update);
            for (int k = 0; k < update; k++) {
                weights[k] *= decay;
            }
            weights[update] = 1 - decay;
        }
        for (int k = 0; k < n; k++) {
            // the profile's mass while the weights stood: ((k+1)^(γ+1) − k^(γ+1)) / n^(γ+1)
            double mass = Math.pow((k + 1.0) / n, gamma + 1) - Math.pow((double) k / n, gamma + 1);
            assertThat(weights[k]).isCloseTo(mass, Offset.offset(1e-14));
        }
    }

    /** The weights of n steps in an average that is kept by its decays. */
    private static double[] mass(PowerProfile p, int n) {
        double[] mass = new double[n];
        for (int k = 0; k < Math.min(n, p.end()); k++) {
            mass[k] = Math.pow((k + 1) / p.end(), p.gamma() + 1) - Math.pow(k / p.end(), p.gamma() + 1);
        }
        return mass;
    }

    private static List<PowerProfile> twoLengths(int every, int end) {
        List<PowerProfile> kept = new ArrayList<>();
        for (int t = every; t <= end; t += every) {
            kept.add(PowerProfile.of(0.05, t));
            kept.add(PowerProfile.of(0.10, t));
        }
        return kept;
    }

    private static double[] sum(List<PowerProfile> kept, PowerProfile.Fit fit, int n) {
        double[] sum = new double[n];
        for (int i = 0; i < kept.size(); i++) {
            double[] mass = mass(kept.get(i), n);
            for (int k = 0; k < n; k++) {
                sum[k] += fit.factors().get(i) * mass[k];
            }
        }
        return sum;
    }

    private static double norm(double[] values) {
        double sum = 0;
        for (double value : values) {
            sum += value * value;
        }
        return Math.sqrt(sum);
    }

    /**
     * 32 snapshots of the paper's two lengths over 8192 steps. The error is the paper's: what the sum of profiles misses, over
     * the norm of the profile wanted. The sum of the steps' own weights misses as much as the fit says.
     */
    @ParameterizedTest
    @CsvSource({
        "0.03, 0.012",
        "0.05, 1e-300",
        "0.06, 9e-4",
        "0.08, 8e-4",
        "0.1, 1e-300",
        "0.13, 0.0014",
        "0.2, 0.0065",
        "0.25, 0.035"
    })
    void profilesBetweenAndAroundTheKeptOnesAreRebuilt(double sigmaRel, double most) {
        int n = 8192;
        List<PowerProfile> kept = twoLengths(n / 32, n);
        PowerProfile wanted = PowerProfile.of(sigmaRel, n);
        PowerProfile.Fit fit = PowerProfile.fit(kept, wanted);
        double[] rebuilt = sum(kept, fit, n);
        double[] truth = mass(wanted, n);
        double[] difference = new double[n];
        for (int k = 0; k < n; k++) {
            difference[k] = rebuilt[k] - truth[k];
        }
        double error = norm(difference) / norm(truth);
        assertThat(error).isLessThan(most);
        assertThat(fit.error()).isCloseTo(error, Offset.offset(1e-5));
        assertThat(fit.amplification()).isLessThan(11);
    }

    @Test
    void rebuiltAverageOfARandomWalkEqualsTheOneThatWouldHaveBeenKept() {
        int n = 8192;
        SplittableRandom random = new SplittableRandom(5);
        double[] walk = new double[n];
        for (int k = 1; k < n; k++) {
            walk[k] = walk[k - 1] + random.nextGaussian();
        }
        List<PowerProfile> kept = twoLengths(n / 32, n);
        PowerProfile wanted = PowerProfile.of(0.08, n);
        double[] truth = mass(wanted, n);
        double[] rebuilt = sum(kept, PowerProfile.fit(kept, wanted), n);
        double expected = 0;
        double got = 0;
        double size = 0;
        for (int k = 0; k < n; k++) {
            expected += truth[k] * walk[k];
            got += rebuilt[k] * walk[k];
            size = Math.max(size, Math.abs(walk[k]));
        }
        assertThat(got).isCloseTo(expected, Offset.offset(1e-3 * size));
    }

    @Test
    void moreSnapshotsMissLess() {
        PowerProfile wanted = PowerProfile.of(0.07, 1024);
        double few = PowerProfile.fit(twoLengths(256, 1024), wanted).error();
        double more = PowerProfile.fit(twoLengths(64, 1024), wanted).error();
        double many = PowerProfile.fit(twoLengths(16, 1024), wanted).error();
        assertThat(more).isLessThan(few);
        assertThat(many).isLessThan(more);
    }

    @Test
    void aKeptProfileIsGivenAsItIs() {
        List<PowerProfile> kept = twoLengths(64, 1024);
        for (int at : new int[] {0, 7, 31}) {
            PowerProfile.Fit fit = PowerProfile.fit(kept, kept.get(at));
            assertThat(fit.error()).isZero();
            assertThat(fit.amplification()).isEqualTo(1);
            assertThat(fit.factors().get(at)).isEqualTo(1);
        }
    }

    @Test
    void factorsSumToOneSoThatWhatStandsStillComesBack() {
        for (int every : new int[] {512, 256, 64, 16}) {
            for (double sigmaRel : new double[] {0.03, 0.07, 0.2}) {
                PowerProfile.Fit fit = PowerProfile.fit(twoLengths(every, 1024), PowerProfile.of(sigmaRel, 1024));
                double sum =
                        fit.factors().stream().mapToDouble(Double::doubleValue).sum();
                assertThat(sum).isCloseTo(1, Offset.offset(1e-9));
            }
        }
    }

    /** A second way to the least squares: the equations with their multiplier, by Gaussian elimination in their order. */
    @Test
    void factorsSolveTheNormalEquations() {
        List<PowerProfile> kept = twoLengths(256, 1024);
        PowerProfile wanted = PowerProfile.of(0.07, 1024);
        int n = kept.size();
        double[][] a = new double[n + 1][n + 2];
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < n; j++) {
                a[i][j] = kept.get(i).dot(kept.get(j));
            }
            a[i][n] = 1;
            a[n][i] = 1;
            a[i][n + 1] = kept.get(i).dot(wanted);
        }
        a[n][n + 1] = 1;
        for (int c = 0; c <= n; c++) {
            for (int r = 0; r <= n; r++) {
                double share = r == c ? 0 : a[r][c] / a[c][c];
                for (int k = c; k <= n + 1; k++) {
                    a[r][k] -= share * a[c][k];
                }
            }
        }
        PowerProfile.Fit fit = PowerProfile.fit(kept, wanted);
        for (int i = 0; i < n; i++) {
            assertThat(fit.factors().get(i)).isCloseTo(a[i][n + 1] / a[i][i], Offset.offset(1e-8));
        }
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, -0.1, 0.0009, 0.289, 1, Double.NaN})
    void lengthsOutsideAreRefused(double sigmaRel) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> PowerProfile.gamma(sigmaRel))
                .withMessage("sigmaRel must be 0.001 to 0.2886, got " + sigmaRel);
    }
}
