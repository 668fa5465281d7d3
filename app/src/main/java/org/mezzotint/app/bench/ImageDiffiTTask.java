package org.mezzotint.app.bench;

import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.Network;
import org.mezzotint.diffusion.Preconditioning;
import org.mezzotint.diffusion.SigmaLoss;
import org.mezzotint.diffusion.SigmaWeighting;
import org.mezzotint.models.ImageDiffiTConfig;
import org.mezzotint.models.NamedImageDiffiT;
import org.mezzotint.sample.Churn;
import org.mezzotint.sample.Heun;
import org.mezzotint.sample.Sampler;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Scalars;

/**
 * DiffiT in image space with EDM's loss, and Heun's method.
 *
 * @param name of the model
 * @param model its shape
 */
record ImageDiffiTTask(String name, ImageDiffiTConfig model) implements Task {
    static final String CIFAR = "diffit-cifar10";

    private static final Preconditioning FRAME = new Preconditioning(0.5);
    private static final SigmaLoss LOSS = new SigmaLoss(FRAME, new SigmaWeighting.Edm(), 1);
    private static final double[] STEP = {10, 9};

    static ImageDiffiTTask cifar(int size) {
        ImageDiffiTConfig model = NamedImageDiffiT.named(CIFAR, 0);
        if (size != model.height()) {
            throw new IllegalArgumentException("--size must be " + model.height() + " for " + CIFAR + ", got " + size);
        }
        return new ImageDiffiTTask(CIFAR + " " + size, model);
    }

    @Override
    public Recipe recipe() {
        return new Recipe(1e-3, 0.999, 0);
    }

    /** At noise levels from 0.1 to below 10, evenly spaced in their logarithm. */
    @Override
    public Tensor losses(Network network, Tensor x0, Tensor noise, Conditioning cond) {
        double[] sigma = new double[(int) x0.size(0)];
        for (int i = 0; i < sigma.length; i++) {
            sigma[i] = 0.1 * Math.pow(100, (double) i / sigma.length);
        }
        return LOSS.losses(network, x0, sigma, noise, cond);
    }

    /** Two evaluations. */
    @Override
    public Tensor step(Network network, Tensor x, Tensor noise, Conditioning cond) {
        return new Heun(Churn.NONE)
                .sample(
                        FRAME.around(network, cond),
                        x.mul(Scalars.of(STEP[0])),
                        STEP,
                        (draw, sigma, next, like, first) -> noise,
                        Sampler.Progress.NONE);
    }
}
