package org.mezzotint.sample;

import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.Denoiser;
import org.mezzotint.diffusion.Denoiser.Prediction;
import org.mezzotint.diffusion.DiffusionChain;

/**
 * Ancestral sampling with a variance between that of the posterior and that of the forward step (arXiv:2301.11093v2,
 * appendix B). From t to s, with c = 1 − e^(λ_t − λ_s):
 *
 * <pre>
 *   mean = α_s·(x_t·(1 − c)/α_t + c·x̂_0)
 *   log variance = ν·log(c·σ_t²) + (1 − ν)·log(c·σ_s²)
 * </pre>
 *
 * In a chain's words c·σ_s² is β̃ and c·σ_t² is β, so ν = 0 is DDPM with the smaller variance and ν = 1 with the larger. The last
 * step goes from the least noisy level to a picture: it returns x̂_0, clipped if the denoiser clips, and adds no noise.
 *
 * @param nu ν, 0 to 1; the paper takes 0.2, and 1 for its text-to-image figures
 */
public record InterpolatedDdpm(double nu) implements Sampler {
    /** Checks the rule. */
    public InterpolatedDdpm {
        if (!(nu >= 0 && nu <= 1)) {
            throw new IllegalArgumentException("nu must be 0 to 1, got " + nu);
        }
    }

    @Override
    public Tensor sample(Denoiser denoiser, Tensor noise, StepNoise steps, Progress progress) {
        DiffusionChain chain = denoiser.chain();
        int total = chain.steps();
        double[] logVariance = logVariance(chain);
        return Steps.run(
                noise,
                total,
                (x, executed) -> {
                    int t = total - 1 - executed;
                    Prediction p = denoiser.predict(x, t);
                    return t == 0
                            ? p.mean()
                            : Blend.of(1, p.mean(), Math.exp(logVariance[t] / 2), steps.draw(executed, x));
                },
                progress);
    }

    /** ν·log β + (1 − ν)·log β̃ of each level; the first, −∞ or NaN, is not used. */
    double[] logVariance(DiffusionChain chain) {
        double[] larger = chain.betas();
        double[] smaller = chain.posteriorVariance();
        double[] mixed = new double[larger.length];
        for (int t = 0; t < mixed.length; t++) {
            mixed[t] = nu * Math.log(larger[t]) + (1 - nu) * Math.log(smaller[t]);
        }
        return mixed;
    }
}
