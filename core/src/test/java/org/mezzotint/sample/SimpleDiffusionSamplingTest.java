package org.mezzotint.sample;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.Optional;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.diffusion.Denoiser;
import org.mezzotint.diffusion.DiffusionChain;
import org.mezzotint.diffusion.DiffusionLoss;
import org.mezzotint.diffusion.GuidanceSchedule;
import org.mezzotint.diffusion.LossWeighting;
import org.mezzotint.diffusion.Network;
import org.mezzotint.diffusion.NoiseSchedule;
import org.mezzotint.diffusion.Parameterization;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.diffusion.ScheduledDiffusion;
import org.mezzotint.diffusion.SigmaGrid;
import org.mezzotint.diffusion.Variance;
import org.mezzotint.golden.Golden;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** Sampling along the schedules of arXiv:2301.11093. */
class SimpleDiffusionSamplingTest {
    private static NoiseSchedule.Continuous schedule(JsonNode config) {
        return switch (config.get("kind").asText()) {
            case "clamped" -> new NoiseSchedule.Cosine(-15, 15);
            case "shift" ->
                NoiseSchedule.ShiftedCosine.of(
                        config.get("ref").asInt(), config.get("d").asInt());
            default ->
                NoiseSchedule.InterpolatedCosine.of(
                        config.get("lo").asInt(),
                        config.get("hi").asInt(),
                        config.get("d").asInt());
        };
    }

    private static void close(Golden golden, String name, int row, Tensor actual) {
        double[] values = Tensors.doubles(actual);
        double[] expected = golden.doubles("out." + name);
        Golden.assertClose(
                name + " of row " + row,
                values,
                Arrays.copyOfRange(expected, row * values.length, (row + 1) * values.length),
                1e-11);
    }

    private static void close(Golden golden, String name, int row, double actual) {
        double expected = golden.doubles("out." + name)[row];
        assertThat(actual).as("%s of row %d", name, row).isCloseTo(expected, within(1e-11 * Math.abs(expected)));
    }

    @ParameterizedTest
    @ValueSource(strings = {"cosine", "shift-256", "interp-512"})
    void aStepFromOneTimeToAnotherEqualsTheFormulas(String name) {
        try (Golden golden = Golden.open("simple-diffusion/steps-" + name);
                Scope scope = Scope.open()) {
            NoiseSchedule.Continuous schedule = schedule(golden.config().get("schedule"));
            double[] t = golden.doubles("in.t");
            double[] s = golden.doubles("in.s");
            for (int row = 0; row < t.length; row++) {
                double[] logSnr = {schedule.logSnr(s[row]), schedule.logSnr(t[row])};
                close(golden, "logsnr_s", row, Tensors.of(logSnr[0]));
                close(golden, "logsnr_t", row, Tensors.of(logSnr[1]));
                DiffusionChain chain = DiffusionChain.ofLogSnr(logSnr, new double[2]);
                close(golden, "ddpm_variance", row, chain.posteriorVariance()[1]);
                close(golden, "ddpm_variance_upper", row, chain.betas()[1]);
                for (boolean clip : new boolean[] {false, true}) {
                    step(golden, row, chain, clip);
                }
            }
        }
    }

    private static void step(Golden golden, int row, DiffusionChain chain, boolean clip) {
        Tensor guess = golden.get("in.x_hat").narrow(0, row, 1);
        Tensor z = golden.get("in.z").narrow(0, row, 1);
        Tensor noise = golden.get("in.noise").narrow(0, row, 1);
        int[] level = {1};
        Denoiser denoiser = new Denoiser(
                (x, time, cond) -> guess, Conditioning.none(), chain, Parameterization.X0, Variance.FIXED_SMALL, clip);
        Denoiser.Prediction p = denoiser.interpret(guess, z, level);
        String suffix = clip ? "clip" : "noclip";
        close(golden, "ddpm_mean_" + suffix, row, p.mean());
        close(golden, "ddpm_sample_" + suffix, row, Ddpm.step(p, level, noise));
        close(golden, "ddim_" + suffix, row, new Ddim(0).step(chain, p, level, null));
        if (clip) {
            for (JsonNode fraction : golden.config().get("fracs")) {
                String nu = fraction.asText();
                double logVariance = new InterpolatedDdpm(fraction.asDouble()).logVariance(chain)[1];
                close(golden, "interp_logvar_frac" + nu, row, Tensors.of(logVariance));
                close(
                        golden,
                        "interp_sample_frac" + nu + "_clip",
                        row,
                        Blend.of(1, p.mean(), Math.exp(logVariance / 2), noise));
            }
        }
    }

