package org.mezzotint.sample;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.SigmaDenoiser;

/**
 * Linear multistep (Adams–Bashforth with uneven steps, in σ): integrates the polynomial through the last slopes.
 *
 * @param order number of slopes, 1 to 4
 */
public record Lms(int order) implements SigmaSampler {
    /** Checks the rule. */
    public Lms {
        if (order < 1 || order > 4) {
            throw new IllegalArgumentException("order of lms must be 1 to 4, got " + order);
        }
    }

    @Override
    public Tensor sample(
            SigmaDenoiser denoiser, Tensor x, double[] sigmas, StepNoise noise, Sampler.Progress progress) {
        return Steps.run(
                x,
                sigmas.length - 1,
                Math.max(1, order - 1),
                (at, i, slopes) -> {
                    Tensor d = Blend.slope(at, denoiser.denoise(at, sigmas[i]), sigmas[i]);
                    int used = Math.min(i + 1, order);
                    Tensor next = Blend.of(1, at, coefficient(sigmas, i, used, 0), d);
                    for (int j = 1; j < used; j++) {
                        next = Blend.of(1, next, coefficient(sigmas, i, used, j), slopes.get(j - 1));
                    }
                    return new Steps.Next(next, d);
                },
                progress);
    }

    /**
     * Weight of the slope of step i − j in step i: ∫ Π_{k≠j} (τ − σ_{i−k})/(σ_{i−j} − σ_{i−k}) dτ from σ_i to σ_{i+1}, by
     * Gauss–Legendre quadrature with three nodes, which is exact for these degrees.
     */
    static double coefficient(double[] sigmas, int i, int order, int j) {
        double middle = (sigmas[i] + sigmas[i + 1]) / 2;
        double half = (sigmas[i + 1] - sigmas[i]) / 2;
        double node = Math.sqrt(0.6);
        double sum = 0;
        for (double[] nodeAndWeight :
                List.of(new double[] {-node, 5.0 / 9}, new double[] {0, 8.0 / 9}, new double[] {node, 5.0 / 9})) {
            double tau = middle + half * nodeAndWeight[0];
            double product = 1;
            for (int k = 0; k < order; k++) {
                if (k != j) {
                    product *= (tau - sigmas[i - k]) / (sigmas[i - j] - sigmas[i - k]);
                }
            }
            sum += nodeAndWeight[1] * product;
        }
        return half * sum;
    }
}
