package org.mezzotint.train;

import java.util.Arrays;
import java.util.function.DoubleUnaryOperator;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.DiffusionConfig;
import org.mezzotint.diffusion.FramedDiffusion;
import org.mezzotint.diffusion.Network;
import org.mezzotint.diffusion.SigmaTimes;
import org.mezzotint.models.Model;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Tensors;

/**
 * A model as diffusion sees it: tells the model the noise level in the way the model wants to hear it, be it a time step, σ,
 * the noise in units of clean pictures, the log SNR, or what the training's frame calls c_noise.
 */
public final class ModelNetwork {
    private final Model model;
    private final DoubleUnaryOperator input; // null where the model takes what the network is told

    /**
     * Pairs a model with what it is used for.
     *
     * @param model evaluated
     * @param diffusion whose times the network will be called with
     */
    public ModelNetwork(Model model, DiffusionConfig diffusion) {
        this.model = model;
        SigmaTimes times = diffusion.times();
        DoubleUnaryOperator logSnr = time -> -2 * Math.log(times.sigma(time));
        if (diffusion instanceof FramedDiffusion framed) { // tells σ itself
            input = switch (model.config().timeInput()) {
                case SIGMA -> null;
                case TIMESTEP -> framed::timestep;
                case NOISE -> framed.frame()::noise;
                case LOG_SNR -> logSnr;
            };
        } else {
            input = switch (model.config().timeInput()) {
                case SIGMA -> times::sigma;
                case TIMESTEP, NOISE -> null;
                case LOG_SNR -> logSnr;
            };
        }
    }

    /**
     * The network of one pass.
     *
     * @param tape how its backward pass remembers
     * @return takes the times of the training
     */
    public Network on(Tape tape) {
        return (x, t, cond) -> {
            Tensor time = input == null
                    ? t
                    : Tensors.of(Arrays.stream(Tensors.doubles(t)).map(input).toArray())
                            .to(model.device(), Tensors.type(t));
            return model.forward(x, time, cond, tape);
        };
    }
}
