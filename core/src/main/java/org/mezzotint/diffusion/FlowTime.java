package org.mezzotint.diffusion;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;

/** How flow matching draws its times, by the inverse distribution function. */
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonSubTypes({
    @JsonSubTypes.Type(value = FlowTime.Uniform.class, name = "uniform"),
    @JsonSubTypes.Type(value = FlowTime.LogitNormal.class, name = "logit-normal")
})
public sealed interface FlowTime {
    /**
     * A time.
     *
     * @param u in [0, 1)
     * @return in [0, 1)
     */
    double time(double u);

    /** t = u. */
    record Uniform() implements FlowTime {
        @Override
        public double time(double u) {
            return u;
        }
    }

    /**
     * log(t/(1 − t)) is normal (arXiv:2403.03206v1, section 3.1).
     *
     * @param mean of the logit; 0 in the paper's best run
     * @param std of the logit; 1 in the paper's best run
     */
    record LogitNormal(double mean, double std) implements FlowTime {
        /** Checks the rules. */
        public LogitNormal {
            if (!Double.isFinite(mean) || !(std > 0 && std < Double.POSITIVE_INFINITY)) {
                throw new IllegalArgumentException("mean must be finite and std above 0, got " + mean + " and " + std);
            }
        }

        @Override
        public double time(double u) {
            return DiffusionChain.sigmoid(mean + std * NormalQuantile.at(u));
        }
    }
}
