package org.mezzotint.sample;

import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.SigmaDenoiser;

/**
 * A way from noise to pictures along given noise levels, in the variables of arXiv:2206.00364v2: x = x_0 + σ·noise.
 *
 * <p>Letters in the solvers: D denoised, d = (x − D)/σ the slope dx/dσ of the probability flow, λ = −ln σ.
 */
public interface SigmaSampler {
    /** Random numbers of the steps. */
    @FunctionalInterface
    interface StepNoise {
        /**
         * Standard normal numbers for going from one level to another; called only where they are used.
         *
         * @param draw number of the draw
         * @param sigma level at its start
         * @param next level at its end
         * @param like gives shape (N, C, H, W), type and device
         * @param first number of the first of the N pictures, for solvers that treat pictures one by one
         * @return (N, C, H, W)
         */
        Tensor draw(int draw, double sigma, double next, Tensor like, int first);

        /**
         * Numbers for the whole batch.
         *
         * @param draw number of the draw
         * @param sigma level at its start
         * @param next level at its end
         * @param like gives shape (N, C, H, W), type and device
         * @return (N, C, H, W)
         */
        default Tensor draw(int draw, double sigma, double next, Tensor like) {
            return draw(draw, sigma, next, like, 0);
        }
    }

    /**
     * Follows the levels.
     *
     * @param denoiser evaluated at least once a level
     * @param x the starting state (N, C, H, W): standard normal noise times the first level
     * @param sigmas falling levels above 0, then usually 0
     * @param noise random numbers for steps that add noise
     * @param progress called after each step
     * @return the state at the last level (N, C, H, W)
     */
    Tensor sample(SigmaDenoiser denoiser, Tensor x, double[] sigmas, StepNoise noise, Sampler.Progress progress);
}
