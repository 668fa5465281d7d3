package org.mezzotint.sample;

import java.util.Arrays;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.SigmaDenoiser;
import org.mezzotint.diffusion.SigmaGrid;

/**
 * DPM-Solver-fast (arXiv:2206.00927v3, section 3.4 and appendix D.4): even steps of log σ, of the third order but for
 * the last, for a given number of network evaluations.
 *
 * <p>Of the levels it is given it takes the first, the last above 0 and their number, which is that of evaluations; it ends
 * at the last level above 0.
 *
 * @param eta share of the noise
 * @param noiseScale times the noise
 */
public record DpmFast(double eta, double noiseScale) implements SigmaSampler {
    /** Checks the rule. */
    public DpmFast {
        Ancestral.check(eta);
    }

    @Override
    public Tensor sample(
            SigmaDenoiser denoiser, Tensor x, double[] sigmas, StepNoise noise, Sampler.Progress progress) {
        double[] above = Arrays.stream(sigmas).filter(sigma -> sigma > 0).toArray();
        return sample(denoiser, x, above[0], above[above.length - 1], above.length, noise, progress);
    }

    Tensor sample(
            SigmaDenoiser denoiser,
            Tensor x,
            double first,
            double last,
            int evaluations,
            StepNoise noise,
            Sampler.Progress progress) {
        int steps = evaluations / 3 + 1;
        SigmaGrid.Formula grid = new SigmaGrid.Exponential(last, first);
        return Steps.run(
                x,
                steps,
                (at, i) -> {
                    double from = grid.at((double) i / steps);
                    double to = i == steps - 1 ? last : grid.at((i + 1.0) / steps);
                    double down = Math.max(last, Ancestral.step(from, to, eta).down());
                    double up = Math.sqrt(Math.max(0, to * to - down * down));
                    DpmSolver solver = new DpmSolver(denoiser, at, same(from, at), same(down, at));
                    Tensor next =
                            switch (order(i, steps, evaluations)) {
                                case 1 -> solver.first();
                                case 2 -> solver.second(0.5);
                                default -> solver.third();
                            };
                    return up == 0 ? next : Blend.of(1, next, up * noiseScale, noise.draw(i, from, to, at));
                },
                progress);
    }

    /** 3, …, 3, 2, 1 for a multiple of three evaluations; else 3, …, 3 and the remainder. */
    private static int order(int step, int steps, int evaluations) {
        int remainder = evaluations % 3;
        if (remainder == 0) {
            return step == steps - 1 ? 1 : step == steps - 2 ? 2 : 3;
        }
        return step == steps - 1 ? remainder : 3;
    }

    private static double[] same(double sigma, Tensor x) {
        double[] all = new double[Math.toIntExact(x.size(0))];
        Arrays.fill(all, sigma);
        return all;
    }
}
