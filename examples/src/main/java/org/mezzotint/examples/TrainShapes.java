package org.mezzotint.examples;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.data.Dataset;
import org.mezzotint.data.Subset;
import org.mezzotint.io.Yaml;
import org.mezzotint.tensor.Devices;
import org.mezzotint.train.RunDirectory;
import org.mezzotint.train.TrainConfig;
import org.mezzotint.train.TrainListener;
import org.mezzotint.train.TrainState;
import org.mezzotint.train.Trainer;
import org.mezzotint.train.Validator;

/**
 * Trains a very small DiT on pictures of coloured shapes and leaves a run folder with a checkpoint. Shows the parts of a
 * run: recipe, data set, validation, state, trainer, and a listener that prints.
 *
 * <pre>
 *   examples/run TrainShapes runs/example
 * </pre>
 */
public final class TrainShapes {

    private TrainShapes() {}

    /** Prints a line every 50 steps, and what is worth knowing in between. Called on the training thread. */
    private static final class Console implements TrainListener {
        @Override
        public void stepped(StepReport report) {
            if (report.step() % 50 == 0) {
                System.out.printf("%6d pictures  loss %.4f%n", report.images(), report.loss());
            }
        }

        @Override
        public void validated(long images, Validator.Result result) {
            System.out.printf("%6d pictures  loss on held-out pictures %.4f%n", images, result.loss());
        }

        @Override
        public void saved(Path checkpoint, long images) {
            System.out.println("saved " + checkpoint);
        }
    }

    /** The recipe that the examples share, with some entries changed. */
    static TrainConfig recipe(Map<String, String> changes) throws IOException {
        try (InputStream in = TrainShapes.class.getResourceAsStream("/small.yaml")) {
            String yaml = new String(in.readAllBytes(), StandardCharsets.UTF_8);
            return Yaml.parse(yaml, "small.yaml", changes, TrainConfig.class);
        }
    }

    /**
     * Trains.
     *
     * @param arguments the run's folder, which must not hold a run yet
     */
    public static void main(String[] arguments) throws IOException {
        Path folder = Path.of(arguments[0]);
        TrainConfig config = recipe(Map.of());
        Trainer.checkMemory(config);
        try (Device cpu = Devices.cpu();
                Dataset shapes = config.data().open(Optional.empty(), 16, 16, 3)) {
            Subset.Split split = Subset.split(shapes, config.validation().images());
            Validator validator = new Validator(config.diffusion(), split.validation(), 64);
            RunDirectory directory = RunDirectory.create(folder, config);
            try (TrainState state = Trainer.start(config, shapes.fingerprint(), torch.get_num_threads(), cpu);
                    Trainer trainer = new Trainer(
                            directory, state, split.train(), Optional.of(validator), List.of(new Console()))) {
                trainer.run(() -> false); // asked after every step whether to stop early
            }
        }
    }
}
