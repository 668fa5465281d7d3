package org.mezzotint.convert;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.data.LatentSpace;
import org.mezzotint.diffusion.DiffusionConfig;
import org.mezzotint.diffusion.DiffusionLoss;
import org.mezzotint.diffusion.GuidanceSchedule;
import org.mezzotint.diffusion.LossWeighting;
import org.mezzotint.diffusion.NoiseSchedule;
import org.mezzotint.diffusion.Parameterization;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.diffusion.ScheduledDiffusion;
import org.mezzotint.diffusion.SigmaGrid;
import org.mezzotint.diffusion.Variance;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.io.InputException;
import org.mezzotint.io.TensorFile;
import org.mezzotint.io.TorchFile;
import org.mezzotint.models.DiTConfig;
import org.mezzotint.train.Ema;
import org.mezzotint.train.LrSchedule;

/**
 * Files of facebookresearch/DiT: the published flat state dicts, which hold the moving average, and training checkpoints with
 * {@code model}, {@code ema}, {@code opt} and {@code args}. Names are ours already.
 */
public final class DiTFiles {
    static final double STABLE_DIFFUSION_SCALE = 0.18215;
    static final int STABLE_DIFFUSION_FACTOR = 8;
    private static final int IMAGENET_ROWS = 1001;
    private static final List<String> SETS = List.of("model.", "ema.");

    private DiTFiles() {}

    /**
     * Reads a file.
     *
     * @param file open
     * @param settings {@code heads} where the widths are not the paper's, {@code nullClass} where the table of labels is not
     *     ImageNet's, {@code height} and {@code width} where the positions are no square
     * @param withTraining whether the state of the optimiser is read, where the file has it
     * @return tensors in the caller's scope
     */
    public static Checkpoint read(TensorFile file, Settings settings, boolean withTraining) {
        boolean training = SETS.stream().allMatch(set -> file.names().stream().anyMatch(name -> name.startsWith(set)));
        Map<String, Tensor> weights = tensors(file, training ? "model." : "");
        Map<String, Tensor> average = training ? tensors(file, "ema.") : Map.of();
        DiTConfig config = config(weights, settings);
        return new Checkpoint(
                config,
                diffusion(config.learnSigma()),
                sampling(config),
                latents(config.channels()),
                List.of(),
                weights,
                average,
                withTraining && training && file instanceof TorchFile torch && file.contains("opt.state.1.exp_avg")
                        ? Optional.of(training(torch, weights))
                        : Optional.empty());
    }

    /** The tensors below a prefix, without it; for a flat file all. */
    static Map<String, Tensor> tensors(TensorFile file, String prefix) {
        Map<String, Tensor> found = new LinkedHashMap<>();
        for (String name : file.names()) {
            if (name.startsWith(prefix)) {
                found.put(name.substring(prefix.length()), file.tensor(name));
            }
        }
        return found;
    }

    /** The shape of the network, from the shapes of its tensors. */
    static DiTConfig config(Map<String, Tensor> weights, Settings settings) {
        long[] patch = shape(weights, "x_embedder.proj.weight", 4); // D, C, P, P
        int d = (int) patch[0];
        int p = (int) patch[2];
        int depth = blocks(weights);
        long hidden = shape(weights, "blocks.0.mlp.fc1.weight", 2)[0];
        long out = shape(weights, "final_layer.linear.weight", 2)[0];
        long perPatch = (long) p * p * patch[1];
        if (out != perPatch && out != 2 * perPatch) {
            throw new CheckpointException("final_layer.linear.weight must have " + perPatch + " or " + 2 * perPatch
                    + " rows for patches of " + p + "×" + p + " and " + patch[1] + " channels, got " + out);
        }
        int[] grid = grid((int) shape(weights, "pos_embed", 3)[1], p, settings);
        boolean labels = weights.containsKey("y_embedder.embedding_table.weight");
        int rows = labels ? (int) shape(weights, "y_embedder.embedding_table.weight", 2)[0] : 0;
        boolean nullClass = rows == IMAGENET_ROWS
                || (labels
                        && settings.requiredFlag(
                                "nullClass",
                                "the table of labels has " + rows
                                        + " rows; whether the last one stands for \"no class\" is not in the file"));
        return new DiTConfig(
                grid[0] * p,
                grid[1] * p,
                (int) patch[1],
                p,
                d,
                depth,
                heads(d, depth, settings),
                (double) hidden / d,
                nullClass ? rows - 1 : rows,
                nullClass,
                out == 2 * perPatch,
                DiTConfig.Conditioning.ADALN_ZERO,
                DiTConfig.Convention.paper());
    }

    private static int blocks(Map<String, Tensor> weights) {
        int depth = 0;
        while (weights.containsKey("blocks." + depth + ".attn.qkv.weight")) {
            depth++;
        }
        return depth;
    }

    /** Heads do not show in any shape; the paper's sizes are known. */
    private static int heads(int d, int depth, Settings settings) {
        int known =
                switch (d + " " + depth) {
                    case "384 12" -> 6;
                    case "768 12" -> 12;
                    case "1024 24", "1152 28" -> 16;
                    default -> 0;
                };
        return known > 0
                ? settings.whole("heads", known)
                : settings.required("heads", "the number of attention heads is not in the file (width " + d + ")");
    }

    private static int[] grid(int tokens, int patch, Settings settings) {
        int side = (int) Math.round(Math.sqrt(tokens));
        int height = settings.whole("height", side * side == tokens ? side * patch : 0);
        int width = settings.whole("width", side * side == tokens ? side * patch : 0);
        if (height == 0 || width == 0) {
            throw new InputException("pos_embed has " + tokens
                    + " positions, which are no square: say --set height=… and --set width=…");
        }
        if (height % patch != 0 || width % patch != 0 || (long) (height / patch) * (width / patch) != tokens) {
            throw new InputException("height and width must give " + tokens + " patches of " + patch + ", got " + height
                    + " and " + width);
        }
        return new int[] {height / patch, width / patch};
    }

