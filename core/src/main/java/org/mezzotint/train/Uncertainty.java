package org.mezzotint.train;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.diffusion.SigmaWeighting;
import org.mezzotint.io.Safetensors;
import org.mezzotint.models.Model;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.Layer;
import org.mezzotint.models.layers.Linear;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * u(σ) of {@link SigmaWeighting.LearnedUncertainty}, and its optimiser: a linear function of random Fourier features of
 * ln σ/4. It starts at 0, where the loss is half the plain one; it is not part of the model, has no average, and ends with the run.
 */
final class Uncertainty implements AutoCloseable {
    private static final String PREFIX = "uncertainty.";
    private static final long SEED = 0x756E636572L;

    private final Scope scope;
    private final Head head;
    private final AdamW optimizer;

    /** The network. */
    private static final class Head extends Layer {
        private final Tensor frequencies;
        private final Tensor phases;
        private final Linear linear;

        Head(Init init, int channels) {
            frequencies = init.normal(2 * Math.PI, channels);
            phases = init.uniform(Math.PI, channels);
            linear = child("linear", new Linear(init, channels, 1, Linear.Weights.ZERO));
        }

        /** (N,) noise inputs to (N,). */
        Tensor forward(Tensor noise) {
            Tensor features = torch.cos(noise.unsqueeze(1).mul(frequencies).add(phases)); // (N, channels)
            return linear.forward(features.mul(Scalars.of(Math.sqrt(2)))).squeeze(1);
        }
    }

    private Uncertainty(SigmaWeighting.LearnedUncertainty rule, TrainConfig.Training training, Device device) {
        Precision precision = training.precision() == Precision.FLOAT64 ? Precision.FLOAT64 : Precision.FLOAT32;
        scope = Scope.owner();
        try (Init init = Init.random(Rng.mix(training.seed(), SEED), precision, device)) {
            head = new Head(init, rule.channels());
        }
        optimizer = new AdamW(
                head.trainable(),
                name -> new Model.Tuning(1, false),
                training.beta1(),
                training.beta2(),
                0,
                training.epsilon());
        scope.leave();
    }

    /** New, if the recipe asks for one. */
    static Optional<Uncertainty> of(TrainConfig config, Device device) {
        return config.diffusion().uncertainty().map(rule -> new Uncertainty(rule, config.training(), device));
    }

    /**
     * Losses with u at their noise levels.
     *
     * @param losses (N,)
     * @param logSnr one a picture: −2·ln σ
     * @return (N,), with gradients for u
     */
    Tensor weigh(Tensor losses, double[] logSnr) {
        Tensor noise = Tensors.of(Arrays.stream(logSnr).map(level -> -level / 8).toArray());
        return SigmaWeighting.LearnedUncertainty.weighed(
                losses, head.forward(noise.to(losses.device(), Tensors.type(head.frequencies))));
    }

    void zeroGradients() {
        optimizer.zeroGradients();
    }

    /** Adds the gradients to those that are clipped together. */
    void collect(TensorVector parameters) {
        optimizer.parameters().forEach(parameters::push_back);
    }

    void step(double learningRate) {
        optimizer.step(learningRate);
    }

    boolean allFinite() {
        return optimizer.allFinite();
    }

    /** Its tensors, to be saved with the optimiser's. */
    Map<String, Tensor> state() {
        Map<String, Tensor> all = new LinkedHashMap<>();
        head.trainable().forEach((name, tensor) -> all.put(PREFIX + name, tensor.detach()));
        optimizer.moments().forEach((name, tensor) -> all.put(PREFIX + name, tensor));
        return all;
    }

    void restore(Safetensors saved, long steps) {
        head.trainable().forEach((name, tensor) -> {
            try (Scope each = Scope.open()) {
                tensor.detach().copy_(saved.tensor(PREFIX + name));
            }
        });
        optimizer.restore(name -> saved.contains(PREFIX + name) ? saved.tensor(PREFIX + name) : null, steps);
    }

    @Override
    public void close() {
        optimizer.close();
        scope.close();
    }
}
