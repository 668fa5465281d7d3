package org.mezzotint.diffusion;

/**
 * Score SDE's variance-preserving process (arXiv:2011.13456) as arXiv:2206.00364v2, table 1, column "VP" writes it: the
 * network, told (M − 1)·σ⁻¹(σ), guesses the noise; σ⁻¹(σ) is uniform in training and the error of the noise counts alike at
 * every level. Sampling's own levels lie at even times from 1 to ε_s.
 *
 * @param betaD β_d; usually 19.9
 * @param betaMin β_min; usually 0.1
 * @param steps M, the number of steps of the discrete process that the network's times count; usually 1000
 * @param trainingEpsilon ε_t, the first time of training; usually 0.00001
 * @param samplingEpsilon ε_s, the last time of sampling; usually 0.001
 */
public record ScoreVp(double betaD, double betaMin, int steps, double trainingEpsilon, double samplingEpsilon)
        implements FramedDiffusion, Frame {
    /** Checks the rules. */
    public ScoreVp {
        Checks.positive("betaD", betaD);
        Checks.positive("betaMin", betaMin);
        if (steps < 2) {
            throw new IllegalArgumentException("steps must be at least 2, got " + steps);
        }
        epsilon("trainingEpsilon", trainingEpsilon);
        epsilon("samplingEpsilon", samplingEpsilon);
    }

    private static void epsilon(String name, double value) {
        if (!(value > 0 && value < 1)) {
            throw new IllegalArgumentException(name + " must be above 0 and below 1, got " + value);
        }
    }

    /**
     * The published numbers.
     *
     * @return β from 0.1 to 20, 1000 steps
     */
    public static ScoreVp published() {
        return new ScoreVp(19.9, 0.1, 1000, 1e-5, 1e-3);
    }

    /**
     * σ(t) = √(e^(½·β_d·t² + β_min·t) − 1).
     *
     * @param t 0 (clean) to 1
     * @return noise level
     */
    public double sigma(double t) {
        return Math.sqrt(Math.expm1(betaD * t * t / 2 + betaMin * t));
    }

    /**
     * σ⁻¹(σ) = (√(β_min² + 2·β_d·ln(1 + σ²)) − β_min)/β_d.
     *
     * @param sigma noise level
     * @return t
     */
    public double time(double sigma) {
        double power = 2 * betaD * Math.log1p(sigma * sigma);
        // x/(√(b² + x) + b) is √(b² + x) − b without the cancellation at small σ
        return power / (Math.sqrt(betaMin * betaMin + power) + betaMin) / betaD;
    }

    /** c_skip = 1. */
    @Override
    public double skip(double sigma) {
        return 1;
    }

    /** c_out = −σ. */
    @Override
    public double out(double sigma) {
        return -sigma;
    }

    /** c_in = 1/√(σ² + 1). */
    @Override
    public double in(double sigma) {
        return 1 / Math.sqrt(sigma * sigma + 1);
    }

    /** c_noise = (M − 1)·σ⁻¹(σ). */
    @Override
    public double noise(double sigma) {
        return (steps - 1) * time(sigma);
    }

    /** 1: c_in takes clean pictures to have unit variance. */
    @Override
    public double sigmaData() {
        return 1;
    }

    /** The same number as c_noise, which is a time step, brought to 0 … 999. */
    @Override
    public double timestep(double sigma) {
        return 999 * time(sigma);
    }

    @Override
    public Frame frame() {
        return this;
    }

    @Override
    public Objective objective() {
        return new SigmaObjective(
                new SigmaDensity.Vp(betaD, betaMin, trainingEpsilon), new SigmaLoss(this, new SigmaWeighting.Snr(), 1));
    }

    @Override
    public SigmaTimes times() {
        SigmaGrid.Formula own = new SigmaGrid.Vp(betaD, betaMin, samplingEpsilon);
        return new FramedTimes(sigma(samplingEpsilon), sigma(1), own);
    }

    /** The process's own time. */
    @Override
    public double fraction(double level) {
        return Math.min(1, time(level));
    }
}
