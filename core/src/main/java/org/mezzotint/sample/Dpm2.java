package org.mezzotint.sample;

import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.SigmaDenoiser;

/**
 * The midpoint method in log σ (DPM-Solver-2 of arXiv:2206.00927 with the slope of arXiv:2206.00364): the slope half way
 * stands for the whole step; one Euler step to level 0.
 *
 * @param churn noise added before each step
 */
public record Dpm2(Churn churn) implements SigmaSampler {
    @Override
    public Tensor sample(
            SigmaDenoiser denoiser, Tensor x, double[] sigmas, StepNoise noise, Sampler.Progress progress) {
        int n = sigmas.length - 1;
        return Steps.run(
                x,
                n,
                (at, i) -> {
                    double from = churn.raised(sigmas[i], n);
                    Tensor start = churn.raise(at, i, sigmas[i], from, noise);
                    return step(denoiser, start, from, sigmas[i + 1]);
                },
                progress);
    }

    /** One step of the method. */
    static Tensor step(SigmaDenoiser denoiser, Tensor x, double from, double to) {
        Tensor d = Blend.slope(x, denoiser.denoise(x, from), from);
        if (to == 0) {
            return Blend.of(1, x, -from, d);
        }
        double middle = Math.sqrt(from * to);
        Tensor half = Blend.of(1, x, middle - from, d);
        Tensor d2 = Blend.slope(half, denoiser.denoise(half, middle), middle);
        return Blend.of(1, x, to - from, d2);
    }
}
