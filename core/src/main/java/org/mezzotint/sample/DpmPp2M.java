package org.mezzotint.sample;

import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.SigmaDenoiser;

/** DPM-Solver++(2M) (arXiv:2211.01095v2, algorithm 2); of the first order in its first step and to level 0. */
public record DpmPp2M() implements SigmaSampler {
    @Override
    public Tensor sample(
            SigmaDenoiser denoiser, Tensor x, double[] sigmas, StepNoise noise, Sampler.Progress progress) {
        return Steps.run(
                x,
                sigmas.length - 1,
                1,
                (at, i, old) -> {
                    double from = sigmas[i];
                    double to = sigmas[i + 1];
                    Tensor denoised = denoiser.denoise(at, from);
                    Tensor ahead = denoised;
                    if (i > 0 && to > 0) {
                        double r = Math.log(sigmas[i - 1] / from) / Math.log(from / to); // h_last / h
                        ahead = Blend.of(1 + 1 / (2 * r), denoised, -1 / (2 * r), old.get(0));
                    }
                    return new Steps.Next(Blend.of(to / from, at, 1 - to / from, ahead), denoised);
                },
                progress);
    }
}
