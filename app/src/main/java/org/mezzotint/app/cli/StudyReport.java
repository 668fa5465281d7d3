package org.mezzotint.app.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.NavigableMap;
import org.mezzotint.data.PictureFiles;
import org.mezzotint.data.PictureOptions;
import org.mezzotint.io.AtomicFiles;
import org.mezzotint.io.Png;
import org.mezzotint.models.Cost;
import org.mezzotint.sample.ImageGrid;

/** What a study found so far: {@code table.md}, {@code curves.png} and {@code samples.png} in its folder. */
final class StudyReport {
    private static final int LEAST_POINTS = 2;

    /** One point of a curve. */
    private record Point(long images, double seconds, double error) {}

    private final Path folder;
    private final List<StudyRow> rows;

    StudyReport(Path folder, List<StudyRow> rows) {
        this.folder = folder;
        this.rows = List.copyOf(rows);
    }

    /** Writes all of it; returns the table. */
    String write() {
        String table = table();
        AtomicFiles.writeString(folder.resolve("table.md"), table);
        curves();
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
            Cost cost = row.config().model().cost();
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

    private void curves() {
        Plot plot = new Plot("pictures seen", "denoising error").log(true, true);
        for (StudyRow row : rows) {
            List<Point> points = curve(row.folder());
            if (points.size() >= LEAST_POINTS) {
                plot.line(
                        row.name(),
                        points.stream().map(Point::images).toList(),
                        points.stream().map(Point::error).toList(),
                        false);
            }
        }
        if (!plot.isEmpty()) {
            plot.write(folder.resolve("curves.png"));
        }
    }

    /** The rows' strips of samples, one under another. */
    private void samples() {
        List<byte[]> strips = new ArrayList<>();
        List<String> names = new ArrayList<>();
        int width = 0;
        int height = 0;
        for (StudyRow row : rows) {
            Path file = row.folder().resolve(StudyRow.SAMPLES);
            if (row.diverged().isEmpty() && Files.exists(file)) {
                PictureFiles.Picture strip = PictureFiles.read(file, PictureOptions.DEFAULT_MAX_PIXELS);
                width = strip.width();
                height = strip.height();
                strips.add(strip.rgb());
                names.add(row.name());
            }
        }
        if (strips.isEmpty()) {
            return;
        }
        ImageGrid.Sheet sheet = ImageGrid.of(strips, width, height, 1, 1);
        Map<String, String> text = Map.of("rows", String.join(", ", names));
        Png.write(folder.resolve("samples.png"), sheet.width(), sheet.height(), sheet.rgb(), text);
    }
}
