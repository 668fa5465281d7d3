package org.mezzotint.app.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import org.mezzotint.data.Dataset;
import org.mezzotint.data.Datasets;
import org.mezzotint.data.PictureFiles;
import org.mezzotint.data.PictureOptions;
import org.mezzotint.data.PictureSet;
import org.mezzotint.eval.NearestPictures;
import org.mezzotint.eval.NearestPictures.Found;
import org.mezzotint.eval.NearestPictures.Neighbour;
import org.mezzotint.io.AtomicFiles;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Png;
import org.mezzotint.sample.ImageGrid;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Shows what drawn pictures were near to in the training data. */
@Command(
        name = "neighbours",
        mixinStandardHelpOptions = true,
        description = {
            "Put drawn pictures beside their nearest training pictures, in pixels, and say how many were copied.",
            "A picture is a copy if its nearest training picture is less than half as far as its 50 nearest are on average",
            "(arXiv:2301.13188)."
        })
final class NeighboursCommand implements Callable<Integer> {
    private static final int WHITE = 255;

    @Parameters(
            index = "0",
            paramLabel = "PICTURES",
            description = "folder, zip, tar or npz of drawn pictures of one size")
    private Path pictures;

    @Option(
            names = "--data",
            paramLabel = "PATH",
            required = true,
            description =
                    "the training pictures, as train takes them; they are resized and cropped to the drawn ones' size")
    private Path data;

    @Option(names = "--grid", paramLabel = "FILE", description = "a PNG: each drawn picture, then its nearest ones")
    private Path grid;

    @Option(names = "--csv", paramLabel = "FILE", description = "one row a drawn picture")
    private Path csv;

    @Option(names = "--keep", paramLabel = "K", defaultValue = "4", description = "neighbours a picture (default: 4)")
    private int keep;

    @Option(
            names = "--rows",
            paramLabel = "N",
            defaultValue = "32",
            description = "rows of the grid, the most suspicious first (default: 32)")
    private int rows;

    @Option(
            names = "--flip",
            description = "mirror images of training pictures count too, for models trained with flips")
    private boolean flip;

    @Override
    public Integer call() {
        check("--keep", keep);
        check("--rows", rows);
        if (grid != null) {
            PictureOutput.checkFile(grid);
        }
        if (csv != null) {
            PictureOutput.checkFile(csv);
        }
        List<PictureFiles.Picture> drawn = read();
        int width = drawn.get(0).width();
        int height = drawn.get(0).height();
        try (Dataset training =
                Datasets.open(data, new PictureOptions(height, width, 3, false, PictureOptions.DEFAULT_MAX_PIXELS))) {
            List<Found> found;
            try (Progress progress = new Progress("search", "pictures", 0, training.size())) {
                found = NearestPictures.find(
                        drawn.stream().map(NeighboursCommand::numbers).toList(),
                        training,
                        flip,
                        keep,
                        done -> progress.show(done, "of the training set"));
            }
            if (grid != null) {
                sheet(drawn, found, training);
                System.out.println("wrote " + grid);
            }
            if (csv != null) {
                table(found, training);
                System.out.println("wrote " + csv);
            }
            report(found, training);
        }
        return 0;
    }

    private static void check(String option, int value) {
        if (value < 1 || value > 1000) {
            throw new IllegalArgumentException(option + " must be 1 to 1000, got " + value);
        }
    }

    private List<PictureFiles.Picture> read() {
        List<PictureFiles.Picture> all = new ArrayList<>();
        try (PictureSet set = PictureSet.open(pictures)) {
            for (int i = 0; i < set.size(); i++) {
                PictureFiles.Picture picture = set.read(i);
                if (i > 0
                        && (picture.width() != all.get(0).width()
                                || picture.height() != all.get(0).height())) {
                    throw new InputException("drawn pictures must have one size, got "
                            + all.get(0).width() + "×" + all.get(0).height() + " and " + picture.width() + "×"
                            + picture.height());
                }
                all.add(picture);
            }
        }
        return all;
    }

