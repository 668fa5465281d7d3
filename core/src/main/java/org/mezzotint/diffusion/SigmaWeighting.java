package org.mezzotint.diffusion;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;

/** How much the squared error of the clean picture counts at a noise level. */
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonSubTypes({
    @JsonSubTypes.Type(value = SigmaWeighting.Edm.class, name = "edm"),
    @JsonSubTypes.Type(value = SigmaWeighting.Snr.class, name = "snr"),
    @JsonSubTypes.Type(value = SigmaWeighting.MinSnr.class, name = "min-snr"),
    @JsonSubTypes.Type(value = SigmaWeighting.SoftMinSnr.class, name = "soft-min-snr"),
    @JsonSubTypes.Type(value = SigmaWeighting.Uniform.class, name = "uniform")
})
public sealed interface SigmaWeighting {
    /**
     * The factor on the squared error of x_0.
     *
     * @param sigma noise level
     * @param sigmaData standard deviation of the pictures' pixels
     * @return above 0
     */
    double weight(double sigma, double sigmaData);

    /** (σ² + σ_d²)/(σ·σ_d)²: the plain error of a preconditioned network's output (arXiv:2206.00364v2, table 1). */
    record Edm() implements SigmaWeighting {
        @Override
        public double weight(double sigma, double sigmaData) {
            return (sigma * sigma + sigmaData * sigmaData) / (sigma * sigma * sigmaData * sigmaData);
        }
    }

    /** 1/σ²: the error of ε. */
    record Snr() implements SigmaWeighting {
        @Override
        public double weight(double sigma, double sigmaData) {
            return 1 / (sigma * sigma);
        }
    }

    /**
     * min(1/σ², γ) (arXiv:2303.09556v3, section 3.4).
     *
     * @param gamma γ; the paper takes 5
     */
    record MinSnr(double gamma) implements SigmaWeighting {
        /** Checks the rule. */
        public MinSnr {
            Checks.positive("gamma", gamma);
        }

        @Override
        public double weight(double sigma, double sigmaData) {
            return Math.min(1 / (sigma * sigma), gamma);
        }
    }

    /**
     * 1/(σ² + 1/γ) (arXiv:2401.11605v1, eq. 6). The authors' code has 1/γ = σ_d².
     *
     * @param gamma γ; the paper takes 4
     */
    record SoftMinSnr(double gamma) implements SigmaWeighting {
        /** Checks the rule. */
        public SoftMinSnr {
            Checks.positive("gamma", gamma);
        }

        @Override
        public double weight(double sigma, double sigmaData) {
            return 1 / (sigma * sigma + 1 / gamma);
        }
    }

    /** 1: the error of x_0 itself. */
    record Uniform() implements SigmaWeighting {
        @Override
        public double weight(double sigma, double sigmaData) {
            return 1;
        }
    }
}
