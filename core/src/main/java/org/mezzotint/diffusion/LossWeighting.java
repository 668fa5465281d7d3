package org.mezzotint.diffusion;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;

/** How much the squared error counts at a noise level. */
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonSubTypes({
    @JsonSubTypes.Type(value = LossWeighting.Uniform.class, name = "uniform"),
    @JsonSubTypes.Type(value = LossWeighting.MinSnr.class, name = "min-snr")
})
public sealed interface LossWeighting {
    /**
     * The factor on the squared error of the network's output.
     *
     * @param snr signal-to-noise ratio α²/σ²
     * @param parameterization of the output
     * @return above 0
     */
    double weight(double snr, Parameterization parameterization);

    /** 1: the plain error of the output. */
    record Uniform() implements LossWeighting {
        @Override
        public double weight(double snr, Parameterization parameterization) {
            return 1;
        }
    }

    /**
     * min(SNR, γ) on the error of x_0, whatever the network predicts (arXiv:2303.09556v3, section 3.4).
     *
     * @param gamma γ, above 0; the paper takes 5
     */
    record MinSnr(double gamma) implements LossWeighting {
        /** Checks the rule. */
        public MinSnr {
            if (!(gamma > 0)) {
                throw new IllegalArgumentException("gamma must be above 0, got " + gamma);
            }
        }

        @Override
        public double weight(double snr, Parameterization parameterization) {
            return Math.min(snr, gamma) * parameterization.x0ErrorScale(snr);
        }
    }
}
