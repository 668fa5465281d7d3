package org.mezzotint.diffusion;

import java.util.Arrays;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;

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

    /**
     * This with its guesses clipped to [−1, 1].
     *
     * @return another view of the same denoiser
     */
    default SigmaDenoiser clipped() {
        return (x, sigma) -> {
            try (Scope scope = Scope.open()) {
                return scope.keep(denoise(x, sigma).clamp(Scalars.optional(-1), Scalars.optional(1)));
            }
        };
    }
}
