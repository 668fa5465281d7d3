package org.mezzotint.sample;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.concurrent.atomic.AtomicInteger;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.diffusion.Denoiser;
import org.mezzotint.diffusion.NoiseSchedule;
import org.mezzotint.diffusion.Parameterization;
import org.mezzotint.diffusion.Variance;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class DdimTest {
    private static final Sampler.StepNoise NONE = (step, like) -> {
        throw new AssertionError("a deterministic step draws no noise");
    };

    @Nested
    class Deterministic extends SamplerContract {
        @Override
        Sampler sampler() {
            return new Ddim(0);
        }
    }

    @Nested
    class HalfAsNoisy extends SamplerContract {
        @Override
        Sampler sampler() {
            return new Ddim(0.5);
        }
    }

    @Nested
    class AsNoisyAsDdpm extends SamplerContract {
        @Override
        Sampler sampler() {
            return new Ddim(1);
        }
    }

    @ParameterizedTest
    @MethodSource("org.mezzotint.sample.SamplerContract#everyCombination")
    void twiceTheStepsHalveTheDistanceToTheProbabilityFlow(NoiseSchedule schedule, Parameterization parameterization) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1)) {
            Tensor noise = rng.normal(ScalarType.Double, 2, 1, 5, 7);
            double[] errors = new double[3];
            for (int k = 0; k < errors.length; k++) {
                Denoiser denoiser =
                        SamplerContract.DATA.denoiser(schedule, parameterization, Variance.FIXED_SMALL, 40 << k);
                double[] exact = SamplerContract.DATA.flowToPictures(denoiser.chain(), noise);
                Tensor x = new Ddim(0).sample(denoiser, noise, NONE, Sampler.Progress.NONE);
                errors[k] = SamplerContract.distance(Tensors.doubles(x), exact);
            }
            assertThat(errors[2]).isLessThan(0.012);
            for (int k = 1; k < errors.length; k++) {
                assertThat(errors[k - 1] / errors[k])
                        .as("%s", java.util.Arrays.toString(errors))
                        .isBetween(1.75, 2.25);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("org.mezzotint.sample.SamplerContract#everyCombination")
    void samplingUndoesInversionTheBetterTheMoreSteps(NoiseSchedule schedule, Parameterization parameterization) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(2)) {
            Tensor pictures = rng.normal(ScalarType.Double, 2, 1, 5, 7)
                    .mul(Scalars.of(0.5))
                    .add(Scalars.of(0.3));
            double[] original = Tensors.doubles(pictures);
            double[] errors = new double[3];
            for (int k = 0; k < errors.length; k++) {
                Denoiser denoiser =
                        SamplerContract.DATA.denoiser(schedule, parameterization, Variance.FIXED_SMALL, 30 << k);
                Ddim ddim = new Ddim(0);
                AtomicInteger done = new AtomicInteger();
                Tensor noise = ddim.invert(denoiser, pictures, (step, total, x) -> done.set(step));
                assertThat(done).hasValue(30 << k);
                assertThat(Tensors.doubles(pictures)).containsExactly(original); // the caller's, untouched
                Tensor back = ddim.sample(denoiser, noise, NONE, Sampler.Progress.NONE);
                errors[k] = SamplerContract.distance(Tensors.doubles(back), original);
            }
            assertThat(errors[2]).isLessThan(0.03);
            assertThat(errors[1]).isLessThan(0.65 * errors[0]);
            assertThat(errors[2]).isLessThan(0.65 * errors[1]);
        }
    }

    @Test
    void inversionLeadsToStandardNormalNoise() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(2)) {
            Tensor pictures = rng.normal(ScalarType.Double, 1, 1, 100, 100)
                    .mul(Scalars.of(0.5))
                    .add(Scalars.of(0.3));
            Denoiser denoiser = SamplerContract.DATA.denoiser(
                    SamplerContract.COSINE, Parameterization.EPS, Variance.FIXED_SMALL, 200);
            Tensor noise = new Ddim(0).invert(denoiser, pictures, Sampler.Progress.NONE);
            assertThat(noise.mean().item_double()).isCloseTo(0, within(0.05));
            assertThat(noise.std(true).item_double()).isCloseTo(1, within(0.05));
        }
    }

    @ParameterizedTest
    @MethodSource("org.mezzotint.sample.SamplerContract#everyCombination")
    void withEtaOneItIsDdpmWithThePosteriorsVariance(NoiseSchedule schedule, Parameterization parameterization) {
        try (Scope scope = Scope.open();
                SeededNoise one = new SeededNoise(1, 2);
                SeededNoise two = new SeededNoise(1, 2)) {
            Denoiser denoiser = SamplerContract.DATA.denoiser(schedule, parameterization, Variance.FIXED_SMALL, 25);
            Tensor x =
                    new Ddim(1).sample(denoiser, one.initial(ScalarType.Double, 1, 3, 2), one, Sampler.Progress.NONE);
            Tensor y = new Ddpm().sample(denoiser, two.initial(ScalarType.Double, 1, 3, 2), two, Sampler.Progress.NONE);
            assertThat(Tensors.doubles(x)).containsExactly(Tensors.doubles(y), within(1e-8));
        }
    }

    @Test
    void etaChangesThePictures() {
        try (Scope scope = Scope.open()) {
            assertThat(SamplerContract.distance(sample(0), sample(0.5))).isGreaterThan(0.01);
            assertThat(SamplerContract.distance(sample(0.5), sample(1))).isGreaterThan(0.01);
        }
    }

    private static double[] sample(double eta) {
        try (SeededNoise noise = new SeededNoise(1)) {
            Denoiser denoiser =
                    SamplerContract.DATA.denoiser(SamplerContract.COSINE, Parameterization.V, Variance.FIXED_SMALL, 10);
            Tensor start = noise.initial(ScalarType.Double, 1, 3, 3);
            return Tensors.doubles(new Ddim(eta).sample(denoiser, start, noise, Sampler.Progress.NONE));
        }
    }

    @ParameterizedTest
    @ValueSource(doubles = {-0.1, 1.1, Double.NaN})
    void etaIsZeroToOne(double eta) {
        assertThatThrownBy(() -> new Ddim(eta))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("eta must be 0 to 1, got " + eta);
    }

    @Test
    void onlyTheDeterministicProcessIsInverted() {
        try (Scope scope = Scope.open()) {
            Denoiser denoiser =
                    SamplerContract.DATA.denoiser(SamplerContract.COSINE, Parameterization.V, Variance.FIXED_SMALL, 10);
            Tensor pictures = Tensors.of(new float[4], 1, 1, 2, 2);
            assertThatThrownBy(() -> new Ddim(0.5).invert(denoiser, pictures, Sampler.Progress.NONE))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("inversion needs the deterministic process, eta 0, got 0.5");
        }
    }
}
