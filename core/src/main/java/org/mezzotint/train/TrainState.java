package org.mezzotint.train;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.data.Dataset;
import org.mezzotint.data.LatentSpace;
import org.mezzotint.io.InputException;
import org.mezzotint.io.NearestName;
import org.mezzotint.io.Safetensors;
import org.mezzotint.models.Model;
import org.mezzotint.models.ModelBundle;
import org.mezzotint.models.layers.Init;
import org.mezzotint.tensor.Ops;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.TensorList;

/**
 * All that training changes: the model, the average of its weights, the optimiser and how far it is.
 *
 * <p>There is no random state: every random number follows from the seed and a picture's number.
 */
public final class TrainState implements AutoCloseable {
    /** The bundle's file name in a checkpoint. */
    public static final String MODEL_FILE = "model.safetensors";

    /** The bundle's section that says what a latent model's numbers are: a {@link LatentSpace}. */
    public static final String LATENTS = "latents";

    /** The bundle's section with {@link ClassNames}. */
    public static final String CLASSES = "classes";

    static final String OPTIMIZER_FILE = "optimizer.safetensors";

    /**
     * What a model's classes are called.
     *
     * @param names by label
     */
    public record ClassNames(List<String> names) {
        /**
         * The names in a bundle.
         *
         * @param bundle open
         * @return empty where it does not say them
         */
        public static List<String> of(ModelBundle bundle) {
            return bundle.optionalSection(CLASSES, ClassNames.class)
                    .map(ClassNames::names)
                    .orElse(List.of());
        }
    }

    /**
     * How far a run is, and what it must be resumed with.
     *
     * @param images pictures seen; the loader goes on there
     * @param step optimiser steps done
     * @param skipped broken pictures passed over
     * @param dataset fingerprint of the data set
     * @param threads of libtorch: another number changes the last bits
     */
    public record Progress(long images, long step, long skipped, String dataset, int threads) {}

    private final TrainConfig config;
    private final Model model;
    private final Model average;
    private final AdamW optimizer;
    private final TensorList averageList;
    private Progress progress;
    private Optional<LatentSpace> latents = Optional.empty();
    private List<String> classes = List.of();

    private TrainState(TrainConfig config, Model model, Model average, Progress progress) {
        this.config = config;
        this.model = model;
        this.average = average;
        this.progress = progress;
        TrainConfig.Training training = config.training();
        Map<String, Tensor> learning = learning(training, model);
        optimizer = new AdamW(
                learning,
                model::tuning,
                training.beta1(),
                training.beta2(),
                training.weightDecay(),
                training.epsilon());
        Scope scope = Scope.owner();
        List<Tensor> averages = new ArrayList<>();
        Map<String, Tensor> averaged = average.trainable();
        learning.keySet().forEach(name -> averages.add(averaged.get(name).detach()));
        averageList = new TensorList(averages);
        scope.leave();
        averageScope = scope;
        uncertainty = Uncertainty.of(config, model.device());
        further = training.ema() instanceof Ema.PostHoc rule
                ? Optional.of(new FurtherAverages(rule, learning))
                : Optional.empty();
    }

    /** The parameters that are not frozen; the others need no gradients. */
    private static Map<String, Tensor> learning(TrainConfig.Training training, Model model) {
        Map<String, Tensor> learning = new LinkedHashMap<>();
        model.trainable().forEach((name, tensor) -> {
            if (training.isFrozen(name)) {
                tensor.requires_grad_(false);
            } else {
                learning.put(name, tensor);
            }
        });
        for (String pattern : training.frozen()) {
            if (model.trainable().keySet().stream().noneMatch(name -> TrainConfig.Training.matches(pattern, name))) {
                throw new InputException("training.frozen: " + pattern + " names no parameter, "
                        + NearestName.hint(pattern, model.trainable().keySet()));
            }
        }
        if (learning.isEmpty()) {
            throw new InputException("training.frozen leaves nothing to train: " + training.frozen());
        }
        return learning;
    }

    private final Scope averageScope;
    /** Only where the recipe weighs losses with it. */
    private final Optional<Uncertainty> uncertainty;
    /** Only with {@link Ema.PostHoc}. */
    private final Optional<FurtherAverages> further;

    /**
     * A new model; the average starts as its copy.
     *
     * @param config the recipe
     * @param device where the model lives
     * @param start how far the run is: nowhere
     * @return owned by the caller
     */
    public static TrainState fresh(TrainConfig config, Device device, Progress start) {
        Model model;
        try (Init init = Init.random(config.training().seed(), config.training().precision(), device)) {
            model = config.model().create(init);
        }
        return new TrainState(config, model, copyOf(config, model, device), start);
    }

    /**
     * What an imported checkpoint holds.
     *
     * @param weights by the model's names
     * @param average the moving average by the same names
     * @param moments of AdamW, {@code exp_avg.<name>} and {@code exp_avg_sq.<name>}
     */
    public record Imported(Map<String, Tensor> weights, Map<String, Tensor> average, Map<String, Tensor> moments) {}

    /**
     * The state of a run that began elsewhere.
     *
     * @param config the recipe
     * @param device where the model lives
     * @param progress how far the run is
     * @param from complete, in the shapes of the model; copied
     * @return owned by the caller
     */
    public static TrainState imported(TrainConfig config, Device device, Progress progress, Imported from) {
        try (Init blank = Init.blank(config.training().precision(), device)) {
            Model model = config.model().create(blank);
            Model average = config.model().create(blank);
            copy(from.weights(), model.state());
            copy(from.average(), average.state());
            TrainState state =
                    new TrainState(config, model, average, progress); // further averages start as the weights
            state.optimizer.restore(from.moments()::get, progress.step());
            return state;
        }
    }

