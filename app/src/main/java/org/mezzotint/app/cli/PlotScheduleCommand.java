package org.mezzotint.app.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.data.PictureFiles;
import org.mezzotint.data.PictureOptions;
import org.mezzotint.diffusion.DiffusionConfig;
import org.mezzotint.diffusion.DiffusionLoss;
import org.mezzotint.diffusion.LossWeighting;
import org.mezzotint.diffusion.NoiseSchedule;
import org.mezzotint.diffusion.Parameterization;
import org.mezzotint.diffusion.ScheduledDiffusion;
import org.mezzotint.diffusion.Variance;
import org.mezzotint.io.InputException;
import org.mezzotint.io.NearestName;
import org.mezzotint.io.Png;
import org.mezzotint.models.ModelBundle;
import org.mezzotint.models.ModelConfig;
import org.mezzotint.sample.ImageGrid;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;
import org.mezzotint.train.TrainConfig;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Draws noise schedules: log SNR over time, and one picture at even times (arXiv:2301.11093v2, figure 3). */
@Command(
        name = "schedule",
        mixinStandardHelpOptions = true,
        description = {
            "Draw log SNR over time, from the cosine schedule and its shifted and interpolated forms,",
            "and from recipes and trained models. Training without a schedule is drawn by its levels'",
            "distribution: the level below which a share t of them lies.",
            "With --picture, also what a picture looks like at even times."
        })
final class PlotScheduleCommand implements Callable<Integer> {
    private static final int POINTS = 400;
    private static final int COLUMNS = 8;
    private static final int WHITE = 255;
    private static final int USUAL_RESOLUTION = 256;
    private static final int LARGEST = 65_536;
    /** Of the sheet of noised pictures: a third of the usual heap. */
    private static final long MOST_PIXELS = 50_000_000;

    @Parameters(
            index = "0..*",
            paramLabel = "SOURCE",
            arity = "0..*",
            description = "recipes (.yaml), bundles (.safetensors) or runs' folders")
    private List<String> sources = List.of();

    @Option(
            names = "--resolution",
            paramLabel = "N",
            description = "side of the pictures that --shift and --interpolate are for (default: the root of the"
                    + " picture's pixels, without one 256)")
    private Integer resolution;

    @Option(
            names = "--shift",
            paramLabel = "N",
            split = ",",
            description = "reference sizes, such as 64,32 (default, without a SOURCE and --interpolate: 64,32)")
    private List<Integer> shifts = List.of();

    @Option(
            names = "--interpolate",
            paramLabel = "LOW-HIGH",
            split = ",",
            description = "pairs of reference sizes, such as 32-256")
    private List<String> pairs = List.of();

    @Option(
            names = "--ends",
            paramLabel = "NAME",
            defaultValue = "moved",
            description = "what a shift does to the ends -15 and 15: moved, kept or moved-further (default: moved)")
    private String ends;

    @Option(names = "--out", paramLabel = "FILE", required = true, description = "the plot (.png or .svg)")
    private Path out;

    @Option(names = "--picture", paramLabel = "FILE", description = "a picture to noise under each schedule")
    private Path picture;

    @Option(
            names = "--noised",
            paramLabel = "FILE",
            description = "the noised pictures (.png), a row a schedule (default: beside the plot, -noised.png)")
    private Path noised;

    @Option(
            names = "--columns",
            paramLabel = "N",
            defaultValue = "" + COLUMNS,
            description = "times at which the picture is shown, evenly from clean to noise (default: 8)")
    private int columns;

    @Option(names = "--seed", paramLabel = "N", defaultValue = "0", description = "of the noise (default: 0)")
    private long seed;

    /** A line of the plot; {@code height} is 0 where any picture will do. */
    private record Line(String name, DiffusionConfig diffusion, int height, int width) {
        /** Log SNRs, falling, at rising shares of the way to noise. */
        double[] logSnrs(int points) {
            double[] shares = new double[points];
            Arrays.setAll(shares, i -> (i + 0.5) / points);
            double[] values = diffusion.objective().levels(shares).logSnr();
            if (diffusion instanceof ScheduledDiffusion) {
                return values;
            }
            double[] rising = Arrays.stream(values).sorted().toArray(); // a density's shares may count from either end
            return IntStream.range(0, points)
                    .mapToDouble(i -> rising[points - 1 - i])
                    .toArray();
        }
    }

