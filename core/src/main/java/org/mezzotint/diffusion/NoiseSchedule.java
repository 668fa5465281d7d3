package org.mezzotint.diffusion;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;

/**
 * How much noise a picture carries at which time. Discrete schedules number their levels; continuous ones give the log SNR
 * at any time in [0, 1].
 */
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonSubTypes({
    @JsonSubTypes.Type(value = NoiseSchedule.Linear.class, name = "linear"),
    @JsonSubTypes.Type(value = NoiseSchedule.SquaredCosine.class, name = "squared-cosine"),
    @JsonSubTypes.Type(value = NoiseSchedule.Cosine.class, name = "cosine"),
    @JsonSubTypes.Type(value = NoiseSchedule.ShiftedCosine.class, name = "shifted-cosine"),
    @JsonSubTypes.Type(value = NoiseSchedule.InterpolatedCosine.class, name = "interpolated-cosine")
})
public sealed interface NoiseSchedule {
    /**
     * The levels that a sampler visits, or, with the empty spacing, all levels of a discrete schedule.
     *
     * @param spacing how many and which: see {@link Respacing}; continuous schedules take a number only
     * @return the chain, from the cleanest level to the noisiest
     * @throws IllegalArgumentException if the spacing does not fit the schedule
     */
    DiffusionChain chain(String spacing);

    /** A schedule of numbered levels; the network's time input is the number. */
    sealed interface Discrete extends NoiseSchedule {
        /**
         * Number of levels T.
         *
         * @return at least 1
         */
        int steps();

        /**
         * The variances added by each step.
         *
         * @return T values in (0, 1]
         */
        double[] betas();

        @Override
        default DiffusionChain chain(String spacing) {
            return DiffusionChain.respaced(betas(), Respacing.timesteps(steps(), spacing));
        }
    }

    /** A schedule over t in [0, 1]; the network's time input is 1000·t. */
    sealed interface Continuous extends NoiseSchedule {
        /** What a continuous time is multiplied with before a network sees it: its embedding is made for 0 … 999. */
        double TIME_SCALE = 1000;

        /**
         * Log signal-to-noise ratio λ = log(α²/σ²).
         *
         * @param t 0 (clean) to 1 (noise)
         * @return decreasing in t
         */
        double logSnr(double t);

        @Override
        default DiffusionChain chain(String spacing) {
            if (!spacing.matches("[1-9][0-9]{0,5}")) {
                throw new IllegalArgumentException(
                        "the number of steps of a continuous schedule must be 1 to 999999, got '" + spacing + "'");
            }
            int n = Integer.parseInt(spacing);
            double[] logSnr = new double[n];
            double[] times = new double[n];
            for (int i = 0; i < n; i++) {
                double t = (i + 1.0) / n;
                logSnr[i] = logSnr(t);
                times[i] = TIME_SCALE * t;
            }
            return DiffusionChain.ofLogSnr(logSnr, times);
        }
    }

    /**
     * β from 0.0001 to 0.02 in T even steps, scaled by 1000/T (arXiv:2006.11239, section 4).
     *
     * @param steps T, at least 20: fewer would need β above 1
     */
    record Linear(int steps) implements Discrete {
        /** Checks the rule. */
        public Linear {
            if (steps < 20 || steps > 1_000_000) {
                throw new IllegalArgumentException("steps of a linear schedule must be 20 to 1000000, got " + steps);
            }
        }

        @Override
        public double[] betas() {
            double first = 1000.0 / steps * 0.0001;
            double last = 1000.0 / steps * 0.02;
            double[] betas = new double[steps];
            double step = (last - first) / (steps - 1);
            for (int i = 0; i < steps; i++) {
                betas[i] = i == steps - 1 ? last : first + i * step;
            }
            return betas;
        }
    }

    /**
     * ᾱ(t) = cos²((t + 0.008)/1.008 · π/2), β at most 0.999 (arXiv:2102.09672, eq. 17).
     *
     * @param steps T, at least 1
     */
    record SquaredCosine(int steps) implements Discrete {
        /** Checks the rule. */
        public SquaredCosine {
            if (steps < 1 || steps > 1_000_000) {
                throw new IllegalArgumentException(
                        "steps of a squared-cosine schedule must be 1 to 1000000, got " + steps);
            }
        }

