package org.mezzotint.app.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import org.mezzotint.data.PictureFiles;
import org.mezzotint.data.PictureSet;
import org.mezzotint.eval.EvaluationResult;
import org.mezzotint.eval.Metric;
import org.mezzotint.io.AtomicFiles;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Yaml;
import org.mezzotint.train.RunDirectory;
import org.mezzotint.train.RunLog;
import org.mezzotint.train.TrainConfig;
import org.mezzotint.train.TrainListener;
import org.mezzotint.train.TrainState;
import picocli.CommandLine;

/**
 * Measures a run while it trains: now and then draws pictures of the same seeds from the average of the weights and compares
 * them with a reference, as {@code evaluate} does. Numbers go to evaluation.csv, the log and TensorBoard. The training does
 * not notice: it continues from the same state with the same random numbers.
 */
final class EvaluationListener implements TrainListener {
    private static final int DRAWN_AT_ONCE = 64;
    private static final String FILE = "evaluation.csv";

    private final Plan plan;
    private final RunDirectory directory;
    private final RunLog log;
    private final Decoder decoder;
    private TrainState state;
    private long before;

    /** What to measure, and how often. */
    record Plan(long everyImages, int pictures, Path reference, Path weights, String metrics) {
        Plan {
            if (everyImages < 1) {
                throw new IllegalArgumentException("--evaluate-every must be at least 1, got " + everyImages);
            }
            if (pictures < 2) {
                throw new IllegalArgumentException("--evaluate-pictures must be at least 2, got " + pictures);
            }
            Metric.parse(metrics);
            for (Path file : weights == null ? List.of(reference) : List.of(reference, weights)) {
                if (!Files.exists(file) && !PictureSet.isTar(file)) {
                    throw new InputException("no such file or folder: " + file);
                }
            }
        }
    }

    EvaluationListener(Plan plan, RunDirectory directory, RunLog log, Decoder decoder) {
        this.plan = plan;
        this.directory = directory;
        this.log = log;
        this.decoder = decoder;
    }

    /** Forgets rows beyond the checkpoint that the run goes on from, and looks at the reference once. */
    @Override
    public void started(TrainState started, long durationImages) {
        command().prepare();
        state = started;
        before = started.progress().images();
        Path file = directory.root().resolve(FILE);
        if (Files.isRegularFile(file)) {
            try {
                String kept = Files.readAllLines(file, StandardCharsets.UTF_8).stream()
                        .filter(line -> line.startsWith("images,") || images(line) <= before)
                        .collect(Collectors.joining("\n"));
                AtomicFiles.writeString(file, kept + "\n");
            } catch (IOException e) {
                throw new InputException(InputException.message("read", file, e), e);
            }
        }
    }

    private static long images(String row) {
        String first = row.split(",", 2)[0];
        return first.matches("[0-9]{1,18}") ? Long.parseLong(first) : Long.MAX_VALUE;
    }

    @Override
    public void stepped(StepReport report) {
        boolean due = before / plan.everyImages() != report.images() / plan.everyImages();
        before = report.images();
        if (due || report.images() >= report.durationImages()) {
            measure(report.images());
        }
    }

    private void measure(long images) {
        TrainConfig config = state.config();
        Pictures pictures = new Pictures(
                state.average(),
                config.diffusion(),
                config.sampling(),
                decoder,
                Math.min(plan.pictures(), DRAWN_AT_ONCE));
        long[] seeds = LongStream.range(0, plan.pictures()).toArray();
        long[] labels =
                Pictures.inTurn(new long[0], plan.pictures(), config.model().numClasses());
        Drawn drawn = new Drawn(pictures.list(seeds, labels), pictures.width(), pictures.height());
        EvaluationResult result = command()
                .measure(drawn, directory.root() + " at " + images, config.sampling(), "0-" + (plan.pictures() - 1));
        keep(images, result);
    }

    /** As the command line would, with the reference's vectors kept in the run's folder. */
    private EvaluateCommand command() {
        EvaluateCommand command = new EvaluateCommand();
        Path cache = directory.root().resolve("evaluation");
        List<String> words = new ArrayList<>(List.of(directory.root().toString(), "--json"));
        words.addAll(List.of("--reference", plan.reference().toString(), "--metrics", plan.metrics()));
        words.addAll(List.of("--cache", cache.toString()));
        if (plan.weights() != null) {
            words.addAll(List.of("--weights", plan.weights().toString()));
        }
        new CommandLine(command).parseArgs(words.toArray(String[]::new));
        return command;
    }

    private static String last(List<String> rows) {
        return rows.get(rows.size() - 1).split(",", 2)[0];
    }

    private void keep(long images, EvaluationResult result) {
        Path file = directory.root().resolve(FILE);
        String header = "images," + String.join(",", result.values().keySet());
        String row = images + ","
                + result.values().values().stream().map(Object::toString).collect(Collectors.joining(","));
        try {
            List<String> rows = Files.isRegularFile(file)
                    ? new ArrayList<>(Files.readAllLines(file, StandardCharsets.UTF_8))
                    : new ArrayList<>();
            if (!rows.isEmpty() && !rows.get(0).equals(header)) { // other metrics than before: they keep their file
                Path old = directory.root().resolve("evaluation-to-" + last(rows) + ".csv");
                AtomicFiles.writeString(old, String.join("\n", rows) + "\n");
                rows = new ArrayList<>();
            }
            if (rows.isEmpty()) {
                rows.add(header);
            }
            rows.add(row);
            AtomicFiles.writeString(file, String.join("\n", rows) + "\n");
        } catch (IOException e) {
            throw new InputException(InputException.message("read", file, e), e);
        }
        AtomicFiles.writeString(directory.root().resolve("evaluation.json"), Yaml.toJson(result) + "\n");
        result.values().forEach((name, value) -> log.scalar("evaluation/" + name, images, value));
        log.note("evaluation at " + images + " pictures: "
                + result.values().entrySet().stream()
                        .map(each -> each.getKey() + " " + each.getValue())
                        .collect(Collectors.joining(", ")));
    }

    /** Pictures in memory. */
    private record Drawn(List<byte[]> pictures, int width, int height) implements PictureSet {
        @Override
        public int size() {
            return pictures.size();
        }

        @Override
        public PictureFiles.Picture read(int index) {
            return new PictureFiles.Picture(width, height, pictures.get(index));
        }

        /** Nothing of them is kept, so nothing is found again by it. */
        @Override
        public String fingerprint() {
            return "0".repeat(64);
        }

        @Override
        public void close() {}
    }

    /** For a recipe of latents there must be an autoencoder. */
    static Optional<TrainListener> of(
            Optional<Plan> plan, RunDirectory directory, RunLog log, Decoder decoder, boolean decodes) {
        if (plan.isPresent() && !decodes) {
            throw new InputException("--evaluate-every of a model of latents needs --autoencoder");
        }
        return plan.map(each -> new EvaluationListener(each, directory, log, decoder));
    }
}
