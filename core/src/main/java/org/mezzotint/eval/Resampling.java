package org.mezzotint.eval;

import org.bytedeco.pytorch.Tensor;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Shapes;
import org.mezzotint.tensor.Tensors;

/**
 * The rules by which libraries of the field resize pictures of real numbers. Each works on rows and columns separately and
 * is linear, so it is one matrix an axis; they differ in where an output pixel looks and how many pixels it sees.
 *
 * <p>Pillow's rules for 8-bit pictures, which round between the axes, are in {@link org.mezzotint.data.Transforms}.
 */
public enum Resampling {
    /** TensorFlow 1's bilinear: output i looks at i · in/out, the quotient rounded to float32, without half a pixel. */
    TENSORFLOW_BILINEAR,
    /** PyTorch's nearest: pixel ⌊i · in/out⌋, computed in float32. */
    TORCH_NEAREST,
    /** PyTorch's bilinear without antialiasing: two pixels around (i + ½) · in/out − ½, also when shrinking. */
    TORCH_BILINEAR,
    /** PyTorch's bilinear with antialiasing: a triangle that widens when shrinking. */
    TORCH_BILINEAR_ANTIALIAS,
    /** PyTorch's bicubic without antialiasing: cubic convolution with a = −¾ over four pixels, borders repeated. */
    TORCH_BICUBIC,
    /** Bicubic with antialiasing, a = −½, as PyTorch's and as Pillow's on float pictures: it may overshoot. */
    BICUBIC_ANTIALIAS;

    /**
     * Resizes (N, C, H, W) to (N, C, toH, toW), in the type of the input and without clipping.
     *
     * @param x float32 or float64
     * @param toH new height, at least 1
     * @param toW new width, at least 1
     * @return in the caller's scope; {@code x} itself if it has the size already
     */
    public Tensor resize(Tensor x, int toH, int toW) {
        Shapes.check("x", x, Shapes.ANY, Shapes.ANY, Shapes.ANY, Shapes.ANY);
        int h = Math.toIntExact(x.size(2));
        int w = Math.toIntExact(x.size(3));
        if (h < 1 || w < 1 || toH < 1 || toW < 1) {
            throw new IllegalArgumentException(
                    "sides must be at least 1, got " + h + "×" + w + " and " + toH + "×" + toW);
        }
        if (h == toH && w == toW) {
            return x;
        }
        try (Scope scope = Scope.open()) {
            Tensor y = x;
            if (w != toW) {
                y = y.matmul(matrix(w, toW, x).t()); // (N, C, H, toW)
            }
            if (h != toH) {
                y = matrix(h, toH, x).matmul(y); // (N, C, toH, toW)
            }
            return scope.keep(y);
        }
    }

    private Tensor matrix(int in, int out, Tensor like) {
        return Tensors.of(weights(in, out)).view(out, in).to(like.device(), like.scalar_type());
    }

    /**
     * The matrix of one axis.
     *
     * @param in number of pixels
     * @param out number of pixels wanted
     * @return out · in weights, row by row; each row adds up to 1
     */
    double[] weights(int in, int out) {
        double[] matrix = new double[Math.multiplyExact(in, out)];
        for (int i = 0; i < out; i++) {
            int row = i * in;
            switch (this) {
                case TENSORFLOW_BILINEAR -> twoPixels(matrix, row, in, i * (double) ((float) in / out));
                case TORCH_NEAREST -> matrix[row + nearest(i, in, out)] = 1;
                case TORCH_BILINEAR -> twoPixels(matrix, row, in, Math.max(0, (i + 0.5) * in / out - 0.5));
                case TORCH_BICUBIC -> fourPixels(matrix, row, in, (i + 0.5) * in / out - 0.5);
                case TORCH_BILINEAR_ANTIALIAS, BICUBIC_ANTIALIAS -> window(matrix, row, in, out, i);
            }
        }
        return matrix;
    }

    private static int nearest(int i, int in, int out) {
        return out == 2 * in ? i >> 1 : Math.min(in - 1, (int) Math.floor(i * ((float) in / out)));
    }

    private static void twoPixels(double[] matrix, int row, int in, double at) {
        int low = Math.min(in - 1, (int) Math.floor(at));
        double share = at - low;
        matrix[row + low] += 1 - share;
        matrix[row + Math.min(in - 1, low + 1)] += share;
    }

    private static void fourPixels(double[] matrix, int row, int in, double at) {
        int low = (int) Math.floor(at);
        for (int j = low - 1; j <= low + 2; j++) {
            matrix[row + Math.min(in - 1, Math.max(0, j))] += cubic(Math.abs(at - j), -0.75);
        }
    }

    /** The kernel, stretched by in/out when shrinking; what falls outside the picture is cut and the rest normalised. */
    private void window(double[] matrix, int row, int in, int out, int i) {
        double scale = (double) in / out;
        double stretch = Math.max(1, scale);
        double support = (this == BICUBIC_ANTIALIAS ? 2 : 1) * stretch;
        double centre = (i + 0.5) * scale;
        int from = Math.max(0, (int) (centre - support + 0.5));
        int to = Math.min(in, (int) (centre + support + 0.5));
        double total = 0;
        for (int j = from; j < to; j++) {
            double distance = Math.abs((j - centre + 0.5) / stretch);
            matrix[row + j] = this == BICUBIC_ANTIALIAS ? cubic(distance, -0.5) : Math.max(0, 1 - distance);
            total += matrix[row + j];
        }
        for (int j = from; j < to; j++) {
            matrix[row + j] /= total;
        }
    }

    /** Keys' cubic convolution at a distance of at least 0. */
    private static double cubic(double d, double a) {
        if (d < 1) {
            return ((a + 2) * d - (a + 3)) * d * d + 1;
        }
        return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
    }
}
