package org.mezzotint.sample;

import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.Interpolant;
import org.mezzotint.diffusion.SigmaDenoiser;
import org.mezzotint.tensor.Scalars;

/**
 * A point on an interpolant's path.
 *
 * @param t time
 * @param y α·x_0 + σ·ε, (N, C, H, W)
 * @param eps the noise that the model guesses
 * @param velocity dy/dt = α'·x_0 + σ'·ε
 */
record FlowPoint(double t, Tensor y, Tensor eps, Tensor velocity) {
    /** The point of a state x = y/α at level σ/α. */
    static FlowPoint of(Interpolant interpolant, SigmaDenoiser denoiser, Tensor x, double level) {
        double t = interpolant.time(level);
        Tensor guess = denoiser.denoise(x, level);
        Tensor eps = Blend.slope(x, guess, level);
        return new FlowPoint(
                t,
                x.mul(Scalars.of(interpolant.alpha(t))),
                eps,
                Blend.of(interpolant.alphaRate(t), guess, interpolant.sigmaRate(t), eps));
    }

    /** y/α. */
    static Tensor scaled(Interpolant interpolant, Tensor y, double t) {
        return y.div(Scalars.of(interpolant.alpha(t)));
    }
}
