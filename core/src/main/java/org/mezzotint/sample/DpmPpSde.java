package org.mezzotint.sample;

import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.SigmaDenoiser;

/**
 * DPM-Solver++ for the SDE with a step in the middle (arXiv:2211.01095v2; k-diffusion's dpmpp_sde): both halves are ancestral
 * steps from the same start; one Euler step to level 0.
 *
 * @param eta share of the noise
 * @param noiseScale times the noise
 * @param r where the middle lies, above 0 and at most 1; usually ½
 */
public record DpmPpSde(double eta, double noiseScale, double r) implements SigmaSampler {
    /** Checks the rules. */
    public DpmPpSde {
        Ancestral.check(eta);
        if (!(r > 0 && r <= 1)) {
            throw new IllegalArgumentException("r must be above 0 and at most 1, got " + r);
        }
    }

    @Override
    public Tensor sample(
            SigmaDenoiser denoiser, Tensor x, double[] sigmas, StepNoise noise, Sampler.Progress progress) {
        return Steps.run(
                x,
                sigmas.length - 1,
                (at, i) -> {
                    double from = sigmas[i];
                    double to = sigmas[i + 1];
                    Tensor denoised = denoiser.denoise(at, from);
                    if (to == 0) {
                        return denoised;
                    }
                    double middle = from * Math.pow(to / from, r);
                    Tensor half = half(at, denoised, from, middle, 2 * i, noise);
                    double share = 1 / (2 * r);
                    Tensor mixed = Blend.of(1 - share, denoised, share, denoiser.denoise(half, middle));
                    return half(at, mixed, from, to, 2 * i + 1, noise);
                },
                progress);
    }

    /** An ancestral step of the first order. */
    private Tensor half(Tensor x, Tensor denoised, double from, double to, int draw, StepNoise noise) {
        Ancestral step = Ancestral.step(from, to, eta);
        Tensor down = Blend.of(step.down() / from, x, 1 - step.down() / from, denoised);
        return step.raise(down, noiseScale, noise, draw, from, to);
    }
}
