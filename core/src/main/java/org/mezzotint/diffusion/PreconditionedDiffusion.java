package org.mezzotint.diffusion;

import java.util.Optional;

/**
 * Training of a network in the frame of {@link Preconditioning}, at noise levels of any density: the way of EDM
 * (arXiv:2206.00364) and HDiT (arXiv:2401.11605). The network is told σ.
 *
 * @param sigmaData standard deviation of the pictures' pixels; 0.5 is usual for pictures in [−1, 1]
 * @param sigmaMin lowest level that sampling uses unless asked otherwise
 * @param sigmaMax highest level that sampling uses unless asked otherwise
 * @param density of the noise levels in training; the levels of a batch are stratified
 * @param weighting of the squared error over noise levels
 * @param scales 1 for pixels; above, low frequencies count up to this much more, as {@link SigmaLoss} says
 */
public record PreconditionedDiffusion(
        double sigmaData, double sigmaMin, double sigmaMax, SigmaDensity density, SigmaWeighting weighting, int scales)
        implements FramedDiffusion {
    /** Checks the rules. */
    public PreconditionedDiffusion {
        if (density == null || weighting == null) {
            throw new IllegalArgumentException("density and weighting must be given");
        }
        new SigmaLoss(new Preconditioning(sigmaData), weighting, scales);
        new SigmaGrid.Exponential(sigmaMin, sigmaMax);
    }

    @Override
    public Objective objective() {
        return new SigmaObjective(density, new SigmaLoss(new Preconditioning(sigmaData), weighting, scales));
    }

    @Override
    public Frame frame() {
        return new Preconditioning(sigmaData);
    }

    @Override
    public SigmaTimes times() {
        return new Times(sigmaMin, sigmaMax);
    }

    @Override
    public Optional<SigmaWeighting.LearnedUncertainty> uncertainty() {
        return weighting instanceof SigmaWeighting.LearnedUncertainty learned ? Optional.of(learned) : Optional.empty();
    }

    /** The times are the levels. */
    private record Times(double min, double max) implements SigmaTimes {
        @Override
        public double sigma(double time) {
            return time;
        }

        @Override
        public double time(double sigma) {
            return sigma;
        }

        @Override
        public double[] levels(int n) {
            throw new IllegalArgumentException(
                    "a preconditioned model was trained without a schedule: take another grid, such as karras");
        }
    }
}
