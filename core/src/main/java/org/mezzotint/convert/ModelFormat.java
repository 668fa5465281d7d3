package org.mezzotint.convert;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.io.AtomicFiles;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Safetensors;
import org.mezzotint.io.TensorCheck;
import org.mezzotint.io.TensorFile;
import org.mezzotint.io.TorchFile;
import org.mezzotint.io.Yaml;
import org.mezzotint.models.DiTConfig;
import org.mezzotint.models.Model;
import org.mezzotint.models.ModelBundle;
import org.mezzotint.models.ModelConfig;
import org.mezzotint.models.layers.Init;
import org.mezzotint.tensor.Scope;

/** The families of files that hold a diffusion model. */
public enum ModelFormat {
    /** Our bundle, one safetensors file. */
    MEZZOTINT {
        @Override
        Checkpoint content(Path path, Settings settings, boolean training) {
            try (ModelBundle bundle = ModelBundle.open(path)) {
                return Checkpoint.of(bundle);
            }
        }

        @Override
        Runnable prepare(Checkpoint checkpoint, Path path, Settings settings) {
            return () -> checkpoint.write(path);
        }

        @Override
        Map<String, Tensor> expected(Checkpoint checkpoint) {
            Map<String, Tensor> all = new LinkedHashMap<>(checkpoint.weights());
            checkpoint.average().forEach((name, tensor) -> all.put("ema." + name, tensor));
            return all;
        }
    },
    /** facebookresearch/DiT. */
    DIT {
        @Override
        Checkpoint content(Path path, Settings settings, boolean training) {
            try (TensorFile file = TensorFile.open(path)) {
                return DiTFiles.read(file, settings, training);
            }
        }

        @Override
        Runnable prepare(Checkpoint checkpoint, Path path, Settings settings) {
            Map<String, Object> content = DiTFiles.write(checkpoint);
            return () -> TorchFile.write(path, content);
        }

        @Override
        Map<String, Tensor> expected(Checkpoint checkpoint) {
            return trainingNames(checkpoint);
        }
    },
    /** SiT. */
    SIT {
        @Override
        Checkpoint content(Path path, Settings settings, boolean training) {
            if (training) {
                throw new InputException("a file of SiT cannot become a run here, only a bundle");
            }
            try (TensorFile file = TensorFile.open(path)) {
                return SitFiles.read(file, settings);
            }
        }

        @Override
        Runnable prepare(Checkpoint checkpoint, Path path, Settings settings) {
            Map<String, Object> content = SitFiles.write(checkpoint);
            return () -> TorchFile.write(path, content);
        }

        @Override
        Map<String, Tensor> expected(Checkpoint checkpoint) {
            return trainingNames(checkpoint);
        }
    },
    /** NVlabs/DiffiT, the latent model. */
    DIFFIT {
        @Override
        Checkpoint content(Path path, Settings settings, boolean training) {
            if (training) {
                throw new InputException("a file of DiffiT cannot become a run here, only a bundle");
            }
            try (TensorFile file = TensorFile.open(path)) {
                return DiffiTFiles.read(file, settings);
            }
        }

        @Override
        Runnable prepare(Checkpoint checkpoint, Path path, Settings settings) {
            Map<String, Object> content = DiffiTFiles.write(checkpoint);
            return () -> TorchFile.write(path, content);
        }

        @Override
        Map<String, Tensor> expected(Checkpoint checkpoint) {
            return trainingNames(checkpoint);
        }
    },
    /** A folder of Hugging Face's diffusers: a whole DiTPipeline, or its {@code transformer}. */
    DIFFUSERS {
        @Override
        Checkpoint content(Path path, Settings settings, boolean training) {
            return DiffusersFolder.read(path);
        }

        @Override
        Runnable prepare(Checkpoint checkpoint, Path path, Settings settings) {
            return DiffusersFolder.prepare(path, checkpoint, settings);
        }

        @Override
        Map<String, Tensor> expected(Checkpoint checkpoint) {
            return DiffusersDiT.toTheirs(checkpoint.best(), (DiTConfig) checkpoint.model());
        }

        @Override
        Path tensorFile(Path path) {
            return path.resolve(DiffusersFolder.WEIGHTS);
        }
    },
    /** k-diffusion: inference safetensors, and training checkpoints, which are read only. */
    K_DIFFUSION {
        @Override
        Checkpoint content(Path path, Settings settings, boolean training) {
            try (TensorFile file = TensorFile.open(path)) {
                return KDiffusionFiles.read(file, training);
            }
        }

        @Override
        Runnable prepare(Checkpoint checkpoint, Path path, Settings settings) {
            String config = Yaml.toJson(KDiffusionFiles.config(checkpoint));
            return () -> Safetensors.write(path, checkpoint.best(), Map.of("config", config));
        }

        @Override
        Map<String, Tensor> expected(Checkpoint checkpoint) {
            return checkpoint.best();
        }
    };

    /** What a file holds; the optimiser's state only where it is asked for. */
    abstract Checkpoint content(Path path, Settings settings, boolean training);

    /** Checks that the checkpoint can be written; what is left is to write it. */
    abstract Runnable prepare(Checkpoint checkpoint, Path path, Settings settings);

