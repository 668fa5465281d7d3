package org.mezzotint.app.cli;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.DoubleStream;
import org.mezzotint.io.AtomicFiles;
import org.mezzotint.io.InputException;
import org.mezzotint.train.DenoisingError;
import org.mezzotint.train.TrainListener;
import org.mezzotint.train.TrainState;
import org.mezzotint.train.Validator;

/**
 * Watches one row of a study: counts its time and keeps its curve, {@code denoising.csv}, with a row at each validation. Both go
 * on where the run's checkpoint is when it is resumed.
 */
final class StudyWatch implements TrainListener {
    static final String CURVE = "denoising.csv";
    static final String TIMES = "seconds.csv";

    private final Path folder;
    private final String title;
    private final StudyConfig.Budget budget;
    private final DenoisingError error;
    private final int pictures;
    private final PrintStream out;
    private final TreeMap<Long, String> curve = new TreeMap<>();
    private final TreeMap<Long, String> times = new TreeMap<>();
    private TrainState state;
    private double seconds;

    StudyWatch(
            Path folder, String title, StudyConfig.Budget budget, DenoisingError error, int pictures, PrintStream out) {
        this.folder = folder;
        this.title = title;
        this.budget = budget;
        this.error = error;
        this.pictures = pictures;
        this.out = out;
    }

    @Override
    public void started(TrainState begun, long durationImages) {
        state = begun;
        long images = begun.progress().images();
        curve.putAll(rows(folder.resolve(CURVE)).headMap(images, true));
        times.putAll(rows(folder.resolve(TIMES)).headMap(images, true));
        seconds = times.isEmpty() ? 0 : Double.parseDouble(times.lastEntry().getValue());
    }

    /** The rows of a CSV file by their first column, pictures seen; those below the header. */
    static NavigableMap<Long, String> rows(Path file) {
        TreeMap<Long, String> rows = new TreeMap<>();
        if (Files.isRegularFile(file)) {
            try {
                for (String line : Files.readAllLines(file)) {
                    String[] cells = line.split(",", 2);
                    if (cells.length == 2 && cells[0].matches("[0-9]{1,18}")) {
                        rows.put(Long.parseLong(cells[0]), cells[1]);
                    }
                }
            } catch (IOException e) {
                throw new InputException("cannot read " + file + ": " + InputException.reason(e), e);
            }
        }
        return rows;
    }

    /** Whether the budget of time is used up; one of pictures is the run's own affair. */
    boolean spent() {
        return budget instanceof StudyConfig.Minutes time && seconds >= 60 * time.minutes();
    }

    @Override
    public void stepped(StepReport report) {
        seconds += report.seconds();
    }

    @Override
    public void validated(long images, Validator.Result result) {
        measure();
    }

    /** Adds a point to the curve unless it is there. */
    private void measure() {
        long images = state.progress().images();
        if (curve.containsKey(images)) {
            return;
        }
        DenoisingError.Result result =
                error.evaluate(state.average(), state.config().diffusion());
        curve.put(
                images,
                String.format(Locale.ROOT, "%.3f,%d,%.6f,", seconds, pictures, result.mean())
                        + DoubleStream.of(result.levels())
                                .mapToObj(value -> String.format(Locale.ROOT, "%.6g", value))
                                .collect(Collectors.joining(",")));
        write(CURVE, "images,seconds,pictures,error," + levelNames(), curve);
        out.println(String.format(
                Locale.ROOT,
                "%s: denoising error %.5f at %,d pictures, %s of training",
                title,
                result.mean(),
                images,
                Sizes.duration(seconds)));
    }

    private static String levelNames() {
        return DoubleStream.of(DenoisingError.logSnrs())
                .mapToObj(value -> String.format(Locale.ROOT, "logsnr_%.1f", value))
                .collect(Collectors.joining(","));
    }

    /** Before a checkpoint is complete, so that each complete one has its time. */
    @Override
    public void saving(long images) {
        times.put(images, Double.toString(seconds));
        write(TIMES, "images,seconds", times);
        if (spent() || images >= state.config().training().durationImages()) {
            measure();
        }
    }

    @Override
    public void note(String text) {
        out.println(title + ": " + text);
    }

    private void write(String name, String header, Map<Long, String> rows) {
        List<String> lines = new ArrayList<>(List.of(header));
        rows.forEach((images, row) -> lines.add(images + "," + row));
        AtomicFiles.writeString(folder.resolve(name), String.join("\n", lines) + "\n");
    }
}
