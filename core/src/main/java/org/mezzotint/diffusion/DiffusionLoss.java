package org.mezzotint.diffusion;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Shapes;
import org.mezzotint.tensor.Tensors;

/**
 * What training minimises: the squared error of the network's output, terms of the variational bound, or both
 * (arXiv:2006.11239, eq. 12 and 14; arXiv:2102.09672, section 3.1).
 */
public final class DiffusionLoss implements Objective {
    /** Which terms. */
    public enum Kind {
        /** Squared error. */
        @JsonProperty("mse")
        MSE,
        /** Squared error, plus the bound's term for the learned variance (its mean detached). The DiT code's loss. */
        @JsonProperty("mse-vlb")
        MSE_VLB,
        /** The same with the bound's term times T/1000. */
        @JsonProperty("rescaled-mse-vlb")
        RESCALED_MSE_VLB,
        /** The bound's term alone, in bits per dimension. */
        @JsonProperty("kl")
        KL,
        /** The bound's term times T: an estimate of the whole bound. */
        @JsonProperty("rescaled-kl")
        RESCALED_KL;

        boolean isLikelihood() {
            return this == KL || this == RESCALED_KL;
        }

        boolean trainsVarianceBesideMse() {
            return this == MSE_VLB || this == RESCALED_MSE_VLB;
        }
    }

    private final ScheduledDiffusion config;
    private final DiffusionChain chain; // of a discrete schedule; null for a continuous one

    /**
     * A loss over all levels of the schedule.
     *
     * @param config parts that go together
     */
    public DiffusionLoss(ScheduledDiffusion config) {
        this(config, config.schedule() instanceof NoiseSchedule.Discrete discrete ? discrete.chain("") : null);
    }

    /** A loss over a chain of one's own, such as a respaced one. */
    DiffusionLoss(ScheduledDiffusion config, DiffusionChain chain) {
        this.config = config;
        this.chain = chain;
    }

    /** The levels ⌊u·T⌋ of a discrete schedule, or those at t = u of a continuous one. */
    @Override
    public Levels levels(double... u) {
        int[] index = new int[chain == null ? 0 : u.length];
        double[] time = new double[u.length];
        double[] logSnr = new double[u.length];
        double[] times = chain == null ? new double[0] : chain.times();
        for (int i = 0; i < u.length; i++) {
            if (config.schedule() instanceof NoiseSchedule.Continuous continuous) {
                time[i] = u[i] * NoiseSchedule.Continuous.TIME_SCALE;
                logSnr[i] = continuous.logSnr(u[i]);
            } else {
                index[i] = (int) (u[i] * chain.steps());
                time[i] = times[index[i]];
                logSnr[i] = chain.logSnr(index[i]);
            }
        }
        return new Levels(index, time, logSnr);
    }

    @Override
    public Terms terms(Network network, Tensor x0, Levels levels, Tensor noise, Conditioning cond) {
        long[] s = Shapes.of(x0);
        Shapes.check("noise", noise, s);
        if (levels.time().length != s[0]) {
            throw new IllegalArgumentException(
                    "levels must hold one level a picture, got " + levels.time().length + " for " + s[0]);
        }
        try (Scope scope = Scope.open()) {
            Tensor alpha = each(levels.logSnr(), x0, 1);
            Tensor sigma = each(levels.logSnr(), x0, -1);
            Tensor x = alpha.mul(x0).add(sigma.mul(noise)); // (N, C, H, W)
            Tensor time = Tensors.of(levels.time());
            Tensor output =
                    network.evaluate(x, x0.device().is_cpu() ? time : time.to(x0.device(), time.scalar_type()), cond);
            boolean learned = config.variance() == Variance.LEARNED_RANGE;
            Shapes.check("the network's output", output, s[0], learned ? 2 * s[1] : s[1], s[2], s[3]);

            Tensor none = Tensors.of(new double[0]);
            if (config.loss().isLikelihood()) {
                Tensor vlb = vlb(output, x0, x, levels.index());
                Tensor total = config.loss() == Kind.KL ? vlb : vlb.mul(Scalars.of(chain.steps()));
                return new Terms(scope.keep(total), scope.keep(none), scope.keep(vlb));
            }
            Tensor prediction = learned ? output.narrow(1, 0, s[1]) : output;
            Tensor target = config.parameterization().target(x0, noise, alpha, sigma);
            Tensor error = target.sub(prediction);
            Tensor weights = weights(levels.logSnr(), x0); // (N,)
            if (config.weighting() instanceof LossWeighting.Multiscale many) {
                int[] scales = ScaleErrors.scales(many.firstScale(), (int) s[2], (int) s[3]);
                return overScales(ScaleErrors.of(error, scales.length), scales, weights, scope);
            }
            Tensor mse = LikelihoodTerms.meanFlat(error.mul(error)).mul(weights); // (N,)
            if (!learned) {
                return new Terms(scope.keep(mse), mse, scope.keep(none));
            }
            // the mean is detached: the bound trains the variance only (arXiv:2102.09672, section 3.1)
            Tensor frozen = torch.cat(new TensorVector(prediction.detach(), output.narrow(1, s[1], s[1])), 1);
            Tensor vlb = vlb(frozen, x0, x, levels.index());
            Tensor scaled = config.loss() == Kind.RESCALED_MSE_VLB ? vlb.mul(Scalars.of(chain.steps() / 1000.0)) : vlb;
            return new Terms(scope.keep(mse.add(scaled)), scope.keep(mse), scope.keep(scaled));
        }
    }

