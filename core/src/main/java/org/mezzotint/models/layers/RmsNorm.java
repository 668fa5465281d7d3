package org.mezzotint.models.layers;

import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Tensors;

/** Root-mean-square norm over the last dimension (arXiv:1910.07467), with a learned scale that starts at one. */
public final class RmsNorm extends Layer {
    private static final double EPSILON = 1e-6;

    private final Tensor scale;

    /**
     * Makes the layer.
     *
     * @param init fills the scale
     * @param width D
     */
    public RmsNorm(Init init, long width) {
        scale = parameter("scale", init.constant(1, width));
    }

    /**
     * Applies the layer.
     *
     * @param x (…, D)
     * @return (…, D)
     */
    public Tensor forward(Tensor x) {
        return normalize(x, scale);
    }

    /**
     * {@code y = x · scale / √(mean(x²) + 10⁻⁶)}; a row of zeros stays zero.
     *
     * @param x (…, D)
     * @param scale broadcasts against x
     * @return (…, D)
     */
    public static Tensor normalize(Tensor x, Tensor scale) {
        return x.mul(scale.mul(inverseNorm(x, x.size(-1))));
    }

    /**
     * {@code 1 / √(Σx² / divisor + 10⁻⁶)} over the last dimension.
     *
     * @param x (…, D)
     * @param divisor of the sum of squares: D for a mean, 1 for the sum
     * @return (…, 1)
     */
    public static Tensor inverseNorm(Tensor x, double divisor) {
        // the norm, not x·x: its backward pass keeps x alone
        Tensor norm = torch.linalg_vector_norm(x, Scalars.of(2), new long[] {-1}, true, new ScalarTypeOptional());
        return norm.mul(norm).div(Scalars.of(divisor)).add(Scalars.of(EPSILON)).rsqrt();
    }

    /**
     * {@code 1 / √(Σx² + 10⁻⁶)} over the last dimension, the faster way for short rows such as those of a head.
     *
     * @param x (…, d)
     * @return (…, 1)
     */
    public static Tensor inverseLength(Tensor x) {
        if (Tensors.type(x) == ScalarType.BFloat16) {
            return inverseNorm(x, 1); // sums in float32
        }
        Tensor sum = x.square().sum(new long[] {-1}, true, new ScalarTypeOptional());
        return sum.add(Scalars.of(EPSILON)).rsqrt();
    }
}
