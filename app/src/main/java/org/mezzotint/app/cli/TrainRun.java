package org.mezzotint.app.cli;

import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.data.DataConfig;
import org.mezzotint.data.Dataset;
import org.mezzotint.data.Subset;
import org.mezzotint.io.InputException;
import org.mezzotint.models.ModelConfig;
import org.mezzotint.train.RunDirectory;
import org.mezzotint.train.RunLog;
import org.mezzotint.train.TrainConfig;
import org.mezzotint.train.TrainListener;
import org.mezzotint.train.TrainState;
import org.mezzotint.train.Trainer;
import org.mezzotint.train.Validator;

/** One run from a recipe to its end, as {@code train}, {@code quickstart} and {@code study} do it. */
final class TrainRun {
    private static final int METRICS_EVERY_STEPS = 10;
    private static final int VALIDATION_BATCH = 64;

    /** What to do. */
    record Request(TrainConfig config, Optional<Path> data, Path out, boolean resume, Device device) {}

    private TrainRun() {}

    /** Trains until the run or {@code stop} ends it; {@code watchers} come after the run's own log. */
    static Trainer.Outcome run(Request request, BooleanSupplier stop, PrintStream out, List<TrainListener> watchers) {
        TrainConfig config = request.config();
        Trainer.checkMemory(config);
        ModelConfig model = config.model();
        try (Dataset all = config.data().open(request.data(), model.height(), model.width(), model.channels());
                Dataset unflipped = unflipped(request)) {
            int held = heldOut(config, all);
            Trainer.checkDataset(config, all); // before a folder is made for a run that cannot start
            Subset.Split split = Subset.split(all, held);
            String fingerprint = all.fingerprint();
            int threads = torch.get_num_threads();
            RunDirectory directory;
            TrainState state;
            if (request.resume()) {
                directory = RunDirectory.open(request.out());
                state = Trainer.resume(directory, config, fingerprint, threads, request.device(), out::println)
                        .orElseGet(() -> {
                            out.println("no checkpoint yet: starting from the beginning");
                            return Trainer.start(config, fingerprint, threads, request.device());
                        });
            } else {
                state = Trainer.start(config, fingerprint, threads, request.device());
                directory = created(request, state); // only now: a run that cannot start leaves no folder
            }
            out.println(Version.machine());
            RunLog log = new RunLog(directory, METRICS_EVERY_STEPS, Clock.systemUTC());
            Optional<Validator> validator = held == 0
                    ? Optional.empty()
                    : Optional.of(new Validator(
                            config.diffusion(), Subset.split(unflipped, held).validation(), VALIDATION_BATCH));
            List<TrainListener> listeners = new ArrayList<>(List.of(log));
            listeners.addAll(watchers);
            listeners.add(new PreviewListener(directory, log));
            try (state;
                    Trainer trainer = new Trainer(directory, state, split.train(), validator, listeners)) {
                return trainer.run(stop);
            }
        }
    }

    private static RunDirectory created(Request request, TrainState state) {
        try {
            return RunDirectory.create(request.out(), request.config());
        } catch (RuntimeException e) {
            state.close();
            throw e;
        }
    }

    /** How many pictures are held out; some must be left. */
    static int heldOut(TrainConfig config, Dataset all) {
        int held = config.validation().images();
        if (held >= all.size()) {
            throw new InputException(
                    "validation.images must be below the number of pictures, got " + held + " of " + all.size());
        }
        return held;
    }

    /** The same pictures without random flips. */
    static Dataset unflipped(Request request) {
        ModelConfig model = request.config().model();
        DataConfig data = request.config().data();
        DataConfig plain = data instanceof DataConfig.Pictures pictures
                ? new DataConfig.Pictures(false, 0, pictures.maxPixels(), pictures.loaderThreads(), pictures.onBroken())
                : data;
        return plain.open(request.data(), model.height(), model.width(), model.channels());
    }
}
