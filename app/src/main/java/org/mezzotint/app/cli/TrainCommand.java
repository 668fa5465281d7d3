package org.mezzotint.app.cli;

import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.mezzotint.train.TrainConfig;
import org.mezzotint.train.Trainer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Trains a model from a recipe. */
@Command(
        name = "train",
        mixinStandardHelpOptions = true,
        description = {
            "Train a model from a recipe.",
            "Ctrl-C finishes the step, saves and says how to go on. A resumed run continues to the last bit."
        })
final class TrainCommand implements Callable<Integer> {
    @Parameters(index = "0", paramLabel = "RECIPE", description = "a YAML file, such as configs/cifar10-dit.yaml")
    private String recipe;

    @Option(
            names = "--data",
            paramLabel = "PATH",
            description =
                    "folder or zip of pictures, classes as sub-folders; tar shards, such as train-{000..146}.tar in"
                            + " quotes; a folder of MNIST's files; or latents")
    private Path data;

    @Option(
            names = "--autoencoder",
            paramLabel = "PATH",
            description = {
                Autoencoders.DESCRIPTION,
                "With latents in --data it only draws the previews; with pictures it encodes them at every step."
            })
    private Path autoencoder;

    @Option(names = "--out", paramLabel = "DIR", required = true, description = "the run's folder")
    private Path out;

    @Option(
            names = "--set",
            paramLabel = "KEY=VALUE",
            description = "overrides one entry of the recipe, such as training.batchSize=32; may be repeated")
    private List<String> settings = new ArrayList<>();

    @Option(
            names = "--duration",
            paramLabel = "N",
            description = "pictures to see in all, such as 400000, 400k or 1.5M")
    private String duration;

    @Option(
            names = "--seed",
            paramLabel = "N",
            description = "of all random numbers (default: the recipe's training.seed)")
    private Long seed;

    @Option(
            names = "--init",
            paramLabel = "MODEL",
            description =
                    "start from a trained model of the same kind: a run, a bundle or a folder of diffusers; other classes"
                            + " and another size are fitted")
    private Path init;

    @Option(
            names = "--class-map",
            paramLabel = "FILE",
            description =
                    "for --init: a YAML file of new class names to old names or numbers, for those not called alike")
    private Path classMap;

    @Option(
            names = "--evaluate-every",
            paramLabel = "N",
            description = {
                "measure the run now and then: after every N pictures, such as 50k, and at the end, pictures of the averaged",
                "weights against --reference, into evaluation.csv; the training is the same with and without"
            })
    private String evaluateEvery;

    @Option(
            names = "--evaluate-pictures",
            paramLabel = "N",
            description = "how many to draw each time, of seeds from 0 (default: 1000)")
    private Integer evaluatePictures;

    @Option(
            names = "--evaluate-metrics",
            paramLabel = "LIST",
            description = "out of fid, sfid, kid, is, pr, with commas (default: fid)")
    private String evaluateMetrics;

    @Option(
            names = "--reference",
            paramLabel = "REF",
            description = "for --evaluate-every: as evaluate takes it, pictures, features or statistics")
    private Path reference;

    @Option(
            names = "--weights",
            paramLabel = "FILE",
            description = "for --evaluate-every: the measuring network, as evaluate takes it")
    private Path weights;

    @Option(names = "--resume", description = "go on with the run in --out from its newest checkpoint")
    private boolean resume;

    @Mixin
    private MachineOptions machine;

    @Override
    public Integer call() {
        PrintStream console = System.out;
        TrainConfig config = Recipes.read(recipe, settings);
        if (duration != null) {
            config = config.withDuration(Sizes.count("--duration", duration));
        }
        if (seed != null) {
            config = config.withSeed(seed);
        }
        if (classMap != null && init == null) {
            throw new IllegalArgumentException("--class-map is for --init only, got " + classMap);
        }
        Optional<EvaluationListener.Plan> evaluation = evaluation();
        Interrupts interrupts = Interrupts.handle();
        Trainer.Outcome outcome = TrainRun.run(
                new TrainRun.Request(
                        config,
                        Optional.ofNullable(data),
                        Optional.ofNullable(autoencoder),
                        Optional.ofNullable(init).map(path -> new TrainRun.Init(path, Optional.ofNullable(classMap))),
                        out,
                        resume,
                        machine.open(),
                        evaluation),
                interrupts::requested,
                console,
                List.of(new TrainConsole(console)));
        if (outcome == Trainer.Outcome.INTERRUPTED) {
            console.println("interrupted; go on with: " + again());
            return Interrupts.EXIT;
        }
        console.println("done: look at " + out.resolve("samples") + ", draw more with: " + Terminal.command()
                + " sample " + out + " --seeds 0-99 --out " + out.resolve("drawn"));
        return 0;
    }

    private Optional<EvaluationListener.Plan> evaluation() {
        if (evaluateEvery == null) {
            if (reference != null || weights != null || evaluatePictures != null || evaluateMetrics != null) {
                throw new IllegalArgumentException(
                        "--reference, --weights, --evaluate-pictures and --evaluate-metrics are"
                                + " for --evaluate-every only");
            }
            return Optional.empty();
        }
        if (reference == null) {
            throw new IllegalArgumentException("--evaluate-every needs a --reference");
        }
        return Optional.of(new EvaluationListener.Plan(
                Sizes.count("--evaluate-every", evaluateEvery),
                evaluatePictures == null ? 1000 : evaluatePictures,
                reference,
                weights,
                evaluateMetrics == null ? "fid" : evaluateMetrics));
    }

    private String again() {
        StringBuilder command = new StringBuilder(Terminal.command() + " train " + recipe);
        if (data != null) {
            command.append(" --data ").append(data);
        }
        if (autoencoder != null) {
            command.append(" --autoencoder ").append(autoencoder);
        }
        if (init != null) {
            command.append(" --init ").append(init);
        }
        if (classMap != null) {
            command.append(" --class-map ").append(classMap);
        }
        settings.forEach(setting -> command.append(" --set ").append(setting));
        if (duration != null) {
            command.append(" --duration ").append(duration);
        }
        if (seed != null) {
            command.append(" --seed ").append(seed);
        }
        append(command, "--evaluate-every", evaluateEvery);
        append(command, "--evaluate-pictures", evaluatePictures);
        append(command, "--evaluate-metrics", evaluateMetrics);
        append(command, "--reference", reference);
        append(command, "--weights", weights);
        return command.append(machine.given()) + " --out " + out + " --resume";
    }

    private static void append(StringBuilder command, String option, Object value) {
        if (value != null) {
            command.append(' ').append(option).append(' ').append(value);
        }
    }
}
