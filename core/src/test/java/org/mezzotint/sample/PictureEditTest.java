package org.mezzotint.sample;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.mezzotint.diffusion.DiffusionConfig;
import org.mezzotint.diffusion.DiffusionLoss;
import org.mezzotint.diffusion.GuidanceSchedule;
import org.mezzotint.diffusion.LossWeighting;
import org.mezzotint.diffusion.NoiseSchedule;
import org.mezzotint.diffusion.Parameterization;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.diffusion.ScheduledDiffusion;
import org.mezzotint.diffusion.SigmaGrid;
import org.mezzotint.diffusion.Variance;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class PictureEditTest {
    private static final GaussianData DATA = new GaussianData(0.3, 0.5);
    private static final NoiseSchedule SCHEDULE = new NoiseSchedule.Cosine(-12, 12);

    private static PictureSampler sampler(SamplingConfig.Solver solver, int steps) {
        DiffusionConfig diffusion = new ScheduledDiffusion(
                SCHEDULE,
                Parameterization.X0,
                Variance.FIXED_SMALL,
                DiffusionLoss.Kind.MSE,
                new LossWeighting.Uniform());
        SigmaGrid grid = solver.countsInSigma() ? new SigmaGrid.Karras(0.004, 100, 7) : new SigmaGrid.OfSchedule();
        return new PictureSampler(
                DATA.network(SCHEDULE, Parameterization.X0),
                Optional.empty(),
                diffusion,
                new SamplingConfig(
                        solver,
                        solver.usualEta(),
                        Integer.toString(steps),
                        grid,
                        1,
                        new GuidanceSchedule.Constant(),
                        SamplingConfig.GuidedChannels.ALL,
                        false,
                        false),
                new PictureSampler.Shape(1, 4, 4, 0, false, ScalarType.Double, new Device("cpu")));
    }

    private static Tensor picture() {
        try (Rng rng = new Rng(9)) {
            return rng.normal(ScalarType.Double, 1, 1, 4, 4);
        }
    }

    /** 1 in the left half. */
    private static Tensor leftHalf() {
        double[] values = new double[16];
        for (int i = 0; i < 16; i++) {
            values[i] = i % 4 < 2 ? 1 : 0;
        }
        return Tensors.of(values).view(1, 1, 4, 4);
    }

    private static double[] edit(PictureSampler sampler, double strength, Optional<Tensor> mask) {
        try (NoiseSource noise = NoiseSource.of(1, 2)) {
            return Tensors.doubles(sampler.edit(
                    new PictureEdit(picture(), strength, mask), noise, 2, new long[0], PictureSampler.Watch.NONE));
        }
    }

    @ParameterizedTest
    @EnumSource
    void everySolverKeepsWhatTheMaskKeeps(SamplingConfig.Solver solver) {
        try (Scope scope = Scope.open()) {
            double[] given = Tensors.doubles(picture());
            double[] drawn = edit(sampler(solver, 12), 1, Optional.of(leftHalf()));
            for (int i = 0; i < 32; i++) {
                if (i % 4 < 2) {
                    assertThat(drawn[i]).isFinite().isNotCloseTo(given[i % 16], within(1e-9));
                } else {
                    assertThat(drawn[i]).isCloseTo(given[i % 16], within(1e-12));
                }
            }
        }
    }

    /** The probability flow keeps (x − m)/√(s² + σ²); ten of twenty levels are left out. */
    @Test
    void aPictureIsNoisedToItsLevelAndFollowedFromThere() {
        try (Scope scope = Scope.open();
                NoiseSource noise = NoiseSource.of(1, 2)) {
            double[] drawn = edit(sampler(SamplingConfig.Solver.HEUN, 400), 0.5, Optional.empty());
            double sigma = new SigmaGrid.Karras(0.004, 100, 7).sigmas(400)[200];
            double[] start = Tensors.doubles(noise.initial(ScalarType.Double, 1, 4, 4));
            double[] given = Tensors.doubles(picture());
            for (int i = 0; i < 32; i++) {
                double x = given[i % 16] + sigma * start[i];
                double end = 0.3 + (x - 0.3) * 0.5 / Math.sqrt(0.25 + sigma * sigma);
                assertThat(drawn[i]).isCloseTo(end, within(1e-3));
            }
        }
    }

    /** DDIM along the schedule from the middle is DDIM's own path. */
    @Test
    void theSchedulesLevelsAreThoseOfItsChain() {
        try (Scope scope = Scope.open();
                NoiseSource noise = NoiseSource.of(1, 2)) {
            double[] drawn = edit(sampler(SamplingConfig.Solver.DDIM, 4), 0.5, Optional.empty());
            double sigma = Math.exp(-((NoiseSchedule.Continuous) SCHEDULE).logSnr(0.5) / 2);
            double next = Math.exp(-((NoiseSchedule.Continuous) SCHEDULE).logSnr(0.25) / 2);
            double[] start = Tensors.doubles(noise.initial(ScalarType.Double, 1, 4, 4));
            double[] given = Tensors.doubles(picture());
            for (int i = 0; i < 32; i++) {
                double x = given[i % 16] + sigma * start[i];
                double guess = 0.3 + 0.25 / (0.25 + sigma * sigma) * (x - 0.3);
                double y = guess + next / sigma * (x - guess);
                assertThat(drawn[i]).isCloseTo(0.3 + 0.25 / (0.25 + next * next) * (y - 0.3), within(1e-9));
            }
        }
    }

    /** The last β of this schedule is 1: its noisiest level is infinite. */
    @Test
    void aScheduleWithoutSignalAtItsEndIsRefused() {
        PictureSampler sampler = sampler(SamplingConfig.Solver.DDIM, 4);
        PictureSampler without = new PictureSampler(
                sampler.network(),
                Optional.empty(),
                new ScheduledDiffusion(
                        new NoiseSchedule.Linear(20),
                        Parameterization.X0,
                        Variance.FIXED_SMALL,
                        DiffusionLoss.Kind.MSE,
                        new LossWeighting.Uniform()),
                sampler.sampling(),
                sampler.shape());
        try (Scope scope = Scope.open()) {
            assertThatThrownBy(() -> edit(without, 1, Optional.of(leftHalf())))
                    .hasMessageStartingWith("noise levels must be finite and fall, got Infinity");
        }
    }

    @Test
    void theEndsOfAnInterpolationAreThePicturesOfTheSeeds() {
        for (SamplingConfig.Solver solver :
                List.of(SamplingConfig.Solver.DDPM, SamplingConfig.Solver.HEUN, SamplingConfig.Solver.DPMPP_2M_SDE)) {
            try (Scope scope = Scope.open();
                    NoiseSource noise = NoiseSource.between(5, 6, 0, 0.5, 1)) {
                PictureSampler sampler = sampler(solver, 8);
                double[] frames = Tensors.doubles(sampler.draw(noise, 3, new long[0], PictureSampler.Watch.NONE));
                double[] ends =
                        Tensors.doubles(sampler.draw(new long[] {5, 6}, new long[0], PictureSampler.Watch.NONE));
                for (int i = 0; i < 16; i++) {
                    assertThat(frames[i]).isCloseTo(ends[i], within(1e-9));
                    assertThat(frames[32 + i]).isCloseTo(ends[16 + i], within(1e-9));
                    // all steps are affine for this network
                    assertThat(frames[16 + i] - 0.3)
                            .isCloseTo((ends[i] + ends[16 + i] - 0.6) / Math.sqrt(2), within(1e-2));
                }
            }
        }
    }

    @Test
    void watchersSeeTheGuessesOfCleanPictures() {
        for (SamplingConfig.Solver solver :
                List.of(SamplingConfig.Solver.DDIM, SamplingConfig.Solver.EULER, SamplingConfig.Solver.LMS)) {
            List<double[]> guesses = new ArrayList<>();
            try (Scope scope = Scope.open()) {
                double[] drawn =
                        Tensors.doubles(sampler(solver, 5).draw(new long[] {1}, new long[0], (done, total, guess) -> {
                            assertThat(total).isEqualTo(5);
                            guesses.add(Tensors.doubles(guess));
                        }));
                assertThat(guesses).hasSize(5);
                // at the noisiest level all that is known is the mean; the last guess is the picture
                assertThat(guesses.get(0)[3]).isCloseTo(0.3, within(0.05));
                assertThat(guesses.get(4)).containsExactly(drawn, within(0.05));
            }
        }
    }

    @Test
    void badEditsAreRefused() {
        try (Scope scope = Scope.open()) {
            assertThatThrownBy(() -> new PictureEdit(picture(), 0, Optional.empty()))
                    .hasMessage("strength must be above 0 and at most 1, got 0.0");
            Tensor small = leftHalf().narrow(3, 0, 3);
            assertThatThrownBy(() -> new PictureEdit(picture(), 0.5, Optional.of(small)))
                    .hasMessageContaining("mask");
            assertThatThrownBy(() -> sampler(SamplingConfig.Solver.HEUN, 3)
                            .edit(
                                    new PictureEdit(picture().narrow(2, 0, 2), 0.5, Optional.empty()),
                                    NoiseSource.of(1),
                                    1,
                                    new long[0],
                                    PictureSampler.Watch.NONE))
                    .hasMessageContaining("picture");
            assertThatThrownBy(() -> NoiseSource.between(1, 2, 1.5)).hasMessage("fractions must be 0 to 1, got 1.5");
        }
    }

    /** Two independent streams with shares cos and sin: the variance stays 1. */
    @Test
    void noiseOnTheWayHasTheVarianceOfTheEnds() {
        try (Scope scope = Scope.open();
                NoiseSource noise = NoiseSource.between(1, 2, 0.3)) {
            double[] values = Tensors.doubles(noise.initial(ScalarType.Double, 1, 100, 100));
            double sum = 0;
            for (double value : values) {
                sum += value * value;
            }
            assertThat(sum / values.length).isCloseTo(1, within(0.05));
            Tensor like = Tensors.of(new double[4]).view(1, 1, 2, 2).mul(Scalars.of(1));
            assertThat(Tensors.doubles(noise.draw(0, like))).isNotEqualTo(Tensors.doubles(noise.draw(1, like)));
        }
    }
}
