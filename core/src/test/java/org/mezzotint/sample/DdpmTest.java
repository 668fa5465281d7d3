package org.mezzotint.sample;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.mezzotint.diffusion.Denoiser;
import org.mezzotint.diffusion.DiffusionChain;
import org.mezzotint.diffusion.NoiseSchedule;
import org.mezzotint.diffusion.Parameterization;
import org.mezzotint.diffusion.Variance;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class DdpmTest extends SamplerContract {
    @Override
    Sampler sampler() {
        return new Ddpm();
    }

    /** Follows mean and variance of all pictures through the chain, where each step is linear in x, without sampling. */
    @ParameterizedTest
    @MethodSource("everyCombination")
    void samplesHaveTheMeanAndVarianceThatTheStepsAddUpTo(NoiseSchedule schedule, Parameterization parameterization) {
        double[] errors = new double[3];
        for (int k = 0; k < 3; k++) {
            errors[k] = Math.abs(varianceOf(schedule, 50 << k) - 0.25);
        }
        assertThat(errors[1]).isLessThan(0.65 * errors[0]); // first order: half, in the limit
        assertThat(errors[2]).isLessThan(0.65 * errors[1]);

        try (Scope scope = Scope.open();
                SeededNoise noise = new SeededNoise(3)) {
            Denoiser denoiser = DATA.denoiser(schedule, parameterization, Variance.FIXED_SMALL, 10);
            Tensor start = noise.initial(ScalarType.Double, 1, 200, 200);
            Tensor x = sampler().sample(denoiser, start, noise, Sampler.Progress.NONE);
            double expected = varianceOf(schedule, 10);
            assertThat(Math.pow(x.std(true).item_double(), 2)).isCloseTo(expected, within(0.03 * expected));
            assertThat(expected).isLessThan(0.24); // ten steps are too few, and visibly so
        }
    }

    private static double varianceOf(NoiseSchedule schedule, int steps) {
        DiffusionChain chain = schedule.chain(Integer.toString(steps));
        double variance = 1;
        for (int t = steps - 1; t >= 0; t--) {
            double power = chain.alphaBar()[t];
            double noise = chain.oneMinusAlphaBar()[t];
            double guess = Math.sqrt(power) * 0.25 / (power * 0.25 + noise); // dx̂_0/dx
            double slope = chain.posteriorMeanCoef1()[t] * guess + chain.posteriorMeanCoef2()[t];
            variance = slope * slope * variance + (t == 0 ? 0 : chain.posteriorVariance()[t]);
        }
        return variance;
    }

    @Test
    void everyStepButTheLastDrawsNoise() {
        try (Scope scope = Scope.open();
                SeededNoise noise = new SeededNoise(3)) {
            Denoiser denoiser = DATA.denoiser(COSINE, Parameterization.EPS, Variance.FIXED_LARGE, 5);
            List<Integer> drawn = new ArrayList<>();
            sampler()
                    .sample(
                            denoiser,
                            noise.initial(ScalarType.Double, 1, 1, 1),
                            (step, like) -> {
                                drawn.add(step);
                                return noise.draw(step, like);
                            },
                            Sampler.Progress.NONE);
            assertThat(drawn).containsExactly(0, 1, 2, 3);
        }
    }

    @Test
    void theVarianceChangesThePictures() {
        try (Scope scope = Scope.open();
                SeededNoise small = new SeededNoise(3);
                SeededNoise large = new SeededNoise(3)) {
            double[] a = sample(Variance.FIXED_SMALL, small);
            double[] b = sample(Variance.FIXED_LARGE, large);
            assertThat(distance(a, b)).isGreaterThan(0.01);
        }
    }

    private double[] sample(Variance variance, SeededNoise noise) {
        Denoiser denoiser = DATA.denoiser(COSINE, Parameterization.EPS, variance, 10);
        Tensor start = noise.initial(ScalarType.Double, 1, 4, 4);
        return Tensors.doubles(sampler().sample(denoiser, start, noise, Sampler.Progress.NONE));
    }
}
