package org.mezzotint.convert;

import org.mezzotint.diffusion.DiffusionLoss;
import org.mezzotint.diffusion.GuidanceSchedule;
import org.mezzotint.diffusion.LossWeighting;
import org.mezzotint.diffusion.NoiseSchedule;
import org.mezzotint.diffusion.Parameterization;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.diffusion.ScheduledDiffusion;
import org.mezzotint.diffusion.SigmaGrid;
import org.mezzotint.diffusion.Variance;
import org.mezzotint.io.InputException;

/**
 * A scheduler of Hugging Face's diffusers as schedule, solver and noise levels of ours: DDIM, DDPM, DPM-Solver++(2M) and
 * Euler. Settings that would change the pictures in a way that we do not follow are refused by name.
 */
public final class DiffusersScheduler {
    private static final int STEPS = 1000;

    private DiffusersScheduler() {}

    /**
     * What a scheduler's file says.
     *
     * @param diffusion what the network was trained to do
     * @param sampling how pictures are drawn
     */
    public record Settings(ScheduledDiffusion diffusion, SamplingConfig sampling) {}

    /**
     * Reads {@code scheduler_config.json}.
     *
     * @param where the file, for messages
     * @param json its text
     * @param steps how many steps the pipeline takes
     * @param guidance scale of guidance, on all channels
     * @param learnedVariance whether the network has a variance code, which diffusers' pipeline discards
     * @return schedule and sampling
     * @throws InputException if a key has a value that we cannot follow, or is unknown
     */
    public static Settings read(String where, String json, int steps, double guidance, boolean learnedVariance) {
        Fields f = Fields.ofJson(where, json);
        String kind = f.text("_class_name");
        ScheduledDiffusion diffusion = diffusion(f, kind, learnedVariance);
        SamplingConfig sampling =
                switch (kind) {
                    case "DDIMScheduler" -> chain(f, SamplingConfig.Solver.DDIM, 0, steps, guidance);
                    case "DDPMScheduler" -> {
                        if (learnedVariance
                                && !f.text("variance_type", "fixed_small").equals("learned_range")) {
                            throw new InputException(
                                    where + ": diffusers' pipeline discards the learned variance, which"
                                            + " DDPM needs here: sample with another scheduler");
                        }
                        yield chain(f, SamplingConfig.Solver.DDPM, 1, steps, guidance);
                    }
                    case "DPMSolverMultistepScheduler" -> multistep(f, steps, guidance);
                    case "EulerDiscreteScheduler" -> euler(f, steps, guidance);
                    default ->
                        throw new InputException(where + ": _class_name must be DDIMScheduler, DDPMScheduler,"
                                + " DPMSolverMultistepScheduler or EulerDiscreteScheduler, got " + kind);
                };
        f.ignore("_diffusers_version");
        f.finish();
        return new Settings(diffusion, sampling);
    }

    private static ScheduledDiffusion diffusion(Fields f, String kind, boolean learnedVariance) {
        f.only("num_train_timesteps", STEPS);
        f.only("trained_betas", (Object) null);
        f.only("rescale_betas_zero_snr", false);
        String betas = f.text("beta_schedule", "linear");
        if (betas.equals("linear")) {
            f.only("beta_start", 1e-4);
            f.only("beta_end", 0.02);
        } else {
            f.only("beta_schedule", "linear", "squaredcos_cap_v2");
            f.ignore("beta_start", "beta_end");
        }
        String predicts = f.text("prediction_type", "epsilon");
        Parameterization parameterization =
                switch (predicts) {
                    case "epsilon" -> Parameterization.EPS;
                    case "v_prediction" -> Parameterization.V;
                    case "sample" -> Parameterization.X0;
                    default ->
                        throw new InputException(f.where()
                                + ": prediction_type must be epsilon, v_prediction or sample, got " + predicts);
                };
        Variance variance = learnedVariance
                ? Variance.LEARNED_RANGE
                : kind.equals("DDPMScheduler")
                                && f.text("variance_type", "fixed_small").equals("fixed_large")
                        ? Variance.FIXED_LARGE
                        : Variance.FIXED_SMALL;
        return new ScheduledDiffusion(
                betas.equals("linear") ? new NoiseSchedule.Linear(STEPS) : new NoiseSchedule.SquaredCosine(STEPS),
                parameterization,
                variance,
                learnedVariance ? DiffusionLoss.Kind.MSE_VLB : DiffusionLoss.Kind.MSE,
                new LossWeighting.Uniform());
    }

