package org.mezzotint.app.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.mezzotint.convert.DiffusersFolder;
import org.mezzotint.data.PictureFiles;
import org.mezzotint.data.PictureSet;
import org.mezzotint.eval.EvaluationResult;
import org.mezzotint.eval.Metric;
import org.mezzotint.eval.ResizeMode;
import org.mezzotint.io.AtomicFiles;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Png;
import org.mezzotint.io.Yaml;
import org.mezzotint.sample.ImageGrid;
import org.mezzotint.train.RunDirectory;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Draws with one or two settings varied, measures each, and lays the results side by side. */
@Command(
        name = "sweep",
        mixinStandardHelpOptions = true,
        description = {
            "Draw pictures with one or two settings varied: a table, a plot of the metrics and a sheet of equal seeds.",
            "What was drawn and measured before is kept, so the same command goes on after an interruption.",
            "Options of 'sample' follow after --, such as: sweep RUN --over guidance=1,1.5,3 --out swept -- --steps 50"
        })
final class SweepCommand implements Callable<Integer> {
    private static final int COLUMNS = 8;
    private static final int MOST_AXES = 2;
    private static final String FID = "fid";
    private static final String TENSORFLOW = "tensorflow";

    @Parameters(
            index = "0",
            paramLabel = "MODEL",
            description = "as sample takes it; a run's folder for checkpoint and ema")
    private Path model;

    @Parameters(index = "1..*", arity = "0..*", paramLabel = "OPTIONS", description = "options of sample, after --")
    private List<String> more = new ArrayList<>();

    @Option(
            names = "--over",
            paramLabel = "NAME=VALUES",
            required = true,
            description = {
                "an option of sample without its dashes and its values, such as guidance=1,1.5,3 or solver=ddim,heun;",
                "checkpoint=100k,200k of a run; or ema=0.05,0.1 (lengths that are rebuilt, see ema). At most twice"
            })
    private List<String> over = new ArrayList<>();

    @Option(names = "--out", paramLabel = "DIR", required = true, description = "folder of the results")
    private Path out;

    @Option(
            names = "--seeds",
            paramLabel = "RANGES",
            defaultValue = "0-63",
            description = "of each setting (default: 0-63)")
    private String seeds;

    @Option(names = "--reference", paramLabel = "REF", description = "measure against this, as evaluate does")
    private Path reference;

    @Option(names = "--weights", paramLabel = "FILE", description = "FID's Inception network, for --reference")
    private Path weights;

    @Option(
            names = "--metrics",
            paramLabel = "LIST",
            description = "out of fid, sfid, kid, is, pr, with commas (default: fid)")
    private String metrics = FID;

    @Option(names = "--resize", paramLabel = "MODE", description = "as for evaluate (default: tensorflow)")
    private String resize = TENSORFLOW;

    /** A setting and its values. */
    private record Axis(String name, List<String> values) {}

    /** One combination: a value of each axis. */
    private record Cell(String name, List<String> values) {}

    @Override
    public Integer call() {
        List<Axis> axes = over.stream().map(SweepCommand::axis).toList();
        check(axes);
        try {
            Files.createDirectories(out);
        } catch (IOException e) {
            throw new InputException(InputException.message("write", out, e), e);
        }
        checkSettings();
        List<Cell> cells = cells(axes);
        List<EvaluationResult> results = new ArrayList<>();
        for (Cell cell : cells) {
            int code = draw(axes, cell);
            if (code != 0) {
                return code;
            }
            if (reference != null) {
                results.add(measure(cell));
            }
        }
        sheet(axes, cells);
        if (reference != null) {
            String table = table(axes, cells, results);
            AtomicFiles.writeString(out.resolve("table.md"), table);
            System.out.print(table);
            plots(axes, cells, results);
        }
        System.out.println("wrote " + out);
        return 0;
    }

    private static Axis axis(String text) {
        int equals = text.indexOf('=');
        if (equals < 1 || equals == text.length() - 1) {
            throw new IllegalArgumentException("--over must be name=values, such as guidance=1,1.5,3, got " + text);
        }
        List<String> values = List.of(text.substring(equals + 1).split(",", -1));
        if (values.contains("") || values.size() != new LinkedHashSet<>(values).size()) {
            throw new IllegalArgumentException("--over must name each value once, got " + text);
        }
        return new Axis(text.substring(0, equals), values);
    }

