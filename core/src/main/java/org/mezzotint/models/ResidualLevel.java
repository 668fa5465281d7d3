package org.mezzotint.models;

import java.util.List;
import org.mezzotint.models.layers.ResidualBlock;

/**
 * One level of residual blocks of a {@link SimpleDiffusionUNet} or a {@link UViT}.
 *
 * @param multiplier of the base channels
 * @param blocks on the way in; the U-Net has one more on the way out, the U-ViT as many
 */
public record ResidualLevel(int multiplier, int blocks) {
    private static final int MOST_LEVELS = 12;
    private static final int MOST_CHANNELS = 1 << 16;

    /** Checks the rules. */
    public ResidualLevel {
        atLeast("levels.multiplier", multiplier, 1);
        ModelConfig.checkBlocks("levels.blocks", blocks);
    }

    /** Requires a number to be at least another. */
    static void atLeast(String name, int value, int least) {
        if (value < least) {
            throw new IllegalArgumentException(name + " must be at least " + least + ", got " + value);
        }
    }

    /** Requires a share of activations to be one. */
    static void fraction(String name, double value) {
        if (!(value >= 0 && value < 1)) {
            throw new IllegalArgumentException(name + " must be 0 or more and below 1, got " + value);
        }
    }

    /** Requires what both models require of their first layer and of their levels, innermost included. */
    static void check(
            int height,
            int width,
            int channels,
            Downsampling downsampling,
            int baseChannels,
            List<Integer> multipliers) {
        atLeast("height", height, 1);
        atLeast("width", width, 1);
        atLeast("channels", channels, 1);
        if (baseChannels < 4 || baseChannels % 2 != 0) {
            throw new IllegalArgumentException("baseChannels must be even and at least 4, got " + baseChannels);
        }
        if (multipliers.size() > MOST_LEVELS) {
            throw new IllegalArgumentException("levels must be at most " + MOST_LEVELS + ", got " + multipliers.size());
        }
        for (int multiplier : multipliers) {
            if ((long) baseChannels * multiplier > MOST_CHANNELS) {
                throw new IllegalArgumentException("baseChannels times a multiplier must be at most " + MOST_CHANNELS
                        + ", got " + baseChannels + " and " + multiplier);
            }
        }
        divisible("height", height, downsampling, multipliers.size() - 1);
        divisible("width", width, downsampling, multipliers.size() - 1);
    }

    private static void divisible(String name, int size, Downsampling downsampling, int steps) {
        int factor = downsampling.factor();
        if (size % factor != 0) {
            String what = downsampling instanceof Downsampling.Wavelet wavelet
                    ? "a wavelet of " + wavelet.levels() + (wavelet.levels() == 1 ? " level" : " levels")
                    : "patches of that side";
            throw new IllegalArgumentException(
                    name + " must be a multiple of " + factor + " for " + what + ", got " + size);
        }
        long whole = (long) factor << steps;
        if (size % whole != 0) {
            throw new IllegalArgumentException(
                    name + " must be a multiple of the first layer's factor times 2 for each further level, " + whole
                            + ", got " + size);
        }
    }

    /** Requires the groups of the group norms to divide the width of a level. */
    static void checkGroups(int groups, int width) {
        atLeast("groups", groups, 1);
        if (width % groups != 0) {
            throw new IllegalArgumentException(
                    "groups must divide the channels of every level, got " + groups + " and " + width);
        }
    }

    /** Requires the heads of an attention to divide its width. */
    static void checkHeads(int numHeads, int width) {
        atLeast("numHeads", numHeads, 1);
        if (width % numHeads != 0) {
            throw new IllegalArgumentException(
                    "numHeads must divide the channels of every level that attends, got " + numHeads + " and " + width);
        }
    }

    /** Multiply-accumulates of the first and the last layer together, at {@code cells} cells. */
    static long edgeMacs(Downsampling downsampling, int channels, long cells, long width) {
        long factor = downsampling.factor();
        long kernel = downsampling instanceof Downsampling.Patch ? 1 : 9;
        return 2 * kernel * channels * factor * factor * cells * width;
    }

    /** What one picture leaves at a level of residual blocks, in float32 values. */
    record Kept(long inputs, long largest, long all) {}

    /**
     * What the residual blocks of a level keep for the backward pass.
     *
     * @param cells of its map
     * @param width its channels
     * @param count blocks, in and out
     * @param dropping whether they drop
     */
    static Kept kept(long cells, long width, long count, boolean dropping) {
        long unit = cells * width;
        long block = ResidualBlock.keptMaps(dropping) * unit;
        return new Kept(count * unit, block, count * block);
    }
}
