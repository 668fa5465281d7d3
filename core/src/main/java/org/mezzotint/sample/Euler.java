package org.mezzotint.sample;

import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.SigmaDenoiser;

/**
 * Euler's method on the probability flow, with optional churn (arXiv:2206.00364v2, algorithm 2 without its correction).
 *
 * @param churn noise added before each step
 */
public record Euler(Churn churn) implements SigmaSampler {
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
                    Tensor d = Blend.slope(start, denoiser.denoise(start, from), from);
                    return Blend.of(1, start, sigmas[i + 1] - from, d);
                },
                progress);
    }
}
