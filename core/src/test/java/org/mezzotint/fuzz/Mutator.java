package org.mezzotint.fuzz;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/** Damages files the way that finds bugs in readers: flipped bits, cuts, repeated parts, lying lengths and counts. */
final class Mutator {
    private static final long[] LENGTHS = {
        0,
        1,
        -1,
        2,
        7,
        16,
        255,
        256,
        65535,
        65536,
        1 << 20,
        Integer.MAX_VALUE,
        Integer.MIN_VALUE,
        0xFFFFFFFFL,
        1L << 32,
        1L << 62,
        Long.MAX_VALUE,
        Long.MIN_VALUE
    };

    private final SplittableRandom random;
    private final List<byte[]> seeds;

    Mutator(long seed, List<byte[]> seeds) {
        this.random = new SplittableRandom(seed);
        this.seeds = seeds;
    }

    /** Some seed, damaged in one to four places. */
    byte[] next() {
        byte[] bytes = seeds.get(random.nextInt(seeds.size())).clone();
        for (int i = random.nextInt(4); i >= 0; i--) {
            bytes = damaged(bytes);
        }
        return bytes;
    }

    private byte[] damaged(byte[] bytes) {
        if (bytes.length == 0) {
            return new byte[] {(byte) random.nextInt()};
        }
        int at = random.nextInt(bytes.length);
        switch (random.nextInt(10)) {
            case 0 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
            case 1 -> bytes[at] = (byte) random.nextInt();
            case 2 -> {
                return Arrays.copyOf(bytes, at);
            }
            case 3 -> {
                return joined(bytes, at, bytes, Math.min(bytes.length, at + 1 + random.nextInt(16)));
            }
            case 4 -> {
                // again
                return joined(bytes, Math.min(bytes.length, at + 1 + random.nextInt(64)), bytes, at);
            }
            case 5 -> {
                byte[] other = seeds.get(random.nextInt(seeds.size()));
                return joined(bytes, at, other, random.nextInt(other.length + 1));
            }
            case 6 -> {
                if (bytes.length >= 8) {
                    number(bytes, Math.min(at, bytes.length - 8));
                }
            }
            case 7 -> {
                return digits(bytes, at);
            }
            case 8 -> {
                byte[] noise = new byte[1 + random.nextInt(12)];
                random.nextBytes(noise);
                byte[] head = joined(bytes, at, noise, 0);
                return joined(head, head.length, bytes, at);
            }
            default -> {
                int from = random.nextInt(bytes.length);
                int length = Math.min(random.nextInt(1, 33), bytes.length - Math.max(at, from));
                System.arraycopy(bytes.clone(), from, bytes, at, length);
            }
        }
        return bytes;
    }

    private void number(byte[] bytes, int at) {
        ByteBuffer buffer =
                ByteBuffer.wrap(bytes).order(random.nextBoolean() ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN);
        long value = LENGTHS[random.nextInt(LENGTHS.length)];
        switch (random.nextInt(4)) {
            case 0 -> buffer.putShort(at, (short) value);
            case 1 -> buffer.putInt(at, (int) value);
            case 2 -> buffer.putLong(at, value);
            default -> buffer.putInt(at, buffer.getInt(at) + random.nextInt(-4, 5));
        }
    }

    /** Another number where text holds one. */
    private byte[] digits(byte[] bytes, int from) {
        int start = from;
        while (start < bytes.length && (bytes[start] < '0' || bytes[start] > '9')) {
            start++;
        }
        int end = start;
        while (end < bytes.length && bytes[end] >= '0' && bytes[end] <= '9') {
            end++;
        }
        byte[] value = Long.toString(LENGTHS[random.nextInt(LENGTHS.length)]).getBytes(StandardCharsets.US_ASCII);
        byte[] head = joined(bytes, start, value, 0);
        return joined(head, head.length, bytes, end);
    }

    /** The beginning of one and the end of another. */
    private static byte[] joined(byte[] head, int headEnd, byte[] tail, int tailStart) {
        byte[] joined = Arrays.copyOf(head, headEnd + tail.length - tailStart);
        System.arraycopy(tail, tailStart, joined, headEnd, tail.length - tailStart);
        return joined;
    }
}
