package org.mezzotint.models.layers;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.tensor.Shapes;

/**
 * Attention inside square windows (arXiv:2103.14030, section 3.2). A shifted layer rolls the map down and to the right first,
 * so that its windows straddle those of the layer before; what the roll brings round from the other side does not mix
 * with the rest.
 *
 * <p>Letters: N batch, H × W map, h heads, d head width, w window side.
 */
public final class ShiftedWindowAttention implements MapAttention {
    private final int height;
    private final int width;
    private final int window;
    private final int shift;
    private final Tensor bias; // (windows, 1, w², w²), null without a shift

    /**
     * Prepares the bias.
     *
     * @param init places it
     * @param height H, a multiple of the window
     * @param width W, a multiple of the window
     * @param window w
     * @param shift how far the map is rolled, 0 or more and below w
     */
    public ShiftedWindowAttention(Init init, int height, int width, int window, int shift) {
        if (window < 1 || height % window != 0 || width % window != 0) {
            throw new IllegalArgumentException(
                    "window must divide the map's height and width, got " + window + " for " + height + "x" + width);
        }
        this.height = height;
        this.width = width;
        this.window = window;
        this.shift = shift;
        bias = shift == 0
                ? null
                : init.fixed(
                        init.precision().compute(),
                        biases(),
                        windows(),
                        1,
                        (long) window * window,
                        (long) window * window);
    }

    private long windows() {
        return (long) (height / window) * (width / window);
    }

    /** After the roll, the first {@code shift} rows of the map are its last ones; the same holds for columns. */
    private double[] biases() {
        int tokens = window * window;
        double[] table = new double[Math.toIntExact(windows()) * tokens * tokens];
        int at = 0;
        for (int row = 0; row < height / window; row++) {
            for (int column = 0; column < width / window; column++) {
                for (int q = 0; q < tokens; q++) {
                    for (int k = 0; k < tokens; k++) {
                        boolean rowsApart = (q / window < shift) != (k / window < shift);
                        boolean columnsApart = (q % window < shift) != (k % window < shift);
                        boolean apart = (row == 0 && rowsApart) || (column == 0 && columnsApart);
                        table[at++] = apart ? Double.NEGATIVE_INFINITY : 0;
                    }
                }
            }
        }
        return table;
    }

    /**
     * softmax(scale · q·kᵀ) · v inside each window.
     *
     * @param q (N, H, W, h, d)
     * @param k (N, H, W, h, d)
     * @param v (N, H, W, h, d)
     * @param scale of the products
     * @return (N, H, W, h, d)
     */
    @Override
    public Tensor attend(Tensor q, Tensor k, Tensor v, double scale) {
        long[] s = Shapes.of(Shapes.check("q", q, Shapes.ANY, height, width, Shapes.ANY, Shapes.ANY));
        Tensor y = Attention.attend(split(q), split(k), split(v), scale, bias); // (windows, N·h, w², d)
        Tensor map = y.view(height / window, width / window, s[0], s[3], window, window, s[4])
                .permute(2, 0, 4, 1, 5, 3, 6)
                .reshape(s); // (N, H, W, h, d)
        return roll(map, -shift);
    }

    @Override
    public boolean sees(int query, int key) {
        return together(query / width, key / width, height) && together(query % width, key % width, width);
    }

    private boolean together(int a, int b, int length) {
        int p = (a + shift) % length;
        int q = (b + shift) % length;
        return p / window == q / window && (p < shift) == (q < shift);
    }

    /** (N, H, W, h, d) → (windows, N·h, w², d). */
    private Tensor split(Tensor map) {
        long[] s = map.shape();
        return roll(map, shift)
                .view(s[0], height / window, window, width / window, window, s[3], s[4])
                .permute(1, 3, 0, 5, 2, 4, 6)
                .reshape(windows(), s[0] * s[3], (long) window * window, s[4]);
    }

    private static Tensor roll(Tensor map, int by) {
        return by == 0 ? map : torch.roll(map, new long[] {by, by}, 1, 2);
    }
}
