package org.mezzotint.app.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.NavigableMap;
import java.util.function.BiFunction;
import org.mezzotint.data.PictureFiles;
import org.mezzotint.data.PictureOptions;
import org.mezzotint.io.AtomicFiles;
import org.mezzotint.io.Png;
import org.mezzotint.models.Cost;
import org.mezzotint.sample.ImageGrid;

/**
 * What a study found so far, in its folder: {@code table.md}, {@code samples.png}, and the denoising error over pictures
 * ({@code curves.png}), over the network's cost ({@code costs.png}) and over what training has cost ({@code compute.png}).
 */
final class StudyReport {
    private static final int LEAST_POINTS = 2;
    /** A step costs the forward pass and about twice that for the gradients (arXiv:2212.09748v2, section 5). */
    private static final int PASSES = 3;

    /** One point of a curve. */
    private record Point(long images, double seconds, double error) {}

    private final Path folder;
    private final int columns;
    private final List<String> all;
    private final List<StudyRow> rows;
    private final Map<String, Cost> costs = new HashMap<>();

    /** Of the rows that are done; {@code all} names the others too, for their places on the sheet. */
    StudyReport(Path folder, int columns, List<String> all, List<StudyRow> rows) {
        this.folder = folder;
        this.columns = columns;
        this.all = List.copyOf(all);
        this.rows = List.copyOf(rows);
    }

    /** Writes all of it; returns the table. */
    String write() {
        String table = table();
        AtomicFiles.writeString(folder.resolve("table.md"), table);
        curves("pictures seen", "curves.png", (row, point) -> point.images());
        curves(
                "GMAC of training (forward GMAC × " + PASSES + " × pictures)",
                "compute.png",
                (row, point) -> PASSES * gmac(row) * point.images());
        costs();
        samples();
        return table;
    }

    private static List<Point> curve(Path row) {
        List<Point> points = new ArrayList<>();
        NavigableMap<Long, String> lines = StudyWatch.rows(row.resolve(StudyWatch.CURVE));
        lines.forEach((images, line) -> {
            String[] cells = line.split(",", 4);
            points.add(new Point(images, Double.parseDouble(cells[0]), Double.parseDouble(cells[2])));
        });
        return points;
    }

    private String table() {
        List<String> lines = new ArrayList<>(List.of(
                "| row | parameters | GMAC | pictures | minutes | denoising error |", "|---|---|---|---|---|---|"));
        for (StudyRow row : rows) {
            List<Point> points = curve(row.folder());
            Point last = points.isEmpty() ? new Point(0, 0, Double.NaN) : points.get(points.size() - 1);
            Cost cost = cost(row);
            lines.add(String.format(
                    Locale.ROOT,
                    "| %s | %,d | %.3f | %,d | %.1f | %s |",
                    row.name(),
                    cost.parameters(),
                    cost.macs() / 1e9,
                    last.images(),
                    last.seconds() / 60,
                    row.diverged().isPresent() ? "diverged" : String.format(Locale.ROOT, "%.5f", last.error())));
        }
        return String.join("\n", lines) + "\n";
    }

    private double gmac(StudyRow row) {
        return cost(row).macs() / 1e9;
    }

    /** Counted once a row: it takes building the network, without memory. */
    private Cost cost(StudyRow row) {
        return costs.computeIfAbsent(row.name(), name -> row.config().model().cost());
    }

    /** Denoising error while training, a line a row. */
    private void curves(String axis, String file, BiFunction<StudyRow, Point, Number> x) {
        Plot plot = new Plot(axis, "denoising error").log(true, true);
        for (StudyRow row : rows) {
            List<Point> points = curve(row.folder());
            if (points.size() >= LEAST_POINTS) {
                plot.line(
                        row.name(),
                        points.stream().map(point -> x.apply(row, point)).toList(),
                        points.stream().map(Point::error).toList(),
                        false);
            }
        }
        write(plot, file);
    }

    /** Denoising error at the end, a dot a row. */
    private void costs() {
        Plot plot = new Plot("GMAC of a forward pass", "denoising error").log(true, true);
        for (StudyRow row : rows) {
            List<Point> points = curve(row.folder());
            if (row.diverged().isEmpty() && !points.isEmpty()) {
                plot.line(
                        row.name(),
                        List.of(gmac(row)),
                        List.of(points.get(points.size() - 1).error()),
                        true);
            }
        }
        write(plot, "costs.png");
    }

    private void write(Plot plot, String file) {
        if (!plot.isEmpty()) {
            plot.write(folder.resolve(file));
        }
    }

    /** The rows' strips of samples, {@code columns} side by side; the place of a row that has none stays white. */
    private void samples() {
        Map<String, PictureFiles.Picture> strips = new LinkedHashMap<>();
        for (StudyRow row : rows) {
            Path file = row.folder().resolve(StudyRow.SAMPLES);
            if (row.diverged().isEmpty() && Files.exists(file)) {
                strips.put(row.name(), PictureFiles.read(file, PictureOptions.DEFAULT_MAX_PIXELS));
            }
        }
        if (strips.isEmpty()) {
            return;
        }
        PictureFiles.Picture first = strips.values().iterator().next();
        byte[] white = new byte[first.rgb().length];
        Arrays.fill(white, (byte) 255);
        ImageGrid.Sheet sheet = ImageGrid.of(
                all.stream()
                        .map(name -> strips.containsKey(name) ? strips.get(name).rgb() : white)
                        .toList(),
                first.width(),
                first.height(),
                columns,
                1);
        Map<String, String> text = Map.of("rows", String.join(", ", all), "columns", Integer.toString(columns));
        Png.write(folder.resolve("samples.png"), sheet.width(), sheet.height(), sheet.rgb(), text);
    }
}
