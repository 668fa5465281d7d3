package org.mezzotint.app.cli;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.Device;
import org.mezzotint.data.DataConfig;
import org.mezzotint.data.Dataset;
import org.mezzotint.data.Subset;
import org.mezzotint.diffusion.DiffusionConfig;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.io.AtomicFiles;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Png;
import org.mezzotint.models.Model;
import org.mezzotint.models.ModelBundle;
import org.mezzotint.sample.ImageGrid;
import org.mezzotint.tensor.Precision;
import org.mezzotint.train.DenoisingError;
import org.mezzotint.train.DivergedException;
import org.mezzotint.train.LrSchedule;
import org.mezzotint.train.RunDirectory;
import org.mezzotint.train.TrainConfig;
import org.mezzotint.train.Trainer;

/** One configuration of a study: a run that ends with the budget, and its strip of samples. */
final class StudyRow {
    static final String SAMPLES = "samples.png";
    private static final String DIVERGED = "diverged.txt";
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

    String name() {
        return name;
    }

    TrainConfig config() {
        return config;
    }

    Path folder() {
        return folder;
    }

    /** What decides which pictures are held out, besides the data set given. */
    Object heldOut() {
        return List.of(
                config.validation().images(),
                config.model().height(),
                config.model().width(),
                config.model().channels(),
                drawn());
    }

    /** Which pictures the program draws; those of a folder are the same for all rows. */
    private Object drawn() {
        if (config.data() instanceof DataConfig.Shapes shapes) {
            return List.of(shapes.size(), shapes.shapes(), shapes.colours(), shapes.seed());
        }
        return config.data() instanceof DataConfig.Scenes scenes
                ? List.of(scenes.size(), scenes.seed(), scenes.part())
                : "pictures";
    }

    /** Refuses a row that could not start. */
    void check(Dataset pictures) {
        Trainer.checkMemory(config);
        Trainer.checkDataset(config, pictures);
    }

    /** Trains, resumes or finds everything done, and draws; returns early if {@code stop} asks for it. */
    void run(Optional<Path> data, Device device, String title, BooleanSupplier stop, PrintStream out) {
        if (!trained() && diverged().isEmpty()) {
            boolean resume = Files.exists(folder.resolve(RunDirectory.CONFIG_FILE));
            TrainRun.Request request =
                    new TrainRun.Request(config, data, Optional.empty(), Optional.empty(), folder, resume, device);
            try (Dataset unflipped = request.open(true, Optional.empty())) {
                int count = TrainRun.heldOut(config, unflipped);
                StudyWatch watch = new StudyWatch(
                        folder,
                        title,
                        study.budget(),
                        new DenoisingError(Subset.split(unflipped, count).validation(), study.pictures(), BATCH),
                        study.pictures(),
                        out);
                TrainRun.run(request, () -> stop.getAsBoolean() || watch.spent(), out, List.of(watch));
            } catch (DivergedException e) {
                AtomicFiles.writeString(folder.resolve(DIVERGED), e.getMessage() + "\n");
                out.println(title + ": " + e.getMessage());
            }
        }
        if (study.samples() > 0 && trained()) {
            draw(device);
        }
    }

    /** Why the row could not be trained to its end; the study goes on without it. */
    Optional<String> diverged() {
        try {
            Path file = folder.resolve(DIVERGED);
            return Files.exists(file) ? Optional.of(Files.readString(file).strip()) : Optional.empty();
        } catch (IOException e) {
            throw new InputException("cannot read " + folder.resolve(DIVERGED) + ": " + InputException.reason(e), e);
        }
    }

    /**
     * Whether the budget is used up and the curve goes to its end.
     *
     * @throws InputException if the folder holds a row of another recipe, budget or measurement
     */
    boolean trained() {
        if (!Files.exists(folder.resolve(RunDirectory.CONFIG_FILE))) {
            return false;
        }
        RunDirectory run = RunDirectory.find(folder);
        try {
            Trainer.checkRecipe(run, config);
        } catch (InputException e) {
            throw new InputException("row " + name + ": " + e.getMessage(), e);
        }
        NavigableMap<Long, String> times = StudyWatch.rows(folder.resolve(StudyWatch.TIMES));
        NavigableMap<Long, String> curve = StudyWatch.rows(folder.resolve(StudyWatch.CURVE));
        checkMeasured(curve);
        if (times.isEmpty() || !curve.containsKey(times.lastKey())) {
            return false;
        }
        long images = times.lastKey();
        Optional<Path> newest = run.complete().stream().findFirst();
        if (newest.isEmpty() || !newest.get().endsWith(RunDirectory.name(images))) {
            return false;
        }
        if (study.budget() instanceof StudyConfig.Minutes time) {
            return Double.parseDouble(times.lastEntry().getValue()) >= 60 * time.minutes();
        }
        if (images > config.training().durationImages()) {
            throw new InputException("row " + name + " has seen " + images + " pictures, more than the budget of "
                    + config.training().durationImages());
        }
        return images == config.training().durationImages();
    }

    private void checkMeasured(NavigableMap<Long, String> curve) {
        for (String line : curve.values()) {
            String pictures = line.split(",", 3)[1];
            if (!pictures.equals(Integer.toString(study.pictures()))) {
                throw new InputException("row " + name + " was measured on " + pictures
                        + " pictures, the study asks for " + study.pictures());
            }
        }
    }

    /** Draws the strip unless there is one of these weights and this length. */
    private void draw(Device device) {
        Path newest = RunDirectory.find(folder).newestBundle();
        Map<String, String> identity = Map.of(
                "checkpoint", newest.getParent().getFileName().toString(), "count", Integer.toString(study.samples()));
        Path strip = folder.resolve(SAMPLES);
        if (Files.exists(strip) && Png.readText(strip).entrySet().containsAll(identity.entrySet())) {
            return;
        }
        try (ModelBundle bundle = ModelBundle.open(newest);
                Model model = bundle.load(ModelBundle.Weights.EMA, Precision.FLOAT32, device)) {
            Pictures pictures = new Pictures(
                    model,
                    bundle.section("diffusion", DiffusionConfig.class),
                    bundle.section("sampling", SamplingConfig.class),
                    Decoder.none(),
                    BATCH);
            long[] seeds = LongStream.range(0, study.samples()).toArray();
            long[] labels =
                    Pictures.inTurn(new long[0], seeds.length, bundle.config().numClasses());
            ImageGrid.Sheet drawn = ImageGrid.of(
                    pictures.list(seeds, labels),
                    bundle.config().width(),
                    bundle.config().height(),
                    seeds.length,
                    1);
            Map<String, String> text = new HashMap<>(pictures.settings());
            text.putAll(identity);
            Png.write(strip, drawn.width(), drawn.height(), drawn.rgb(), text);
        }
    }
}
