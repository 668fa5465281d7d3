package org.mezzotint.data;

import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.Optional;

/**
 * Says which shape of which colour a picture of {@link ShapesDataset} shows, by classical means; it judges generated
 * pictures, so it must say "unknown" rather than guess.
 *
 * <p>Background = median of the border. Colour = the nearest palette colour of the strongest pixels, if nearly all of them
 * agree. Shape = the ideal shape of the same area and centre that overlaps best, if it overlaps well, clearly better than
 * any other shape, and neither stretched nor torn.
 */
public final class ShapesOracle {
    /**
     * What a picture shows.
     *
     * @param colour "red" …, or empty when unknown
     * @param shape "circle" …, or empty when unknown
     */
    public record Verdict(Optional<String> colour, Optional<String> shape) {
        /**
         * Whether colour and shape make up a class name.
         *
         * @param className such as "red circle"
         * @return true when both are known and fit
         */
        public boolean is(String className) {
            return colour.isPresent() && shape.isPresent() && className.equals(colour.get() + " " + shape.get());
        }
    }

    private static final String[] COLOURS = {"red", "green", "blue", "yellow", "magenta", "cyan"};
    private static final double[][] PALETTE = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {1, 1, 0}, {1, 0, 1}, {0, 1, 1}};
    private static final String[] SHAPES = {"circle", "square", "triangle", "diamond", "cross"};
    /** Area of the shape of half-extent 1. */
    private static final double[] AREAS = {Math.PI, 4, 2, 2, 20 / 9.0};
    /** How far the centre of gravity lies below the centre of the bounding box, for half-extent 1. */
    private static final double[] CENTRE_OF_GRAVITY = {0, 0, 1 / 3.0, 0, 0};

    private static final double STRONG = 0.65;
    private static final double MAX_COLOUR_DISTANCE = 0.5;
    private static final double MIN_AGREEMENT = 0.85;
    private static final double MIN_LARGEST_PART = 0.9;
    private static final double MIN_OVERLAP = 0.85;
    private static final double MIN_MARGIN = 0.03;
    private static final double MAX_STRETCH = 1.25;
    private static final double MIN_EXTENT = 0.15;
    private static final double MAX_EXTENT = 0.45;

    private final int height;
    private final int width;
    private final double[] rgb; // (H, W, 3) in [0, 1]

    private ShapesOracle(int height, int width, double[] rgb) {
        this.height = height;
        this.width = width;
        this.rgb = rgb;
    }

    /**
     * Judges a picture (3, height, width) in [-1, 1].
     *
     * @param chw the numbers; values outside are clipped
     * @param offset where the picture starts
     * @param height H
     * @param width W
     * @return what it shows
     */
    public static Verdict judge(float[] chw, int offset, int height, int width) {
        double[] rgb = new double[3 * height * width];
        for (int c = 0; c < 3; c++) {
            for (int i = 0; i < height * width; i++) {
                double value = (chw[offset + c * height * width + i] + 1) / 2;
                rgb[3 * i + c] = Math.min(1, Math.max(0, value));
            }
        }
        return new ShapesOracle(height, width, rgb).judge();
    }

    /**
     * Judges a picture (height, width, 3) of bytes.
     *
     * @param hwc 3·H·W bytes
     * @param height H
     * @param width W
     * @return what it shows
     */
    public static Verdict judge(byte[] hwc, int height, int width) {
        double[] rgb = new double[3 * height * width];
        for (int i = 0; i < rgb.length; i++) {
            rgb[i] = (hwc[i] & 0xFF) / 255.0;
        }
        return new ShapesOracle(height, width, rgb).judge();
    }

    private Verdict judge() {
        double[] background = background();
        int colour = colour(background);
        if (colour < 0) {
            return new Verdict(Optional.empty(), Optional.empty());
        }
        double[] coverage = coverage(background, shade(background, PALETTE[colour]));
        return new Verdict(Optional.of(COLOURS[colour]), shape(coverage));
    }

    private double[] background() {
        double[] background = new double[3];
        double[] border = new double[2 * (height + width)];
        for (int c = 0; c < 3; c++) {
            int n = 0;
            for (int x = 0; x < width; x++) {
                border[n++] = at(0, x, c);
                border[n++] = at(height - 1, x, c);
            }
            for (int y = 0; y < height; y++) {
                border[n++] = at(y, 0, c);
                border[n++] = at(y, width - 1, c);
            }
            Arrays.sort(border);
            background[c] = border[n / 2];
        }
        return background;
    }

    private double at(int y, int x, int c) {
        return rgb[3 * (y * width + x) + c];
    }

    /** An index into the palette, or -1: too few strong pixels, or no colour they agree on. */
    private int colour(double[] background) {
        int[] votes = new int[PALETTE.length];
        int strong = 0;
        for (int i = 0; i < height * width; i++) {
            double[] pixel = {rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2]};
            if (!isStrong(pixel, background)) {
                continue;
            }
            strong++;
            int nearest = 0;
            for (int p = 1; p < PALETTE.length; p++) {
                nearest = distance(pixel, PALETTE[p]) < distance(pixel, PALETTE[nearest]) ? p : nearest;
            }
            if (distance(pixel, PALETTE[nearest]) <= MAX_COLOUR_DISTANCE) {
                votes[nearest]++;
            }
        }
        int best = 0;
        for (int p = 1; p < votes.length; p++) {
            best = votes[p] > votes[best] ? p : best;
        }
        boolean enough = strong >= 0.02 * height * width;
        return enough && votes[best] >= MIN_AGREEMENT * strong ? best : -1;
    }

    /** Whether some channel is far from the background: edge pixels, which are half background, have no vote. */
    private static boolean isStrong(double[] pixel, double[] background) {
        double farthest = 0;
        for (int c = 0; c < 3; c++) {
            farthest = Math.max(farthest, Math.abs(pixel[c] - background[c]));
        }
        return farthest >= STRONG;
    }

    private static double distance(double[] a, double[] b) {
        return Math.sqrt(square(a[0] - b[0]) + square(a[1] - b[1]) + square(a[2] - b[2]));
    }

    private static double square(double x) {
        return x * x;
    }

    /** The mean of the strong pixels near a palette colour: what the picture itself takes for that colour. */
    private double[] shade(double[] background, double[] colour) {
        double[] sum = new double[3];
        int n = 0;
        for (int i = 0; i < height * width; i++) {
            double[] pixel = {rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2]};
            if (isStrong(pixel, background) && distance(pixel, colour) <= MAX_COLOUR_DISTANCE) {
                n++;
                for (int c = 0; c < 3; c++) {
                    sum[c] += pixel[c];
                }
            }
        }
        return new double[] {sum[0] / n, sum[1] / n, sum[2] / n};
    }

    /** Twice the contrast: soft edges become as hard as drawn ones, and faint noise vanishes. */
    private static double hardened(double coverage) {
        return Math.min(1, Math.max(0, 2 * coverage - 0.5));
    }

    /** How much of each pixel the shape covers: the pixel's place on the line from background to colour. */
    private double[] coverage(double[] background, double[] colour) {
        double length = square(distance(colour, background));
        double[] coverage = new double[height * width];
        for (int i = 0; i < coverage.length; i++) {
            double along = 0;
            for (int c = 0; c < 3; c++) {
                along += (rgb[3 * i + c] - background[c]) * (colour[c] - background[c]) / length;
            }
            coverage[i] = hardened(along);
        }
        return coverage;
    }

    /** x of the middle of pixel i. */
    private double columnOf(int i) {
        return i % width + 0.5;
    }

    /** y of the middle of pixel i. */
    private double rowOf(int i) {
        int row = i / width;
        return row + 0.5;
    }

    private Optional<String> shape(double[] coverage) {
        double area = Arrays.stream(coverage).sum();
        if (area == 0 || largestPart(coverage) < MIN_LARGEST_PART * area) {
            return Optional.empty();
        }
        double x = 0;
        double y = 0;
        for (int i = 0; i < coverage.length; i++) {
            x += coverage[i] * columnOf(i) / area;
            y += coverage[i] * rowOf(i) / area;
        }
        double[] overlaps = new double[SHAPES.length];
        int best = 0;
        for (int shape = 0; shape < SHAPES.length; shape++) {
            double extent = Math.sqrt(area / AREAS[shape]);
            double[] ideal = ideal(shape, x, y - CENTRE_OF_GRAVITY[shape] * extent, extent);
            overlaps[shape] = overlap(coverage, ideal);
            best = overlaps[shape] > overlaps[best] ? shape : best;
        }
        double second = 0;
        for (int shape = 0; shape < SHAPES.length; shape++) {
            second = shape == best ? second : Math.max(second, overlaps[shape]);
        }
        double extent = Math.sqrt(area / AREAS[best]) / Math.min(height, width);
        boolean known = overlaps[best] >= MIN_OVERLAP
                && overlaps[best] - second >= MIN_MARGIN
                && stretch(coverage, x, y, area) <= MAX_STRETCH
                && extent >= MIN_EXTENT
                && extent <= MAX_EXTENT;
        return known ? Optional.of(SHAPES[best]) : Optional.empty();
    }

    /** Shared area over joint area, 1 for equal shapes. */
    private static double overlap(double[] a, double[] b) {
        double shared = 0;
        double joint = 0;
        for (int i = 0; i < a.length; i++) {
            shared += Math.min(a[i], b[i]);
            joint += Math.max(a[i], b[i]);
        }
        return shared / joint;
    }

    private double[] ideal(int shape, double centreX, double centreY, double extent) {
        double[] ideal = new double[height * width];
        for (int i = 0; i < ideal.length; i++) {
            double x = columnOf(i) - centreX;
            double y = rowOf(i) - centreY;
            if (Math.max(Math.abs(x), Math.abs(y)) > extent + 1) {
                continue;
            }
            int inside = 0;
            for (double v = -0.4; v < 0.5; v += 0.2) {
                for (double u = -0.4; u < 0.5; u += 0.2) {
                    inside += inside(shape, (x + u) / extent, (y + v) / extent) ? 1 : 0;
                }
            }
            ideal[i] = hardened(inside / 25.0);
        }
        return ideal;
    }

    private static boolean inside(int shape, double dx, double dy) {
        double ax = Math.abs(dx);
        double ay = Math.abs(dy);
        return switch (shape) {
            case 0 -> Math.hypot(dx, dy) < 1;
            case 1 -> Math.max(ax, ay) < 1;
            case 2 -> dy < 1 && 2 * ax < dy + 1;
            case 3 -> ax + ay < 1;
            default -> Math.max(ax, ay) < 1 && Math.min(ax, ay) < 1 / 3.0;
        };
    }

    /** Ratio of the longest to the shortest axis of the ellipse with the same second moments. */
    private double stretch(double[] coverage, double x, double y, double area) {
        double xx = 0;
        double yy = 0;
        double xy = 0;
        for (int i = 0; i < coverage.length; i++) {
            double dx = columnOf(i) - x;
            double dy = rowOf(i) - y;
            xx += coverage[i] * dx * dx / area;
            yy += coverage[i] * dy * dy / area;
            xy += coverage[i] * dx * dy / area;
        }
        double mean = (xx + yy) / 2;
        double spread = Math.hypot((xx - yy) / 2, xy);
        return Math.sqrt((mean + spread) / Math.max(1e-9, mean - spread));
    }

    /** The area of the largest 4-connected part of what is covered by more than a half, with its soft edge. */
    private double largestPart(double[] coverage) {
        int[] part = new int[coverage.length];
        double largest = 0;
        int parts = 0;
        for (int start = 0; start < coverage.length; start++) {
            if (coverage[start] > 0.5 && part[start] == 0) {
                largest = Math.max(largest, flood(coverage, part, start, ++parts));
            }
        }
        return largest;
    }

    private double flood(double[] coverage, int[] part, int start, int number) {
        Deque<Integer> open = new ArrayDeque<>();
        open.push(start);
        part[start] = number;
        double area = 0;
        while (!open.isEmpty()) {
            int i = open.pop();
            area += coverage[i];
            if (coverage[i] <= 0.5) {
                continue; // an edge pixel counts, but does not spread
            }
            int x = i % width;
            int y = i / width;
            int[][] neighbours = {{x - 1, y}, {x + 1, y}, {x, y - 1}, {x, y + 1}};
            for (int[] next : neighbours) {
                boolean outside = next[0] < 0 || next[0] >= width || next[1] < 0 || next[1] >= height;
                int j = next[1] * width + next[0];
                if (!outside && part[j] != number && coverage[j] > 0) {
                    part[j] = number;
                    open.push(j);
                }
            }
        }
        return area;
    }
}