    @Override
    public Integer call() {
        Plot.check("--out", out);
        if (picture == null && noised != null) {
            throw new IllegalArgumentException("--noised needs a --picture");
        }
        if (columns < 1 || columns > 64) {
            throw new IllegalArgumentException("--columns must be 1 to 64, got " + columns);
        }
        if (picture == null && (columns != COLUMNS || seed != 0)) {
            throw new IllegalArgumentException("--columns and --seed need a --picture");
        }
        Optional<PictureFiles.Picture> clean =
                Optional.ofNullable(picture).map(file -> PictureFiles.read(file, PictureOptions.DEFAULT_MAX_PIXELS));
        Path sheet = noised != null ? noised : beside();
        if (clean.isPresent()) {
            checkSheet(sheet);
            if (same(sheet, out) || same(sheet, picture) || same(out, picture)) {
                throw new IllegalArgumentException("--out, --noised and --picture must be three files, got " + out
                        + ", " + sheet + " and " + picture);
            }
        }
        List<Line> lines = lines(clean);
        clean.ifPresent(shown -> checkPicture(shown, lines));
        Plot plot = new Plot("t", "log SNR");
        for (Line line : lines) {
            double[] values = line.logSnrs(POINTS);
            plot.line(
                    line.name(),
                    IntStream.range(0, POINTS).mapToObj(i -> (i + 0.5) / POINTS).toList(),
                    Arrays.stream(values).boxed().toList(),
                    false);
            double[] quarters = line.logSnrs(4);
            System.out.printf(
                    Locale.ROOT,
                    "%-32s log SNR at t = 1/8, 3/8, 5/8, 7/8: %6.2f %6.2f %6.2f %6.2f%n",
                    line.name(),
                    quarters[0],
                    quarters[1],
                    quarters[2],
                    quarters[3]);
        }
        plot.write(out);
        if (clean.isPresent()) {
            draw(clean.get(), lines, sheet);
        }
        System.out.println("wrote " + out + (clean.isPresent() ? " and " + sheet : ""));
        return 0;
    }

    private static boolean same(Path one, Path other) {
        return one.toAbsolutePath().normalize().equals(other.toAbsolutePath().normalize());
    }

    private Path beside() {
        String name = out.getFileName().toString();
        return out.resolveSibling(name.substring(0, name.length() - 4) + "-noised.png");
    }

    private static void checkSheet(Path sheet) {
        if (!sheet.toString().toLowerCase(Locale.ROOT).endsWith(".png")) {
            throw new IllegalArgumentException("--noised must end in .png, got " + sheet);
        }
        PictureOutput.checkFile(sheet);
    }

    private List<Line> lines(Optional<PictureFiles.Picture> clean) {
        int side = resolution != null
                ? resolution
                : clean.map(shown -> (int) Math.round(Math.sqrt((double) shown.width() * shown.height())))
                        .orElse(USUAL_RESOLUTION);
        if (side < 1 || side > LARGEST) {
            throw new IllegalArgumentException("--resolution must be 1 to " + LARGEST + ", got " + side);
        }
        NoiseSchedule.Ends treatment = ends();
        Map<String, Line> lines = new LinkedHashMap<>();
        add(lines, "cosine", new NoiseSchedule.Cosine(-15, 15));
        List<Integer> references = shifts.isEmpty() && pairs.isEmpty() && sources.isEmpty() ? List.of(64, 32) : shifts;
        for (int reference : references) {
            add(
                    lines,
                    "shift " + reference + " at " + side,
                    new NoiseSchedule.ShiftedCosine(-15, 15, reference, side, treatment));
        }
        for (String pair : pairs) {
            if (!pair.matches("[0-9]{1,6}-[0-9]{1,6}")) {
                throw new IllegalArgumentException("--interpolate must be two sizes such as 32-256, got " + pair);
            }
            String[] sizes = pair.split("-", 2);
            add(
                    lines,
                    "interpolate " + pair + " at " + side,
                    new NoiseSchedule.InterpolatedCosine(
                            -15, 15, Integer.parseInt(sizes[0]), Integer.parseInt(sizes[1]), side, treatment));
        }
        for (String source : sources) {
            Line line = read(source);
            // checkpoints of several runs have files of one name
            String name = lines.containsKey(line.name()) ? source : line.name();
            if (lines.putIfAbsent(name, new Line(name, line.diffusion(), line.height(), line.width())) != null) {
                throw new IllegalArgumentException("a source is given twice: " + source);
            }
        }
        return new ArrayList<>(lines.values());
    }

