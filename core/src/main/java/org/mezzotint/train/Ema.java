package org.mezzotint.train;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;

/** How fast the moving average of the weights forgets. */
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonSubTypes({
    @JsonSubTypes.Type(value = Ema.Constant.class, name = "constant"),
    @JsonSubTypes.Type(value = Ema.Warmup.class, name = "warmup")
})
public sealed interface Ema {
    /**
     * The decay of one update: {@code average ← decay·average + (1 − decay)·weights}.
     *
     * @param update number of the update, from 0
     * @return 0 (copies the weights) to below 1
     */
    double decay(long update);

    /**
     * The same decay at every update. The average starts as a copy of the initial weights.
     *
     * @param decay 0 or more and below 1, such as 0.9999
     */
    record Constant(double decay) implements Ema {
        /** Checks the rule. */
        public Constant {
            if (!(decay >= 0 && decay < 1)) {
                throw new IllegalArgumentException("decay must be 0 or more and below 1, got " + decay);
            }
        }

        @Override
        public double decay(long update) {
            return decay;
        }
    }

    /**
     * k-diffusion's warm-up: 1 − (1 + k/invGamma)^(−power) between two bounds, with k counted from an update and 0 before
     * it. The first update copies the weights when the lower bound is 0. With power 2/3 the decay reaches 0.999 after 31,600 updates.
     *
     * @param invGamma scale of the updates, above 0
     * @param power how fast the average slows down, above 0
     * @param minDecay lower bound
     * @param maxDecay upper bound, below 1
     * @param startAt the update from which k is counted
     */
    record Warmup(double invGamma, double power, double minDecay, double maxDecay, long startAt) implements Ema {
        /** Checks the rules. */
        public Warmup {
            if (!(invGamma > 0
                    && power > 0
                    && minDecay >= 0
                    && minDecay <= maxDecay
                    && maxDecay <= 1
                    && startAt >= 0)) {
                throw new IllegalArgumentException(
                        "invGamma and power must be above 0, 0 <= minDecay <= maxDecay <= 1, startAt not negative, got "
                                + invGamma + ", " + power + ", " + minDecay + ", " + maxDecay + ", " + startAt);
            }
        }

        @Override
        public double decay(long update) {
            long k = Math.max(0, update - startAt);
            double value = 1 - Math.pow(1 + k / invGamma, -power);
            return Math.min(maxDecay, Math.max(minDecay, value));
        }
    }
}
