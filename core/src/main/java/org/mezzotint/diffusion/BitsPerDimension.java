package org.mezzotint.diffusion;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;

/**
 * The variational bound on the negative log likelihood of pictures, term by term (arXiv:2006.11239, eq. 5), in bits per
 * dimension.
 *
 * @param vlb (N, T) the bound's terms, in executed order: the noisiest level first
 * @param xStartMse (N, T) mean squared error of x̂_0
 * @param mse (N, T) mean squared error of ε̂
 * @param prior (N,) KL of the last level from the standard normal distribution
 * @param total (N,) the bound: the sum of {@code vlb} and {@code prior}
 */
public record BitsPerDimension(Tensor vlb, Tensor xStartMse, Tensor mse, Tensor prior, Tensor total) {
    /** Where the noise of each evaluated level comes from. */
    @FunctionalInterface
    public interface NoiseSource {
        /**
         * Noise for one level.
         *
         * @param t the level
         * @return (N, C, H, W)
         */
        Tensor noise(int t);
    }

    /**
     * Evaluates every level of the denoiser's chain once.
     *
     * @param denoiser its chain has at least 2 levels
     * @param x0 pictures (N, C, H, W) in [−1, 1]
     * @param source noise for each level, asked from the noisiest to the cleanest
     * @return the terms, in the caller's scope
     */
    public static BitsPerDimension of(Denoiser denoiser, Tensor x0, NoiseSource source) {
        DiffusionChain chain = denoiser.chain();
        if (chain.steps() < 2) {
            throw new IllegalArgumentException("the bound needs a chain of at least 2 levels, got " + chain.steps());
        }
        int n = Math.toIntExact(x0.size(0));
        int[] t = new int[n];
        try (Scope scope = Scope.open()) {
            TensorVector vlb = new TensorVector();
            TensorVector xStartMse = new TensorVector();
            TensorVector mse = new TensorVector();
            for (int level = chain.steps() - 1; level >= 0; level--) {
                java.util.Arrays.fill(t, level);
                try (Scope step = Scope.open()) {
                    Tensor noise = source.noise(level);
                    Tensor x = chain.qSample(x0, t, noise);
                    Denoiser.Prediction p = denoiser.predict(x, level);
                    Tensor dx = p.x0().sub(x0);
                    Tensor de = p.eps().sub(noise);
                    vlb.push_back(DiffusionLoss.vlb(p, chain, x0, x, t));
                    xStartMse.push_back(LikelihoodTerms.meanFlat(dx.mul(dx)));
                    mse.push_back(LikelihoodTerms.meanFlat(de.mul(de)));
                }
            }
            java.util.Arrays.fill(t, chain.steps() - 1);
            Tensor mean = DiffusionChain.at(t, x0, chain::sqrtAlphaBar).mul(x0);
            Tensor logVariance = DiffusionChain.at(t, x0, i -> 2 * Math.log(chain.sqrtOneMinusAlphaBar(i)));
            Tensor zero = torch.zeros_like(x0);
            Tensor prior = LikelihoodTerms.meanBits(LikelihoodTerms.normalKl(mean, logVariance, zero, zero));
            Tensor terms = torch.stack(vlb, 1);
            return new BitsPerDimension(
                    scope.keep(terms),
                    scope.keep(torch.stack(xStartMse, 1)),
                    scope.keep(torch.stack(mse, 1)),
                    scope.keep(prior),
                    scope.keep(terms.sum(1).add(prior, Scalars.of(1))));
        }
    }
}
