package org.mezzotint.diffusion;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.tensor.Scalars;

/** The terms of the variational bound, in nats per element. */
final class LikelihoodTerms {
    private static final double LN2 = Math.log(2);

    private LikelihoodTerms() {}

    /** KL(N(m1, e^v1) ‖ N(m2, e^v2)) of each element. */
    static Tensor normalKl(Tensor mean1, Tensor logVariance1, Tensor mean2, Tensor logVariance2) {
        Tensor difference = mean1.sub(mean2);
        return logVariance2
                .sub(logVariance1)
                .sub(Scalars.of(1))
                .add(logVariance1.sub(logVariance2).exp())
                .add(difference.mul(difference).mul(logVariance2.neg().exp()))
                .mul(Scalars.of(0.5));
    }

    /**
     * log P(x) of a pixel of 256 levels in [−1, 1] under a normal distribution, the outermost bins open
     * (arXiv:2006.11239, eq. 13), with the tanh approximation of the normal distribution function.
     */
    static Tensor discretizedGaussianLogLikelihood(Tensor x, Tensor mean, Tensor logScale) {
        Tensor centered = x.sub(mean);
        Tensor inverseStd = logScale.neg().exp();
        Tensor upper = normalCdf(inverseStd.mul(centered.add(Scalars.of(1.0 / 255))));
        Tensor lower = normalCdf(inverseStd.mul(centered.sub(Scalars.of(1.0 / 255))));
        Tensor logUpper = floorLog(upper);
        Tensor logLower = floorLog(lower.neg().add(Scalars.of(1)));
        Tensor logInside = floorLog(upper.sub(lower));
        return torch.where(
                x.lt(Scalars.of(-0.999)), logUpper, torch.where(x.gt(Scalars.of(0.999)), logLower, logInside));
    }

    private static Tensor floorLog(Tensor probability) {
        return probability.clamp(Scalars.optional(1e-12)).log();
    }

    private static Tensor normalCdf(Tensor x) {
        Tensor cubic = x.mul(x).mul(x).mul(Scalars.of(0.044715));
        return x.add(cubic)
                .mul(Scalars.of(Math.sqrt(2 / Math.PI)))
                .tanh()
                .add(Scalars.of(1))
                .mul(Scalars.of(0.5));
    }

    /** Mean over all but the batch: (N, …) to (N,). */
    static Tensor meanFlat(Tensor x) {
        return x.flatten(1, -1).mean(1);
    }

    /** Mean over all but the batch, in bits. */
    static Tensor meanBits(Tensor nats) {
        return meanFlat(nats).div(Scalars.of(LN2));
    }
}
