package org.mezzotint.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.mezzotint.io.Yaml;

/** What every noise schedule promises. */
abstract class ScheduleContract {
    abstract NoiseSchedule schedule();

    /** A spacing that keeps 40 levels. */
    DiffusionChain chain() {
        return schedule().chain("40");
    }

    @Test
    void betasAreAboveZeroAndAtMostOne() {
        assertThat(chain().steps()).isEqualTo(40);
        assertThat(chain().betas()).hasSize(40);
        for (double beta : chain().betas()) {
            assertThat(beta).isGreaterThan(0).isLessThanOrEqualTo(1);
        }
    }

    @Test
    void signalPowerIsTheProductOfWhatEachStepLeaves() {
        double product = 1;
        for (int t = 0; t < 40; t++) {
            product *= 1 - chain().betas()[t];
            assertThat(chain().alphaBar()[t]).isCloseTo(product, within(1e-12 * product + 1e-15));
        }
    }

    @Test
    void signalFallsNoiseRisesAndTheyAddUpToOne() {
        double[] signal = chain().alphaBar();
        double[] noise = chain().oneMinusAlphaBar();
        for (int t = 0; t < 40; t++) {
            assertThat(signal[t] + noise[t]).isCloseTo(1, within(1e-15));
            assertThat(signal[t]).isLessThan(t == 0 ? 1 : signal[t - 1]);
            assertThat(noise[t]).isGreaterThan(t == 0 ? 0 : noise[t - 1]);
        }
    }

    @Test
    void logSnrFalls() {
        DiffusionChain chain = chain();
        for (int t = 0; t < 40; t++) {
            assertThat(chain.logSnr(t))
                    .isCloseTo(Math.log(chain.alphaBar()[t] / chain.oneMinusAlphaBar()[t]), within(1e-9));
            assertThat(chain.logSnr(t)).isLessThan(t == 0 ? Double.POSITIVE_INFINITY : chain.logSnr(t - 1));
        }
    }

    @Test
    void timesRise() {
        double[] times = chain().times();
        IntStream.range(1, 40).forEach(t -> assertThat(times[t]).isGreaterThan(times[t - 1]));
        assertThat(times[0]).isNotNegative();
        assertThat(times[39]).isLessThanOrEqualTo(1000);
    }

    @Test
    void theChainsEndsAreACleanPictureAndPureNoise() {
        DiffusionChain chain = chain();
        assertThat(chain.alphaBarPrev()[0]).isEqualTo(1);
        assertThat(chain.alphaBarNext()[39]).isZero();
        for (int t = 1; t < 40; t++) {
            assertThat(chain.alphaBarPrev()[t]).isEqualTo(chain.alphaBar()[t - 1]);
            assertThat(chain.alphaBarNext()[t - 1]).isEqualTo(chain.alphaBar()[t]);
        }
    }

    /** Bayes' rule for q(x_{t−1} | x_t, x_0): the precisions of the two normal factors add up. */
    @Test
    void thePosteriorIsThatOfBayesRule() {
        DiffusionChain chain = chain();
        for (int t = 1; t < 40; t++) {
            double beta = chain.betas()[t];
            double noise = chain.oneMinusAlphaBar()[t - 1];
            double variance = 1 / ((1 - beta) / beta + 1 / noise);
            assertThat(chain.posteriorVariance()[t] / variance).isCloseTo(1, within(1e-9));
            assertThat(chain.posteriorMeanCoef1()[t] / (variance * Math.sqrt(chain.alphaBar()[t - 1]) / noise))
                    .isCloseTo(1, within(1e-9));
            assertThat(chain.posteriorMeanCoef2()[t] / (variance * Math.sqrt(1 - beta) / beta))
                    .isCloseTo(1, within(1e-9));
        }
        assertThat(chain.posteriorVariance()[0]).isZero();
    }

    @Test
    void tablesAreCopies() {
        DiffusionChain chain = chain();
        chain.betas()[0] = 7;
        chain.times()[0] = 7;
        chain.alphaBar()[0] = 7;
        assertThat(chain.betas()[0]).isNotEqualTo(7);
        assertThat(chain.times()[0]).isNotEqualTo(7);
        assertThat(chain.alphaBar()[0]).isNotEqualTo(7);
    }

    @Test
    void spacingsThatFitNoScheduleAreRefused() {
        for (String spacing : new String[] {"many", "-3", "1.5", "0"}) {
            assertThatThrownBy(() -> schedule().chain(spacing))
                    .as(spacing)
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Test
    void isReadAsItIsWritten() {
        assertThat(Yaml.fromJson(Yaml.toJson(schedule()), "schedule", NoiseSchedule.class))
                .isEqualTo(schedule());
    }

    /** What continuous schedules promise beyond that. */
    abstract static class OfContinuous extends ScheduleContract {
        @Override
        abstract NoiseSchedule.Continuous schedule();

        @Test
        void theChainFollowsLogSnr() {
            DiffusionChain chain = chain();
            for (int i = 0; i < 40; i++) {
                double t = (i + 1) / 40.0;
                double logSnr = schedule().logSnr(t);
                assertThat(chain.logSnr(i)).isCloseTo(logSnr, within(1e-9));
                assertThat(chain.alphaBar()[i] * (1 + Math.exp(-logSnr))).isCloseTo(1, within(1e-12));
                assertThat(chain.oneMinusAlphaBar()[i] * (1 + Math.exp(logSnr))).isCloseTo(1, within(1e-12));
                assertThat(chain.times()[i]).isCloseTo(1000 * t, within(1e-9));
            }
        }

        @Test
        void logSnrFallsOverTheWholeRange() {
            double last = Double.POSITIVE_INFINITY;
            for (int i = 0; i <= 1000; i++) {
                double logSnr = schedule().logSnr(i / 1000.0);
                assertThat(logSnr).isLessThan(last);
                last = logSnr;
            }
        }

        @Test
        void spacingIsANumber() {
            assertThatThrownBy(() -> schedule().chain(""))
                    .hasMessage("the number of steps of a continuous schedule must be 1 to 999999, got ''");
            assertThatThrownBy(() -> schedule().chain("ddim50"))
                    .hasMessage("the number of steps of a continuous schedule must be 1 to 999999, got 'ddim50'");
        }
    }

    /** What schedules of numbered levels promise beyond that. */
    abstract static class OfDiscrete extends ScheduleContract {
        @Override
        abstract NoiseSchedule.Discrete schedule();

        @Test
        void theEmptySpacingKeepsEveryLevel() {
            DiffusionChain all = schedule().chain("");
            assertThat(all.steps()).isEqualTo(schedule().steps());
            assertThat(all.times())
                    .containsExactly(IntStream.range(0, schedule().steps())
                            .asDoubleStream()
                            .toArray());
            assertThat(all.betas()).containsExactly(schedule().betas(), within(1e-12));
        }

        @Test
        void aShorterChainPassesThroughLevelsOfTheWholeOne() {
            double[] all = schedule().chain("").alphaBar();
            DiffusionChain chain = chain();
            for (int t = 0; t < 40; t++) {
                double whole = all[(int) chain.times()[t]];
                assertThat(chain.alphaBar()[t]).isCloseTo(whole, within(1e-12 * whole + 1e-15));
            }
        }
    }
}
