package org.mezzotint.diffusion;

import java.util.Arrays;
import java.util.function.Consumer;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * A network with its inputs and the meaning of its output: what a sampler sees.
 *
 * <p>The reverse step p(x_{t−1} | x_t) is a normal distribution whose mean is that of q(x_{t−1} | x_t, x̂_0) (arXiv:2006.11239,
 * eq. 7) and whose variance is one of {@link Variance}.
 */
public final class Denoiser {
    private final Network network;
    private final Conditioning cond;
    private final DiffusionChain chain;
    private final Parameterization parameterization;
    private final Variance variance;
    private final boolean clip;
    private final Consumer<Tensor> watcher;

    /**
     * Puts the parts together.
     *
     * @param network evaluated at every step
     * @param cond its other inputs, for the whole batch
     * @param chain the levels to visit
     * @param parameterization what the network's output stands for
     * @param variance of the reverse step
     * @param clip whether x̂_0 is clipped to [−1, 1]
     */
    public Denoiser(
            Network network,
            Conditioning cond,
            DiffusionChain chain,
            Parameterization parameterization,
            Variance variance,
            boolean clip) {
        this(network, cond, chain, parameterization, variance, clip, guess -> {});
    }

    private Denoiser(
            Network network,
            Conditioning cond,
            DiffusionChain chain,
            Parameterization parameterization,
            Variance variance,
            boolean clip,
            Consumer<Tensor> watcher) {
        this.network = network;
        this.cond = cond;
        this.chain = chain;
        this.parameterization = parameterization;
        this.variance = variance;
        this.clip = clip;
        this.watcher = watcher;
    }

    /**
     * This with someone who sees each guess of clean pictures.
     *
     * @param sees (N, C, H, W), alive until the step's end
     * @return another view of the same denoiser
     */
    public Denoiser watched(Consumer<Tensor> sees) {
        return new Denoiser(network, cond, chain, parameterization, variance, clip, sees);
    }

    /**
     * A denoiser along given noise levels, for the samplers that follow a chain.
     *
     * @param denoiser evaluated at every step
     * @param sigmas falling, n levels and then 0, which is not visited
     * @return a denoiser of n levels with the smallest fixed variance
     */
    public static Denoiser along(SigmaDenoiser denoiser, double[] sigmas) {
        int n = sigmas.length - 1;
        double[] rising = new double[n];
        double[] logSnr = new double[n];
        for (int i = 0; i < n; i++) {
            rising[i] = sigmas[n - 1 - i];
            logSnr[i] = -2 * Math.log(rising[i]);
        }
        Network network = (x, t, cond) -> {
            double[] sigma = Tensors.doubles(t);
            return denoiser.denoise(x.mul(Preconditioning.column(x, sigma, s -> Math.sqrt(1 + s * s))), sigma);
        };
        DiffusionChain chain = DiffusionChain.ofLogSnr(logSnr, rising);
        return new Denoiser(network, Conditioning.none(), chain, Parameterization.X0, Variance.FIXED_SMALL, false);
    }

    /**
     * What a network's output says about a batch; each tensor is (N, C, H, W).
     *
     * @param x0 the clean pictures it implies, clipped if asked for
     * @param eps the noise that goes with x0
     * @param mean of the reverse step
     * @param logVariance of the reverse step: (N, C, H, W), or (N, 1, 1, 1) for fixed variances
     */
    public record Prediction(Tensor x0, Tensor eps, Tensor mean, Tensor logVariance) {}

    /**
     * The levels this denoiser visits.
     *
     * @return the chain
     */
    public DiffusionChain chain() {
        return chain;
    }

    /**
     * Evaluates the network at one level for the whole batch.
     *
     * @param x (N, C, H, W)
     * @param t the level
     * @return its meaning, in the caller's scope
     */
    public Prediction predict(Tensor x, int t) {
        int[] levels = new int[Math.toIntExact(x.size(0))];
        Arrays.fill(levels, t);
        try (Scope scope = Scope.open()) {
            Tensor output = network.evaluate(x, chain.times(levels, x), cond);
            Prediction p = interpret(output, x, levels);
            watcher.accept(p.x0);
            return new Prediction(scope.keep(p.x0), scope.keep(p.eps), scope.keep(p.mean), scope.keep(p.logVariance));
        }
    }

    /**
     * What an output means.
     *
     * @param output (N, C, H, W), or (N, 2C, H, W) with a learned variance
     * @param x (N, C, H, W), the network's input
     * @param t a level for each picture
     * @return its meaning
     */
    public Prediction interpret(Tensor output, Tensor x, int[] t) {
        Tensor prediction = variance.prediction(output, x);
        Tensor alpha = DiffusionChain.at(t, x, chain::sqrtAlphaBar);
        Tensor sigma = DiffusionChain.at(t, x, chain::sqrtOneMinusAlphaBar);
        Tensor x0 = parameterization.x0(x, prediction, alpha, sigma);
        Tensor eps;
        if (clip) {
            x0 = x0.clamp(Scalars.optional(-1), Scalars.optional(1));
            eps = x.sub(alpha.mul(x0)).div(sigma);
        } else {
            eps = parameterization.eps(x, prediction, alpha, sigma);
        }
        Tensor logVariance = variance == Variance.LEARNED_RANGE
                ? learnedLogVariance(output.narrow(1, x.size(1), x.size(1)), t)
                : fixedLogVariance(x, t);
        return new Prediction(x0, eps, chain.qPosteriorMean(x0, x, t), logVariance);
    }

    /** log σ² = f·log β + (1 − f)·log β̃, f = (v + 1)/2, v not clamped (arXiv:2102.09672, eq. 15). */
    private Tensor learnedLogVariance(Tensor v, int[] t) {
        Tensor fraction = v.add(Scalars.of(1)).div(Scalars.of(2));
        Tensor upper = DiffusionChain.at(t, v, i -> Math.log(chain.beta(i)));
        Tensor lower = DiffusionChain.at(t, v, chain::posteriorLogVarianceClipped);
        return fraction.mul(upper).add(fraction.neg().add(Scalars.of(1)).mul(lower));
    }

    private Tensor fixedLogVariance(Tensor x, int[] t) {
        return DiffusionChain.at(
                t,
                x,
                variance == Variance.FIXED_SMALL
                        ? chain::posteriorLogVarianceClipped
                        : i -> Math.log(i == 0 && chain.steps() > 1 ? chain.posteriorVariance(1) : chain.beta(i)));
    }
}
