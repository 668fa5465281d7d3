package org.mezzotint.app.cli;

import java.awt.Color;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.NavigableMap;
import javax.imageio.ImageIO;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;
import org.mezzotint.io.AtomicFiles;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Png;
import org.mezzotint.models.Cost;
import org.mezzotint.sample.ImageGrid;
import org.mezzotint.train.TrainConfig;

/** What a study found so far: {@code table.md}, {@code curves.png} and {@code samples.png} in its folder. */
final class StudyReport {
    private static final int LEAST_POINTS = 2;

    /** A finished row. */
    record Finished(String name, TrainConfig config, Path folder) {}

    /** One point of a curve. */
    private record Point(long images, double seconds, double error) {}

    private final Path folder;
    private final List<Finished> rows;

    StudyReport(Path folder, List<Finished> rows) {
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
            String[] cells = line.split(",", 3);
            points.add(new Point(images, Double.parseDouble(cells[0]), Double.parseDouble(cells[1])));
        });
        if (points.isEmpty()) {
            throw new InputException("no curve in " + row.resolve(StudyWatch.CURVE));
        }
        return points;
    }

    private String table() {
        List<String> lines = new ArrayList<>(List.of(
                "| row | parameters | GMAC | pictures | minutes | denoising error |", "|---|---|---|---|---|---|"));
        for (Finished row : rows) {
            List<Point> points = curve(row.folder());
            Point last = points.get(points.size() - 1);
            Cost cost = row.config().model().cost();
            lines.add(String.format(
                    Locale.ROOT,
                    "| %s | %,d | %.3f | %,d | %.1f | %.5f |",
                    row.name(),
                    cost.parameters(),
                    cost.macs() / 1e9,
                    last.images(),
                    last.seconds() / 60,
                    last.error()));
        }
        return String.join("\n", lines) + "\n";
    }

    private void curves() {
        XYChart chart = new XYChartBuilder()
                .width(1000)
                .height(600)
                .xAxisTitle("pictures seen")
                .yAxisTitle("denoising error")
                .build();
        chart.getStyler().setLegendPosition(LegendPosition.OutsideE).setChartBackgroundColor(Color.WHITE);
        chart.getStyler().setXAxisLogarithmic(true).setYAxisLogarithmic(true);
        for (Finished row : rows) {
            List<Point> points = curve(row.folder());
            if (points.size() >= LEAST_POINTS) {
                XYSeries series = chart.addSeries(
                        row.name(),
                        points.stream().map(Point::images).toList(),
                        points.stream().map(Point::error).toList());
                series.setMarker(SeriesMarkers.NONE);
            }
        }
        if (!chart.getSeriesMap().isEmpty()) {
            AtomicFiles.write(
                    folder.resolve("curves.png"), out -> BitmapEncoder.saveBitmap(chart, out, BitmapFormat.PNG));
        }
    }

    /** The rows' strips of samples, one under another. */
    private void samples() {
        List<byte[]> strips = new ArrayList<>();
        int width = 0;
        int height = 0;
        for (Finished row : rows) {
            Path file = row.folder().resolve(StudyRow.SAMPLES);
            if (!Files.exists(file)) {
                return;
            }
            BufferedImage strip = read(file);
            width = strip.getWidth();
            height = strip.getHeight();
            strips.add(bytes(strip));
        }
        ImageGrid.Sheet sheet = ImageGrid.of(strips, width, height, 1, 1);
        String names = String.join(", ", rows.stream().map(Finished::name).toList());
        Png.write(folder.resolve("samples.png"), sheet.width(), sheet.height(), sheet.rgb(), Map.of("rows", names));
    }

    private static BufferedImage read(Path file) {
        try {
            return ImageIO.read(file.toFile());
        } catch (IOException e) {
            throw new InputException("cannot read " + file + ": " + InputException.reason(e), e);
        }
    }

    private static byte[] bytes(BufferedImage image) {
        int[] pixels = image.getRaster().getPixels(0, 0, image.getWidth(), image.getHeight(), (int[]) null);
        byte[] rgb = new byte[pixels.length];
        for (int i = 0; i < rgb.length; i++) {
            rgb[i] = (byte) pixels[i];
        }
        return rgb;
    }
}
