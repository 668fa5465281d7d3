package org.mezzotint.models.layers;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.tensor.Scalars;

/**
 * Random features [cos(2πWx) | sin(2πWx)] (arXiv:2006.10739v1, eq. 5), computed in float64. {@code weight}, (M/2, in), is
 * drawn once and part of a checkpoint, but not trained.
 */
public final class FourierFeatures extends Layer {
    private final Tensor weight;

    /**
     * Makes the layer.
     *
     * @param init fills the weight
     * @param in width of x
     * @param width M, even
     * @param std standard deviation of the weight
     */
    public FourierFeatures(Init init, int in, int width, double std) {
        weight = frozen("weight", init.normal(std, width / 2, in));
    }

    /**
     * The features.
     *
     * @param x (N, in)
     * @return (N, M) float64
     */
    public Tensor forward(Tensor x) {
        Tensor angle = torch.linear(
                x.to(ScalarType.Double).mul(Scalars.of(2 * Math.PI)), weight.to(ScalarType.Double)); // (N, M/2)
        return torch.cat(new TensorVector(angle.cos(), angle.sin()), 1);
    }
}
