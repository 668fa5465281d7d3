package org.mezzotint.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.mezzotint.golden.Golden;
import org.mezzotint.io.InputException;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class FrechetDistanceGoldenTest {
    private static Moments moments(Tensor features) {
        try (FeatureStats stats = new FeatureStats(features.size(1))) {
            stats.add(features);
            return stats.moments();
        }
    }

    /** The tolerance is the stated share of tr Σ₁ + tr Σ₂. */
    @ParameterizedTest
    @CsvSource({
        "fd-wellconditioned,1e-10",
        "fd-self,1e-10",
        "fd-constant,1e-10",
        "fd-badly-scaled,1e-8",
        "fd-low-rank,1e-6",
        "fd-n-below-d,1e-6"
    })
    void distanceIsTheExactOne(String name, double tolerance) {
        try (Scope scope = Scope.open();
                Golden golden = Golden.open("metrics/" + name)) {
            Moments a = moments(golden.get("in.features1"));
            Moments b = moments(golden.get("in.features2"));
            Golden.assertCloseToLargest("mu1", Tensors.doubles(a.mean()), golden.doubles("out.mu1"), 1e-12);
            Golden.assertCloseToLargest("mu2", Tensors.doubles(b.mean()), golden.doubles("out.mu2"), 1e-12);
            if (golden.has("out.sigma1")) {
                Golden.assertCloseToLargest(
                        "sigma1", Tensors.doubles(a.covariance()), golden.doubles("out.sigma1"), 1e-12);
                Golden.assertCloseToLargest(
                        "sigma2", Tensors.doubles(b.covariance()), golden.doubles("out.sigma2"), 1e-12);
            }
            double traces = golden.doubles("out.sigma1_trace")[0] + golden.doubles("out.sigma2_trace")[0];
            double allowed = Math.max(1e-10, tolerance * traces);
            double expected = golden.doubles("out.fd")[0];
            assertThat(FrechetDistance.between(a, b)).isCloseTo(expected, within(allowed));
            assertThat(FrechetDistance.between(b, a)).isCloseTo(expected, within(allowed));
        }
    }

    /** Far closer than the tolerance asks: the point of singular values. */
    @Test
    void singularCovariancesLoseNothing() {
        try (Scope scope = Scope.open();
                Golden golden = Golden.open("metrics/fd-n-below-d")) {
            double distance =
                    FrechetDistance.between(moments(golden.get("in.features1")), moments(golden.get("in.features2")));
            assertThat(distance).isCloseTo(golden.doubles("out.fd")[0], within(1e-8));
        }
    }

    @Test
    void diagonalCovariancesGiveTheClosedForm() {
        try (Scope scope = Scope.open()) {
            Moments a =
                    new Moments(Tensors.of(1, 2, 3), Tensors.of(4.0, 0.25, 0).diag());
            Moments b = new Moments(Tensors.of(1, 0, 3), Tensors.of(9.0, 1, 16).diag());
            // |δ|² = 4; (2−3)² + (½−1)² + (0−4)²
            assertThat(FrechetDistance.between(a, b)).isCloseTo(4 + 1 + 0.25 + 16, within(1e-12));
        }
    }

    /** The factor for singular matrices multiplies back to the matrix and has as many columns as its rank. */
    @ParameterizedTest
    @CsvSource({"fd-wellconditioned,64", "fd-n-below-d,59"})
    void pivotedFactorRevealsTheRank(String name, long rank) {
        try (Scope scope = Scope.open();
                Golden golden = Golden.open("metrics/" + name)) {
            Tensor covariance = moments(golden.get("in.features1")).covariance();
            Tensor inverse = covariance.diagonal().rsqrt();
            Tensor correlation = covariance.mul(inverse).mul(inverse.view(-1, 1));
            Tensor factor = FrechetDistance.pivoted(correlation);
            assertThat(factor.size(1)).isEqualTo(rank);
            Golden.assertClose("A Aᵀ", Tensors.doubles(factor.matmul(factor.t())), Tensors.doubles(correlation), 1e-12);
        }
    }

    @Test
    void dimensionsWithoutVarianceAndScalesDoNotMatter() {
        try (Scope scope = Scope.open()) {
            Tensor zero = Tensors.of(0.0, 0, 0);
            Moments a = new Moments(zero, Tensors.of(1e-12, 0, 1e12).diag());
            Moments b = new Moments(zero, Tensors.of(4e-12, 0, 0).diag());
            assertThat(FrechetDistance.between(a, b)).isCloseTo(1e12, within(1e-3));
            Tensor small = Tensors.of(1e-12, 1e-12, 0, 1e-12, 1e-12, 0, 0, 0, 0).view(3, 3);
            assertThat(FrechetDistance.between(new Moments(zero, small), b)).isCloseTo(2e-12, within(1e-16));
        }
    }

    @Test
    void refusesWhatIsNoCovariance() {
        try (Scope scope = Scope.open()) {
            Tensor zero = Tensors.of(0.0, 0);
            Moments good = new Moments(zero, Tensors.of(1.0, 1).diag());
            Moments negative = new Moments(zero, Tensors.of(1.0, -0.5).diag());
            assertThatThrownBy(() -> FrechetDistance.between(good, negative))
                    .isInstanceOf(InputException.class)
                    .hasMessage("a variance must not be negative, got -0.5");
            Moments impossible = new Moments(zero, Tensors.of(1.0, 2, 2, 1).view(2, 2));
            assertThatThrownBy(() -> FrechetDistance.between(good, impossible))
                    .isInstanceOf(InputException.class)
                    .hasMessageStartingWith(
                            "a covariance must have no negative eigenvalues: this one has correlations");
            Moments hollow = new Moments(zero, Tensors.of(0.0, 1, 1, 0).view(2, 2));
            assertThatThrownBy(() -> FrechetDistance.between(good, hollow))
                    .isInstanceOf(InputException.class)
                    .hasMessage("a dimension without variance must not be correlated with another");
            Moments nan = new Moments(zero, Tensors.of(1.0, Double.NaN).diag());
            assertThatThrownBy(() -> FrechetDistance.between(nan, good))
                    .isInstanceOf(InputException.class)
                    .hasMessage("means and covariances must be finite");
            Moments three =
                    new Moments(Tensors.of(0.0, 0, 0), Tensors.of(1.0, 1, 1).diag());
            assertThatThrownBy(() -> FrechetDistance.between(good, three))
                    .isInstanceOf(InputException.class)
                    .hasMessageStartingWith("both sets must have as many dimensions, got 2 and 3");
            assertThatThrownBy(() -> new Moments(zero, Tensors.empty(ScalarType.Double, 2, 3)))
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }
}
