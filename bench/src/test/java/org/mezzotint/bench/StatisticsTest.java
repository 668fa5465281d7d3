package org.mezzotint.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class StatisticsTest {
    @Test
    void theMedianIsTheMiddleValueOrTheMeanOfTheTwoMiddleOnes() {
        assertThat(Statistics.median(new double[] {3})).isEqualTo(3);
        assertThat(Statistics.median(new double[] {9, 1, 2})).isEqualTo(2);
        assertThat(Statistics.median(new double[] {9, 1, 2, 4})).isEqualTo(3);
        assertThatThrownBy(() -> Statistics.median(new double[0])).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void theMedianLeavesItsArgumentAlone() {
        double[] values = {3, 1, 2};
        Statistics.median(values);
        assertThat(values).containsExactly(3, 1, 2);
    }

    /** As numpy.quantile([1, 2, 4, 8], p). */
    @Test
    void quantilesInterpolateLinearly() {
        double[] sorted = {1, 2, 4, 8};
        assertThat(Statistics.quantile(sorted, 0)).isEqualTo(1);
        assertThat(Statistics.quantile(sorted, 0.25)).isEqualTo(1.75);
        assertThat(Statistics.quantile(sorted, 0.9)).isCloseTo(6.8, within(1e-12));
        assertThat(Statistics.quantile(sorted, 1)).isEqualTo(8);
    }

    @Test
    void pairsThatAllHaveTheSameRatioGiveItWithoutDoubt() {
        Statistics.Ratio ratio = Statistics.ratio(new double[] {1, 5, 20}, new double[] {2, 10, 40});
        assertThat(ratio.value()).isCloseTo(2, within(1e-12));
        assertThat(ratio.low()).isCloseTo(2, within(1e-12));
        assertThat(ratio.high()).isCloseTo(2, within(1e-12));
    }

    @Test
    void driftCommonToBothOfAPairDoesNotWidenTheInterval() {
        double[] a = new double[15];
        double[] b = new double[15];
        SplittableRandom random = new SplittableRandom(3);
        for (int i = 0; i < a.length; i++) {
            double drift = 1 + i; // far larger than the effect
            a[i] = drift * (1 + 0.01 * random.nextDouble());
            b[i] = 1.1 * drift * (1 + 0.01 * random.nextDouble());
        }
        Statistics.Ratio ratio = Statistics.ratio(a, b);
        assertThat(ratio.value()).isCloseTo(1.1, within(0.01));
        assertThat(ratio.low()).isGreaterThan(1.08).isLessThanOrEqualTo(ratio.value());
        assertThat(ratio.high()).isLessThan(1.12).isGreaterThanOrEqualTo(ratio.value());
    }

    @Test
    void swappingTheSidesInvertsTheRatio() {
        double[] a = {1, 2, 3, 4, 5};
        double[] b = {2, 3, 3, 5, 9};
        assertThat(Statistics.ratio(b, a).value())
                .isCloseTo(1 / Statistics.ratio(a, b).value(), within(1e-12));
    }

    @Test
    void theSameMeasurementsGiveTheSameInterval() {
        double[] a = {1, 2, 3, 4, 5};
        double[] b = {2, 3, 3, 5, 9};
        assertThat(Statistics.ratio(a, b)).isEqualTo(Statistics.ratio(a, b));
    }

    /** Of 95 % intervals about 95 in 100 hold the truth; medians of 15 pairs come close to that. */
    @Test
    void theIntervalHoldsTheTruthAboutAsOftenAsItSays() {
        SplittableRandom random = new SplittableRandom(7);
        int held = 0;
        for (int trial = 0; trial < 100; trial++) {
            double[] a = new double[15];
            double[] b = new double[15];
            for (int i = 0; i < a.length; i++) {
                a[i] = Math.exp(0.1 * random.nextGaussian());
                b[i] = 1.3 * Math.exp(0.1 * random.nextGaussian());
            }
            Statistics.Ratio ratio = Statistics.ratio(a, b);
            held += ratio.low() <= 1.3 && 1.3 <= ratio.high() ? 1 : 0;
        }
        assertThat(held).isBetween(88, 100);
    }

    @Test
    void valuesMustBePairsAndPositive() {
        assertThatThrownBy(() -> Statistics.ratio(new double[] {1, 2}, new double[] {1}))
                .hasMessageContaining("must be pairs")
                .hasMessageContaining("2 and 1");
        assertThatThrownBy(() -> Statistics.ratio(new double[] {0}, new double[] {1}))
                .hasMessageContaining("above 0");
        assertThatThrownBy(() -> Statistics.ratio(new double[] {1}, new double[] {Double.NaN}))
                .hasMessageContaining("above 0");
    }

    @Test
    void theExponentIsThatOfThePowerLawBehindThePoints() {
        double[] x = {1, 2, 4, 8};
        assertThat(Statistics.exponent(x, new double[] {3, 6, 12, 24})).isCloseTo(1, within(1e-12));
        assertThat(Statistics.exponent(x, new double[] {5, 20, 80, 320})).isCloseTo(2, within(1e-12));
        // a point off the line in the middle: the slope stays
        assertThat(Statistics.exponent(new double[] {1, 2, 4}, new double[] {1, 3, 4}))
                .isCloseTo(1, within(1e-12));
        assertThatThrownBy(() -> Statistics.exponent(new double[] {1}, new double[] {1}))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("x and y must be points, at least two, got 1 and 1");
    }
}
