package org.mezzotint.bench;

import java.util.Arrays;
import java.util.SplittableRandom;

/** Median, the ratio of paired measurements with an interval, and the exponent of a power law. */
final class Statistics {
    private static final int RESAMPLES = 10_000;
    private static final long SEED = 20_221_219;
    private static final double OUTSIDE = 0.05;

    private Statistics() {}

    /**
     * A ratio and the interval that holds it with 95 % confidence.
     *
     * @param value the estimate
     * @param low end of the interval
     * @param high end of the interval
     */
    record Ratio(double value, double low, double high) {}

    /** The middle value, or the mean of the two middle ones. */
    static double median(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        return quantile(sorted, 0.5);
    }

    /** Linear between the order statistics x₍₁₎ … x₍ₙ₎, which lie at 0, 1/(n−1), … 1 (Hyndman and Fan's definition 7). */
    static double quantile(double[] sorted, double p) {
        if (sorted.length == 0) {
            throw new IllegalArgumentException("values must not be empty");
        }
        double at = p * (sorted.length - 1);
        int below = (int) at;
        int above = Math.min(below + 1, sorted.length - 1);
        return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
    }

    /**
     * How many times larger the second of each pair is: exp of the median of log(b/a), between the 2.5 % and 97.5 % quantiles
     * of the same over 10,000 resamples of the pairs (percentile bootstrap). The seed is fixed.
     */
    static Ratio ratio(double[] a, double[] b) {
        if (a.length != b.length || a.length == 0) {
            throw new IllegalArgumentException(
                    "a and b must be pairs, at least one, got " + a.length + " and " + b.length);
        }
        double[] logs = new double[a.length];
        for (int i = 0; i < logs.length; i++) {
            if (!(a[i] > 0 && b[i] > 0)) {
                throw new IllegalArgumentException("values must be above 0, got " + a[i] + " and " + b[i]);
            }
            logs[i] = Math.log(b[i] / a[i]);
        }
        SplittableRandom random = new SplittableRandom(SEED);
        double[] medians = new double[RESAMPLES];
        double[] drawn = new double[logs.length];
        for (int r = 0; r < RESAMPLES; r++) {
            for (int i = 0; i < drawn.length; i++) {
                drawn[i] = logs[random.nextInt(logs.length)];
            }
            medians[r] = median(drawn);
        }
        Arrays.sort(medians);
        return new Ratio(
                Math.exp(median(logs)),
                Math.exp(quantile(medians, OUTSIDE / 2)),
                Math.exp(quantile(medians, 1 - OUTSIDE / 2)));
    }

    /** The b of the y = a·xᵇ that is nearest to the points, by least squares of the logarithms. */
    static double exponent(double[] x, double[] y) {
        if (x.length != y.length || x.length < 2) {
            throw new IllegalArgumentException(
                    "x and y must be points, at least two, got " + x.length + " and " + y.length);
        }
        double meanX = Arrays.stream(x).map(Math::log).average().orElseThrow();
        double meanY = Arrays.stream(y).map(Math::log).average().orElseThrow();
        double cross = 0;
        double square = 0;
        for (int i = 0; i < x.length; i++) {
            double off = Math.log(x[i]) - meanX;
            cross += off * (Math.log(y[i]) - meanY);
            square += off * off;
        }
        return cross / square;
    }
}
