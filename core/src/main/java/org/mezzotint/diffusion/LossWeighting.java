package org.mezzotint.diffusion;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;

/** How much the squared error counts at a noise level, and at which sizes of the picture. */
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonSubTypes({
    @JsonSubTypes.Type(value = LossWeighting.Uniform.class, name = "uniform"),
    @JsonSubTypes.Type(value = LossWeighting.MinSnr.class, name = "min-snr"),
    @JsonSubTypes.Type(value = LossWeighting.Space.class, name = "space"),
    @JsonSubTypes.Type(value = LossWeighting.Multiscale.class, name = "multiscale")
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

    /**
     * The plain error of one quantity, whatever the network predicts: a network of v that is judged by ε has the error
     * ε − ε̂ = α·(v − v̂), and so the weight α² (arXiv:2301.11093v2, appendix A: the U-Net's loss; its U-ViT is judged by v).
     *
     * @param of the quantity
     */
    record Space(Parameterization of) implements LossWeighting {
        /** Checks the rule. */
        public Space {
            if (of == null) {
                throw new IllegalArgumentException("of must be given");
            }
        }

        @Override
        public double weight(double snr, Parameterization parameterization) {
            // all errors are multiples of that of x_0
            return parameterization == of ? 1 : parameterization.x0ErrorScale(snr) / of.x0ErrorScale(snr);
        }
    }

    /**
     * The error at several sizes, Σ 1/s · L^{s×s} over s = firstScale, 2·firstScale, …, d, where L^{s×s} is the mean square of the
     * error averaged down to s×s pixels (arXiv:2301.11093v2, section 3.2). s counts pixels of the shorter side.
     *
     * @param firstScale the smallest s: the shorter side divided by a power of two; 32 in the paper
     * @param levels how much the error counts at a noise level
     */
    record Multiscale(int firstScale, LossWeighting levels) implements LossWeighting {
        /** Checks the rules. */
        public Multiscale {
            if (firstScale < 1) {
                throw new IllegalArgumentException("firstScale must be at least 1, got " + firstScale);
            }
            if (levels == null || levels instanceof Multiscale) {
                throw new IllegalArgumentException("levels must be a weighting of noise levels, got " + levels);
            }
        }

        @Override
        public double weight(double snr, Parameterization parameterization) {
            return levels.weight(snr, parameterization);
        }
    }
}
