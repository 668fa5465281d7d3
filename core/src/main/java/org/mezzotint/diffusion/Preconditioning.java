package org.mezzotint.diffusion;

import java.util.Arrays;
import java.util.function.DoubleUnaryOperator;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * The frame that keeps a network's input and output at unit variance at every noise level (arXiv:2206.00364v2, eq. 7 and
 * table 1): D(x; σ) = c_skip·x + c_out·F(c_in·x; σ).
 *
 * @param sigmaData standard deviation of the pictures' pixels; ½ is usual for pictures in [−1, 1]
 */
public record Preconditioning(double sigmaData) {
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
    public double skip(double sigma) {
        return sigmaData * sigmaData / total(sigma);
    }

    /**
     * c_out = σ·σ_d/√(σ² + σ_d²).
     *
     * @param sigma noise level
     * @return factor of the network's output
     */
    public double out(double sigma) {
        return sigma * sigmaData / Math.sqrt(total(sigma));
    }

    /**
     * c_in = 1/√(σ² + σ_d²).
     *
     * @param sigma noise level
     * @return factor of the network's input
     */
    public double in(double sigma) {
        return 1 / Math.sqrt(total(sigma));
    }

    /**
     * A network in this frame.
     *
     * @param network told σ itself
     * @param cond its other inputs, for the whole batch
     * @return D
     */
    public SigmaDenoiser around(Network network, Conditioning cond) {
        return (x, sigma) -> {
            try (Scope scope = Scope.open()) {
                Tensor output = evaluate(network, x, sigma, cond);
                return scope.keep(x.mul(column(x, sigma, this::skip)).add(output.mul(column(x, sigma, this::out))));
            }
        };
    }

    /** F(c_in·x; σ). */
    Tensor evaluate(Network network, Tensor x, double[] sigma, Conditioning cond) {
        Tensor levels = Tensors.of(sigma);
        return network.evaluate(x.mul(column(x, sigma, this::in)), levels.to(x.device(), Tensors.type(levels)), cond);
    }

    /** What F shall give: (x_0 − c_skip·x)/c_out. */
    Tensor target(Tensor x0, Tensor x, double[] sigma) {
        return x0.sub(x.mul(column(x, sigma, this::skip))).div(column(x, sigma, this::out));
    }

    static Tensor column(Tensor x, double[] sigma, DoubleUnaryOperator formula) {
        return DiffusionChain.broadcast(Arrays.stream(sigma).map(formula).toArray(), x);
    }
}
