package org.mezzotint.diffusion;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;

/**
 * How training draws its noise levels: each density maps uniform numbers to levels by its inverse distribution function,
 * so that stratified uniform numbers give stratified levels.
 */
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonSubTypes({
    @JsonSubTypes.Type(value = SigmaDensity.LogNormal.class, name = "log-normal"),
    @JsonSubTypes.Type(value = SigmaDensity.LogLogistic.class, name = "log-logistic"),
    @JsonSubTypes.Type(value = SigmaDensity.LogUniform.class, name = "log-uniform"),
    @JsonSubTypes.Type(value = SigmaDensity.VDiffusion.class, name = "v-diffusion"),
    @JsonSubTypes.Type(value = SigmaDensity.SplitLogNormal.class, name = "split-log-normal"),
    @JsonSubTypes.Type(value = SigmaDensity.Cosine.class, name = "cosine"),
    @JsonSubTypes.Type(value = SigmaDensity.CosineInterpolated.class, name = "cosine-interpolated"),
    @JsonSubTypes.Type(value = SigmaDensity.Vp.class, name = "vp")
})
public sealed interface SigmaDensity {
    /**
     * A level.
     *
     * @param u in [0, 1)
     * @return above 0; 0 at u = 0 for a density without a lowest level
     */
    double sigma(double u);

    /**
     * Number j of a batch in its own stratum of [0, 1), over all parts of the batch: every {@code groups}-th stratum belongs
     * to one part, be it a step of accumulation or a process.
     *
     * @param u in [0, 1)
     * @param j place in the part
     * @param size of the part
     * @param group number of the part
     * @param groups parts
     * @return (group + j·groups + u)/(size·groups)
     */
    static double stratified(double u, int j, int size, int group, int groups) {
        return (group + (double) j * groups + u) / ((double) size * groups);
    }

