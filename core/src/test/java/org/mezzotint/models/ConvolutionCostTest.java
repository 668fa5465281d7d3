package org.mezzotint.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ConvolutionCostTest {
    private static final double MEBI = 1 << 20;
    private static final double GIBI = 1 << 30;

    /** Table 1: 2.8 MB, 16 GB, 9; and 180 MB, 0.5 GB, 2.3, in binary units. */
    @ParameterizedTest
    @CsvSource({"256, 128, 2.8125, 16, 9", "16, 1024, 180, 0.5, 2.25"})
    void theFirstTableOfThePaper(int size, int channels, double kernelMebi, double featureGibi, double macsTebi) {
        ConvolutionCost cost = new ConvolutionCost(1024, size, channels);
        assertThat(cost.kernelBytes() / MEBI).isCloseTo(kernelMebi, within(1e-12));
        assertThat(cost.featureBytes() / GIBI).isCloseTo(featureGibi, within(1e-12));
        assertThat(cost.macs() / GIBI / 1024).isCloseTo(macsTebi, within(1e-12));
    }

    @Test
    void nonsenseIsRefused() {
        assertThatThrownBy(() -> new ConvolutionCost(1, 0, 8))
                .hasMessage("batch, size and channels must be at least 1, got 1, 0 and 8");
        assertThatThrownBy(() -> new ConvolutionCost(2_000_000_000, 256, 128))
                .hasMessage("batch, size and channels are too large to count, got 2000000000, 256 and 128");
    }
}
