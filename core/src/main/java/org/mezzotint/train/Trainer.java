package org.mezzotint.train;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.data.BatchLoader;
import org.mezzotint.data.Dataset;
import org.mezzotint.diffusion.Objective;
import org.mezzotint.diffusion.SigmaDensity;
import org.mezzotint.io.InputException;
import org.mezzotint.models.Cost;
import org.mezzotint.models.Model;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Devices;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * The training loop.
 *
 * <p>Picture n of a run is noised at a level drawn as the objective says, with noise and label dropout from streams of their own:
 * {@code mix(seed, purpose, n)}. A step draws a batch, computes the loss in as many parts as {@code accumulation} says,
 * clips, and updates weights and average.
 */
public final class Trainer implements AutoCloseable {
    private static final long NOISE = 1;
    private static final long LEVEL = 2;
    private static final long DROP = 3;
    private static final long ACTIVATION_DROP = 4;
    /** Where the parts stand in a step's means, behind total, mse and vlb. */
    private static final int PARTS = 3;

    private final RunDirectory directory;
    private final TrainState state;
    private final TrainConfig config;
    private final Dataset pictures;
    private final Optional<Validator> validator;
    private final List<TrainListener> listeners;
    private final Objective objective;
    private final ModelNetwork network;
    private final Rng noise = new Rng(0);

    /** How a call of {@link #run} ended. */
    public enum Outcome {
        /** The run saw all its pictures. */
        FINISHED,
        /** It was asked to stop, saved, and can be resumed. */
        INTERRUPTED
    }

    /**
     * Puts a run together.
     *
     * @param directory where it is saved
     * @param state where it starts
     * @param pictures to learn from, in the model's size
     * @param validator of held-out pictures, if any
     * @param listeners who watches, in order
     */
    public Trainer(
            RunDirectory directory,
            TrainState state,
            Dataset pictures,
            Optional<Validator> validator,
            List<TrainListener> listeners) {
        this.directory = directory;
        this.state = state;
        this.config = state.config();
        this.pictures = pictures;
        this.validator = validator;
        this.listeners = List.copyOf(listeners);
        objective = config.diffusion().objective();
        network = new ModelNetwork(state.model(), config.diffusion());
        checkDataset(config, pictures);
        state.describe(pictures);
    }

    /**
     * Refuses a data set whose classes are not the model's.
     *
     * @param config the recipe
     * @param pictures to learn from
     * @throws InputException naming both numbers of classes
     */
    public static void checkDataset(TrainConfig config, Dataset pictures) {
        int classes = pictures.classNames().size();
        int known = config.model().numClasses();
        if (known > 0 && classes != known) {
            throw new InputException("the model has " + known + " classes, the data set has "
                    + (classes > 0 ? classes + ": " + summary(pictures.classNames()) : unlabelled(pictures))
                    + " (set model.numClasses)");
        }
    }

    private static String unlabelled(Dataset pictures) {
        return pictures.labelWidth() == 0
                ? "no labels"
                : "vectors of " + pictures.labelWidth() + " numbers in place of classes";
    }

    private static String summary(List<String> names) {
        return names.size() <= 12 ? String.join(", ", names) : String.join(", ", names.subList(0, 12)) + " …";
    }

    /**
     * Refuses a run that would not fit into memory.
     *
     * @param config the recipe
     * @throws InputException naming the estimate and what is free
     */
    public static void checkMemory(TrainConfig config) {
        TrainConfig.Training training = config.training();
        long part = training.batchSize() / training.accumulation();
        Cost cost = config.model().cost();
        int further =
                training.ema() instanceof Ema.PostHoc rule ? rule.sigmaRels().size() - 1 : 0;
        long needed = Math.addExact(
                cost.trainingBytes(part, training.activationCheckpointing()), further * 4L * cost.parameters());
        OptionalLong free = Devices.availableMemory();
        if (free.isPresent() && needed > free.getAsLong()) {
            throw new InputException(String.format(
                    Locale.ROOT,
                    "a batch of %d pictures needs about %.1f GB of memory, %.1f GB are free: lower training.batchSize, raise"
                            + " training.accumulation or set training.activationCheckpointing",
                    part,
                    needed / 1e9,
                    free.getAsLong() / 1e9));
        }
    }

    /**
     * The state before a run's first step.
     *
     * @param config the recipe
     * @param dataset fingerprint of the data set
     * @param threads of libtorch
     * @param device where the model lives
     * @return owned by the caller
     */
    public static TrainState start(TrainConfig config, String dataset, int threads, Device device) {
        return TrainState.fresh(config, device, new TrainState.Progress(0, 0, 0, dataset, threads));
    }

