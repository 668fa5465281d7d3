package org.mezzotint.diffusion;

/**
 * The times of a {@link DiffusionConfig}, in its own units, as noise levels σ: noise in units of clean pictures, e^(−λ/2) for
 * a log SNR of λ. What lies outside of the range is taken as its nearest end.
 */
public interface SigmaTimes {
    /**
     * The noise level at a time.
     *
     * @param time as {@link Network} is told it
     * @return above 0
     */
    double sigma(double time);

    /**
     * The time of a noise level.
     *
     * @param sigma above 0
     * @return as {@link Network} is told it
     */
    double time(double sigma);

    /**
     * The cleanest level.
     *
     * @return above 0
     */
    double min();

    /**
     * The noisiest level.
     *
     * @return above {@link #min()}
     */
    double max();

    /**
     * Levels for a sampler that asks for none of its own: even steps of time, from {@link #max()} on, before the step to the
     * clean picture.
     *
     * @param n how many, at least 1
     * @return falling, above 0
     */
    default double[] levels(int n) {
        double first = time(max());
        double last = time(min());
        double[] sigmas = new double[n];
        for (int i = 0; i < n; i++) {
            sigmas[i] = sigma(n == 1 ? first : first + (last - first) * i / (n - 1));
        }
        return sigmas;
    }
}
