package org.mezzotint.diffusion;

import com.fasterxml.jackson.annotation.JsonProperty;

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
    FIXED_LARGE
}
