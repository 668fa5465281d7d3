package org.mezzotint.diffusion;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import java.util.Arrays;

/** The noise levels that a sampler visits: n falling ones, then 0. Solvers are another matter: they take any. */
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonSubTypes({
    @JsonSubTypes.Type(value = SigmaGrid.OfSchedule.class, name = "schedule"),
    @JsonSubTypes.Type(value = SigmaGrid.Timesteps.class, name = "timesteps"),
    @JsonSubTypes.Type(value = SigmaGrid.Karras.class, name = "karras"),
    @JsonSubTypes.Type(value = SigmaGrid.Exponential.class, name = "exponential"),
    @JsonSubTypes.Type(value = SigmaGrid.Polyexponential.class, name = "polyexponential"),
    @JsonSubTypes.Type(value = SigmaGrid.Vp.class, name = "vp")
})
public sealed interface SigmaGrid {
    /**
     * The levels.
     *
     * @param n how many before the final 0, at least 1
     * @param times of the network's training; a formula ignores them
     * @return n + 1 values
     */
    double[] sigmas(int n, SigmaTimes times);

    /** Levels by a formula. */
    sealed interface Formula extends SigmaGrid {
        /**
         * The level at a share of the way.
         *
         * @param fraction 0 (noise) to 1
         * @return above 0
         */
        double at(double fraction);

        /**
         * The levels.
         *
         * @param n how many before the final 0, at least 1
         * @return n + 1 values
         */
        default double[] sigmas(int n) {
            double[] sigmas = new double[atLeastOne(n) + 1];
            for (int i = 0; i < n; i++) {
                sigmas[i] = at(n == 1 ? 0 : (double) i / (n - 1));
            }
            return sigmas;
        }

        @Override
        default double[] sigmas(int n, SigmaTimes times) {
            return sigmas(n);
        }
    }

    private static int atLeastOne(int n) {
        if (n < 1) {
            throw new IllegalArgumentException("steps must be at least 1, got " + n);
        }
        return n;
    }

    /** Even steps of the training's own time, from its noisiest level to its cleanest. */
    record OfSchedule() implements SigmaGrid {
        @Override
        public double[] sigmas(int n, SigmaTimes times) {
            return Arrays.copyOf(times.levels(atLeastOne(n)), n + 1);
        }
    }

    /**
     * The levels at even times of a discrete schedule, as Hugging Face's diffusers spaces them ("linspace"). Between two
     * numbered levels σ itself is linear in time, not log σ as elsewhere here, and the network is told that time.
     *
     * @param spacing of the times
     */
    record Timesteps(Spacing spacing) implements SigmaGrid {
        /** How n times lie among 0 … T − 1. */
        public enum Spacing {
            /** From T − 1 to 0, fractions included: EulerDiscreteScheduler. */
            LINSPACE,
            /** n of the n + 1 from T − 1 to 0, the last left out, rounded half to even: DPMSolverMultistepScheduler. */
            LINSPACE_WHOLE
        }

        /** Checks the rule. */
        public Timesteps {
            if (spacing == null) {
                throw new IllegalArgumentException("spacing must be given");
            }
        }

        @Override
        public double[] sigmas(int n, SigmaTimes times) {
            double[] sigmas = new double[atLeastOne(n) + 1];
            double last = times.time(times.max());
            for (int i = 0; i < n; i++) {
                double time = spacing == Spacing.LINSPACE
                        ? (n == 1 ? 0 : i == 0 ? last : (n - 1 - i) * (last / (n - 1)))
                        : (i == 0 ? last : Math.rint((n - i) * (last / n))); // NumPy's order: it decides half-way cases
                double below = Math.floor(time);
                double at = times.sigma(below);
                sigmas[i] = at + (time - below) * (times.sigma(Math.min(below + 1, last)) - at);
            }
            return sigmas;
        }

        /**
         * The time that a network is told for a level.
         *
         * @param time of the level where log σ is linear in time
         * @param times the same times
         * @return the time where σ is linear in time
         */
        public double told(double time, SigmaTimes times) {
            double below = Math.floor(time);
            double at = times.sigma(below);
            double next = times.sigma(below + 1);
            return time == below || next == at ? time : below + (times.sigma(time) - at) / (next - at);
        }
    }

    private static void check(double sigmaMin, double sigmaMax) {
        if (!(sigmaMin > 0 && sigmaMin < sigmaMax && sigmaMax < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException(
                    "sigmaMin must be above 0 and below sigmaMax, got " + sigmaMin + " and " + sigmaMax);
        }
    }

    /**
     * (σ_max^(1/ρ) + i/(n−1)·(σ_min^(1/ρ) − σ_max^(1/ρ)))^ρ (arXiv:2206.00364v2, eq. 5).
     *
     * @param sigmaMin last level
     * @param sigmaMax first level
     * @param rho ρ; 7 in the paper
     */
    record Karras(double sigmaMin, double sigmaMax, double rho) implements Formula {
        /** Checks the rules. */
        public Karras {
            check(sigmaMin, sigmaMax);
            Checks.positive("rho", rho);
        }

        @Override
        public double at(double fraction) {
            double from = Math.pow(sigmaMax, 1 / rho);
            double to = Math.pow(sigmaMin, 1 / rho);
            return Math.pow(from + fraction * (to - from), rho);
        }
    }

    /**
     * Even steps of log σ, and so of the log SNR.
     *
     * @param sigmaMin last level
     * @param sigmaMax first level
     */
    record Exponential(double sigmaMin, double sigmaMax) implements Formula {
        /** Checks the rules. */
        public Exponential {
            check(sigmaMin, sigmaMax);
        }

        @Override
        public double at(double fraction) {
            return Math.exp(Math.log(sigmaMax) + fraction * Math.log(sigmaMin / sigmaMax));
        }
    }

    /**
     * log σ falls as (1 − i/(n−1))^ρ.
     *
     * @param sigmaMin last level
     * @param sigmaMax first level
     * @param rho ρ; 1 for even steps
     */
    record Polyexponential(double sigmaMin, double sigmaMax, double rho) implements Formula {
        /** Checks the rules. */
        public Polyexponential {
            check(sigmaMin, sigmaMax);
            Checks.positive("rho", rho);
        }

        @Override
        public double at(double fraction) {
            return Math.exp(Math.log(sigmaMin) + Math.pow(1 - fraction, rho) * Math.log(sigmaMax / sigmaMin));
        }
    }

    /**
     * The levels of the continuous VP process at even times from 1 to ε (arXiv:2011.13456; arXiv:2206.00364v2, table 1).
     *
     * @param betaD β_d; usually 19.9
     * @param betaMin β_min; usually 0.1
     * @param epsilon last time; usually 0.001
     */
    record Vp(double betaD, double betaMin, double epsilon) implements Formula {
        /** Checks the rules. */
        public Vp {
            Checks.positive("betaD", betaD);
            Checks.positive("betaMin", betaMin);
            if (!(epsilon > 0 && epsilon <= 1)) {
                throw new IllegalArgumentException("epsilon must be above 0 and at most 1, got " + epsilon);
            }
        }

        @Override
        public double at(double fraction) {
            double t = 1 + fraction * (epsilon - 1);
            return Math.sqrt(Math.expm1(betaD * t * t / 2 + betaMin * t));
        }
    }
}
