package org.mezzotint.convert;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.data.LatentSpace;
import org.mezzotint.diffusion.DiffusionConfig;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.models.Model;
import org.mezzotint.models.ModelBundle;
import org.mezzotint.models.ModelConfig;
import org.mezzotint.models.layers.Init;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scope;
import org.mezzotint.train.Ema;
import org.mezzotint.train.LrSchedule;
import org.mezzotint.train.TrainState;

/**
 * A model as files hold it.
 *
 * @param model what it is built from
 * @param diffusion what it was trained to do
 * @param sampling how its authors draw pictures
 * @param latents what its numbers are; empty for a model of pixels
 * @param classes names of its classes; empty where they are not known
 * @param weights by the names of our model, in any floating-point type; in the caller's scope
 * @param average the moving average under the same names; empty where the file has one set only
 * @param training the state of its optimiser; empty where the file has none
 */
public record Checkpoint(
        ModelConfig model,
        DiffusionConfig diffusion,
        SamplingConfig sampling,
        Optional<LatentSpace> latents,
        List<String> classes,
        Map<String, Tensor> weights,
        Map<String, Tensor> average,
        Optional<Training> training) {

    /**
     * What a run needs to go on.
     *
     * @param moments AdamW's, {@code exp_avg.<name>} and {@code exp_avg_sq.<name>}
     * @param steps updates done
     * @param recipe what the file says of the recipe
     */
    public record Training(Map<String, Tensor> moments, long steps, Recipe recipe) {}

    /**
     * What a training file says of its recipe.
     *
     * @param learningRate base rate
     * @param beta1 decay of the first moment
     * @param beta2 decay of the second moment
     * @param epsilon added to the root of the second moment
     * @param weightDecay decoupled decay
     * @param gradientClip largest norm of the gradient; 0 for no limit
     * @param schedule of the learning rate
     * @param ema of the weights
     * @param classDropout share of pictures that lose their label
     * @param augmentation probability of each geometric transformation
     * @param flip whether pictures are mirrored at random
     */
    public record Recipe(
            double learningRate,
            double beta1,
            double beta2,
            double epsilon,
            double weightDecay,
            double gradientClip,
            LrSchedule schedule,
            Ema ema,
            double classDropout,
            double augmentation,
            boolean flip) {}

    /**
     * Reads one of our bundles.
     *
     * @param bundle open
     * @return its content; tensors in the caller's scope
     */
    public static Checkpoint of(ModelBundle bundle) {
        return new Checkpoint(
                bundle.config(),
                bundle.section("diffusion", DiffusionConfig.class),
                bundle.section("sampling", SamplingConfig.class),
                bundle.optionalSection(TrainState.LATENTS, LatentSpace.class),
                TrainState.ClassNames.of(bundle),
                bundle.tensors(ModelBundle.Weights.RAW),
                bundle.hasEma() ? bundle.tensors(ModelBundle.Weights.EMA) : Map.of(),
                Optional.empty());
    }

    /**
     * Writes a bundle, whole or not at all.
     *
     * @param path of the file, replaced if it exists
     * @throws CheckpointException naming every missing, extra and mis-shaped tensor
     */
    public void write(Path path) {
        Map<String, Object> sections = new LinkedHashMap<>();
        sections.put("diffusion", diffusion);
        sections.put("sampling", sampling);
        latents.ifPresent(space -> sections.put(TrainState.LATENTS, space));
        if (!classes.isEmpty()) {
            sections.put(TrainState.CLASSES, new TrainState.ClassNames(classes));
        }
        ModelBundle.write(path, model, weights, average, sections);
    }

    /**
     * Builds the network.
     *
     * @param ofAverage whether with the moving average, which must be there
     * @param precision of the model
     * @param device where it shall live
     * @return owned by the caller
     */
    public Model build(boolean ofAverage, Precision precision, Device device) {
        Map<String, Tensor> from = ofAverage ? average : weights;
        try (Init init = Init.blank(precision, device);
                NoGradGuard noGrad = new NoGradGuard()) {
            Model built = model.create(init);
            built.state().forEach((name, tensor) -> {
                try (Scope each = Scope.open()) {
                    tensor.copy_(from.get(name));
                }
            });
            return built;
        }
    }

    /** As DiT's and SiT's code save them: a flat state dict, or {@code model} and {@code ema} where there are both. */
    Map<String, Object> stateDicts() {
        if (average.isEmpty()) {
            return new LinkedHashMap<>(weights);
        }
        Map<String, Object> both = new LinkedHashMap<>();
        both.put("model", new LinkedHashMap<>(weights));
        both.put("ema", new LinkedHashMap<>(average));
        return both;
    }

    /**
     * The one set of weights for formats that hold one: the average where there is one.
     *
     * @return by the names of our model
     */
    public Map<String, Tensor> best() {
        return average.isEmpty() ? weights : average;
    }
}
