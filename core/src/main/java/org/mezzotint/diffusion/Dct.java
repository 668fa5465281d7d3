package org.mezzotint.diffusion;

import org.bytedeco.pytorch.Tensor;
import org.mezzotint.tensor.Tensors;

/** The orthonormal two-dimensional cosine transform (DCT-II) of pictures, and the weights of its frequencies. */
final class Dct {
    private Dct() {}

    /** (…, H, W) → (…, H, W): D_H · x · D_Wᵀ. */
    static Tensor transform(Tensor x) {
        return matrix(x, x.size(-2)).matmul(x).matmul(matrix(x, x.size(-1)).transpose(0, 1));
    }

    /** D_kj = √(2/n)·cos(π·(j + ½)·k/n), the first row divided by √2. */
    private static Tensor matrix(Tensor like, long size) {
        int n = Math.toIntExact(size);
        double[] table = new double[n * n];
        for (int k = 0; k < n; k++) {
            double scale = Math.sqrt((k == 0 ? 1.0 : 2.0) / n);
            for (int j = 0; j < n; j++) {
                table[k * n + j] = scale * Math.cos(Math.PI * (j + 0.5) * k / n);
            }
        }
        return Tensors.of(table).view(n, n).to(like.device(), Tensors.type(like));
    }

    /** The smaller over both axes of min(−log₂ f, scales), f from ½/n to ½ along an axis of n. */
    static double[] frequencyWeights(int height, int width, int scales) {
        double[] weights = new double[height * width];
        for (int row = 0; row < height; row++) {
            for (int column = 0; column < width; column++) {
                weights[row * width + column] = Math.min(weight(row, height, scales), weight(column, width, scales));
            }
        }
        return weights;
    }

    static double weight(int k, int n, double scales) {
        double first = 0.5 / n;
        double frequency = n == 1 ? first : first + (0.5 - first) * k / (n - 1);
        return Math.min(-Math.log(frequency) / Math.log(2), scales);
    }
}
