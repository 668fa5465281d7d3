package org.mezzotint.eval;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.tensor.Shapes;
import org.mezzotint.tensor.Tensors;

/**
 * Mean and covariance of a set of vectors, on the CPU. It does not own its tensors.
 *
 * @param mean (D,) float64
 * @param covariance (D, D) float64, divided by n − 1
 */
public record Moments(Tensor mean, Tensor covariance) {
    /** Checks shapes and brings both to float64. */
    public Moments {
        Shapes.check("mean", mean, Shapes.ANY);
        Shapes.check("covariance", covariance, mean.size(0), mean.size(0));
        mean = widened(mean);
        covariance = widened(covariance);
    }

    private static Tensor widened(Tensor tensor) {
        return Tensors.type(tensor) == ScalarType.Double ? tensor : tensor.to(ScalarType.Double);
    }

    /**
     * The number of dimensions D.
     *
     * @return at least 0
     */
    public long dims() {
        return mean.size(0);
    }
}
