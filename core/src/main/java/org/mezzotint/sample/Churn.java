package org.mezzotint.sample;

import org.bytedeco.pytorch.Tensor;

/**
 * Noise that a step adds before it goes down (arXiv:2206.00364v2, algorithm 2, lines 4 to 6): from σ to σ·(1 + γ),
 * γ = min(S_churn/n, √2 − 1) for levels within [S_min, S_max], else 0.
 *
 * @param churn S_churn; 0 for a deterministic sampler
 * @param min S_min
 * @param max S_max
 * @param noise S_noise, scale of what is added
 */
public record Churn(double churn, double min, double max, double noise) {
    /** No added noise. */
    public static final Churn NONE = new Churn(0, 0, Double.POSITIVE_INFINITY, 1);

    /** Checks the rules. */
    public Churn {
        if (!(churn >= 0 && min >= 0 && min <= max && noise >= 0)) {
            throw new IllegalArgumentException("churn must not be negative and its range must not be empty, got churn "
                    + churn + ", min " + min + ", max " + max + ", noise " + noise);
        }
    }

    /** The level that a step starts from. */
    double raised(double sigma, int steps) {
        double gamma = sigma >= min && sigma <= max ? Math.min(churn / steps, Math.sqrt(2) - 1) : 0;
        return sigma * (1 + gamma);
    }

    /** The state at the raised level. */
    Tensor raise(Tensor x, int step, double sigma, double raised, SigmaSampler.StepNoise noises) {
        if (raised == sigma) {
            return x;
        }
        double added = noise * Math.sqrt(raised * raised - sigma * sigma);
        return Blend.of(1, x, added, noises.draw(step, sigma, raised, x));
    }
}
