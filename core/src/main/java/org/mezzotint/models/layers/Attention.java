package org.mezzotint.models.layers;

import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Tensors;

/** Softmax attention of every query over all keys. */
public final class Attention {
    private Attention() {}

    /**
     * {@code softmax(scale · q·kᵀ + bias) · v}: libtorch's fused kernel, except in bfloat16 on the CPU, where that kernel
     * takes twenty times as long as the plain products.
     *
     * @param q (N, h, T, d)
     * @param k (N, h, S, d)
     * @param v (N, h, S, d)
     * @param scale of the products
     * @param bias broadcasts against (N, h, T, S), −∞ where a query must not see a key; null for none
     * @return (N, h, T, d)
     */
    public static Tensor attend(Tensor q, Tensor k, Tensor v, double scale, Tensor bias) {
        if (Tensors.type(q) == ScalarType.BFloat16 && q.device().is_cpu()) {
            Tensor logits = q.matmul(k.transpose(2, 3)).mul(Scalars.of(scale)); // (N, h, T, S)
            return torch.softmax(bias == null ? logits : logits.add(bias), 3).matmul(v);
        }
        return torch.scaled_dot_product_attention(
                q,
                k,
                v,
                bias == null ? new TensorOptional() : new TensorOptional(bias),
                0,
                false,
                new DoubleOptional(scale),
                false);
    }

    /**
     * The same by plain products, for training a bias: the fused kernel gives it no gradient. Left to itself libtorch falls back
     * to this where gradients are recorded and nowhere else, so that checkpointing's two runs of a block would differ.
     *
     * @param q (N, h, T, d)
     * @param k (N, h, S, d)
     * @param v (N, h, S, d)
     * @param scale of the products
     * @param bias broadcasts against (N, h, T, S)
     * @return (N, h, T, d)
     */
    public static Tensor attendPlainly(Tensor q, Tensor k, Tensor v, double scale, Tensor bias) {
        Tensor logits = q.mul(Scalars.of(scale)).matmul(k.transpose(2, 3)); // (N, h, T, S)
        logits.add_(bias);
        return torch.softmax(logits, 3).matmul(v);
    }
}
