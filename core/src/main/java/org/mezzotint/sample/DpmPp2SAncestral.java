package org.mezzotint.sample;

import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.SigmaDenoiser;

/**
 * DPM-Solver++(2S) (arXiv:2211.01095v2, algorithm 1, r = ½) to σ_down, then noise up to the next level; one Euler step to
 * level 0.
 *
 * @param eta share of the noise
 * @param noiseScale times the noise
 */
public record DpmPp2SAncestral(double eta, double noiseScale) implements SigmaSampler {
    /** Checks the rule. */
    public DpmPp2SAncestral {
        Ancestral.check(eta);
    }

    @Override
    public Tensor sample(
            SigmaDenoiser denoiser, Tensor x, double[] sigmas, StepNoise noise, Sampler.Progress progress) {
        return Steps.run(
                x,
                sigmas.length - 1,
                (at, i) -> {
                    double from = sigmas[i];
                    Ancestral step = Ancestral.step(from, sigmas[i + 1], eta);
                    Tensor denoised = denoiser.denoise(at, from);
                    Tensor down;
                    if (step.down() == 0) {
                        down = denoised;
                    } else {
                        double h = Math.log(from / step.down());
                        double middle = from * Math.exp(-h / 2);
                        Tensor half = Blend.of(middle / from, at, -Math.expm1(-h / 2), denoised);
                        Tensor denoised2 = denoiser.denoise(half, middle);
                        down = Blend.of(step.down() / from, at, -Math.expm1(-h), denoised2);
                    }
                    return step.raise(down, noiseScale, noise, i, from, sigmas[i + 1]);
                },
                progress);
    }
}
