package org.mezzotint.sample;

import org.bytedeco.pytorch.Tensor;

/**
 * How an ancestral step from one level to another splits into a deterministic part and noise:
 * σ_up = min(σ_to, η·√(σ_to²·(σ_from² − σ_to²)/σ_from²)), σ_down = √(σ_to² − σ_up²).
 *
 * @param down level that the deterministic part goes to
 * @param up standard deviation of the noise added there
 */
record Ancestral(double down, double up) {
    static Ancestral step(double from, double to, double eta) {
        if (eta == 0) {
            return new Ancestral(to, 0);
        }
        double up = Math.min(to, eta * Math.sqrt(to * to * (from * from - to * to) / (from * from)));
        return new Ancestral(Math.sqrt(to * to - up * up), up);
    }

    /** The state at the level where the step ends, from that at {@link #down}. */
    Tensor raise(Tensor x, double noiseScale, SigmaSampler.StepNoise noise, int draw, double from, double to) {
        return up == 0 ? x : Blend.of(1, x, noiseScale * up, noise.draw(draw, from, to, x));
    }

    /** Adds the noise of the multistep SDE solvers, σ_to·√(1 − e^(−2ηh)) with h = ln(σ_from/σ_to). */
    static Tensor diffuse(
            Tensor x, double eta, double noiseScale, SigmaSampler.StepNoise noise, int draw, double from, double to) {
        if (eta == 0) {
            return x;
        }
        double added = to * Math.sqrt(-Math.expm1(-2 * eta * Math.log(from / to))) * noiseScale;
        return Blend.of(1, x, added, noise.draw(draw, from, to, x));
    }

    static double check(double eta) {
        if (!(eta >= 0)) {
            throw new IllegalArgumentException("eta must not be negative, got " + eta);
        }
        return eta;
    }
}