    private static void copy(Map<String, Tensor> from, Map<String, Tensor> to) {
        try (NoGradGuard noGrad = new NoGradGuard();
                Scope scope = Scope.open()) {
            to.forEach((name, tensor) -> tensor.copy_(from.get(name)));
        }
    }

    /**
     * Says what the run learns: it goes into its bundles.
     *
     * @param pictures of the run
     */
    public void describe(Dataset pictures) {
        latents = pictures.latents();
        classes = config.model().numClasses() > 0 ? pictures.classNames() : List.of();
    }

    private static Model copyOf(TrainConfig config, Model model, Device device) {
        try (Init blank = Init.blank(config.training().precision(), device)) {
            Model copy = config.model().create(blank);
            copy(model.state(), copy.state());
            return copy;
        }
    }

    /**
     * Reads a checkpoint.
     *
     * @param config the recipe
     * @param device where the model shall live
     * @param checkpoint a complete folder
     * @param progress read from it
     * @return owned by the caller
     * @throws org.mezzotint.io.CheckpointException if a file does not fit the recipe
     */
    static TrainState read(TrainConfig config, Device device, Path checkpoint, Progress progress) {
        try (ModelBundle bundle = ModelBundle.open(checkpoint.resolve(MODEL_FILE));
                Safetensors moments = Safetensors.open(checkpoint.resolve(OPTIMIZER_FILE))) {
            Model model = bundle.load(ModelBundle.Weights.RAW, config.training().precision(), device);
            Model average =
                    bundle.load(ModelBundle.Weights.EMA, config.training().precision(), device);
            TrainState state = new TrainState(config, model, average, progress);
            state.optimizer.restore(name -> moments.contains(name) ? moments.tensor(name) : null, progress.step());
            state.uncertainty.ifPresent(u -> u.restore(moments, progress.step()));
            state.further.ifPresent(averages -> averages.read(checkpoint));
            return state;
        }
    }

    /**
     * Writes model, average and optimiser into a folder.
     *
     * @param folder exists
     */
    void write(Path folder) {
        ModelBundle.write(folder.resolve(MODEL_FILE), model, average, sections(config, progress, latents, classes));
        further.ifPresent(averages -> averages.write(folder));
        Map<String, Tensor> moments = new LinkedHashMap<>(optimizer.moments());
        uncertainty.ifPresent(u -> moments.putAll(u.state()));
        Safetensors.write(folder.resolve(OPTIMIZER_FILE), moments, Map.of("format", "mezzotint-optimizer"));
    }

    /** What a bundle says about the model beside its weights. */
    static Map<String, Object> sections(
            TrainConfig config, Progress progress, Optional<LatentSpace> latents, List<String> classes) {
        Map<String, Object> sections = new LinkedHashMap<>();
        sections.put("diffusion", config.diffusion());
        sections.put("sampling", config.sampling());
        sections.put("progress", progress);
        latents.ifPresent(space -> sections.put(LATENTS, space));
        if (!classes.isEmpty()) {
            sections.put(CLASSES, new ClassNames(classes));
        }
        return sections;
    }

    /** One update of weights and average from the gradients. */
    void update(double learningRate) {
        optimizer.step(learningRate);
        uncertainty.ifPresent(u -> u.step(learningRate));
        double decay = config.training().ema().decay(progress.step());
        Ops.foreachLerp(averageList, optimizer.parameterList(), 1 - decay);
        further.ifPresent(averages -> averages.update(optimizer.parameterList(), progress.step()));
    }

    /** All averages of the weights that learn, by parameter; more than one only with {@link Ema.PostHoc}. */
    List<Map<String, Tensor>> averages() {
        List<Map<String, Tensor>> all = new ArrayList<>(List.of(learning(config, average)));
        further.ifPresent(averages -> all.addAll(averages.all()));
        return all;
    }

    /** The parameters of a model that the recipe does not freeze. */
    static Map<String, Tensor> learning(TrainConfig config, Model model) {
        Map<String, Tensor> learning = new LinkedHashMap<>(model.trainable());
        learning.keySet().removeIf(config.training()::isFrozen);
        return learning;
    }

    void advance(int images, long skipped) {
        progress = new Progress(
                progress.images() + images, progress.step() + 1, skipped, progress.dataset(), progress.threads());
    }

    AdamW optimizer() {
        return optimizer;
    }

    Optional<Uncertainty> uncertainty() {
        return uncertainty;
    }

    /**
     * The recipe.
     *
     * @return as given
     */
    public TrainConfig config() {
        return config;
    }

    /**
     * The model in training.
     *
     * @return owned by this state
     */
    public Model model() {
        return model;
    }

    /**
     * A model with the average of the weights: what samples are drawn with.
     *
     * @return owned by this state
     */
    public Model average() {
        return average;
    }

    /**
     * How far the run is.
     *
     * @return as of the last step
     */
    public Progress progress() {
        return progress;
    }

    @Override
    public void close() {
        optimizer.close();
        averageList.close();
        averageScope.close();
        uncertainty.ifPresent(Uncertainty::close);
        further.ifPresent(FurtherAverages::close);
        model.close();
        average.close();
    }
}
