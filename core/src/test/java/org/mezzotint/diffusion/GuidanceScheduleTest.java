package org.mezzotint.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class GuidanceScheduleTest {
    @Test
    void constantIsTheScale() {
        assertThat(new GuidanceSchedule.Constant().weight(4, 0.3, 0.9)).isEqualTo(4);
    }

    @Test
    void anIntervalHasItsUpperEnd() {
        GuidanceSchedule schedule = new GuidanceSchedule.Interval(0.28, 2.9);
        assertThat(schedule.weight(4, 0.28, 0)).isEqualTo(1);
        assertThat(schedule.weight(4, 0.29, 0)).isEqualTo(4);
        assertThat(schedule.weight(4, 2.9, 0)).isEqualTo(4);
        assertThat(schedule.weight(4, 2.91, 0)).isEqualTo(1);
    }

    /** The values of the formula at s = 4.4, p = 4. */
    @Test
    void thePowerCosineRisesTowardsTheCleanEnd() {
        GuidanceSchedule schedule = new GuidanceSchedule.PowerCosine(4);
        double[] times = {0.75, 0.5, 0.25, 0.1, 0};
        double[] weights = {1.0001, 1.0327, 1.7729, 3.5007, 4.4};
        for (int i = 0; i < times.length; i++) {
            assertThat(schedule.weight(4.4, 1, times[i])).isCloseTo(weights[i], within(5e-5));
        }
    }

    @Test
    void theFractionIsThatOfTheSchedule() {
        ScheduledDiffusion discrete = ScheduledDiffusion.dit();
        assertThat(discrete.fraction(250)).isEqualTo(0.25);
        assertThat(new FlowMatching(Interpolant.LINEAR, new FlowTime.Uniform(), 1, FlowMatching.Convention.TO_NOISE)
                        .fraction(250))
                .isEqualTo(0.25);
        assertThat(new PreconditionedDiffusion(
                                0.5, 0.01, 80, new SigmaDensity.LogNormal(0, 1), new SigmaWeighting.Edm(), 1)
                        .fraction(1))
                .isCloseTo(0.5, within(1e-12));
    }

    @Test
    void badNumbersAreRefused() {
        assertThatThrownBy(() -> new GuidanceSchedule.Interval(2, 1))
                .hasMessage("the interval of guidance must have 0 <= sigmaMin < sigmaMax, got 2.0 and 1.0");
        assertThatThrownBy(() -> new GuidanceSchedule.PowerCosine(0)).hasMessage("power must be above 0, got 0.0");
    }
}