        @Override
        public double[] betas() {
            double[] betas = new double[steps];
            for (int i = 0; i < steps; i++) {
                betas[i] = Math.min(1 - alphaBar((i + 1.0) / steps) / alphaBar((double) i / steps), 0.999);
            }
            return betas;
        }

        private static double alphaBar(double t) {
            double cosine = Math.cos((t + 0.008) / 1.008 * Math.PI / 2);
            return cosine * cosine;
        }
    }

    /**
     * λ(t) = −2 log tan(πt/2), cut to a range by moving t (arXiv:2301.11093v2, appendix A).
     *
     * @param logSnrMin λ at t = 1
     * @param logSnrMax λ at t = 0
     */
    record Cosine(double logSnrMin, double logSnrMax) implements Continuous {
        /** Checks the rule. */
        public Cosine {
            if (!(logSnrMin >= -100 && logSnrMin < logSnrMax && logSnrMax <= 100)) {
                throw new IllegalArgumentException("logSnrMin must be below logSnrMax, both within -100 and 100, got "
                        + logSnrMin + " and " + logSnrMax);
            }
        }

        @Override
        public double logSnr(double t) {
            return logSnr(t, logSnrMin, logSnrMax);
        }

        /** λ(t) between any two ends. */
        static double logSnr(double t, double logSnrMin, double logSnrMax) {
            double from = Math.atan(Math.exp(-logSnrMax / 2));
            double to = Math.atan(Math.exp(-logSnrMin / 2));
            return -2 * Math.log(Math.tan(from + t * (to - from)));
        }
    }

    /**
     * The cosine schedule moved by 2·log(reference/size), so that large pictures get as much noise as small ones would see
     * after averaging (arXiv:2301.11093v2, section 3.1). The ends move too.
     *
     * @param logSnrMin λ at t = 1 before the shift
     * @param logSnrMax λ at t = 0 before the shift
     * @param referenceSize side of the pictures for which the plain schedule is right, in pixels
     * @param imageSize side of the pictures, in pixels
     */
    record ShiftedCosine(double logSnrMin, double logSnrMax, int referenceSize, int imageSize) implements Continuous {
        /** Checks the rules. */
        public ShiftedCosine {
            new Cosine(logSnrMin, logSnrMax);
            if (referenceSize < 1 || imageSize < 1) {
                throw new IllegalArgumentException(
                        "referenceSize and imageSize must be at least 1, got " + referenceSize + " and " + imageSize);
            }
        }

        @Override
        public double logSnr(double t) {
            return new Cosine(logSnrMin, logSnrMax).logSnr(t) + 2 * Math.log((double) referenceSize / imageSize);
        }
    }

    /**
     * Between two shifts: λ(t) = t·λ_high(t) + (1 − t)·λ_low(t) (arXiv:2301.11093v2, section 3.1).
     *
     * @param logSnrMin λ at t = 1 before the shift
     * @param logSnrMax λ at t = 0 before the shift
     * @param lowSize reference size of the shift that holds at t = 0, in pixels
     * @param highSize reference size of the shift that holds at t = 1, in pixels
     * @param imageSize side of the pictures, in pixels
     */
    record InterpolatedCosine(double logSnrMin, double logSnrMax, int lowSize, int highSize, int imageSize)
            implements Continuous {
        /** Checks the rules. */
        public InterpolatedCosine {
            new ShiftedCosine(logSnrMin, logSnrMax, lowSize, imageSize);
            new ShiftedCosine(logSnrMin, logSnrMax, highSize, imageSize);
        }

        @Override
        public double logSnr(double t) {
            double low = new ShiftedCosine(logSnrMin, logSnrMax, lowSize, imageSize).logSnr(t);
            double high = new ShiftedCosine(logSnrMin, logSnrMax, highSize, imageSize).logSnr(t);
            return t * high + (1 - t) * low;
        }
    }
}
