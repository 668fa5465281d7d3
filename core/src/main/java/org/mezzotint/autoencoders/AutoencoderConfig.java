package org.mezzotint.autoencoders;

import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.models.layers.Init;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Shapes;

/** What an autoencoder is built from. Each kind has one record; {@code type} names it in files. */
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonSubTypes({
    @JsonSubTypes.Type(value = AutoencoderKLConfig.class, name = "autoencoder-kl"),
    @JsonSubTypes.Type(value = TinyAutoencoderConfig.class, name = "tiny-autoencoder")
})
public sealed interface AutoencoderConfig permits AutoencoderKLConfig, TinyAutoencoderConfig {
    /**
     * Channels C of the pictures.
     *
     * @return 3 for colour
     */
    int channels();

    /**
     * Channels c of the latents.
     *
     * @return at least 1
     */
    int latentChannels();

    /**
     * A picture's side over its latent's.
     *
     * @return f, a power of two
     */
    @JsonIgnore
    int downFactor();

    /**
     * What a diffusion model sees of the latents.
     *
     * @return the published scale, shift and statistics
     */
    LatentScale latents();

    /**
     * Builds the network.
     *
     * @param init device, precision and initial values
     * @return owned by the caller
     */
    Autoencoder create(Init init);

    /**
     * Multiply-accumulates of encoding one picture, without norms and activations.
     *
     * @param height of the picture, a multiple of the factor
     * @param width of the picture, a multiple of the factor
     * @return a count
     */
    long encodeMacs(int height, int width);

    /**
     * Multiply-accumulates of decoding one picture, without norms and activations.
     *
     * @param height of the picture, a multiple of the factor
     * @param width of the picture, a multiple of the factor
     * @return a count
     */
    long decodeMacs(int height, int width);

    /** Refuses what is no batch of pictures (N, C, H, W) of a size that the factor divides. */
    default void checkPictures(Tensor x, Precision precision) {
        Shapes.check("x", x, Shapes.ANY, channels(), Shapes.ANY, Shapes.ANY);
        checkSize(x.size(2), x.size(3));
        atLeastOne("x", x);
        precision.checkStored("x", x);
    }

    /** Refuses what is no batch of latents (N, c, h, w). */
    default void checkLatents(Tensor z, Precision precision) {
        Shapes.check("z", z, Shapes.ANY, latentChannels(), Shapes.ANY, Shapes.ANY);
        atLeastOne("z", z);
        precision.checkStored("z", z);
    }

    private static void atLeastOne(String name, Tensor tensor) {
        if (tensor.numel() == 0) {
            throw new IllegalArgumentException(
                    name + " must not be empty, got shape " + Shapes.toString(Shapes.of(tensor)));
        }
    }

    private void checkSize(long height, long width) {
        if (height % downFactor() != 0 || width % downFactor() != 0) {
            throw new IllegalArgumentException("height and width must be multiples of the autoencoder's factor "
                    + downFactor() + ", got " + height + " and " + width);
        }
    }
}
