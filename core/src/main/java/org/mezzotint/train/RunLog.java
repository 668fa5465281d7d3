package org.mezzotint.train;

import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Clock;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.mezzotint.io.AtomicFiles;
import org.mezzotint.io.EventFile;
import org.mezzotint.io.InputException;
import org.mezzotint.models.ModelConfig;

/**
 * Keeps a run's log, its metrics as CSV, and the same for TensorBoard. When a run goes on from a checkpoint, rows beyond it
 * are removed, so that the files read as if the run had never stopped.
 */
public final class RunLog implements TrainListener {
    private static final String METRICS = "metrics.csv";
    private static final String VALIDATION = "validation.csv";
    private static final String METRICS_HEADER =
            "images,step,loss,mse,vlb,gradient_norm,learning_rate,images_per_second";

    private final Path root;
    private final Clock clock;
    private final int everySteps;
    private BufferedWriter log;
    private BufferedWriter metrics;
    private BufferedWriter validation;
    private EventFile events;
    private long batch;
    private double secondsSince;
    private double lossSince;
    private double mseSince;
    private double vlbSince;
    private List<String> parts = List.of();
    private double[] partsSince = new double[0];
    private int stepsSince;
    private StepReport last;

    /**
     * Opens nothing yet.
     *
     * @param directory of the run
     * @param everySteps steps a row of metrics stands for, as their mean
     * @param clock for time stamps
     */
    public RunLog(RunDirectory directory, int everySteps, Clock clock) {
        root = directory.root();
        this.everySteps = everySteps;
        this.clock = clock;
    }

    @Override
    public void started(TrainState state, long durationImages) {
        long images = state.progress().images();
        batch = state.config().training().batchSize();
        log = append(root.resolve("log.txt"));
        ModelConfig model = state.config().model();
        parts = state.config().diffusion().parts(model.height(), model.width());
        partsSince = new double[parts.size()];
        String header = Stream.concat(Stream.of(METRICS_HEADER), parts.stream()).collect(Collectors.joining(","));
        metrics = continueAt(root.resolve(METRICS), header, images);
        validation =
                continueAt(root.resolve(VALIDATION), "images,loss," + String.join(",", Validator.binNames()), images);
        events = EventFile.open(root, clock.instant());
        if (images > 0) {
            events.restartAt(images + 1, clock.instant());
        }
        note((images == 0 ? "start" : "resume at " + images + " pictures") + ", seed "
                + state.config().training().seed() + ", " + durationImages + " pictures in all");
    }

    /** Opens a CSV file behind its rows up to a number of pictures. */
    private static BufferedWriter continueAt(Path file, String header, long images) {
        List<String> kept = new ArrayList<>(List.of(header));
        if (images > 0 && Files.isRegularFile(file)) {
            try {
                for (String line : Files.readAllLines(file, StandardCharsets.UTF_8)) {
                    String first = line.split(",", 2)[0];
                    if (first.matches("[0-9]{1,18}")
                            && Long.parseLong(first) <= images
                            && columns(line) == columns(header)) {
                        kept.add(line);
                    }
                }
            } catch (IOException e) {
                throw new InputException("cannot read " + file + ": " + e.getMessage(), e);
            }
        }
        AtomicFiles.writeString(file, String.join("\n", kept) + "\n");
        return append(file);
    }

    private static int columns(String line) {
        return line.split(",", -1).length;
    }

