package org.mezzotint.diffusion;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.tensor.Scalars;

/** How much the squared error of the clean picture counts at a noise level. */
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonSubTypes({
    @JsonSubTypes.Type(value = SigmaWeighting.Edm.class, name = "edm"),
    @JsonSubTypes.Type(value = SigmaWeighting.Snr.class, name = "snr"),
    @JsonSubTypes.Type(value = SigmaWeighting.MinSnr.class, name = "min-snr"),
    @JsonSubTypes.Type(value = SigmaWeighting.SoftMinSnr.class, name = "soft-min-snr"),
    @JsonSubTypes.Type(value = SigmaWeighting.Uniform.class, name = "uniform"),
    @JsonSubTypes.Type(value = SigmaWeighting.LearnedUncertainty.class, name = "learned-uncertainty")
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

    /**
     * {@link Edm}'s, divided in training by an uncertainty e^u(σ) that is learned beside the network and levels the losses of all
     * noise levels (arXiv:2312.02696); see {@link #weighed}.
     *
     * @param channels Fourier features of the noise level that u is a linear function of; the authors take 128
     */
    record LearnedUncertainty(int channels) implements SigmaWeighting {
        private static final int MOST = 1 << 16;

        /** Checks the rule. */
        public LearnedUncertainty {
            if (channels < 1 || channels > MOST) {
                throw new IllegalArgumentException("channels must be 1 to " + MOST + ", got " + channels);
            }
        }

        @Override
        public double weight(double sigma, double sigmaData) {
            return new Edm().weight(sigma, sigmaData);
        }

        /**
         * ½·(L/e^u + u): smallest over u where e^u is the expected L. The ½, which makes it a Gaussian's log likelihood, is
         * k-diffusion's; the paper leaves it out, and Adam does not see it.
         *
         * @param losses (N,)
         * @param u (N,), the logarithm of the uncertainty
         * @return (N,)
         */
        public static Tensor weighed(Tensor losses, Tensor u) {
            return losses.mul(u.neg().exp()).add(u).mul(Scalars.of(0.5));
        }
    }
}
