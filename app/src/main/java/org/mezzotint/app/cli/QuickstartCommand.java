package org.mezzotint.app.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.LongStream;
import org.mezzotint.diffusion.DiffusionConfig;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Png;
import org.mezzotint.models.Model;
import org.mezzotint.models.ModelBundle;
import org.mezzotint.sample.ImageGrid;
import org.mezzotint.tensor.Precision;
import org.mezzotint.train.RunDirectory;
import org.mezzotint.train.TrainConfig;
import org.mezzotint.train.Trainer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** From nothing to pictures in a few minutes. */
@Command(
        name = "quickstart",
        mixinStandardHelpOptions = true,
        description = {
            "Train a small diffusion transformer from scratch on built-in pictures of coloured shapes, and draw 100 new ones.",
            "Takes about five minutes on two processor cores and needs no data."
        })
final class QuickstartCommand implements Callable<Integer> {
    private static final int COUNT = 100;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            defaultValue = "runs/quickstart",
            description = "the run's folder (default: runs/quickstart); an earlier quickstart's is numbered on")
    private Path out;

    @Option(names = "--seed", paramLabel = "N", defaultValue = "0", description = "of all random numbers (default: 0)")
    private long seed;

    @Mixin
    private MachineOptions machine;

    @Override
    public Integer call() {
        long start = System.nanoTime();
        TrainConfig config = Recipes.read("configs/quickstart.yaml", List.of()).withSeed(seed);
        Path folder = free(out);
        System.out.println("training a diffusion transformer on pictures of coloured shapes, into " + folder);
        Trainer.Outcome outcome = TrainRun.run(
                new TrainRun.Request(
                        config, Optional.empty(), Optional.empty(), Optional.empty(), folder, false, machine.open()),
                Interrupts.handle()::requested,
                System.out,
                List.of(new TrainConsole(System.out)));
        if (outcome == Trainer.Outcome.INTERRUPTED) {
            System.out.println("interrupted; go on with: " + Terminal.command()
                    + " train configs/quickstart.yaml --seed " + seed + " --out " + folder + " --resume");
            return Interrupts.EXIT;
        }
        Path sheet = folder.resolve("samples.png");
        draw(RunDirectory.find(folder).newestBundle(), sheet);
        System.out.println("wrote " + sheet + ": " + COUNT + " pictures drawn by the model, "
                + Sizes.duration((System.nanoTime() - start) / 1e9) + " in all");
        System.out.println("next: " + Terminal.command() + " sample " + folder + " --seeds 100-199 --out "
                + folder.resolve("drawn"));
        return 0;
    }

    /** The folder, or the first of folder-2, folder-3 … that holds no run. */
    private static Path free(Path wanted) {
        Path candidate = wanted;
        for (int i = 2; Files.exists(candidate.resolve(RunDirectory.CONFIG_FILE)); i++) {
            if (i > 10_000) {
                throw new InputException("too many quickstart runs beside " + wanted);
            }
            candidate = wanted.resolveSibling(wanted.getFileName() + "-" + i);
        }
        return candidate;
    }

    private void draw(Path file, Path sheet) {
        try (ModelBundle bundle = ModelBundle.open(file);
                Model model = bundle.load(ModelBundle.Weights.EMA, Precision.FLOAT32, machine.open())) {
            SamplingConfig sampling = bundle.section("sampling", SamplingConfig.class);
            if (model.device().is_cpu()) {
                model.pack(COUNT);
            }
            Pictures pictures = new Pictures(
                    model, bundle.section("diffusion", DiffusionConfig.class), sampling, Decoder.none(), COUNT);
            long[] seeds = LongStream.range(0, COUNT).toArray();
            long[] labels = Pictures.inTurn(new long[0], COUNT, bundle.config().numClasses());
            ImageGrid.Sheet grid = pictures.grid(pictures.list(seeds, labels));
            Png.write(sheet, grid.width(), grid.height(), grid.rgb(), pictures.settings());
        }
    }
}
