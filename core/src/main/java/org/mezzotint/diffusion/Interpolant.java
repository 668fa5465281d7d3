package org.mezzotint.diffusion;

import com.fasterxml.jackson.annotation.JsonProperty;

/** A path x_t = α(t)·x_0 + σ(t)·ε from pictures, t = 0, to noise, t = 1 (arXiv:2401.08740, table 1). */
public enum Interpolant {
    /** α = 1 − t, σ = t. */
    @JsonProperty("linear")
    LINEAR {
        @Override
        public double alpha(double t) {
            return 1 - t;
        }

        @Override
        public double sigma(double t) {
            return t;
        }

        @Override
        public double alphaRate(double t) {
            return -1;
        }

        @Override
        public double sigmaRate(double t) {
            return 1;
        }

        @Override
        public double time(double ratio) {
            return ratio / (1 + ratio);
        }
    },
    /** α = cos(πt/2), σ = sin(πt/2): the generalised variance-preserving path. */
    @JsonProperty("trigonometric")
    TRIGONOMETRIC {
        @Override
        public double alpha(double t) {
            return Math.cos(Math.PI / 2 * t);
        }

        @Override
        public double sigma(double t) {
            return Math.sin(Math.PI / 2 * t);
        }

        @Override
        public double alphaRate(double t) {
            return -Math.PI / 2 * sigma(t);
        }

        @Override
        public double sigmaRate(double t) {
            return Math.PI / 2 * alpha(t);
        }

        @Override
        public double time(double ratio) {
            return 2 / Math.PI * Math.atan(ratio);
        }
    };

    /**
     * The share of the picture.
     *
     * @param t 0 to 1
     * @return 1 to 0
     */
    public abstract double alpha(double t);

    /**
     * The share of the noise.
     *
     * @param t 0 to 1
     * @return 0 to 1
     */
    public abstract double sigma(double t);

    /**
     * dα/dt.
     *
     * @param t 0 to 1
     * @return at most 0
     */
    public abstract double alphaRate(double t);

    /**
     * dσ/dt.
     *
     * @param t 0 to 1
     * @return at least 0
     */
    public abstract double sigmaRate(double t);

    /**
     * The time of a level.
     *
     * @param ratio σ/α, at least 0
     * @return t, 0 to 1
     */
    public abstract double time(double ratio);

    /** α·σ' − σ·α', by which velocities are turned into pictures; above 0. */
    double determinant(double t) {
        return alpha(t) * sigmaRate(t) - sigma(t) * alphaRate(t);
    }
}
