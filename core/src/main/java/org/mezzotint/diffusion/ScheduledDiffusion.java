package org.mezzotint.diffusion;

import java.util.Arrays;
import java.util.List;
import org.mezzotint.tensor.Conditioning;

/**
 * Training along a variance-preserving schedule: DiT's way, and that of simple diffusion.
 *
 * @param schedule how much noise at which time
 * @param parameterization what the network's output stands for
 * @param variance of the reverse step
 * @param loss what is minimised
 * @param weighting of the squared error over noise levels
 */
public record ScheduledDiffusion(
        NoiseSchedule schedule,
        Parameterization parameterization,
        Variance variance,
        DiffusionLoss.Kind loss,
        LossWeighting weighting)
        implements DiffusionConfig {

    /** Checks that the parts go together. */
    public ScheduledDiffusion {
        if (schedule == null || parameterization == null || variance == null || loss == null || weighting == null) {
            throw new IllegalArgumentException(
                    "schedule, parameterization, variance, loss and weighting must all be given");
        }
        if (variance == Variance.LEARNED_RANGE && loss == DiffusionLoss.Kind.MSE) {
            throw new IllegalArgumentException(
                    "variance learned-range needs a loss with a likelihood term, such as mse-vlb, got mse");
        }
        if (variance != Variance.LEARNED_RANGE && loss.trainsVarianceBesideMse()) {
            throw new IllegalArgumentException("loss " + loss + " needs variance learned-range");
        }
        if (schedule instanceof NoiseSchedule.Continuous && loss != DiffusionLoss.Kind.MSE) {
            throw new IllegalArgumentException("loss " + loss
                    + " needs a discrete schedule (linear or squared-cosine); a continuous one takes mse");
        }
        if (parameterization == Parameterization.EPS && endsWithoutSignal(schedule)) {
            throw new IllegalArgumentException(
                    "parameterization eps cannot start from a level without any signal, which " + schedule
                            + " ends in: use v or x0, or more steps");
        }
        if (loss.isLikelihood() && !(weighting instanceof LossWeighting.Uniform)) {
            throw new IllegalArgumentException("loss " + loss + " takes weighting uniform only");
        }
        if (weighting instanceof LossWeighting.Multiscale && loss != DiffusionLoss.Kind.MSE) {
            throw new IllegalArgumentException("weighting multiscale needs loss mse, got " + loss);
        }
    }

    private static boolean endsWithoutSignal(NoiseSchedule schedule) {
        if (schedule instanceof NoiseSchedule.Discrete discrete) {
            double[] betas = discrete.betas();
            return betas[betas.length - 1] >= 1;
        }
        return false;
    }

    /**
     * The DiT paper's: linear schedule of 1000 steps, ε, learned variance, MSE + VLB.
     *
     * @return the configuration
     */
    public static ScheduledDiffusion dit() {
        return new ScheduledDiffusion(
                new NoiseSchedule.Linear(1000),
                Parameterization.EPS,
                Variance.LEARNED_RANGE,
                DiffusionLoss.Kind.MSE_VLB,
                new LossWeighting.Uniform());
    }

    @Override
    public Objective objective() {
        return new DiffusionLoss(this);
    }

    @Override
    public SigmaDenoiser denoiser(Network network, Conditioning cond) {
        return new VpDenoiser(network, cond, this);
    }

    @Override
    public SigmaTimes times() {
        return new ScheduleTimes(schedule);
    }

    /** With a loss over several scales, {@code mse_32} and so on. */
    @Override
    public List<String> parts(int height, int width) {
        return weighting instanceof LossWeighting.Multiscale many
                ? Arrays.stream(ScaleErrors.scales(many.firstScale(), height, width))
                        .mapToObj(scale -> "mse_" + scale)
                        .toList()
                : List.of();
    }

    @Override
    public boolean fitsOutput(int channels, int output) {
        return output == (variance == Variance.LEARNED_RANGE ? 2 * channels : channels);
    }

    @Override
    public double fraction(double time) {
        return time
                / (schedule instanceof NoiseSchedule.Discrete discrete
                        ? discrete.steps()
                        : NoiseSchedule.Continuous.TIME_SCALE);
    }
}
