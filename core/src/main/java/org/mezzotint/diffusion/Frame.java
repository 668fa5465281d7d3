package org.mezzotint.diffusion;

import org.bytedeco.pytorch.Tensor;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * What stands between a network F and the best guess of clean pictures at a noise level (arXiv:2206.00364v2, eq. 7):
 * {@code D(x; σ) = c_skip·x + c_out·F(c_in·x; c_noise)}. The kinds are columns of that paper's table 1.
 */
public sealed interface Frame permits Preconditioning, ScoreVp, ScoreVe {
    /**
     * c_skip.
     *
     * @param sigma noise level
     * @return share of the noisy picture in the result
     */
    double skip(double sigma);

    /**
     * c_out.
     *
     * @param sigma noise level
     * @return factor of the network's output
     */
    double out(double sigma);

    /**
     * c_in.
     *
     * @param sigma noise level
     * @return factor of the network's input
     */
    double in(double sigma);

    /**
     * c_noise, what a network of this kind hears of σ in its paper. Here networks are told σ itself, and whoever pairs one
     * with its training converts.
     *
     * @param sigma noise level
     * @return any number
     */
    double noise(double sigma);

    /**
     * Standard deviation that clean pictures have in this frame's eyes.
     *
     * @return above 0
     */
    double sigmaData();

    /**
     * A network in this frame.
     *
     * @param network told σ itself
     * @param cond its other inputs, for the whole batch
     * @return D
     */
    default SigmaDenoiser around(Network network, Conditioning cond) {
        return (x, sigma) -> {
            try (Scope scope = Scope.open()) {
                Tensor output = evaluate(network, x, sigma, cond);
                return scope.keep(x.mul(Preconditioning.column(x, sigma, this::skip))
                        .add(output.mul(Preconditioning.column(x, sigma, this::out))));
            }
        };
    }

    /**
     * F(c_in·x; σ).
     *
     * @param network told σ itself
     * @param x (N, C, H, W) noisy pictures
     * @param sigma one a picture
     * @param cond the network's other inputs
     * @return (N, C, H, W)
     */
    default Tensor evaluate(Network network, Tensor x, double[] sigma, Conditioning cond) {
        Tensor levels = Tensors.of(sigma);
        return network.evaluate(
                x.mul(Preconditioning.column(x, sigma, this::in)), levels.to(x.device(), Tensors.type(levels)), cond);
    }

    /**
     * What F shall give: (x_0 − c_skip·x)/c_out.
     *
     * @param x0 (N, C, H, W) clean pictures
     * @param x (N, C, H, W) noisy ones
     * @param sigma one a picture
     * @return (N, C, H, W)
     */
    default Tensor target(Tensor x0, Tensor x, double[] sigma) {
        return x0.sub(x.mul(Preconditioning.column(x, sigma, this::skip)))
                .div(Preconditioning.column(x, sigma, this::out));
    }
}
