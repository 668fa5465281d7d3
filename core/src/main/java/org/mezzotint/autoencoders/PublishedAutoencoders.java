package org.mezzotint.autoencoders;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.bytedeco.pytorch.Device;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.io.TensorFile;
import org.mezzotint.tensor.Precision;

/**
 * Autoencoders from the files that others publish. Every tensor must be there, fit, and be expected: all that are not are
 * named at once. docs/autoencoders.md says which files to take.
 */
public final class PublishedAutoencoders {
    private static final String CONFIG = "config.json";
    private static final List<String> WEIGHTS = List.of(
            "diffusion_pytorch_model.safetensors",
            "diffusion_pytorch_model.safetensors.index.json",
            "diffusion_pytorch_model.bin");

    private PublishedAutoencoders() {}

    /**
     * From a diffusers folder: an {@code AutoencoderKL} or an {@code AutoencoderTiny}, with old or new attention names.
     *
     * @param folder with config.json and weights
     * @param precision of the network
     * @param device where it shall live
     * @return owned by the caller
     * @throws org.mezzotint.io.InputException if the configuration cannot be followed or the weights do not fit it
     */
    public static Autoencoder diffusers(Path folder, Precision precision, Device device) {
        AutoencoderConfig config = DiffusersConfig.read(folder.resolve(CONFIG));
        try (TensorFile file = TensorFile.open(weights(folder))) {
            return diffusers(file.source(), file, config, precision, device);
        }
    }

    /**
     * The file of a diffusers folder that holds the weights.
     *
     * @param folder of one model
     * @return safetensors, the index of several, or a PyTorch file
     * @throws CheckpointException if there is none
     */
    public static Path weights(Path folder) {
        for (String name : WEIGHTS) {
            if (Files.isRegularFile(folder.resolve(name))) {
                return folder.resolve(name);
            }
        }
        throw new CheckpointException(folder + " has no weights: none of " + String.join(", ", WEIGHTS));
    }

    /**
     * From one file with diffusers' names and no configuration beside it, such as taef2.safetensors.
     *
     * @param source name of the file, for messages
     * @param file open
     * @param config of the autoencoder
     * @param precision of the network
     * @param device where it shall live
     * @return owned by the caller
     * @throws CheckpointException naming every missing, extra and mis-shaped tensor
     */
    public static Autoencoder diffusers(
            String source, TensorFile file, AutoencoderConfig config, Precision precision, Device device) {
        NamedWeights weights = new NamedWeights(source);
        weights.add(file, name -> Optional.of(AutoencoderNames.fromDiffusers(name)));
        return weights.build(config, precision, device);
    }

    /**
     * From the authors' Stable Diffusion files: the autoencoder alone, or a whole model, of which only the tensors under
     * {@link AutoencoderNames#SD_PREFIX} are read. The discriminator of the training ({@code loss.…}) is left aside.
     *
     * @param source name of the file, for messages
     * @param file open
     * @param config of the autoencoder; the file does not say it
     * @param precision of the network
     * @param device where it shall live
     * @return owned by the caller
     * @throws CheckpointException naming every missing, extra and mis-shaped tensor
     */
    public static AutoencoderKL stableDiffusion(
            String source, TensorFile file, AutoencoderKLConfig config, Precision precision, Device device) {
        String prefix = file.names().stream().anyMatch(name -> name.startsWith(AutoencoderNames.SD_PREFIX))
                ? AutoencoderNames.SD_PREFIX
                : "";
        NamedWeights weights = new NamedWeights(source);
        weights.add(file, name -> {
            if (!name.startsWith(prefix)) {
                return Optional.empty();
            }
            String bare = name.substring(prefix.length());
            return bare.startsWith("loss.")
                    ? Optional.empty()
                    : Optional.of(AutoencoderNames.fromStableDiffusion(bare, config.levels()));
        });
        return (AutoencoderKL) weights.build(config, precision, device);
    }

    /**
     * From TAESD's two files, encoder and decoder, with its authors' names.
     *
     * @param source name of the files, for messages
     * @param encoder open
     * @param decoder open
     * @param config such as {@link TinyAutoencoderConfig#taef2()}; the files do not say it
     * @param precision of the network
     * @param device where it shall live
     * @return owned by the caller
     * @throws CheckpointException naming every missing, extra and mis-shaped tensor
     */
    public static TinyAutoencoder taesd(
            String source,
            TensorFile encoder,
            TensorFile decoder,
            TinyAutoencoderConfig config,
            Precision precision,
            Device device) {
        NamedWeights weights = new NamedWeights(source);
        weights.add(encoder, name -> Optional.of(AutoencoderNames.fromTaesdEncoder(name)));
        weights.add(decoder, name -> Optional.of(AutoencoderNames.fromTaesdDecoder(name)));
        return (TinyAutoencoder) weights.build(config, precision, device);
    }
}
