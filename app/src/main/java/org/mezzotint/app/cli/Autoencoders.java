package org.mezzotint.app.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import org.bytedeco.pytorch.Device;
import org.mezzotint.autoencoders.Autoencoder;
import org.mezzotint.autoencoders.AutoencoderBundle;
import org.mezzotint.autoencoders.PublishedAutoencoders;
import org.mezzotint.io.InputException;
import org.mezzotint.tensor.Precision;

/** Opens autoencoders: a folder of diffusers, or a bundle. */
final class Autoencoders {
    static final String DESCRIPTION = "the autoencoder of the latents: a diffusers folder, or a bundle (.safetensors)";

    private Autoencoders() {}

    static Autoencoder open(Path path, Precision precision, Device device) {
        if (!Files.exists(path)) {
            throw new InputException("autoencoder not found: " + path);
        }
        if (Files.isDirectory(path)) {
            return PublishedAutoencoders.diffusers(path, precision, device);
        }
        try (AutoencoderBundle bundle = AutoencoderBundle.open(path)) {
            return bundle.load(precision, device);
        }
    }
}
