package org.mezzotint.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** Why schedules are shifted (arXiv:2301.11093v2, section 3.1), by simulation. */
class SnrShiftTest {
    /**
     * A picture of s×s blocks of one colour loses nothing when they are averaged, and its noise loses all but 1/s²: the picture
     * noised by the schedule shifted by s has the SNR of the plain schedule at every time.
     */
    @ParameterizedTest
    @CsvSource({"2, 0.1", "2, 0.8", "4, 0.5", "8, 0.3", "8, 0.7"})
    void averagingMultipliesTheSnrByTheNumberOfPixels(int s, double t) {
        int side = 64;
        try (Scope scope = Scope.open();
                Rng rng = new Rng(s)) {
            Tensor small = rng.normal(ScalarType.Double, 1, 3, side, side);
            long large = (long) side * s;
            Tensor x0 = small.view(1, 3, side, 1, side, 1)
                    .expand(1, 3, side, s, side, s)
                    .reshape(1, 3, large, large);
            Tensor noise = rng.normal(ScalarType.Double, 1, 3, large, large);
            double[][] seen = new double[1][];
            Objective objective = new ScheduledDiffusion(
                            NoiseSchedule.ShiftedCosine.of(side, side * s),
                            Parameterization.V,
                            Variance.FIXED_SMALL,
                            DiffusionLoss.Kind.MSE,
                            new LossWeighting.Uniform())
                    .objective();
            objective.terms(
                    (x, time, cond) -> {
                        seen[0] = Tensors.doubles(x.view(1, 3, side, s, side, s).mean(3L, 5L));
                        return x;
                    },
                    x0,
                    objective.levels(t),
                    noise,
                    Conditioning.none());
            double[] averaged = seen[0];
            double[] clean = Tensors.doubles(small);
            // signal by regression on the clean picture, noise by what it leaves
            double cross = 0;
            double power = 0;
            for (int i = 0; i < clean.length; i++) {
                cross += averaged[i] * clean[i];
                power += clean[i] * clean[i];
            }
            double alpha = cross / power;
            double rest = 0;
            for (int i = 0; i < clean.length; i++) {
                double error = averaged[i] - alpha * clean[i];
                rest += error * error;
            }
            double variance = rest / (clean.length - 1);
            double snr = alpha * alpha / variance;
            double expected = Math.exp(new NoiseSchedule.Cosine(-15, 15).logSnr(t));
            // relative standard errors: √(2/n) of the variance, 2·√(1/(n·SNR)) of α²
            double error = Math.sqrt(2.0 / clean.length + 4 / (clean.length * expected));
            assertThat(snr / expected).isCloseTo(1, within(3.5 * error));
            assertThat(3.5 * error).isLessThan(0.5); // a shift forgotten, or by s in place of s², is found
        }
    }
}
