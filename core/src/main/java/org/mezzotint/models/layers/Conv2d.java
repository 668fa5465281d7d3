package org.mezzotint.models.layers;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.MemoryFormat;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.tensor.Ops;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scope;

/**
 * Two-dimensional convolution; {@code weight} is (out, in, kernel, kernel), {@code bias} (out,) or absent. The border is
 * filled with zeros.
 *
 * <p>The weight's memory holds channels fastest ("channels last"), and so does that of the result: oneDNN's kernels then
 * read and write pictures as they lie. A network that starts from {@link #channelsLast} pays for no reordering between
 * its layers. Shapes, names and files do not show the difference.
 *
 * <p>In mixed precision the products run in bfloat16 and the result is float32 again. For sampling on the CPU the weight can
 * be {@link #pack packed}, a second copy in the layout of oneDNN's kernels, which otherwise make that copy in every call.
 */
public final class Conv2d extends Layer {
    private static final long[] EACH = {1, 1};

    private final Tensor weight;
    private final TensorOptional bias;
    private final TensorOptional mixedBias; // never set: a bias joins in float32
    private final long[] stride;
    private final long[] padding;
    private final Precision precision;
    private Scope packing;
    private Tensor packed;

    /** How the kernel moves over the picture. */
    public enum Reach {
        /** Kernel 1: each pixel by itself. */
        POINT(1, 1, 0),
        /** Kernel 3, padded by 1: the picture keeps its size. */
        SAME(3, 1, 1),
        /** Kernel 3, stride 2, padded by 1: half the size, rounded up. */
        HALF(3, 2, 1),
        /** Kernel 3, stride 2, unpadded: the caller pads. */
        HALF_UNPADDED(3, 2, 0);

        private final int kernel;
        private final int stride;
        private final int padding;

        Reach(int kernel, int stride, int padding) {
            this.kernel = kernel;
            this.stride = stride;
            this.padding = padding;
        }
    }

    /**
     * Makes the layer with a bias, which starts at zero.
     *
     * @param init fills the parameters
     * @param in input channels
     * @param out output channels
     * @param reach kernel, stride and padding
     * @param weights initial content of the weight; its fan-in is in · kernel²
     */
    public Conv2d(Init init, long in, long out, Reach reach, Linear.Weights weights) {
        this(init, in, out, reach, weights, true);
    }

    private Conv2d(Init init, long in, long out, Reach reach, Linear.Weights weights, boolean biased) {
        long[] shape = {out, in, reach.kernel, reach.kernel};
        try (Scope scope = Scope.open()) {
            Tensor values =
                    switch (weights) {
                        case XAVIER_UNIFORM -> init.xavierUniform(shape);
                        case NORMAL_002 -> init.normal(0.02, shape);
                        case UNIFORM_FAN_IN ->
                            init.uniform(1 / Math.sqrt((double) in * reach.kernel * reach.kernel), shape);
                        case ZERO -> init.zeros(shape);
                    };
            weight = scope.keep(channelsLast(values));
        }
        parameter("weight", weight);
        bias = biased ? new TensorOptional(parameter("bias", init.zeros(out))) : new TensorOptional();
        mixedBias = new TensorOptional();
        stride = new long[] {reach.stride, reach.stride};
        padding = new long[] {reach.padding, reach.padding};
        precision = init.precision();
    }

    /**
     * Makes the layer without a bias.
     *
     * @param init fills the parameters
     * @param in input channels
     * @param out output channels
     * @param reach kernel, stride and padding
     * @param weights initial content of the weight
     * @return the layer
     */
    public static Conv2d withoutBias(Init init, long in, long out, Reach reach, Linear.Weights weights) {
        return new Conv2d(init, in, out, reach, weights, false);
    }

    /**
     * The same pictures with channels fastest in memory.
     *
     * @param x (N, C, H, W)
     * @return (N, C, H, W), {@code x} itself if it lies so already
     */
    public static Tensor channelsLast(Tensor x) {
        return x.contiguous(MemoryFormat.ChannelsLast);
    }

    /**
     * Applies the layer.
     *
     * @param x (N, in, H, W)
     * @return (N, out, H', W')
     */
    public Tensor forward(Tensor x) {
        if (packed != null) {
            if (x.requires_grad()) {
                throw new IllegalStateException("a packed layer has no gradients: unpack it first");
            }
            if (precision != Precision.BFLOAT16) {
                return Ops.packedConvolution(x, packed, bias.has_value() ? bias.get() : null, padding, stride);
            }
            Tensor y = Ops.packedConvolution(x.to(precision.compute()), packed, null, padding, stride)
                    .to(precision.storage());
            return bias.has_value() ? y.add(bias.get().view(1, -1, 1, 1)) : y;
        }
        if (precision != Precision.BFLOAT16) {
            return torch.conv2d(x, weight, bias, stride, padding, EACH, 1);
        }
        ScalarType compute = precision.compute();
        Tensor y = torch.conv2d(x.to(compute), weight.to(compute), mixedBias, stride, padding, EACH, 1)
                .to(precision.storage());
        return bias.has_value() ? y.add(bias.get().view(1, -1, 1, 1)) : y;
    }

    /**
     * Switches to oneDNN's packed kernels, without gradients, until {@link #unpack}. Changes to the weight made meanwhile
     * have no effect. CPU only, float32 and bfloat16.
     *
     * @param n the number of pictures that inputs will usually have
     * @param height of their maps
     * @param width of their maps
     */
    public void pack(long n, long height, long width) {
        unpack();
        packing = Scope.owner();
        packed = Ops.packConvolutionWeight(
                weight.detach().to(precision.compute()), padding, stride, n, weight.size(1), height, width);
        packing.leave();
    }

    /** Frees the packed copy; the layer runs from its weight again. */
    public void unpack() {
        if (packing != null) {
            packing.close();
            packing = null;
            packed = null;
        }
    }
}
