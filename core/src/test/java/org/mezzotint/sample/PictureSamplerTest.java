package org.mezzotint.sample;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.mezzotint.diffusion.Denoiser;
import org.mezzotint.diffusion.DiffusionConfig;
import org.mezzotint.diffusion.DiffusionLoss;
import org.mezzotint.diffusion.FlowMatching;
import org.mezzotint.diffusion.FlowTime;
import org.mezzotint.diffusion.GuidanceSchedule;
import org.mezzotint.diffusion.Interpolant;
import org.mezzotint.diffusion.LossWeighting;
import org.mezzotint.diffusion.Network;
import org.mezzotint.diffusion.NoiseSchedule;
import org.mezzotint.diffusion.Parameterization;
import org.mezzotint.diffusion.PreconditionedDiffusion;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.diffusion.ScheduledDiffusion;
import org.mezzotint.diffusion.SigmaDenoiser;
import org.mezzotint.diffusion.SigmaDensity;
import org.mezzotint.diffusion.SigmaGrid;
import org.mezzotint.diffusion.SigmaWeighting;
import org.mezzotint.diffusion.Variance;
import org.mezzotint.models.HDiTConfig;
import org.mezzotint.models.Model;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;
import org.mezzotint.train.ModelNetwork;

class PictureSamplerTest {
    private static final double MEAN = 0.4;
    private static final double STD = 0.6;
    private static final int PICTURES = 8;
    private static final int SIDE = 17;

    private static final DiffusionConfig SCHEDULED = new ScheduledDiffusion(
            new NoiseSchedule.Cosine(-15, 15),
            Parameterization.X0,
            Variance.FIXED_SMALL,
            DiffusionLoss.Kind.MSE,
            new LossWeighting.Uniform());
    private static final DiffusionConfig PRECONDITIONED = new PreconditionedDiffusion(
            0.5, 0.005, 80, new SigmaDensity.LogNormal(-1.2, 1.2), new SigmaWeighting.Edm(), 1);
    private static final DiffusionConfig FLOW =
            new FlowMatching(Interpolant.LINEAR, new FlowTime.Uniform(), 2, FlowMatching.Convention.TO_NOISE);

    private static Tensor column(double[] values, DoubleUnaryOperator formula) {
        return Tensors.of(Arrays.stream(values).map(formula).toArray()).view(values.length, 1, 1, 1);
    }

    /** The best guess from α·x_0 + σ·ε. */
    private static Tensor best(Tensor x, Tensor alpha, Tensor sigma) {
        Tensor power = alpha.square().mul(Scalars.of(STD * STD));
        Tensor gain = power.div(alpha).div(power.add(sigma.square()));
        return x.sub(alpha.mul(Scalars.of(MEAN))).mul(gain).add(Scalars.of(MEAN));
    }

    /** A perfect network for pixels of a normal distribution. */
    private static Network network(DiffusionConfig diffusion) {
        return (x, time, cond) -> {
            double[] levels = Arrays.stream(Tensors.doubles(time))
                    .map(diffusion.times()::sigma)
                    .toArray();
            Tensor sigma = column(levels, s -> s);
            if (diffusion instanceof PreconditionedDiffusion) {
                Tensor noisy = x.mul(column(levels, s -> Math.sqrt(s * s + 0.25)));
                return best(noisy, column(levels, s -> 1), sigma)
                        .sub(noisy.mul(column(levels, s -> 0.25 / (s * s + 0.25))))
                        .div(column(levels, s -> s * 0.5 / Math.sqrt(s * s + 0.25)));
            }
            if (diffusion instanceof FlowMatching) {
                Tensor t = column(levels, s -> s / (1 + s));
                return x.sub(best(x, column(levels, s -> 1 / (1 + s)), t)).div(t);
            }
            return best(
                    x, column(levels, s -> 1 / Math.sqrt(1 + s * s)), column(levels, s -> s / Math.sqrt(1 + s * s)));
        };
    }

    private static PictureSampler sampler(DiffusionConfig diffusion, SamplingConfig.Solver solver, SigmaGrid grid) {
        return new PictureSampler(
                network(diffusion),
                Optional.empty(),
                diffusion,
                new SamplingConfig(
                        solver,
                        solver.usualEta(),
                        "60",
                        grid,
                        1,
                        new GuidanceSchedule.Constant(),
                        SamplingConfig.GuidedChannels.ALL,
                        false,
                        false),
                new PictureSampler.Shape(1, SIDE, SIDE, 0, false, ScalarType.Double, new Device("cpu")));
    }

    private static double[] draw(DiffusionConfig diffusion, SamplingConfig.Solver solver, SigmaGrid grid) {
        try (Scope scope = Scope.open()) {
            return Tensors.doubles(sampler(diffusion, solver, grid)
                    .draw(LongStream.range(0, PICTURES).toArray(), new long[0], PictureSampler.Watch.NONE));
        }
    }

    /** 2,312 pixels: the mean's standard error is 0.0125, the deviation's 0.009; ancestral steps shrink the latter. */
    private static void rightly(double[] pixels) {
        double mean = Arrays.stream(pixels).average().orElseThrow();
        double variance = Arrays.stream(pixels)
                .map(pixel -> (pixel - mean) * (pixel - mean))
                .average()
                .orElseThrow();
        assertThat(mean).isCloseTo(MEAN, within(0.05));
        assertThat(Math.sqrt(variance)).isCloseTo(STD, within(0.08));
    }

