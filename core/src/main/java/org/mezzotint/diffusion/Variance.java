package org.mezzotint.diffusion;

import com.fasterxml.jackson.annotation.JsonProperty;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.tensor.Shapes;

/** The variance of the reverse step p(x_{t−1} | x_t). */
public enum Variance {
    /** Between β̃ and β on a log scale, where the network says (arXiv:2102.09672, eq. 15). */
    @JsonProperty("learned-range")
    LEARNED_RANGE,
    /** The posterior's β̃. */
    @JsonProperty("fixed-small")
    FIXED_SMALL,
    /** β, with β̃ of the second level at the first. */
    @JsonProperty("fixed-large")
    FIXED_LARGE;

    /**
     * The prediction in a network's output, without the variance code behind it.
     *
     * @param output (N, 2C, H, W) with a learned variance, else (N, C, H, W)
     * @param x (N, C, H, W), the network's input
     * @return (N, C, H, W)
     * @throws IllegalArgumentException if the output has another shape
     */
    Tensor prediction(Tensor output, Tensor x) {
        long[] s = Shapes.of(x);
        boolean learned = this == LEARNED_RANGE;
        Shapes.check("the network's output", output, s[0], learned ? 2 * s[1] : s[1], s[2], s[3]);
        return learned ? output.narrow(1, 0, s[1]) : output;
    }
}
