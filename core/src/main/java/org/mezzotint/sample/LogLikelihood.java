package org.mezzotint.sample;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.DoubleConsumer;
import org.bytedeco.pytorch.AutoGradMode;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.diffusion.SigmaDenoiser;
import org.mezzotint.io.InputException;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Shapes;
import org.mezzotint.tensor.Tensors;

/**
 * The log likelihood of pictures by the probability flow dx/dσ = (x − D(x; σ))/σ (arXiv:2206.00364v2, eqs. 1 and 3) and the
 * change of variables (arXiv:2011.13456v2, appendix D.2):
 *
 * <pre>
 *   log p(x) = log N(x(σ_max); 0, σ_max²·I) + ∫ tr(∂/∂x (dx/dσ)) dσ   from σ_min to σ_max, x(σ_min) = x
 * </pre>
 *
 * <p>The trace is vᵀ·J·v for random signs v, one vector-Jacobian product by autograd (Hutchinson's estimator): unbiased, and
 * without error where J is diagonal. A picture keeps its v all along the way, so that the equation is an ordinary one, and v
 * follows from the picture's seed.
 *
 * <p>p is the density of pictures with noise of σ_min: what the model makes of the data, blurred by as much. All pictures of a
 * batch take the same steps of {@link DormandPrince}, those of the most demanding one, so that a picture's result moves with
 * its batch by no more than the tolerance allows.
 *
 * @param sigmaMin noise level at which the pictures enter, above 0
 * @param sigmaMax noise level that hides any picture
 * @param atol absolute tolerance of each step, for pixels and for nats
 * @param rtol relative tolerance, added to it
 * @param probes number of vectors v to average over, each at the price of a backward pass
 */
public record LogLikelihood(double sigmaMin, double sigmaMax, double atol, double rtol, int probes) {
    private static final long PROBE = 0x70726F6265L;
    private static final long DEQUANTISE = 0x7175616E74L;
    /** Width of a level of 256 in [−1, 1]. */
    private static final double LEVEL = 2 / 255.0;

