package org.mezzotint.convert;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.autoencoders.PublishedAutoencoders;
import org.mezzotint.data.LatentSpace;
import org.mezzotint.diffusion.ScheduledDiffusion;
import org.mezzotint.io.AtomicFiles;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Safetensors;
import org.mezzotint.io.TensorFile;
import org.mezzotint.io.Yaml;
import org.mezzotint.models.DiTConfig;

/** Where things lie in a folder of Hugging Face's diffusers that holds a DiTPipeline, or only its {@code transformer}. */
public final class DiffusersFolder {
    /** The weights' file in a transformer's folder. */
    public static final String WEIGHTS = "diffusion_pytorch_model.safetensors";

    static final String CONFIG = "config.json";
    private static final String INDEX = "model_index.json";
    private static final int LARGEST_JSON = 1 << 22;
    private static final int STEPS = 50;
    private static final double GUIDANCE = 4;
    /** What a transformer without a scheduler was published with. */
    private static final String USUAL_SCHEDULER = "{\"_class_name\": \"DDIMScheduler\", \"clip_sample\": false}";

    private DiffusersFolder() {}

    /**
     * Whether a path is such a folder.
     *
     * @param path any
     * @return true if it holds a pipeline or a model's configuration
     */
    public static boolean is(Path path) {
        return Files.isRegularFile(path.resolve(INDEX)) || Files.isRegularFile(path.resolve(CONFIG));
    }

    /**
     * The folder of a pipeline's autoencoder.
     *
     * @param path of a pipeline
     * @return empty if there is none
     */
    public static Optional<Path> autoencoder(Path path) {
        Path vae = path.resolve("vae");
        return Files.isDirectory(vae) ? Optional.of(vae) : Optional.empty();
    }

    /**
     * Reads a pipeline or a transformer.
     *
     * @param path of the folder
     * @return its content; tensors in the caller's scope
     */
    static Checkpoint read(Path path) {
        boolean pipeline = Files.isRegularFile(path.resolve(INDEX));
        Path folder = pipeline ? path.resolve("transformer") : path;
        DiTConfig config = DiffusersDiT.config(folder.resolve(CONFIG).toString(), text(folder.resolve(CONFIG)));
        Path scheduler = path.resolve("scheduler").resolve("scheduler_config.json");
        DiffusersScheduler.Settings settings = DiffusersScheduler.read(
                pipeline ? scheduler.toString() : folder.toString(),
                pipeline ? text(scheduler) : USUAL_SCHEDULER,
                STEPS,
                GUIDANCE,
                config.learnSigma());
        try (TensorFile file = TensorFile.open(PublishedAutoencoders.weights(folder))) {
            Map<String, Tensor> theirs = DiTFiles.tensors(file, "");
            return new Checkpoint(
                    config,
                    settings.diffusion(),
                    settings.sampling(),
                    latents(path, config),
                    pipeline ? classes(path.resolve(INDEX), config) : List.of(),
                    DiffusersDiT.toOurs(theirs, config),
                    Map.of(),
                    Optional.empty());
        }
    }

    /** The scale of the pipeline's own autoencoder, else Stable Diffusion's. */
    private static Optional<LatentSpace> latents(Path path, DiTConfig config) {
        Path vae = path.resolve("vae").resolve(CONFIG);
        if (!Files.isRegularFile(vae)) {
            return DiTFiles.latents(config.channels());
        }
        Fields f = Fields.ofJson(vae.toString(), text(vae));
        int factor = 1 << (Math.max(1, f.count("block_out_channels")) - 1);
        double scale = f.number("scaling_factor", DiTFiles.STABLE_DIFFUSION_SCALE);
        double shift = f.number("shift_factor", 0);
        return Optional.of(new LatentSpace("", factor, List.of(shift), List.of(scale)));
    }

    /** The pipeline's names, where it has one for each class. */
    private static List<String> classes(Path index, DiTConfig config) {
        Fields f = Fields.ofJson(index.toString(), text(index));
        List<String> names = new ArrayList<>();
        for (int i = 0; i < config.numClasses() && f.has("id2label." + i); i++) {
            names.add(f.text("id2label." + i));
        }
        return names.size() == config.numClasses() ? names : List.of();
    }

    static String text(Path file) {
        try {
            if (Files.size(file) > LARGEST_JSON) {
                throw new InputException(
                        file + " must have at most " + LARGEST_JSON + " bytes, got " + Files.size(file));
            }
            return Files.readString(file);
        } catch (IOException e) {
            throw new InputException(InputException.message("read", file, e), e);
        }
    }

    /**
     * Checks that a transformer's folder can be written.
     *
     * @param path of the folder, which must not exist
     * @param checkpoint of a DiT
     * @param settings {@code convention=diffusers} accepts that diffusers computes other pictures from the same weights
     * @return writes it
     */
    static Runnable prepare(Path path, Checkpoint checkpoint, Settings settings) {
        DiTConfig model = DiTFiles.published(checkpoint);
        if (!(checkpoint.diffusion() instanceof ScheduledDiffusion)) {
            throw new InputException("diffusers' DiT follows a schedule, got " + checkpoint.diffusion());
        }
        DiTConfig.Convention told = settings.text("convention", model.convention(), DiffusersFolder::convention);
        Map<String, Object> config = DiffusersDiT.config(model.withConvention(told));
        Map<String, Tensor> theirs = DiffusersDiT.toTheirs(checkpoint.best(), model);
        return () -> write(path, Yaml.toJson(config), theirs);
    }

    /** Writes one model's folder, whole or not at all. */
    static void write(Path path, String config, Map<String, Tensor> tensors) {
        Path folder = AtomicFiles.temporaryDirectory(path);
        try {
            AtomicFiles.writeString(folder.resolve(CONFIG), config);
            Safetensors.write(folder.resolve(WEIGHTS), tensors, Map.of("format", "pt"));
            AtomicFiles.publishDirectory(folder, path);
        } catch (RuntimeException e) {
            AtomicFiles.deleteRecursively(folder);
            throw e;
        }
    }

    private static DiTConfig.Convention convention(String name) {
        if (!name.equals("diffusers")) {
            throw new InputException("--set convention must be diffusers, got " + name);
        }
        return DiTConfig.Convention.diffusers();
    }
}
