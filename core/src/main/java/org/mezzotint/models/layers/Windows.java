package org.mezzotint.models.layers;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.tensor.Shapes;

/**
 * Cuts maps of tokens into square windows and puts them together again (arXiv:2103.14030v2, section 3.2, without shifts). A
 * map that the window does not divide is padded at the bottom and on the right; {@link #mask} hides the padding from
 * the tokens.
 *
 * <p>Letters: N pictures, H × W map, D width, s side of a window, T = s² tokens of a window, w windows of a picture.
 */
public final class Windows {
    private final int height;
    private final int width;
    private final int side;
    private final Tensor mask; // (w, T); null without padding

    /**
     * Plans the cut.
     *
     * @param init places the mask
     * @param height H
     * @param width W
     * @param side s, at most H and W
     */
    public Windows(Init init, int height, int width, int side) {
        if (side < 1 || side > height || side > width) {
            throw new IllegalArgumentException("window must be 1 to the map's height and width, got " + side
                    + " for a map of " + height + "x" + width);
        }
        this.height = height;
        this.width = width;
        this.side = side;
        mask = padded() ? init.fixed(init.precision().storage(), maskValues(), count(), (long) side * side) : null;
    }

    private boolean padded() {
        return height % side != 0 || width % side != 0;
    }

    private int rows() {
        return (height + side - 1) / side;
    }

    private int columns() {
        return (width + side - 1) / side;
    }

    /**
     * Windows of a picture.
     *
     * @return w
     */
    public int count() {
        return rows() * columns();
    }

    /**
     * Tokens of a picture with the padding.
     *
     * @return w·T
     */
    public long tokens() {
        return (long) count() * side * side;
    }

    private double[] maskValues() {
        double[] values = new double[Math.toIntExact(tokens())];
        for (int i = 0; i < values.length; i++) {
            int window = i / (side * side);
            int row = window / columns() * side + i % (side * side) / side;
            int column = window % columns() * side + i % side;
            values[i] = row < height && column < width ? 0 : Double.NEGATIVE_INFINITY;
        }
        return values;
    }

    /**
     * What to add to the logits of a key.
     *
     * @return (w, T), 0 for tokens and −∞ for padding; null if nothing is padded
     */
    public Tensor mask() {
        return mask;
    }

    /**
     * Cuts.
     *
     * @param map (N, H, W, D)
     * @return (N·w, T, D), the windows of one picture behind one another, row by row; padding is zero
     */
    public Tensor split(Tensor map) {
        long[] s = Shapes.of(Shapes.check("map", map, Shapes.ANY, height, width, Shapes.ANY));
        Tensor whole = padded()
                ? torch.constant_pad_nd(map, 0, 0, 0, (long) columns() * side - width, 0, (long) rows() * side - height)
                : map; // (N, H', W', D)
        return whole.reshape(s[0], rows(), side, columns(), side, s[3])
                .permute(0, 1, 3, 2, 4, 5)
                .reshape(s[0] * count(), (long) side * side, s[3]);
    }

    /**
     * The inverse of {@link #split}, without the padding.
     *
     * @param windows (N·w, T, D)
     * @return (N, H, W, D)
     */
    public Tensor join(Tensor windows) {
        long[] s = Shapes.of(Shapes.check("windows", windows, Shapes.ANY, (long) side * side, Shapes.ANY));
        long n = s[0] / count();
        Tensor whole = windows.reshape(n, rows(), columns(), side, side, s[2])
                .permute(0, 1, 3, 2, 4, 5)
                .reshape(n, (long) rows() * side, (long) columns() * side, s[2]);
        // a cut that leaves everything would still cost the backward pass two copies
        return padded() ? whole.narrow(1, 0, height).narrow(2, 0, width) : whole;
    }
}
