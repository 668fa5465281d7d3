package org.mezzotint.app.bench;

import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.Denoiser;
import org.mezzotint.diffusion.DiffusionLoss;
import org.mezzotint.diffusion.Network;
import org.mezzotint.diffusion.ScheduledDiffusion;
import org.mezzotint.models.DiTConfig;
import org.mezzotint.models.DiffiTConfig;
import org.mezzotint.models.ModelConfig;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Scalars;

/**
 * DiT or the latent DiffiT with MSE + VLB, and DDPM with learned variance.
 *
 * @param name of the model
 * @param model its shape
 */
record DiTTask(String name, ModelConfig model) implements Task {
    private static final int LATENT = 8; // pixels a side of the picture, for each of a latent
    private static final int STEP = 500;
    private static final ScheduledDiffusion DIFFUSION = ScheduledDiffusion.dit();

    static DiTTask latents(int size) {
        if (size % (2 * LATENT) != 0) {
            throw new IllegalArgumentException("--size must be a multiple of " + 2 * LATENT + ", got " + size);
        }
        return new DiTTask("dit-s/2 " + size, DiTConfig.named("dit-s/2", size / LATENT));
    }

    /** In the size of DiT-S/2. */
    static DiTTask diffit(int size) {
        DiTConfig dit = (DiTConfig) latents(size).model();
        return new DiTTask(
                "diffit " + size,
                new DiffiTConfig(
                        dit.height(),
                        dit.width(),
                        dit.channels(),
                        dit.patchSize(),
                        dit.hiddenSize(),
                        dit.depth(),
                        dit.numHeads(),
                        dit.mlpRatio(),
                        dit.numClasses(),
                        dit.nullClass(),
                        dit.learnSigma(),
                        DiffiTConfig.Time.TMSA));
    }

    static DiTTask pixels(int size) {
        return new DiTTask(
                "dit-pixels " + size,
                new DiTConfig(
                        size,
                        size,
                        3,
                        HDiTTask.PATCH,
                        HDiTTask.WIDTH,
                        HDiTTask.DEPTH,
                        HDiTTask.WIDTH / HDiTTask.HEAD,
                        4,
                        1000,
                        true,
                        true,
                        DiTConfig.Conditioning.ADALN_ZERO,
                        DiTConfig.Convention.paper()));
    }

    @Override
    public Recipe recipe() {
        return new Recipe(1e-4, 0.999, 0);
    }

    @Override
    public Tensor losses(Network network, Tensor x0, Tensor noise, Conditioning cond) {
        DiffusionLoss loss = new DiffusionLoss(DIFFUSION);
        double[] u = new double[(int) x0.size(0)];
        for (int i = 0; i < u.length; i++) {
            u[i] = (i + 0.5) / u.length;
        }
        return loss.terms(network, x0, loss.levels(u), noise, cond).total();
    }

    @Override
    public Tensor step(Network network, Tensor x, Tensor noise, Conditioning cond) {
        Denoiser denoiser = new Denoiser(
                network,
                cond,
                DIFFUSION.schedule().chain(""),
                DIFFUSION.parameterization(),
                DIFFUSION.variance(),
                false);
        Denoiser.Prediction p = denoiser.predict(x, STEP);
        return p.mean().add(p.logVariance().mul(Scalars.of(0.5)).exp().mul(noise));
    }
}
