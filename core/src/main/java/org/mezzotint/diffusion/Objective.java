package org.mezzotint.diffusion;

import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.tensor.Conditioning;

/** What training minimises: which noise levels pictures get, and what a network's output for them costs. */
public interface Objective {
    /**
     * The loss of a batch, each (N,).
     *
     * @param total what is minimised
     * @param mse its squared-error part; empty (0,) for likelihood losses
     * @param vlb its likelihood part as it enters the total; empty (0,) where there is none
     * @param parts of the squared error that are worth a look by themselves, in the order of {@link DiffusionConfig#parts};
     *     they need not add up to it
     */
    record Terms(Tensor total, Tensor mse, Tensor vlb, List<Tensor> parts) {
        /**
         * A loss without such parts.
         *
         * @param total what is minimised
         * @param mse its squared-error part; empty (0,) for likelihood losses
         * @param vlb its likelihood part as it enters the total; empty (0,) where there is none
         */
        public Terms(Tensor total, Tensor mse, Tensor vlb) {
            this(total, mse, vlb, List.of());
        }
    }

    /**
     * The noise levels of a batch.
     *
     * @param index levels of a discrete schedule; empty for others
     * @param time what the network is told, one a picture
     * @param logSnr one a picture
     */
    record Levels(int[] index, double[] time, double[] logSnr) {
        /**
         * The levels of some of the pictures.
         *
         * @param first number of the first
         * @param count how many
         * @return a copy
         */
        public Levels part(int first, int count) {
            return new Levels(
                    index.length == 0 ? index : Arrays.copyOfRange(index, first, first + count),
                    Arrays.copyOfRange(time, first, first + count),
                    Arrays.copyOfRange(logSnr, first, first + count));
        }
    }

    /**
     * Noise levels from uniform numbers.
     *
     * @param u one in [0, 1) a picture
     * @return the levels
     */
    Levels levels(double... u);

    /**
     * Noises a batch, evaluates the network and compares.
     *
     * @param network with (N, C, H, W) or, with learned variance, (N, 2C, H, W) outputs
     * @param x0 clean pictures (N, C, H, W) in [−1, 1]
     * @param levels one a picture
     * @param noise ε, (N, C, H, W)
     * @param cond the network's other inputs
     * @return the terms, in the caller's scope
     */
    Terms terms(Network network, Tensor x0, Levels levels, Tensor noise, Conditioning cond);

    /**
     * Whether the uniform numbers of a batch shall be stratified, as {@link SigmaDensity#stratified} says.
     *
     * @return false for independent ones
     */
    default boolean stratified() {
        return false;
    }
}