    private static SamplingConfig chain(
            Fields f, SamplingConfig.Solver solver, double eta, int steps, double guidance) {
        f.only("timestep_spacing", "leading");
        f.only("set_alpha_to_one", true);
        f.only("thresholding", false);
        f.only("clip_sample_range", 1.0);
        f.ignore("dynamic_thresholding_ratio", "sample_max_value");
        if (solver == SamplingConfig.Solver.DDPM) {
            f.only("variance_type", "fixed_small", "fixed_large", "learned_range");
        }
        int offset = f.integer("steps_offset", 0);
        boolean clip = f.flag("clip_sample", true);
        if (clip && solver == SamplingConfig.Solver.DDIM) {
            throw new InputException(
                    f.where() + ": clip_sample must be false for DDIMScheduler, whose noise does not follow"
                            + " the clipped picture, got true");
        }
        return config(
                solver,
                eta,
                "leading" + steps + (offset == 0 ? "" : "+" + offset),
                new SigmaGrid.OfSchedule(),
                guidance,
                clip);
    }

    private static SamplingConfig multistep(Fields f, int steps, double guidance) {
        f.only("algorithm_type", "dpmsolver++");
        f.only("solver_order", 2);
        f.only("solver_type", "midpoint");
        f.only("timestep_spacing", "linspace");
        f.only("use_karras_sigmas", false, null);
        f.only("use_exponential_sigmas", false, null);
        f.only("use_beta_sigmas", false, null);
        f.only("use_lu_lambdas", false, null);
        f.only("use_flow_sigmas", false, null);
        f.only("final_sigmas_type", "zero");
        f.only("euler_at_final", false);
        f.only("thresholding", false);
        f.only("variance_type", (Object) null);
        f.only("lambda_min_clipped", Double.NEGATIVE_INFINITY);
        f.ignore(
                "lower_order_final",
                "dynamic_thresholding_ratio",
                "sample_max_value",
                "steps_offset",
                "flow_shift",
                "use_dynamic_shifting",
                "time_shift_type");
        return config(
                SamplingConfig.Solver.DPMPP_2M,
                0,
                Integer.toString(steps),
                new SigmaGrid.Timesteps(SigmaGrid.Timesteps.Spacing.LINSPACE_WHOLE),
                guidance,
                false);
    }

    private static SamplingConfig euler(Fields f, int steps, double guidance) {
        f.only("timestep_spacing", "linspace");
        f.only("interpolation_type", "linear");
        f.only("use_karras_sigmas", false, null);
        f.only("use_exponential_sigmas", false, null);
        f.only("use_beta_sigmas", false, null);
        f.only("timestep_type", "discrete");
        f.only("final_sigmas_type", "zero");
        f.ignore("sigma_min", "sigma_max", "steps_offset");
        return config(
                SamplingConfig.Solver.EULER,
                0,
                Integer.toString(steps),
                new SigmaGrid.Timesteps(SigmaGrid.Timesteps.Spacing.LINSPACE),
                guidance,
                false);
    }

    private static SamplingConfig config(
            SamplingConfig.Solver solver, double eta, String steps, SigmaGrid grid, double guidance, boolean clip) {
        return new SamplingConfig(
                solver,
                eta,
                steps,
                grid,
                guidance,
                new GuidanceSchedule.Constant(),
                SamplingConfig.GuidedChannels.ALL,
                false,
                clip);
    }
}
