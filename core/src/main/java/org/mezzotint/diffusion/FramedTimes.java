package org.mezzotint.diffusion;

import java.util.Arrays;

/** The times of a network that is told σ: the levels themselves; {@code own} are those that a sampler visits by default. */
record FramedTimes(double min, double max, SigmaGrid.Formula own) implements SigmaTimes {
    @Override
    public double sigma(double time) {
        return time;
    }

    @Override
    public double time(double sigma) {
        return sigma;
    }

    @Override
    public double[] levels(int n) {
        return Arrays.copyOf(own.sigmas(n), n);
    }
}
