package org.mezzotint.sample;

import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.SigmaDenoiser;

/**
 * DPM-Solver++(2M) for the SDE (arXiv:2211.01095v2, section 5 and appendix A). The published HDiT samples use it with η = 0
 * and the second form.
 *
 * @param eta share of the noise
 * @param noiseScale times the noise
 * @param correction form of the second-order term
 */
public record DpmPp2MSde(double eta, double noiseScale, Correction correction) implements SigmaSampler {
    /** The two forms of the second-order term. */
    public enum Correction {
        /** ½·(1 − e^(−H))·(D − D_old)/r. */
        MIDPOINT,
        /** ((1 − e^(−H))/(−H) + 1)·(D − D_old)/r. */
        HEUN
    }

    /** Checks the rule. */
    public DpmPp2MSde {
        Ancestral.check(eta);
    }

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
                    if (to == 0) {
                        return new Steps.Next(denoised, denoised);
                    }
                    double h = Math.log(from / to);
                    double all = h * (1 + eta); // H
                    double rest = -Math.expm1(-all); // 1 − e^(−H)
                    Tensor next = Blend.of(to / from * Math.exp(-eta * h), at, rest, denoised);
                    if (i > 0) {
                        double r = Math.log(sigmas[i - 1] / from) / h;
                        double factor = (correction == Correction.HEUN ? 1 - rest / all : rest / 2) / r;
                        next = Blend.of(1, next, factor, denoised, -factor, old.get(0));
                    }
                    return new Steps.Next(Ancestral.diffuse(next, eta, noiseScale, noise, i, from, to), denoised);
                },
                progress);
    }
}
