package org.mezzotint.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.diffusion.DiffusionConfig;
import org.mezzotint.diffusion.FlowMatching;
import org.mezzotint.diffusion.NoiseSchedule;
import org.mezzotint.diffusion.PreconditionedDiffusion;
import org.mezzotint.diffusion.ScheduledDiffusion;
import org.mezzotint.diffusion.ScoreVe;
import org.mezzotint.diffusion.ScoreVp;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.io.InputException;
import org.mezzotint.io.NearestName;
import org.mezzotint.models.DdpmPlusPlusConfig;
import org.mezzotint.models.DiTConfig;
import org.mezzotint.models.DiffiTConfig;
import org.mezzotint.models.HDiTConfig;
import org.mezzotint.models.ImageDiffiTConfig;
import org.mezzotint.models.Model;
import org.mezzotint.models.ModelConfig;
import org.mezzotint.models.SimpleDiffusionUNetConfig;
import org.mezzotint.models.UViTConfig;
import org.mezzotint.models.layers.RelativePositions;
import org.mezzotint.tensor.Scope;

/**
 * Starts a run from a trained model instead of from random weights. The new model may have other classes and another size:
 * rows of the table of labels go to the classes of the same names, tables of positions are interpolated.
 */
public final class FineTuning {
    private FineTuning() {}

    /**
     * A trained model.
     *
     * @param config what it is built from
     * @param diffusion what it was trained to do
     * @param weights by its names, in any floating-point type
     * @param classes names of its classes; empty where they are not known
     */
    public record Source(
            ModelConfig config, DiffusionConfig diffusion, Map<String, Tensor> weights, List<String> classes) {}

    /**
     * Where a class of the new data takes its row from.
     *
     * @param rows for each new class an old one, or −1 for a row that stays random
     */
    public record ClassMap(List<Integer> rows) {
        /**
         * Finds classes of the same name.
         *
         * @param from the trained model
         * @param classes names of the new classes
         * @param given new name to old name or number, for those that are called otherwise; may be empty
         * @return the map
         * @throws InputException if a name is unknown, or the trained model's names are not known and its number of classes
         *     is another
         */
        public static ClassMap of(Source from, List<String> classes, Map<String, String> given) {
            for (String name : given.keySet()) {
                if (!classes.contains(name)) {
                    throw new InputException("the class map names " + name + ", which is no class of the data set, "
                            + NearestName.hint(name, classes));
                }
            }
            boolean known = !from.classes().isEmpty();
            if (!known && given.isEmpty() && from.config().numClasses() != classes.size() && !classes.isEmpty()) {
                throw new InputException(
                        "the trained model does not name its " + from.config().numClasses()
                                + " classes and the data set has " + classes.size() + ": give --class-map");
            }
            List<Integer> rows = new ArrayList<>();
            for (int i = 0; i < classes.size(); i++) {
                String name = classes.get(i);
                rows.add(
                        given.containsKey(name)
                                ? old(from, given.get(name))
                                : known ? from.classes().indexOf(name) : given.isEmpty() ? i : -1);
            }
            return new ClassMap(rows);
        }

        private static int old(Source from, String name) {
            if (name.matches("[0-9]{1,9}")
                    && Integer.parseInt(name) < from.config().numClasses()) {
                return Integer.parseInt(name);
            }
            int row = from.classes().indexOf(name);
            if (row < 0) {
                throw new InputException("the class map takes " + name + ", which is no class of the trained model, "
                        + (from.classes().isEmpty()
                                ? "whose classes have numbers only, 0 to "
                                        + (from.config().numClasses() - 1)
                                : NearestName.hint(name, from.classes())));
            }
            return row;
        }

        /** How many new classes start from an old one. */
        long kept() {
            return rows.stream().filter(row -> row >= 0).count();
        }
    }

