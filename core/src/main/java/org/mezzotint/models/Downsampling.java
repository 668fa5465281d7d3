package org.mezzotint.models;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;

/**
 * How the first layer of a network of simple diffusion brings a large picture down before any block sees it, and the last
 * layer back up (arXiv:2301.11093, section 3.3 and table 5): a map of 512 × 512 is dear in memory and says little.
 */
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonSubTypes({
    @JsonSubTypes.Type(value = Downsampling.None.class, name = "none"),
    @JsonSubTypes.Type(value = Downsampling.Wavelet.class, name = "wavelet"),
    @JsonSubTypes.Type(value = Downsampling.Patch.class, name = "patch")
})
public sealed interface Downsampling {
    /**
     * How many pixels a side become one cell.
     *
     * @return 1 or more
     */
    int factor();

    /** Not at all: a 3×3 convolution from pixels and one back to them. */
    record None() implements Downsampling {
        @Override
        public int factor() {
            return 1;
        }
    }

    /**
     * The 5/3 wavelet transform, then a 3×3 convolution; a 3×3 convolution to coefficients, then the inverse transform.
     * Channels as {@link org.mezzotint.models.layers.LeGallWavelet} orders them.
     *
     * @param levels 1 for half the size, 2 for a quarter
     */
    record Wavelet(int levels) implements Downsampling {
        /** Checks the number of levels. */
        public Wavelet {
            if (levels < 1 || levels > 4) {
                throw new IllegalArgumentException("levels of a wavelet must be 1 to 4, got " + levels);
            }
        }

        @Override
        public int factor() {
            return 1 << levels;
        }
    }

    /**
     * A convolution with kernel and stride d, and a transposed one.
     *
     * @param side d
     */
    record Patch(int side) implements Downsampling {
        /** Checks the side. */
        public Patch {
            if (side < 2 || side > 64) {
                throw new IllegalArgumentException("side of a patch must be 2 to 64, got " + side);
            }
        }

        @Override
        public int factor() {
            return side;
        }
    }
}
