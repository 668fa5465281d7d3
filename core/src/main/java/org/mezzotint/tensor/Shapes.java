package org.mezzotint.tensor;

import java.util.Arrays;
import org.bytedeco.pytorch.Tensor;

/** Shape checks at the borders of models, losses and samplers. */
public final class Shapes {
    /** Stands for a dimension of any length in {@link #check}. */
    public static final long ANY = -1;

    private Shapes() {}

    /**
     * Requires a tensor to have the given shape.
     *
     * @param name what the caller calls the tensor
     * @param tensor checked
     * @param expected one length per dimension, {@link #ANY} for any length
     * @return {@code tensor}
     * @throws IllegalArgumentException with name, rule and value
     */
    public static Tensor check(String name, Tensor tensor, long... expected) {
        long[] shape = of(tensor);
        boolean equal = shape.length == expected.length;
        for (int i = 0; equal && i < shape.length; i++) {
            equal = expected[i] == ANY || expected[i] == shape[i];
        }
        if (!equal) {
            throw new IllegalArgumentException(
                    name + " must have shape " + toString(expected) + ", got " + toString(shape));
        }
        return tensor;
    }

    /**
     * The shape of a tensor as a Java array.
     *
     * @param tensor any tensor
     * @return one length per dimension
     */
    public static long[] of(Tensor tensor) {
        return tensor.shape();
    }

    /**
     * A shape as people write it: {@code (4, 3, 32, any)}.
     *
     * @param shape lengths, {@link #ANY} allowed
     * @return text
     */
    public static String toString(long... shape) {
        StringBuilder text = new StringBuilder("(");
        for (int i = 0; i < shape.length; i++) {
            text.append(i == 0 ? "" : ", ").append(shape[i] == ANY ? "any" : Long.toString(shape[i]));
        }
        return text.append(shape.length == 1 ? ",)" : ")").toString();
    }

    /**
     * The number of elements of a shape.
     *
     * @param shape lengths, none negative
     * @return their product
     * @throws ArithmeticException if the product exceeds a long
     */
    public static long count(long... shape) {
        return Arrays.stream(shape).reduce(1, Math::multiplyExact);
    }
}