    /** Checks the rules. */
    public LogLikelihood {
        if (!(sigmaMin > 0 && sigmaMin < sigmaMax && sigmaMax < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException(
                    "sigmaMin must be above 0 and below sigmaMax, got " + sigmaMin + " and " + sigmaMax);
        }
        new DormandPrince(atol, rtol);
        if (probes < 1) {
            throw new IllegalArgumentException("probes must be at least 1, got " + probes);
        }
    }

    /**
     * The usual settings: a tolerance of 10⁻⁴ and one probe.
     *
     * @param sigmaMin the model's lowest noise level
     * @param sigmaMax its highest
     * @return the settings
     */
    public static LogLikelihood between(double sigmaMin, double sigmaMax) {
        return new LogLikelihood(sigmaMin, sigmaMax, 1e-4, 1e-4, 1);
    }

    /**
     * What came out.
     *
     * @param nats (N,) natural logarithms of the densities, with respect to the pictures' own units
     * @param evaluations of the denoiser, each on the whole batch
     */
    @SuppressWarnings("ArrayRecordComponent") // a carrier of numbers, never compared
    public record Result(double[] nats, int evaluations) {}

    /**
     * Measures pictures.
     *
     * @param denoiser differentiable by autograd; a packed model refuses, a clipped denoiser is flat where it clips
     * @param x (N, C, H, W), in the network's number type; the flow itself is followed in float64, so that in float32
     *     a tolerance below about 1e-6 only costs steps
     * @param seeds of the probes, one a picture
     * @param progress hears the share of the way that lies behind, in log σ, after each step
     * @return one number a picture
     * @throws IllegalArgumentException if the tolerance cannot be kept, or if the denoiser's result has no gradient
     * @throws InputException if the network's output is not finite
     */
    public Result evaluate(SigmaDenoiser denoiser, Tensor x, long[] seeds, DoubleConsumer progress) {
        checkSeeds(x, seeds);
        try (Scope scope = Scope.open()) {
            List<Tensor> signs = new ArrayList<>();
            for (int k = 0; k < probes; k++) {
                Tensor uniform = uniform(x, seeds, PROBE, k);
                signs.add(uniform.ge(Scalars.of(0.5))
                        .to(x.device(), Tensors.type(x))
                        .mul(Scalars.of(2))
                        .sub(Scalars.of(1)));
            }
            return evaluate(denoiser, x, signs, progress);
        }
    }

    /** With given probes, each (N, C, H, W) of −1 and 1. */
    Result evaluate(SigmaDenoiser denoiser, Tensor x, List<Tensor> signs, DoubleConsumer progress) {
        int[] evaluations = new int[1];
        long dimensions = dimensions(x);
        try (Scope scope = Scope.open()) {
            Tensor start = x.detach().to(ScalarType.Double);
            Tensor none = Tensors.of(new double[Math.toIntExact(x.size(0))]).view(-1, 1);
            List<Tensor> end = new DormandPrince(atol, rtol)
                    .integrate(
                            (sigma, y) -> {
                                evaluations[0]++;
                                return slope(denoiser, sigma, y.get(0), Tensors.type(x), signs);
                            },
                            List.of(start, none.to(x.device(), ScalarType.Double)),
                            sigmaMin,
                            sigmaMax,
                            sigma -> progress.accept(Math.log(sigma / sigmaMin) / Math.log(sigmaMax / sigmaMin)));
            double[] squares =
                    Tensors.doubles(end.get(0).square().flatten(1, -1).sum(1));
            double[] nats = Tensors.doubles(end.get(1));
            for (int i = 0; i < nats.length; i++) {
                nats[i] -= squares[i] / (2 * sigmaMax * sigmaMax)
                        + dimensions / 2.0 * Math.log(2 * Math.PI * sigmaMax * sigmaMax);
            }
            return new Result(nats, evaluations[0]);
        }
    }

    /** dx/dσ = (x − D)/σ (N, C, H, W), and its trace (d − mean of vᵀ·∂D/∂x·v)/σ (N, 1). */
    private static List<Tensor> slope(
            SigmaDenoiser denoiser, double sigma, Tensor x, ScalarType type, List<Tensor> signs) {
        try (Scope scope = Scope.open();
                AutoGradMode gradients = new AutoGradMode(true)) {
            Tensor leaf = x.to(type).detach().requires_grad_(true);
            Tensor denoised = Shapes.check("the denoiser's result", denoiser.denoise(leaf, sigma), x.shape());
            if (!denoised.requires_grad()) {
                throw new IllegalArgumentException("the denoiser must be differentiable, its result has no gradient");
            }
            Tensor dx = x.sub(denoised.detach().to(ScalarType.Double)).div(Scalars.of(sigma));
            Tensor trace = null;
            for (int k = 0; k < signs.size(); k++) {
                boolean again = k < signs.size() - 1; // the graph serves all probes
                TensorVector product = torch.grad(
                        new TensorVector(denoised),
                        new TensorVector(leaf),
                        new TensorVector(signs.get(k)),
                        new BoolOptional(again),
                        false,
                        false);
                Tensor one = new Tensor(product.get(0))
                        .mul(signs.get(k))
                        .to(ScalarType.Double)
                        .flatten(1, -1)
                        .sum(1);
                trace = trace == null ? one : trace.add(one);
            }
            Tensor dlog = trace.div(Scalars.of(-signs.size()))
                    .add(Scalars.of(dimensions(x)))
                    .div(Scalars.of(sigma))
                    .view(-1, 1);
            if (!(torch.isfinite(dx).all().item_bool()
                    && torch.isfinite(dlog).all().item_bool())) {
                throw new InputException("the network's output is not finite at noise level " + sigma);
            }
            return List.of(scope.keep(dx), scope.keep(dlog));
        }
    }

    /**
     * Pictures of 256 levels as continuous ones: each pixel plus a uniform number within half a level. The likelihood of
     * such pictures bounds that of the levels from below on average (arXiv:1511.01844v3, section 3.1), where that of bare
     * levels may be as high as one likes.
     *
     * @param x (N, C, H, W) in [−1, 1], each number 2·level/255 − 1
     * @param seeds one a picture
     * @return (N, C, H, W), in the caller's scope
     */
    public static Tensor dequantised(Tensor x, long... seeds) {
        checkSeeds(x, seeds);
        try (Scope scope = Scope.open()) {
            Tensor uniform = uniform(x, seeds, DEQUANTISE, 0).to(x.device(), Tensors.type(x));
            return scope.keep(x.add(uniform.sub(Scalars.of(0.5)), Scalars.of(LEVEL)));
        }
    }

    /**
     * Bits per dimension of a picture of 256 levels in [−1, 1]: −log₂ of the density times the volume of a level,
     * (2/255)^d, divided by d. Of {@link #dequantised} pictures this is the usual figure, on average no less than the true
     * one of the levels; of bare levels it is the density read off there and bounds nothing.
     *
     * @param nats log density of the picture
     * @param dimensions d = C·H·W
     * @return bits; 8 if all levels are equally likely
     */
    public static double bitsPerDimension(double nats, long dimensions) {
        return -(nats / dimensions + Math.log(LEVEL)) / Math.log(2);
    }

    private static long dimensions(Tensor x) {
        return x.size(1) * x.size(2) * x.size(3);
    }

    private static void checkSeeds(Tensor x, long[] seeds) {
        Shapes.check("x", x, Shapes.ANY, Shapes.ANY, Shapes.ANY, Shapes.ANY);
        if (x.size(0) != seeds.length) {
            throw new IllegalArgumentException(
                    "seeds must be one a picture, got " + Arrays.toString(seeds) + " for " + x.size(0));
        }
    }

    /** (N, C, H, W) in [0, 1) on the CPU, from streams of their own for each picture. */
    private static Tensor uniform(Tensor like, long[] seeds, long what, int number) {
        Tensor all = Tensors.empty(ScalarType.Float, like.shape());
        try (Scope scope = Scope.open()) {
            for (int i = 0; i < seeds.length; i++) {
                try (Rng rng = new Rng(Rng.mix(seeds[i], what, number))) {
                    rng.fillUniform(all.select(0, i), 0, 1);
                }
            }
        }
        return all;
    }
}
