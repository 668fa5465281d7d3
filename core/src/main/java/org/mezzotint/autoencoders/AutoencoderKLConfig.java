package org.mezzotint.autoencoders;

import com.fasterxml.jackson.annotation.JsonIgnore;
import java.util.List;
import java.util.Objects;
import org.mezzotint.models.layers.Init;

/**
 * Shape of an {@link AutoencoderKL}.
 *
 * @param channels of the pictures
 * @param latentChannels of the latents
 * @param widths channels of each level, from the picture's size inwards; each level but the last halves the size
 * @param blocksPerLevel residual blocks of a level in the encoder; the decoder has one more
 * @param normGroups groups of every group norm; divides every width
 * @param midAttention whether the innermost level attends, with one head
 * @param quantConv whether a 1×1 convolution follows the encoder
 * @param postQuantConv whether a 1×1 convolution precedes the decoder
 * @param latents what a diffusion model sees of the latents
 */
public record AutoencoderKLConfig(
        int channels,
        int latentChannels,
        List<Integer> widths,
        int blocksPerLevel,
        int normGroups,
        boolean midAttention,
        boolean quantConv,
        boolean postQuantConv,
        LatentScale latents)
        implements AutoencoderConfig {
    private static final int MOST_LEVELS = 16;

    /** Checks every rule. */
    public AutoencoderKLConfig {
        positive("channels", channels);
        positive("latentChannels", latentChannels);
        positive("blocksPerLevel", blocksPerLevel);
        positive("normGroups", normGroups);
        widths = List.copyOf(Objects.requireNonNull(widths, "widths must be given"));
        if (widths.isEmpty() || widths.size() > MOST_LEVELS) {
            throw new IllegalArgumentException(
                    "widths must name 1 to " + MOST_LEVELS + " levels, got " + widths.size());
        }
        for (int width : widths) {
            positive("widths", width);
            if (width % normGroups != 0) {
                throw new IllegalArgumentException(
                        "widths must be multiples of normGroups, got " + width + " and " + normGroups);
            }
        }
        Objects.requireNonNull(latents, "latents must be given").checkChannels(latentChannels);
    }

    private static void positive(String name, int value) {
        if (value < 1) {
            throw new IllegalArgumentException(name + " must be at least 1, got " + value);
        }
    }

    /**
     * The autoencoder of Stable Diffusion 1 and 2 and of DiT: sd-vae-ft-mse and sd-vae-ft-ema, f = 8, 4 channels.
     *
     * @return the configuration, with the latent scale 0.18215
     */
    public static AutoencoderKLConfig stableDiffusion() {
        return new AutoencoderKLConfig(
                3, 4, List.of(128, 256, 512, 512), 2, 32, true, true, true, LatentScale.of(0.18215));
    }

    @Override
    @JsonIgnore
    public int downFactor() {
        return 1 << (widths.size() - 1);
    }

    /** Number of levels. */
    int levels() {
        return widths.size();
    }

    /** Width of the innermost level. */
    int innermost() {
        return widths.get(levels() - 1);
    }

    @Override
    public AutoencoderKL create(Init init) {
        return new AutoencoderKL(this, init);
    }

    @Override
    public long encodeMacs(int height, int width) {
        long pixels = (long) height * width;
        long macs = pixels * 9 * channels * widths.get(0);
        int in = widths.get(0);
        for (int level = 0; level < levels(); level++) {
            int out = widths.get(level);
            macs += pixels * (block(in, out) + (blocksPerLevel - 1) * block(out, out));
            if (level < levels() - 1) {
                pixels /= 4;
                macs += pixels * 9 * out * out;
            }
            in = out;
        }
        int moments = 2 * latentChannels;
        return macs
                + middle(pixels)
                + pixels * 9 * innermost() * moments
                + (quantConv ? pixels * moments * moments : 0);
    }

    @Override
    public long decodeMacs(int height, int width) {
        long pixels = (long) height * width / downFactor() / downFactor();
        long macs = pixels * 9 * latentChannels * innermost()
                + (postQuantConv ? pixels * latentChannels * latentChannels : 0)
                + middle(pixels);
        int in = innermost();
        for (int level = levels() - 1; level >= 0; level--) {
            int out = widths.get(level);
            macs += pixels * (block(in, out) + blocksPerLevel * block(out, out));
            if (level > 0) {
                pixels *= 4;
                macs += pixels * 9 * out * out;
            }
            in = out;
        }
        return macs + pixels * 9 * widths.get(0) * channels;
    }

    /** A residual block, for each pixel. */
    private static long block(long in, long out) {
        return 9 * in * out + 9 * out * out + (in == out ? 0 : in * out);
    }

    /** Two blocks, and the attention between them. */
    private long middle(long pixels) {
        long c = innermost();
        long attention = midAttention ? pixels * 4 * c * c + 2 * pixels * pixels * c : 0;
        return pixels * 2 * block(c, c) + attention;
    }
}
