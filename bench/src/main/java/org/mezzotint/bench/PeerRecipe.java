package org.mezzotint.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.mezzotint.data.DataConfig;
import org.mezzotint.data.Dataset;
import org.mezzotint.data.Subset;
import org.mezzotint.diffusion.DiffusionLoss;
import org.mezzotint.diffusion.LossWeighting;
import org.mezzotint.diffusion.NoiseSchedule;
import org.mezzotint.diffusion.ScheduledDiffusion;
import org.mezzotint.io.AtomicFiles;
import org.mezzotint.io.Safetensors;
import org.mezzotint.io.Yaml;
import org.mezzotint.models.DiTConfig;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;
import org.mezzotint.train.Ema;
import org.mezzotint.train.LrSchedule;
import org.mezzotint.train.TrainConfig;
import org.mezzotint.train.Validator;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Writes what the PyTorch peer needs to train a recipe of ours and to validate as ours does. */
@Command(
        name = "peer-recipe",
        mixinStandardHelpOptions = true,
        description = "Write config.json, val-indices.txt and val-noise.safetensors for 'dit_peer.py train'.")
public final class PeerRecipe implements Callable<Integer> {
    private static final Set<DiffusionLoss.Kind> LOSSES =
            EnumSet.of(DiffusionLoss.Kind.MSE, DiffusionLoss.Kind.MSE_VLB);

    @Parameters(index = "0", paramLabel = "RECIPE", description = "YAML file of a DiT on pictures")
    private Path recipe;

    @Option(names = "--data", paramLabel = "PATH", required = true, description = "zip or folder of pictures")
    private Path data;

    @Option(names = "--out", paramLabel = "DIR", required = true, description = "folder to write into")
    private Path out;

    /**
     * Writes the files and ends the process: 0 done, 2 a recipe that the peer cannot train, 3 anything else.
     *
     * @param arguments the command line
     */
    public static void main(String... arguments) {
        System.exit(SideBySide.commandLine(new PeerRecipe()).execute(arguments));
    }

    @Override
    public Integer call() throws IOException {
        TrainConfig config = Yaml.read(recipe, TrainConfig.class);
        Map<String, Object> peer = translate(config);
        try (Dataset all = config.data()
                .open(
                        Optional.of(data),
                        config.model().height(),
                        config.model().width(),
                        config.model().channels())) {
            int held = config.validation().images();
            Files.createDirectories(out);
            AtomicFiles.writeString(out.resolve("config.json"), Yaml.toJson(peer) + "\n");
            AtomicFiles.writeString(
                    out.resolve("val-indices.txt"),
                    Arrays.stream(Subset.split(all, held).validation().indices())
                            .mapToObj(Integer::toString)
                            .collect(Collectors.joining("\n", "", "\n")));
            try (Scope scope = Scope.open()) {
                int[] levels = config.diffusion()
                        .objective()
                        .levels(Validator.levels(held))
                        .index();
                Safetensors.write(
                        out.resolve("val-noise.safetensors"),
                        Map.of(
                                "noise",
                                Validator.noise(held, all.channels(), all.height(), all.width()),
                                "t",
                                Tensors.of(Arrays.stream(levels).asLongStream().toArray())),
                        Map.of());
            }
        }
        return 0;
    }

    /**
     * The recipe in the peer's words.
     *
     * @throws IllegalArgumentException naming what the peer does not have
     */
    static Map<String, Object> translate(TrainConfig config) {
        TrainConfig.Training training = config.training();
        if (!(config.model() instanceof DiTConfig model)
                || model.conditioning() != DiTConfig.Conditioning.ADALN_ZERO
                || model.height() != model.width()
                || !model.nullClass()) {
            throw new IllegalArgumentException(
                    "the peer trains square, class-conditional adaLN-Zero DiT with a null class only, got "
                            + config.model());
        }
        if (!(config.diffusion() instanceof ScheduledDiffusion diffusion)
                || !(diffusion.schedule() instanceof NoiseSchedule.Discrete schedule)
                || !LOSSES.contains(diffusion.loss())
                || !(diffusion.weighting() instanceof LossWeighting.Uniform)
                || !(training.ema() instanceof Ema.Constant ema)
                || !(training.schedule() instanceof LrSchedule.Constant rate)
                || training.epsilon() != 1e-8
                || schedule.steps() != 1000
                || !(config.data() instanceof DataConfig.Pictures pictures)
                || !pictures.flip()) {
            throw new IllegalArgumentException(
                    "the peer has pictures with flips, discrete schedules of 1000 steps, losses mse and mse-vlb, uniform weighting, a constant learning"
                            + " rate after a warm-up, a constant decay of the average and epsilon 1e-8 only");
        }
        Map<String, Object> peer = new LinkedHashMap<>();
        peer.put("steps", training.durationImages() / training.batchSize());
        peer.put("batchSize", training.batchSize());
        peer.put("patchSize", model.patchSize());
        peer.put("hiddenSize", model.hiddenSize());
        peer.put("depth", model.depth());
        peer.put("numHeads", model.numHeads());
        peer.put("mlpRatio", model.mlpRatio());
        peer.put("numClasses", model.numClasses());
        peer.put("learnSigma", model.learnSigma());
        peer.put("schedule", schedule instanceof NoiseSchedule.Linear ? "linear" : "squaredcos");
        peer.put("prediction", diffusion.parameterization());
        peer.put("loss", diffusion.loss());
        peer.put("learningRate", training.learningRate());
        peer.put("warmupImages", rate.warmupImages());
        peer.put("beta1", training.beta1());
        peer.put("beta2", training.beta2());
        peer.put("weightDecay", training.weightDecay());
        peer.put("gradientClip", training.gradientClip());
        peer.put("emaDecay", ema.decay());
        peer.put("classDropout", training.classDropout());
        return peer;
    }
}
