package org.mezzotint.models.layers;

import java.util.Optional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.tensor.Scope;
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
    private final Tensor table; // (M, h)
    private final Linear timeProjection; // E → 3D; null unless in the projections
    private final Linear timeBias; // E → (2R−1 + 2C−1)·h; null unless in the bias
    private final Linear timeToken; // E → 2D; null unless a token of its own
    private final Linear qkv;
    private final Linear proj;
    private final Optional<Place> place;

    /**
     * Where the layer stands in its network, for {@link AttentionWatch}.
     *
     * @param name of the layer
     * @param rows of the map of tokens that its windows are cut from
     * @param columns of that map; windows at its right and bottom may hold padding
     */
    public record Place(String name, int rows, int columns) {}

    /** How time enters (table 6 of the paper compares the first two, and time in the MLP). */
    public enum Time {
        /** In query, key and value: TMSA, the paper's choice. */
        PROJECTIONS,
        /**
         * Only in the bias of relative positions. The paper does not say how; the form is ours: the entry of {@code r} rows
         * down and {@code c} columns across becomes {@code table[r, c] + a_r + b_c}, where a and b, one number a row or
         * column and head, are linear in the time vector. A number per entry would need {@code M·h·E} weights, more
         * than the rest of a block at 16 × 16 tokens; one number a head would vanish in the softmax.
         */
        BIAS,
        /**
         * As a token of its own that every token of a window also attends to, with a key and a value linear in the time
         * vector and no bias: what the paper's table 7 calls separate tokens, in our reading. It asks nothing itself, for the
         * windows of one picture would give it different answers. A watch sees the weights of the other tokens, without its
         * share.
         */
        TOKEN,
        /** Not at all: self-attention with a bias of relative positions. */
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
     * @param place what a watch sees it as; empty to stay unseen
     */
    public TimeDependentAttention(
            Init init,
            int width,
            int timeWidth,
            int heads,
            RelativePositions positions,
            Time time,
            Optional<Place> place) {
        if (heads < 1 || width % heads != 0) {
            throw new IllegalArgumentException(
                    "width must be a multiple of the number of heads, got " + width + " and " + heads);
        }
        this.positions = positions;
        this.width = width;
        this.heads = heads;
        this.place = place;
        table = parameter(RelativePositions.TABLE, init.normal(0.02, positions.entries(), heads));
        frozen(RelativePositions.INDEX, positions.index());
        timeProjection = time == Time.PROJECTIONS
                ? child("qkv_temb", new Linear(init, timeWidth, 3L * width, Linear.Weights.XAVIER_UNIFORM))
                : null;
        timeBias = time == Time.BIAS
                ? child("bias_temb", new Linear(init, timeWidth, axes() * heads, Linear.Weights.XAVIER_UNIFORM))
                : null;
        timeToken = time == Time.TOKEN
                ? child("kv_temb", new Linear(init, timeWidth, 2L * width, Linear.Weights.XAVIER_UNIFORM))
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
     * @param x (N·w, T, D) tokens, the windows of one picture behind one another, row by row
     * @param time (N, E); not used when time is absent
     * @param mask (w, T) added to the logits of a key: 0 where a window holds a token, −∞ where it holds padding; at least one
     *     token a window; null for no padding
     * @param tape who looks
     * @return (N·w, T, D); what belongs to padding is finite and without meaning
     */
    public Tensor forward(Tensor x, Tensor time, Tensor mask, Tape tape) {
        long[] s = Shapes.of(Shapes.check("x", x, Shapes.ANY, positions.tokens(), width));
        Tensor projected = qkv.forward(x); // (N·w, T, 3D)
        if (timeProjection != null) {
            long pictures = pictures(s[0], time);
            projected = projected
                    .view(pictures, s[0] / pictures * s[1], 3L * width)
                    .add(timeProjection.forward(time).unsqueeze(1)); // (N, w·T, 3D)
        }
        TensorVector parts = projected.view(s[0], s[1], 3, heads, s[2] / heads).unbind(2); // 3 × (N·w, T, h, d)
        Tensor q = parts.get(0).transpose(1, 2); // (N·w, h, T, d)
        Tensor k = parts.get(1).transpose(1, 2);
        Tensor v = parts.get(2).transpose(1, 2);
        double scale = 1 / Math.sqrt((double) s[2] / heads);
        if (tape.watch().isPresent() && place.isPresent()) {
            show(tape.watch().get(), place.get(), q, k, scale, time);
        }
        Tensor bias = bias(s[0], time, mask); // (1 or N·w, h, T, T)
        if (timeToken != null) {
            TensorVector token = timeToken(s[0], time).unbind(2); // 2 × (N·w, h, 1, d)
            k = torch.cat(new TensorVector(k, token.get(0)), 2); // (N·w, h, T+1, d)
            v = torch.cat(new TensorVector(v, token.get(1)), 2);
            bias = torch.constant_pad_nd(bias, 0, 1); // (1 or N·w, h, T, T+1)
        }
        bias = bias.to(Tensors.type(q));
        Tensor y = tape.trains()
                ? Attention.attendPlainly(q, k, v, scale, bias)
                : Attention.attend(q, k, v, scale, bias); // (N·w, h, T, d)
        return proj.forward(y.transpose(1, 2).reshape(s)); // (N·w, T, D)
    }

    /** Key and value of the time token for each window, (N·w, h, 2, 1, d). */
    private Tensor timeToken(long windows, Tensor time) {
        long pictures = pictures(windows, time);
        long d = width / heads;
        return timeToken
                .forward(time)
                .view(pictures, 1, 2, heads, d)
                .expand(pictures, windows / pictures, 2, heads, d)
                .reshape(windows, 2, heads, 1, d)
                .transpose(1, 2);
    }

    private static long pictures(long windows, Tensor time) {
        long pictures = Shapes.check("time", time, Shapes.ANY, Shapes.ANY).size(0);
        if (pictures < 1 || windows % pictures != 0) {
            throw new IllegalArgumentException(
                    "the number of windows must be a multiple of the number of time vectors, got " + windows + " and "
                            + pictures);
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

    /** The bias with the offsets of each picture's time, (N, 1, h, T, T). */
    private Tensor timedBias(long pictures, Tensor time) {
        Tensor side = timedTables(pictures, time).permute(1, 0, 2).reshape(positions.entries(), pictures * heads);
        long t = positions.tokens();
        return positions.expand(side).view(pictures, 1, heads, t, t);
    }

    /** The tables of each picture's time, (N, M, h). */
    private Tensor timedTables(long pictures, Tensor time) {
        long rows = 2L * positions.rows() - 1;
        long columns = 2L * positions.columns() - 1;
        Tensor offsets = timeBias.forward(time).to(table.scalar_type()).view(pictures, axes(), heads);
        return table.view(1, rows, columns, heads)
                .add(offsets.narrow(1, 0, rows).unsqueeze(2))
                .add(offsets.narrow(1, rows, columns).unsqueeze(1)) // (N, 2R−1, 2C−1, h)
                .reshape(pictures, positions.entries(), heads);
    }

    /** Shows the first picture, its windows joined to the map they were cut from. */
    private void show(AttentionWatch watch, Place at, Tensor q, Tensor k, double scale, Tensor time) {
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard()) {
            Tensor biases = timeBias == null
                    ? table
                    : timedTables(1, time.narrow(0, 0, 1)).select(0, 0); // (M, h)
            watch.see(
                    at.name(),
                    at.rows(),
                    at.columns(),
                    joined(q, at),
                    joined(k, at),
                    scale,
                    queries -> positions.expand(biases, at.rows(), at.columns(), queries));
        }
    }

    /** (N·w, h, T, d) → (1, h, rows · columns, d) of the first picture. */
    private Tensor joined(Tensor x, Place at) {
        int r = positions.rows();
        int c = positions.columns();
        int down = (at.rows() + r - 1) / r;
        int across = (at.columns() + c - 1) / c;
        long d = x.size(3);
        return x.narrow(0, 0, (long) down * across)
                .reshape(down, across, heads, r, c, d)
                .permute(2, 0, 3, 1, 4, 5)
                .reshape(1, heads, (long) down * r, (long) across * c, d)
                .narrow(2, 0, at.rows())
                .narrow(3, 0, at.columns())
                .reshape(1, heads, (long) at.rows() * at.columns(), d);
    }
}