    private static BufferedWriter append(Path file) {
        try {
            return Files.newBufferedWriter(
                    file, StandardCharsets.UTF_8, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        } catch (IOException e) {
            throw new InputException("cannot write " + file + ": " + e.getMessage(), e);
        }
    }

    private static void line(BufferedWriter writer, String text) {
        try {
            writer.write(text);
            writer.write('\n');
            writer.flush();
        } catch (IOException e) {
            throw new InputException("cannot write the run's log: " + e.getMessage(), e);
        }
    }

    @Override
    public void stepped(StepReport report) {
        stepsSince++;
        secondsSince += report.seconds();
        lossSince += report.loss();
        mseSince += report.mse();
        vlbSince += report.vlb();
        for (int i = 0; i < partsSince.length; i++) {
            partsSince[i] += report.parts().get(i);
        }
        last = report;
        if (report.step() % everySteps == 0 || report.images() >= report.durationImages()) {
            writeRow();
        }
    }

    private void writeRow() {
        StepReport report = last;
        double loss = lossSince / stepsSince;
        double mse = mseSince / stepsSince;
        double vlb = vlbSince / stepsSince;
        double speed = (double) stepsSince * batch / secondsSince;
        line(
                metrics,
                report.images() + "," + report.step() + "," + csv(loss) + "," + csv(mse) + "," + csv(vlb) + ","
                        + csv(report.gradientNorm()) + "," + csv(report.learningRate()) + ","
                        + String.format(Locale.ROOT, "%.1f", speed)
                        + Arrays.stream(partsSince)
                                .mapToObj(sum -> "," + csv(sum / stepsSince))
                                .collect(Collectors.joining()));
        Instant now = clock.instant();
        scalar("train/loss", report.images(), loss, now);
        scalar("train/mse", report.images(), mse, now);
        scalar("train/vlb", report.images(), vlb, now);
        scalar("train/gradient_norm", report.images(), report.gradientNorm(), now);
        scalar("train/learning_rate", report.images(), report.learningRate(), now);
        scalar("train/images_per_second", report.images(), speed, now);
        for (int i = 0; i < partsSince.length; i++) {
            scalar("train/" + parts.get(i), report.images(), partsSince[i] / stepsSince, now);
        }
        events.flush();
        stepsSince = 0;
        secondsSince = 0;
        lossSince = 0;
        mseSince = 0;
        vlbSince = 0;
        Arrays.fill(partsSince, 0);
    }

    private void scalar(String tag, long images, double value, Instant now) {
        if (Double.isFinite(value)) {
            events.scalar(tag, images, value, now);
        }
    }

    private static String csv(double value) {
        return Double.isNaN(value) ? "" : Double.toString(value);
    }

    @Override
    public void validated(long images, Validator.Result result) {
        StringBuilder row = new StringBuilder(images + "," + csv(result.loss()));
        Instant now = clock.instant();
        scalar("validation/loss", images, result.loss(), now);
        String[] names = Validator.binNames();
        for (int i = 0; i < names.length; i++) {
            row.append(',').append(csv(result.bins()[i]));
            scalar("validation/" + names[i], images, result.bins()[i], now);
        }
        line(validation, row.toString());
        events.flush();
        note(String.format(Locale.ROOT, "validation loss %.5f at %d pictures", result.loss(), images));
    }

    @Override
    public void saving(long images) {
        if (stepsSince > 0) {
            writeRow(); // so that a run resumed from here has the same rows
        }
    }

    @Override
    public void saved(Path checkpoint, long images) {
        note("saved " + root.relativize(checkpoint));
    }

    /**
     * Adds a number for TensorBoard, unless it is not finite.
     *
     * @param tag its name
     * @param images pictures seen
     * @param value of it
     */
    public void scalar(String tag, long images, double value) {
        scalar(tag, images, value, clock.instant());
        events.flush();
    }

    /**
     * Adds a picture for TensorBoard.
     *
     * @param tag its name
     * @param images pictures seen
     * @param png encoded
     * @param width in pixels
     * @param height in pixels
     */
    public void image(String tag, long images, byte[] png, int width, int height) {
        events.image(tag, images, png, width, height, clock.instant());
        events.flush();
    }

    @Override
    public void note(String text) {
        line(log, clock.instant().truncatedTo(ChronoUnit.SECONDS) + " " + text);
    }

    @Override
    public void close() {
        try {
            for (BufferedWriter writer : new BufferedWriter[] {log, metrics, validation}) {
                if (writer != null) {
                    writer.close();
                }
            }
        } catch (IOException e) {
            throw new InputException("cannot close the run's log: " + e.getMessage(), e);
        }
        if (events != null) {
            events.close();
        }
    }
}