    private static final double MEAN = 0.4;
    private static final double STD = 0.6;

    static Stream<Arguments> everySolver() {
        NoiseSchedule shifted = NoiseSchedule.ShiftedCosine.of(32, 128);
        NoiseSchedule interpolated = NoiseSchedule.InterpolatedCosine.of(32, 256, 512);
        return Stream.concat(
                Stream.of(SamplingConfig.Solver.values())
                        .filter(solver -> !solver.label().startsWith("flow"))
                        .map(solver -> Arguments.of(shifted, solver, 160)),
                Stream.of(
                                SamplingConfig.Solver.DDPM,
                                SamplingConfig.Solver.DDPM_INTERPOLATED,
                                SamplingConfig.Solver.DDIM,
                                SamplingConfig.Solver.HEUN,
                                SamplingConfig.Solver.DPMPP_2M)
                        .map(solver -> Arguments.of(interpolated, solver, 400)));
    }

    private static ScheduledDiffusion diffusion(NoiseSchedule schedule) {
        return new ScheduledDiffusion(
                schedule,
                Parameterization.V,
                Variance.FIXED_SMALL,
                DiffusionLoss.Kind.MSE,
                new LossWeighting.Space(Parameterization.EPS));
    }

    /** Solvers of higher order in noise want levels that are even in log σ, and an adaptive one none beyond the usual. */
    private static boolean wantsLevelsOfItsOwn(SamplingConfig.Solver solver) {
        return switch (solver) {
            case DPMPP_SDE, DPMPP_2M_SDE, DPMPP_2M_SDE_HEUN, DPMPP_3M_SDE, DPM_ADAPTIVE -> true;
            default -> false;
        };
    }

    private static PictureSampler sampler(NoiseSchedule schedule, SamplingConfig.Solver solver, int steps) {
        return new PictureSampler(
                new GaussianData(MEAN, STD).network(schedule, Parameterization.V),
                Optional.empty(),
                diffusion(schedule),
                new SamplingConfig(
                        solver,
                        solver.usualEta(),
                        Integer.toString(steps),
                        wantsLevelsOfItsOwn(solver) ? new SigmaGrid.Karras(0.01, 80, 7) : new SigmaGrid.OfSchedule(),
                        1,
                        new GuidanceSchedule.Constant(),
                        SamplingConfig.GuidedChannels.ALL,
                        false,
                        false),
                new PictureSampler.Shape(1, 17, 17, 0, false, ScalarType.Double, new Device("cpu")));
    }

    /**
     * Normal pixels: 1,156 of them, whose mean has the standard error 0.018 and whose deviation has 0.0125. Even times leave large
     * steps of log SNR at the clean end, so that it takes many of them.
     */
    @ParameterizedTest
    @MethodSource("everySolver")
    void everySolverDrawsTheDataAlongTheseSchedules(NoiseSchedule schedule, SamplingConfig.Solver solver, int steps) {
        try (Scope scope = Scope.open()) {
            double[] x = Tensors.doubles(sampler(schedule, solver, wantsLevelsOfItsOwn(solver) ? 60 : steps)
                    .draw(LongStream.range(0, 4).toArray(), new long[0], PictureSampler.Watch.NONE));
            double mean = Arrays.stream(x).average().orElseThrow();
            double deviation = Math.sqrt(
                    Arrays.stream(x).map(v -> (v - mean) * (v - mean)).average().orElseThrow());
            assertThat(mean).isCloseTo(MEAN, within(0.06));
            assertThat(deviation).isCloseTo(STD, within(0.06));
        }
    }

    /**
     * The probability flow keeps (x − α·m)/√(α²·s² + σ²): solvers without noise must come near that point, and nearer with four times
     * as many steps.
     */
    @ParameterizedTest
    @ValueSource(strings = {"DDIM", "HEUN", "DPMPP_2M"})
    void solversWithoutNoiseFollowTheFlow(String name) {
        SamplingConfig.Solver solver = SamplingConfig.Solver.valueOf(name);
        NoiseSchedule schedule = NoiseSchedule.InterpolatedCosine.of(32, 256, 512);
        double coarse = flowError(schedule, solver, 320);
        double fine = flowError(schedule, solver, 1280);
        assertThat(fine).as(name).isLessThan(0.02);
        assertThat(fine).as(name).isLessThan(0.4 * coarse); // first order: a quarter
    }

