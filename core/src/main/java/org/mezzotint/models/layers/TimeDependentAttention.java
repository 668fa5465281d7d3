package org.mezzotint.models.layers;

import com.fasterxml.jackson.annotation.JsonProperty;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.mezzotint.tensor.Shapes;
import org.mezzotint.tensor.Tensors;

/**
 * Time-dependent multi-head self-attention, TMSA (arXiv:2312.02139v3, section 3.2): {@code q = x·W_qs + t·W_qt}, k and v
 * likewise, {@code softmax(q·kᵀ/√d + B)·v} with a learned bias B of relative positions. It is what projecting each token
 * with the time token concatenated to it gives.
 *
 * <p>Letters: N pictures, w windows of a picture, T = R·C tokens of a window, D width, E width of the time vector, h heads,
 * d = D/h, M = (2R − 1)·(2C − 1) relative positions.
 *
 * <p>Of the three time terms, softmax takes the key's away: {@code qᵢ·k_t} is the same for all keys of a query. What stays is
 * the query's, which moves the weights, and the value's, which is added to every token. All three are computed and stored,
 * as in the authors' code, whose parameter names these are.
 */
public final class TimeDependentAttention extends Layer {
    private final RelativePositions positions;
    private final int width;
    private final int heads;
    private final Time placement;
    private final Tensor table; // (M, h)
    private final Linear timeProjection; // E → 3D; null unless in the projections
    private final Linear timeBias; // E → (2R−1 + 2C−1)·h; null unless in the bias
    private final Linear qkv;
    private final Linear proj;

    /** How time enters (table 6 of the paper compares the first two, and time in the MLP). */
    public enum Time {
        /** In query, key and value: TMSA, the paper's choice. */
        @JsonProperty("tmsa")
        PROJECTIONS,
        /**
         * Only in the bias of relative positions. The paper does not say how; the form is ours: the entry of {@code r} rows
         * down and {@code c} columns across becomes {@code table[r, c] + a_r + b_c}, where a and b, one number a row or
         * column and head, are linear in the time vector. A number per entry would need {@code M·h·E} weights, more
         * than the rest of a block at 16 × 16 tokens; one number a head would vanish in the softmax.
         */
        @JsonProperty("bias")
        BIAS,
        /** Not at all: self-attention with a bias of relative positions. */
        @JsonProperty("none")
        ABSENT
    }

    /**
     * Makes the layer.
     *
     * @param init fills the parameters
     * @param width D, a multiple of the number of heads
     * @param timeWidth E, not used when time is absent
     * @param heads h
     * @param positions of the windows, may be shared by layers
     * @param time how it enters
     */
    public TimeDependentAttention(
            Init init, int width, int timeWidth, int heads, RelativePositions positions, Time time) {
        if (heads < 1 || width % heads != 0) {
            throw new IllegalArgumentException(
                    "width must be a multiple of the number of heads, got " + width + " and " + heads);
        }
        this.positions = positions;
        this.width = width;
        this.heads = heads;
        placement = time;
        table = parameter("relative_position_bias_table", init.normal(0.02, positions.entries(), heads));
        frozen("relative_position_index", positions.index());
        timeProjection = time == Time.PROJECTIONS
                ? child("qkv_temb", new Linear(init, timeWidth, 3L * width, Linear.Weights.XAVIER_UNIFORM))
                : null;
        timeBias = time == Time.BIAS
                ? child("bias_temb", new Linear(init, timeWidth, axes() * heads, Linear.Weights.XAVIER_UNIFORM))
                : null;
        qkv = child("qkv", new Linear(init, width, 3L * width, Linear.Weights.XAVIER_UNIFORM));
        proj = child("proj", new Linear(init, width, width, Linear.Weights.XAVIER_UNIFORM));
    }

    private long axes() {
        return 2L * positions.rows() - 1 + 2L * positions.columns() - 1;
    }

    /**
     * Attention inside each window.
     *
     * @param x (N·w, T, D) tokens, the windows of one picture behind one another
     * @param time (N, E); not used when time is absent
     * @param mask (w, T) added to the logits of a key: 0 where a window holds a token, −∞ where it holds padding; at least one
     *     token a window; null for no padding
     * @return (N·w, T, D); what belongs to padding is finite and without meaning
     */
    public Tensor forward(Tensor x, Tensor time, Tensor mask) {
        long[] s = Shapes.of(Shapes.check("x", x, Shapes.ANY, positions.tokens(), width));
        Tensor projected = qkv.forward(x); // (N·w, T, 3D)
        if (timeProjection != null) {
            long pictures = pictures(s[0], time);
            projected = projected
                    .view(pictures, s[0] / pictures * s[1], 3L * width)
                    .add(timeProjection.forward(time).unsqueeze(1)); // (N, w·T, 3D)
        }
        TensorVector parts =
                projected.view(s[0], s[1], 3, heads, s[2] / heads).unbind(2); // 3 × (N·w, T, h, d)
        Tensor q = parts.get(0).transpose(1, 2);
        Tensor y = Attention.attend(
                q,
                parts.get(1).transpose(1, 2),
                parts.get(2).transpose(1, 2),
                1 / Math.sqrt((double) s[2] / heads),
                bias(s[0], time, mask).to(Tensors.type(q))); // (N·w, h, T, d)
        return proj.forward(y.transpose(1, 2).reshape(s)); // (N·w, T, D)
    }

    private static long pictures(long windows, Tensor time) {
        long pictures = Shapes.check("time", time, Shapes.ANY, Shapes.ANY).size(0);
        if (pictures < 1 || windows % pictures != 0) {
            throw new IllegalArgumentException("the number of windows must be a multiple of the number of time vectors, got "
                    + windows + " and " + pictures);
        }
        return pictures;
    }

    /** B and the mask: (1, h, T, T), or (N·w, h, T, T) if it differs between windows. */
    private Tensor bias(long windows, Tensor time, Tensor mask) {
        long t = positions.tokens();
        Tensor bias = timeBias == null
                ? positions.expand(table).view(1, 1, heads, t, t)
                : timedBias(pictures(windows, time), time); // (1 or N, 1, h, T, T)
        if (mask != null) {
            bias = bias.add(mask.view(1, mask.size(0), 1, 1, t)); // (1 or N, w, h, T, T)
        }
        if (bias.size(0) * bias.size(1) == 1) {
            return bias.view(1, heads, t, t);
        }
        long perPicture = windows / (timeBias == null ? windows / bias.size(1) : bias.size(0));
        return bias.expand(windows / perPicture, perPicture, heads, t, t).reshape(windows, heads, t, t);
    }

    /** The table with the offsets of each picture's time, (N, 1, h, T, T). */
    private Tensor timedBias(long pictures, Tensor time) {
        long rows = 2L * positions.rows() - 1;
        long columns = 2L * positions.columns() - 1;
        Tensor offsets = timeBias.forward(time).to(table.scalar_type()).view(pictures, axes(), heads);
        Tensor tables = table.view(1, rows, columns, heads)
                .add(offsets.narrow(1, 0, rows).unsqueeze(2))
                .add(offsets.narrow(1, rows, columns).unsqueeze(1)); // (N, 2R−1, 2C−1, h)
        Tensor side = tables.permute(1, 2, 0, 3).reshape(positions.entries(), pictures * heads); // (M, N·h)
        long t = positions.tokens();
        return positions.expand(side).view(pictures, 1, heads, t, t);
    }
}
