package org.mezzotint.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class SweepTest {
    @Test
    void aPointIsALineWithItsMedianAndItsExtremes() {
        Sweep.Point point = new Sweep.Point("HDiT, ours", "train", 64, new double[] {0.5, 0.25, 1}, 512.4);
        assertThat(Sweep.csv(List.of(point))).isEqualTo("""
                        series,workload,size,pixels,seconds_median,seconds_least,seconds_most,peak_rss_mb
                        "HDiT, ours",train,64,4096,0.500000,0.250000,1.000000,512
                        """);
    }

    @Test
    void aLegendTellsTheExponentOfAllPointsAndOfTheLastTwo() {
        double[] pixels = {1, 10, 100};
        assertThat(Sweep.label("HDiT", pixels, new double[] {1, 1, 100}))
                .isEqualTo("HDiT: exponent 1.00, at the end 2.00");
        assertThat(Sweep.label("HDiT", new double[] {1}, new double[] {1})).isEqualTo("HDiT");
    }
}
