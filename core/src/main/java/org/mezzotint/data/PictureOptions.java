package org.mezzotint.data;

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

    private static void checkSide(String name, int value) {
        if (value < 1 || value > MAX_SIDE) {
            throw new IllegalArgumentException(name + " must be 1 to " + MAX_SIDE + ", got " + value);
        }
    }
}
