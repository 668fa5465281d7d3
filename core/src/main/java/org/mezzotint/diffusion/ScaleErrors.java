package org.mezzotint.diffusion;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/**
 * The squared error of pictures averaged down to several sizes: s pixels on the shorter side, from the smallest s to the
 * pictures' own (arXiv:2301.11093v2, section 3.2).
 */
final class ScaleErrors {
    private ScaleErrors() {}

    /**
     * The sizes.
     *
     * @param firstScale the smallest
     * @param height of the pictures
     * @param width of the pictures
     * @return rising by factors of two, the last one the pictures' shorter side
     * @throws IllegalArgumentException if the pictures cannot be averaged down to the smallest
     */
    static int[] scales(int firstScale, int height, int width) {
        int side = Math.min(height, width);
        if (firstScale > side) {
            throw new IllegalArgumentException("firstScale must be at most the picture's shorter side, got "
                    + firstScale + " for " + height + "x" + width);
        }
        int factor = side / firstScale;
        if (side % firstScale != 0 || Integer.bitCount(factor) != 1 || Math.max(height, width) % factor != 0) {
            throw new IllegalArgumentException(
                    "firstScale must be the picture's shorter side divided by a power of two that divides the longer one"
                            + " too, got " + firstScale + " for " + height + "x" + width);
        }
        int[] scales = new int[Integer.numberOfTrailingZeros(factor) + 1];
        for (int i = 0; i < scales.length; i++) {
            scales[i] = firstScale << i;
        }
        return scales;
    }

    /**
     * L^{s×s} of each picture: mean square of the error averaged over squares of pixels.
     *
     * @param error (N, C, H, W)
     * @param count how many sizes
     * @return (N,) for each size, the smallest first
     */
    static List<Tensor> of(Tensor error, int count) {
        List<Tensor> errors = new ArrayList<>();
        Tensor averaged = error;
        for (int i = 0; i < count; i++) {
            errors.add(0, LikelihoodTerms.meanFlat(averaged.square()));
            averaged = i == count - 1 ? averaged : halved(averaged);
        }
        return errors;
    }

    /** (N, C, H, W) → (N, C, H/2, W/2), means of 2×2 pixels. */
    private static Tensor halved(Tensor x) {
        long h = x.size(2) / 2;
        long w = x.size(3) / 2;
        return x.reshape(x.size(0), x.size(1), h, 2, w, 2).mean(3L, 5L);
    }
}
