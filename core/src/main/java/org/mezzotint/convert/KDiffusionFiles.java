package org.mezzotint.convert;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.GuidanceSchedule;
import org.mezzotint.diffusion.PreconditionedDiffusion;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.diffusion.SigmaGrid;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.io.InputException;
import org.mezzotint.io.TensorFile;
import org.mezzotint.io.TorchFile;
import org.mezzotint.models.HDiT;
import org.mezzotint.models.HDiTConfig;
import org.mezzotint.models.Model;
import org.mezzotint.models.layers.Init;

/**
 * HDiT's files of k-diffusion: safetensors for inference with the configuration in the header, and training checkpoints with
 * {@code config}, {@code model}, {@code model_ema}, {@code opt}, {@code sched} and {@code ema_sched}. Names are ours already.
 */
public final class KDiffusionFiles {
    private static final int DEMO_STEPS = 50;

    private KDiffusionFiles() {}

    /**
     * Reads a file.
     *
     * @param file open
     * @param withTraining whether the state of the optimiser is read, where the file has it
     * @return tensors in the caller's scope
     */
    public static Checkpoint read(TensorFile file, boolean withTraining) {
        String where = file.source();
        if (file instanceof TorchFile torch) {
            return training(torch, where, withTraining);
        }
        String json = file.metadata().get("config");
        if (json == null) {
            throw new CheckpointException(
                    where + ": the header has no entry 'config', which k-diffusion's inference files have");
        }
        KDiffusionConfig config = new KDiffusionConfig(Fields.ofJson(where + " (config)", json), "");
        Checkpoint read = of(config, DiTFiles.tensors(file, ""), Map.of(), Optional.empty());
        config.finish();
        return read;
    }

    private static Checkpoint of(
            KDiffusionConfig config,
            Map<String, Tensor> weights,
            Map<String, Tensor> average,
            Optional<Checkpoint.Training> training) {
        PreconditionedDiffusion diffusion = config.diffusion();
        return new Checkpoint(
                config.model(),
                diffusion,
                sampling(diffusion),
                Optional.empty(),
                List.of(),
                weights,
                average,
                training);
    }

    /** train.py's demo: DPM++(2M) SDE without noise over Karras levels. */
    private static SamplingConfig sampling(PreconditionedDiffusion diffusion) {
        return new SamplingConfig(
                SamplingConfig.Solver.DPMPP_2M_SDE_HEUN,
                0,
                Integer.toString(DEMO_STEPS),
                new SigmaGrid.Karras(diffusion.sigmaMin(), diffusion.sigmaMax(), 7),
                1,
                new GuidanceSchedule.Constant(),
                SamplingConfig.GuidedChannels.ALL,
                false,
                false);
    }

    private static Checkpoint training(TorchFile file, String where, boolean withTraining) {
        Map<String, Object> config = new LinkedHashMap<>();
        file.values().forEach((name, value) -> {
            if (name.startsWith("config.")) {
                config.put(name, value);
            }
        });
        if (config.isEmpty()) {
            throw new CheckpointException(where + ": no 'config' in the file, which k-diffusion's checkpoints have");
        }
        KDiffusionConfig fields = new KDiffusionConfig(new Fields(where, config), "config.");
        Map<String, Tensor> weights = DiTFiles.tensors(file, "model.");
        Optional<Checkpoint.Training> state = withTraining && file.contains("opt.state.0.exp_avg")
                ? Optional.of(state(file, fields, weights, where))
                : Optional.empty();
        Checkpoint read = of(fields, weights, DiTFiles.tensors(file, "model_ema."), state);
        fields.finish();
        return read;
    }

    private static Checkpoint.Training state(
            TorchFile file, KDiffusionConfig config, Map<String, Tensor> weights, String where) {
        List<String> order = optimizerOrder(config.model());
        Map<String, Tensor> moments = new LinkedHashMap<>();
        long steps = -1;
        for (int i = 0; i < order.size(); i++) {
            String name = order.get(i);
            if (!weights.containsKey(name)) {
                throw new CheckpointException(where + ": no tensor model." + name);
            }
            steps = OptimizerState.add(file, i, name, weights.get(name), moments, steps);
        }
        for (String schedule : new String[] {"sched", "ema_sched"}) {
            Object epoch = file.values().get(schedule + ".last_epoch");
            if (!(epoch instanceof Long updates) || updates != steps) {
                throw new CheckpointException(where + ": " + schedule + " has seen " + epoch
                        + " updates, the optimiser " + steps + ": such a run cannot go on here");
            }
        }
        return new Checkpoint.Training(moments, steps, config.recipe());
    }

    /** Four groups: decayed, not decayed, and the same of the mapping network; in each the state-dict order. */
    static List<String> optimizerOrder(HDiTConfig config) {
        List<List<String>> groups = List.of(new ArrayList<>(), new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
        try (Init init = Init.shapesOnly();
                HDiT shapes = new HDiT(config, init)) {
            for (String name : shapes.trainable().keySet()) {
                Model.Tuning tuning = shapes.tuning(name);
                int group = (tuning.learningRateScale() < 1 ? 2 : 0) + (tuning.weightDecay() ? 0 : 1);
                groups.get(group).add(name);
            }
        }
        return groups.stream().flatMap(List::stream).toList();
    }

    /**
     * The header's entry {@code config} of an inference file.
     *
     * @param checkpoint of an HDiT
     * @return its JSON tree
     * @throws InputException if k-diffusion has no such model
     */
    public static Map<String, Object> config(Checkpoint checkpoint) {
        if (!(checkpoint.model() instanceof HDiTConfig model)
                || !(checkpoint.diffusion() instanceof PreconditionedDiffusion diffusion)) {
            throw new InputException(
                    "only an HDiT with diffusion.type preconditioned can be written for k-diffusion, got "
                            + checkpoint.model().getClass().getSimpleName() + " and "
                            + checkpoint.diffusion().getClass().getSimpleName());
        }
        return KDiffusionConfig.of(model, diffusion);
    }
}