    /**
     * Goes on with a run from its newest intact checkpoint.
     *
     * @param directory of the run
     * @param config the recipe, which may differ from the saved one in length and in what is saved when
     * @param dataset fingerprint of the data set
     * @param threads of libtorch
     * @param device where the model shall live
     * @param note is told of damaged checkpoints and of another number of threads
     * @return the state, owned by the caller; empty if there is no intact checkpoint yet
     * @throws InputException if recipe or data set are not those of the run
     */
    public static Optional<TrainState> resume(
            RunDirectory directory,
            TrainConfig config,
            String dataset,
            int threads,
            Device device,
            Consumer<String> note) {
        Resumption.check(directory, config);
        Optional<Path> checkpoint = directory.newestIntact(note);
        if (checkpoint.isEmpty()) {
            directory.replaceConfig(config);
            directory.snapshots().restartAt(0);
            return Optional.empty();
        }
        TrainState.Progress progress = RunDirectory.progress(checkpoint.get());
        if (!progress.dataset().equals(dataset)) {
            throw new InputException("the data set is not the one that the run in " + directory.root()
                    + " was started with (fingerprints " + shortened(progress.dataset()) + " and "
                    + shortened(dataset) + ")");
        }
        if (progress.threads() != threads) {
            note.accept("the run used " + progress.threads() + " threads, this machine uses " + threads
                    + ": results will differ in the last bits");
        }
        directory.replaceConfig(config);
        directory.snapshots().restartAt(progress.images());
        return Optional.of(TrainState.read(config, device, checkpoint.get(), progress));
    }

    /**
     * Refuses a recipe with which a run could not go on.
     *
     * @param directory of the run
     * @param config the recipe, which may differ from the saved one in length and in what is saved when
     * @throws InputException naming the sections that differ and must not
     */
    public static void checkRecipe(RunDirectory directory, TrainConfig config) {
        Resumption.check(directory, config);
    }

    private static String shortened(String fingerprint) {
        return fingerprint.substring(0, Math.min(12, fingerprint.length()));
    }

    /**
     * Trains until all pictures are seen or a stop is asked for. Saves at the end in both cases.
     *
     * @param stop asked after every step
     * @return how it ended
     * @throws DivergedException if a loss, a gradient norm or, at a checkpoint, a weight is not finite
     */
    public Outcome run(BooleanSupplier stop) {
        TrainConfig.Training training = config.training();
        long duration = training.durationImages();
        int part = training.batchSize() / training.accumulation();
        listeners.forEach(listener -> listener.started(state, duration));
        try (BatchLoader loader = new BatchLoader(
                pictures,
                part,
                config.training().seed(),
                state.progress().images(),
                config.data().loaderThreads(),
                config.data().onBroken(),
                config.data().augmentation())) {
            long skippedBefore = state.progress().skipped();
            long reported = 0;
            while (state.progress().images() < duration) {
                long before = state.progress().images();
                TrainListener.StepReport report = step(loader);
                state.advance(training.batchSize(), skippedBefore + loader.skipped());
                listeners.forEach(listener -> listener.stepped(report));
                if (loader.skipped() > reported) {
                    reported = loader.skipped();
                    String line = reported + " broken pictures skipped so far: " + summary(loader.skippedNames());
                    listeners.forEach(listener -> listener.note(line));
                }
                boolean last = state.progress().images() >= duration;
                boolean stopping = !last && stop.getAsBoolean();
                after(before, last, stopping);
                if (stopping) {
                    return Outcome.INTERRUPTED;
                }
            }
        }
        return Outcome.FINISHED;
    }

    /** What is due after a step that began at a number of pictures. */
    private void after(long before, boolean last, boolean stopping) {
        long images = state.progress().images();
        if (validator.isPresent()
                && (last || due(before, images, config.validation().everyImages()))) {
            Validator.Result result = validator.get().evaluate(state.model());
            listeners.forEach(listener -> listener.validated(images, result));
        }
        // before the checkpoint: a run that goes on from it must find the snapshot of the same moment
        if (config.training().ema() instanceof Ema.PostHoc rule
                && (last || due(before, images, rule.snapshotImages()))) {
            checkFinite();
            directory.snapshots().write(images, rule, state.averages());
        }
        if (last || stopping || due(before, images, config.checkpoints().everyImages())) {
            save();
        }
        if (last || due(before, images, config.previews().everyImages())) {
            listeners.forEach(listener -> listener.preview(state));
        }
    }

    private static boolean due(long before, long now, long every) {
        return before / every != now / every;
    }

    private void checkFinite() {
        if (!state.optimizer().allFinite()
                || state.uncertainty().filter(u -> !u.allFinite()).isPresent()) {
            throw diverged("a weight", Double.NaN);
        }
    }

    private void save() {
        checkFinite();
        long images = state.progress().images();
        listeners.forEach(listener -> listener.saving(images));
        Path saved = directory.save(state);
        listeners.forEach(listener -> listener.saved(saved, images));
    }

    private DivergedException diverged(String what, double value) {
        return new DivergedException(
                what,
                state.progress().step() + 1,
                value,
                directory.complete().stream().findFirst());
    }