    private static void range(double min, double max) {
        if (!(min > 0 && min < max && max < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException("min must be above 0 and below max, got " + min + " and " + max);
        }
    }

    /**
     * ln σ is normal (arXiv:2206.00364v2, section 5).
     *
     * @param mean of ln σ; −1.2 in the paper
     * @param std of ln σ; 1.2 in the paper
     */
    record LogNormal(double mean, double std) implements SigmaDensity {
        /** Checks the rule. */
        public LogNormal {
            Checks.positive("std", std);
        }

        @Override
        public double sigma(double u) {
            return Math.exp(mean + std * NormalQuantile.at(u));
        }
    }

    /**
     * ln σ is logistic, cut to a range.
     *
     * @param mean of ln σ
     * @param scale of ln σ
     * @param min lowest level
     * @param max highest level
     */
    record LogLogistic(double mean, double scale, double min, double max) implements SigmaDensity {
        /** Checks the rules. */
        public LogLogistic {
            Checks.positive("scale", scale);
            if (!(min >= 0 && min < max)) {
                throw new IllegalArgumentException("min must not be negative and below max, got " + min + ", " + max);
            }
        }

        @Override
        public double sigma(double u) {
            double low = DiffusionChain.sigmoid((Math.log(min) - mean) / scale);
            double high = DiffusionChain.sigmoid((Math.log(max) - mean) / scale);
            double p = low + u * (high - low);
            return Math.exp(mean + scale * (Math.log(p) - Math.log1p(-p)));
        }
    }

    /**
     * ln σ is uniform.
     *
     * @param min lowest level
     * @param max highest level
     */
    record LogUniform(double min, double max) implements SigmaDensity {
        /** Checks the rule. */
        public LogUniform {
            range(min, max);
        }

        @Override
        public double sigma(double u) {
            return Math.exp(Math.log(min) + u * Math.log(max / min));
        }
    }

    /**
     * σ = σ_d·tan(πt/2) for uniform t, cut to a range: the levels of the cosine schedule.
     *
     * @param sigmaData σ_d
     * @param min lowest level
     * @param max highest level
     */
    record VDiffusion(double sigmaData, double min, double max) implements SigmaDensity {
        /** Checks the rules. */
        public VDiffusion {
            Checks.positive("sigmaData", sigmaData);
            range(min, max);
        }

        @Override
        public double sigma(double u) {
            double low = Math.atan(min / sigmaData);
            double high = Math.atan(max / sigmaData);
            return sigmaData * Math.tan(low + u * (high - low));
        }
    }

    /**
     * ln σ is normal with one width below its mean and another above.
     *
     * @param mean where the two meet
     * @param below width below
     * @param above width above
     */
    record SplitLogNormal(double mean, double below, double above) implements SigmaDensity {
        /** Checks the rules. */
        public SplitLogNormal {
            Checks.positive("below", below);
            Checks.positive("above", above);
        }

        @Override
        public double sigma(double u) {
            double share = below / (below + above);
            // the lower half of one normal distribution, then the upper half of the other
            double p = u < share ? u / share / 2 : 0.5 + (u - share) / (1 - share) / 2;
            return Math.exp(mean + (u < share ? below : above) * NormalQuantile.at(p));
        }
    }

    /**
     * The cosine schedule shifted from one noise resolution to the picture's (arXiv:2301.11093v2, eq. 6), from max at u = 0 to
     * min.
     *
     * @param sigmaData σ_d
     * @param imageSize side of the pictures
     * @param noiseSize side of the pictures for which the plain schedule is right
     * @param min lowest level
     * @param max highest level
     */
    record Cosine(double sigmaData, int imageSize, int noiseSize, double min, double max) implements SigmaDensity {
        /** Checks the rules. */
        public Cosine {
            Checks.positive("sigmaData", sigmaData);
            Checks.positive("imageSize", imageSize);
            Checks.positive("noiseSize", noiseSize);
            range(min, max);
        }

        /** λ(u), the ends kept where they are. */
        double logSnr(double u) {
            double shift = 2 * Math.log((double) noiseSize / imageSize);
            double logSnrMin = -2 * Math.log(max / sigmaData) - shift;
            double logSnrMax = -2 * Math.log(min / sigmaData) - shift;
            return NoiseSchedule.Cosine.logSnr(1 - u, logSnrMin, logSnrMax) + shift;
        }

        @Override
        public double sigma(double u) {
            return sigmaData * Math.exp(-logSnr(u) / 2);
        }
    }

    /**
     * Between two shifted cosine schedules, λ = (1 − u)·λ_low + u·λ_high (arXiv:2301.11093v2, eq. 8): HDiT's choice.
     *
     * @param sigmaData σ_d
     * @param imageSize side of the pictures
     * @param low noise resolution at u = 0, the noisiest level; 32 is usual
     * @param high noise resolution at u = 1; the picture's own is usual
     * @param min lowest level
     * @param max highest level
     */
    record CosineInterpolated(double sigmaData, int imageSize, int low, int high, double min, double max)
            implements SigmaDensity {
        /** Checks the rules. */
        public CosineInterpolated {
            new Cosine(sigmaData, imageSize, low, min, max);
            new Cosine(sigmaData, imageSize, high, min, max);
        }

        @Override
        public double sigma(double u) {
            double first = new Cosine(sigmaData, imageSize, low, min, max).logSnr(u);
            double second = new Cosine(sigmaData, imageSize, high, min, max).logSnr(u);
            return sigmaData * Math.exp(-(first + u * (second - first)) / 2);
        }
    }

    /**
     * Uniform times of the continuous VP process, from 1 at u = 0 to ε (arXiv:2206.00364v2, table 1).
     *
     * @param betaD β_d; usually 19.9
     * @param betaMin β_min; usually 0.1
     * @param epsilon first time; usually 0.00001
     */
    record Vp(double betaD, double betaMin, double epsilon) implements SigmaDensity {
        /** Checks the rules. */
        public Vp {
            new SigmaGrid.Vp(betaD, betaMin, epsilon);
        }

        @Override
        public double sigma(double u) {
            return new SigmaGrid.Vp(betaD, betaMin, epsilon).at(u);
        }
    }
}
