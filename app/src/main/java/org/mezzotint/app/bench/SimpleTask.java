package org.mezzotint.app.bench;

import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.Denoiser;
import org.mezzotint.diffusion.DiffusionLoss;
import org.mezzotint.diffusion.LossWeighting;
import org.mezzotint.diffusion.Network;
import org.mezzotint.diffusion.NoiseSchedule;
import org.mezzotint.diffusion.Parameterization;
import org.mezzotint.diffusion.ScheduledDiffusion;
import org.mezzotint.diffusion.Variance;
import org.mezzotint.models.Downsampling;
import org.mezzotint.models.ModelConfig;
import org.mezzotint.models.ResidualLevel;
import org.mezzotint.models.SimpleDiffusionUNetConfig;
import org.mezzotint.models.UViTConfig;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Tensors;

/**
 * Simple diffusion's networks with the squared error of v under the cosine schedule, and one step of DDPM: small enough for a
 * CPU, with one level of wavelets for each doubling of the picture's side, so that the blocks always see 64 × 64 cells at
 * most.
 *
 * @param name of the model
 * @param model its shape
 */
record SimpleTask(String name, ModelConfig model) implements Task {
    private static final int SMALLEST = 64;
    private static final int BASE = 64;
    private static final int EMBEDDING = 256;
    private static final int HEADS = 4;
    private static final int GROUPS = 32;
    private static final int CLASSES = 1000;
    private static final int STEPS = 512;
    private static final int STEP = 256;

    private static final NoiseSchedule.Continuous SCHEDULE = new NoiseSchedule.Cosine(-15, 15);
    private static final ScheduledDiffusion DIFFUSION = new ScheduledDiffusion(
            SCHEDULE, Parameterization.V, Variance.FIXED_SMALL, DiffusionLoss.Kind.MSE, new LossWeighting.Uniform());

    static SimpleTask unet(int size) {
        return new SimpleTask(
                "simple-unet " + size,
                new SimpleDiffusionUNetConfig(
                        size,
                        size,
                        3,
                        downsampling(size),
                        BASE,
                        EMBEDDING,
                        List.of(
                                new ResidualLevel(1, 2),
                                new ResidualLevel(2, 2),
                                new ResidualLevel(4, 3),
                                new ResidualLevel(4, 2)),
                        List.of(16, 8),
                        HEADS,
                        0,
                        0,
                        GROUPS,
                        CLASSES));
    }

    static SimpleTask uvit(int size) {
        return new SimpleTask(
                "uvit " + size,
                new UViTConfig(
                        size,
                        size,
                        3,
                        downsampling(size),
                        BASE,
                        EMBEDDING,
                        List.of(new ResidualLevel(1, 2), new ResidualLevel(2, 2)),
                        new UViTConfig.Transformer(6, 8, HEADS, 0),
                        GROUPS,
                        CLASSES));
    }

    private static Downsampling downsampling(int size) {
        int levels = 0;
        int side = SMALLEST;
        for (; side < size; side *= 2) {
            levels++;
        }
        if (side != size || levels > 4) {
            throw new IllegalArgumentException("--size must be 64, 128, 256, 512 or 1024, got " + size);
        }
        return levels == 0 ? new Downsampling.None() : new Downsampling.Wavelet(levels);
    }

    @Override
    public Recipe recipe() {
        return new Recipe(1e-4, 0.99, 0);
    }

    /** At even times. */
    @Override
    public Tensor losses(Network network, Tensor x0, Tensor noise, Conditioning cond) {
        DiffusionLoss loss = new DiffusionLoss(DIFFUSION);
        double[] u = new double[(int) x0.size(0)];
        for (int i = 0; i < u.length; i++) {
            u[i] = (i + 0.5) / u.length;
        }
        return loss.terms(told(network), x0, loss.levels(u), noise, cond).total();
    }

    @Override
    public Tensor step(Network network, Tensor x, Tensor noise, Conditioning cond) {
        Denoiser denoiser = new Denoiser(
                told(network),
                cond,
                SCHEDULE.chain(Integer.toString(STEPS)),
                DIFFUSION.parameterization(),
                DIFFUSION.variance(),
                false);
        Denoiser.Prediction p = denoiser.predict(x, STEP);
        return p.mean().add(p.logVariance().mul(Scalars.of(0.5)).exp().mul(noise));
    }

    /** The network hears the log SNR of a schedule's time. */
    private static Network told(Network network) {
        return (x, time, cond) -> {
            double[] logSnr = Arrays.stream(Tensors.doubles(time))
                    .map(t -> SCHEDULE.logSnr(t / NoiseSchedule.Continuous.TIME_SCALE))
                    .toArray();
            return network.evaluate(x, Tensors.of(logSnr).to(x.device(), Tensors.type(time)), cond);
        };
    }
}
