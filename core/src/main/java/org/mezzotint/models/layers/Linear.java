package org.mezzotint.models.layers;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.tensor.Ops;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scope;

/**
 * {@code y = x · Wᵀ + b}; {@code weight} is (out, in), {@code bias} (out,).
 *
 * <p>In mixed precision the product runs in bfloat16 and its result stays bfloat16: the caller's next addition to the
 * residual stream makes it float32 again. For sampling on the CPU the weight can be {@link #pack packed}, a second copy
 * in the layout of oneDNN's kernels.
 */
public final class Linear extends Layer {
    private final Tensor weight;
    private final Tensor bias;
    private final ScalarType compute;
    private final boolean mixed;
    private Scope packing;
    private Tensor packed;
    private Tensor packedBias;

    /** What a new weight is filled with; biases start at zero. */
    public enum Weights {
        /** Glorot's uniform rule. */
        XAVIER_UNIFORM,
        /** Normal with standard deviation 0.02. */
        NORMAL_002,
        /** Zero: the layer starts by giving its bias. */
        ZERO
    }

    /**
     * Makes the layer.
     *
     * @param init fills the parameters
     * @param in input width
     * @param out output width
     * @param weights initial content of the weight
     */
    public Linear(Init init, long in, long out, Weights weights) {
        weight = parameter(
                "weight",
                switch (weights) {
                    case XAVIER_UNIFORM -> init.xavierUniform(out, in);
                    case NORMAL_002 -> init.normal(0.02, out, in);
                    case ZERO -> init.zeros(out, in);
                });
        bias = parameter("bias", init.zeros(out));
        compute = init.precision().compute();
        mixed = init.precision() == Precision.BFLOAT16;
    }

    /**
     * Applies the layer.
     *
     * @param x (…, in)
     * @return (…, out)
     */
    public Tensor forward(Tensor x) {
        return apply(x, Ops.Activation.NONE);
    }

    /**
     * Applies the layer and then GELU in its tanh form, fused when packed.
     *
     * @param x (…, in)
     * @return (…, out)
     */
    public Tensor forwardGeluTanh(Tensor x) {
        return apply(x, Ops.Activation.GELU_TANH);
    }

    private Tensor apply(Tensor x, Ops.Activation activation) {
        Tensor input = mixed ? x.to(compute) : x;
        if (packed != null) {
            return Ops.packedLinear(input, packed, packedBias, activation);
        }
        Tensor y =
                mixed ? torch.linear(input, weight.to(compute), bias.to(compute)) : torch.linear(input, weight, bias);
        return activation == Ops.Activation.GELU_TANH ? torch.gelu(y, "tanh") : y;
    }

    /**
     * Switches to oneDNN's packed kernels, without gradients, until {@link #unpack}. Changes to the weight made meanwhile
     * have no effect. CPU only, float32 and bfloat16.
     *
     * @param rows the number of rows that inputs will usually have
     */
    public void pack(long rows) {
        unpack();
        packing = Scope.owner();
        packed = Ops.packLinearWeight(weight.detach().to(compute), rows);
        packedBias = bias.detach().to(compute);
        packing.leave();
    }

    /** Frees the packed copy; the layer runs from its weight again. */
    public void unpack() {
        if (packing != null) {
            packing.close();
            packing = null;
            packed = null;
            packedBias = null;
        }
    }
}
