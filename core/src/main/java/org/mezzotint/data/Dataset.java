package org.mezzotint.data;

import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;

/**
 * A finite, indexed collection of pictures of one size, with or without labels.
 *
 * <p>Several threads may use one data set at the same time.
 */
public interface Dataset extends AutoCloseable {
    /**
     * The number of pictures; index runs from 0 to one less.
     *
     * @return the number of pictures, 0 or more
     */
    int size();

    /**
     * Channels C of every picture.
     *
     * @return 1 (gray) or 3 (red, green, blue); any number for latents
     */
    int channels();

    /**
     * Height H of every picture.
     *
     * @return pixels
     */
    int height();

    /**
     * Width W of every picture.
     *
     * @return pixels
     */
    int width();

    /**
     * The names of the classes; a label is an index into this list.
     *
     * @return the names, empty when the data set has no labels
     */
    List<String> classNames();

    /**
     * The class of a picture.
     *
     * @param index which picture
     * @return an index into {@link #classNames()}, or 0 when the data set has no labels
     * @throws IndexOutOfBoundsException if there is no such picture
     */
    long label(int index);

    /**
     * What the numbers are, where the pictures are latents.
     *
     * @return empty for pixels
     */
    default Optional<LatentSpace> latents() {
        return Optional.empty();
    }

    /**
     * The length of {@link #labelVector}: the number of classes, unless the labels are vectors themselves.
     *
     * @return 0 without labels
     */
    default int labelWidth() {
        return classNames().size();
    }

    /**
     * The label of a picture as numbers: 1 at its class and 0 elsewhere, or the vector that the data set has for it.
     *
     * @param index which picture
     * @return {@link #labelWidth} numbers, a copy
     * @throws IndexOutOfBoundsException if there is no such picture
     */
    default float[] labelVector(int index) {
        int label = (int) label(index);
        float[] oneHot = new float[classNames().size()];
        if (oneHot.length > 0) {
            oneHot[label] = 1;
        }
        return oneHot;
    }

    /**
     * The text that belongs to a picture.
     *
     * @param index which picture
     * @return its first caption, if the data set has one
     * @throws IndexOutOfBoundsException if there is no such picture
     */
    default Optional<String> caption(int index) {
        return captions(index).stream().findFirst();
    }

    /**
     * All texts that belong to a picture.
     *
     * @param index which picture
     * @return its captions in the data set's order; empty if it has none
     * @throws IndexOutOfBoundsException if there is no such picture
     * @throws org.mezzotint.io.InputException if a caption cannot be read
     */
    default List<String> captions(int index) {
        Objects.checkIndex(index, size());
        return List.of();
    }

    /**
     * Writes one picture as C·H·W numbers, in [-1, 1] for pixels, channel after channel, rows from the top.
     *
     * @param index which picture
     * @param random drives the data set's own augmentation, such as the horizontal flip
     * @param into receives the numbers
     * @param offset where in {@code into} the first number goes
     * @throws org.mezzotint.io.InputException if the file is broken, naming the path and the reason
     * @throws IndexOutOfBoundsException if there is no such picture or no room for it
     */
    void read(int index, RandomGenerator random, float[] into, int offset);

    /**
     * Reads pictures in a row as they are where the data set was opened without random flips.
     *
     * @param first index of the first
     * @param count how many
     * @return count·C·H·W numbers, picture after picture
     */
    default float[] read(int first, int count) {
        int length = channels() * height() * width();
        float[] pixels = new float[count * length];
        for (int i = 0; i < count; i++) {
            read(first + i, new SplittableRandom(0), pixels, i * length);
        }
        return pixels;
    }

    /**
     * Names a picture for messages.
     *
     * @param index which picture
     * @return its path, or another short description
     */
    String name(int index);

    /**
     * Identifies the content, so that a run is not resumed with another data set: SHA-256 over kind, picture size, class
     * names, and the name, size and label of every picture. File contents are not read, unless they are in memory anyway.
     *
     * @return 64 hexadecimal digits
     */
    String fingerprint();

    /** Releases files; calling it again does nothing. */
    @Override
    void close();
}
