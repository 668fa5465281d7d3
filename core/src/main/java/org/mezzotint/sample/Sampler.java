package org.mezzotint.sample;

import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.Denoiser;

/** A way from noise to pictures along a denoiser's chain. */
public sealed interface Sampler permits Ddpm, InterpolatedDdpm, Ddim {
    /** Random numbers of the steps after the first. */
    @FunctionalInterface
    interface StepNoise {
        /**
         * Standard normal numbers for one step; called only by steps that use them.
         *
         * @param step number of the step, 0 for the first executed
         * @param like gives shape (N, C, H, W), type and device
         * @return (N, C, H, W)
         */
        Tensor draw(int step, Tensor like);
    }

    /** Watches a run. */
    @FunctionalInterface
    interface Progress {
        /** Sees nothing. */
        Progress NONE = (done, total, x) -> {};

        /**
         * Called after each step.
         *
         * @param done steps done
         * @param total steps of the run
         * @param x the state (N, C, H, W), valid during the call
         */
        void step(int done, int total, Tensor x);
    }

    /**
     * Follows the chain from its noisiest level to a clean picture.
     *
     * @param denoiser evaluated once a level
     * @param noise the starting state (N, C, H, W), standard normal
     * @param steps random numbers for steps that add noise
     * @param progress called after each step
     * @return pictures (N, C, H, W)
     */
    Tensor sample(Denoiser denoiser, Tensor noise, StepNoise steps, Progress progress);
}
