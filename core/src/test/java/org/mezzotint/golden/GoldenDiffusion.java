package org.mezzotint.golden;

import com.fasterxml.jackson.databind.JsonNode;
import org.mezzotint.diffusion.Denoiser;
import org.mezzotint.diffusion.DiffusionChain;
import org.mezzotint.diffusion.DiffusionLoss;
import org.mezzotint.diffusion.LossWeighting;
import org.mezzotint.diffusion.Network;
import org.mezzotint.diffusion.NoiseSchedule;
import org.mezzotint.diffusion.Parameterization;
import org.mezzotint.diffusion.ScheduledDiffusion;
import org.mezzotint.diffusion.Variance;
import org.mezzotint.tensor.Conditioning;

/** Our form of the reference's {@code create_diffusion} arguments. */
public final class GoldenDiffusion {
    private GoldenDiffusion() {}

    public static ScheduledDiffusion config(Golden golden) {
        JsonNode create = golden.config().get("create");
        int steps = create.path("diffusion_steps").asInt(1000);
        boolean cosine = create.path("noise_schedule").asText("linear").equals("squaredcos_cap_v2");
        boolean learned = create.path("learn_sigma").asBoolean(true);
        boolean small = create.path("sigma_small").asBoolean(false);
        boolean kl = create.path("use_kl").asBoolean(false);
        boolean rescaled = create.path("rescale_learned_sigmas").asBoolean(false);
        DiffusionLoss.Kind loss = kl
                ? DiffusionLoss.Kind.RESCALED_KL
                : !learned
                        ? DiffusionLoss.Kind.MSE
                        : rescaled ? DiffusionLoss.Kind.RESCALED_MSE_VLB : DiffusionLoss.Kind.MSE_VLB;
        return new ScheduledDiffusion(
                cosine ? new NoiseSchedule.SquaredCosine(steps) : new NoiseSchedule.Linear(steps),
                create.path("predict_xstart").asBoolean(false) ? Parameterization.X0 : Parameterization.EPS,
                learned ? Variance.LEARNED_RANGE : small ? Variance.FIXED_SMALL : Variance.FIXED_LARGE,
                loss,
                new LossWeighting.Uniform());
    }

    public static DiffusionChain chain(Golden golden) {
        return config(golden)
                .schedule()
                .chain(golden.config().get("create").get("timestep_respacing").asText());
    }

    public static Denoiser denoiser(Golden golden, DiffusionChain chain, Network network, Conditioning cond) {
        ScheduledDiffusion config = config(golden);
        boolean clip = golden.config().path("clip_denoised").asBoolean(false);
        return new Denoiser(network, cond, chain, config.parameterization(), config.variance(), clip);
    }
}
