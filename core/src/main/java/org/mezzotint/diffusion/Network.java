package org.mezzotint.diffusion;

import org.bytedeco.pytorch.Tensor;
import org.mezzotint.tensor.Conditioning;

/** A network as diffusion sees it. What t and the output mean is up to the schedule and the parameterization. */
@FunctionalInterface
public interface Network {
    /**
     * One evaluation.
     *
     * @param x (N, C, H, W)
     * @param t (N,) float64
     * @param cond the network's other inputs
     * @return (N, C, H, W), or (N, 2C, H, W) with a variance code in the second half
     */
    Tensor evaluate(Tensor x, Tensor t, Conditioning cond);
}
