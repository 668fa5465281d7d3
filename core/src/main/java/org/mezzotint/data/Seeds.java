package org.mezzotint.data;

/** Mixes numbers into one well-spread 64-bit seed with the finaliser of SplitMix64 (Steele et al., OOPSLA 2014). */
final class Seeds {
    private static final long GOLDEN_GAMMA = 0x9E3779B97F4A7C15L;

    private Seeds() {}

    /** A seed that depends on every part and on their order. */
    static long mix(long... parts) {
        long h = parts.length;
        for (long part : parts) {
            h = finish(h * 31 + part + GOLDEN_GAMMA);
        }
        return h;
    }

    private static long finish(long z) {
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }
}
