package org.mezzotint.sample;

import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.SigmaDenoiser;

/**
 * The third-order multistep relative of {@link DpmPp2MSde} (k-diffusion's dpmpp_3m_sde; the solver of arXiv:2401.11605).
 *
 * @param eta share of the noise
 * @param noiseScale times the noise
 */
public record DpmPp3MSde(double eta, double noiseScale) implements SigmaSampler {
    /** Checks the rule. */
    public DpmPp3MSde {
        Ancestral.check(eta);
    }

    @Override
    public Tensor sample(
            SigmaDenoiser denoiser, Tensor x, double[] sigmas, StepNoise noise, Sampler.Progress progress) {
        return Steps.run(
                x,
                sigmas.length - 1,
                2,
                (at, i, old) -> {
                    double from = sigmas[i];
                    double to = sigmas[i + 1];
                    Tensor denoised = denoiser.denoise(at, from);
                    if (to == 0) {
                        return new Steps.Next(denoised, denoised);
                    }
                    double h = Math.log(from / to);
                    double all = h * (1 + eta); // H
                    Tensor next = Blend.of(Math.exp(-all), at, -Math.expm1(-all), denoised);
                    double phi2 = Math.expm1(-all) / all + 1;
                    if (i > 0) {
                        double r0 = Math.log(sigmas[i - 1] / from) / h;
                        Tensor a = Blend.of(1 / r0, denoised, -1 / r0, old.get(0));
                        if (i == 1) {
                            next = Blend.of(1, next, phi2, a);
                        } else {
                            double r1 = Math.log(sigmas[i - 2] / sigmas[i - 1]) / h;
                            double phi3 = phi2 / all - 0.5;
                            Tensor b = Blend.of(1 / r1, old.get(0), -1 / r1, old.get(1));
                            Tensor d1 = Blend.of(1 + r0 / (r0 + r1), a, -r0 / (r0 + r1), b);
                            Tensor d2 = Blend.of(1 / (r0 + r1), a, -1 / (r0 + r1), b);
                            next = Blend.of(1, next, phi2, d1, -phi3, d2);
                        }
                    }
                    return new Steps.Next(Ancestral.diffuse(next, eta, noiseScale, noise, i, from, to), denoised);
                },
                progress);
    }
}
