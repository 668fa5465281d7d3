package org.mezzotint.diffusion;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;

/** How strong guidance is at a noise level. */
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonSubTypes({
    @JsonSubTypes.Type(value = GuidanceSchedule.Constant.class, name = "constant"),
    @JsonSubTypes.Type(value = GuidanceSchedule.Interval.class, name = "interval"),
    @JsonSubTypes.Type(value = GuidanceSchedule.PowerCosine.class, name = "power-cosine")
})
public sealed interface GuidanceSchedule {
    /**
     * The factor on the difference of the two predictions.
     *
     * @param scale s, the strength asked for
     * @param sigma noise level
     * @param fraction of the way to noise, 0 to 1, as {@link DiffusionConfig#fraction} counts
     * @return 1 for no guidance
     */
    double weight(double scale, double sigma, double fraction);

    /** s everywhere. */
    record Constant() implements GuidanceSchedule {
        @Override
        public double weight(double scale, double sigma, double fraction) {
            return scale;
        }
    }

    /**
     * s within an interval of noise levels, none outside (arXiv:2404.07724v2, eq. 6). Outside, only one prediction is made.
     *
     * @param sigmaMin levels above this are guided
     * @param sigmaMax levels up to this are guided
     */
    record Interval(double sigmaMin, double sigmaMax) implements GuidanceSchedule {
        /** Checks the rule. */
        public Interval {
            if (!(sigmaMin >= 0 && sigmaMin < sigmaMax)) {
                throw new IllegalArgumentException("the interval of guidance must have 0 <= sigmaMin < sigmaMax, got "
                        + sigmaMin + " and " + sigmaMax);
            }
        }

        @Override
        public double weight(double scale, double sigma, double fraction) {
            return sigma > sigmaMin && sigma <= sigmaMax ? scale : 1;
        }
    }

    /**
     * 1 + (s − 1)·½·(1 − cos(π·(1 − t)^p)): none at noise, s at the clean end (arXiv:2312.02139, section 5.8, and its code).
     *
     * @param power p; 4 in the paper
     */
    record PowerCosine(double power) implements GuidanceSchedule {
        /** Checks the rule. */
        public PowerCosine {
            Checks.positive("power", power);
        }

        @Override
        public double weight(double scale, double sigma, double fraction) {
            return 1 + (scale - 1) / 2 * (1 - Math.cos(Math.PI * Math.pow(1 - fraction, power)));
        }
    }
}
