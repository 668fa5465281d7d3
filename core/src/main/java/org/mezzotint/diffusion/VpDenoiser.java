package org.mezzotint.diffusion;

import java.util.Arrays;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * A network of a variance-preserving schedule for samplers that count in σ: x/√(1 + σ²) is what it was trained on, at the
 * time of that σ (arXiv:2206.00364v2, table 1 and appendix C.3).
 */
public final class VpDenoiser implements SigmaDenoiser {
    private final Network network;
    private final Conditioning cond;
    private final ScheduledDiffusion config;
    private final SigmaTimes times;

    /**
     * Puts the parts together.
     *
     * @param network unguided or guided
     * @param cond its other inputs, for the whole batch
     * @param config what it was trained to do; a learned variance is not used
     */
    public VpDenoiser(Network network, Conditioning cond, ScheduledDiffusion config) {
        this.network = network;
        this.cond = cond;
        this.config = config;
        times = config.times();
    }

    @Override
    public Tensor denoise(Tensor x, double[] sigma) {
        try (Scope scope = Scope.open()) {
            Tensor alphas = Preconditioning.column(x, sigma, s -> 1 / Math.sqrt(1 + s * s));
            Tensor sigmas = Preconditioning.column(x, sigma, s -> s / Math.sqrt(1 + s * s));
            Tensor scaled = x.mul(alphas);
            Tensor time = Tensors.of(Arrays.stream(sigma).map(times::time).toArray());
            Tensor output = network.evaluate(scaled, time.to(x.device(), Tensors.type(time)), cond);
            Tensor prediction = config.variance().prediction(output, x);
            Tensor x0 = config.parameterization().x0(scaled, prediction, alphas, sigmas);
            return scope.keep(x0);
        }
    }
}
