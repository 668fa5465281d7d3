package org.mezzotint.autoencoders;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.io.Safetensors;
import org.mezzotint.io.Yaml;
import org.mezzotint.tensor.Precision;

/**
 * An autoencoder in one safetensors file: weights under their diffusers names, and in the header {@code format} = {@code
 * mezzotint-autoencoder}, {@code format_version} = {@code 1} and {@code autoencoder} = the configuration as JSON.
 */
public final class AutoencoderBundle implements AutoCloseable {
    private static final String FORMAT = "mezzotint-autoencoder";
    private static final String VERSION = "1";
    private static final String SECTION = "autoencoder";

    private final Path path;
    private final Safetensors file;
    private final AutoencoderConfig config;

    private AutoencoderBundle(Path path, Safetensors file) {
        this.path = path;
        this.file = file;
        Map<String, String> header = file.metadata();
        if (!FORMAT.equals(header.get("format")) || !VERSION.equals(header.get("format_version"))) {
            throw new CheckpointException(path + " is not an autoencoder bundle of format " + VERSION
                    + ": its header says format " + header.get("format") + ", version "
                    + header.get("format_version"));
        }
        String json = header.get(SECTION);
        if (json == null) {
            throw new CheckpointException(path + ": the header has no entry '" + SECTION + "'");
        }
        config = Yaml.fromJson(json, path + " (" + SECTION + ")", AutoencoderConfig.class);
    }

    /**
     * Writes a bundle, whole or not at all.
     *
     * @param path of the file, replaced if it exists
     * @param autoencoder whose weights are written
     */
    public static void write(Path path, Autoencoder autoencoder) {
        write(path, autoencoder.config(), autoencoder.state());
    }

    /**
     * Writes a bundle of tensors that no network holds, in their own number types.
     *
     * @param path of the file, replaced if it exists
     * @param config of the autoencoder
     * @param weights by the network's names
     */
    public static void write(Path path, AutoencoderConfig config, Map<String, Tensor> weights) {
        Map<String, String> header = new LinkedHashMap<>();
        header.put("format", FORMAT);
        header.put("format_version", VERSION);
        header.put(SECTION, Yaml.toJson(config));
        Safetensors.write(path, weights, header);
    }

    /**
     * Whether a file says that it is an autoencoder bundle.
     *
     * @param path of a safetensors file
     * @return false for another one
     */
    public static boolean is(Path path) {
        try (Safetensors file = Safetensors.open(path)) {
            return FORMAT.equals(file.metadata().get("format"));
        }
    }

    /**
     * The file's tensors, in their own number types.
     *
     * @return by the network's names, in the caller's scope
     */
    public Map<String, Tensor> tensors() {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        file.names().forEach(name -> tensors.put(name, file.tensor(name)));
        return tensors;
    }

    /**
     * Opens a bundle and reads its header.
     *
     * @param path of the file
     * @return to be closed; autoencoders loaded from it outlive it
     * @throws CheckpointException if the file is no autoencoder bundle
     */
    public static AutoencoderBundle open(Path path) {
        Safetensors file = Safetensors.open(path);
        try {
            return new AutoencoderBundle(path, file);
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
    public AutoencoderConfig config() {
        return config;
    }

    /**
     * Builds the network with the file's weights.
     *
     * @param precision of the network
     * @param device where it shall live
     * @return owned by the caller
     * @throws CheckpointException naming every missing, extra and mis-shaped tensor
     */
    public Autoencoder load(Precision precision, Device device) {
        NamedWeights weights = new NamedWeights(path.toString());
        weights.add(file, Optional::of);
        return weights.build(config, precision, device);
    }

    @Override
    public void close() {
        file.close();
    }
}