    @ParameterizedTest
    @EnumSource
    void everySolverDrawsTheSamePicturesFromEveryKindOfTraining(SamplingConfig.Solver solver) {
        SigmaGrid grid = new SigmaGrid.Karras(0.005, 80, 7);
        double[] pixels = draw(SCHEDULED, solver, grid);
        rightly(pixels);
        assertThat(draw(PRECONDITIONED, solver, grid)).containsExactly(pixels, within(1e-7));
        assertThat(draw(FLOW, solver, grid)).containsExactly(pixels, within(1e-7));
    }

    @ParameterizedTest
    @EnumSource(
            mode = EnumSource.Mode.EXCLUDE,
            // of higher order in noise, the first three want levels that are even in log σ; the last one's usual
            // tolerance
            // is wide at these schedules' noisiest levels
            names = {"DPMPP_2M_SDE", "DPMPP_2M_SDE_HEUN", "DPMPP_3M_SDE", "DPM_ADAPTIVE"})
    void theTrainingsOwnLevelsDo(SamplingConfig.Solver solver) {
        rightly(draw(SCHEDULED, solver, new SigmaGrid.OfSchedule()));
        rightly(draw(FLOW, solver, new SigmaGrid.OfSchedule()));
    }

    @Test
    void ddimAlongNoiseLevelsIsEulerAlongThem() {
        double[] sigmas = new SigmaGrid.Karras(0.01, 80, 7).sigmas(12);
        SigmaDenoiser denoiser = (x, sigma) ->
                best(x, column(sigma, s -> 1), column(sigma, s -> s)).tanh();
        try (Scope scope = Scope.open();
                Rng rng = new Rng(3)) {
            Tensor noise = rng.normal(ScalarType.Double, 2, 1, 3, 3);
            Tensor euler = new Euler(Churn.NONE)
                    .sample(
                            denoiser,
                            noise.mul(Scalars.of(80)),
                            sigmas,
                            SigmaNoise.independent(1, 2),
                            Sampler.Progress.NONE);
            Tensor ddim = new Ddim(0)
                    .sample(
                            Denoiser.along(denoiser, sigmas),
                            noise.mul(Scalars.of(80 / Math.sqrt(6401))),
                            (step, like) -> like,
                            Sampler.Progress.NONE);
            assertThat(Tensors.doubles(ddim)).containsExactly(Tensors.doubles(euler), within(1e-10));
        }
    }

    @Test
    void aModelWithoutAScheduleNeedsLevels() {
        for (SamplingConfig.Solver solver : List.of(SamplingConfig.Solver.DDIM, SamplingConfig.Solver.HEUN)) {
            assertThatThrownBy(() -> sampler(PRECONDITIONED, solver, new SigmaGrid.OfSchedule())
                            .draw(new long[] {1}, new long[0], PictureSampler.Watch.NONE))
                    .hasMessageContaining("take another grid, such as karras");
        }
    }

    /** A network with random weights, in float64: only the products' order differs between batches. */
    @ParameterizedTest
    @EnumSource
    void aPictureDoesNotDependOnItsBatch(SamplingConfig.Solver solver) {
        HDiTConfig config = new HDiTConfig(
                4,
                4,
                1,
                1,
                1,
                List.of(new HDiTConfig.Level(8, 1, 8, new HDiTConfig.Global(8), 0)),
                new HDiTConfig.Mapping(8, 1, 8, 0),
                0,
                0,
                HDiTConfig.Design.paper());
        long[] seeds = LongStream.range(0, 16).toArray();
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(1);
                Init init = Init.random(1, Precision.FLOAT64, new Device("cpu"));
                Model model = config.create(init)) {
            model.trainable().forEach((name, tensor) -> {
                rng.fillNormal(tensor);
                tensor.mul_(Scalars.of(0.3));
            });
            model.trainable().get("mid_level.0.self_attn.scale").abs_();
            PictureSampler sampler = new PictureSampler(
                    new ModelNetwork(model, PRECONDITIONED).on(Tape.plain()),
                    Optional.empty(),
                    PRECONDITIONED,
                    new SamplingConfig(
                            solver,
                            solver.usualEta(),
                            "8",
                            new SigmaGrid.Karras(0.02, 20, 7),
                            1,
                            new GuidanceSchedule.Constant(),
                            SamplingConfig.GuidedChannels.ALL,
                            false,
                            false),
                    new PictureSampler.Shape(1, 4, 4, 0, false, ScalarType.Double, new Device("cpu")));
            double[] all = Tensors.doubles(sampler.draw(seeds, new long[0], PictureSampler.Watch.NONE));
            for (long seed : new long[] {0, 7, 15}) {
                double[] alone =
                        Tensors.doubles(sampler.draw(new long[] {seed}, new long[0], PictureSampler.Watch.NONE));
                int at = (int) seed * 16;
                assertThat(alone).containsExactly(Arrays.copyOfRange(all, at, at + 16), within(1e-9));
            }
        }
    }
}
