package org.mezzotint.models.layers;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * The log signal-to-noise ratio λ as a vector, simple diffusion's "linear" input: {@code 1000 · (λ + 10)/20} as sine-cosine
 * features, then Linear, swish, Linear.
 *
 * <p>The range −10 … 10 and the period of the features are those of the authors' earlier code (diffusion distillation); the
 * range that the paper used is not known. λ outside of it is not clipped.
 */
public final class LogSnrEmbedder extends Layer {
    private static final double LOWEST = -10;
    private static final double HIGHEST = 10;
    private static final double STEPS = 1000;
    private static final double MAX_PERIOD = 10000;

    private final Linear first;
    private final Linear second;
    private final int features;
    private final Precision precision;

    /**
     * Makes the layer.
     *
     * @param init fills the parameters
     * @param features number of sine-cosine features, even and at least 4
     * @param width E of the result
     */
    public LogSnrEmbedder(Init init, int features, int width) {
        if (features < 4 || features % 2 != 0) {
            throw new IllegalArgumentException("features must be even and at least 4, got " + features);
        }
        first = child("first", new Linear(init, features, width, Linear.Weights.XAVIER_UNIFORM));
        second = child("second", new Linear(init, width, width, Linear.Weights.XAVIER_UNIFORM));
        this.features = features;
        precision = init.precision();
    }

    /**
     * Embeds log SNRs.
     *
     * @param logSnr (N,) finite
     * @return (N, E)
     */
    public Tensor forward(Tensor logSnr) {
        if (logSnr.device().is_cpu()) { // elsewhere the check would wait for the device
            for (double each : Tensors.doubles(logSnr)) {
                if (!Double.isFinite(each)) {
                    throw new IllegalArgumentException("logSnr must be finite, got " + each);
                }
            }
        }
        try (Scope scope = Scope.open()) {
            Tensor steps =
                    logSnr.to(ScalarType.Double).sub(Scalars.of(LOWEST)).mul(Scalars.of(STEPS / (HIGHEST - LOWEST)));
            Tensor waves =
                    TimestepEmbedder.embedding(steps, features, MAX_PERIOD, 1).to(precision.storage()); // (N, features)
            return scope.keep(second.forward(torch.silu(first.forward(waves))));
        }
    }
}
