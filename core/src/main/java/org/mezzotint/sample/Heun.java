package org.mezzotint.sample;

import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.SigmaDenoiser;

/**
 * Heun's method on the probability flow (arXiv:2206.00364v2, algorithms 1 and 2): the mean of the slopes at both ends; one
 * Euler step to level 0.
 *
 * @param churn noise added before each step
 */
public record Heun(Churn churn) implements SigmaSampler {
    @Override
    public Tensor sample(
            SigmaDenoiser denoiser, Tensor x, double[] sigmas, StepNoise noise, Sampler.Progress progress) {
        int n = sigmas.length - 1;
        return Steps.run(
                x,
                n,
                (at, i) -> {
                    double from = churn.raised(sigmas[i], n);
                    double to = sigmas[i + 1];
                    Tensor start = churn.raise(at, i, sigmas[i], from, noise);
                    Tensor d = Blend.slope(start, denoiser.denoise(start, from), from);
                    Tensor end = Blend.of(1, start, to - from, d);
                    if (to == 0) {
                        return end;
                    }
                    Tensor d2 = Blend.slope(end, denoiser.denoise(end, to), to);
                    return Blend.of(1, start, (to - from) / 2, d, (to - from) / 2, d2);
                },
                progress);
    }
}
