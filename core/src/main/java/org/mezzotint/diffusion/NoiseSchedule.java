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
            if (t <= 0.5) {
                return -2 * Math.log(Math.tan(from + t * (to - from)));
            }
            // near π/2 the tangent loses digits: its reciprocal, from the other end
            return 2 * Math.log(Math.tan(Math.atan(Math.exp(logSnrMin / 2)) + (1 - t) * (to - from)));
        }
    }

    /**
     * What a shift by Δ = 2·log(reference/size) does to the ends λ_min and λ_max of the cosine schedule. The paper's text could not
     * be read; three code bases have three treatments.
     */
    enum Ends {
        /**
         * The schedule is cut to λ_min … λ_max and then shifted, so its ends move by Δ. The usual choice here: it is the plain
         * sum that the text describes, and what Google's hackable_diffusion and lucidrains' code do.
         */
        MOVED {
            @Override
            double before(double shift) {
                return 0;
            }
        },
        /** The ends stay at λ_min and λ_max: the schedule is cut to λ_min − Δ … λ_max − Δ first. As k-diffusion does. */
        KEPT {
            @Override
            double before(double shift) {
                return -shift;
            }
        },
        /** The schedule is cut to λ_min + Δ/2 … λ_max + Δ/2 first: its ends move by 3/2·Δ. As some reimplementations do. */
        MOVED_FURTHER {
            @Override
            double before(double shift) {
                return shift / 2;
            }
        };

        /** What is added to λ_min and λ_max before the cut. */
        abstract double before(double shift);
    }

    /**
     * The cosine schedule moved by Δ = 2·log(reference/size), so that large pictures get as much noise as small ones would see
     * after averaging (arXiv:2301.11093v2, section 3.1): averaging s×s pixels multiplies the SNR by s².
     *
     * @param logSnrMin λ at t = 1 before the shift; −15 is usual
     * @param logSnrMax λ at t = 0 before the shift; 15 is usual
     * @param referenceSize side of the pictures for which the plain schedule is right, in pixels; 64 is the paper's default, 32
     *     better in the end
     * @param imageSize side of the pictures, in pixels; √(height·width) where they are not square (our choice)
     * @param ends what happens to the ends
     */
    record ShiftedCosine(double logSnrMin, double logSnrMax, int referenceSize, int imageSize, Ends ends)
            implements Continuous {
        /** Checks the rules. */
        public ShiftedCosine {
            new Cosine(logSnrMin, logSnrMax);
            if (referenceSize < 1 || imageSize < 1) {
                throw new IllegalArgumentException(
                        "referenceSize and imageSize must be at least 1, got " + referenceSize + " and " + imageSize);
            }
            if (ends == null) {
                throw new IllegalArgumentException("ends must be given");
            }
        }

        /**
         * With the usual ends: −15 and 15, moved.
         *
         * @param referenceSize side of the pictures for which the plain schedule is right, in pixels
         * @param imageSize side of the pictures, in pixels
         * @return the schedule
         */
        public static ShiftedCosine of(int referenceSize, int imageSize) {
            return new ShiftedCosine(-15, 15, referenceSize, imageSize, Ends.MOVED);
        }

        @Override
        public double logSnr(double t) {
            double shift = 2 * Math.log((double) referenceSize / imageSize);
            double before = ends.before(shift);
            return Cosine.logSnr(t, logSnrMin + before, logSnrMax + before) + shift;
        }
    }

    /**
     * Between two shifts: λ(t) = t·λ_high(t) + (1 − t)·λ_low(t) (arXiv:2301.11093v2, section 3.1), so that fine detail, which is
     * settled near t = 0, is noised as in small pictures and the composition as in large ones.
     *
     * @param logSnrMin λ at t = 1 before the shift; −15 is usual
     * @param logSnrMax λ at t = 0 before the shift; 15 is usual
     * @param lowSize reference size of the shift that holds at t = 0, in pixels; 32 in the paper
     * @param highSize reference size of the shift that holds at t = 1, in pixels; 256 in the paper for pictures of 512
     * @param imageSize side of the pictures, in pixels; √(height·width) where they are not square (our choice)
     * @param ends what happens to the ends of each of the two
     */
    record InterpolatedCosine(double logSnrMin, double logSnrMax, int lowSize, int highSize, int imageSize, Ends ends)
            implements Continuous {
        private static final int CHECKED = 256;

        /** Checks the rules. */
        public InterpolatedCosine {
            new Cosine(logSnrMin, logSnrMax);
            if (lowSize < 1 || highSize < lowSize) {
                throw new IllegalArgumentException(
                        "lowSize must be at least 1 and at most highSize, got " + lowSize + " and " + highSize);
            }
            if (imageSize < 1) {
                throw new IllegalArgumentException("imageSize must be at least 1, got " + imageSize);
            }
            if (ends == null) {
                throw new IllegalArgumentException("ends must be given");
            }
            // the way from one shift to the other lifts λ, which falls most slowly in the middle
            double last = Double.POSITIVE_INFINITY;
            for (int i = 0; i <= CHECKED; i++) {
                double next = between((double) i / CHECKED, logSnrMin, logSnrMax, lowSize, highSize, imageSize, ends);
                if (next >= last) {
                    throw new IllegalArgumentException(
                            "lowSize and highSize lie so far apart that the log SNR would rise on the way, got "
                                    + lowSize + " and " + highSize);
                }
                last = next;
            }
        }

        private static double between(double t, double min, double max, int low, int high, int size, Ends ends) {
            return t * new ShiftedCosine(min, max, high, size, ends).logSnr(t)
                    + (1 - t) * new ShiftedCosine(min, max, low, size, ends).logSnr(t);
        }

        /**
         * With the usual ends: −15 and 15, moved.
         *
         * @param lowSize reference size of the shift that holds at t = 0, in pixels
         * @param highSize reference size of the shift that holds at t = 1, in pixels
         * @param imageSize side of the pictures, in pixels
         * @return the schedule
         */
        public static InterpolatedCosine of(int lowSize, int highSize, int imageSize) {
            return new InterpolatedCosine(-15, 15, lowSize, highSize, imageSize, Ends.MOVED);
        }

        @Override
        public double logSnr(double t) {
            return between(t, logSnrMin, logSnrMax, lowSize, highSize, imageSize, ends);
        }
    }
}
