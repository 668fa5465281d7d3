package org.mezzotint.train;

import java.nio.file.Path;
import java.util.List;

/** Watches a run. Called on the training thread, between steps; what a listener does must not change the state. */
public interface TrainListener extends AutoCloseable {
    /**
     * One optimiser step.
     *
     * @param step number of the step, from 1
     * @param images pictures seen
     * @param durationImages pictures of the whole run
     * @param loss mean over the batch of what is minimised
     * @param mse its squared-error part; NaN where there is none
     * @param vlb its likelihood part; NaN where there is none
     * @param parts of the squared error, in the order of {@code DiffusionConfig.parts}
     * @param gradientNorm before clipping; NaN without clipping
     * @param learningRate of the step
     * @param seconds wall time of the step, loading included
     */
    record StepReport(
            long step,
            long images,
            long durationImages,
            double loss,
            double mse,
            double vlb,
            List<Double> parts,
            double gradientNorm,
            double learningRate,
            double seconds) {}

    /**
     * The run begins or goes on.
     *
     * @param state before the first step
     * @param durationImages pictures of the whole run
     */
    default void started(TrainState state, long durationImages) {}

    /**
     * A step is done.
     *
     * @param report its figures
     */
    default void stepped(StepReport report) {}

    /**
     * The held-out pictures were evaluated.
     *
     * @param images pictures seen
     * @param result the losses
     */
    default void validated(long images, Validator.Result result) {}

    /**
     * It is time for samples.
     *
     * @param state the model and its average
     */
    default void preview(TrainState state) {}

    /**
     * A checkpoint is about to be written. What a resumed run must find beside it belongs on disk now: the process may be
     * killed before {@link #saved}.
     *
     * @param images pictures seen
     */
    default void saving(long images) {}

    /**
     * A checkpoint is complete on disk.
     *
     * @param checkpoint its folder
     * @param images pictures seen
     */
    default void saved(Path checkpoint, long images) {}

    /**
     * Something worth a line in the log.
     *
     * @param line one line
     */
    default void note(String line) {}

    @Override
    default void close() {}
}
