package org.mezzotint.app.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import org.mezzotint.io.InputException;
import org.mezzotint.models.ModelBundle;
import org.mezzotint.train.RunDirectory;
import org.mezzotint.train.TrainState;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Which trained model to use. */
final class BundleOptions {
    @Parameters(
            index = "0",
            paramLabel = "MODEL",
            description =
                    "a run's folder (its newest checkpoint), a checkpoint's folder, a bundle (.safetensors), or a folder of"
                            + " diffusers")
    private Path model;

    @Option(
            names = "--weights",
            paramLabel = "WHICH",
            description = "ema (the average) or raw (default: ema where the file has it)")
    private ModelBundle.Weights weights;

    /** Opens the model. */
    ModelSource open() {
        return ModelSource.open(model, weights);
    }

    /** Opens another model, with the weights that were asked for. */
    ModelSource open(Path other) {
        return ModelSource.open(other, weights);
    }

    /** The bundle at a path, or the newest of the run or the checkpoint there. */
    static Path find(Path model) {
        if (!Files.exists(model)) {
            throw new InputException("model not found: " + model);
        }
        if (Files.isRegularFile(model)) {
            return model;
        }
        Path checkpoint = model.resolve(TrainState.MODEL_FILE);
        return Files.isRegularFile(checkpoint)
                ? checkpoint
                : RunDirectory.find(model).newestBundle();
    }

    /** The average where the file has it. */
    static ModelBundle.Weights usual(ModelBundle bundle) {
        return bundle.hasEma() ? ModelBundle.Weights.EMA : ModelBundle.Weights.RAW;
    }
}
