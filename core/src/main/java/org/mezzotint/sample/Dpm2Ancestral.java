package org.mezzotint.sample;

import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.SigmaDenoiser;

/**
 * {@link Dpm2} to σ_down, then noise up to the next level.
 *
 * @param eta share of the noise
 * @param noiseScale times the noise
 */
public record Dpm2Ancestral(double eta, double noiseScale) implements SigmaSampler {
    /** Checks the rule. */
    public Dpm2Ancestral {
        Ancestral.check(eta);
    }

    @Override
    public Tensor sample(
            SigmaDenoiser denoiser, Tensor x, double[] sigmas, StepNoise noise, Sampler.Progress progress) {
        return Steps.run(
                x,
                sigmas.length - 1,
                (at, i) -> {
                    Ancestral step = Ancestral.step(sigmas[i], sigmas[i + 1], eta);
                    Tensor down = Dpm2.step(denoiser, at, sigmas[i], step.down());
                    return step.raise(down, noiseScale, noise, i, sigmas[i], sigmas[i + 1]);
                },
                progress);
    }
}
