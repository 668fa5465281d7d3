package org.mezzotint.models.layers;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * An {@link Mlp} that sees the time: {@code fc2(gelu(fc1(x) + t·W_t))}, the row "time in the MLP" of DiffiT's table 6
 * (arXiv:2312.02139v3). The paper does not say how; the form is ours, the one that time-dependent attention gives query, key
 * and value.
 */
public final class TimeDependentMlp extends Layer {
    private final Linear fc1;
    private final Linear time;
    private final Linear fc2;

    /**
     * Makes the layer.
     *
     * @param init fills the parameters
     * @param width D, input and output width
     * @param hidden width in between
     * @param timeWidth E
     */
    public TimeDependentMlp(Init init, long width, long hidden, long timeWidth) {
        fc1 = child("fc1", new Linear(init, width, hidden, Linear.Weights.XAVIER_UNIFORM));
        time = child("fc1_temb", new Linear(init, timeWidth, hidden, Linear.Weights.XAVIER_UNIFORM));
        fc2 = child("fc2", new Linear(init, hidden, width, Linear.Weights.XAVIER_UNIFORM));
    }

    /**
     * Applies the layer.
     *
     * @param x (N, T, D)
     * @param t (N, E)
     * @return (N, T, D)
     */
    public Tensor forward(Tensor x, Tensor t) {
        Tensor hidden = fc1.forward(x).add(time.forward(t).unsqueeze(1));
        return fc2.forward(torch.gelu(hidden, "tanh"));
    }
}
