package org.mezzotint.diffusion;

import java.util.Optional;
import org.mezzotint.tensor.Conditioning;

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
        implements DiffusionConfig {
    /** σ is told as ln σ/4 (arXiv:2206.00364v2, table 1); an embedding made for 0 … 999 wants larger numbers. */
    private static final double TIMESTEPS = 1000 / 4.0;

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
    public SigmaDenoiser denoiser(Network network, Conditioning cond) {
        return new Preconditioning(sigmaData).around(network, cond);
    }

    /**
     * A noise level as a model hears it whose embedding is made for 0 … 999: 250·ln σ, our choice for models such as DiT, which
     * the papers do not train this way.
     *
     * @param sigma above 0
     * @return below 0 for σ below 1
     */
    public double timestep(double sigma) {
        return TIMESTEPS * Math.log(sigma);
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
