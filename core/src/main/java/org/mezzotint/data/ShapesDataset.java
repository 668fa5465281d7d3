package org.mezzotint.data;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;

/**
 * One coloured shape on black a picture, drawn on the fly: a data set that needs no files and trains in minutes.
 *
 * <p>Class {@code shape · colours + colour}, such as "red circle"; picture i is of class {@code i mod classes}. The shape's
 * half-extent is uniform in [0.22, 0.38] of the shorter side, its centre is uniform where it fits whole. Edges are smoothed
 * by 4×4 supersampling in plain arithmetic, so a (seed, index) gives the same picture on every machine and thread.
 */
public final class ShapesDataset implements Dataset {
    private static final double MIN_EXTENT = 0.22;
    private static final double MAX_EXTENT = 0.38;
    private static final int MIN_SIDE = 8;
    private static final int SUBSAMPLES = 4;

    private final int size;
    private final int height;
    private final int width;
    private final int colours;
    private final long seed;
    private final List<String> classNames;

    /** In drawing coordinates: the centre is (0, 0), the bounding box is [-1, 1]², y points down. */
    enum Shape {
        CIRCLE,
        SQUARE,
        TRIANGLE,
        DIAMOND,
        CROSS;

        boolean contains(double x, double y) {
            return switch (this) {
                case CIRCLE -> x * x + y * y <= 1;
                case SQUARE -> Math.abs(x) <= 1 && Math.abs(y) <= 1;
                case TRIANGLE -> y <= 1 && Math.abs(x) <= (y + 1) / 2;
                case DIAMOND -> Math.abs(x) + Math.abs(y) <= 1;
                case CROSS -> Math.max(Math.abs(x), Math.abs(y)) <= 1 && Math.min(Math.abs(x), Math.abs(y)) <= 1 / 3.0;
            };
        }
    }

    enum Colour {
        RED(1, 0, 0),
        GREEN(0, 1, 0),
        BLUE(0, 0, 1),
        YELLOW(1, 1, 0),
        MAGENTA(1, 0, 1),
        CYAN(0, 1, 1);

        private final int red;
        private final int green;
        private final int blue;

        Colour(int red, int green, int blue) {
            this.red = red;
            this.green = green;
            this.blue = blue;
        }

        /** 0 or 1 for channel 0 (red), 1 (green) or 2 (blue). */
        int channel(int c) {
            return c == 0 ? red : c == 1 ? green : blue;
        }
    }

    /** The most shapes there are: circle, square, triangle, diamond, cross. */
    public static final int MAX_SHAPES = Shape.values().length;

    /** The most colours there are: red, green, blue, yellow, magenta, cyan. */
    public static final int MAX_COLOURS = Colour.values().length;

    /**
     * Circles, squares and triangles in red, green and blue: nine classes.
     *
     * @param size number of pictures, at least 1
     * @param height H, at least 8
     * @param width W, at least 8
     * @param seed another seed gives other pictures
     */
    public ShapesDataset(int size, int height, int width, long seed) {
        this(size, height, width, 3, 3, seed);
    }

    /**
     * The first shapes and colours of the lists above.
     *
     * @param size number of pictures, at least 1
     * @param height H, at least 8
     * @param width W, at least 8
     * @param shapes how many shapes, 1 to {@link #MAX_SHAPES}
     * @param colours how many colours, 1 to {@link #MAX_COLOURS}
     * @param seed another seed gives other pictures
     */
    public ShapesDataset(int size, int height, int width, int shapes, int colours, long seed) {
        this.size = checkRange("size", size, 1, Integer.MAX_VALUE);
        this.height = checkRange("height", height, MIN_SIDE, 1 << 14);
        this.width = checkRange("width", width, MIN_SIDE, 1 << 14);
        this.colours = checkRange("colours", colours, 1, MAX_COLOURS);
        this.seed = seed;
        checkRange("shapes", shapes, 1, MAX_SHAPES);
        List<String> names = new ArrayList<>();
        for (int shape = 0; shape < shapes; shape++) {
            for (int colour = 0; colour < colours; colour++) {
                names.add(lowerCase(Colour.values()[colour]) + " " + lowerCase(Shape.values()[shape]));
            }
        }
        classNames = List.copyOf(names);
    }

    @Override
    public int size() {
        return size;
    }

    @Override
    public int channels() {
        return 3;
    }

    @Override
    public int height() {
        return height;
    }

    @Override
    public int width() {
        return width;
    }

    @Override
    public List<String> classNames() {
        return classNames;
    }

    @Override
    public long label(int index) {
        return Objects.checkIndex(index, size) % classNames.size();
    }

    /** One: "a red circle". */
    @Override
    public List<String> captions(int index) {
        return List.of("a " + classNames.get((int) label(index)));
    }

    /** {@inheritDoc} Nothing is augmented: {@code random} is not used. */
    @Override
    public void read(int index, RandomGenerator random, float[] into, int offset) {
        Objects.checkFromIndexSize(offset, 3 * height * width, into.length);
        int label = (int) label(index);
        Shape shape = Shape.values()[label / colours];
        Colour colour = Colour.values()[label % colours];
        SplittableRandom place = new SplittableRandom(Seeds.mix(seed, index));
        double extent = between(MIN_EXTENT, MAX_EXTENT, place) * Math.min(height, width);
        double centreX = between(extent, width - extent, place);
        double centreY = between(extent, height - extent, place);
        for (int y = 0, o = offset; y < height; y++) {
            for (int x = 0; x < width; x++, o++) {
                double covered = coverage(shape, x - centreX, y - centreY, extent);
                for (int c = 0; c < 3; c++) {
                    into[o + c * height * width] = (float) (2 * covered * colour.channel(c) - 1);
                }
            }
        }
    }

    /** The share of the pixel whose upper left corner is (x, y), relative to the centre, that lies inside the shape. */
    static double coverage(Shape shape, double x, double y, double extent) {
        if (Math.max(Math.abs(x + 0.5), Math.abs(y + 0.5)) > extent + 1) {
            return 0;
        }
        int inside = 0;
        for (int i = 0; i < SUBSAMPLES; i++) {
            for (int j = 0; j < SUBSAMPLES; j++) {
                double sampleX = (x + (i + 0.5) / SUBSAMPLES) / extent;
                double sampleY = (y + (j + 0.5) / SUBSAMPLES) / extent;
                inside += shape.contains(sampleX, sampleY) ? 1 : 0;
            }
        }
        return inside / (double) (SUBSAMPLES * SUBSAMPLES);
    }

    @Override
    public String name(int index) {
        return "shapes[" + index + "] (" + classNames.get((int) label(index)) + ")";
    }

    @Override
    public String fingerprint() {
        return new Fingerprint("shapes")
                .add(size)
                .add(height)
                .add(width)
                .add(classNames)
                .add(seed)
                .hex();
    }

    /** Nothing to release. */
    @Override
    public void close() {}

    static double between(double low, double high, RandomGenerator random) {
        return low + (high - low) * random.nextDouble();
    }

    static <E extends Enum<E>> E named(List<E> values, String name) {
        for (E value : values) {
            if (lowerCase(value).equals(name)) {
                return value;
            }
        }
        throw new IllegalArgumentException("there is no " + name);
    }

    static String lowerCase(Enum<?> value) {
        return value.name().toLowerCase(Locale.ROOT);
    }

    static int checkRange(String name, int value, int min, int max) {
        if (value < min || value > max) {
            throw new IllegalArgumentException(name + " must be " + min + " to " + max + ", got " + value);
        }
        return value;
    }
}
