package org.mezzotint.diffusion;

/**
 * Score SDE's variance-exploding process (arXiv:2011.13456) as arXiv:2206.00364v2, table 1, column "VE" writes it: the
 * network sees noisy pictures as they are, is told ln(σ/2) and guesses the noise, sign turned; ln σ is uniform in training and
 * the error of the noise counts alike at every level. Sampling's own levels are even steps of ln σ: {@code σᵢ² =
 * σ_max²·(σ_min²/σ_max²)^(i/(N−1))}.
 *
 * @param sigmaMin lowest level; usually 0.02
 * @param sigmaMax highest level; usually 100
 */
public record ScoreVe(double sigmaMin, double sigmaMax) implements FramedDiffusion, Frame {
    /** Checks the rule. */
    public ScoreVe {
        new SigmaGrid.Exponential(sigmaMin, sigmaMax);
    }

    /**
     * The published numbers.
     *
     * @return levels from 0.02 to 100
     */
    public static ScoreVe published() {
        return new ScoreVe(0.02, 100);
    }

    /** c_skip = 1. */
    @Override
    public double skip(double sigma) {
        return 1;
    }

    /** c_out = σ. */
    @Override
    public double out(double sigma) {
        return sigma;
    }

    /** c_in = 1. */
    @Override
    public double in(double sigma) {
        return 1;
    }

    /** c_noise = ln(σ/2). */
    @Override
    public double noise(double sigma) {
        return Math.log(sigma / 2);
    }

    /** 1, which no rule of this frame uses. */
    @Override
    public double sigmaData() {
        return 1;
    }

    @Override
    public Frame frame() {
        return this;
    }

    @Override
    public Objective objective() {
        return new SigmaObjective(
                new SigmaDensity.LogUniform(sigmaMin, sigmaMax), new SigmaLoss(this, new SigmaWeighting.Snr(), 1));
    }

    @Override
    public SigmaTimes times() {
        return new FramedTimes(sigmaMin, sigmaMax, new SigmaGrid.Exponential(sigmaMin, sigmaMax));
    }

    /** The share of the way from the lowest to the highest level, in ln σ. */
    @Override
    public double fraction(double level) {
        double share = Math.log(level / sigmaMin) / Math.log(sigmaMax / sigmaMin);
        return Math.max(0, Math.min(1, share));
    }
}
