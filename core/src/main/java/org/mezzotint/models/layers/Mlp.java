package org.mezzotint.models.layers;

import org.bytedeco.pytorch.Tensor;

/** Two linear layers {@code fc1}, {@code fc2} with GELU (tanh form) between them. */
public final class Mlp extends Layer {
    private final Linear fc1;
    private final Linear fc2;

    /**
     * Makes the layer.
     *
     * @param init fills the parameters
     * @param width input and output width
     * @param hidden width in between
     */
    public Mlp(Init init, long width, long hidden) {
        fc1 = child("fc1", new Linear(init, width, hidden, Linear.Weights.XAVIER_UNIFORM));
        fc2 = child("fc2", new Linear(init, hidden, width, Linear.Weights.XAVIER_UNIFORM));
    }

    /**
     * Applies the layer.
     *
     * @param x (…, width)
     * @return (…, width)
     */
    public Tensor forward(Tensor x) {
        return fc2.forward(fc1.forwardGeluTanh(x));
    }
}
