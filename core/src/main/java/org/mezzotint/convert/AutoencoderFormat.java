package org.mezzotint.convert;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.autoencoders.Autoencoder;
import org.mezzotint.autoencoders.AutoencoderBundle;
import org.mezzotint.autoencoders.AutoencoderConfig;
import org.mezzotint.autoencoders.AutoencoderKLConfig;
import org.mezzotint.autoencoders.AutoencoderNames;
import org.mezzotint.autoencoders.DiffusersConfig;
import org.mezzotint.autoencoders.LatentScale;
import org.mezzotint.autoencoders.PublishedAutoencoders;
import org.mezzotint.autoencoders.TinyAutoencoderConfig;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Safetensors;
import org.mezzotint.io.TensorCheck;
import org.mezzotint.io.TensorFile;
import org.mezzotint.io.TorchFile;
import org.mezzotint.models.layers.Init;
import org.mezzotint.tensor.Scope;

/** The families of files that hold an autoencoder. */
public enum AutoencoderFormat {
    /** Our bundle, one safetensors file. */
    MEZZOTINT,
    /** A folder of Hugging Face's diffusers, with old or new names of the attention. */
    DIFFUSERS,
    /** Stable Diffusion's own names: the autoencoder alone, or inside of a whole model. */
    SD_VAE,
    /** A folder with the two files of a tiny autoencoder, {@code …encoder.pth} and {@code …decoder.pth}; read only. */
    TAESD;

    private static final int NORM_GROUPS = 32;

    /**
     * An autoencoder as files hold it.
     *
     * @param config what it is built from
     * @param weights by the names of our network, which are diffusers'; in the caller's scope
     */
    public record Content(AutoencoderConfig config, Map<String, Tensor> weights) {}

    /**
     * Whether a path holds an autoencoder in this form.
     *
     * @param path a file or folder
     * @return false for a diffusion model
     */
    public boolean isIn(Path path) {
        return switch (this) {
            case SD_VAE -> true;
            case DIFFUSERS ->
                Files.isRegularFile(path.resolve(DiffusersFolder.CONFIG))
                        && DiffusersFolder.text(path.resolve(DiffusersFolder.CONFIG))
                                .contains("\"Autoencoder");
            case MEZZOTINT -> Files.isRegularFile(path) && AutoencoderBundle.is(path);
            case TAESD -> true;
        };
    }

    /**
     * Reads an autoencoder, whole or not at all.
     *
     * @param path of the file, or folder
     * @param settings for {@link #SD_VAE}, which says neither: {@code normGroups} (default: 32) and {@code scale} of the latents
     *     (default: 0.18215)
     * @return its content; tensors in the caller's scope
     * @throws CheckpointException naming every missing, extra and mis-shaped tensor
     */
    public Content read(Path path, Settings settings) {
        if (!Files.exists(path)) {
            throw new InputException("not found: " + path);
        }
        return switch (this) {
            case MEZZOTINT -> {
                try (AutoencoderBundle bundle = AutoencoderBundle.open(path)) {
                    yield fitted(path, bundle.config(), bundle.tensors());
                }
            }
            case DIFFUSERS -> {
                AutoencoderConfig config = DiffusersConfig.read(path.resolve(DiffusersFolder.CONFIG));
                try (TensorFile file = TensorFile.open(PublishedAutoencoders.weights(path))) {
                    yield fitted(path, config, renamed(file, "", AutoencoderNames::fromDiffusers));
                }
            }
            case SD_VAE -> {
                try (TensorFile file = TensorFile.open(path)) {
                    String prefix = prefix(file);
                    AutoencoderKLConfig config = shape(file, prefix, settings);
                    int levels = config.widths().size();
                    yield fitted(
                            path,
                            config,
                            renamed(file, prefix, name -> AutoencoderNames.fromStableDiffusion(name, levels)));
                }
            }
            case TAESD -> {
                Map<String, Tensor> both = new LinkedHashMap<>();
                try (TensorFile encoder = TensorFile.open(half(path, "encoder"));
                        TensorFile decoder = TensorFile.open(half(path, "decoder"))) {
                    both.putAll(renamed(encoder, "", AutoencoderNames::fromTaesdEncoder));
                    both.putAll(renamed(decoder, "", AutoencoderNames::fromTaesdDecoder));
                    yield fitted(path, tiny(both), both);
                }
            }
        };
    }

