package org.mezzotint.app.bench;

import java.util.List;
import java.util.Locale;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.Network;
import org.mezzotint.models.ModelConfig;
import org.mezzotint.tensor.Conditioning;

/** What is measured: a network, its loss, and one step of its sampler. */
public sealed interface Task permits DiTTask, HDiTTask, ImageDiffiTTask, SimpleTask {
    /** The names that {@link #named} knows. */
    List<String> NAMES = List.of("dit-s/2", "dit-pixels", "hdit", "diffit", "diffit-cifar10", "simple-unet", "uvit");

    /**
     * A task by name: DiT-S/2 on latents; a DiT of 256 channels and 8 layers on pixels, in patches of 4; an HDiT whose
     * innermost level is of that shape and sees 16 × 16 tokens; a latent DiffiT in the size of DiT-S/2; the published DiffiT
     * for pictures of 32 × 32 pixels; or simple diffusion's U-Net or U-ViT, whose blocks see 64 × 64 cells at most.
     *
     * @param name one of {@link #NAMES}
     * @param size side of the picture in pixels, of which a latent has an eighth
     * @return the task
     * @throws IllegalArgumentException for an unknown name or a size that does not fit
     */
    static Task named(String name, int size) {
        return switch (name.toLowerCase(Locale.ROOT)) {
            case "dit-s/2" -> DiTTask.latents(size);
            case "dit-pixels" -> DiTTask.pixels(size);
            case "hdit" -> HDiTTask.pixels(size);
            case "diffit" -> DiTTask.diffit(size);
            case ImageDiffiTTask.CIFAR -> ImageDiffiTTask.cifar(size);
            case "simple-unet" -> SimpleTask.unet(size);
            case "uvit" -> SimpleTask.uvit(size);
            default ->
                throw new IllegalArgumentException(
                        "--model must be one of " + String.join(", ", NAMES) + ", got " + name);
        };
    }

    /**
     * What to call it in a report.
     *
     * @return model and size
     */
    String name();

    /**
     * The network's shape.
     *
     * @return for square pictures
     */
    ModelConfig model();

    /**
     * The optimiser's settings.
     *
     * @return as published for the model
     */
    Recipe recipe();

    /**
     * Settings of AdamW.
     *
     * @param learningRate of every step
     * @param beta2 decay of the second moment
     * @param weightDecay decoupled decay
     */
    record Recipe(double learningRate, double beta2, double weightDecay) {}

    /**
     * The loss of each picture.
     *
     * @param network of this task's model
     * @param x0 (N, C, H, W), clean
     * @param noise (N, C, H, W), standard normal
     * @param cond labels
     * @return (N,)
     */
    Tensor losses(Network network, Tensor x0, Tensor noise, Conditioning cond);

    /**
     * One step of the sampler.
     *
     * @param network of this task's model
     * @param x (N, C, H, W), standard normal
     * @param noise (N, C, H, W), standard normal, for samplers that add noise
     * @param cond labels
     * @return (N, C, H, W)
     */
    Tensor step(Network network, Tensor x, Tensor noise, Conditioning cond);
}
