package org.mezzotint.models.layers;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.tensor.Ops;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scope;

/**
 * {@code y = x · Wᵀ + b}; {@code weight} is (out, in), {@code bias} (out,) or absent.
 *
 * <p>In mixed precision the product runs in bfloat16 and its result stays bfloat16: the caller's next addition to the
 * residual stream makes it float32 again. For sampling on the CPU the weight can be {@link #pack packed}, a second copy
 * in the layout of oneDNN's kernels.
 */
public final class Linear extends Layer {
    private final Tensor weight;
    private final Tensor bias; // null without one
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
        /** Uniform in ±1/√in, what PyTorch gives a new layer. */
        UNIFORM_FAN_IN,
        /** Zero: the layer starts by giving its bias. */
        ZERO
    }

    /**
     * Makes the layer with a bias.
     *
     * @param init fills the parameters
     * @param in input width
     * @param out output width
     * @param weights initial content of the weight
     */
    public Linear(Init init, long in, long out, Weights weights) {
        this(init, in, out, weights, true);
    }

    private Linear(Init init, long in, long out, Weights weights, boolean biased) {
        weight = parameter(
                "weight",
                switch (weights) {
                    case XAVIER_UNIFORM -> init.xavierUniform(out, in);
                    case NORMAL_002 -> init.normal(0.02, out, in);
                    case UNIFORM_FAN_IN -> init.uniform(1 / Math.sqrt((double) in), out, in);
                    case ZERO -> init.zeros(out, in);
                });
        bias = biased ? parameter("bias", init.zeros(out)) : null;
        compute = init.precision().compute();
        mixed = init.precision() == Precision.BFLOAT16;
    }

    /**
     * Makes the layer without a bias.
     *
     * @param init fills the parameters
     * @param in input width
     * @param out output width
     * @param weights initial content of the weight
     * @return {@code y = x · Wᵀ}
     */
    public static Linear withoutBias(Init init, long in, long out, Weights weights) {
        return new Linear(init, in, out, weights, false);
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
            if (input.requires_grad()) {
                throw new IllegalStateException("a packed layer has no gradients: unpack it first");
            }
            return Ops.packedLinear(input, packed, packedBias, activation);
        }
        Tensor w = mixed ? weight.to(compute) : weight;
        Tensor y = bias == null ? torch.linear(input, w) : torch.linear(input, w, mixed ? bias.to(compute) : bias);
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
        packedBias = bias == null ? null : bias.detach().to(compute);
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
