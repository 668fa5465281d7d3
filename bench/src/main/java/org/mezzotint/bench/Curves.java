package org.mezzotint.bench;

import java.awt.Color;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;
import org.mezzotint.io.AtomicFiles;
import org.mezzotint.io.InputException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Lays validation curves of ours over those of the peer's seeds: a table, and a picture. */
@Command(
        name = "curves",
        mixinStandardHelpOptions = true,
        description = "Compare the validation loss of our runs with the band of the peer's seeds.")
public final class Curves implements Callable<Integer> {
    private static final Color OURS = new Color(0xC0392B);
    private static final Color PEER = new Color(0x7F8C8D);

    @Option(names = "--ours", paramLabel = "RUN", required = true, description = "run directory; repeat for more seeds")
    private List<Path> ours;

    @Option(names = "--peer", paramLabel = "CSV", description = "curve written by 'dit_peer.py train'; one a seed")
    private List<Path> peers = List.of();

    @Option(names = "--peer-batch", paramLabel = "N", description = "pictures a step of the peer (default: 64)")
    private int peerBatch = 64;

    @Option(names = "--png", paramLabel = "FILE", description = "draw the curves into this file")
    private Path png;

    /**
     * Prints the table and ends the process.
     *
     * @param arguments the command line
     */
    public static void main(String... arguments) {
        System.exit(SideBySide.commandLine(new Curves()).execute(arguments));
    }

    @Override
    public Integer call() throws IOException {
        List<NavigableMap<Long, Double>> runs = new ArrayList<>();
        for (Path run : ours) {
            runs.add(curve(Files.readString(run.resolve("validation.csv")), "images", "loss", 1));
        }
        List<NavigableMap<Long, Double>> band = new ArrayList<>();
        for (Path peer : peers) {
            band.add(curve(Files.readString(peer), "step", "val_loss", peerBatch));
        }
        table(runs, band);
        if (png != null) {
            draw(runs, band);
        }
        return 0;
    }

    /** One column of a CSV text over another one times {@code scale}. */
    static NavigableMap<Long, Double> curve(String csv, String x, String y, int scale) {
        List<String> lines = csv.lines().toList();
        List<String> header = lines.isEmpty() ? List.of() : List.of(lines.get(0).split(",", -1));
        if (!header.contains(x) || !header.contains(y)) {
            throw new InputException("a curve needs the columns " + x + " and " + y + ", got " + header);
        }
        NavigableMap<Long, Double> curve = new TreeMap<>();
        for (String line : lines.subList(1, lines.size())) {
            String[] cells = line.split(",", -1);
            curve.put(Long.parseLong(cells[header.indexOf(x)]) * scale, Double.parseDouble(cells[header.indexOf(y)]));
        }
        return curve;
    }

    private static void table(List<NavigableMap<Long, Double>> runs, List<NavigableMap<Long, Double>> band) {
        System.out.printf("%9s  %-24s %-24s%n", "pictures", "ours", "peer, lowest to highest");
        for (long images : runs.get(0).keySet()) {
            StringBuilder mine = new StringBuilder();
            for (double loss : at(runs, images)) {
                mine.append(String.format(Locale.ROOT, "%.5f ", loss));
            }
            double[] theirs = at(band, images).stream()
                    .mapToDouble(Double::doubleValue)
                    .sorted()
                    .toArray();
            System.out.printf(
                    "%9d  %-24s %s%n",
                    images,
                    mine,
                    theirs.length == 0
                            ? "-"
                            : String.format(Locale.ROOT, "%.5f to %.5f", theirs[0], theirs[theirs.length - 1]));
        }
    }

    private static List<Double> at(Collection<NavigableMap<Long, Double>> curves, long images) {
        return curves.stream()
                .filter(curve -> curve.containsKey(images))
                .map(curve -> curve.get(images))
                .toList();
    }

    private void draw(List<NavigableMap<Long, Double>> runs, List<NavigableMap<Long, Double>> band) {
        XYChart chart = new XYChartBuilder()
                .width(900)
                .height(500)
                .xAxisTitle("pictures seen")
                .yAxisTitle("validation loss")
                .build();
        chart.getStyler().setLegendPosition(LegendPosition.InsideNE).setChartBackgroundColor(Color.WHITE);
        chart.getStyler().setXAxisLogarithmic(true).setYAxisLogarithmic(true);
        for (int i = 0; i < runs.size(); i++) {
            add(chart, "Mezzotint" + (i == 0 ? "" : " " + i), OURS, runs.get(i));
        }
        for (int i = 0; i < band.size(); i++) {
            add(chart, "PyTorch, seed " + i, PEER, band.get(i));
        }
        AtomicFiles.write(png, out -> BitmapEncoder.saveBitmap(chart, out, BitmapFormat.PNG));
    }

    private static void add(XYChart chart, String name, Color color, Map<Long, Double> curve) {
        XYSeries series = chart.addSeries(name, List.copyOf(curve.keySet()), List.copyOf(curve.values()));
        series.setMarker(SeriesMarkers.NONE).setLineColor(color);
    }
}
