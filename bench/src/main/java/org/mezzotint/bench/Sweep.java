package org.mezzotint.bench;

import java.awt.Color;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler.LegendLayout;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.mezzotint.io.AtomicFiles;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Measures how the cost of a step grows with the picture: HDiT beside its peers and beside a DiT on the same pixels. */
@Command(
        name = "sweep",
        mixinStandardHelpOptions = true,
        description = {
            "Measure training and sampling steps over picture sizes, one fresh process a point.",
            "Writes sweep.csv, train.png and sample.png, whose legends tell the exponents of cost over pixels."
        })
public final class Sweep implements Callable<Integer> {
    private static final String OURS = "HDiT";
    private static final String DIT = "DiT";
    private static final String MASKED = "HDiT, PyTorch, masked SDPA";
    private static final String FLEX = "HDiT, PyTorch, flex attention";
    private static final Map<String, Color> COLORS = Map.of(
            OURS,
            new Color(0xC0392B),
            DIT,
            new Color(0x2C3E50),
            MASKED,
            new Color(0x2980B9),
            FLEX,
            new Color(0x27AE60));

    @Option(names = "--python", paramLabel = "PATH", description = "an interpreter that has torch; without, no peer")
    private String python;

    @Option(names = "--root", paramLabel = "DIR", description = "of this repository (default: the current folder)")
    private Path root = Path.of("");

    @Option(
            names = "--sizes",
            paramLabel = "PIXELS",
            split = ",",
            description = "sides of the pictures (default: 64,128,256,512,1024)")
    private List<Integer> sizes = List.of(64, 128, 256, 512, 1024);

    @Option(
            names = "--others-to",
            paramLabel = "PIXELS",
            description = "largest size of the peers and of the DiT (default: 512)")
    private int othersTo = 512;

    @Option(names = "--workloads", paramLabel = "NAMES", split = ",", description = "train, sample (default: both)")
    private List<String> workloads = List.of("train", "sample");

    @Option(names = "--batch", paramLabel = "N", description = "pictures a step (default: 1)")
    private int batch = 1;

    @Option(names = "--steps", paramLabel = "N", description = "measured steps a point (default: 5)")
    private int steps = 5;

    @Option(names = "--warmup", paramLabel = "N", description = "steps before measuring (default: 2)")
    private int warmup = 2;

    @Option(names = "--threads", paramLabel = "N", description = "of each process (default: one a core)")
    private int threads = Runtime.getRuntime().availableProcessors();

    @Option(names = "--out", paramLabel = "DIR", required = true, description = "where the results are written")
    private Path out;

    /**
     * One measured point.
     *
     * @param series what was measured
     * @param workload train or sample
     * @param size side of the picture
     * @param seconds of each step
     * @param megabytes at the process's peak
     */
    record Point(String series, String workload, int size, double[] seconds, double megabytes) {
        double pixels() {
            return (double) size * size;
        }

        double median() {
            return Statistics.median(seconds);
        }
    }

    /**
     * Measures, writes the results and ends the process.
     *
     * @param arguments the command line
     */
    public static void main(String... arguments) {
        System.exit(SideBySide.commandLine(new Sweep()).execute(arguments));
    }

    @Override
    public Integer call() throws IOException {
        if (steps < 1 || warmup < 1 || sizes.isEmpty()) {
            throw new IllegalArgumentException("--steps and --warmup must be at least 1, and --sizes not empty, got "
                    + steps + ", " + warmup + " and " + sizes);
        }
        sizes.forEach(size -> setting("hdit", size));
        Files.createDirectories(out);
        List<Point> points = new ArrayList<>();
        for (String workload : workloads) {
            for (int size : sizes) {
                sides(workload, size).forEach((series, side) -> {
                    try {
                        points.add(measure(series, side, workload, size));
                    } catch (IllegalStateException e) { // a peer that crashes must not take the others with it
                        System.out.printf(
                                Locale.ROOT, "%-30s %-6s %4d pixels: %s%n", series, workload, size, e.getMessage());
                    }
                    AtomicFiles.writeString(out.resolve("sweep.csv"), csv(points)); // what is measured, is measured
                });
            }
            draw(
                    workload,
                    points.stream()
                            .filter(point -> point.workload().equals(workload))
                            .toList());
        }
        return 0;
    }

