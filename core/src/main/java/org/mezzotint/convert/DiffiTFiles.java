package org.mezzotint.convert;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.diffusion.GuidanceSchedule;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.diffusion.SigmaGrid;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.io.InputException;
import org.mezzotint.io.TensorFile;
import org.mezzotint.models.DiffiT;
import org.mezzotint.models.DiffiTConfig;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.RelativePositions;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * Files of NVlabs/DiffiT, the latent model: flat state dicts, or {@code model} and {@code ema}. Names are ours already. Every
 * block stores the index of its relative positions, int64, which is checked against the formula: it says the shape of the
 * grid of tokens, which pos_embed leaves open.
 */
public final class DiffiTFiles {
    private static final int IMAGENET_ROWS = 1001;
    private static final int LARGEST_OF_256 = 32;
    private static final String ATTENTION = "blocks.0.attn.";

    private DiffiTFiles() {}

    /**
     * Reads a file.
     *
     * @param file open
     * @param settings {@code nullClass} where the table of labels is not ImageNet's
     * @return tensors in the caller's scope
     */
    public static Checkpoint read(TensorFile file, Settings settings) {
        boolean both = file.names().stream().anyMatch(name -> name.startsWith("model."))
                && file.names().stream().anyMatch(name -> name.startsWith("ema."));
        Map<String, Tensor> weights = DiTFiles.tensors(file, both ? "model." : "");
        Map<String, Tensor> average = both ? DiTFiles.tensors(file, "ema.") : Map.of();
        DiffiTConfig config = config(weights, settings);
        checkIndices(weights, config);
        checkIndices(average, config);
        return new Checkpoint(
                config,
                DiTFiles.diffusion(config.learnSigma()),
                sampling(config),
                DiTFiles.latents(config.channels()),
                List.of(),
                weights,
                average,
                Optional.empty());
    }

    /** The shape of the network, from the shapes of its tensors and the index of relative positions. */
    private static DiffiTConfig config(Map<String, Tensor> weights, Settings settings) {
        long[] patch = shape(weights, "x_embedder.proj.weight", 4); // D, C, P, P
        shape(weights, ATTENTION + "qkv_temb.weight", 2);
        int d = (int) patch[0];
        int p = (int) patch[2];
        int depth = 0;
        while (weights.containsKey("blocks." + depth + ".attn.qkv.weight")) {
            depth++;
        }
        long hidden = shape(weights, "blocks.0.mlp.fc1.weight", 2)[0];
        long out = shape(weights, "final_layer.linear.weight", 2)[0];
        long perPatch = (long) p * p * patch[1];
        if (out != perPatch && out != 2 * perPatch) {
            throw new CheckpointException("final_layer.linear.weight must have " + perPatch + " or " + 2 * perPatch
                    + " rows for patches of " + p + "×" + p + " and " + patch[1] + " channels, got " + out);
        }
        long[] table = shape(weights, ATTENTION + RelativePositions.TABLE, 2); // M, h
        int[] grid = grid(weights, table[0]);
        boolean labels = weights.containsKey("y_embedder.embedding_table.weight");
        int rows = labels ? (int) shape(weights, "y_embedder.embedding_table.weight", 2)[0] : 0;
        boolean nullClass = rows == IMAGENET_ROWS
                || (labels
                        && settings.requiredFlag(
                                "nullClass",
                                "the table of labels has " + rows
                                        + " rows; whether the last one stands for \"no class\" is not in the file"));
        return new DiffiTConfig(
                grid[0] * p,
                grid[1] * p,
                (int) patch[1],
                p,
                d,
                depth,
                (int) table[1],
                (double) hidden / d,
                nullClass ? rows - 1 : rows,
                nullClass,
                out == 2 * perPatch,
                DiffiTConfig.Time.TMSA);
    }

    /** The rows and columns whose relative positions the first block's index holds. */
    private static int[] grid(Map<String, Tensor> weights, long entries) {
        String name = ATTENTION + RelativePositions.INDEX;
        long[] shape = shape(weights, name, 2);
        int tokens = (int) shape(weights, "pos_embed", 3)[1];
        if (shape[0] != tokens || shape[1] != tokens || tokens < 1 || tokens > RelativePositions.MAX_TOKENS) {
            throw new CheckpointException(name + " must be (T, T) for the T of pos_embed, at most "
                    + RelativePositions.MAX_TOKENS + ", got " + Arrays.toString(shape) + " and " + tokens);
        }
        for (int rows = 1; rows <= tokens; rows++) {
            int columns = tokens / rows;
            if (rows * columns == tokens
                    && (2L * rows - 1) * (2L * columns - 1) == entries
                    && isIndex(weights.get(name), rows, columns)) {
                return new int[] {rows, columns};
            }
        }
        throw new CheckpointException(name + " holds the relative positions of no window of " + tokens + " tokens and "
                + entries + " entries");
    }

