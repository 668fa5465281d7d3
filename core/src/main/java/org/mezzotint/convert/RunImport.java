package org.mezzotint.convert;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.bytedeco.pytorch.Device;
import org.mezzotint.data.BatchLoader;
import org.mezzotint.data.DataConfig;
import org.mezzotint.data.Dataset;
import org.mezzotint.data.LatentDataset;
import org.mezzotint.data.LatentSet;
import org.mezzotint.data.PictureOptions;
import org.mezzotint.io.InputException;
import org.mezzotint.models.DiTConfig;
import org.mezzotint.tensor.Precision;
import org.mezzotint.train.RunDirectory;
import org.mezzotint.train.TrainConfig;
import org.mezzotint.train.TrainState;
import org.mezzotint.train.Trainer;

/** Turns a training checkpoint of another code base into a run that {@code train --resume} goes on with. */
public final class RunImport {
    private static final long SAVE_EVERY = 100_000;

    private RunImport() {}

    /**
     * Writes the run.
     *
     * @param checkpoint with the state of its optimiser and a moving average
     * @param root of the run, made if need be
     * @param data the pictures or latents to go on with
     * @param settings {@code batchSize} and {@code durationImages}, which no file says
     * @param threads of libtorch
     * @param device where the model will live
     * @throws InputException if something is missing, or a run lies there already
     */
    public static void write(
            Checkpoint checkpoint, Path root, Path data, Settings settings, int threads, Device device) {
        if (checkpoint.training().isEmpty() || checkpoint.average().isEmpty()) {
            throw new InputException("a run needs weights, moving average and the optimiser's state: this file has no "
                    + (checkpoint.average().isEmpty() ? "moving average" : "optimiser's state"));
        }
        Checkpoint.Training training = checkpoint.training().get();
        int batchSize = settings.required("batchSize", "the number of pictures a step is not in the file");
        long duration =
                settings.requiredLong("durationImages", "how many pictures the whole run shall see is not in the file");
        settings.finish();
        TrainConfig config = recipe(checkpoint, training.recipe(), batchSize, duration);
        try (Dataset pictures = config.data()
                .open(
                        Optional.of(data),
                        checkpoint.model().height(),
                        checkpoint.model().width(),
                        checkpoint.model().channels())) {
            Trainer.checkDataset(config, pictures);
            if (checkpoint.latents().isPresent() && pictures.latents().isPresent()) {
                checkpoint.latents().get().requireSame(pictures.latents().get(), "the checkpoint");
            }
            TrainState.Progress progress = new TrainState.Progress(
                    training.steps() * batchSize, training.steps(), 0, pictures.fingerprint(), threads);
            TrainState.Imported from =
                    new TrainState.Imported(checkpoint.weights(), checkpoint.average(), training.moments());
            try (TrainState state = TrainState.imported(config, device, progress, from)) {
                state.describe(pictures);
                RunDirectory.create(root, state);
            }
        }
    }

    private static TrainConfig recipe(Checkpoint checkpoint, Checkpoint.Recipe recipe, int batchSize, long duration) {
        return new TrainConfig(
                checkpoint.model(),
                checkpoint.diffusion(),
                data(checkpoint, recipe),
                new TrainConfig.Training(
                        0,
                        duration,
                        batchSize,
                        1,
                        Precision.FLOAT32,
                        false,
                        recipe.learningRate(),
                        recipe.schedule(),
                        recipe.beta1(),
                        recipe.beta2(),
                        recipe.epsilon(),
                        recipe.weightDecay(),
                        recipe.gradientClip(),
                        recipe.ema(),
                        checkpoint.model().nullClass() ? recipe.classDropout() : 0,
                        List.of()),
                new TrainConfig.Validation(0, SAVE_EVERY),
                new TrainConfig.Checkpoints(SAVE_EVERY, 2, 0),
                new TrainConfig.Previews(SAVE_EVERY, 0),
                checkpoint.sampling(),
                new TrainConfig.Expected("converted from another code base", "none", 0));
    }

    /** The DiT of four channels learns latents, other models pixels. */
    private static DataConfig data(Checkpoint checkpoint, Checkpoint.Recipe recipe) {
        return checkpoint.model() instanceof DiTConfig && checkpoint.latents().isPresent()
                ? new DataConfig.Latents(
                        recipe.flip(),
                        LatentDataset.Posterior.SAMPLE,
                        LatentSet.Scaling.AUTOENCODER,
                        1,
                        BatchLoader.OnBroken.FAIL)
                : new DataConfig.Pictures(
                        recipe.flip(),
                        recipe.augmentation(),
                        PictureOptions.DEFAULT_MAX_PIXELS,
                        1,
                        BatchLoader.OnBroken.FAIL);
    }
}
