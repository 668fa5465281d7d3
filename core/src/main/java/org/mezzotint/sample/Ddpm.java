package org.mezzotint.sample;

import java.util.Arrays;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.Denoiser;
import org.mezzotint.diffusion.Denoiser.Prediction;
import org.mezzotint.diffusion.DiffusionChain;
import org.mezzotint.tensor.Scalars;

/** Ancestral sampling (arXiv:2006.11239, algorithm 2), with the denoiser's variance; the last step adds no noise. */
public record Ddpm() implements Sampler {
    @Override
    public Tensor sample(Denoiser denoiser, Tensor noise, StepNoise steps, Progress progress) {
        int total = denoiser.chain().steps();
        return Steps.run(
                noise,
                total,
                (x, executed) -> {
                    int t = total - 1 - executed;
                    Prediction p = denoiser.predict(x, t);
                    return t == 0 ? p.mean() : step(p, t, steps.draw(executed, x));
                },
                progress);
    }

    /** x_{t−1} = μ + 1[t ≠ 0]·√(σ²)·noise for levels that may differ in the batch. */
    static Tensor step(Prediction p, int[] t, Tensor noise) {
        Tensor std = p.logVariance().mul(Scalars.of(0.5)).exp();
        Tensor active = DiffusionChain.at(t, noise, i -> i == 0 ? 0 : 1);
        return p.mean().add(active.mul(std).mul(noise));
    }

    private static Tensor step(Prediction p, int t, Tensor noise) {
        int[] levels = new int[Math.toIntExact(noise.size(0))];
        Arrays.fill(levels, t);
        return step(p, levels, noise);
    }
}
