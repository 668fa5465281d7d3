package org.mezzotint.train;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;

/** How the learning rate changes during training, as a factor on the base rate. */
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonSubTypes({
    @JsonSubTypes.Type(value = LrSchedule.Constant.class, name = "constant"),
    @JsonSubTypes.Type(value = LrSchedule.Cosine.class, name = "cosine"),
    @JsonSubTypes.Type(value = LrSchedule.InverseSqrt.class, name = "inverse-sqrt"),
    @JsonSubTypes.Type(value = LrSchedule.ConstantExpWarmup.class, name = "constant-exp-warmup"),
    @JsonSubTypes.Type(value = LrSchedule.Inverse.class, name = "inverse"),
    @JsonSubTypes.Type(value = LrSchedule.Exponential.class, name = "exponential")
})
public sealed interface LrSchedule {
    /**
     * The rate of one optimiser step.
     *
     * @param base base rate of the parameter group
     * @param step number of the step, from 0
     * @param images pictures seen at the end of the step
     * @param durationImages pictures of the whole run
     * @return at least 0
     */
    double rate(double base, long step, long images, long durationImages);

    private static double linear(long images, long warmupImages) {
        return warmupImages == 0 ? 1 : Math.min(1, (double) images / warmupImages);
    }

    private static void checkWarmupImages(long warmupImages) {
        if (warmupImages < 0) {
            throw new IllegalArgumentException("warmupImages must not be negative, got " + warmupImages);
        }
    }

    private static double exponentialWarmup(double warmup, long step) {
        return 1 - Math.pow(warmup, step + 1.0);
    }

    private static void checkWarmup(double warmup) {
        if (!(warmup >= 0 && warmup < 1)) {
            throw new IllegalArgumentException("warmup must be 0 or more and below 1, got " + warmup);
        }
    }

    /**
     * Constant after a linear rise.
     *
     * @param warmupImages length of the rise; 0 for none
     */
    record Constant(long warmupImages) implements LrSchedule {
        /** Checks the rule. */
        public Constant {
            checkWarmupImages(warmupImages);
        }

        @Override
        public double rate(double base, long step, long images, long durationImages) {
            return base * linear(images, warmupImages);
        }
    }

    /**
     * A linear rise, then half a cosine down to a fraction of the base rate at the end of the run.
     *
     * @param warmupImages length of the rise; 0 for none
     * @param finalFraction of the base rate, 0 to 1
     */
    record Cosine(long warmupImages, double finalFraction) implements LrSchedule {
        /** Checks the rules. */
        public Cosine {
            checkWarmupImages(warmupImages);
            if (!(finalFraction >= 0 && finalFraction <= 1)) {
                throw new IllegalArgumentException("finalFraction must be 0 to 1, got " + finalFraction);
            }
        }

        @Override
        public double rate(double base, long step, long images, long durationImages) {
            if (images < warmupImages) {
                return base * linear(images, warmupImages);
            }
            double length = Math.max(1, durationImages - warmupImages);
            double progress = Math.min(1, (images - warmupImages) / length);
            return base * (finalFraction + (1 - finalFraction) * 0.5 * (1 + Math.cos(Math.PI * progress)));
        }
    }

    /**
     * A linear rise, constant up to a reference point, then falling with the root of the pictures seen (arXiv:2312.02696,
     * eq. 67).
     *
     * @param warmupImages length of the rise; 0 for none
     * @param referenceImages where the fall begins, at least 1
     */
    record InverseSqrt(long warmupImages, long referenceImages) implements LrSchedule {
        /** Checks the rules. */
        public InverseSqrt {
            checkWarmupImages(warmupImages);
            if (referenceImages < 1) {
                throw new IllegalArgumentException("referenceImages must be at least 1, got " + referenceImages);
            }
        }

        @Override
        public double rate(double base, long step, long images, long durationImages) {
            return base * linear(images, warmupImages) / Math.sqrt(Math.max(1, (double) images / referenceImages));
        }
    }

    /**
     * k-diffusion's constant rate with exponential warm-up: 1 − warmup^(step + 1).
     *
     * @param warmup 0 (none) to below 1, such as 0.99
     */
    record ConstantExpWarmup(double warmup) implements LrSchedule {
        /** Checks the rule. */
        public ConstantExpWarmup {
            checkWarmup(warmup);
        }

        @Override
        public double rate(double base, long step, long images, long durationImages) {
            return base * exponentialWarmup(warmup, step);
        }
    }

    /**
     * k-diffusion's inverse decay: (1 + step / invGamma)^(−power), at least minRate, times exponential warm-up.
     *
     * @param invGamma steps after which the rate has fallen to 2^(−power), above 0
     * @param power 0.5 falls with the root of the steps
     * @param warmup 0 (none) to below 1
     * @param minRate floor of the rate before warm-up
     */
    record Inverse(double invGamma, double power, double warmup, double minRate) implements LrSchedule {
        /** Checks the rules. */
        public Inverse {
            checkWarmup(warmup);
            if (!(invGamma > 0 && minRate >= 0)) {
                throw new IllegalArgumentException(
                        "invGamma must be above 0 and minRate not negative, got " + invGamma + " and " + minRate);
            }
        }

        @Override
        public double rate(double base, long step, long images, long durationImages) {
            double decayed = base * Math.pow(1 + step / invGamma, -power);
            return exponentialWarmup(warmup, step) * Math.max(minRate, decayed);
        }
    }

    /**
     * k-diffusion's exponential decay: decay^(step / numSteps), at least minRate, times exponential warm-up.
     *
     * @param numSteps steps over which the rate falls by the factor {@code decay}, above 0
     * @param decay factor, above 0 and at most 1
     * @param warmup 0 (none) to below 1
     * @param minRate floor of the rate before warm-up
     */
    record Exponential(double numSteps, double decay, double warmup, double minRate) implements LrSchedule {
        /** Checks the rules. */
        public Exponential {
            checkWarmup(warmup);
            if (!(numSteps > 0 && decay > 0 && decay <= 1 && minRate >= 0)) {
                throw new IllegalArgumentException(
                        "numSteps must be above 0, decay above 0 and at most 1, minRate not negative, got " + numSteps
                                + ", " + decay + " and " + minRate);
            }
        }

        @Override
        public double rate(double base, long step, long images, long durationImages) {
            double decayed = base * Math.pow(Math.pow(decay, 1 / numSteps), step);
            return exponentialWarmup(warmup, step) * Math.max(minRate, decayed);
        }
    }
}
