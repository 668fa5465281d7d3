package org.mezzotint.sample;

import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.SigmaDenoiser;

/**
 * Euler's method to σ_down, then noise up to the next level (arXiv:2011.13456's ancestral sampling in these variables).
 *
 * @param eta share of the noise: 0 for a deterministic sampler, 1 for that of the reverse process
 * @param noiseScale times the noise
 */
public record EulerAncestral(double eta, double noiseScale) implements SigmaSampler {
    /** Checks the rule. */
    public EulerAncestral {
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
                    Tensor d = Blend.slope(at, denoiser.denoise(at, sigmas[i]), sigmas[i]);
                    Tensor down = Blend.of(1, at, step.down() - sigmas[i], d);
                    return step.raise(down, noiseScale, noise, i, sigmas[i], sigmas[i + 1]);
                },
                progress);
    }
}
