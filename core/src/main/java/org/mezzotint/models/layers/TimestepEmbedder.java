package org.mezzotint.models.layers;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** Time as a vector: sine-cosine features, then Linear, SiLU, Linear ({@code mlp.0}, {@code mlp.2}). */
public final class TimestepEmbedder extends Layer {
    private static final int FREQUENCY_DIM = 256;
    private static final double MAX_PERIOD = 10000;

    private final Linear first;
    private final Linear second;
    private final Precision precision;
    private final int shift;

    /**
     * Makes the layer.
     *
     * @param init fills the parameters
     * @param width D of the result
     * @param shift s of {@link #embedding}: 0 or 1
     */
    public TimestepEmbedder(Init init, int width, int shift) {
        first = child("mlp.0", new Linear(init, FREQUENCY_DIM, width, Linear.Weights.NORMAL_002));
        second = child("mlp.2", new Linear(init, width, width, Linear.Weights.NORMAL_002));
        precision = init.precision();
        this.shift = shift;
    }

    /**
     * Embeds times.
     *
     * @param t (N,), fractions allowed
     * @return (N, D)
     */
    public Tensor forward(Tensor t) {
        Tensor features = embedding(t, FREQUENCY_DIM, MAX_PERIOD, shift).to(precision.storage()); // (N, 256)
        return second.forward(torch.silu(first.forward(features)));
    }

    /**
     * Sine-cosine features (N, dim): [cos(t·ω) | sin(t·ω)], ω_k = maxPeriod^(−k / (dim/2 − shift)), cosine first; an odd
     * dim ends in a zero column. Computed in float64: float32 rounds t·ω by up to 6e-5 at t near 1000.
     *
     * @param t (N,)
     * @param dim number of features
     * @param maxPeriod longest period over 2π; reached by the last frequency with a shift of 1
     * @param shift 0 in DiT's code, 1 in diffusers
     * @return float64
     */
    public static Tensor embedding(Tensor t, int dim, double maxPeriod, int shift) {
        try (Scope scope = Scope.open()) {
            int half = dim / 2;
            double[] omega = new double[half];
            for (int k = 0; k < half; k++) {
                omega[k] = Math.exp(-Math.log(maxPeriod) * k / (half - shift));
            }
            Tensor angles = t.to(ScalarType.Double)
                    .view(-1, 1)
                    .mul(Tensors.of(omega).to(t.device(), ScalarType.Double)); // (N, dim/2)
            TensorVector parts = new TensorVector(angles.cos(), angles.sin());
            if (dim % 2 == 1) {
                parts.push_back(torch.zeros_like(t.to(ScalarType.Double)).view(-1, 1));
            }
            return scope.keep(torch.cat(parts, 1));
        }
    }
}