    /** What the written file must hold, by its names. */
    abstract Map<String, Tensor> expected(Checkpoint checkpoint);

    /** The file of a written path that holds the tensors. */
    Path tensorFile(Path path) {
        return path;
    }

    private static Map<String, Tensor> trainingNames(Checkpoint checkpoint) {
        if (checkpoint.average().isEmpty()) {
            return checkpoint.weights();
        }
        Map<String, Tensor> all = new LinkedHashMap<>();
        checkpoint.weights().forEach((name, tensor) -> all.put("model." + name, tensor));
        checkpoint.average().forEach((name, tensor) -> all.put("ema." + name, tensor));
        return all;
    }

    /**
     * Reads a file of this family, whole or not at all.
     *
     * @param path of the file, or folder
     * @param settings what the file does not say
     * @return its content; tensors in the caller's scope
     * @throws CheckpointException naming every missing, extra and mis-shaped tensor
     * @throws InputException if something else does not fit
     */
    public Checkpoint read(Path path, Settings settings) {
        return read(path, settings, false);
    }

    /**
     * Reads a training checkpoint of this family with its optimiser's state.
     *
     * @param path of the file
     * @param settings what the file does not say
     * @return its content; tensors in the caller's scope
     * @throws CheckpointException naming every missing, extra and mis-shaped tensor
     * @throws InputException if something else does not fit
     */
    public Checkpoint readTraining(Path path, Settings settings) {
        return read(path, settings, true);
    }

    private Checkpoint read(Path path, Settings settings, boolean training) {
        if (!Files.exists(path)) {
            throw new InputException("not found: " + path);
        }
        Checkpoint checkpoint;
        try {
            checkpoint = content(path, settings, training);
        } catch (IllegalArgumentException e) {
            throw new CheckpointException(path + " holds a model that cannot be: " + e.getMessage(), e);
        }
        Map<String, long[]> shapes = shapes(checkpoint.model());
        check(path.toString(), shapes, checkpoint.weights());
        if (!checkpoint.average().isEmpty()) {
            check(path + " (average)", shapes, checkpoint.average());
        }
        return checkpoint;
    }

    private static void check(String source, Map<String, long[]> shapes, Map<String, Tensor> tensors) {
        TensorCheck.require("does not fit its configuration", shapes, new MapTensors(source, tensors), name -> false);
    }

    private static Map<String, long[]> shapes(ModelConfig config) {
        Map<String, long[]> shapes = new LinkedHashMap<>();
        try (Init init = Init.shapesOnly();
                Model model = config.create(init)) {
            model.state().forEach((name, tensor) -> shapes.put(name, tensor.shape()));
        }
        return shapes;
    }

    /**
     * Writes a file of this family, whole or not at all, reads it back and compares every tensor bit by bit.
     *
     * @param checkpoint what to write
     * @param path of the file, or folder, which must not exist yet
     * @param settings what the checkpoint does not say; none may be without use
     * @throws InputException if the family has no such model, the path exists, or the file cannot be written
     */
    public void write(Checkpoint checkpoint, Path path, Settings settings) {
        if (Files.exists(path)) {
            throw new InputException(path + " exists already");
        }
        Runnable writing = prepare(checkpoint, path, settings);
        settings.finish();
        writing.run();
        try (Scope scope = Scope.open();
                TensorFile back = TensorFile.open(tensorFile(path))) {
            Map<String, Tensor> expected = expected(checkpoint);
            Map<String, long[]> shapes = new LinkedHashMap<>();
            expected.forEach((name, tensor) -> shapes.put(name, tensor.shape()));
            TensorCheck.require("was not written right", shapes, back, name -> false);
            expected.forEach((name, tensor) -> compare(path, name, tensor, back));
        } catch (RuntimeException e) {
            remove(path, e);
            throw e;
        }
    }

    private static void compare(Path path, String name, Tensor tensor, TensorFile back) {
        try (Scope each = Scope.open()) {
            if (!SameBits.of(tensor, back.tensor(name))) {
                throw new CheckpointException(path + " was not written right: " + name + " reads back otherwise");
            }
        }
    }

    static void remove(Path path, RuntimeException cause) {
        try {
            if (Files.isDirectory(path)) {
                AtomicFiles.deleteRecursively(path);
            } else {
                Files.deleteIfExists(path);
            }
        } catch (IOException e) {
            cause.addSuppressed(e);
        }
    }

    /**
     * Whether a file of this family has room for the weights and their moving average.
     *
     * @return false where the average alone is written
     */
    public boolean holdsBoth() {
        return this == MEZZOTINT || this == DIT || this == SIT || this == DIFFIT;
    }

    /**
     * The name in commands.
     *
     * @return such as {@code k-diffusion}
     */
    public String label() {
        return name().toLowerCase(java.util.Locale.ROOT).replace('_', '-');
    }

    /**
     * The family of a name.
     *
     * @param label such as {@code k-diffusion}
     * @return empty for an unknown one
     */
    public static Optional<ModelFormat> named(String label) {
        for (ModelFormat format : values()) {
            if (format.label().equals(label)) {
                return Optional.of(format);
            }
        }
        return Optional.empty();
    }
}
