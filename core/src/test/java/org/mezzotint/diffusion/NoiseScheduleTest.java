package org.mezzotint.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Map;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class NoiseScheduleTest {
    @Nested
    class Linear extends ScheduleContract.OfDiscrete {
        @Override
        NoiseSchedule.Discrete schedule() {
            return new NoiseSchedule.Linear(1000);
        }
    }

    @Nested
    class ShortLinear extends ScheduleContract.OfDiscrete {
        @Override
        NoiseSchedule.Discrete schedule() {
            return new NoiseSchedule.Linear(40);
        }
    }

    @Nested
    class SquaredCosine extends ScheduleContract.OfDiscrete {
        @Override
        NoiseSchedule.Discrete schedule() {
            return new NoiseSchedule.SquaredCosine(1000);
        }
    }

    @Nested
    class Cosine extends ScheduleContract.OfContinuous {
        @Override
        NoiseSchedule.Continuous schedule() {
            return new NoiseSchedule.Cosine(-15, 15);
        }
    }

    @Nested
    class ShiftedCosine extends ScheduleContract.OfContinuous {
        @Override
        NoiseSchedule.Continuous schedule() {
            return NoiseSchedule.ShiftedCosine.of(64, 256);
        }
    }

    @Nested
    class InterpolatedCosine extends ScheduleContract.OfContinuous {
        @Override
        NoiseSchedule.Continuous schedule() {
            return NoiseSchedule.InterpolatedCosine.of(32, 256, 512);
        }
    }

    @Test
    void linearBetasAreThoseOfTheFormula() {
        double[] betas = new NoiseSchedule.Linear(500).betas(); // twice the steps of 1000
        for (int i = 0; i < 500; i++) {
            assertThat(betas[i]).isCloseTo(2e-4 + i * (0.04 - 2e-4) / 499, within(1e-16));
        }
        assertThat(new NoiseSchedule.Linear(20).betas()[19]).isEqualTo(1);
    }

    @Test
    void squaredCosineSignalIsThatOfTheFormulaUntilBetaIsCut() {
        double[] signal = new NoiseSchedule.SquaredCosine(100).chain("").alphaBar();
        double start = Math.pow(Math.cos(0.008 / 1.008 * Math.PI / 2), 2);
        for (int i = 0; i < 99; i++) {
            double expected = Math.pow(Math.cos(((i + 1) / 100.0 + 0.008) / 1.008 * Math.PI / 2), 2) / start;
            assertThat(signal[i]).isCloseTo(expected, within(1e-13));
        }
        assertThat(new NoiseSchedule.SquaredCosine(100).betas()[99]).isEqualTo(0.999);
        assertThat(new NoiseSchedule.SquaredCosine(1).betas()).containsExactly(0.999);
    }

    @Test
    void theCosineScheduleEndsAtItsRange() {
        NoiseSchedule.Cosine cosine = new NoiseSchedule.Cosine(-12, 9);
        assertThat(cosine.logSnr(0)).isCloseTo(9, within(1e-9));
        assertThat(cosine.logSnr(1)).isCloseTo(-12, within(1e-9));
        assertThat(new NoiseSchedule.Cosine(-15, 15).logSnr(0.5)).isCloseTo(0, within(1e-12));
    }

    @Test
    void shiftsMoveTheLogarithmByTheRatioOfSizes() {
        NoiseSchedule.Cosine plain = new NoiseSchedule.Cosine(-15, 15);
        NoiseSchedule.ShiftedCosine shifted = NoiseSchedule.ShiftedCosine.of(64, 256);
        NoiseSchedule.InterpolatedCosine between = NoiseSchedule.InterpolatedCosine.of(32, 256, 512);
        for (double t = 0; t <= 1; t += 0.125) {
            assertThat(shifted.logSnr(t)).isCloseTo(plain.logSnr(t) - 4 * Math.log(2), within(1e-9));
            double shift = t * -2 * Math.log(2) + (1 - t) * -8 * Math.log(2);
            assertThat(between.logSnr(t)).isCloseTo(plain.logSnr(t) + shift, within(1e-9));
        }
    }

    /** Δ = 2·log(64/256) = −2.77: the ends move by Δ, not at all, or by 3/2·Δ; between them the curves differ little. */
    @Test
    void theEndsMoveStayOrMoveFurther() {
        double shift = -4 * Math.log(2);
        Map<NoiseSchedule.Ends, Double> expected = Map.of(
                NoiseSchedule.Ends.MOVED,
                shift,
                NoiseSchedule.Ends.KEPT,
                0.0,
                NoiseSchedule.Ends.MOVED_FURTHER,
                1.5 * shift);
        for (NoiseSchedule.Ends ends : NoiseSchedule.Ends.values()) {
            NoiseSchedule.ShiftedCosine shifted = new NoiseSchedule.ShiftedCosine(-15, 15, 64, 256, ends);
            double moved = expected.get(ends);
            assertThat(shifted.logSnr(0)).isCloseTo(15 + moved, within(1e-12));
            assertThat(shifted.logSnr(1)).isCloseTo(-15 + moved, within(1e-12));
            assertThat(shifted.logSnr(0.5)).isCloseTo(shift, within(0.01));
            NoiseSchedule.InterpolatedCosine between = new NoiseSchedule.InterpolatedCosine(-15, 15, 32, 64, 256, ends);
            assertThat(between.logSnr(1)).isCloseTo(shifted.logSnr(1), within(1e-12));
            assertThat(between.logSnr(0)).isCloseTo(15 + 1.5 * moved, within(1e-12)); // 32 is 3/2 as far as 64
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {19, 0, -1, 1_000_001})
    void linearNeedsTwentySteps(int steps) {
        assertThatThrownBy(() -> new NoiseSchedule.Linear(steps))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("steps of a linear schedule must be 20 to 1000000, got " + steps);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1_000_001})
    void squaredCosineNeedsAStep(int steps) {
        assertThatThrownBy(() -> new NoiseSchedule.SquaredCosine(steps))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("steps of a squared-cosine schedule must be 1 to 1000000, got " + steps);
    }

    @Test
    void cosineNeedsARange() {
        String rule = "logSnrMin must be below logSnrMax, both within -100 and 100, got ";
        assertThatThrownBy(() -> new NoiseSchedule.Cosine(15, -15)).hasMessage(rule + "15.0 and -15.0");
        assertThatThrownBy(() -> new NoiseSchedule.Cosine(-101, 15)).hasMessage(rule + "-101.0 and 15.0");
        assertThatThrownBy(() -> new NoiseSchedule.Cosine(-15, 101)).hasMessage(rule + "-15.0 and 101.0");
        assertThatThrownBy(() -> new NoiseSchedule.Cosine(Double.NaN, 15)).hasMessage(rule + "NaN and 15.0");
        assertThatThrownBy(() -> new NoiseSchedule.ShiftedCosine(3, 3, 1, 1, NoiseSchedule.Ends.MOVED))
                .hasMessage(rule + "3.0 and 3.0");
        assertThatThrownBy(() -> NoiseSchedule.ShiftedCosine.of(0, 64))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("referenceSize and imageSize must be at least 1, got 0 and 64");
        assertThatThrownBy(() -> NoiseSchedule.ShiftedCosine.of(64, 0))
                .hasMessage("referenceSize and imageSize must be at least 1, got 64 and 0");
        assertThatThrownBy(() -> NoiseSchedule.InterpolatedCosine.of(32, 0, 64))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("lowSize must be at least 1 and at most highSize, got 32 and 0");
        assertThatThrownBy(() -> NoiseSchedule.InterpolatedCosine.of(0, 32, 64))
                .hasMessage("lowSize must be at least 1 and at most highSize, got 0 and 32");
        assertThatThrownBy(() -> NoiseSchedule.InterpolatedCosine.of(256, 32, 512))
                .hasMessage("lowSize must be at least 1 and at most highSize, got 256 and 32");
        assertThatThrownBy(() -> NoiseSchedule.InterpolatedCosine.of(16, 512, 512))
                .hasMessage(
                        "lowSize and highSize lie so far apart that the log SNR would rise on the way, got 16 and 512");
        assertThatThrownBy(() -> NoiseSchedule.InterpolatedCosine.of(32, 64, 0))
                .hasMessage("imageSize must be at least 1, got 0");
        assertThatThrownBy(() -> new NoiseSchedule.ShiftedCosine(-15, 15, 64, 64, null))
                .hasMessage("ends must be given");
    }

    @Test
    void aChainOfLogSnrsMustFall() {
        assertThatThrownBy(() -> DiffusionChain.ofLogSnr(new double[] {3, 1, 1}, new double[3]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("log SNR must decrease, got 1.0 then 1.0");
    }
}
