package org.mezzotint.app.cli;

import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.autoencoders.Autoencoder;
import org.mezzotint.data.DataConfig;
import org.mezzotint.data.Dataset;
import org.mezzotint.data.LatentSpace;
import org.mezzotint.data.Subset;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Yaml;
import org.mezzotint.models.ModelConfig;
import org.mezzotint.tensor.Precision;
import org.mezzotint.train.EncodedDataset;
import org.mezzotint.train.FineTuning;
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
    record Request(
            TrainConfig config,
            Optional<Path> data,
            Optional<Path> autoencoder,
            Optional<Init> init,
            Path out,
            boolean resume,
            Device device,
            Optional<EvaluationListener.Plan> evaluation) {
        /** Of a run that does not measure itself. */
        Request(
                TrainConfig config,
                Optional<Path> data,
                Optional<Path> autoencoder,
                Optional<Init> init,
                Path out,
                boolean resume,
                Device device) {
            this(config, data, autoencoder, init, out, resume, device, Optional.empty());
        }

        /** The pictures or latents to learn from; {@code unflipped} for validation. */
        Dataset open(boolean unflipped, Optional<Autoencoder> encoder) {
            DataConfig which = unflipped ? config.data().unflipped() : config.data();
            ModelConfig model = config.model();
            if (encoder.isEmpty() || which instanceof DataConfig.Latents) {
                return which.open(data, model.height(), model.width(), model.channels());
            }
            if (which.augmentation() > 0) {
                throw new InputException(
                        "data.augmentation must be 0 with --autoencoder: latents cannot be warped, got "
                                + which.augmentation());
            }
            int factor = encoder.get().config().downFactor();
            Dataset pictures = which.open(
                    data,
                    model.height() * factor,
                    model.width() * factor,
                    encoder.get().config().channels());
            return new EncodedDataset(pictures, encoder.get());
        }
    }

    /** A trained model to start from, and a file of class names where they differ. */
    record Init(Path model, Optional<Path> classMap) {}

    private TrainRun() {}

    /** Trains until the run or {@code stop} ends it; {@code watchers} come after the run's own log. */
    static Trainer.Outcome run(Request request, BooleanSupplier stop, PrintStream out, List<TrainListener> watchers) {
        Trainer.checkMemory(request.config());
        Optional<Autoencoder> encoder =
                request.autoencoder().map(path -> Autoencoders.open(path, Precision.FLOAT32, request.device()));
        try {
            return run(request, encoder, stop, out, watchers);
        } finally {
            encoder.ifPresent(Autoencoder::close);
        }
    }

    private static Trainer.Outcome run(
            Request request,
            Optional<Autoencoder> encoder,
            BooleanSupplier stop,
            PrintStream out,
            List<TrainListener> watchers) {
        TrainConfig config = request.config();
        try (Dataset all = request.open(false, encoder);
                Dataset unflipped = request.open(true, encoder);
                Decoder decoder = decoder(config, all, encoder)) {
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
                            return start(request, all, fingerprint, threads, out);
                        });
            } else {
                state = start(request, all, fingerprint, threads, out);
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
            listeners.add(new PreviewListener(directory, log, decoder));
            EvaluationListener.of(
                            request.evaluation(),
                            directory,
                            log,
                            decoder,
                            all.latents().isEmpty() || encoder.isPresent())
                    .ifPresent(listeners::add);
            try (state;
                    Trainer trainer = new Trainer(directory, state, split.train(), validator, listeners)) {
                return trainer.run(stop);
            }
        }
    }

    private static TrainState start(Request request, Dataset all, String fingerprint, int threads, PrintStream out) {
        TrainState state = Trainer.start(request.config(), fingerprint, threads, request.device());
        if (request.init().isEmpty()) {
            return state;
        }
        Init init = request.init().get();
        try (ModelSource trained = ModelSource.open(init.model(), null)) {
            trained.latents().ifPresent(space -> checkLatents(space, all));
            FineTuning.Source source = trained.fineTuning();
            Map<String, String> given = init.classMap().map(TrainRun::classMap).orElse(Map.of());
            List<String> classes = request.config().model().numClasses() > 0 ? all.classNames() : List.of();
            out.println(FineTuning.begin(state, source, FineTuning.ClassMap.of(source, classes, given)));
            return state;
        } catch (RuntimeException e) {
            state.close();
            throw e;
        }
    }

    private static Map<String, String> classMap(Path file) {
        return Yaml.read(file, ClassMapFile.class).classes();
    }

    /** Content of --class-map. */
    record ClassMapFile(Map<String, String> classes) {}

    private static void checkLatents(LatentSpace trained, Dataset all) {
        trained.requireSame(
                all.latents()
                        .orElseThrow(
                                () -> new InputException("--init is a model of latents, the data set holds pixels")),
                "--init");
    }

    private static Decoder decoder(TrainConfig config, Dataset all, Optional<Autoencoder> encoder) {
        if (all.latents().isEmpty()) {
            return Decoder.none();
        }
        if (encoder.isPresent()) {
            return Decoder.borrowing(encoder.get(), all.latents().get(), config.model());
        }
        if (config.previews().count() > 0) {
            throw new InputException("previews of a model of latents need --autoencoder (or previews.count 0), got "
                    + config.previews().count());
        }
        return Decoder.none();
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
}
