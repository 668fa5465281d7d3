package org.mezzotint.models;

/**
 * What a 3×3 convolution with as many channels out as in takes in training, as table 1 of arXiv:2301.11093v2 counts it: on
 * large maps the features take the memory, on small ones the kernel, while the work is of the same order. Reproduces the
 * table with activations of 2 bytes and 20 bytes a parameter (weight, gradient, two moments, average in float32).
 *
 * @param batch pictures
 * @param size side of the map
 * @param channels in and out
 */
public record ConvolutionCost(int batch, int size, int channels) {
    private static final int KERNEL = 9;
    private static final int BYTES_A_FEATURE = 2;

    /** Checks the rules. */
    public ConvolutionCost {
        if (batch < 1 || size < 1 || channels < 1) {
            throw new IllegalArgumentException(
                    "batch, size and channels must be at least 1, got " + batch + ", " + size + " and " + channels);
        }
        double most = (double) batch * size * size * channels * channels * KERNEL;
        if (most > Long.MAX_VALUE) {
            throw new IllegalArgumentException(
                    "batch, size and channels are too large to count, got " + batch + ", " + size + " and " + channels);
        }
    }

    /**
     * Memory of the kernel and its optimiser.
     *
     * @return bytes
     */
    public long kernelBytes() {
        return Math.multiplyExact(Cost.BYTES_A_PARAMETER * (long) KERNEL * channels, channels);
    }

    /**
     * Memory of the map that the convolution leaves for the backward pass.
     *
     * @return bytes
     */
    public long featureBytes() {
        return Math.multiplyExact(BYTES_A_FEATURE * cells(), channels);
    }

    /**
     * Multiply-accumulates of a forward pass of the batch.
     *
     * @return a count
     */
    public long macs() {
        return Math.multiplyExact(Math.multiplyExact(cells(), KERNEL * (long) channels), channels);
    }

    private long cells() {
        return Math.multiplyExact(Math.multiplyExact((long) batch, size), size);
    }
}
