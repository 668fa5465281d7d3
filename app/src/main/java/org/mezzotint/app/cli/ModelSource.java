package org.mezzotint.app.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.bytedeco.pytorch.Device;
import org.mezzotint.autoencoders.Autoencoder;
import org.mezzotint.convert.Checkpoint;
import org.mezzotint.convert.DiffusersFolder;
import org.mezzotint.convert.ModelFormat;
import org.mezzotint.convert.Settings;
import org.mezzotint.data.LatentSpace;
import org.mezzotint.diffusion.DiffusionConfig;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.io.InputException;
import org.mezzotint.models.Model;
import org.mezzotint.models.ModelBundle;
import org.mezzotint.models.ModelConfig;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scope;
import org.mezzotint.train.FineTuning;

/** A trained model that a command was given: a bundle, or a folder of diffusers that is converted while it is read. */
final class ModelSource implements AutoCloseable {
    private final Path path;
    private final Scope scope;
    private final Checkpoint checkpoint;
    private final boolean average;

    private ModelSource(Path path, Scope scope, Checkpoint checkpoint, boolean average) {
        this.path = path;
        this.scope = scope;
        this.checkpoint = checkpoint;
        this.average = average;
    }

    /** Opens what lies at a path; {@code wanted} is null for the average where there is one. */
    static ModelSource open(Path given, ModelBundle.Weights wanted) {
        boolean diffusers = Files.isDirectory(given) && DiffusersFolder.is(given);
        Path path = diffusers ? given : BundleOptions.find(given);
        Scope scope = Scope.owner();
        try {
            Checkpoint checkpoint =
                    (diffusers ? ModelFormat.DIFFUSERS : ModelFormat.MEZZOTINT).read(path, Settings.none());
            boolean has = !checkpoint.average().isEmpty();
            if (wanted == ModelBundle.Weights.EMA && !has) {
                throw new InputException(path + " holds no moving average: use the raw weights");
            }
            scope.leave();
            return new ModelSource(path, scope, checkpoint, has && wanted != ModelBundle.Weights.RAW);
        } catch (RuntimeException e) {
            scope.leave();
            scope.close();
            throw e;
        }
    }

    Path path() {
        return path;
    }

    ModelConfig config() {
        return checkpoint.model();
    }

    DiffusionConfig diffusion() {
        return checkpoint.diffusion();
    }

    SamplingConfig sampling() {
        return checkpoint.sampling();
    }

    Optional<LatentSpace> latents() {
        return checkpoint.latents();
    }

    /** The model as the start of a run. */
    FineTuning.Source fineTuning() {
        return new FineTuning.Source(
                checkpoint.model(),
                checkpoint.diffusion(),
                average ? checkpoint.average() : checkpoint.weights(),
                checkpoint.classes());
    }

    /** Builds the network. */
    Model load(Precision precision, Device device) {
        return checkpoint.build(average, precision, device);
    }

    /** What turns the model's results into pictures; {@code given} is null where no autoencoder was named. */
    Decoder decoder(Path given, Device device) {
        boolean pixels = checkpoint.latents().isEmpty();
        if (pixels && given != null) {
            throw new IllegalArgumentException("--autoencoder is for models of latents, " + path + " draws pixels");
        }
        if (pixels) {
            return Decoder.none();
        }
        Path autoencoder = given != null
                ? given
                : DiffusersFolder.autoencoder(path)
                        .orElseThrow(() -> new InputException(path + " draws latents of " + config().channels()
                                + " channels: give their autoencoder with --autoencoder"));
        Autoencoder opened = Autoencoders.open(autoencoder, Precision.FLOAT32, device);
        return Decoder.of(opened, checkpoint.latents().get(), config());
    }

    @Override
    public void close() {
        scope.close();
    }
}
