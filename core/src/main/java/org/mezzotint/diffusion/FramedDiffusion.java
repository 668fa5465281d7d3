package org.mezzotint.diffusion;

import org.mezzotint.tensor.Conditioning;

/** Training of a network inside a {@link Frame}. The network is told σ. */
public sealed interface FramedDiffusion extends DiffusionConfig permits PreconditionedDiffusion, ScoreVp, ScoreVe {
    /** σ is told as ln σ/4 (arXiv:2206.00364v2, table 1); an embedding made for 0 … 999 wants larger numbers. */
    double TIMESTEPS = 1000 / 4.0;

    /**
     * What stands around the network.
     *
     * @return c_skip, c_out, c_in and c_noise
     */
    Frame frame();

    @Override
    default SigmaDenoiser denoiser(Network network, Conditioning cond) {
        return frame().around(network, cond);
    }

    /**
     * A noise level as a model hears it whose embedding is made for 0 … 999: where the frame has no such number of its own,
     * 250·ln σ, our choice for models such as DiT, which the papers do not train this way.
     *
     * @param sigma above 0
     * @return any number
     */
    default double timestep(double sigma) {
        return TIMESTEPS * Math.log(sigma);
    }
}