    /** The one file of a folder whose name says which half it holds. */
    private static Path half(Path folder, String which) {
        if (!Files.isDirectory(folder)) {
            throw new InputException(folder + " must be a folder with an encoder's and a decoder's file");
        }
        try (Stream<Path> files = Files.list(folder)) {
            List<Path> found = files.filter(
                            file -> file.getFileName().toString().matches(".*" + which + "\\.(pth|pt|safetensors)"))
                    .toList();
            if (found.size() != 1) {
                throw new InputException(folder + " must hold one file whose name ends in " + which
                        + " and .pth, .pt or .safetensors, got " + found.size());
            }
            return found.get(0);
        } catch (IOException e) {
            throw new InputException(InputException.message("read", folder, e), e);
        }
    }

    /** The published shape whose names these are; where none is, that of the most common one, to list what differs. */
    private static TinyAutoencoderConfig tiny(Map<String, Tensor> weights) {
        int channels = weights.containsKey("decoder.layers.0.weight")
                ? (int) weights.get("decoder.layers.0.weight").size(1)
                : 4;
        TinyAutoencoderConfig taef2 = TinyAutoencoderConfig.taef2();
        return taef2.latentChannels() == channels ? taef2 : TinyAutoencoderConfig.taesd(channels);
    }

    /** What stands in front of the autoencoder's names: a training checkpoint and a whole model put something there. */
    private static String prefix(TensorFile file) {
        for (String outer : new String[] {"", "state_dict."}) {
            for (String inner : new String[] {AutoencoderNames.SD_PREFIX, ""}) {
                if (file.contains(outer + inner + "encoder.conv_in.weight")) {
                    return outer + inner;
                }
            }
        }
        throw new CheckpointException(
                file.source() + " holds no autoencoder of Stable Diffusion: no tensor" + " encoder.conv_in.weight");
    }

    /** What the shapes say of the network. */
    private static AutoencoderKLConfig shape(TensorFile file, String prefix, Settings settings) {
        List<Integer> widths = new ArrayList<>();
        String block = prefix + "encoder.down.%d.block.%d.conv1.weight";
        while (file.contains(String.format(Locale.ROOT, block, widths.size(), 0))) {
            widths.add((int) file.shape(String.format(Locale.ROOT, block, widths.size(), 0))[0]);
        }
        int blocks = 0;
        while (file.contains(String.format(Locale.ROOT, block, 0, blocks))) {
            blocks++;
        }
        if (widths.isEmpty() || !file.contains(prefix + "decoder.conv_in.weight")) {
            throw new CheckpointException(file.source() + " holds no whole autoencoder: it lacks " + prefix
                    + (widths.isEmpty() ? "encoder.down.0.block.0.conv1.weight" : "decoder.conv_in.weight"));
        }
        return new AutoencoderKLConfig(
                (int) file.shape(prefix + "encoder.conv_in.weight")[1],
                (int) file.shape(prefix + "decoder.conv_in.weight")[1],
                widths,
                blocks,
                settings.whole("normGroups", NORM_GROUPS),
                file.contains(prefix + "encoder.mid.attn_1.q.weight"),
                file.contains(prefix + "quant_conv.weight"),
                file.contains(prefix + "post_quant_conv.weight"),
                LatentScale.of(settings.text("scale", DiTFiles.STABLE_DIFFUSION_SCALE, AutoencoderFormat::scale)));
    }

    private static double scale(String text) {
        try {
            return Double.parseDouble(text);
        } catch (NumberFormatException e) {
            throw new InputException("--set scale must be a number, got " + text, e);
        }
    }

