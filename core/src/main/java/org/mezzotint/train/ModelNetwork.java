package org.mezzotint.train;

import java.util.Arrays;
import java.util.function.DoubleUnaryOperator;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.Network;
import org.mezzotint.diffusion.NoiseSchedule;
import org.mezzotint.diffusion.SigmaTimes;
import org.mezzotint.models.Model;
import org.mezzotint.models.ModelConfig;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Tensors;

/**
 * A model as diffusion sees it: tells the model the noise level in the way the model wants to hear it. Schedules count in
 * times of their own; a model of noise levels is told σ = e^(−λ/2), the noise in units of clean pictures.
 */
public final class ModelNetwork {
    private final Model model;
    private final DoubleUnaryOperator input; // from the schedule's time; null where the model takes that itself

    /**
     * Pairs a model with the schedule it is used with.
     *
     * @param model evaluated
     * @param schedule whose times the network will be called with
     */
    public ModelNetwork(Model model, NoiseSchedule schedule) {
        this.model = model;
        boolean sigma = model.config().timeInput() == ModelConfig.TimeInput.SIGMA;
        input = sigma ? new SigmaTimes(schedule)::sigma : null;
    }

    /**
     * The network of one pass.
     *
     * @param tape how its backward pass remembers
     * @return takes the schedule's times
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
