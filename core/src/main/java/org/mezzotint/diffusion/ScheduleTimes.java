package org.mezzotint.diffusion;

import java.util.Arrays;

/** Between the numbered levels of a discrete schedule, log σ is linear in a fractional time. */
final class ScheduleTimes implements SigmaTimes {
    private static final int BISECTIONS = 80;

    private final NoiseSchedule.Continuous continuous; // null for a discrete schedule
    private final double[] logSigmas; // rising, of a discrete schedule

    ScheduleTimes(NoiseSchedule schedule) {
        if (schedule instanceof NoiseSchedule.Continuous formula) {
            continuous = formula;
            logSigmas = new double[0];
        } else {
            continuous = null;
            DiffusionChain all = schedule.chain("");
            logSigmas = new double[all.steps()];
            Arrays.setAll(logSigmas, i -> -all.logSnr(i) / 2);
        }
    }

    @Override
    public double sigma(double time) {
        if (continuous != null) {
            return Math.exp(-continuous.logSnr(time / NoiseSchedule.Continuous.TIME_SCALE) / 2);
        }
        double inside = Math.max(0, Math.min(time, logSigmas.length - 1.0));
        int below = Math.min((int) inside, Math.max(0, logSigmas.length - 2));
        int above = Math.min(below + 1, logSigmas.length - 1);
        return inside == below
                ? Math.exp(logSigmas[below])
                : Math.exp(logSigmas[below] + (inside - below) * (logSigmas[above] - logSigmas[below]));
    }

    @Override
    public double time(double sigma) {
        double low = 0;
        double high = continuous != null ? NoiseSchedule.Continuous.TIME_SCALE : logSigmas.length - 1.0;
        if (sigma <= min()) {
            return low;
        }
        if (sigma >= max()) {
            return high;
        }
        if (continuous == null) {
            double wanted = Math.log(sigma);
            int at = Arrays.binarySearch(logSigmas, wanted);
            if (at >= 0) {
                return at;
            }
            int above = -at - 1;
            double step = logSigmas[above] - logSigmas[above - 1];
            return above - 1 + (wanted - logSigmas[above - 1]) / step;
        }
        for (int i = 0; i < BISECTIONS; i++) {
            double middle = (low + high) / 2;
            if (sigma(middle) < sigma) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return (low + high) / 2;
    }

    @Override
    public double min() {
        return sigma(0);
    }

    @Override
    public double max() {
        return sigma(continuous != null ? NoiseSchedule.Continuous.TIME_SCALE : logSigmas.length - 1.0);
    }
}
