package org.mezzotint.data;

import java.util.Objects;
import java.util.random.RandomGenerator;

/**
 * How pictures from files are brought to one shape.
 *
 * @param height H of every picture, at least 1
 * @param width W of every picture, at least 1
 * @param channels 3 (red, green, blue) or 1 (gray)
 * @param flip whether half of the pictures, chosen at random on each reading, are mirrored left to right
 * @param maxPixels files with more pixels than this are refused before they are decoded
 */
public record PictureOptions(int height, int width, int channels, boolean flip, long maxPixels) {
    /** The limit of Pillow: about a quarter of a gigabyte as RGB. */
    public static final long DEFAULT_MAX_PIXELS = 89_478_485;

    private static final int MAX_SIDE = 1 << 14;
    private static final long MAX_PIXELS_POSSIBLE = Integer.MAX_VALUE / 4;

    /** Checks the values. */
    public PictureOptions {
        checkSide("height", height);
        checkSide("width", width);
        if (channels != 1 && channels != 3) {
            throw new IllegalArgumentException("channels must be 1 or 3, got " + channels);
        }
        if (maxPixels < 1 || maxPixels > MAX_PIXELS_POSSIBLE) {
            throw new IllegalArgumentException("maxPixels must be 1 to " + MAX_PIXELS_POSSIBLE + ", got " + maxPixels);
        }
    }

    /**
     * RGB pictures, not flipped, with the default limit.
     *
     * @param height H of every picture
     * @param width W of every picture
     * @return the options
     */
    public static PictureOptions rgb(int height, int width) {
        return new PictureOptions(height, width, 3, false, DEFAULT_MAX_PIXELS);
    }

    /**
     * The same options with the flip on or off.
     *
     * @param on whether to flip
     * @return the changed copy
     */
    public PictureOptions withFlip(boolean on) {
        return new PictureOptions(height, width, channels, on, maxPixels);
    }

    /**
     * Crops and resizes a picture to (C, H, W), perhaps mirrors it, and writes its numbers in [-1, 1].
     *
     * @param picture of any size
     * @param random decides on the mirror
     * @param into receives C·H·W numbers
     * @param offset where the first one goes
     * @throws IndexOutOfBoundsException if there is no room
     */
    void fit(PictureFiles.Picture picture, RandomGenerator random, float[] into, int offset) {
        int h = height;
        int w = width;
        Objects.checkFromIndexSize(offset, channels * h * w, into.length);
        byte[] rgb = Transforms.centerCrop(picture.rgb(), picture.width(), picture.height(), w, h);
        boolean mirrored = flip && random.nextBoolean();
        for (int y = 0, o = offset; y < h; y++) {
            for (int x = 0; x < w; x++, o++) {
                int from = 3 * (y * w + (mirrored ? w - 1 - x : x));
                int r = rgb[from] & 0xFF;
                int g = rgb[from + 1] & 0xFF;
                int b = rgb[from + 2] & 0xFF;
                if (channels == 1) {
                    into[o] = unit(luma(r, g, b));
                } else {
                    into[o] = unit(r);
                    into[o + h * w] = unit(g);
                    into[o + 2 * h * w] = unit(b);
                }
            }
        }
    }

    /** ITU-R 601 luma in the fixed point of Pillow's {@code convert("L")}; equal parts give themselves. */
    private static int luma(int r, int g, int b) {
        return (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;
    }

    private static float unit(int sample) {
        return sample / 127.5f - 1;
    }

    private static void checkSide(String name, int value) {
        if (value < 1 || value > MAX_SIDE) {
            throw new IllegalArgumentException(name + " must be 1 to " + MAX_SIDE + ", got " + value);
        }
    }
}
