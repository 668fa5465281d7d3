package org.mezzotint.models.layers;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/**
 * Group norm (arXiv:1803.08494v3, eq. 1, 2, 6): {@code y = weight · (x − mean) / √(variance + ε) + bias}, mean and variance
 * over all pixels of a group of neighbouring channels, weight and bias for each channel.
 */
public final class GroupNorm extends Layer {
    private final long groups;
    private final double epsilon;
    private final TensorOptional weight;
    private final TensorOptional bias;

    /**
     * Makes the layer; the weight starts at one, the bias at zero.
     *
     * @param init fills the parameters
     * @param groups number of groups
     * @param channels a multiple of the number of groups
     * @param epsilon added to the variance
     */
    public GroupNorm(Init init, long groups, long channels, double epsilon) {
        if (groups < 1 || channels % groups != 0) {
            throw new IllegalArgumentException(
                    "channels must be a multiple of groups, got " + channels + " and " + groups);
        }
        this.groups = groups;
        this.epsilon = epsilon;
        weight = new TensorOptional(parameter("weight", init.constant(1, channels)));
        bias = new TensorOptional(parameter("bias", init.zeros(channels)));
    }

    /**
     * Normalises.
     *
     * @param x (N, C, H, W)
     * @return (N, C, H, W)
     */
    public Tensor forward(Tensor x) {
        return torch.group_norm(x, groups, weight, bias, epsilon, false);
    }
}
