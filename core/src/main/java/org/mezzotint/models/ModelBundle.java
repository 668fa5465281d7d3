package org.mezzotint.models;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.io.Safetensors;
import org.mezzotint.io.TensorCheck;
import org.mezzotint.io.Yaml;
import org.mezzotint.models.layers.Init;
import org.mezzotint.tensor.Precision;

/**
 * A model in one safetensors file: weights under their state-dict names, their moving average under {@code ema.} and the
 * same names, and in the header what is needed to use them. docs/checkpoints.md describes the format.
 *
 * <p>Header entries: {@code format} = {@code mezzotint}, {@code format_version} = {@code 1}, {@code model} = the
 * configuration as JSON, and one entry for each further section, such as {@code diffusion}.
 */
public final class ModelBundle implements AutoCloseable {
    private static final String FORMAT = "mezzotint";
    private static final String VERSION = "1";
    private static final String EMA = "ema.";

    private final Path path;
    private final Safetensors file;
    private final ModelConfig config;

    /** Which of the two sets of weights. */
    public enum Weights {
        /** The moving average: what samples are drawn with. */
        EMA,
        /** The weights as trained. */
        RAW
    }

    private ModelBundle(Path path, Safetensors file) {
        this.path = path;
        this.file = file;
        String format = file.metadata().get("format");
        String version = file.metadata().get("format_version");
        if (!FORMAT.equals(format) || !VERSION.equals(version)) {
            throw new CheckpointException(path + " is not a mezzotint bundle of format " + VERSION
                    + ": its header says format " + format + ", version " + version);
        }
        config = section("model", ModelConfig.class);
    }

    /**
     * Writes a bundle, whole or not at all.
     *
     * @param path of the file, replaced if it exists
     * @param model whose weights are written
     * @param ema the model of the average, or {@code model} itself to write none
     * @param sections what else belongs to the model, each written as JSON; {@code model} is added
     */
    public static void write(Path path, Model model, Model ema, Map<String, ?> sections) {
        write(path, model.config(), model.state(), ema == model ? Map.of() : ema.state(), sections);
    }

    /**
     * Writes a bundle of tensors that no model holds, in their own number types.
     *
     * @param path of the file, replaced if it exists
     * @param config of the model
     * @param weights by the model's names
     * @param average the moving average by the same names; empty for none
     * @param sections what else belongs to the model, each written as JSON; {@code model} is added
     */
    public static void write(
            Path path,
            ModelConfig config,
            Map<String, Tensor> weights,
            Map<String, Tensor> average,
            Map<String, ?> sections) {
        Map<String, Tensor> tensors = new LinkedHashMap<>(weights);
        average.forEach((name, tensor) -> tensors.put(EMA + name, tensor));
        Map<String, String> metadata = new LinkedHashMap<>();
        metadata.put("format", FORMAT);
        metadata.put("format_version", VERSION);
        metadata.put("model", Yaml.toJson(config));
        sections.forEach((name, value) -> metadata.put(name, Yaml.toJson(value)));
        Safetensors.write(path, tensors, metadata);
    }

    /**
     * Opens a bundle and reads its header.
     *
     * @param path of the file
     * @return to be closed; models loaded from it outlive it
     * @throws CheckpointException if the file is no bundle
     */
    public static ModelBundle open(Path path) {
        Safetensors file = Safetensors.open(path);
        try {
            return new ModelBundle(path, file);
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    /**
     * What the network is built from.
     *
     * @return its configuration
     */
    public ModelConfig config() {
        return config;
    }

    /**
     * A section of the header.
     *
     * @param <T> its type
     * @param name of the section
     * @param type its type
     * @return the section's content
     * @throws CheckpointException if it is absent
     * @throws org.mezzotint.io.InputException if it is not of that type
     */
    public <T> T section(String name, Class<T> type) {
        String json = file.metadata().get(name);
        if (json == null) {
            throw new CheckpointException(path + ": the header has no entry '" + name + "'");
        }
        return Yaml.fromJson(json, path + " (" + name + ")", type);
    }

    /**
     * A section of the header that not every bundle has.
     *
     * @param <T> its type
     * @param name of the section
     * @param type its type
     * @return the section's content, if there is one
     * @throws org.mezzotint.io.InputException if it is not of that type
     */
    public <T> Optional<T> optionalSection(String name, Class<T> type) {
        return file.metadata().containsKey(name) ? Optional.of(section(name, type)) : Optional.empty();
    }

    /**
     * The tensors of the file, in their own number types.
     *
     * @param weights which of the two sets
     * @return by the model's names, in the caller's scope
     */
    public Map<String, Tensor> tensors(Weights weights) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        for (String name : file.names()) {
            boolean average = name.startsWith(EMA);
            if (average == (weights == Weights.EMA)) {
                tensors.put(average ? name.substring(EMA.length()) : name, file.tensor(name));
            }
        }
        return tensors;
    }

    /**
     * Whether the file holds an average.
     *
     * @return true if {@link Weights#EMA} can be loaded
     */
    public boolean hasEma() {
        return file.names().stream().anyMatch(name -> name.startsWith(EMA));
    }

    /**
     * Builds the network with the file's weights.
     *
     * @param weights which of the two sets
     * @param precision of the model
     * @param device where it shall live
     * @return owned by the caller
     * @throws CheckpointException naming every missing, extra and mis-shaped tensor
     */
    public Model load(Weights weights, Precision precision, Device device) {
        if (weights == Weights.EMA && !hasEma()) {
            throw new CheckpointException(path + " holds no moving average (tensors 'ema.…'); use the raw weights");
        }
        try (Init init = Init.blank(precision, device)) {
            Model model = config.create(init);
            try {
                copyInto(model, weights);
                return model;
            } catch (RuntimeException e) {
                model.close();
                throw e;
            }
        }
    }

    /**
     * Overwrites the tensors of a model that was built from the same configuration.
     *
     * @param model changed
     * @param weights which of the two sets
     * @throws CheckpointException naming every missing, extra and mis-shaped tensor
     */
    public void copyInto(Model model, Weights weights) {
        Map<String, Tensor> state = model.state();
        String prefix = weights == Weights.EMA ? EMA : "";
        Map<String, long[]> expected = new LinkedHashMap<>();
        state.forEach((name, tensor) -> expected.put(prefix + name, tensor.shape()));
        Predicate<String> otherWeights =
                name -> state.containsKey(name.startsWith(EMA) ? name.substring(EMA.length()) : name);
        TensorCheck.require("does not fit its configuration", expected, file, otherWeights);
        state.forEach((name, tensor) -> file.copyTo(prefix + name, tensor));
    }

    @Override
    public void close() {
        file.close();
    }
}
