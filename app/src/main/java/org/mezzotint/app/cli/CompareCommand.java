package org.mezzotint.app.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import org.mezzotint.io.InputException;
import org.mezzotint.train.RunDirectory;
import org.mezzotint.train.TrainConfig;
import org.mezzotint.train.Validator;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Lays the validation curves of several runs over one another. */
@Command(
        name = "compare",
        mixinStandardHelpOptions = true,
        description = {
            "Compare the validation losses of runs: over pictures seen, and over log SNR at their last validation.",
            "Losses compare only where the diffusion section and the held-out pictures are the same; study compares others."
        })
final class CompareCommand implements Callable<Integer> {
    private static final double WIDEST_BIN = 2;

    @Parameters(arity = "1..*", paramLabel = "RUN", description = "folders of runs")
    private List<Path> runs = new ArrayList<>();

    @Option(
            names = "--out",
            paramLabel = "FILE",
            required = true,
            description = "the curves, .png or .svg; the log-SNR bins go beside it, as FILE-logsnr")
    private Path out;

    /** One validation: pictures seen, loss, and its bins. */
    private record Row(long images, double loss, double[] bins) {}

    private record Run(String name, TrainConfig config, List<Row> rows) {
        Row last() {
            return rows.get(rows.size() - 1);
        }
    }

    @Override
    public Integer call() {
        Plot.check("--out", out);
        List<Run> read = new ArrayList<>();
        for (String name : names()) {
            read.add(read(runs.get(read.size()), name));
        }
        checkComparable(read);
        Plot curves = new Plot("pictures seen", "validation loss").log(true, true);
        Plot bins = new Plot("log SNR", "validation loss").log(false, true);
        for (Run run : read) {
            curves.line(
                    run.name(),
                    run.rows().stream().map(Row::images).toList(),
                    run.rows().stream().map(Row::loss).toList(),
                    run.rows().size() == 1);
            addBins(bins, run);
        }
        curves.write(out);
        bins.write(beside());
        print(read);
        System.out.println("wrote " + out + " and " + beside());
        return 0;
    }

    private Path beside() {
        String name = out.getFileName().toString();
        int dot = name.lastIndexOf('.');
        return out.resolveSibling(name.substring(0, dot) + "-logsnr" + name.substring(dot));
    }

    /** The folders' last names, or their whole paths where two are called alike. */
    private List<String> names() {
        List<String> names = runs.stream()
                .map(run -> run.toAbsolutePath().normalize().getFileName().toString())
                .toList();
        Set<String> different = new HashSet<>(names);
        return different.size() == names.size()
                ? names
                : runs.stream().map(Path::toString).toList();
    }

    private static Run read(Path folder, String name) {
        RunDirectory directory = RunDirectory.find(folder);
        Path file = folder.resolve("validation.csv");
        List<Row> rows = new ArrayList<>();
        try {
            List<String> lines = Files.isRegularFile(file) ? Files.readAllLines(file) : List.of();
            for (String line : lines.subList(Math.min(1, lines.size()), lines.size())) {
                rows.add(row(file, line));
            }
        } catch (IOException e) {
            throw new InputException("cannot read " + file + ": " + InputException.reason(e), e);
        }
        if (rows.isEmpty()) {
            throw new InputException("the run in " + folder + " has no validation yet");
        }
        return new Run(name, directory.config(), rows);
    }

    private static Row row(Path file, String line) {
        try {
            String[] cells = line.split(",", -1);
            double[] bins = Arrays.stream(cells)
                    .skip(2)
                    .mapToDouble(cell -> cell.isEmpty() ? Double.NaN : Double.parseDouble(cell))
                    .toArray();
            if (bins.length != Validator.binNames().length) {
                throw new InputException(file + ": a row must have " + (2 + Validator.binNames().length)
                        + " cells, got " + cells.length);
            }
            return new Row(Long.parseLong(cells[0]), Double.parseDouble(cells[1]), bins);
        } catch (NumberFormatException e) {
            throw new InputException(file + ": not a row of numbers: " + line, e);
        }
    }

    private static void checkComparable(List<Run> read) {
        TrainConfig first = read.get(0).config();
        for (Run run : read) {
            if (!run.config().diffusion().equals(first.diffusion())) {
                throw new InputException("the losses of " + read.get(0).name() + " and " + run.name()
                        + " do not compare: their diffusion sections differ; compare such recipes with study");
            }
            if (run.config().validation().images() != first.validation().images()) {
                throw new InputException("the losses of " + read.get(0).name() + " and " + run.name()
                        + " do not compare: they hold out " + first.validation().images() + " and "
                        + run.config().validation().images() + " pictures");
            }
        }
    }

    /** Bins are 2 wide; the open ones at the ends are drawn as if they were too. */
    private static void addBins(Plot plot, Run run) {
        List<Double> xs = new ArrayList<>();
        List<Double> ys = new ArrayList<>();
        double[] bins = run.last().bins();
        for (int i = 0; i < bins.length; i++) {
            if (Double.isFinite(bins[i]) && bins[i] > 0) {
                xs.add(WIDEST_BIN * i - bins.length + 1);
                ys.add(bins[i]);
            }
        }
        if (!xs.isEmpty()) {
            plot.line(run.name(), xs, ys, true);
        }
    }

    private static void print(List<Run> read) {
        System.out.println("| run | pictures | validation loss | lowest | at |");
        System.out.println("|---|---|---|---|---|");
        for (Run run : read) {
            Row best = run.rows().stream()
                    .min((a, b) -> Double.compare(a.loss(), b.loss()))
                    .orElseThrow();
            System.out.println(String.format(
                    Locale.ROOT,
                    "| %s | %,d | %.5f | %.5f | %,d |",
                    run.name(),
                    run.last().images(),
                    run.last().loss(),
                    best.loss(),
                    best.images()));
        }
    }
}