    private Side.Setting setting(String model, int size) {
        return new Side.Setting(model, size, batch, threads, false);
    }

    private Map<String, Side> sides(String workload, int size) {
        Map<String, Side> sides = new LinkedHashMap<>();
        Side.Setting hdit = setting("hdit", size);
        sides.put(OURS, Side.ours(root, hdit, "float32"));
        if (size > othersTo) {
            return sides;
        }
        sides.put(DIT, Side.ours(root, setting("dit-pixels", size), "float32"));
        if (python != null) {
            sides.put(MASKED, Side.peer(root, python, hdit, "float32", Side.Attention.MASKED_SDPA, false));
            if (workload.equals("sample")) {
                sides.put(FLEX, Side.peer(root, python, hdit, "float32", Side.Attention.FLEX, false));
            }
        }
        return sides;
    }

    private Point measure(String series, Side side, String workload, int size) {
        try (Server server = side.start(root)) {
            server.steps(workload, warmup);
            double[] seconds = new double[steps];
            for (int i = 0; i < steps; i++) {
                seconds[i] = server.steps(workload, 1);
            }
            Point point = new Point(series, workload, size, seconds, server.peakResidentMegabytes());
            System.out.printf(
                    Locale.ROOT,
                    "%-30s %-6s %4d pixels: %9.4f s, %6.0f MB%n",
                    series,
                    workload,
                    size,
                    point.median(),
                    point.megabytes());
            return point;
        }
    }

    static String csv(List<Point> points) {
        StringBuilder csv = new StringBuilder(
                "series,workload,size,pixels,seconds_median,seconds_least,seconds_most,peak_rss_mb\n");
        for (Point point : points) {
            csv.append(String.format(
                    Locale.ROOT,
                    "\"%s\",%s,%d,%.0f,%.6f,%.6f,%.6f,%.0f\n",
                    point.series(),
                    point.workload(),
                    point.size(),
                    point.pixels(),
                    point.median(),
                    Arrays.stream(point.seconds()).min().orElseThrow(),
                    Arrays.stream(point.seconds()).max().orElseThrow(),
                    point.megabytes()));
        }
        return csv.toString();
    }

    /** Name and points of a curve; the exponent is told of all its points, and of the largest two sizes. */
    static String label(String series, double[] pixels, double[] seconds) {
        int n = pixels.length;
        return n < 2
                ? series
                : String.format(
                        Locale.ROOT,
                        "%s: exponent %.2f, at the end %.2f",
                        series,
                        Statistics.exponent(pixels, seconds),
                        Statistics.exponent(
                                Arrays.copyOfRange(pixels, n - 2, n), Arrays.copyOfRange(seconds, n - 2, n)));
    }

    private void draw(String workload, List<Point> points) {
        XYChart chart = new XYChartBuilder()
                .width(900)
                .height(640)
                .xAxisTitle("pixels of a picture")
                .yAxisTitle("seconds a " + (workload.equals("train") ? "training" : "sampling") + " step")
                .build();
        chart.getStyler().setLegendPosition(LegendPosition.OutsideS).setChartBackgroundColor(Color.WHITE);
        chart.getStyler().setLegendLayout(LegendLayout.Vertical);
        chart.getStyler().setXAxisLogarithmic(true).setYAxisLogarithmic(true);
        for (String series : List.of(OURS, DIT, MASKED, FLEX)) {
            List<Point> curve = points.stream()
                    .filter(point -> point.series().equals(series))
                    .toList();
            if (!curve.isEmpty()) {
                double[] pixels = curve.stream().mapToDouble(Point::pixels).toArray();
                double[] seconds = curve.stream().mapToDouble(Point::median).toArray();
                String label = label(series, pixels, seconds);
                System.out.println(workload + ", " + label);
                XYSeries drawn = chart.addSeries(label, pixels, seconds);
                drawn.setMarkerColor(COLORS.get(series)).setLineColor(COLORS.get(series));
            }
        }
        AtomicFiles.write(
                out.resolve(workload + ".png"), png -> BitmapEncoder.saveBitmap(chart, png, BitmapFormat.PNG));
    }
}
