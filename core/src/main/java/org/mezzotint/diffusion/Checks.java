package org.mezzotint.diffusion;

/** Rules that many settings of this package share. */
final class Checks {
    private Checks() {}

    /** Refuses what is not above 0 and finite. */
    static void positive(String name, double value) {
        if (!(value > 0 && value < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException(name + " must be above 0, got " + value);
        }
    }
}
