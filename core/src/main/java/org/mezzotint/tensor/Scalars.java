package org.mezzotint.tensor;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarOptional;

/** Short names for libtorch scalars. */
public final class Scalars {
    private Scalars() {}

    /**
     * A scalar operand.
     *
     * @param value any number
     * @return belongs to the current scope
     */
    public static Scalar of(double value) {
        return new Scalar(value);
    }

    /**
     * An optional scalar operand that is present.
     *
     * @param value any number
     * @return belongs to the current scope
     */
    public static ScalarOptional optional(double value) {
        return new ScalarOptional(new Scalar(value));
    }
}
