package org.mezzotint.sample;

import java.util.Arrays;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.Denoiser;
import org.mezzotint.diffusion.Denoiser.Prediction;
import org.mezzotint.diffusion.DiffusionChain;
import org.mezzotint.tensor.Scalars;

/**
 * DDIM (arXiv:2010.02502v4, eq. 12 and 16): deterministic at η = 0, as noisy as DDPM at η = 1.
 *
 * @param eta η, 0 to 1
 */
public record Ddim(double eta) implements Sampler {
    /** Checks the rule. */
    public Ddim {
        if (!(eta >= 0 && eta <= 1)) {
            throw new IllegalArgumentException("eta must be 0 to 1, got " + eta);
        }
    }

    @Override
    public Tensor sample(Denoiser denoiser, Tensor noise, StepNoise steps, Progress progress) {
        int total = denoiser.chain().steps();
        return Steps.run(
                noise,
                total,
                (x, executed) -> {
                    int t = total - 1 - executed;
                    Prediction p = denoiser.predict(x, t);
                    Tensor drawn = eta > 0 && t > 0 ? steps.draw(executed, x) : null;
                    return step(denoiser.chain(), p, levels(x, t), drawn);
                },
                progress);
    }

    /**
     * x_{t−1} = √ᾱ_{t−1}·x̂_0 + √(1 − ᾱ_{t−1} − σ²)·ε̂ + 1[t ≠ 0]·σ·noise with
     * σ = η·√((1 − ᾱ_{t−1})/(1 − ᾱ_t))·√(1 − ᾱ_t/ᾱ_{t−1}), for levels that may differ in the batch.
     */
    Tensor step(DiffusionChain chain, Prediction p, int[] t, Tensor noise) {
        double[] oneMinus = chain.oneMinusAlphaBar();
        double[] prev = chain.alphaBarPrev();
        double[] betas = chain.betas(); // 1 − ᾱ_t/ᾱ_{t−1}
        DiffusionChain.Coefficient oneMinusPrev = i -> i == 0 ? 0 : oneMinus[i - 1];
        DiffusionChain.Coefficient variance = i -> eta * eta * oneMinusPrev.at(i) / oneMinus[i] * betas[i];
        Tensor mean = DiffusionChain.at(t, p.x0(), i -> Math.sqrt(prev[i]))
                .mul(p.x0())
                .add(DiffusionChain.at(t, p.x0(), i -> Math.sqrt(Math.max(0, oneMinusPrev.at(i) - variance.at(i))))
                        .mul(p.eps()));
        if (noise == null) {
            return mean;
        }
        return mean.add(DiffusionChain.at(t, p.x0(), i -> i == 0 ? 0 : Math.sqrt(variance.at(i)))
                .mul(noise));
    }

    /**
     * Runs the deterministic process backwards, from pictures to the noise that {@link #sample} turns into them
     * (arXiv:2010.02502v4, section 4.3 and eq. 14). It undoes sampling up to the error of its steps.
     *
     * @param denoiser evaluated once a level
     * @param pictures (N, C, H, W) in [−1, 1]
     * @param progress called after each step
     * @return the state at the noisiest level (N, C, H, W)
     * @throws IllegalStateException if η is not 0
     */
    public Tensor invert(Denoiser denoiser, Tensor pictures, Progress progress) {
        if (eta != 0) {
            throw new IllegalStateException("inversion needs the deterministic process, eta 0, got " + eta);
        }
        DiffusionChain chain = denoiser.chain();
        return Steps.run(
                pictures,
                chain.steps(),
                (x, executed) -> {
                    // no level stands for a clean picture: the first step takes the noise that the cleanest level sees
                    Prediction p = denoiser.predict(x, Math.max(executed - 1, 0));
                    return executed == 0
                            ? toFirstLevel(chain, x, p.eps())
                            : inverseStep(chain, p, levels(x, executed - 1));
                },
                progress);
    }

    private static Tensor toFirstLevel(DiffusionChain chain, Tensor picture, Tensor eps) {
        double alpha = Math.sqrt(chain.alphaBar()[0]);
        double sigma = Math.sqrt(chain.oneMinusAlphaBar()[0]);
        return picture.mul(Scalars.of(alpha)).add(eps.mul(Scalars.of(sigma)));
    }

    /** x_{t+1} = √ᾱ_{t+1}·x̂_0 + √(1 − ᾱ_{t+1})·ε̂, where ᾱ beyond the last level is 0. */
    static Tensor inverseStep(DiffusionChain chain, Prediction p, int[] t) {
        double[] next = chain.alphaBarNext();
        double[] oneMinus = chain.oneMinusAlphaBar();
        return DiffusionChain.at(t, p.x0(), i -> Math.sqrt(next[i]))
                .mul(p.x0())
                .add(DiffusionChain.at(t, p.x0(), i -> i == oneMinus.length - 1 ? 1 : Math.sqrt(oneMinus[i + 1]))
                        .mul(p.eps()));
    }

    private static int[] levels(Tensor x, int t) {
        int[] levels = new int[Math.toIntExact(x.size(0))];
        Arrays.fill(levels, t);
        return levels;
    }
}