    /** Channel after channel, in [−1, 1]. */
    private static float[] numbers(PictureFiles.Picture picture) {
        int size = picture.width() * picture.height();
        float[] numbers = new float[3 * size];
        for (int i = 0; i < size; i++) {
            for (int c = 0; c < 3; c++) {
                numbers[c * size + i] = (picture.rgb()[3 * i + c] & WHITE) / 127.5f - 1;
            }
        }
        return numbers;
    }

    private static byte[] rgb(Dataset training, Neighbour neighbour) {
        int size = training.width() * training.height();
        float[] numbers = training.read(neighbour.index(), 1);
        byte[] rgb = new byte[3 * size];
        for (int i = 0; i < size; i++) {
            int column = i % training.width();
            int from = neighbour.mirrored() ? i - column + training.width() - 1 - column : i;
            for (int c = 0; c < 3; c++) {
                rgb[3 * i + c] = (byte) Math.round((numbers[c * size + from] + 1) * 127.5f);
            }
        }
        return rgb;
    }

    /** Places of the drawn pictures, the smallest ratio first. */
    private static int[] bySuspicion(List<Found> found) {
        return IntStream.range(0, found.size())
                .boxed()
                .sorted(Comparator.comparingDouble(i -> found.get(i).ratio()))
                .mapToInt(Integer::intValue)
                .toArray();
    }

    private void sheet(List<PictureFiles.Picture> drawn, List<Found> found, Dataset training) {
        List<byte[]> cells = new ArrayList<>();
        int columns = 1 + Math.min(keep, found.get(0).nearest().size());
        int[] order = bySuspicion(found);
        for (int i : Arrays.copyOf(order, Math.min(rows, order.length))) {
            cells.add(drawn.get(i).rgb());
            found.get(i).nearest().forEach(neighbour -> cells.add(rgb(training, neighbour)));
        }
        int side = Math.max(training.width(), training.height());
        ImageGrid.Sheet sheet =
                ImageGrid.of(cells, training.width(), training.height(), columns, side >= 64 ? 1 : 64 / side);
        Map<String, String> text = Map.of(
                "pictures", pictures.toString(), "data", data.toString(), "Software", "mezzotint " + Version.number());
        Png.write(grid, sheet.width(), sheet.height(), sheet.rgb(), text);
    }

    private void table(List<Found> found, Dataset training) {
        StringBuilder lines = new StringBuilder("picture,copy,ratio,distance,mirrored,nearest\n");
        for (int i = 0; i < found.size(); i++) {
            Neighbour nearest = found.get(i).nearest().get(0);
            lines.append(String.format(
                    Locale.ROOT,
                    "%d,%b,%.4f,%.5f,%b,\"%s\"%n",
                    i,
                    found.get(i).isCopy(),
                    found.get(i).ratio(),
                    nearest.distance(),
                    nearest.mirrored(),
                    training.name(nearest.index()).replace("\"", "\"\"")));
        }
        AtomicFiles.writeString(csv, lines.toString());
    }

    private static void report(List<Found> found, Dataset training) {
        long copies = found.stream().filter(Found::isCopy).count();
        double[] distances = found.stream()
                .mapToDouble(each -> each.nearest().get(0).distance())
                .sorted()
                .toArray();
        double median = distances[distances.length / 2];
        System.out.printf(
                Locale.ROOT,
                "%d of %d pictures (%.1f%%) are copies; median distance to the nearest of %,d training pictures: %.4f"
                        + " (PSNR %.1f dB)%n",
                copies,
                found.size(),
                100.0 * copies / found.size(),
                training.size(),
                median,
                20 * Math.log10(2 / median));
        int first = bySuspicion(found)[0];
        System.out.printf(
                Locale.ROOT,
                "most suspicious: picture %d, ratio %.2f, beside %s%n",
                first,
                found.get(first).ratio(),
                training.name(found.get(first).nearest().get(0).index()));
    }
}
