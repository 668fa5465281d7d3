package org.mezzotint.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import org.mezzotint.data.ShapesDataset.Colour;
import org.mezzotint.data.ShapesDataset.Shape;

/**
 * One or two coloured shapes on black a picture, and a sentence about it: "a large green cross", "a small red circle above a
 * blue square". A data set for text to image that needs no files.
 *
 * <p>Half of the pictures show one thing, half two, of which one lies above, below, left or right of the other with a gap
 * between. A thing is small or large; the caption says so for every second thing. Half-extents are uniform, as shares of the
 * shorter side: alone small in [0.16, 0.22] and large in [0.30, 0.38]; of two in [0.12, 0.15] and [0.19, 0.22].
 *
 * <p>A tenth of all combinations never occurs in {@link Part#TRAIN} and alone makes up {@link Part#HELD_OUT}: pairs of colour
 * and shape for pictures of one thing; colour, shape, relation, colour and shape for pictures of two. Which ones does not
 * depend on the seed. A thing that is held out alone does occur beside others.
 */
public final class ScenesDataset implements Dataset {
    private static final List<Relation> RELATIONS = List.of(Relation.values());
    private static final List<Shape> SHAPES = List.of(Shape.values());
    private static final List<Colour> COLOURS = List.of(Colour.values());
    private static final double GAP = 0.04;
    private static final int HELD_OUT_SHARE = 10;
    private static final long HELD_OUT_SEED = 0x7363656E6573L;

    private final int size;
    private final int height;
    private final int width;
    private final int shapes;
    private final int colours;
    private final long seed;
    private final Part part;
    private final Set<Integer> heldOutAlone;

    /** Which combinations occur. */
    public enum Part {
        /** Nine tenths of them. */
        TRAIN,
        /** The others. */
        HELD_OUT
    }

    /** Where the first of two things lies. */
    public enum Relation {
        /** Over the second. */
        ABOVE("above"),
        /** Under the second. */
        BELOW("below"),
        /** Left of the second. */
        LEFT("to the left of"),
        /** Right of the second. */
        RIGHT("to the right of");

        private final String words;

        Relation(String words) {
            this.words = words;
        }

        /**
         * As captions say it.
         *
         * @return such as {@code to the left of}
         */
        public String words() {
            return words;
        }
    }

    /**
     * One thing in a picture; places and extents are pixels.
     *
     * @param colour such as {@code red}
     * @param shape such as {@code circle}
     * @param large or small
     * @param sizeSaid whether the caption says which
     * @param x of the centre, from the left
     * @param y of the centre, from the top
     * @param extent half of the side of the square around it
     */
    public record Thing(
            String colour, String shape, boolean large, boolean sizeSaid, double x, double y, double extent) {
        private String words() {
            return "a " + (sizeSaid ? large ? "large " : "small " : "") + colour + " " + shape;
        }
    }

    /**
     * What a picture shows.
     *
     * @param things one or two
     * @param relation of the first to the second; meaningless for one
     */
    public record Scene(List<Thing> things, Relation relation) {
        /**
         * The sentence about it.
         *
         * @return the caption
         */
        public String caption() {
            String first = things.get(0).words();
            return things.size() == 1
                    ? first
                    : first + " " + relation.words() + " " + things.get(1).words();
        }
    }

