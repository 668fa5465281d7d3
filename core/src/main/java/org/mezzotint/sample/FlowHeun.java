package org.mezzotint.sample;

import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.Interpolant;
import org.mezzotint.diffusion.SigmaDenoiser;

/**
 * Heun's method on the velocity dx_t/dt of an interpolant, in its own time (arXiv:2401.08740, section 2.3): the mean of the
 * velocities at both ends; one Euler step to the clean end. The levels are those of σ/α.
 *
 * @param interpolant whose time is followed
 */
public record FlowHeun(Interpolant interpolant) implements SigmaSampler {
    @Override
    public Tensor sample(
            SigmaDenoiser denoiser, Tensor x, double[] sigmas, StepNoise noise, Sampler.Progress progress) {
        return Steps.run(
                x,
                sigmas.length - 1,
                (at, i) -> {
                    FlowPoint start = FlowPoint.of(interpolant, denoiser, at, sigmas[i]);
                    double to = interpolant.time(sigmas[i + 1]);
                    double step = to - start.t();
                    Tensor end = Blend.of(1, start.y(), step, start.velocity());
                    if (sigmas[i + 1] > 0) {
                        Tensor there = FlowPoint.scaled(interpolant, end, to);
                        Tensor second = FlowPoint.of(interpolant, denoiser, there, sigmas[i + 1])
                                .velocity();
                        end = Blend.of(1, start.y(), step / 2, start.velocity(), step / 2, second);
                    }
                    return FlowPoint.scaled(interpolant, end, to);
                },
                progress);
    }
}