    /** The tensors below a prefix, but not those of the training's discriminator. */
    private static Map<String, Tensor> renamed(TensorFile file, String prefix, UnaryOperator<String> rename) {
        Map<String, Tensor> ours = new LinkedHashMap<>();
        for (String name : file.names()) {
            if (name.startsWith(prefix) && !name.startsWith(prefix + "loss.")) {
                ours.put(rename.apply(name.substring(prefix.length())), file.tensor(name));
            }
        }
        return ours;
    }

    /** In the network's order and shapes: old files hold matrices as 1×1 convolutions. */
    private static Content fitted(Path path, AutoencoderConfig config, Map<String, Tensor> tensors) {
        Map<String, long[]> shapes = new LinkedHashMap<>();
        try (Init init = Init.shapesOnly();
                Autoencoder network = config.create(init)) {
            network.state().forEach((name, tensor) -> shapes.put(name, tensor.shape()));
        }
        Map<String, Tensor> fitted = new LinkedHashMap<>(tensors);
        shapes.forEach((name, shape) -> fitted.computeIfPresent(name, (same, tensor) -> matrix(tensor, shape)));
        TensorCheck.require(
                "does not fit the autoencoder's configuration",
                shapes,
                new MapTensors(path.toString(), fitted),
                name -> false);
        Map<String, Tensor> ordered = new LinkedHashMap<>();
        shapes.keySet().forEach(name -> ordered.put(name, fitted.get(name)));
        return new Content(config, ordered);
    }

    private static Tensor matrix(Tensor tensor, long... expected) {
        boolean point =
                expected.length == 2 && Arrays.equals(tensor.shape(), new long[] {expected[0], expected[1], 1, 1});
        return point ? tensor.view(expected) : tensor;
    }

    /**
     * Writes an autoencoder, whole or not at all, reads it back and compares every tensor bit by bit.
     *
     * @param content what to write
     * @param path of the file, or folder, which must not exist yet; for {@link #SD_VAE} safetensors where the name ends so,
     *     else a PyTorch file
     * @throws InputException if the family has no such autoencoder, the path exists, or the file cannot be written
     */
    public void write(Content content, Path path) {
        if (Files.exists(path)) {
            throw new InputException(path + " exists already");
        }
        switch (this) {
            case MEZZOTINT -> AutoencoderBundle.write(path, content.config(), content.weights());
            case DIFFUSERS -> DiffusersFolder.write(path, DiffusersConfig.write(content.config()), content.weights());
            case SD_VAE -> writeStableDiffusion(content, path);
            case TAESD -> throw new InputException("a tiny autoencoder's two files are read only");
        }
        try (Scope scope = Scope.open()) {
            Map<String, Tensor> back = read(path, back(content)).weights();
            content.weights().forEach((name, tensor) -> {
                if (!SameBits.of(tensor, back.get(name))) {
                    throw new CheckpointException(path + " was not written right: " + name + " reads back otherwise");
                }
            });
        } catch (RuntimeException e) {
            ModelFormat.remove(path, e);
            throw e;
        }
    }

    /** What reading a written file must be told. */
    private Settings back(Content content) {
        return this == SD_VAE
                ? new Settings(Map.of("normGroups", Integer.toString(kl(content).normGroups())))
                : Settings.none();
    }

    private static AutoencoderKLConfig kl(Content content) {
        if (content.config() instanceof AutoencoderKLConfig config) {
            return config;
        }
        throw new InputException("only an AutoencoderKL can be written so, got " + content.config());
    }

    private static void writeStableDiffusion(Content content, Path path) {
        int levels = kl(content).widths().size();
        Map<String, Tensor> theirs = new LinkedHashMap<>();
        content.weights()
                .forEach((name, tensor) -> theirs.put(
                        AutoencoderNames.toStableDiffusion(name, levels),
                        tensor.view(AutoencoderNames.stableDiffusionShape(name, tensor.shape()))));
        if (path.toString().toLowerCase(Locale.ROOT).endsWith(".safetensors")) {
            Safetensors.write(path, theirs, Map.of("format", "pt"));
        } else {
            TorchFile.write(path, new LinkedHashMap<>(theirs));
        }
    }

    /**
     * The name in commands.
     *
     * @return such as {@code sd-vae}
     */
    public String label() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
