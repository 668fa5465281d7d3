package org.mezzotint.autoencoders;

import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Shapes;

/** What an encoder says of a picture's latent: a Gaussian for each number, or the numbers themselves. */
public sealed interface Posterior {
    /**
     * The most likely latents (N, C, h, w).
     *
     * @return not scaled; also the mean
     */
    Tensor mean();

    /**
     * Latents (N, C, h, w) drawn from the posterior.
     *
     * @param noise (N, C, h, w) standard normal numbers
     * @return not scaled
     */
    Tensor sample(Tensor noise);

    /**
     * Independent normal numbers.
     *
     * @param mean (N, C, h, w)
     * @param logVariance (N, C, h, w) natural logarithms, within [-30, 20]
     */
    record Gaussian(Tensor mean, Tensor logVariance) implements Posterior {
        /**
         * From the encoder's output (N, 2C, h, w): the means, then the logarithms of the variances, which are brought into
         * [-30, 20].
         */
        static Gaussian of(Tensor moments) {
            TensorVector halves = moments.chunk(2, 1);
            Tensor logVariance = halves.get(1).clamp(Scalars.optional(-30), Scalars.optional(20));
            return new Gaussian(halves.get(0).contiguous(), logVariance.contiguous());
        }

        /** {@code mean + σ · noise}. */
        @Override
        public Tensor sample(Tensor noise) {
            Shapes.check("noise", noise, Shapes.of(mean));
            try (Scope scope = Scope.open()) {
                return scope.keep(torch.addcmul(mean, deviation(), noise));
            }
        }

        /**
         * Standard deviations (N, C, h, w).
         *
         * @return {@code exp(logVariance / 2)}
         */
        public Tensor deviation() {
            try (Scope scope = Scope.open()) {
                return scope.keep(logVariance.mul(Scalars.of(0.5)).exp());
            }
        }

        /**
         * Distance (N,) to the standard normal, in nats, summed over a picture: {@code ½ Σ (mean² + σ² − 1 − ln σ²)}
         * (arXiv:1312.6114v11, appendix B).
         *
         * @return one number a picture, at least 0
         */
        public Tensor kl() {
            try (Scope scope = Scope.open()) {
                Tensor terms =
                        mean.square().add(logVariance.exp()).sub(logVariance).sub(Scalars.of(1));
                return scope.keep(terms.sum(new long[] {1, 2, 3}, false, new ScalarTypeOptional())
                        .mul(Scalars.of(0.5)));
            }
        }
    }

    /**
     * Latents without uncertainty.
     *
     * @param mean (N, C, h, w)
     */
    record Point(Tensor mean) implements Posterior {
        /** The latents themselves: there is nothing to draw. */
        @Override
        public Tensor sample(Tensor noise) {
            Shapes.check("noise", noise, Shapes.of(mean));
            try (Scope scope = Scope.open()) {
                return scope.keep(mean.clone());
            }
        }
    }
}
