package org.mezzotint.diffusion;

import java.util.Arrays;
import java.util.function.DoubleUnaryOperator;
import org.bytedeco.pytorch.Tensor;

/**
 * The frame that keeps a network's input and output at unit variance at every noise level (arXiv:2206.00364v2, eq. 7 and
 * table 1): D(x; σ) = c_skip·x + c_out·F(c_in·x; σ).
 *
 * @param sigmaData standard deviation of the pictures' pixels; ½ is usual for pictures in [−1, 1]
 */
public record Preconditioning(double sigmaData) implements Frame {
    /** Checks the rule. */
    public Preconditioning {
        Checks.positive("sigmaData", sigmaData);
    }

    private double total(double sigma) {
        return sigma * sigma + sigmaData * sigmaData;
    }

    /**
     * c_skip = σ_d²/(σ² + σ_d²).
     *
     * @param sigma noise level
     * @return share of the noisy picture in the result
     */
    @Override
    public double skip(double sigma) {
        return sigmaData * sigmaData / total(sigma);
    }

    /**
     * c_out = σ·σ_d/√(σ² + σ_d²).
     *
     * @param sigma noise level
     * @return factor of the network's output
     */
    @Override
    public double out(double sigma) {
        return sigma * sigmaData / Math.sqrt(total(sigma));
    }

    /**
     * c_in = 1/√(σ² + σ_d²).
     *
     * @param sigma noise level
     * @return factor of the network's input
     */
    @Override
    public double in(double sigma) {
        return 1 / Math.sqrt(total(sigma));
    }

    /** c_noise = ln(σ)/4. */
    @Override
    public double noise(double sigma) {
        return Math.log(sigma) / 4;
    }

    static Tensor column(Tensor x, double[] sigma, DoubleUnaryOperator formula) {
        return DiffusionChain.broadcast(Arrays.stream(sigma).map(formula).toArray(), x);
    }
}
