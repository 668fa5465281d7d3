package org.mezzotint.diffusion;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import java.util.List;
import java.util.Optional;
import org.mezzotint.tensor.Conditioning;

/** What a network is trained to do; sampling needs it too, so it travels with the weights. */
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonSubTypes({
    @JsonSubTypes.Type(value = ScheduledDiffusion.class, name = "scheduled"),
    @JsonSubTypes.Type(value = PreconditionedDiffusion.class, name = "preconditioned"),
    @JsonSubTypes.Type(value = ScoreVp.class, name = "score-vp"),
    @JsonSubTypes.Type(value = ScoreVe.class, name = "score-ve"),
    @JsonSubTypes.Type(value = FlowMatching.class, name = "flow-matching")
})
public sealed interface DiffusionConfig permits ScheduledDiffusion, FramedDiffusion, FlowMatching {
    /**
     * What training minimises.
     *
     * @return the objective
     */
    Objective objective();

    /**
     * A network as the samplers that count in σ see it.
     *
     * @param network unguided or guided, told the times of this configuration
     * @param cond its other inputs, for the whole batch
     * @return its best guess of clean pictures; a learned variance is not used
     */
    SigmaDenoiser denoiser(Network network, Conditioning cond);

    /**
     * The times that networks are told, as noise levels.
     *
     * @return the conversion
     */
    SigmaTimes times();

    /**
     * How far a time is on the way to noise: t/T of a schedule, t of flow matching, and elsewhere where the cosine schedule has
     * that noise level, 2/π·atan σ.
     *
     * @param time as networks are told it
     * @return 0 (clean) to 1 (noise)
     */
    default double fraction(double time) {
        return 2 / Math.PI * Math.atan(times().sigma(time));
    }

    /**
     * The parts of the squared error that an objective gives by themselves.
     *
     * @param height of the pictures
     * @param width of the pictures
     * @return their names; empty for most
     * @throws IllegalArgumentException if the objective cannot take pictures of that size
     */
    default List<String> parts(int height, int width) {
        return List.of();
    }

    /**
     * Whether a network with so many output channels can be trained so.
     *
     * @param channels C of the pictures
     * @param output channels of the network's output
     * @return true for C, or what the configuration expects behind the first C
     */
    default boolean fitsOutput(int channels, int output) {
        return output == channels;
    }

    /**
     * The uncertainty that training learns beside the network, which the objective does not know of: a trainer weighs
     * {@link Objective.Terms#total} with it.
     *
     * @return empty for none
     */
    default Optional<SigmaWeighting.LearnedUncertainty> uncertainty() {
        return Optional.empty();
    }
}
