package org.mezzotint.sample;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.diffusion.Denoiser;
import org.mezzotint.diffusion.NoiseSchedule;
import org.mezzotint.diffusion.Parameterization;
import org.mezzotint.diffusion.Variance;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class InterpolatedDdpmTest extends SamplerContract {
    private static final NoiseSchedule SHIFTED = NoiseSchedule.ShiftedCosine.of(64, 256);

    @Override
    Sampler sampler() {
        return new InterpolatedDdpm(0.2);
    }

    private static double[] sample(Sampler sampler, Variance variance, int side, int steps) {
        try (Scope scope = Scope.open();
                SeededNoise noise = new SeededNoise(3)) {
            Denoiser denoiser = DATA.denoiser(SHIFTED, Parameterization.V, variance, steps);
            Tensor start = noise.initial(ScalarType.Double, 1, side, side);
            return Tensors.doubles(sampler.sample(denoiser, start, noise, Sampler.Progress.NONE));
        }
    }

    @Test
    void itsEndsAreTheTwoFixedVariances() {
        assertThat(sample(new InterpolatedDdpm(0), Variance.FIXED_SMALL, 4, 10))
                .containsExactly(sample(new Ddpm(), Variance.FIXED_SMALL, 4, 10), within(1e-12));
        // the denoiser's own variance does not matter
        assertThat(sample(new InterpolatedDdpm(1), Variance.FIXED_SMALL, 4, 10))
                .containsExactly(sample(new Ddpm(), Variance.FIXED_LARGE, 4, 10), within(1e-12));
        assertThat(distance(
                        sample(new InterpolatedDdpm(0), Variance.FIXED_SMALL, 4, 10),
                        sample(new InterpolatedDdpm(0.2), Variance.FIXED_SMALL, 4, 10)))
                .isGreaterThan(0.001);
    }

    /** Each step is linear in x for Gaussian data, so the pictures' variance follows from the log SNRs alone. */
    @ParameterizedTest
    @ValueSource(doubles = {0, 0.2, 1})
    void samplesHaveTheVarianceThatTheStepsAddUpTo(double nu) {
        int steps = 20;
        double[] x = sample(new InterpolatedDdpm(nu), Variance.FIXED_SMALL, 200, steps);
        double mean = 0;
        for (double value : x) {
            mean += value / x.length;
        }
        double variance = 0;
        for (double value : x) {
            variance += (value - mean) * (value - mean) / x.length;
        }
        double expected = varianceOf(nu, steps);
        assertThat(variance).isCloseTo(expected, within(4 * Math.sqrt(2.0 / x.length) * expected));
    }

    /** By the formulas in the class comment, from t = i/n to s = (i − 1)/n. */
    private static double varianceOf(double nu, int steps) {
        NoiseSchedule.Continuous schedule = (NoiseSchedule.Continuous) SHIFTED;
        double variance = 1;
        for (int i = steps; i >= 1; i--) {
            double logSnrT = schedule.logSnr((double) i / steps);
            double alphaT = Math.sqrt(1 / (1 + Math.exp(-logSnrT)));
            double noiseT = 1 / (1 + Math.exp(logSnrT));
            double guess = alphaT * 0.25 / (alphaT * alphaT * 0.25 + noiseT); // dx̂_0/dx
            if (i == 1) {
                return guess * guess * variance;
            }
            double logSnrS = schedule.logSnr((i - 1.0) / steps);
            double alphaS = Math.sqrt(1 / (1 + Math.exp(-logSnrS)));
            double noiseS = 1 / (1 + Math.exp(logSnrS));
            double c = -Math.expm1(logSnrT - logSnrS);
            double slope = alphaS * ((1 - c) / alphaT + c * guess);
            variance = slope * slope * variance + Math.exp(nu * Math.log(c * noiseT) + (1 - nu) * Math.log(c * noiseS));
        }
        throw new IllegalStateException();
    }

    @Test
    void theLastStepReturnsTheGuessAndDrawsNoNoise() {
        try (Scope scope = Scope.open();
                SeededNoise noise = new SeededNoise(3)) {
            List<double[]> guesses = new ArrayList<>();
            Denoiser denoiser = DATA.denoiser(SHIFTED, Parameterization.V, Variance.FIXED_SMALL, 5)
                    .watched(guess -> guesses.add(Tensors.doubles(guess)));
            List<Integer> drawn = new ArrayList<>();
            Tensor x = sampler()
                    .sample(
                            denoiser,
                            noise.initial(ScalarType.Double, 1, 2, 2),
                            (step, like) -> {
                                drawn.add(step);
                                return noise.draw(step, like);
                            },
                            Sampler.Progress.NONE);
            assertThat(drawn).containsExactly(0, 1, 2, 3);
            assertThat(Tensors.doubles(x)).containsExactly(guesses.get(4), within(1e-12));
        }
    }

    @Test
    void aChainOfOneStepGivesTheGuess() {
        assertThat(Arrays.stream(sample(sampler(), Variance.FIXED_SMALL, 3, 1))).allMatch(Double::isFinite);
    }

    @ParameterizedTest
    @ValueSource(doubles = {-0.1, 1.1, Double.NaN})
    void nuIsAShare(double nu) {
        assertThatThrownBy(() -> new InterpolatedDdpm(nu)).hasMessage("nu must be 0 to 1, got " + nu);
    }
}