    /** Σ 1/s · L^{s×s} (arXiv:2301.11093v2, section 3.2), and each L^{s×s} by itself. */
    private static Terms overScales(List<Tensor> errors, int[] scales, Tensor weights, Scope scope) {
        List<Tensor> parts = new ArrayList<>();
        Tensor total = Tensors.of(0.0).to(weights.device(), weights.scalar_type());
        for (int i = 0; i < scales.length; i++) {
            Tensor each = errors.get(i).mul(weights);
            parts.add(scope.keep(each.detach()));
            total = total.add(each.div(Scalars.of(scales[i])));
        }
        Tensor sum = scope.keep(total);
        return new Terms(sum, sum, scope.keep(Tensors.of(new double[0])), List.copyOf(parts));
    }

    /** L_{t−1} in bits per dimension, at t = 0 the decoder's negative log likelihood (arXiv:2006.11239, eq. 5 and 13). */
    private Tensor vlb(Tensor output, Tensor x0, Tensor x, int[] t) {
        Denoiser denoiser =
                new Denoiser(null, Conditioning.none(), chain, config.parameterization(), config.variance(), false);
        return vlb(denoiser.interpret(output, x, t), chain, x0, x, t);
    }

    static Tensor vlb(Denoiser.Prediction p, DiffusionChain chain, Tensor x0, Tensor x, int[] t) {
        Tensor trueMean = chain.qPosteriorMean(x0, x, t);
        Tensor trueLogVariance = DiffusionChain.at(t, x, chain::posteriorLogVarianceClipped);
        Tensor kl = LikelihoodTerms.meanBits(
                LikelihoodTerms.normalKl(trueMean, trueLogVariance, p.mean(), p.logVariance()));
        Tensor nll = LikelihoodTerms.meanBits(LikelihoodTerms.discretizedGaussianLogLikelihood(
                                x0, p.mean(), p.logVariance().mul(Scalars.of(0.5)))
                        .expand_as(x0))
                .neg();
        double[] first = new double[t.length];
        for (int i = 0; i < t.length; i++) {
            first[i] = t[i] == 0 ? 1 : 0;
        }
        return torch.where(DiffusionChain.broadcast(first, kl).gt(Scalars.of(0.5)), nll, kl);
    }

    private Tensor weights(double[] logSnr, Tensor like) {
        double[] weights = new double[logSnr.length];
        for (int i = 0; i < weights.length; i++) {
            weights[i] = config.weighting().weight(Math.exp(logSnr[i]), config.parameterization());
        }
        return Tensors.of(weights).to(like.device(), like.scalar_type());
    }

    /** α (sign 1) or σ (sign −1) of each picture, (N, 1, 1, 1). */
    private static Tensor each(double[] logSnr, Tensor like, int sign) {
        double[] values = new double[logSnr.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = Math.sqrt(DiffusionChain.sigmoid(sign * logSnr[i]));
        }
        return DiffusionChain.broadcast(values, like);
    }
}
