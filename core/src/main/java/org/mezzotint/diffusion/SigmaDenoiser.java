package org.mezzotint.diffusion;

import java.util.Arrays;
import org.bytedeco.pytorch.Tensor;

/**
 * The best guess of clean pictures from noisy ones, D(x; σ) of arXiv:2206.00364v2, eq. 2: what the samplers of that family
 * see of a model.
 */
@FunctionalInterface
public interface SigmaDenoiser {
    /**
     * One evaluation.
     *
     * @param x (N, C, H, W), pictures plus σ times standard normal noise
     * @param sigma one a picture, above 0
     * @return (N, C, H, W)
     */
    Tensor denoise(Tensor x, double[] sigma);

    /**
     * One evaluation at one noise level.
     *
     * @param x (N, C, H, W)
     * @param sigma above 0
     * @return (N, C, H, W)
     */
    default Tensor denoise(Tensor x, double sigma) {
        double[] all = new double[Math.toIntExact(x.size(0))];
        Arrays.fill(all, sigma);
        return denoise(x, all);
    }
}
