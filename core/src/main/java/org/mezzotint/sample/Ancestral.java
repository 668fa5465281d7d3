package org.mezzotint.sample;

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

    static double check(double eta) {
        if (!(eta >= 0)) {
            throw new IllegalArgumentException("eta must not be negative, got " + eta);
        }
        return eta;
    }
}