    private static boolean isIndex(Tensor index, int rows, int columns) {
        try (Scope scope = Scope.open()) {
            return Tensors.type(index) == ScalarType.Long
                    && Arrays.equals(Tensors.longs(index), RelativePositions.index(rows, columns));
        }
    }

    private static void checkIndices(Map<String, Tensor> tensors, DiffiTConfig config) {
        int rows = config.height() / config.patchSize();
        int columns = config.width() / config.patchSize();
        tensors.forEach((name, tensor) -> {
            if (name.endsWith(RelativePositions.INDEX) && !isIndex(tensor, rows, columns)) {
                throw new CheckpointException(name + " must hold the relative positions of " + rows + "×" + columns
                        + " tokens as int64, got other numbers");
            }
        });
    }

    private static long[] shape(Map<String, Tensor> weights, String name, int dimensions) {
        Tensor tensor = weights.get(name);
        if (tensor == null) {
            throw new CheckpointException("the file is no DiffiT: it has no tensor " + name);
        }
        long[] shape = tensor.shape();
        if (shape.length != dimensions) {
            throw new CheckpointException(name + " must have " + dimensions + " dimensions, got " + shape.length);
        }
        return shape;
    }

    /** The commands of the authors' page: 250 steps of DDPM; power-cosine guidance of 4.4 at 256, 1.49 throughout at 512. */
    private static SamplingConfig sampling(DiffiTConfig config) {
        boolean power = Math.max(config.height(), config.width()) <= LARGEST_OF_256;
        return new SamplingConfig(
                SamplingConfig.Solver.DDPM,
                1,
                "250",
                new SigmaGrid.OfSchedule(),
                config.nullClass() ? (power ? 4.4 : 1.49) : 1,
                power ? new GuidanceSchedule.PowerCosine(4) : new GuidanceSchedule.Constant(),
                config.channels() >= 3 ? SamplingConfig.GuidedChannels.FIRST_THREE : SamplingConfig.GuidedChannels.ALL,
                false,
                false);
    }

    /**
     * What {@code torch.save} shall hold, for a file that the authors' code loads.
     *
     * @param checkpoint of a {@link DiffiTConfig}
     * @return a flat state dict, or {@code model} and {@code ema} where the checkpoint has both
     * @throws InputException if the model is none that the authors' code can build
     */
    public static Map<String, Object> write(Checkpoint checkpoint) {
        if (!(checkpoint.model() instanceof DiffiTConfig config)) {
            throw new InputException("only a latent DiffiT can be written so, got "
                    + checkpoint.model().getClass().getSimpleName());
        }
        if (config.time() != DiffiTConfig.Time.TMSA) {
            throw new InputException("only DiffiTs with time tmsa can be written so, got " + config.time());
        }
        if (config.height() != config.width()) {
            throw new InputException(
                    "only square DiffiTs can be written so, got " + config.height() + "×" + config.width());
        }
        if (config.numClasses() == 0) {
            throw new InputException("only DiffiTs with classes can be written so, got an unconditional one");
        }
        DiTFiles.checkTask(checkpoint);
        return new Checkpoint(
                        config,
                        checkpoint.diffusion(),
                        checkpoint.sampling(),
                        checkpoint.latents(),
                        checkpoint.classes(),
                        inOrder(config, checkpoint.weights()),
                        inOrder(config, checkpoint.average()),
                        checkpoint.training())
                .stateDicts();
    }

    /** As a module registers them; a bundle has them in the order of its file. */
    private static Map<String, Tensor> inOrder(DiffiTConfig config, Map<String, Tensor> tensors) {
        Map<String, Tensor> ordered = new LinkedHashMap<>();
        try (Init init = Init.shapesOnly();
                DiffiT shapes = config.create(init)) {
            for (String name : shapes.state().keySet()) {
                if (tensors.containsKey(name)) {
                    ordered.put(name, tensors.get(name));
                }
            }
        }
        return ordered;
    }
}