    private static void add(Map<String, Line> lines, String name, NoiseSchedule schedule) {
        DiffusionConfig diffusion = new ScheduledDiffusion(
                schedule,
                Parameterization.V,
                Variance.FIXED_SMALL,
                DiffusionLoss.Kind.MSE,
                new LossWeighting.Uniform());
        lines.put(name, new Line(name, diffusion, 0, 0));
    }

    private NoiseSchedule.Ends ends() {
        List<String> names = new ArrayList<>();
        for (NoiseSchedule.Ends each : NoiseSchedule.Ends.values()) {
            String name = each.name().toLowerCase(Locale.ROOT).replace('_', '-');
            if (name.equals(ends)) {
                return each;
            }
            names.add(name);
        }
        throw new IllegalArgumentException("--ends: unknown treatment " + ends + ", " + NearestName.hint(ends, names));
    }

    private static Line read(String source) {
        Path file = Path.of(source);
        if (source.endsWith(".yaml")) {
            TrainConfig recipe = Recipes.read(source, List.of());
            return line(file, recipe.diffusion(), recipe.model());
        }
        if (!Files.exists(file)) {
            throw new InputException("neither recipe nor model found: " + source);
        }
        try (ModelBundle bundle = ModelBundle.open(BundleOptions.find(file))) {
            return line(file, bundle.section("diffusion", DiffusionConfig.class), bundle.config());
        }
    }

    private static Line line(Path file, DiffusionConfig diffusion, ModelConfig model) {
        Path last = file.toAbsolutePath().normalize().getFileName();
        return new Line(String.valueOf(last), diffusion, model.height(), model.width());
    }

    private void checkPicture(PictureFiles.Picture shown, List<Line> lines) {
        for (Line line : lines) {
            if (line.height() > 0 && (line.height() != shown.height() || line.width() != shown.width())) {
                throw new InputException(picture + " must have the size of " + line.name() + ", " + line.width() + "×"
                        + line.height() + ", it has " + shown.width() + "×" + shown.height());
            }
        }
        long pixels = (long) shown.width() * shown.height() * lines.size() * columns;
        if (pixels > MOST_PIXELS) {
            throw new InputException("the sheet of noised pictures would have " + pixels + " pixels, the limit is "
                    + MOST_PIXELS + ": take a smaller picture, fewer --columns or fewer schedules");
        }
    }

    /** A row a schedule, all with the same noise. */
    private void draw(PictureFiles.Picture shown, List<Line> lines, Path sheet) {
        double[] noise;
        try (Scope scope = Scope.open();
                Rng rng = new Rng(seed)) {
            noise = Tensors.doubles(rng.normal(ScalarType.Float, shown.rgb().length));
        }
        List<byte[]> cells = new ArrayList<>();
        for (Line line : lines) {
            for (double logSnr : line.logSnrs(columns)) {
                cells.add(noised(shown.rgb(), noise, logSnr));
            }
        }
        ImageGrid.Sheet drawn = ImageGrid.of(cells, shown.width(), shown.height(), columns, 1);
        Map<String, String> text = new LinkedHashMap<>();
        text.put("rows", String.join("; ", lines.stream().map(Line::name).toList()));
        text.put("seed", Long.toString(seed));
        Png.write(sheet, drawn.width(), drawn.height(), drawn.rgb(), text);
    }

    /** α·x_0 + σ·ε, cut to what can be shown. */
    private static byte[] noised(byte[] rgb, double[] noise, double logSnr) {
        double alpha = Math.sqrt(1 / (1 + Math.exp(-logSnr)));
        double sigma = Math.sqrt(1 / (1 + Math.exp(logSnr)));
        byte[] result = new byte[rgb.length];
        for (int i = 0; i < rgb.length; i++) {
            double x = alpha * (2.0 * (rgb[i] & WHITE) / WHITE - 1) + sigma * noise[i];
            result[i] = (byte) Math.round(WHITE * Math.max(0, Math.min(1, (x + 1) / 2)));
        }
        return result;
    }
}
