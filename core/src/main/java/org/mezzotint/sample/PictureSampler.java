package org.mezzotint.sample;

import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.diffusion.Denoiser;
import org.mezzotint.diffusion.DiffusionConfig;
import org.mezzotint.diffusion.Network;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * Draws pictures of a trained network by seed and class: schedule, guidance and solver put together. The picture of a seed
 * does not depend on the batch it is drawn in, beyond the rounding of matrix products of another size.
 *
 * @param network unguided
 * @param diffusion what the network was trained to do
 * @param sampling how to draw
 * @param shape of the pictures and of the network's other input
 */
public record PictureSampler(Network network, DiffusionConfig diffusion, SamplingConfig sampling, Shape shape) {
    /**
     * What the network takes.
     *
     * @param channels C
     * @param height H
     * @param width W
     * @param numClasses 0 for an unconditional network
     * @param nullClass whether label {@code numClasses} stands for "no class"
     * @param type of the noise: Float or Double
     * @param device where the network lives
     */
    public record Shape(
            int channels, int height, int width, int numClasses, boolean nullClass, ScalarType type, Device device) {}

    /** Checks that the parts go together. */
    public PictureSampler {
        if (sampling.guidance() != 1 && !shape.nullClass()) {
            throw new IllegalArgumentException(
                    "guidance needs a model with a null class, got guidance " + sampling.guidance());
        }
    }

    /**
     * Draws one batch.
     *
     * @param seeds one a picture
     * @param labels one a picture, each below the number of classes, or equal to it for "no class"; empty for an
     *     unconditional network
     * @param progress called after each step
     * @return (N, C, H, W), about [−1, 1], in the caller's scope
     */
    public Tensor draw(long[] seeds, long[] labels, Sampler.Progress progress) {
        checkLabels(seeds, labels);
        try (Scope scope = Scope.open();
                SeededNoise noise = new SeededNoise(seeds)) {
            Tensor start = noise.initial(shape.type(), shape.channels(), shape.height(), shape.width())
                    .to(shape.device(), shape.type());
            Conditioning cond = Conditioning.none();
            if (shape.numClasses() > 0) {
                Tensor cpu = Tensors.of(labels);
                cond = Conditioning.classes(cpu.to(shape.device(), cpu.scalar_type()));
            }
            return scope.keep(solver().sample(denoiser(cond), start, noise, progress));
        }
    }

    private void checkLabels(long[] seeds, long[] labels) {
        int expected = shape.numClasses() == 0 ? 0 : seeds.length;
        if (labels.length != expected) {
            throw new IllegalArgumentException(
                    "labels must be " + (expected == 0 ? "empty for an unconditional network" : "one a seed") + ", got "
                            + labels.length + " for " + seeds.length + " seeds");
        }
        for (long label : labels) {
            if (label < 0 || label > shape.numClasses() || (label == shape.numClasses() && !shape.nullClass())) {
                throw new IllegalArgumentException("class must be 0 to " + (shape.numClasses() - 1) + ", got " + label);
            }
        }
    }

    /**
     * The solver that the settings name.
     *
     * @return DDPM or DDIM
     */
    public Sampler solver() {
        return sampling.solver() == SamplingConfig.Solver.DDPM ? new Ddpm() : new Ddim(sampling.eta());
    }

    /**
     * A denoiser for a batch, guided and on the levels that the settings say.
     *
     * @param cond the batch's inputs
     * @return the denoiser
     */
    public Denoiser denoiser(Conditioning cond) {
        boolean all = sampling.guidedChannels() == SamplingConfig.GuidedChannels.ALL;
        Network guided = Guidance.classifierFree(
                network,
                sampling.guidance(),
                Guidance.nullClass(shape.numClasses()),
                all ? shape.channels() : Math.min(3, shape.channels()));
        return new Denoiser(
                guided,
                cond,
                diffusion.schedule().chain(sampling.steps()),
                diffusion.parameterization(),
                diffusion.variance(),
                sampling.clip());
    }
}
