package org.mezzotint.diffusion;

import com.fasterxml.jackson.annotation.JsonProperty;
import org.bytedeco.pytorch.Tensor;

/**
 * What the network's output stands for. All formulas take α and σ as tensors that broadcast against the pictures
 * {@code x = α·x_0 + σ·ε}.
 */
public enum Parameterization {
    /** The noise ε (arXiv:2006.11239, section 3.2). */
    @JsonProperty("eps")
    EPS {
        @Override
        public Tensor x0(Tensor x, Tensor output, Tensor alpha, Tensor sigma) {
            return x.sub(sigma.mul(output)).div(alpha);
        }

        @Override
        public Tensor eps(Tensor x, Tensor output, Tensor alpha, Tensor sigma) {
            return output;
        }

        @Override
        public Tensor target(Tensor x0, Tensor eps, Tensor alpha, Tensor sigma) {
            return eps;
        }

        @Override
        double x0ErrorScale(double snr) {
            return 1 / snr; // x0 − x̂0 = −(σ/α)·(ε − ε̂)
        }
    },
    /** The clean picture x_0. */
    @JsonProperty("x0")
    X0 {
        @Override
        public Tensor x0(Tensor x, Tensor output, Tensor alpha, Tensor sigma) {
            return output;
        }

        @Override
        public Tensor eps(Tensor x, Tensor output, Tensor alpha, Tensor sigma) {
            return x.sub(alpha.mul(output)).div(sigma);
        }

        @Override
        public Tensor target(Tensor x0, Tensor eps, Tensor alpha, Tensor sigma) {
            return x0;
        }

        @Override
        double x0ErrorScale(double snr) {
            return 1;
        }
    },
    /** v = α·ε − σ·x_0 (arXiv:2202.00512, section 4 and appendix D). */
    @JsonProperty("v")
    V {
        @Override
        public Tensor x0(Tensor x, Tensor output, Tensor alpha, Tensor sigma) {
            return alpha.mul(x).sub(sigma.mul(output));
        }

        @Override
        public Tensor eps(Tensor x, Tensor output, Tensor alpha, Tensor sigma) {
            return sigma.mul(x).add(alpha.mul(output));
        }

        @Override
        public Tensor target(Tensor x0, Tensor eps, Tensor alpha, Tensor sigma) {
            return alpha.mul(eps).sub(sigma.mul(x0));
        }

        @Override
        double x0ErrorScale(double snr) {
            return 1 / (1 + snr); // x0 − x̂0 = −σ·(v − v̂), σ² = 1/(1 + SNR)
        }
    };

    /**
     * The clean picture that an output implies.
     *
     * @param x noisy pictures (N, C, H, W)
     * @param output of the network, (N, C, H, W)
     * @param alpha signal factor, (N, 1, 1, 1)
     * @param sigma noise factor, (N, 1, 1, 1)
     * @return (N, C, H, W)
     */
    public abstract Tensor x0(Tensor x, Tensor output, Tensor alpha, Tensor sigma);

    /**
     * The noise that an output implies.
     *
     * @param x noisy pictures (N, C, H, W)
     * @param output of the network, (N, C, H, W)
     * @param alpha signal factor, (N, 1, 1, 1)
     * @param sigma noise factor, (N, 1, 1, 1)
     * @return (N, C, H, W)
     */
    public abstract Tensor eps(Tensor x, Tensor output, Tensor alpha, Tensor sigma);

    /**
     * What a perfect network would give.
     *
     * @param x0 clean pictures (N, C, H, W)
     * @param eps the noise (N, C, H, W)
     * @param alpha signal factor, (N, 1, 1, 1)
     * @param sigma noise factor, (N, 1, 1, 1)
     * @return (N, C, H, W)
     */
    public abstract Tensor target(Tensor x0, Tensor eps, Tensor alpha, Tensor sigma);

    /** Squared x_0 error over squared output error at a signal-to-noise ratio. */
    abstract double x0ErrorScale(double snr);
}
