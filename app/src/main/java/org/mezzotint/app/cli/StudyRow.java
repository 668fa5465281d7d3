package org.mezzotint.app.cli;

import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.Device;
import org.mezzotint.data.Dataset;
import org.mezzotint.data.Subset;
import org.mezzotint.diffusion.DiffusionConfig;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Png;
import org.mezzotint.models.Model;
import org.mezzotint.models.ModelBundle;
import org.mezzotint.sample.ImageGrid;
import org.mezzotint.tensor.Precision;
import org.mezzotint.train.DenoisingError;
import org.mezzotint.train.LrSchedule;
import org.mezzotint.train.RunDirectory;
import org.mezzotint.train.TrainConfig;

/** One configuration of a study: a run that ends with the budget, and its strip of samples. */
final class StudyRow {
    static final String SAMPLES = "samples.png";
    private static final int BATCH = 32;
    /** More than any run sees: the clock ends it. */
    private static final long UNLIMITED = 1_000_000_000_000L;

    private final StudyConfig study;
    private final String name;
    private final TrainConfig config;
    private final Path folder;

    /** Resolves the row's recipe. */
    StudyRow(StudyConfig study, StudyConfig.Row row, String recipe, Path folder) {
        this.study = study;
        this.folder = folder;
        name = row.name();
        TrainConfig read = Recipes.read(recipe, row.set());
        boolean timed = study.budget() instanceof StudyConfig.Minutes;
        if (timed && read.training().schedule() instanceof LrSchedule.Cosine) {
            throw new InputException("row " + name
                    + ": a cosine learning rate needs a budget of images, its length in minutes is not known before");
        }
        if (study.pictures() > read.validation().images()) {
            throw new InputException("row " + name + ": the study compares on " + study.pictures()
                    + " pictures, the recipe holds out validation.images of "
                    + read.validation().images());
        }
        config = read.withDuration(study.budget() instanceof StudyConfig.Images budget ? budget.images() : UNLIMITED);
    }

    TrainConfig config() {
        return config;
    }

    StudyReport.Finished finished() {
        return new StudyReport.Finished(name, config, folder);
    }

    /** Trains, resumes or finds everything done; false if {@code stop} asked to leave before the end. */
    boolean run(Optional<Path> data, Device device, String title, BooleanSupplier stop, PrintStream out) {
        if (!trained()) {
            boolean resume = Files.exists(folder.resolve(RunDirectory.CONFIG_FILE));
            TrainRun.Request request = new TrainRun.Request(config, data, folder, resume, device);
            try (Dataset unflipped = TrainRun.unflipped(request)) {
                Dataset held =
                        Subset.split(unflipped, config.validation().images()).validation();
                StudyWatch watch = new StudyWatch(
                        folder, title, study.budget(), new DenoisingError(held, study.pictures(), BATCH), out);
                TrainRun.run(request, () -> stop.getAsBoolean() || watch.spent(), out, List.of(watch));
            }
        }
        if (!trained()) {
            return false;
        }
        if (!RunDirectory.find(folder).config().equals(config)) {
            throw new InputException("row " + name + " in " + folder + " was trained with another recipe");
        }
        if (study.samples() > 0 && !Files.exists(folder.resolve(SAMPLES))) {
            draw(device);
        }
        return true;
    }

    /** Whether the budget is used up and the curve goes to its end. */
    private boolean trained() {
        NavigableMap<Long, String> times = StudyWatch.rows(folder.resolve(StudyWatch.TIMES));
        NavigableMap<Long, String> curve = StudyWatch.rows(folder.resolve(StudyWatch.CURVE));
        if (times.isEmpty() || !curve.containsKey(times.lastKey())) {
            return false;
        }
        Path newest = RunDirectory.find(folder).complete().stream().findFirst().orElse(null);
        if (newest == null || !newest.endsWith(RunDirectory.name(times.lastKey()))) {
            return false;
        }
        return study.budget() instanceof StudyConfig.Minutes time
                ? Double.parseDouble(times.lastEntry().getValue()) >= 60 * time.minutes()
                : times.lastKey() >= config.training().durationImages();
    }

    private void draw(Device device) {
        try (ModelBundle bundle = ModelBundle.open(RunDirectory.find(folder).newestBundle());
                Model model = bundle.load(ModelBundle.Weights.EMA, Precision.FLOAT32, device)) {
            Pictures pictures = new Pictures(
                    model,
                    bundle.section("diffusion", DiffusionConfig.class),
                    bundle.section("sampling", SamplingConfig.class),
                    BATCH);
            long[] seeds = LongStream.range(0, study.samples()).toArray();
            long[] labels =
                    Pictures.inTurn(new long[0], seeds.length, bundle.config().numClasses());
            ImageGrid.Sheet strip = ImageGrid.of(
                    pictures.list(seeds, labels),
                    bundle.config().width(),
                    bundle.config().height(),
                    seeds.length,
                    1);
            Png.write(folder.resolve(SAMPLES), strip.width(), strip.height(), strip.rgb(), pictures.settings());
        }
    }
}
