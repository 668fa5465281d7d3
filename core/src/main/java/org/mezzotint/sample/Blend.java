package org.mezzotint.sample;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.DiffusionChain;
import org.mezzotint.tensor.Scalars;

/** Weighted sums of states: what every step of a solver ends in. */
final class Blend {
    private Blend() {}

    /** a·x + b·y. */
    static Tensor of(double a, Tensor x, double b, Tensor y) {
        return x.mul(Scalars.of(a)).add(y, Scalars.of(b));
    }

    /** a·x + b·y + c·z. */
    static Tensor of(double a, Tensor x, double b, Tensor y, double c, Tensor z) {
        return of(a, x, b, y).add(z, Scalars.of(c));
    }

    /** d = (x − D)/σ. */
    static Tensor slope(Tensor x, Tensor denoised, double sigma) {
        return x.sub(denoised).div(Scalars.of(sigma));
    }

    /** Σ weight·state, with a weight for each picture. */
    static Tensor of(List<double[]> weights, List<Tensor> states) {
        Tensor sum = null;
        for (int i = 0; i < states.size(); i++) {
            Tensor part = column(weights.get(i), states.get(i)).mul(states.get(i));
            sum = sum == null ? part : sum.add(part);
        }
        return sum;
    }

    /** (N, 1, 1, 1), like x in type and device. */
    static Tensor column(double[] values, Tensor x) {
        return DiffusionChain.broadcast(values, x);
    }
}
