package org.mezzotint.diffusion;

import com.fasterxml.jackson.annotation.JsonProperty;

/**
 * How pictures of a trained network are drawn unless one asks otherwise. It travels with the weights.
 *
 * @param solver the way from noise to pictures
 * @param eta noise of the DDIM solver, 0 (none) to 1; DDPM takes 1
 * @param steps how many levels and which, as {@link Respacing} reads it; empty for all levels of a discrete schedule
 * @param guidance scale of classifier-free guidance; 1 is none
 * @param guidedChannels which channels of the prediction are guided
 * @param clip whether the clean picture that each step predicts is clipped to [−1, 1]
 */
public record SamplingConfig(
        Solver solver, double eta, String steps, double guidance, GuidedChannels guidedChannels, boolean clip) {
    /** Solvers by name. */
    public enum Solver {
        /** Ancestral sampling. */
        @JsonProperty("ddpm")
        DDPM,
        /** DDIM. */
        @JsonProperty("ddim")
        DDIM
    }

    /** Which channels guidance moves. */
    public enum GuidedChannels {
        /** All channels of the prediction. */
        @JsonProperty("all")
        ALL,
        /** The first three only: the DiT paper's choice for its four latent channels (appendix A). */
        @JsonProperty("first-three")
        FIRST_THREE
    }

    /** Checks the rules. */
    public SamplingConfig {
        if (solver == null || steps == null || guidedChannels == null) {
            throw new IllegalArgumentException("solver, steps and guidedChannels must be given");
        }
        if (!(eta >= 0 && eta <= 1)) {
            throw new IllegalArgumentException("eta must be 0 to 1, got " + eta);
        }
        if (solver == Solver.DDPM && eta != 1) {
            throw new IllegalArgumentException("solver ddpm takes eta 1; for another eta use ddim, got " + eta);
        }
        if (!(guidance >= 0 && guidance < 1000)) {
            throw new IllegalArgumentException("guidance must be 0 to 1000, got " + guidance);
        }
    }
}