    private void check(List<Axis> axes) {
        if (axes.size() > MOST_AXES) {
            throw new IllegalArgumentException("--over may be given once or twice, got " + axes.size());
        }
        Set<String> options = new CommandLine(new SampleCommand())
                .getCommandSpec()
                .optionsMap()
                .keySet();
        for (Axis axis : axes) {
            boolean special = axis.name().equals("checkpoint") || axis.name().equals("ema");
            if (!special
                    && (!options.contains("--" + axis.name()) || axis.name().matches("out|grid|seeds"))) {
                throw new IllegalArgumentException(
                        "--over: " + axis.name() + " is neither an option of sample nor checkpoint nor ema");
            }
        }
        List<String> names = axes.stream().map(Axis::name).toList();
        if (names.size() != Set.copyOf(names).size() || names.containsAll(List.of("checkpoint", "ema"))) {
            throw new IllegalArgumentException("--over must vary two different settings, got " + names);
        }
        if (reference == null && weights != null) {
            throw new IllegalArgumentException("--weights is for --reference only, got " + weights);
        }
        if (reference == null && !(metrics.equals(FID) && resize.equals(TENSORFLOW))) {
            throw new IllegalArgumentException("--metrics and --resize are for --reference only");
        }
        Metric.parse(metrics);
        ResizeMode.parse(resize);
        for (Path file : reference == null
                ? List.<Path>of()
                : weights == null ? List.of(reference) : List.of(reference, weights)) {
            if (!Files.exists(file)) {
                throw new InputException("no such file or folder: " + file);
            }
        }
        List<String> files = cells(axes).stream().map(Cell::name).toList();
        if (files.size() != Set.copyOf(files).size()) {
            throw new IllegalArgumentException("--over has values whose files would be called alike: " + files);
        }
    }

    /** A folder is gone on with only for the same model, seeds and options. */
    private void checkSettings() {
        Path file = out.resolve("sweep.json");
        Path bundle = DiffusersFolder.is(model) ? model : BundleOptions.find(model);
        String now;
        try {
            now = Yaml.toJson(new Asked(
                    bundle + " of " + Files.getLastModifiedTime(bundle),
                    seeds,
                    more,
                    String.valueOf(reference),
                    String.valueOf(weights),
                    metrics,
                    resize));
        } catch (IOException e) {
            throw new InputException(InputException.message("read", bundle, e), e);
        }
        if (Files.isRegularFile(file)) {
            try {
                if (!Files.readString(file).equals(now)) {
                    throw new InputException(
                            out
                                    + " holds a sweep of another model or state of it, other seeds, other options or another measurement");
                }
                return;
            } catch (IOException e) {
                throw new InputException(InputException.message("read", file, e), e);
            }
        }
        AtomicFiles.writeString(file, now);
    }

    /** What all cells have in common. */
    record Asked(
            String model,
            String seeds,
            List<String> options,
            String reference,
            String weights,
            String metrics,
            String resize) {}

    private static List<Cell> cells(List<Axis> axes) {
        List<Cell> cells = new ArrayList<>();
        for (String first : axes.get(0).values()) {
            if (axes.size() == 1) {
                cells.add(new Cell(name(axes, List.of(first)), List.of(first)));
                continue;
            }
            for (String second : axes.get(1).values()) {
                cells.add(new Cell(name(axes, List.of(first, second)), List.of(first, second)));
            }
        }
        return cells;
    }

    /** A file's name: what is no letter, digit, dot, dash or equals sign becomes an underscore. */
    private static String name(List<Axis> axes, List<String> values) {
        List<String> parts = new ArrayList<>();
        for (int i = 0; i < values.size(); i++) {
            parts.add(axes.get(i).name() + "=" + values.get(i));
        }
        return String.join("_", parts).replaceAll("[^A-Za-z0-9.=-]", "_");
    }

    private Path pictures(Cell cell) {
        return out.resolve(cell.name() + ".npz");
    }

    private int draw(List<Axis> axes, Cell cell) {
        if (Files.isRegularFile(pictures(cell))) {
            return 0;
        }
        Path from = model;
        List<String> words = new ArrayList<>();
        for (int i = 0; i < axes.size(); i++) {
            String value = cell.values().get(i);
            switch (axes.get(i).name()) {
                case "checkpoint" ->
                    from = model.resolve("checkpoints")
                            .resolve(RunDirectory.name(Sizes.count("--over checkpoint", value)));
                case "ema" -> {
                    from = out.resolve("ema=" + value + ".safetensors");
                    int code = Files.isRegularFile(from)
                            ? 0
                            : Main.execute("ema", model.toString(), "--sigma-rel", value, "--out", from.toString());
                    if (code != 0) {
                        return code;
                    }
                }
                default -> words.addAll(List.of("--" + axes.get(i).name(), value));
            }
        }
        System.out.println(cell.name());
        words.addAll(0, List.of("sample", from.toString(), "--seeds", seeds));
        words.addAll(more);
        words.addAll(List.of("--out", pictures(cell).toString()));
        return Main.execute(words.toArray(String[]::new));
    }

