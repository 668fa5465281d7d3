package org.mezzotint.eval;

import java.util.Arrays;

/**
 * The permutations of NumPy's {@code RandomState(seed)}, which torch-fidelity's figures depend on: a Mersenne twister
 * (Matsumoto and Nishimura, 1998) and a shuffle from the end that draws each index by rejection below a power of two.
 */
final class NumpyRandom {
    private static final int SIZE = 624;
    private static final int MIDDLE = 397;

    private final int[] state = new int[SIZE];
    private int next = SIZE;

    /** Seeds as NumPy does; the seed must be 0 to 2³² − 1. */
    NumpyRandom(long seed) {
        if (seed < 0 || seed > 0xFFFFFFFFL) {
            throw new IllegalArgumentException("seed must be 0 to 4294967295, got " + seed);
        }
        state[0] = (int) seed;
        for (int i = 1; i < SIZE; i++) {
            state[i] = 1812433253 * (state[i - 1] ^ (state[i - 1] >>> 30)) + i;
        }
    }

    private int nextInt() {
        if (next == SIZE) {
            for (int i = 0; i < SIZE; i++) {
                int y = (state[i] & 0x80000000) | (state[(i + 1) % SIZE] & 0x7FFFFFFF);
                state[i] = state[(i + MIDDLE) % SIZE] ^ (y >>> 1) ^ ((y & 1) == 0 ? 0 : 0x9908B0DF);
            }
            next = 0;
        }
        int y = state[next++];
        y ^= y >>> 11;
        y ^= (y << 7) & 0x9D2C5680;
        y ^= (y << 15) & 0xEFC60000;
        return y ^ (y >>> 18);
    }

    /** A number from 0 to max, both included. */
    private int upTo(int max) {
        int mask = max == 0 ? 0 : -1 >>> Integer.numberOfLeadingZeros(max);
        int value;
        do {
            value = nextInt() & mask;
        } while (value > max);
        return value;
    }

    /** {@code permutation(n)}: 0 to n − 1 in random order. */
    long[] permutation(int n) {
        long[] order = new long[n];
        for (int i = 0; i < n; i++) {
            order[i] = i;
        }
        for (int i = n - 1; i > 0; i--) {
            int j = upTo(i);
            long other = order[j];
            order[j] = order[i];
            order[i] = other;
        }
        return order;
    }

    /** {@code choice(n, size, replace=False)}: the first of a permutation. */
    long[] choice(int n, int size) {
        return Arrays.copyOf(permutation(n), size);
    }
}
