package org.mezzotint.models.layers;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.tensor.Scalars;

/**
 * Rotary positions along two axes (arXiv:2401.11605v1, section 3.2.2): pairs of channels of a query or key are turned by
 * angles that grow with the row for one half of the pairs and with the column for the other. Each head has frequencies
 * of its own.
 *
 * <p>Letters: h heads, d head width, n frequencies of a head and an axis. 4n channels are turned: d/2 of them, or all d.
 */
public final class AxialRope extends Layer {
    private static final double LOWEST = Math.PI;
    private static final double HIGHEST = 10 * Math.PI;

    private final Tensor freqs; // (h, n), part of a checkpoint but not trained

    /**
     * Makes the layer.
     *
     * @param init places the table
     * @param heads h
     * @param turned channels of a head that are turned, a multiple of 4
     */
    public AxialRope(Init init, int heads, int turned) {
        int n = turned / 4;
        freqs = frozen("freqs", init.table(frequencies(heads, n), heads, n));
    }

    /**
     * Frequencies from π to below 10π, evenly spaced in their logarithm and dealt to the heads in turn.
     *
     * @param heads h
     * @param n frequencies of a head
     * @return (h, n) in row-major order
     */
    static double[] frequencies(int heads, int n) {
        double[] table = new double[heads * n];
        for (int i = 0; i < n; i++) {
            for (int head = 0; head < heads; head++) {
                double fraction = (double) (i * heads + head) / (heads * n);
                table[head * n + i] = Math.exp(Math.log(LOWEST) + fraction * Math.log(HIGHEST / LOWEST));
            }
        }
        return table;
    }

    /**
     * Centres of a grid's cells in a box around the origin whose longer side is [−1, 1].
     *
     * @param rows of the grid
     * @param columns of the grid
     * @return (rows, columns, 2) in row-major order, y before x
     */
    public static double[] positions(int rows, int columns) {
        double longest = Math.max(rows, columns);
        double[] table = new double[rows * columns * 2];
        for (int row = 0; row < rows; row++) {
            for (int column = 0; column < columns; column++) {
                int at = (row * columns + column) * 2;
                table[at] = (2 * row + 1 - rows) / longest;
                table[at + 1] = (2 * column + 1 - columns) / longest;
            }
        }
        return table;
    }

    /** Cosines and sines of the angles, each (H, W, h, 2n). */
    public record Turn(Tensor cos, Tensor sin) {
        /**
         * Turns channel j together with channel j + 2n, for j below 2n; channels from 4n on stay.
         *
         * @param x (N, H, W, h, d)
         * @return (N, H, W, h, d)
         */
        public Tensor apply(Tensor x) {
            long half = cos.size(-1);
            long rest = x.size(-1) - 2 * half;
            // one split: the backward pass of slices taken one by one would fill a whole tensor of zeros for each
            TensorVector parts = x.split(rest == 0 ? new long[] {half, half} : new long[] {half, half, rest}, -1);
            Tensor a = parts.get(0);
            Tensor b = parts.get(1);
            Tensor turnedA = a.mul(cos).addcmul(b, sin, Scalars.of(-1));
            Tensor turnedB = b.mul(cos).addcmul(a, sin);
            return torch.cat(
                    rest == 0 ? new TensorVector(turnedA, turnedB) : new TensorVector(turnedA, turnedB, parts.get(2)),
                    -1);
        }
    }

    /**
     * The turns at given positions.
     *
     * @param positions (H, W, 2), y before x
     * @return their angles' cosines and sines
     */
    public Turn at(Tensor positions) {
        Tensor y = positions.narrow(-1, 0, 1).unsqueeze(-1); // (H, W, 1, 1)
        Tensor x = positions.narrow(-1, 1, 1).unsqueeze(-1);
        Tensor theta = torch.cat(new TensorVector(y.mul(freqs), x.mul(freqs)), -1); // (H, W, h, 2n)
        return new Turn(theta.cos(), theta.sin());
    }
}
