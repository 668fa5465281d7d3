package org.mezzotint.sample;

import java.util.Arrays;
import java.util.List;
import java.util.function.DoubleBinaryOperator;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.SigmaDenoiser;

/**
 * One step of DPM-Solver-1, -2 or -3 (arXiv:2206.00927v3, section 3.2 and appendix D) in these variables, where α = 1:
 * λ = −ln σ, and the noise ε = (x − D)/σ. Each picture of a batch has levels of its own. Evaluations are shared between
 * steps of different orders from the same start, which is how the adaptive solver compares them.
 */
final class DpmSolver {
    static final double THIRD = 1.0 / 3;

    private final SigmaDenoiser denoiser;
    private final Tensor x;
    private final double[] from;
    private final double[] to;
    private final double[] growth; // e^h − 1 over the whole step
    private final Tensor eps;
    private Tensor epsThird;

    /** Evaluates the network at the start. */
    DpmSolver(SigmaDenoiser denoiser, Tensor x, double[] from, double[] to) {
        this.denoiser = denoiser;
        this.x = x;
        this.from = from;
        this.to = to;
        growth = each((start, end) -> Math.expm1(Math.log(start / end)));
        eps = eps(x, from);
    }

    private Tensor eps(Tensor state, double[] sigma) {
        return state.sub(denoiser.denoise(state, sigma)).div(Blend.column(sigma, state));
    }

    private double[] each(DoubleBinaryOperator formula) {
        double[] values = new double[from.length];
        Arrays.setAll(values, i -> formula.applyAsDouble(from[i], to[i]));
        return values;
    }

    /** x − σ_to·(e^h − 1)·ε. */
    Tensor first() {
        return Blend.of(List.of(ones(), scaled(-1)), List.of(x, eps));
    }

    private double[] ones() {
        return each((start, end) -> 1);
    }

    /** factor · σ_to·(e^h − 1). */
    private double[] scaled(double factor) {
        double[] values = new double[from.length];
        Arrays.setAll(values, i -> factor * to[i] * growth[i]);
        return values;
    }

    /** The level at a share r of h, and ε at the first-order state there. */
    private Tensor epsAt(double r) {
        double[] level = each((start, end) -> start * Math.pow(end / start, r));
        double[] weight =
                each((start, end) -> -start * Math.pow(end / start, r) * Math.expm1(r * Math.log(start / end)));
        return eps(Blend.of(List.of(ones(), weight), List.of(x, eps)), level);
    }

    /** x − σ_to·(e^h − 1)·(ε + (ε_r − ε)/(2r)); {@link #third} shares its evaluation at r = ⅓. */
    Tensor second(double r) {
        Tensor middle = r == THIRD ? epsThird() : epsAt(r);
        return Blend.of(List.of(ones(), scaled(-1 + 1 / (2 * r)), scaled(-1 / (2 * r))), List.of(x, eps, middle));
    }

    private Tensor epsThird() {
        if (epsThird == null) {
            epsThird = epsAt(THIRD);
        }
        return epsThird;
    }

    /** With r₁ = ⅓ and r₂ = ⅔: x − σ_to·(e^h − 1)·ε − σ_to/r₂·((e^h − 1)/h − 1)·(ε_{r₂} − ε). */
    Tensor third() {
        double r2 = 2 * THIRD;
        double[] level = each((start, end) -> start * Math.pow(end / start, r2));
        // −σ(r₂)·(e^(r₂h) − 1) for ε; −σ(r₂)·(r₂/r₁)·((e^(r₂h) − 1)/(r₂h) − 1) for ε_{r₁} − ε
        double[] slope =
                each((start, end) -> -start * Math.pow(end / start, r2) * Math.expm1(r2 * Math.log(start / end)));
        double[] curve = each((start, end) -> {
            double h = r2 * Math.log(start / end);
            return -start * Math.pow(end / start, r2) * 2 * (Math.expm1(h) / h - 1);
        });
        Tensor eps2 = eps(Blend.of(List.of(ones(), minus(slope, curve), curve), List.of(x, eps, epsThird())), level);
        double[] last = each((start, end) -> {
            double h = Math.log(start / end);
            return -end / r2 * (Math.expm1(h) / h - 1);
        });
        return Blend.of(List.of(ones(), minus(scaled(-1), last), last), List.of(x, eps, eps2));
    }

    private static double[] minus(double[] a, double[] b) {
        double[] difference = new double[a.length];
        Arrays.setAll(difference, i -> a[i] - b[i]);
        return difference;
    }
}