    /**
     * Overwrites the weights of a run that has not begun, and their average.
     *
     * @param state of the run
     * @param from the trained model
     * @param map of classes
     * @return what was done, in one line
     * @throws InputException naming every tensor that does not fit
     */
    public static String begin(TrainState state, Source from, ClassMap map) {
        ModelConfig config = state.config().model();
        if (config.getClass() != from.config().getClass()) {
            throw new InputException("--init must be a model of the recipe's kind, got "
                    + from.config().getClass().getSimpleName() + " for "
                    + config.getClass().getSimpleName());
        }
        ModelConfig alike = inSizeOf(from.config(), config);
        if (!alike.equals(config) && sameShapes(from, state, map)) {
            throw new InputException(
                    "--init is built otherwise than the recipe's model, in a way that no tensor shows: " + alike
                            + " and " + config);
        }
        if (!sameTask(from.diffusion(), state.config().diffusion())) {
            throw new InputException("--init was trained to give something else than the recipe asks for: "
                    + from.diffusion() + " and " + state.config().diffusion());
        }
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard()) {
            Map<String, Tensor> fitted = fit(state.model(), from, map);
            for (Model model : List.of(state.model(), state.average())) {
                model.state().forEach((name, tensor) -> tensor.copy_(fitted.get(name)));
            }
            ModelConfig.Tables old = from.config().tables();
            ModelConfig.Tables now = config.tables();
            boolean resampled =
                    !now.positions().isEmpty() && (old.rows() != now.rows() || old.columns() != now.columns());
            return "starting from trained weights"
                    + (now.classes().isEmpty()
                            ? ""
                            : ", " + map.kept() + " of " + map.rows().size() + " classes known")
                    + (resampled
                            ? ", positions resampled from " + old.rows() + "×" + old.columns() + " to " + now.rows()
                                    + "×" + now.columns()
                            : "");
        }
    }

    /** Whether only what shapes do not show can differ; else the list of tensors says it better. */
    private static boolean sameShapes(Source from, TrainState state, ClassMap map) {
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard()) {
            fit(state.model(), from, map);
            return true;
        } catch (CheckpointException e) {
            return false;
        }
    }

    /** The trained model's configuration with the size and the classes of another. */
    private static ModelConfig inSizeOf(ModelConfig trained, ModelConfig now) {
        if (trained instanceof DiTConfig dit) {
            return new DiTConfig(
                    now.height(),
                    now.width(),
                    dit.channels(),
                    dit.patchSize(),
                    dit.hiddenSize(),
                    dit.depth(),
                    dit.numHeads(),
                    dit.mlpRatio(),
                    now.numClasses(),
                    now.nullClass(),
                    dit.learnSigma(),
                    dit.conditioning(),
                    dit.convention());
        }
        if (trained instanceof SimpleDiffusionUNetConfig unet) {
            return unet.inSizeOf((SimpleDiffusionUNetConfig) now);
        }
        if (trained instanceof UViTConfig uvit) {
            return uvit.inSizeOf((UViTConfig) now);
        }
        if (trained instanceof DiffiTConfig diffit) {
            return new DiffiTConfig(
                    now.height(),
                    now.width(),
                    diffit.channels(),
                    diffit.patchSize(),
                    diffit.hiddenSize(),
                    diffit.depth(),
                    diffit.numHeads(),
                    diffit.mlpRatio(),
                    now.numClasses(),
                    now.nullClass(),
                    diffit.learnSigma(),
                    diffit.time());
        }
        if (trained instanceof ImageDiffiTConfig diffit) {
            return diffit.with(now.height(), now.width(), now.numClasses());
        }
        if (trained instanceof DdpmPlusPlusConfig unet) {
            return new DdpmPlusPlusConfig(
                    now.height(),
                    now.width(),
                    unet.channels(),
                    unet.baseWidth(),
                    unet.levels(),
                    unet.blocks(),
                    unet.attention(),
                    unet.dropout(),
                    now.numClasses());
        }
        HDiTConfig hdit = (HDiTConfig) trained;
        return new HDiTConfig(
                now.height(),
                now.width(),
                hdit.channels(),
                hdit.patchHeight(),
                hdit.patchWidth(),
                hdit.levels(),
                hdit.mapping(),
                now.numClasses(),
                hdit.extraWidth(),
                hdit.design());
    }

    /** Whether a network that does the one is a start for the other: what it gives and how it hears the noise. */
    private static boolean sameTask(DiffusionConfig trained, DiffusionConfig now) {
        if (trained instanceof ScheduledDiffusion a && now instanceof ScheduledDiffusion b) {
            return a.parameterization() == b.parameterization()
                    && (a.schedule() instanceof NoiseSchedule.Discrete)
                            == (b.schedule() instanceof NoiseSchedule.Discrete);
        }
        if (trained instanceof PreconditionedDiffusion a && now instanceof PreconditionedDiffusion b) {
            return a.sigmaData() == b.sigmaData();
        }
        if (trained instanceof ScoreVp a && now instanceof ScoreVp b) {
            return a.betaD() == b.betaD() && a.betaMin() == b.betaMin() && a.steps() == b.steps();
        }
        if (trained instanceof ScoreVe && now instanceof ScoreVe) {
            return true;
        }
        return trained instanceof FlowMatching a
                && now instanceof FlowMatching b
                && a.interpolant() == b.interpolant()
                && a.convention() == b.convention();
    }

    private static Map<String, Tensor> fit(Model model, Source from, ClassMap map) {
        ModelConfig.Tables tables = model.config().tables();
        Map<String, Tensor> fitted = new LinkedHashMap<>();
        List<String> problems = new ArrayList<>();
        model.state().forEach((name, tensor) -> {
            Tensor trained = from.weights().get(name);
            if (trained == null) {
                problems.add("missing " + name);
            } else if (name.equals(tables.classes())) {
                fitted.put(name, classes(tensor, trained, model.config(), from.config(), map));
            } else if (Arrays.equals(trained.shape(), tensor.shape())) {
                fitted.put(name, trained);
            } else if (name.equals(tables.positions())) {
                fitted.put(name, positions(trained, from.config().tables(), tables, tensor.shape()));
            } else if (name.endsWith(RelativePositions.INDEX)) {
                fitted.put(name, tensor); // follows from the size
            } else if (name.endsWith(RelativePositions.TABLE)
                    && isRelative(trained, from.config().tables())) {
                fitted.put(name, relativePositions(trained, from.config().tables(), tables));
            } else {
                problems.add(
                        name + " is " + Arrays.toString(trained.shape()) + ", not " + Arrays.toString(tensor.shape()));
            }
        });
        for (String name : from.weights().keySet()) {
            if (!model.state().containsKey(name)) {
                problems.add("extra " + name);
            }
        }
        if (!problems.isEmpty()) {
            throw new CheckpointException("--init does not fit the recipe's model: " + String.join("; ", problems));
        }
        return fitted;
    }

    /** Rows by the map; that of "no class" stays that of "no class". */
    private static Tensor classes(Tensor fresh, Tensor trained, ModelConfig now, ModelConfig old, ClassMap map) {
        Tensor table = fresh.detach().clone();
        for (int row = 0; row < now.numClasses(); row++) {
            int from = map.rows().get(row);
            if (from >= 0) {
                table.select(0, row).copy_(trained.select(0, from));
            }
        }
        if (now.nullClass() && old.nullClass()) {
            table.select(0, now.numClasses()).copy_(trained.select(0, old.numClasses()));
        }
        return table;
    }

    /** (1, T, D) or (H, W, D), interpolated bicubically over the picture. */
    private static Tensor positions(Tensor trained, ModelConfig.Tables old, ModelConfig.Tables now, long[] shape) {
        long d = shape[shape.length - 1];
        Tensor map = trained.to(ScalarType.Double)
                .view(1, old.rows(), old.columns(), d)
                .permute(0, 3, 1, 2)
                .contiguous(); // (1, D, H, W)
        Tensor resized = torch.upsample_bicubic2d(
                map, new long[] {now.rows(), now.columns()}, false, new DoubleOptional(), new DoubleOptional());
        return resized.permute(0, 2, 3, 1).reshape(shape);
    }

    /** Whether a table (M, h) holds the relative positions of the whole grid of tokens. */
    private static boolean isRelative(Tensor trained, ModelConfig.Tables old) {
        return trained.dim() == 2 && trained.size(0) == (2L * old.rows() - 1) * (2L * old.columns() - 1);
    }

    /** (M, h), M = (2R − 1)·(2C − 1), interpolated bicubically over the differences of rows and columns. */
    private static Tensor relativePositions(Tensor trained, ModelConfig.Tables old, ModelConfig.Tables now) {
        long heads = trained.size(1);
        Tensor map = trained.to(ScalarType.Double)
                .view(1, 2L * old.rows() - 1, 2L * old.columns() - 1, heads)
                .permute(0, 3, 1, 2)
                .contiguous(); // (1, h, 2R − 1, 2C − 1)
        Tensor resized = torch.upsample_bicubic2d(
                map,
                new long[] {2L * now.rows() - 1, 2L * now.columns() - 1},
                false,
                new DoubleOptional(),
                new DoubleOptional());
        return resized.permute(0, 2, 3, 1).reshape(-1, heads);
    }
}
