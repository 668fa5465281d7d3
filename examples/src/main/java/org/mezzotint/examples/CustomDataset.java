package org.mezzotint.examples;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.data.Dataset;
import org.mezzotint.tensor.Devices;
import org.mezzotint.train.RunDirectory;
import org.mezzotint.train.TrainConfig;
import org.mezzotint.train.TrainState;
import org.mezzotint.train.Trainer;

/**
 * Trains 40 steps on data of one's own: {@link Gradients} implements the interface {@link Dataset}, and that is all a
 * trainer needs.
 *
 * <pre>
 *   examples/run CustomDataset runs/gradients
 * </pre>
 */
public final class CustomDataset {
    private CustomDataset() {}

    /**
     * Trains.
     *
     * @param arguments the run's folder, which must not hold a run yet
     */
    public static void main(String[] arguments) throws IOException {
        // the recipe's data section only says how to load here; the pictures themselves come from the data set below
        TrainConfig config = TrainShapes.recipe(
                Map.of(
                        "model.numClasses", "2",
                        "training.durationImages", "640",
                        "data",
                                "{type: pictures, flip: false, augmentation: 0.0, maxPixels: 256, loaderThreads: 2, onBroken: fail}"));
        Dataset gradients = new Gradients(1000, 16, 16);
        RunDirectory directory = RunDirectory.create(Path.of(arguments[0]), config);
        try (Device cpu = Devices.cpu();
                TrainState state = Trainer.start(config, gradients.fingerprint(), torch.get_num_threads(), cpu);
                Trainer trainer = new Trainer(directory, state, gradients, Optional.empty(), List.of())) {
            Trainer.Outcome outcome = trainer.run(() -> false);
            System.out.println(
                    outcome + " after " + state.progress().images() + " pictures, saved in " + directory.root());
        }
    }
}
