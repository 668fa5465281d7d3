package org.mezzotint.models.layers;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Shapes;

/**
 * The LeGall 5/3 wavelet transform of pictures, and its inverse: that of JPEG 2000's lossless path without its rounding
 * (ITU-T T.800, annex F), by lifting along the width and then along the height:
 *
 * <pre>
 *   high[n] = x[2n+1] − (x[2n] + x[2n+2])/2        the picture continues as its mirror image: x[N] = x[N−2],
 *   low[n]  = x[2n] + (high[n−1] + high[n])/4      so high[−1] = high[0]
 * </pre>
 *
 * <p>A constant comes through low unchanged, the alternation +1, −1 through high with gain 2: the transform is not
 * orthonormal, and its adjoint, which the backward pass applies, is not its inverse.
 *
 * <p>Order of the channels: C pictures of one level become LL, LH, HL, HH of C channels each, the first letter along the
 * width, the second along the height. A further level transforms LL only, and the bands of the finer level follow behind
 * those of the coarser one, each channel as the squares of its cells (space to depth: a channel's cell (row, column) of a
 * square of side s becomes channel {@code c·s² + row·s + column}). Two levels of RGB give 48 channels:
 *
 * <pre>
 *   0 … 11    LL2 LH2 HL2 HH2, 3 channels each
 *   12 … 47   LH1 HL1 HH1, 3 channels of 2×2 cells each
 * </pre>
 *
 * <p>This is not the packet transform, which would transform LH1, HL1 and HH1 again.
 */
public final class LeGallWavelet {
    private LeGallWavelet() {}

    /**
     * Pictures (N, C, H, W) to coefficients (N, C·4ˡ, H/2ˡ, W/2ˡ).
     *
     * @param x height and width multiples of 2ˡ
     * @param levels l, at least 1
     * @return coefficients in this class's order
     */
    public static Tensor forward(Tensor x, int levels) {
        check("x", x, levels);
        int side = 1 << levels;
        for (int dim = 2; dim < 4; dim++) {
            if (x.size(dim) % side != 0) {
                throw new IllegalArgumentException((dim == 2 ? "height" : "width") + " must be a multiple of " + side
                        + " for a wavelet of " + levels + (levels == 1 ? " level" : " levels") + ", got "
                        + x.size(dim));
            }
        }
        try (Scope scope = Scope.open()) {
            Tensor bands = analyse(x); // (N, 4·C, H/2, W/2)
            if (levels == 1) {
                return scope.keep(bands);
            }
            long c = x.size(1);
            Tensor coarse = forward(bands.narrow(1, 0, c), levels - 1); // (N, C·4ˡ⁻¹, H/2ˡ, W/2ˡ)
            Tensor fine = torch.pixel_unshuffle(bands.narrow(1, c, 3 * c), side / 2L);
            return scope.keep(torch.cat(new TensorVector(coarse, fine), 1));
        }
    }

    /**
     * Coefficients (N, C·4ˡ, H/2ˡ, W/2ˡ) to pictures (N, C, H, W).
     *
     * @param coefficients in this class's order
     * @param levels l, at least 1
     * @return the pictures that {@link #forward} makes these coefficients of
     */
    public static Tensor inverse(Tensor coefficients, int levels) {
        check("coefficients", coefficients, levels);
        long k = coefficients.size(1);
        long squares = 1L << (2 * levels);
        if (k % squares != 0) {
            throw new IllegalArgumentException("channels of coefficients must be a multiple of " + squares
                    + " for a wavelet of " + levels + (levels == 1 ? " level" : " levels") + ", got " + k);
        }
        try (Scope scope = Scope.open()) {
            if (levels == 1) {
                return scope.keep(synthesise(coefficients));
            }
            Tensor coarse = inverse(coefficients.narrow(1, 0, k / 4), levels - 1); // (N, C, H/2, W/2)
            Tensor fine = torch.pixel_shuffle(coefficients.narrow(1, k / 4, k - k / 4), 1L << (levels - 1));
            return scope.keep(synthesise(torch.cat(new TensorVector(coarse, fine), 1)));
        }
    }

    private static void check(String name, Tensor x, int levels) {
        Shapes.check(name, x, Shapes.ANY, Shapes.ANY, Shapes.ANY, Shapes.ANY);
        if (levels < 1 || levels > 16) {
            throw new IllegalArgumentException("levels must be 1 to 16, got " + levels);
        }
    }

    /** One level, (N, C, H, W) to (N, 4·C, H/2, W/2). */
    private static Tensor analyse(Tensor x) {
        Tensor[] columns = split(x, 3); // low and high along the width
        Tensor[] lows = split(columns[0], 2);
        Tensor[] highs = split(columns[1], 2);
        return torch.cat(new TensorVector(lows[0], lows[1], highs[0], highs[1]), 1);
    }

    /** One level back, (N, 4·C, H/2, W/2) to (N, C, H, W). */
    private static Tensor synthesise(Tensor bands) {
        TensorVector parts = bands.chunk(4, 1); // LL LH HL HH
        Tensor low = join(parts.get(0), parts.get(1), 2);
        Tensor high = join(parts.get(2), parts.get(3), 2);
        return join(low, high, 3);
    }

    /** Low and high along a dimension. */
    private static Tensor[] split(Tensor x, int dim) {
        TensorVector pairs = x.unflatten(dim, x.size(dim) / 2, 2).unbind(dim + 1); // even and odd places
        Tensor even = pairs.get(0);
        Tensor high = pairs.get(1).sub(even.add(next(even, dim)).mul(Scalars.of(0.5)));
        Tensor low = even.add(high.add(previous(high, dim)).mul(Scalars.of(0.25)));
        return new Tensor[] {low, high};
    }

    private static Tensor join(Tensor low, Tensor high, int dim) {
        Tensor even = low.sub(high.add(previous(high, dim)).mul(Scalars.of(0.25)));
        Tensor odd = high.add(even.add(next(even, dim)).mul(Scalars.of(0.5)));
        return torch.stack(new TensorVector(even, odd), dim + 1).flatten(dim, dim + 1);
    }

    /** Each place's neighbour behind it; the last is its own. */
    private static Tensor next(Tensor x, int dim) {
        long n = x.size(dim);
        return torch.cat(new TensorVector(x.narrow(dim, 1, n - 1), x.narrow(dim, n - 1, 1)), dim);
    }

    /** Each place's neighbour before it; the first is its own. */
    private static Tensor previous(Tensor x, int dim) {
        long n = x.size(dim);
        return torch.cat(new TensorVector(x.narrow(dim, 0, 1), x.narrow(dim, 0, n - 1)), dim);
    }
}
