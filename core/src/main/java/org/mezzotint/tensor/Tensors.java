package org.mezzotint.tensor;

import java.nio.ByteBuffer;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.DeviceOptional;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Between Java arrays and tensors. Everything made here belongs to the current scope. */
public final class Tensors {
    private Tensors() {}

    /**
     * Options for making a tensor.
     *
     * @param type of its elements
     * @param device where it lives
     * @return libtorch's form of both
     */
    public static TensorOptions options(ScalarType type, Device device) {
        return new TensorOptions().dtype(new ScalarTypeOptional(type)).device(new DeviceOptional(device));
    }

    /**
     * The type of a tensor's elements, as an enum constant that can be compared with {@code ==}.
     *
     * @param tensor any tensor
     * @return its type
     */
    public static ScalarType type(Tensor tensor) {
        return tensor.scalar_type().intern();
    }

    /**
     * A CPU tensor with undefined content.
     *
     * @param type of its elements
     * @param shape lengths
     * @return a new tensor
     */
    public static Tensor empty(ScalarType type, long... shape) {
        try (Scope scope = Scope.open()) {
            return scope.keep(torch.empty(shape, new TensorOptions(type), new MemoryFormatOptional()));
        }
    }

    /**
     * A (values.length,) int64 tensor on the CPU.
     *
     * @param values copied
     * @return a new tensor
     */
    public static Tensor of(long... values) {
        Tensor tensor = empty(ScalarType.Long, values.length);
        if (values.length > 0) {
            try (Scope scope = Scope.open()) {
                tensor.data_ptr_long().put(values, 0, values.length);
            }
        }
        return tensor;
    }

    /**
     * A (values.length,) float64 tensor on the CPU.
     *
     * @param values copied
     * @return a new tensor
     */
    public static Tensor of(double... values) {
        Tensor tensor = empty(ScalarType.Double, values.length);
        if (values.length > 0) {
            try (Scope scope = Scope.open()) {
                tensor.data_ptr_double().put(values, 0, values.length);
            }
        }
        return tensor;
    }

    /**
     * A float32 tensor on the CPU.
     *
     * @param values copied, in row-major order
     * @param shape lengths; their product is values.length
     * @return a new tensor
     */
    public static Tensor of(float[] values, long... shape) {
        if (Shapes.count(shape) != values.length) {
            throw new IllegalArgumentException(
                    "shape " + Shapes.toString(shape) + " must hold as many values as given, got " + values.length);
        }
        Tensor tensor = empty(ScalarType.Float, shape);
        if (values.length > 0) {
            try (Scope scope = Scope.open()) {
                tensor.data_ptr_float().put(values, 0, values.length);
            }
        }
        return tensor;
    }

    /**
     * The elements in row-major order, from any type and device.
     *
     * @param tensor read
     * @return a copy
     */
    public static float[] floats(Tensor tensor) {
        float[] values = new float[Math.toIntExact(tensor.numel())];
        try (Scope scope = Scope.open()) {
            Tensor plain = tensor.detach().cpu().to(ScalarType.Float).contiguous();
            FloatPointer data = plain.data_ptr_float();
            if (values.length > 0) {
                data.get(values, 0, values.length);
            }
        }
        return values;
    }

    /**
     * The elements in row-major order, from any type and device.
     *
     * @param tensor read
     * @return a copy
     */
    public static double[] doubles(Tensor tensor) {
        double[] values = new double[Math.toIntExact(tensor.numel())];
        try (Scope scope = Scope.open()) {
            Tensor plain = tensor.detach().cpu().to(ScalarType.Double).contiguous();
            DoublePointer data = plain.data_ptr_double();
            if (values.length > 0) {
                data.get(values, 0, values.length);
            }
        }
        return values;
    }

    /**
     * The elements of an integer tensor in row-major order, from any device.
     *
     * @param tensor read
     * @return a copy
     */
    public static long[] longs(Tensor tensor) {
        long[] values = new long[Math.toIntExact(tensor.numel())];
        try (Scope scope = Scope.open()) {
            Tensor plain = tensor.detach().cpu().to(ScalarType.Long).contiguous();
            LongPointer data = plain.data_ptr_long();
            if (values.length > 0) {
                data.get(values, 0, values.length);
            }
        }
        return values;
    }

    /**
     * Pictures (N, 3 or 1, H, W) in [-1, 1] as bytes (N, H, W, 3): clamp(127.5·x + 128, 0 … 255), the rule of the DiT code.
     *
     * @param pictures on any device; one channel is repeated three times
     * @return N·H·W·3 bytes, channels fastest
     */
    public static byte[] rgbBytes(Tensor pictures) {
        Shapes.check("pictures", pictures, Shapes.ANY, Shapes.ANY, Shapes.ANY, Shapes.ANY);
        try (Scope scope = Scope.open()) {
            long[] shape = Shapes.of(pictures);
            Tensor rgb = shape[1] == 1 ? pictures.expand(shape[0], 3, shape[2], shape[3]) : pictures;
            Shapes.check("pictures", rgb, shape[0], 3, shape[2], shape[3]);
            Tensor bytes = rgb.detach()
                    .to(ScalarType.Float)
                    .mul(Scalars.of(127.5))
                    .add(Scalars.of(128))
                    .clamp(Scalars.optional(0), Scalars.optional(255))
                    .permute(0, 2, 3, 1)
                    .to(ScalarType.Byte)
                    .cpu()
                    .contiguous();
            byte[] values = new byte[Math.toIntExact(bytes.numel())];
            if (values.length > 0) {
                ByteBuffer buffer =
                        bytes.data_ptr_byte().capacity(values.length).asByteBuffer();
                buffer.get(values);
            }
            return values;
        }
    }
}
