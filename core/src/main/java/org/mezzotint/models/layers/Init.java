package org.mezzotint.models.layers;

import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.DeviceType;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * How the parameters of a new model are made: on which device, in which precision, and filled with what.
 *
 * <p>Random values are drawn on the CPU in order of construction, so a seed gives the same model on every device.
 */
public final class Init implements AutoCloseable {
    private enum Fill {
        RANDOM,
        BLANK,
        NONE
    }

    private final Fill fill;
    private final Precision precision;
    private final Scope scope;
    private final Device device;
    private final Rng rng;

    private Init(Fill fill, long seed, Precision precision, String device) {
        this.fill = fill;
        this.precision = precision;
        scope = Scope.owner();
        this.device = new Device(device);
        rng = new Rng(seed);
        scope.leave();
    }

    /**
     * Freshly initialised parameters.
     *
     * @param seed of the random numbers
     * @param precision of the model
     * @param device where it lives
     * @return to be closed after the model is built
     */
    public static Init random(long seed, Precision precision, Device device) {
        return new Init(Fill.RANDOM, seed, precision, name(device));
    }

    /**
     * Zeros, to be overwritten by a file's values.
     *
     * @param precision of the model
     * @param device where it lives
     * @return to be closed after the model is built
     */
    public static Init blank(Precision precision, Device device) {
        return new Init(Fill.BLANK, 0, precision, name(device));
    }

    /**
     * Shapes without memory (libtorch's meta device), for counting.
     *
     * @return to be closed after the model is built
     */
    public static Init shapesOnly() {
        return new Init(Fill.NONE, 0, Precision.FLOAT32, "meta");
    }

    private static String name(Device device) {
        return device.is_cpu() ? "cpu" : device.str().getString();
    }

    /**
     * Number types of the model.
     *
     * @return as given
     */
    public Precision precision() {
        return precision;
    }

    /**
     * Zeros.
     *
     * @param shape lengths
     * @return a new tensor
     */
    public Tensor zeros(long... shape) {
        return make(false, 0, shape, null);
    }

    /**
     * A constant.
     *
     * @param value of every element
     * @param shape lengths
     * @return a new tensor
     */
    public Tensor constant(double value, long... shape) {
        return make(true, value, shape, null);
    }

    /**
     * Normal numbers with mean 0.
     *
     * @param std standard deviation
     * @param shape lengths
     * @return a new tensor
     */
    public Tensor normal(double std, long... shape) {
        return make(false, 0, shape, t -> {
            rng.fillNormal(t);
            t.mul_(Scalars.of(std));
        });
    }

    /**
     * Uniform numbers of variance 2 / (in + out), Glorot's rule, for a weight whose first dimension is the output.
     *
     * @param shape (out, in…); the trailing dimensions multiply to the input width
     * @return a new tensor
     */
    public Tensor xavierUniform(long... shape) {
        long in = 1;
        for (int i = 1; i < shape.length; i++) {
            in *= shape[i];
        }
        return uniform(Math.sqrt(6.0 / (in + shape[0])), shape);
    }

    /**
     * Uniform numbers around 0.
     *
     * @param bound largest magnitude
     * @param shape lengths
     * @return a new tensor
     */
    public Tensor uniform(double bound, long... shape) {
        return make(false, 0, shape, t -> rng.fillUniform(t, -bound, bound));
    }

    /**
     * Given initial values, for tables that follow from a formula.
     *
     * @param values in row-major order
     * @param shape lengths
     * @return a new tensor
     */
    public Tensor table(double[] values, long... shape) {
        return make(false, 0, shape, t -> t.copy_(Tensors.of(values).view(shape)));
    }

    /**
     * Positions to gather from.
     *
     * @param values not negative
     * @return a new int64 tensor
     */
    public Tensor indices(long... values) {
        try (Scope inner = Scope.open()) {
            return inner.keep(Tensors.of(values).to(device, ScalarType.Long));
        }
    }

    /**
     * Values that belong to no checkpoint, whatever this draws otherwise.
     *
     * @param type of the tensor
     * @param values in row-major order
     * @param shape lengths
     * @return a new tensor
     */
    public Tensor fixed(ScalarType type, double[] values, long... shape) {
        try (Scope inner = Scope.open()) {
            return inner.keep(Tensors.of(values).view(shape).to(device, type));
        }
    }

    private interface Filler {
        void fill(Tensor tensor);
    }

    private Tensor make(boolean constant, double value, long[] shape, Filler filler) {
        try (Scope inner = Scope.open()) {
            if (fill == Fill.NONE) {
                return inner.keep(
                        torch.empty(shape, Tensors.options(precision.storage(), device), new MemoryFormatOptional()));
            }
            Tensor tensor = torch.zeros(shape, Tensors.options(precision.storage(), new Device(DeviceType.CPU)));
            if (fill == Fill.RANDOM && constant) {
                tensor.fill_(Scalars.of(value));
            } else if (fill == Fill.RANDOM && filler != null) {
                filler.fill(tensor);
            }
            return inner.keep(device.is_cpu() ? tensor : tensor.to(device, precision.storage()));
        }
    }

    @Override
    public void close() {
        rng.close();
        scope.close();
    }
}
