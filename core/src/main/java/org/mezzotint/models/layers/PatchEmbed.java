package org.mezzotint.models.layers;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.tensor.Precision;

/**
 * Cuts a picture into P×P patches and maps each to a token; the inverse cut; and the fixed positions of a grid of tokens.
 *
 * <p>The weight {@code proj.weight} is stored (D, C, P, P) as that of a convolution with kernel and stride P, which is the
 * same map; it runs as a matrix product.
 */
public final class PatchEmbed extends Layer {
    private final Tensor weight;
    private final Tensor bias;
    private final int patch;
    private final Precision precision;

    private static final class Proj extends Layer {
        final Tensor weight;
        final Tensor bias;

        Proj(Init init, int channels, int patch, int width) {
            weight = parameter("weight", init.xavierUniform(width, channels, patch, patch));
            bias = parameter("bias", init.zeros(width));
        }
    }

    /**
     * Makes the layer.
     *
     * @param init fills the parameters
     * @param channels C of the picture
     * @param patch side P of a patch
     * @param width D of a token
     */
    public PatchEmbed(Init init, int channels, int patch, int width) {
        Proj proj = child("proj", new Proj(init, channels, patch, width));
        weight = proj.weight;
        bias = proj.bias;
        this.patch = patch;
        precision = init.precision();
    }

    /**
     * Picture to tokens, row by row.
     *
     * @param x (N, C, H, W), H and W multiples of P
     * @return (N, T, D), T = H/P · W/P
     */
    public Tensor forward(Tensor x) {
        long[] s = x.shape();
        long rows = s[2] / patch;
        long columns = s[3] / patch;
        Tensor patches = x.view(s[0], s[1], rows, patch, columns, patch)
                .permute(0, 2, 4, 1, 3, 5)
                .reshape(s[0], rows * columns, s[1] * patch * patch); // (N, T, C·P·P)
        Tensor w = weight.view(weight.size(0), -1);
        ScalarType compute = precision.compute();
        return precision == Precision.BFLOAT16
                ? torch.linear(patches.to(compute), w.to(compute), bias.to(compute))
                        .to(precision.storage())
                : torch.linear(patches, w, bias); // (N, T, D)
    }

    /**
     * Tokens to picture: each token holds its patch as (row, column, channel), the channel fastest.
     *
     * @param tokens (N, T, P·P·C)
     * @param patch side P of a patch
     * @param channels C
     * @param rows H/P
     * @param columns W/P
     * @return (N, C, H, W)
     */
    public static Tensor unpatchify(Tensor tokens, int patch, int channels, int rows, int columns) {
        long n = tokens.size(0);
        return tokens.view(n, rows, columns, patch, patch, channels)
                .permute(0, 5, 1, 3, 2, 4) // (N, C, H/P, P, W/P, P)
                .reshape(n, channels, (long) rows * patch, (long) columns * patch);
    }

    /**
     * Fixed 2-D sine-cosine positions (T, D) of a grid, as the DiT code makes them: the first D/2 channels encode the
     * <em>column</em>, the others the row; each half is [sin | cos] over frequencies 10000^(−k / (D/4)).
     *
     * @param width D, a multiple of 4
     * @param rows of the grid
     * @param columns of the grid
     * @return T·D values in row-major order, T = rows · columns
     */
    public static double[] sinCosPositions(int width, int rows, int columns) {
        if (width % 4 != 0) {
            throw new IllegalArgumentException("width of 2-D positions must be a multiple of 4, got " + width);
        }
        int quarter = width / 4;
        double[] table = new double[Math.multiplyExact(Math.multiplyExact(rows, columns), width)];
        for (int row = 0, i = 0; row < rows; row++) {
            for (int column = 0; column < columns; column++, i += width) {
                for (int k = 0; k < quarter; k++) {
                    double omega = 1 / Math.pow(10000, (double) k / quarter);
                    table[i + k] = Math.sin(column * omega);
                    table[i + quarter + k] = Math.cos(column * omega);
                    table[i + 2 * quarter + k] = Math.sin(row * omega);
                    table[i + 3 * quarter + k] = Math.cos(row * omega);
                }
            }
        }
        return table;
    }
}
