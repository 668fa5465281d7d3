package org.mezzotint.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class VpDenoiserTest {
    private static final double MEAN = 0.3;
    private static final double VARIANCE = 0.2;

    /** What a perfect network says about pictures of independent normal pixels, from the time it is told. */
    private static Network perfect(NoiseSchedule schedule, Parameterization parameterization, boolean learned) {
        SigmaTimes times = new ScheduleTimes(schedule);
        return (x, t, cond) -> {
            double sigma = times.sigma(Tensors.doubles(t)[0]);
            double a = 1 / Math.sqrt(1 + sigma * sigma);
            double b = sigma * a;
            double k = a * a * VARIANCE + b * b;
            Tensor x0 = x.mul(Scalars.of(a * VARIANCE / k)).add(Scalars.of(b * b * MEAN / k));
            Tensor eps = x.sub(x0.mul(Scalars.of(a))).div(Scalars.of(b));
            Tensor output =
                    switch (parameterization) {
                        case EPS -> eps;
                        case X0 -> x0;
                        case V -> eps.mul(Scalars.of(a)).sub(x0.mul(Scalars.of(b)));
                    };
            return learned ? torch.cat(new TensorVector(output, output.mul(Scalars.of(9))), 1) : output;
        };
    }

    private static void check(NoiseSchedule schedule, Parameterization parameterization, boolean learned, double s) {
        ScheduledDiffusion config = new ScheduledDiffusion(
                schedule,
                parameterization,
                learned ? Variance.LEARNED_RANGE : Variance.FIXED_SMALL,
                learned ? DiffusionLoss.Kind.MSE_VLB : DiffusionLoss.Kind.MSE,
                new LossWeighting.Uniform());
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1)) {
            Tensor x = rng.normal(ScalarType.Double, 1, 2, 3, 5).mul(Scalars.of(s));
            Tensor denoised = new VpDenoiser(perfect(schedule, parameterization, learned), Conditioning.none(), config)
                    .denoise(x, s);
            double[] noisy = Tensors.doubles(x);
            double[] expected = new double[noisy.length];
            for (int i = 0; i < noisy.length; i++) {
                expected[i] = (VARIANCE * noisy[i] + s * s * MEAN) / (VARIANCE + s * s);
            }
            assertThat(Tensors.doubles(denoised)).containsExactly(expected, within(1e-9 * Math.max(1, s)));
        }
    }

    @ParameterizedTest
    @EnumSource
    void everyParameterizationGivesTheBestGuess(Parameterization parameterization) {
        for (double sigma : new double[] {0.02, 0.7, 3, 60}) {
            check(new NoiseSchedule.Cosine(-20, 20), parameterization, false, sigma);
            check(new NoiseSchedule.SquaredCosine(1000), parameterization, false, sigma);
            check(new NoiseSchedule.Linear(1000), parameterization, true, sigma);
        }
    }

    @Test
    void clippingKeepsTheGuessInTheRangeOfPictures() {
        ScheduledDiffusion config = new ScheduledDiffusion(
                new NoiseSchedule.Cosine(-20, 20),
                Parameterization.X0,
                Variance.FIXED_SMALL,
                DiffusionLoss.Kind.MSE,
                new LossWeighting.Uniform());
        try (Scope scope = Scope.open()) {
            Tensor x = Tensors.of(-3.0, 0.25, 3.0).view(1, 1, 1, 3);
            Network echo = (noisy, t, cond) -> noisy.mul(Scalars.of(Math.sqrt(2))); // undoes the scaling at σ = 1
            assertThat(Tensors.doubles(new VpDenoiser(echo, Conditioning.none(), config)
                            .clipped()
                            .denoise(x, 1)))
                    .containsExactly(new double[] {-1, 0.25, 1}, within(1e-12));
            assertThat(Tensors.doubles(new VpDenoiser(echo, Conditioning.none(), config).denoise(x, 1)))
                    .containsExactly(new double[] {-3, 0.25, 3}, within(1e-12));
        }
    }

    @Test
    void timesAndNoiseLevelsAreEachOthersInverse() {
        for (NoiseSchedule schedule : List.of(
                new NoiseSchedule.Linear(1000),
                new NoiseSchedule.SquaredCosine(50),
                new NoiseSchedule.Cosine(-15, 15),
                NoiseSchedule.ShiftedCosine.of(32, 128))) {
            SigmaTimes times = new ScheduleTimes(schedule);
            double last = times.time(times.max());
            for (double fraction : new double[] {0, 0.0123, 0.3, 0.5, 0.77, 1}) {
                assertThat(times.time(times.sigma(fraction * last))).isCloseTo(fraction * last, within(1e-7));
            }
            assertThat(times.time(times.min() / 2)).isZero();
            assertThat(times.time(times.max() * 2)).isEqualTo(last);
        }
    }

    /** log σ_i = ½·log((1 − ᾱ_i)/ᾱ_i) at numbered levels, linear between them. */
    @Test
    void aDiscreteSchedulesLevelsLieBetweenTheirNeighboursInLogarithm() {
        double[] betas = new NoiseSchedule.Linear(100).betas();
        double[] sigmas = new double[100];
        double alphaBar = 1;
        for (int i = 0; i < 100; i++) {
            alphaBar *= 1 - betas[i];
            sigmas[i] = Math.sqrt((1 - alphaBar) / alphaBar);
        }
        SigmaTimes times = new ScheduleTimes(new NoiseSchedule.Linear(100));
        assertThat(times.sigma(40)).isCloseTo(sigmas[40], within(1e-12));
        assertThat(times.sigma(40.25))
                .isCloseTo(Math.pow(sigmas[40], 0.75) * Math.pow(sigmas[41], 0.25), within(1e-12));
        assertThat(times.time(sigmas[71])).isCloseTo(71, within(1e-9));
    }

    @Test
    void theSchedulesOwnGridGoesFromItsNoisiestLevelToItsCleanest() {
        NoiseSchedule schedule = new NoiseSchedule.Linear(101);
        SigmaTimes times = new ScheduleTimes(schedule);
        double[] sigmas = new SigmaGrid.OfSchedule().sigmas(11, times);
        for (int i = 0; i <= 10; i++) {
            assertThat(sigmas[i]).isCloseTo(times.sigma(100 - 10 * i), within(1e-9));
        }
        assertThat(sigmas[11]).isZero();
    }
}