    /**
     * All shapes and colours of {@link ShapesDataset}.
     *
     * @param size number of pictures, at least 1
     * @param height H, at least 8
     * @param width W, at least 8
     * @param seed another seed gives other pictures
     * @param part which combinations occur
     */
    public ScenesDataset(int size, int height, int width, long seed, Part part) {
        this.size = ShapesDataset.checkRange("size", size, 1, Integer.MAX_VALUE);
        this.height = ShapesDataset.checkRange("height", height, 8, 1 << 14);
        this.width = ShapesDataset.checkRange("width", width, 8, 1 << 14);
        this.seed = seed;
        this.part = Objects.requireNonNull(part, "part");
        shapes = ShapesDataset.MAX_SHAPES;
        colours = ShapesDataset.MAX_COLOURS;
        int pairs = shapes * colours;
        List<Integer> order = new ArrayList<>();
        for (int pair = 0; pair < pairs; pair++) {
            order.add(pair);
        }
        order.sort(Comparator.comparingLong(pair -> Seeds.mix(HELD_OUT_SEED, pair)));
        heldOutAlone = new HashSet<>(order.subList(0, pairs / HELD_OUT_SHARE));
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

    /** None: what is to be seen, the caption says. */
    @Override
    public List<String> classNames() {
        return List.of();
    }

    @Override
    public long label(int index) {
        Objects.checkIndex(index, size);
        return 0;
    }

    /** One. */
    @Override
    public List<String> captions(int index) {
        return List.of(scene(index).caption());
    }

    /**
     * What a picture shows.
     *
     * @param index which picture
     * @return the same at each call
     */
    public Scene scene(int index) {
        Objects.checkIndex(index, size);
        SplittableRandom random = new SplittableRandom(Seeds.mix(seed, index));
        boolean two = index % 2 == 1;
        int first;
        int second;
        Relation relation;
        do {
            first = random.nextInt(shapes * colours);
            second = random.nextInt(shapes * colours);
            relation = RELATIONS.get(random.nextInt(RELATIONS.size()));
        } while (isHeldOut(two, first, relation, second) != (part == Part.HELD_OUT));
        return two ? pair(first, relation, second, random) : alone(first, random);
    }

    /** One above the other is the other below the one: both are held out, or neither. */
    private boolean isHeldOut(boolean two, int first, Relation relation, int second) {
        if (!two) {
            return heldOutAlone.contains(first);
        }
        if (relation == Relation.BELOW || relation == Relation.RIGHT) {
            return isHeldOut(true, second, relation == Relation.BELOW ? Relation.ABOVE : Relation.LEFT, first);
        }
        long combination = ((long) first * RELATIONS.size() + RELATIONS.indexOf(relation)) * shapes * colours + second;
        return Math.floorMod(Seeds.mix(HELD_OUT_SEED + 1, combination), HELD_OUT_SHARE) == 0;
    }

    private Scene alone(int kind, SplittableRandom random) {
        boolean large = random.nextBoolean();
        double extent = extent(large ? 0.30 : 0.16, large ? 0.38 : 0.22, random);
        double x = ShapesDataset.between(extent, width - extent, random);
        double y = ShapesDataset.between(extent, height - extent, random);
        return new Scene(List.of(thing(kind, large, random.nextBoolean(), x, y, extent)), Relation.ABOVE);
    }

    private Scene pair(int first, Relation relation, int second, SplittableRandom random) {
        boolean[] large = {random.nextBoolean(), random.nextBoolean()};
        boolean[] said = {random.nextBoolean(), random.nextBoolean()};
        double[] extent = new double[2];
        for (int i = 0; i < 2; i++) {
            extent[i] = extent(large[i] ? 0.19 : 0.12, large[i] ? 0.22 : 0.15, random);
        }
        boolean vertical = relation == Relation.ABOVE || relation == Relation.BELOW;
        boolean firstLeads = relation == Relation.ABOVE || relation == Relation.LEFT;
        int near = firstLeads ? 0 : 1; // lies nearer to the top or the left
        double length = vertical ? height : width;
        double gap = GAP * Math.min(height, width);
        double free = length - 2 * (extent[0] + extent[1]) - gap;
        double before = ShapesDataset.between(0, free, random);
        double between = ShapesDataset.between(0, free - before, random);
        double[] along = new double[2];
        along[near] = before + extent[near];
        along[1 - near] = along[near] + extent[near] + gap + between + extent[1 - near];
        List<Thing> things = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            double across = ShapesDataset.between(extent[i], (vertical ? width : height) - extent[i], random);
            things.add(thing(
                    i == 0 ? first : second,
                    large[i],
                    said[i],
                    vertical ? across : along[i],
                    vertical ? along[i] : across,
                    extent[i]));
        }
        return new Scene(List.copyOf(things), relation);
    }

    private double extent(double least, double most, SplittableRandom random) {
        return ShapesDataset.between(least, most, random) * Math.min(height, width);
    }

    private Thing thing(int kind, boolean large, boolean said, double x, double y, double extent) {
        String colour = ShapesDataset.lowerCase(COLOURS.get(kind % colours));
        String shape = ShapesDataset.lowerCase(SHAPES.get(kind / colours));
        return new Thing(colour, shape, large, said, x, y, extent);
    }

    /** {@inheritDoc} Nothing is augmented: {@code random} is not used. */
    @Override
    public void read(int index, RandomGenerator random, float[] into, int offset) {
        Objects.checkFromIndexSize(offset, 3 * height * width, into.length);
        Arrays.fill(into, offset, offset + 3 * height * width, -1);
        for (Thing thing : scene(index).things()) {
            Shape shape = ShapesDataset.named(SHAPES, thing.shape());
            Colour colour = ShapesDataset.named(COLOURS, thing.colour());
            for (int y = 0, o = offset; y < height; y++) {
                for (int x = 0; x < width; x++, o++) {
                    double covered = ShapesDataset.coverage(shape, x - thing.x(), y - thing.y(), thing.extent());
                    for (int c = 0; c < 3; c++) {
                        into[o + c * height * width] += (float) (2 * covered * colour.channel(c));
                    }
                }
            }
        }
    }

    @Override
    public String name(int index) {
        return "scenes[" + index + "] (" + scene(index).caption() + ")";
    }

    @Override
    public String fingerprint() {
        return new Fingerprint("scenes")
                .add(size)
                .add(height)
                .add(width)
                .add(seed)
                .add(part.name())
                .hex();
    }

    /** Nothing to release. */
    @Override
    public void close() {}
}