    private EvaluationResult measure(Cell cell) {
        Path file = out.resolve(cell.name() + ".json");
        if (Files.isRegularFile(file)) {
            try {
                return Yaml.fromJson(Files.readString(file), file.toString(), EvaluationResult.class);
            } catch (IOException e) {
                throw new InputException(InputException.message("read", file, e), e);
            }
        }
        EvaluateCommand command = new EvaluateCommand();
        List<String> words = new ArrayList<>(
                List.of(pictures(cell).toString(), "--reference", reference.toString(), "--metrics", metrics));
        if (!resize.equals(TENSORFLOW)) {
            words.addAll(List.of("--resize", resize));
        }
        words.addAll(List.of("--cache", out.resolve("features").toString(), "--seed", seeds));
        if (weights != null) {
            words.addAll(List.of("--weights", weights.toString()));
        }
        new CommandLine(command).setCaseInsensitiveEnumValuesAllowed(true).parseArgs(words.toArray(String[]::new));
        EvaluationResult result = command.measure();
        AtomicFiles.writeString(file, Yaml.toJson(result));
        return result;
    }

    private String table(List<Axis> axes, List<Cell> cells, List<EvaluationResult> results) {
        Set<String> columns = results.get(0).values().keySet();
        StringBuilder lines = new StringBuilder("| "
                + axes.stream().map(Axis::name).collect(Collectors.joining(" | ")) + " | "
                + String.join(" | ", columns) + " |\n|" + "---|".repeat(axes.size() + columns.size()) + "\n");
        for (int i = 0; i < cells.size(); i++) {
            EvaluationResult result = results.get(i);
            lines.append("| ").append(String.join(" | ", cells.get(i).values()));
            for (String column : columns) {
                lines.append(
                        String.format(Locale.ROOT, " | %.6g", result.values().get(column)));
            }
            lines.append(" |\n");
        }
        EvaluationResult.Facts facts = results.get(0).facts();
        return lines
                + String.format(
                        Locale.ROOT,
                        "%n%d pictures a setting, seeds %s, reference %s, extractor %s, resize %s%n",
                        facts.pictures(),
                        seeds,
                        facts.reference(),
                        facts.extractor(),
                        facts.resize());
    }

    /** One plot a metric where the first setting is a number; a line for each value of the second. */
    private void plots(List<Axis> axes, List<Cell> cells, List<EvaluationResult> results) {
        if (!axes.get(0).values().stream().allMatch(SweepCommand::isNumber)) {
            return;
        }
        for (String metric : results.get(0).values().keySet()) {
            Plot plot = new Plot(axes.get(0).name(), metric);
            List<String> lines =
                    axes.size() == 1 ? List.of(metric) : axes.get(1).values();
            for (String line : lines) {
                List<Double> xs = new ArrayList<>();
                List<Double> ys = new ArrayList<>();
                for (int i = 0; i < cells.size(); i++) {
                    List<String> values = cells.get(i).values();
                    if (axes.size() == 1 || values.get(1).equals(line)) {
                        xs.add(number(values.get(0)));
                        ys.add(results.get(i).values().get(metric));
                    }
                }
                plot.line(axes.size() == 1 ? metric : axes.get(1).name() + " " + line, xs, ys, true);
            }
            String name = metric.replaceAll("[^A-Za-z0-9]", "-");
            plot.write(out.resolve(name + ".png"));
            plot.write(out.resolve(name + ".svg"));
        }
    }

    private static boolean isNumber(String value) {
        return value.matches("[0-9]+(\\.[0-9]+)?(e-?[0-9]+)?[kM]?");
    }

    private static double number(String value) {
        return value.matches(".*[kM]") ? Sizes.count("--over", value) : Double.parseDouble(value);
    }

    /** Rows are values of the first setting; columns those of the second, or the first seeds. */
    private void sheet(List<Axis> axes, List<Cell> cells) {
        List<byte[]> pictures = new ArrayList<>();
        int columns = axes.size() == 2 ? axes.get(1).values().size() : COLUMNS;
        int width = 0;
        int height = 0;
        for (Cell cell : cells) {
            try (PictureSet set = PictureSet.open(pictures(cell))) {
                int count = axes.size() == 2 ? 1 : Math.min(COLUMNS, set.size());
                columns = axes.size() == 2 ? columns : count;
                for (int i = 0; i < count; i++) {
                    PictureFiles.Picture picture = set.read(i);
                    width = picture.width();
                    height = picture.height();
                    pictures.add(picture.rgb());
                }
            }
        }
        int side = Math.max(width, height);
        ImageGrid.Sheet sheet = ImageGrid.of(pictures, width, height, columns, side >= 64 ? 1 : Math.max(1, 96 / side));
        Png.write(
                out.resolve("grid.png"),
                sheet.width(),
                sheet.height(),
                sheet.rgb(),
                Map.of("rows", over.get(0), "columns", axes.size() == 2 ? over.get(1) : "seeds " + seeds));
    }
}
