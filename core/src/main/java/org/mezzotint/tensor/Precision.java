package org.mezzotint.tensor;

import java.util.Locale;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Number types of a model: what its parameters are kept in, and what its matrix products run in. */
public enum Precision {
    /** IEEE single precision throughout. */
    FLOAT32(ScalarType.Float, ScalarType.Float),
    /** IEEE double precision throughout: for comparing implementations, not for work. */
    FLOAT64(ScalarType.Double, ScalarType.Double),
    /**
     * Mixed: float32 parameters, residual stream and normalisation; bfloat16 matrix products. Needs no loss scaling.
     * Fast only on processors with AVX512-BF16, AMX or a GPU.
     */
    BFLOAT16(ScalarType.Float, ScalarType.BFloat16);

    private final ScalarType storage;
    private final ScalarType compute;

    Precision(ScalarType storage, ScalarType compute) {
        this.storage = storage;
        this.compute = compute;
    }

    /**
     * The type of parameters and activations.
     *
     * @return the libtorch type
     */
    public ScalarType storage() {
        return storage;
    }

    /**
     * Refuses a tensor that a model of this precision does not take.
     *
     * @param name of the tensor in the message
     * @param tensor must be of type {@link #storage()}
     * @throws IllegalArgumentException if it is not
     */
    public void checkStored(String name, Tensor tensor) {
        if (Tensors.type(tensor) != storage) {
            throw new IllegalArgumentException(
                    name + " must be of type " + storage + " in this model, got " + Tensors.type(tensor));
        }
    }

    /**
     * The type in which matrix products run.
     *
     * @return the libtorch type
     */
    public ScalarType compute() {
        return compute;
    }

    /**
     * Reads {@code float32}, {@code float64} or {@code bfloat16}.
     *
     * @param name as written by people
     * @return the precision
     * @throws IllegalArgumentException for another name
     */
    public static Precision parse(String name) {
        for (Precision precision : values()) {
            if (precision.toString().equals(name)) {
                return precision;
            }
        }
        throw new IllegalArgumentException("precision must be float32, float64 or bfloat16, got " + name);
    }

    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
