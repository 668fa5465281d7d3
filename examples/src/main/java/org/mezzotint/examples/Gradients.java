package org.mezzotint.examples;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import org.mezzotint.data.Dataset;

/**
 * A data set of one's own: gradients from one random colour to another, across or down.
 *
 * <p>Picture {@code index} is always the same, so that several threads may read it and a resumed run sees what it would
 * have seen.
 *
 * @param size number of pictures
 * @param height H
 * @param width W
 */
record Gradients(int size, int height, int width) implements Dataset {
    @Override
    public int channels() {
        return 3;
    }

    @Override
    public List<String> classNames() {
        return List.of("across", "down");
    }

    @Override
    public long label(int index) {
        return Objects.checkIndex(index, size) % 2;
    }

    /** Fills one picture. {@code random} is for augmentation, such as flips; gradients have none. */
    @Override
    public void read(int index, RandomGenerator random, float[] into, int offset) {
        boolean across = label(index) == 0;
        SplittableRandom colours = new SplittableRandom(index);
        for (int c = 0, o = offset; c < 3; c++) {
            double from = colours.nextDouble(-1, 1);
            double to = colours.nextDouble(-1, 1);
            for (int y = 0; y < height; y++) {
                for (int x = 0; x < width; x++, o++) {
                    double along = across ? x / (width - 1.0) : y / (height - 1.0);
                    into[o] = (float)
                            (from + along * (to - from)); // in [-1, 1], channel after channel, rows from the top
                }
            }
        }
    }

    @Override
    public String name(int index) {
        return "gradient " + index;
    }

    /** Whatever changes the pictures goes in; a run refuses to resume with another fingerprint. */
    @Override
    public String fingerprint() {
        try {
            byte[] content = ("gradients 1 " + this).getBytes(StandardCharsets.UTF_8);
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    /** Nothing is open. */
    @Override
    public void close() {}
}