    private TrainListener.StepReport step(BatchLoader loader) {
        long start = System.nanoTime();
        TrainConfig.Training training = config.training();
        TrainState.Progress progress = state.progress();
        state.optimizer().zeroGradients();
        state.uncertainty().ifPresent(Uncertainty::zeroGradients);
        double[] sums = new double
                [PARTS
                        + config.diffusion()
                                .parts(pictures.height(), pictures.width())
                                .size()];
        for (int part = 0; part < training.accumulation(); part++) {
            BatchLoader.Batch batch = loader.next();
            double[] terms = accumulate(batch, part);
            for (int i = 0; i < sums.length; i++) {
                sums[i] += terms[i] / training.accumulation();
            }
        }
        if (!Double.isFinite(sums[0])) {
            throw diverged("the loss", sums[0]);
        }
        double norm = training.gradientClip() > 0 ? clip(training.gradientClip()) : Double.NaN;
        if (training.gradientClip() > 0 && !Double.isFinite(norm)) {
            throw diverged("the gradient norm", norm);
        }
        long images = progress.images() + training.batchSize();
        double rate =
                training.schedule().rate(training.learningRate(), progress.step(), images, training.durationImages());
        state.update(rate);
        return new TrainListener.StepReport(
                progress.step() + 1,
                images,
                training.durationImages(),
                sums[0],
                sums[1],
                sums[2],
                Arrays.stream(sums).skip(PARTS).boxed().toList(),
                norm,
                rate,
                (System.nanoTime() - start) / 1e9);
    }

    /** Forward and backward pass of one part of a batch; returns total, mse, vlb and the parts. */
    private double[] accumulate(BatchLoader.Batch batch, int part) {
        TrainConfig.Training training = config.training();
        Model model = state.model();
        int n = batch.labels().length;
        long dropout = Rng.mix(training.seed(), ACTIVATION_DROP, batch.firstImage());
        try (Scope scope = Scope.open();
                Tape tape = training.activationCheckpointing() ? Tape.checkpointing(dropout) : Tape.training(dropout)) {
            Tensor x0 = Batches.toDevice(
                    Tensors.of(batch.pixels(), n, pictures.channels(), pictures.height(), pictures.width()), model);
            Objective.Levels levels = objective.levels(levels(batch, part));
            Objective.Terms terms = objective.terms(
                    network.on(tape),
                    x0,
                    levels,
                    Batches.toDevice(noise(batch), model),
                    Batches.inputs(withDropout(batch), batch.augmentation(), model));
            Tensor losses = state.uncertainty()
                    .map(u -> u.weigh(terms.total(), levels.logSnr()))
                    .orElse(terms.total());
            Tensor mean = losses.mean();
            double total = mean.item_double();
            if (Double.isFinite(total)) {
                tape.backward(training.accumulation() == 1 ? mean : mean.div(Scalars.of(training.accumulation())));
            }
            double[] means = new double[PARTS + terms.parts().size()];
            means[0] = total;
            means[1] = meanOrNaN(terms.mse());
            means[2] = meanOrNaN(terms.vlb());
            for (int i = PARTS; i < means.length; i++) {
                means[i] = meanOrNaN(terms.parts().get(i - PARTS));
            }
            return means;
        }
    }

    private static double meanOrNaN(Tensor terms) {
        return terms.numel() == 0 ? Double.NaN : terms.detach().mean().item_double();
    }

    /** One uniform number a picture. */
    private double[] uniform(BatchLoader.Batch batch, long purpose) {
        double[] u = new double[batch.labels().length];
        for (int i = 0; i < u.length; i++) {
            u[i] = Rng.unit(Rng.mix(config.training().seed(), purpose, batch.firstImage() + i));
        }
        return u;
    }

    /** The uniform numbers that choose the levels, over the whole batch in strata where the objective wants them. */
    private double[] levels(BatchLoader.Batch batch, int part) {
        double[] u = uniform(batch, LEVEL);
        if (objective.stratified()) {
            for (int j = 0; j < u.length; j++) {
                int place = part * u.length + j;
                u[j] = SigmaDensity.stratified(u[j], place, config.training().batchSize(), 0, 1);
            }
        }
        return u;
    }

    private Tensor noise(BatchLoader.Batch batch) {
        int n = batch.labels().length;
        Tensor all = Tensors.empty(ScalarType.Float, n, pictures.channels(), pictures.height(), pictures.width());
        try (Scope scope = Scope.open()) {
            for (int i = 0; i < n; i++) {
                noise.reseed(Rng.mix(config.training().seed(), NOISE, batch.firstImage() + i))
                        .fillNormal(all.select(0, i));
            }
        }
        return all;
    }

    /** Labels, some replaced by the null class (arXiv:2207.12598, algorithm 1). */
    private long[] withDropout(BatchLoader.Batch batch) {
        long[] labels = batch.labels().clone();
        double share = config.training().classDropout();
        if (share > 0) {
            double[] u = uniform(batch, DROP);
            for (int i = 0; i < labels.length; i++) {
                labels[i] = u[i] < share ? config.model().numClasses() : labels[i];
            }
        }
        return labels;
    }

    private double clip(double largest) {
        try (Scope scope = Scope.open()) {
            TensorVector parameters = new TensorVector();
            state.optimizer().parameters().forEach(parameters::push_back);
            state.uncertainty().ifPresent(u -> u.collect(parameters));
            return torch.clip_grad_norm_(parameters, largest);
        }
    }

    @Override
    public void close() {
        noise.close();
        listeners.forEach(TrainListener::close);
    }
}