    static long[] shape(Map<String, Tensor> weights, String name, int dimensions) {
        Tensor tensor = weights.get(name);
        if (tensor == null) {
            throw new CheckpointException("the file is no DiT: it has no tensor " + name);
        }
        long[] shape = tensor.shape();
        if (shape.length != dimensions) {
            throw new CheckpointException(name + " must have " + dimensions + " dimensions, got " + shape.length);
        }
        return shape;
    }

    static DiffusionConfig diffusion(boolean learnSigma) {
        return learnSigma
                ? ScheduledDiffusion.dit()
                : new ScheduledDiffusion(
                        new NoiseSchedule.Linear(1000),
                        Parameterization.EPS,
                        Variance.FIXED_LARGE,
                        DiffusionLoss.Kind.MSE,
                        new LossWeighting.Uniform());
    }

    /** sample.py's: 250 steps of DDPM, guidance 4 on three channels. */
    private static SamplingConfig sampling(DiTConfig config) {
        return new SamplingConfig(
                SamplingConfig.Solver.DDPM,
                1,
                "250",
                new SigmaGrid.OfSchedule(),
                config.nullClass() ? 4 : 1,
                new GuidanceSchedule.Constant(),
                config.channels() >= 3 ? SamplingConfig.GuidedChannels.FIRST_THREE : SamplingConfig.GuidedChannels.ALL,
                false,
                false);
    }

    /** Four channels are the latents of Stable Diffusion's autoencoder, of which DiT's code knows one scale. */
    static Optional<LatentSpace> latents(int channels) {
        return channels == 4
                ? Optional.of(LatentSpace.scaled("", STABLE_DIFFUSION_FACTOR, STABLE_DIFFUSION_SCALE))
                : Optional.empty();
    }

    /** train.py's AdamW over all parameters in state-dict order; the frozen positions have no state. */
    private static Checkpoint.Training training(TorchFile file, Map<String, Tensor> weights) {
        List<String> names = new ArrayList<>(weights.keySet());
        Map<String, Tensor> moments = new LinkedHashMap<>();
        long steps = -1;
        for (int i = 0; i < names.size(); i++) {
            if (names.get(i).equals("pos_embed")) {
                continue;
            }
            steps = OptimizerState.add(file, i, names.get(i), weights.get(names.get(i)), moments, steps);
        }
        Fields opt = new Fields("opt", file.values());
        return new Checkpoint.Training(
                moments,
                steps,
                new Checkpoint.Recipe(
                        opt.number("opt.param_groups.0.lr"),
                        opt.number("opt.param_groups.0.betas.0"),
                        opt.number("opt.param_groups.0.betas.1"),
                        opt.number("opt.param_groups.0.eps"),
                        opt.number("opt.param_groups.0.weight_decay"),
                        0,
                        new LrSchedule.Constant(0),
                        new Ema.Constant(0.9999),
                        0.1,
                        0,
                        true));
    }

    /**
     * What {@code torch.save} shall hold, for a file that {@code find_model} of the authors' code loads.
     *
     * @param checkpoint of a {@link DiTConfig}
     * @return a flat state dict, or {@code model} and {@code ema} where the checkpoint has both
     * @throws InputException if the model is none that the authors' code can build
     */
    public static Map<String, Object> write(Checkpoint checkpoint) {
        DiTConfig config = published(checkpoint);
        checkTask(checkpoint);
        if (!config.convention().equals(DiTConfig.Convention.paper())) {
            throw new InputException("the model follows diffusers' convention (" + config.convention()
                    + "): in the authors' code the same weights give other pictures");
        }
        return checkpoint.stateDicts();
    }

    /** Their code knows one schedule, one target and one scale of latents. */
    static void checkTask(Checkpoint checkpoint) {
        if (!(checkpoint.diffusion() instanceof ScheduledDiffusion scheduled)
                || !scheduled.schedule().equals(new NoiseSchedule.Linear(1000))
                || scheduled.parameterization() != Parameterization.EPS) {
            throw new InputException(
                    "only a model that predicts noise along the linear schedule of 1000 steps can be written so,"
                            + " got " + checkpoint.diffusion());
        }
        checkLatents(checkpoint);
    }

    /** Other scales than Stable Diffusion's have no place in their files. */
    static void checkLatents(Checkpoint checkpoint) {
        checkpoint.latents().ifPresent(space -> {
            if (!space.shift().equals(List.of(0.0)) || !space.scale().equals(List.of(STABLE_DIFFUSION_SCALE))) {
                throw new InputException("only latents of scale " + STABLE_DIFFUSION_SCALE
                        + " without shift can be written so, got " + space.scale() + " and " + space.shift());
            }
        });
    }

    /** The configuration, which must be one that their code can build. */
    static DiTConfig published(Checkpoint checkpoint) {
        if (!(checkpoint.model() instanceof DiTConfig config)) {
            throw new InputException("only a DiT can be written so, got "
                    + checkpoint.model().getClass().getSimpleName());
        }
        if (config.conditioning() != DiTConfig.Conditioning.ADALN_ZERO) {
            throw new InputException("only DiTs with adaln-zero can be written so, got " + config.conditioning());
        }
        if (config.height() != config.width()) {
            throw new InputException(
                    "only square DiTs can be written so, got " + config.height() + "×" + config.width());
        }
        if (config.numClasses() == 0) {
            throw new InputException("only DiTs with classes can be written so, got an unconditional one");
        }
        return config;
    }
}
