package org.mezzotint.sample;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.mezzotint.diffusion.Denoiser;
import org.mezzotint.diffusion.NoiseSchedule;
import org.mezzotint.diffusion.Parameterization;
import org.mezzotint.diffusion.Variance;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** What every sampler promises, on data of which everything is known. */
abstract class SamplerContract {
    /** So many levels that the last step, from the cleanest of them to a picture, makes no difference. */
    static final NoiseSchedule LINEAR = new NoiseSchedule.Linear(20_000);

    static final NoiseSchedule SQUARED_COSINE = new NoiseSchedule.SquaredCosine(20_000);
    static final NoiseSchedule COSINE = new NoiseSchedule.Cosine(-15, 15);
    static final GaussianData DATA = new GaussianData(0.3, 0.5);

    abstract Sampler sampler();

    static Stream<Arguments> everyCombination() {
        return Stream.of(LINEAR, SQUARED_COSINE, COSINE).flatMap(schedule -> Stream.of(Parameterization.values())
                .map(parameterization -> Arguments.of(schedule, parameterization)));
    }

    static double distance(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += (a[i] - b[i]) * (a[i] - b[i]);
        }
        return Math.sqrt(sum / a.length);
    }

    @ParameterizedTest
    @MethodSource("everyCombination")
    void picturesHaveTheDatasMeanAndVariance(NoiseSchedule schedule, Parameterization parameterization) {
        try (Scope scope = Scope.open();
                SeededNoise noise = new SeededNoise(5)) {
            Denoiser denoiser = DATA.denoiser(schedule, parameterization, Variance.FIXED_SMALL, 400);
            Tensor start = noise.initial(ScalarType.Double, 1, 80, 80);
            double[] x = Tensors.doubles(sampler().sample(denoiser, start, noise, Sampler.Progress.NONE));
            double mean = IntStream.range(0, x.length)
                    .mapToDouble(i -> x[i])
                    .average()
                    .orElseThrow();
            double variance = IntStream.range(0, x.length)
                    .mapToDouble(i -> (x[i] - mean) * (x[i] - mean))
                    .average()
                    .orElseThrow();
            assertThat(mean).isCloseTo(0.3, within(0.025)); // four standard errors of 6,400 numbers
            // and here two and a half, plus the 0.009 that 400 steps of DDPM fall short of the data's variance
            assertThat(variance).isCloseTo(0.25, within(0.02));
        }
    }

    @ParameterizedTest
    @MethodSource("everyCombination")
    void dataOfOnePictureGivesThatPicture(NoiseSchedule schedule, Parameterization parameterization) {
        try (Scope scope = Scope.open();
                SeededNoise noise = new SeededNoise(5, 6)) {
            Denoiser denoiser =
                    new GaussianData(-0.7, 0).denoiser(schedule, parameterization, Variance.FIXED_SMALL, 20);
            Tensor start = noise.initial(ScalarType.Double, 1, 2, 3);
            double[] x = Tensors.doubles(sampler().sample(denoiser, start, noise, Sampler.Progress.NONE));
            assertThat(x).hasSize(12);
            for (double value : x) {
                assertThat(value).isCloseTo(-0.7, within(1e-9));
            }
        }
    }

    @Test
    void aPictureOfASeedIsTheSameInAnyBatch() {
        try (Scope scope = Scope.open()) {
            double[] together = sample(7, 8, 9);
            double[] turned = sample(9, 7);
            int each = together.length / 3;
            for (int i = 0; i < each; i++) {
                assertThat(turned[i]).isEqualTo(together[2 * each + i]);
                assertThat(turned[each + i]).isEqualTo(together[i]);
            }
            assertThat(sample(8)).containsExactly(java.util.Arrays.copyOfRange(together, each, 2 * each));
        }
    }

    private double[] sample(long... seeds) {
        try (SeededNoise noise = new SeededNoise(seeds)) {
            Denoiser denoiser = DATA.denoiser(COSINE, Parameterization.V, Variance.FIXED_SMALL, 10);
            Tensor start = noise.initial(ScalarType.Double, 3, 4, 5);
            return Tensors.doubles(sampler().sample(denoiser, start, noise, Sampler.Progress.NONE));
        }
    }

    @Test
    void progressSeesEveryStepOnceAndTheLastStateIsTheResult() {
        try (Scope scope = Scope.open();
                SeededNoise noise = new SeededNoise(1)) {
            Denoiser denoiser = DATA.denoiser(COSINE, Parameterization.EPS, Variance.FIXED_SMALL, 6);
            List<Integer> steps = new ArrayList<>();
            List<double[]> states = new ArrayList<>();
            Tensor start = noise.initial(ScalarType.Double, 1, 2, 2);
            Tensor x = sampler().sample(denoiser, start, noise, (done, total, state) -> {
                assertThat(total).isEqualTo(6);
                steps.add(done);
                states.add(Tensors.doubles(state));
            });
            assertThat(steps).containsExactly(1, 2, 3, 4, 5, 6);
            assertThat(Tensors.doubles(x)).containsExactly(states.get(5));
            assertThat(states.get(4)).isNotEqualTo(states.get(5));
            assertThat(start.isNull()).isFalse(); // the noise stays the caller's
        }
    }

    @Test
    void theResultHasTheNoisesShapeAndType() {
        try (Scope scope = Scope.open();
                SeededNoise noise = new SeededNoise(1, 2)) {
            Denoiser denoiser = DATA.denoiser(COSINE, Parameterization.X0, Variance.FIXED_SMALL, 3);
            Tensor start = noise.initial(ScalarType.Float, 3, 5, 2);
            Tensor x = sampler().sample(denoiser, start, noise, Sampler.Progress.NONE);
            assertThat(x.shape()).containsExactly(2, 3, 5, 2);
            assertThat(Tensors.type(x)).isSameAs(ScalarType.Float);
            assertThat(x.requires_grad()).isFalse();
        }
    }

    @Test
    void nonContiguousNoiseGivesTheSame() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1)) {
            Denoiser denoiser = DATA.denoiser(COSINE, Parameterization.X0, Variance.FIXED_SMALL, 3);
            Tensor start = rng.normal(ScalarType.Double, 2, 3, 4, 5);
            Tensor strided = start.permute(3, 1, 0, 2).contiguous().permute(2, 1, 3, 0);
            Sampler.StepNoise zeros = (step, like) -> like.mul(Scalars.of(0));
            double[] expected = Tensors.doubles(sampler().sample(denoiser, start, zeros, Sampler.Progress.NONE));
            assertThat(Tensors.doubles(sampler().sample(denoiser, strided, zeros, Sampler.Progress.NONE)))
                    .containsExactly(expected);
        }
    }

    @Test
    void fiftyStepsHoldNoMoreNativeMemoryThanOne() {
        try (Scope scope = Scope.open();
                SeededNoise noise = new SeededNoise(1)) {
            Denoiser denoiser = DATA.denoiser(COSINE, Parameterization.EPS, Variance.FIXED_SMALL, 52);
            Tensor start = noise.initial(ScalarType.Double, 1, 2, 2);
            List<Long> counts = new ArrayList<>();
            sampler().sample(denoiser, start, noise, (done, total, state) -> counts.add(Pointer.totalCount()));
            assertThat(counts.get(51)).isLessThanOrEqualTo(counts.get(1));
        }
    }
}