    private static double flowError(NoiseSchedule schedule, SamplingConfig.Solver solver, int steps) {
        try (Scope scope = Scope.open();
                SeededNoise noise = new SeededNoise(0)) {
            double[] x = Tensors.doubles(
                    sampler(schedule, solver, steps).draw(new long[] {0}, new long[0], PictureSampler.Watch.NONE));
            double[] expected = new GaussianData(MEAN, STD)
                    .flowToPictures(schedule.chain("1"), noise.initial(ScalarType.Double, 1, 17, 17));
            double sum = 0;
            for (int i = 0; i < x.length; i++) {
                sum += (x[i] - expected[i]) * (x[i] - expected[i]) / x.length;
            }
            return Math.sqrt(sum);
        }
    }

    /** Clipping acts on the guess of every step, so also on the last one, which is the picture. */
    @Test
    void clippedPicturesStayInRange() {
        NoiseSchedule schedule = NoiseSchedule.ShiftedCosine.of(64, 256);
        SamplingConfig clipped = new SamplingConfig(
                SamplingConfig.Solver.DDPM_INTERPOLATED,
                0.2,
                "10",
                new SigmaGrid.OfSchedule(),
                1,
                new GuidanceSchedule.Constant(),
                SamplingConfig.GuidedChannels.ALL,
                false,
                true);
        PictureSampler plain = sampler(schedule, SamplingConfig.Solver.DDPM_INTERPOLATED, 10);
        PictureSampler cut =
                new PictureSampler(plain.network(), Optional.empty(), plain.diffusion(), clipped, plain.shape());
        try (Scope scope = Scope.open()) {
            double[] a = Tensors.doubles(plain.draw(new long[] {1, 2}, new long[0], PictureSampler.Watch.NONE));
            double[] b = Tensors.doubles(cut.draw(new long[] {1, 2}, new long[0], PictureSampler.Watch.NONE));
            assertThat(Arrays.stream(a).max().orElseThrow()).isGreaterThan(1);
            assertThat(Arrays.stream(b).max().orElseThrow()).isLessThanOrEqualTo(1);
        }
    }

    /** arXiv:2301.11093v2, eq. 7: (1 + η)·ε(class) − η·ε(no class), which the tables call the scale 1 + η. */
    @Test
    void ourScaleIsThePapersOnePlusEta() {
        double eta = 0.4;
        double alpha = 0.8;
        double sigma = 0.6;
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1)) {
            Tensor x = rng.normal(ScalarType.Double, 1, 1, 2, 3);
            Tensor good = rng.normal(ScalarType.Double, 1, 1, 2, 3);
            Tensor bad = rng.normal(ScalarType.Double, 1, 1, 2, 3);
            Network network = (at, t, cond) ->
                    org.bytedeco.pytorch.global.torch.cat(new org.bytedeco.pytorch.TensorVector(good, bad), 0);
            Tensor guided = Guidance.constant(1 + eta, 1)
                    .classifierFree(network, Guidance.nullClass(1))
                    .evaluate(x, Tensors.of(new double[] {500}), Conditioning.classes(0));
            double[] eps = Tensors.doubles(eps(x, guided, alpha, sigma));
            double[] with = Tensors.doubles(eps(x, good, alpha, sigma));
            double[] without = Tensors.doubles(eps(x, bad, alpha, sigma));
            for (int i = 0; i < eps.length; i++) {
                assertThat(eps[i]).isCloseTo((1 + eta) * with[i] - eta * without[i], within(1e-12));
            }
        }
    }

    /** ε = σ·x + α·v. */
    private static Tensor eps(Tensor x, Tensor v, double alpha, double sigma) {
        return x.mul(Scalars.of(sigma)).add(v.mul(Scalars.of(alpha)));
    }

    @Test
    void aVarianceOutsideOfTheTwoIsRefused() {
        for (double nu : new double[] {-0.01, 1.01}) {
            assertThatThrownBy(() -> new SamplingConfig(
                            SamplingConfig.Solver.DDPM_INTERPOLATED,
                            nu,
                            "10",
                            new SigmaGrid.OfSchedule(),
                            1,
                            new GuidanceSchedule.Constant(),
                            SamplingConfig.GuidedChannels.ALL,
                            false,
                            true))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("eta, the nu of ddpm-interpolated, must be 0 to 1, got " + nu);
        }
    }
}
