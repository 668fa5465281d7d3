package org.mezzotint.autoencoders;

import com.fasterxml.jackson.annotation.JsonIgnore;
import java.util.List;
import java.util.Objects;
import org.mezzotint.models.layers.Init;

/**
 * Shape of a {@link TinyAutoencoder}.
 *
 * @param channels of the pictures
 * @param latentChannels of the latents
 * @param width channels of every level
 * @param encoderBlocks residual blocks of each level, from the picture's size inwards
 * @param decoderBlocks residual blocks of each level, from the latent's size outwards
 * @param innerNorm whether the blocks of the latent's level first add a branch with a group norm over the whole picture, as
 *     in the network for FLUX.2
 * @param latents what a diffusion model sees of the latents
 */
public record TinyAutoencoderConfig(
        int channels,
        int latentChannels,
        int width,
        List<Integer> encoderBlocks,
        List<Integer> decoderBlocks,
        boolean innerNorm,
        LatentScale latents)
        implements AutoencoderConfig {
    private static final int MOST_LEVELS = 16;

    /** Checks every rule. */
    public TinyAutoencoderConfig {
        positive("channels", channels);
        positive("latentChannels", latentChannels);
        positive("width", width);
        encoderBlocks = List.copyOf(Objects.requireNonNull(encoderBlocks, "encoderBlocks must be given"));
        decoderBlocks = List.copyOf(Objects.requireNonNull(decoderBlocks, "decoderBlocks must be given"));
        if (encoderBlocks.isEmpty() || encoderBlocks.size() > MOST_LEVELS) {
            throw new IllegalArgumentException(
                    "encoderBlocks must name 1 to " + MOST_LEVELS + " levels, got " + encoderBlocks.size());
        }
        if (encoderBlocks.size() != decoderBlocks.size()) {
            throw new IllegalArgumentException("encoderBlocks and decoderBlocks must have as many levels, got "
                    + encoderBlocks.size() + " and " + decoderBlocks.size());
        }
        encoderBlocks.forEach(blocks -> positive("encoderBlocks", blocks));
        decoderBlocks.forEach(blocks -> positive("decoderBlocks", blocks));
        Objects.requireNonNull(latents, "latents must be given").checkChannels(latentChannels);
    }

    private static void positive(String name, int value) {
        if (value < 1) {
            throw new IllegalArgumentException(name + " must be at least 1, got " + value);
        }
    }

    /**
     * The published shape, f = 8: 64 channels, 1-3-3-3 and 3-3-3-1 blocks.
     *
     * @param latentChannels 4 for taesd and taesdxl, 16 for taesd3 and taef1
     * @return the configuration; its latents need no scaling
     */
    public static TinyAutoencoderConfig taesd(int latentChannels) {
        return of(latentChannels, false);
    }

    /**
     * The network for FLUX.2's latents, f = 8, 32 channels, with norms inside.
     *
     * @return the configuration; its latents need no scaling
     */
    public static TinyAutoencoderConfig taef2() {
        return of(32, true);
    }

    private static TinyAutoencoderConfig of(int latentChannels, boolean innerNorm) {
        return new TinyAutoencoderConfig(
                3, latentChannels, 64, List.of(1, 3, 3, 3), List.of(3, 3, 3, 1), innerNorm, LatentScale.NONE);
    }

    @Override
    @JsonIgnore
    public int downFactor() {
        return 1 << (encoderBlocks.size() - 1);
    }

    @Override
    public TinyAutoencoder create(Init init) {
        return new TinyAutoencoder(this, init);
    }

    @Override
    public long encodeMacs(int height, int width) {
        long pixels = (long) height * width;
        long macs = pixels * 9 * channels * this.width;
        for (int i = 0; i < encoderBlocks.size(); i++) {
            if (i > 0) {
                pixels /= 4;
                macs += pixels * square();
            }
            macs += pixels * encoderBlocks.get(i) * block(i == encoderBlocks.size() - 1);
        }
        return macs + pixels * 9 * this.width * latentChannels;
    }

    @Override
    public long decodeMacs(int height, int width) {
        long pixels = (long) height * width / downFactor() / downFactor();
        long macs = pixels * 9 * latentChannels * this.width;
        for (int i = 0; i < decoderBlocks.size(); i++) {
            macs += pixels * decoderBlocks.get(i) * block(i == 0);
            if (i < decoderBlocks.size() - 1) {
                pixels *= 4;
                macs += pixels * square();
            }
        }
        return macs + pixels * 9 * this.width * channels;
    }

    /** A 3×3 convolution between two maps of the network's width, for each pixel. */
    private long square() {
        return 9L * width * width;
    }

    private long block(boolean innermost) {
        return 3 * square() + (innermost && innerNorm ? 8L * width * width : 0);
    }
}
