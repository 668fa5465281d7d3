package org.mezzotint.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class LossWeightingTest {
    /** arXiv:2303.09556v3, section 3.4: its three forms for the three kinds of prediction. */
    @ParameterizedTest
    @ValueSource(doubles = {1e-6, 0.3, 1, 4.999, 5, 5.001, 80, 1e8})
    void minSnrIsThePapersFormulaForEachPrediction(double snr) {
        LossWeighting weighting = new LossWeighting.MinSnr(5);
        double expected = Math.min(snr, 5);
        assertThat(weighting.weight(snr, Parameterization.X0)).isCloseTo(expected, within(1e-12 * expected));
        assertThat(weighting.weight(snr, Parameterization.EPS)).isCloseTo(Math.min(snr, 5) / snr, within(1e-12));
        assertThat(weighting.weight(snr, Parameterization.V)).isCloseTo(Math.min(snr, 5) / (snr + 1), within(1e-12));
    }

    @ParameterizedTest
    @EnumSource
    void gammaLimitsTheWeight(Parameterization parameterization) {
        double one = new LossWeighting.MinSnr(1).weight(100, parameterization);
        double five = new LossWeighting.MinSnr(5).weight(100, parameterization);
        assertThat(five).isCloseTo(5 * one, within(1e-12 * five));
    }

    @ParameterizedTest
    @EnumSource
    void uniformIsOne(Parameterization parameterization) {
        assertThat(new LossWeighting.Uniform().weight(1e-9, parameterization)).isEqualTo(1);
        assertThat(new LossWeighting.Uniform().weight(1e9, parameterization)).isEqualTo(1);
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, -1, Double.NaN})
    void gammaIsAboveZero(double gamma) {
        assertThatThrownBy(() -> new LossWeighting.MinSnr(gamma))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("gamma must be above 0, got " + gamma);
    }
}
