package org.mezzotint.models.layers;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/** {@code (x − mean) / √(variance + ε)} over the last dimension, optionally with a learned scale and shift. */
public final class LayerNorm extends Layer {
    private final long width;
    private final double epsilon;
    private final Tensor weight;
    private final Tensor bias;

    private LayerNorm(long width, double epsilon, Init scaled, boolean shifted) {
        this.width = width;
        this.epsilon = epsilon;
        weight = scaled == null ? null : parameter("weight", scaled.constant(1, width));
        bias = shifted ? parameter("bias", scaled.zeros(width)) : null;
    }

    /**
     * Without parameters: what follows modulates.
     *
     * @param width of the last dimension
     * @param epsilon added to the variance
     * @return the layer
     */
    public static LayerNorm plain(long width, double epsilon) {
        return new LayerNorm(width, epsilon, null, false);
    }

    /**
     * With a learned {@code weight} (from 1) and no bias.
     *
     * @param init fills the parameter
     * @param width of the last dimension
     * @param epsilon added to the variance
     * @return the layer
     */
    public static LayerNorm scaled(Init init, long width, double epsilon) {
        return new LayerNorm(width, epsilon, init, false);
    }

    /**
     * With a learned {@code weight} (from 1) and {@code bias} (from 0).
     *
     * @param init fills the parameters
     * @param width of the last dimension
     * @param epsilon added to the variance
     * @return the layer
     */
    public static LayerNorm affine(Init init, long width, double epsilon) {
        return new LayerNorm(width, epsilon, init, true);
    }

    /**
     * Normalises.
     *
     * @param x (…, width)
     * @return (…, width)
     */
    public Tensor forward(Tensor x) {
        TensorOptional w = weight == null ? new TensorOptional() : new TensorOptional(weight);
        TensorOptional b = bias == null ? new TensorOptional() : new TensorOptional(bias);
        return torch.layer_norm(x, new long[] {width}, w, b, epsilon, false);
    }
}
