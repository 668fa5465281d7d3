package org.mezzotint.app.cli;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.mezzotint.models.layers.AttentionWatch;
import org.mezzotint.models.layers.AttentionWatch.Seen;
import org.mezzotint.sample.ImageGrid;

/**
 * Draws maps of attention: black where a token gets no weight, white where it gets the map's largest one. The token asked for
 * has a green frame.
 *
 * @param width of a cell
 * @param height of a cell
 * @param query whose attention the maps show
 */
record AttentionSheet(int width, int height, AttentionWatch.Query query) {
    private static final int SMALLEST_CELL = 128;
    private static final int LARGEST_CELL = 512;
    private static final int[][] HEAT = {{0, 0, 0}, {40, 20, 110}, {150, 30, 120}, {240, 110, 50}, {255, 255, 220}};
    private static final byte[] FRAME = {0, (byte) 220, 60};

    /** Cells large enough for all maps and pictures, up to 512 pixels. */
    static AttentionSheet of(List<AttentionRun> runs, AttentionWatch.Query query) {
        int side = SMALLEST_CELL;
        Seen first = runs.get(0).frames().get(0).layers().get(0);
        for (AttentionRun run : runs) {
            for (Seen seen : run.frames().get(0).layers()) {
                if ((long) seen.rows() * first.columns() != (long) seen.columns() * first.rows()) {
                    throw new IllegalArgumentException("both models must draw pictures of one shape, got maps of "
                            + first.rows() + "×" + first.columns() + " and " + seen.rows() + "×" + seen.columns());
                }
                side = Math.max(side, Math.max(seen.rows(), seen.columns()));
            }
            side = Math.max(
                    side,
                    run.picture()
                            .map(picture -> Math.max(picture.width(), picture.height()))
                            .orElse(0));
        }
        side = Math.min(side, LARGEST_CELL);
        int longer = Math.max(first.rows(), first.columns());
        return new AttentionSheet(
                Math.max(1, side * first.columns() / longer), Math.max(1, side * first.rows() / longer), query);
    }

    /**
     * A strip for each run, one below the other: its maps from noise to the picture, and the picture.
     *
     * @param layer place among the chosen layers
     * @param head its number; empty for the mean of all
     */
    ImageGrid.Sheet strips(List<AttentionRun> runs, int layer, Optional<Integer> head) {
        int longest = runs.stream().mapToInt(run -> run.frames().size()).max().orElse(0);
        boolean pictures = runs.stream().anyMatch(run -> run.picture().isPresent());
        List<byte[]> cells = new ArrayList<>();
        for (AttentionRun run : runs) {
            for (int i = 0; i < longest; i++) {
                cells.add(i < run.frames().size() ? map(run, i, layer, head) : blank());
            }
            if (pictures) {
                cells.add(run.picture().map(this::picture).orElseGet(this::blank));
            }
        }
        return ImageGrid.of(cells, width, height, longest + (pictures ? 1 : 0), 1);
    }

    /** The same as frames of an animation: pictures and maps of all runs side by side. */
    List<ImageGrid.Sheet> animation(List<AttentionRun> runs, int layer, Optional<Integer> head) {
        int longest = runs.stream().mapToInt(run -> run.frames().size()).max().orElse(0);
        List<ImageGrid.Sheet> frames = new ArrayList<>();
        for (int i = 0; i < longest; i++) {
            List<byte[]> cells = new ArrayList<>();
            for (AttentionRun run : runs) {
                run.picture().ifPresent(picture -> cells.add(picture(picture)));
                cells.add(map(run, Math.min(i, run.frames().size() - 1), layer, head));
            }
            frames.add(ImageGrid.of(cells, width, height, cells.size(), 1));
        }
        return frames;
    }

    private byte[] map(AttentionRun run, int frame, int layer, Optional<Integer> head) {
        Seen seen = run.frames().get(frame).layers().get(layer);
        float[] weights = head.map(h -> seen.heads().get(h)).orElseGet(() -> mean(seen.heads()));
        float largest = 0;
        for (float weight : weights) {
            largest = Math.max(largest, weight);
        }
        byte[] rgb = new byte[3 * width * height];
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                float weight = weights[y * seen.rows() / height * seen.columns() + x * seen.columns() / width];
                System.arraycopy(heat(weight / largest), 0, rgb, 3 * (y * width + x), 3);
            }
        }
        return framed(rgb, seen.rows(), seen.columns());
    }

    static float[] mean(List<float[]> heads) {
        float[] mean = new float[heads.get(0).length];
        for (float[] head : heads) {
            for (int i = 0; i < mean.length; i++) {
                mean[i] += head[i] / heads.size();
            }
        }
        return mean;
    }

    /** The colour of 0 to 1. */
    static byte[] heat(float share) {
        float place = Math.max(0, Math.min(1, share)) * (HEAT.length - 1);
        int below = Math.min(HEAT.length - 2, (int) place);
        byte[] rgb = new byte[3];
        for (int i = 0; i < 3; i++) {
            rgb[i] = (byte) Math.round(HEAT[below][i] + (place - below) * (HEAT[below + 1][i] - HEAT[below][i]));
        }
        return rgb;
    }

    private byte[] picture(AttentionRun.Picture picture) {
        byte[] rgb = new byte[3 * width * height];
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                int from = y * picture.height() / height * picture.width() + x * picture.width() / width;
                System.arraycopy(picture.rgb(), 3 * from, rgb, 3 * (y * width + x), 3);
            }
        }
        return rgb;
    }

    private byte[] blank() {
        byte[] rgb = new byte[3 * width * height];
        Arrays.fill(rgb, (byte) 255);
        return rgb;
    }

    /** Draws the border of the token asked for. */
    private byte[] framed(byte[] rgb, int rows, int columns) {
        if (query instanceof AttentionWatch.At at) {
            int row = (int) (at.row() * rows);
            int column = (int) (at.column() * columns);
            for (int y = 0; y < height; y++) {
                for (int x = 0; x < width; x++) {
                    boolean inside = y * rows / height == row && x * columns / width == column;
                    boolean border = inside
                            && !(within(y - 1, rows, height, row)
                                    && within(y + 1, rows, height, row)
                                    && within(x - 1, columns, width, column)
                                    && within(x + 1, columns, width, column));
                    if (border) {
                        System.arraycopy(FRAME, 0, rgb, 3 * (y * width + x), 3);
                    }
                }
            }
        }
        return rgb;
    }

    private static boolean within(int pixel, int tokens, int length, int token) {
        return pixel >= 0 && pixel < length && pixel * tokens / length == token;
    }
}
