package org.mezzotint.diffusion;

import org.bytedeco.pytorch.Tensor;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * A Markov chain of noise levels x_0, …, x_{T−1} over a clean picture, with every coefficient that training and sampling
 * need, in double (arXiv:2006.11239, eq. 2–7).
 *
 * <p>Step index t runs from 0 (least noise) to T−1. A chain knows which time each level stands for in the network's eyes
 * ({@link #times()}), so that a chain made of some levels of a longer one drives the same network.
 */
public final class DiffusionChain {
    private final double[] betas;
    private final double[] times;
    private final double[] alphaBar;
    private final double[] oneMinusAlphaBar;
    private final double[] alphaBarPrev;
    private final double[] alphaBarNext;
    private final double[] posteriorVariance;
    private final double[] posteriorLogVarianceClipped;
    private final double[] posteriorMeanCoef1;
    private final double[] posteriorMeanCoef2;

    private DiffusionChain(double[] betas, double[] alphaBar, double[] oneMinusAlphaBar, double[] times) {
        this.betas = betas;
        this.alphaBar = alphaBar;
        this.oneMinusAlphaBar = oneMinusAlphaBar;
        this.times = times;
        int n = betas.length;
        alphaBarPrev = new double[n];
        alphaBarNext = new double[n];
        posteriorVariance = new double[n];
        posteriorLogVarianceClipped = new double[n];
        posteriorMeanCoef1 = new double[n];
        posteriorMeanCoef2 = new double[n];
        for (int t = 0; t < n; t++) {
            alphaBarPrev[t] = t == 0 ? 1 : alphaBar[t - 1];
            alphaBarNext[t] = t == n - 1 ? 0 : alphaBar[t + 1];
            double oneMinusPrev = t == 0 ? 0 : oneMinusAlphaBar[t - 1];
            posteriorVariance[t] = betas[t] * oneMinusPrev / oneMinusAlphaBar[t];
            posteriorMeanCoef1[t] = betas[t] * Math.sqrt(alphaBarPrev[t]) / oneMinusAlphaBar[t];
            posteriorMeanCoef2[t] = oneMinusPrev * Math.sqrt(1 - betas[t]) / oneMinusAlphaBar[t];
        }
        for (int t = 0; t < n; t++) {
            // the first posterior variance is 0; its logarithm repeats the second's, and a chain of one level has none
            posteriorLogVarianceClipped[t] = n == 1 ? Double.NaN : Math.log(posteriorVariance[Math.max(t, 1)]);
        }
    }

    /**
     * The levels of a schedule that a spacing keeps: β_i = 1 − ᾱ_i / ᾱ_{i−1} over the kept ones.
     *
     * @param betas of the whole schedule
     * @param kept increasing indices into it
     */
    static DiffusionChain respaced(double[] betas, int[] kept) {
        int n = kept.length;
        double[] newBetas = new double[n];
        double[] times = new double[n];
        double product = 1;
        double last = 1;
        for (int t = 0, i = 0; i < n; t++) {
            product *= 1 - betas[t];
            if (t == kept[i]) {
                newBetas[i] = 1 - product / last;
                times[i] = t;
                last = product;
                i++;
            }
        }
        double[] alphaBar = new double[n];
        double[] oneMinus = new double[n];
        product = 1;
        for (int i = 0; i < n; i++) {
            product *= 1 - newBetas[i];
            alphaBar[i] = product;
            oneMinus[i] = 1 - product;
        }
        return new DiffusionChain(newBetas, alphaBar, oneMinus, times);
    }

    /**
     * A chain through given log SNRs.
     *
     * @param logSnr decreasing
     * @param times what the network is told at each level
     * @return the chain
     */
    public static DiffusionChain ofLogSnr(double[] logSnr, double[] times) {
        int n = logSnr.length;
        double[] betas = new double[n];
        double[] alphaBar = new double[n];
        double[] oneMinus = new double[n];
        double lastLog = 0;
        for (int i = 0; i < n; i++) {
            if (i > 0 && !(logSnr[i] < logSnr[i - 1])) {
                throw new IllegalArgumentException(
                        "log SNR must decrease, got " + logSnr[i - 1] + " then " + logSnr[i]);
            }
            alphaBar[i] = sigmoid(logSnr[i]);
            oneMinus[i] = sigmoid(-logSnr[i]);
            double log = -softplus(-logSnr[i]); // log ᾱ, exact where ᾱ is near 1
            betas[i] = -Math.expm1(log - lastLog);
            lastLog = log;
        }
        return new DiffusionChain(betas, alphaBar, oneMinus, times.clone());
    }

    static double sigmoid(double x) {
        return x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x));
    }

    private static double softplus(double x) {
        return x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x));
    }

    /**
     * Number of levels T.
     *
     * @return at least 1
     */
    public int steps() {
        return betas.length;
    }

    /**
     * What the network is told at each level.
     *
     * @return T values, a copy
     */
    public double[] times() {
        return times.clone();
    }

    /**
     * Times of several levels, as the network takes them (N,).
     *
     * @param t a level for each picture
     * @param like gives the device
     * @return float64
     */
    public Tensor times(int[] t, Tensor like) {
        double[] values = new double[t.length];
        for (int i = 0; i < t.length; i++) {
            values[i] = times[t[i]];
        }
        try (Scope scope = Scope.open()) {
            Tensor cpu = Tensors.of(values);
            return scope.keep(like.device().is_cpu() ? cpu : cpu.to(like.device(), cpu.scalar_type()));
        }
    }

    /**
     * Variances added by each step.
     *
     * @return β, a copy
     */
    public double[] betas() {
        return betas.clone();
    }

    /**
     * Remaining signal power.
     *
     * @return ᾱ, a copy
     */
    public double[] alphaBar() {
        return alphaBar.clone();
    }

    /**
     * Noise power.
     *
     * @return 1 − ᾱ, accurate where ᾱ is near 1; a copy
     */
    public double[] oneMinusAlphaBar() {
        return oneMinusAlphaBar.clone();
    }

    /**
     * Signal power one level cleaner, 1 at the first.
     *
     * @return a copy
     */
    public double[] alphaBarPrev() {
        return alphaBarPrev.clone();
    }

    /**
     * Signal power one level noisier, 0 at the last.
     *
     * @return a copy
     */
    public double[] alphaBarNext() {
        return alphaBarNext.clone();
    }

    /**
     * Variance of q(x_{t−1} | x_t, x_0), eq. 7: β̃ = β·(1 − ᾱ_{t−1})/(1 − ᾱ_t).
     *
     * @return 0 at the first level; a copy
     */
    public double[] posteriorVariance() {
        return posteriorVariance.clone();
    }

    /**
     * log β̃ with the second value repeated at the first level, whose own would be −∞.
     *
     * @return NaN for a chain of one level; a copy
     */
    public double[] posteriorLogVarianceClipped() {
        return posteriorLogVarianceClipped.clone();
    }

    /**
     * Coefficient of x_0 in the mean of q(x_{t−1} | x_t, x_0), eq. 7: β·√ᾱ_{t−1}/(1 − ᾱ_t).
     *
     * @return a copy
     */
    public double[] posteriorMeanCoef1() {
        return posteriorMeanCoef1.clone();
    }

    /**
     * Coefficient of x_t in the mean of q(x_{t−1} | x_t, x_0), eq. 7: (1 − ᾱ_{t−1})·√(1 − β)/(1 − ᾱ_t).
     *
     * @return a copy
     */
    public double[] posteriorMeanCoef2() {
        return posteriorMeanCoef2.clone();
    }

    /**
     * Noises clean pictures (eq. 4): √ᾱ·x_0 + √(1 − ᾱ)·ε.
     *
     * @param x0 (N, C, H, W)
     * @param t a level for each picture
     * @param noise ε, (N, C, H, W)
     * @return (N, C, H, W)
     */
    public Tensor qSample(Tensor x0, int[] t, Tensor noise) {
        try (Scope scope = Scope.open()) {
            return scope.keep(at(t, x0, this::sqrtAlphaBar)
                    .mul(x0)
                    .add(at(t, x0, this::sqrtOneMinusAlphaBar).mul(noise)));
        }
    }

    /**
     * Mean of q(x_{t−1} | x_t, x_0), eq. 7.
     *
     * @param x0 (N, C, H, W)
     * @param xt (N, C, H, W)
     * @param t a level for each picture
     * @return (N, C, H, W)
     */
    public Tensor qPosteriorMean(Tensor x0, Tensor xt, int[] t) {
        try (Scope scope = Scope.open()) {
            return scope.keep(at(t, x0, i -> posteriorMeanCoef1[i])
                    .mul(x0)
                    .add(at(t, x0, i -> posteriorMeanCoef2[i]).mul(xt)));
        }
    }

    double beta(int t) {
        return betas[t];
    }

    double sqrtAlphaBar(int t) {
        return Math.sqrt(alphaBar[t]);
    }

    double sqrtOneMinusAlphaBar(int t) {
        return Math.sqrt(oneMinusAlphaBar[t]);
    }

    double posteriorVariance(int t) {
        return posteriorVariance[t];
    }

    double posteriorLogVarianceClipped(int t) {
        return posteriorLogVarianceClipped[t];
    }

    /**
     * log SNR of a level.
     *
     * @param t the level
     * @return log(ᾱ/(1 − ᾱ))
     */
    public double logSnr(int t) {
        return Math.log(alphaBar[t]) - Math.log(oneMinusAlphaBar[t]);
    }

    /** A coefficient as a function of the level. */
    @FunctionalInterface
    public interface Coefficient {
        /**
         * Its value.
         *
         * @param t the level
         * @return in double
         */
        double at(int t);
    }

    /**
     * A coefficient for each picture, (N, 1, 1, 1), in the type and on the device of another tensor.
     *
     * @param t a level for each picture
     * @param like (N, …), of which type, device and number of dimensions are taken
     * @param coefficient evaluated in double
     * @return a tensor that broadcasts against {@code like}
     */
    public static Tensor at(int[] t, Tensor like, Coefficient coefficient) {
        double[] values = new double[t.length];
        for (int i = 0; i < t.length; i++) {
            values[i] = coefficient.at(t[i]);
        }
        return broadcast(values, like);
    }

    /**
     * A number for each picture, (N, 1, 1, 1), in the type and on the device of another tensor.
     *
     * @param values N numbers
     * @param like (N, …)
     * @return a tensor that broadcasts against {@code like}
     */
    public static Tensor broadcast(double[] values, Tensor like) {
        long[] shape = new long[Math.toIntExact(like.dim())];
        java.util.Arrays.fill(shape, 1);
        shape[0] = values.length;
        try (Scope scope = Scope.open()) {
            return scope.keep(
                    Tensors.of(values).to(like.device(), like.scalar_type()).view(shape));
        }
    }
}
