package org.mezzotint.data;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.random.RandomGenerator;
import java.util.stream.IntStream;

/** A view of chosen pictures of another data set. It owns nothing: closing it leaves the other one open. */
public final class Subset implements Dataset {
    private static final long SPLIT = 0x73706C6974L;

    private final Dataset base;
    private final int[] indices;

    /**
     * A view of the pictures at {@code indices}, in that order.
     *
     * @param base the data set to look into
     * @param indices which pictures; repeats are allowed
     * @throws IndexOutOfBoundsException if one of them does not exist
     */
    public Subset(Dataset base, int... indices) {
        this.base = Objects.requireNonNull(base, "base");
        this.indices = indices.clone();
        for (int index : indices) {
            Objects.checkIndex(index, base.size());
        }
    }

    /**
     * Two parts of one data set without a picture in common; both keep its order.
     *
     * @param train the larger part, to learn from
     * @param validation the part held back
     */
    public record Split(Subset train, Subset validation) {}

    /**
     * Holds back a fixed part of a data set. The choice depends on its size and on {@code validation} alone, never on a
     * seed, and a larger part contains every smaller one.
     *
     * @param dataset what to split; it stays open and is closed by its owner
     * @param validation how many pictures to hold back, at least 0 and fewer than there are
     * @return both parts
     */
    public static Split split(Dataset dataset, int validation) {
        int size = dataset.size();
        if (validation < 0 || validation >= size) {
            throw new IllegalArgumentException(
                    "validation must be 0 to " + (size - 1) + " for " + size + " pictures, got " + validation);
        }
        int[] byHash = IntStream.range(0, size)
                .boxed()
                .sorted(Comparator.comparingLong(index -> Seeds.mix(SPLIT, index)))
                .mapToInt(Integer::intValue)
                .toArray();
        int[] held = Arrays.copyOf(byHash, validation);
        int[] rest = Arrays.copyOfRange(byHash, validation, size);
        Arrays.sort(held);
        Arrays.sort(rest);
        return new Split(new Subset(dataset, rest), new Subset(dataset, held));
    }

    /**
     * Where these pictures are in the other data set.
     *
     * @return a copy, in this view's order
     */
    public int[] indices() {
        return indices.clone();
    }

    @Override
    public int size() {
        return indices.length;
    }

    @Override
    public Optional<LatentSpace> latents() {
        return base.latents();
    }

    @Override
    public int channels() {
        return base.channels();
    }

    @Override
    public int height() {
        return base.height();
    }

    @Override
    public int width() {
        return base.width();
    }

    @Override
    public List<String> classNames() {
        return base.classNames();
    }

    @Override
    public long label(int index) {
        return base.label(indices[index]);
    }

    @Override
    public int labelWidth() {
        return base.labelWidth();
    }

    @Override
    public float[] labelVector(int index) {
        return base.labelVector(indices[index]);
    }

    @Override
    public List<String> captions(int index) {
        return base.captions(indices[index]);
    }

    @Override
    public void read(int index, RandomGenerator random, float[] into, int offset) {
        base.read(indices[index], random, into, offset);
    }

    @Override
    public String name(int index) {
        return base.name(indices[index]);
    }

    @Override
    public String fingerprint() {
        Fingerprint fingerprint = new Fingerprint("subset").add(base.fingerprint());
        for (int index : indices) {
            fingerprint.add(index);
        }
        return fingerprint.hex();
    }

    /** Does nothing: the data set it looks into belongs to someone else. */
    @Override
    public void close() {}
}
