package org.mezzotint.sample;

import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.Interpolant;
import org.mezzotint.diffusion.SigmaDenoiser;

/**
 * Euler–Maruyama on dx = (v − ½·w·s)·dt + √w·dW backwards in an interpolant's time (arXiv:2401.08740, eq. 4), with the score s = −ε/σ
 * and w = η·σ(t): the marginal distributions are the same for every w. The step to the clean end adds no noise. The levels are
 * those of σ/α.
 *
 * @param interpolant whose time is followed
 * @param eta η, 0 for the probability flow, 1 for the paper's w = σ
 */
public record FlowSde(Interpolant interpolant, double eta) implements SigmaSampler {
    /** Checks the rule. */
    public FlowSde {
        Ancestral.check(eta);
    }

    @Override
    public Tensor sample(
            SigmaDenoiser denoiser, Tensor x, double[] sigmas, StepNoise noise, Sampler.Progress progress) {
        return Steps.run(
                x,
                sigmas.length - 1,
                (at, i) -> {
                    FlowPoint start = FlowPoint.of(interpolant, denoiser, at, sigmas[i]);
                    double to = interpolant.time(sigmas[i + 1]);
                    double step = to - start.t(); // below 0
                    if (eta == 0 || sigmas[i + 1] == 0) {
                        return FlowPoint.scaled(interpolant, Blend.of(1, start.y(), step, start.velocity()), to);
                    }
                    // −½·w·s = ½·η·ε
                    Tensor drifted = Blend.of(1, start.y(), step, start.velocity(), step * eta / 2, start.eps());
                    double variance = -step * eta * interpolant.sigma(start.t());
                    Tensor random = noise.draw(i, sigmas[i], sigmas[i + 1], drifted);
                    return FlowPoint.scaled(interpolant, Blend.of(1, drifted, Math.sqrt(variance), random), to);
                },
                progress);
    }
}
