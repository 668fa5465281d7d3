package org.mezzotint.models.layers;

import org.bytedeco.pytorch.Tensor;

/** Attention of the tokens of a map, each over all tokens or over some. */
public interface MapAttention {
    /**
     * softmax(scale · q·kᵀ) · v over what each token sees.
     *
     * @param q (N, H, W, h, d)
     * @param k (N, H, W, h, d)
     * @param v (N, H, W, h, d)
     * @param scale of the products
     * @return (N, H, W, h, d)
     */
    Tensor attend(Tensor q, Tensor k, Tensor v, double scale);

    /**
     * Whether a token attends to another.
     *
     * @param query in row-major order
     * @param key likewise
     * @return true if it does
     */
    boolean sees(int query, int key);

    /**
     * Each token over all tokens.
     *
     * @return for maps of any size
     */
    static MapAttention global() {
        return new MapAttention() {
            @Override
            public Tensor attend(Tensor q, Tensor k, Tensor v, double scale) {
                Tensor y = Attention.attend(
                        q.flatten(1, 2).transpose(1, 2),
                        k.flatten(1, 2).transpose(1, 2),
                        v.flatten(1, 2).transpose(1, 2),
                        scale,
                        null); // (N, h, H·W, d)
                return y.transpose(1, 2).reshape(q.shape());
            }

            @Override
            public boolean sees(int query, int key) {
                return true;
            }
        };
    }
}
