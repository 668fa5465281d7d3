package org.mezzotint.models;

import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.models.layers.Attention;
import org.mezzotint.models.layers.AttentionWatch;
import org.mezzotint.models.layers.Embedding;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.Layer;
import org.mezzotint.models.layers.LayerNorm;
import org.mezzotint.models.layers.Linear;
import org.mezzotint.models.layers.Linear.Weights;
import org.mezzotint.models.layers.Mlp;
import org.mezzotint.models.layers.PatchEmbed;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.models.layers.TimestepEmbedder;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Shapes;
import org.mezzotint.tensor.Tensors;

/**
 * DiT: <em>Scalable Diffusion Models with Transformers</em>, arXiv:2212.09748v2, with its four conditioning blocks.
 *
 * <p>Letters: N batch, C channels, H × W picture, P patch, T = H/P · W/P tokens, D hidden size, h heads, d = D/h.
 *
 * <p>Parameter names, shapes and initial values are those of the authors' code for adaLN-Zero; the paper gives no code for
 * the other three blocks, so their names and initial values are ours. Left out: nothing. Guidance is not part of the
 * network here but of sampling ({@code org.mezzotint.sample.Guidance}), and labels are dropped by the training loop.
 */
public final class DiT extends Layer implements Model {
    private static final double EPSILON = 1e-6;

    private final DiTConfig config;
    private final Precision precision;
    private final Device device;
    private final Scope scope;

    private final Tensor positions; // (1, T, D), fixed
    private final PatchEmbed patchEmbed;
    private final TimestepEmbedder timestepEmbedder;
    private final Embedding labelEmbedder; // null when unconditional
    private final List<Block> blocks = new ArrayList<>();
    private final FinalLayer finalLayer;

    /**
     * Builds the network.
     *
     * @param config its shape
     * @param init device, precision and initial values
     */
    public DiT(DiTConfig config, Init init) {
        this.config = config;
        precision = init.precision();
        scope = Scope.owner();
        int d = config.hiddenSize();
        int rows = config.height() / config.patchSize();
        int columns = config.width() / config.patchSize();
        positions =
                frozen("pos_embed", init.table(PatchEmbed.sinCosPositions(d, rows, columns), 1, config.tokens(), d));
        patchEmbed = child("x_embedder", new PatchEmbed(init, config.channels(), config.patchSize(), d));
        timestepEmbedder = child(
                "t_embedder", new TimestepEmbedder(init, d, config.convention().timeFrequencyShift()));
        labelEmbedder = config.numClasses() > 0
                ? child("y_embedder.embedding_table", new Embedding(init, config.labelRows(), d, 0.02))
                : null;
        for (int i = 0; i < config.depth(); i++) {
            blocks.add(child("blocks." + i, new Block(config, "blocks." + i, init)));
        }
        finalLayer = child("final_layer", new FinalLayer(config, init));
        device = new Device(positions.device());
        scope.leave();
    }

    /** Section 3.2: patchify, blocks, decoder. */
    @Override
    public Tensor forward(Tensor x, Tensor t, Conditioning cond, Tape tape) {
        Shapes.check("x", x, Shapes.ANY, config.channels(), config.height(), config.width());
        long n = x.size(0);
        Shapes.check("t", t, n);
        precision.checkStored("x", x);
        try (Scope forward = Scope.open()) {
            Tensor tokens = patchEmbed.forward(x).add(positions); // (N, T, D)
            Tensor time = timestepEmbedder.forward(t).to(precision.storage()); // (N, D)
            Tensor label = labelEmbedder == null
                    ? null
                    : labelEmbedder.forward(
                            Shapes.check(Conditioning.CLASS, cond.get(Conditioning.CLASS), n)); // (N, D)

            Conditioned c = condition(time, label, tape);
            List<UnaryOperator<Tensor>> stack = new ArrayList<>();
            for (Block block : blocks) {
                stack.add(y -> block.forward(y, c, tape));
            }
            Tensor y = tape.through(stack, tape.enter(c.appendTo(tokens))); // (N, T, D), in-context (N, T+2, D)
            y = y.narrow(1, 0, config.tokens()); // (N, T, D): drops the in-context tokens, if any
            y = finalLayer.forward(y, c); // (N, T, P·P·C')
            Tensor picture = PatchEmbed.unpatchify(
                    y,
                    config.patchSize(),
                    config.outputChannels(),
                    config.height() / config.patchSize(),
                    config.width() / config.patchSize()); // (N, C', H, W)
            return forward.keep(picture);
        }
    }

    /**
     * What the blocks get to see of time and class.
     *
     * @param silu (N, D) SiLU of time + class, for adaLN; null otherwise
     * @param sequence (N, 2, D) time and class side by side (N, 1, D without classes), for the other two; null otherwise
     * @param append whether the sequence joins the tokens
     */
    private record Conditioned(Tensor silu, Tensor sequence, boolean append) {
        Tensor appendTo(Tensor tokens) {
            return append ? torch.cat(new TensorVector(tokens, sequence), 1) : tokens;
        }
    }

    private Conditioned condition(Tensor time, Tensor label, Tape tape) {
        return switch (config.conditioning()) {
            case ADALN, ADALN_ZERO -> {
                Tensor silu = torch.silu(label == null ? time : time.add(label)); // (N, D)
                yield new Conditioned(tape.enter(silu), null, false);
            }
            case IN_CONTEXT -> new Conditioned(null, sequence(time, label), true);
            case CROSS_ATTENTION -> new Conditioned(null, tape.enter(sequence(time, label)), false);
        };
    }

    private static Tensor sequence(Tensor time, Tensor label) {
        TensorVector parts = label == null ? new TensorVector(time) : new TensorVector(time, label);
        return torch.stack(parts, 1); // (N, 2, D)
    }

    /** {@code x · (1 + scale) + shift}; x is (N, T, D), shift and scale are (N, D). */
    private static Tensor modulate(Tensor x, Tensor shift, Tensor scale) {
        return torch.addcmul(shift.unsqueeze(1), x, scale.unsqueeze(1).add(Scalars.of(1)));
    }

    /** The vectors that modulate, in the type of the residual stream x. */
    private static Tensor regress(Linear modulation, Conditioned c, Tensor x) {
        return modulation.forward(c.silu()).to(x.scalar_type());
    }

    /** Figure 3: one transformer block with one of the four ways to condition it. */
    private static final class Block extends Layer {
        private final DiTConfig.Conditioning conditioning;
        private final LayerNorm norm1;
        private final SelfAttention attention;
        private final LayerNorm normCross; // cross-attention only
        private final CrossAttention crossAttention; // cross-attention only
        private final LayerNorm norm2;
        private final Mlp mlp;
        private final Linear modulation; // adaLN and adaLN-Zero only

        Block(DiTConfig config, String name, Init init) {
            conditioning = config.conditioning();
            int d = config.hiddenSize();
            boolean adaptive = isAdaptive(conditioning);
            boolean cross = conditioning == DiTConfig.Conditioning.CROSS_ATTENTION;
            norm1 = child("norm1", norm(adaptive, init, d, EPSILON));
            attention = child("attn", new SelfAttention(init, config, name));
            normCross = cross ? child("norm_cross", norm(false, init, d, EPSILON)) : null;
            crossAttention = cross ? child("cross_attn", new CrossAttention(init, d, config.numHeads())) : null;
            norm2 = child("norm2", norm(adaptive, init, d, config.convention().mlpNormEpsilon()));
            mlp = child("mlp", new Mlp(init, d, config.mlpHidden()));
            int vectors = conditioning == DiTConfig.Conditioning.ADALN_ZERO ? 6 : 4;
            modulation = adaptive
                    ? child("adaLN_modulation.1", new Linear(init, d, (long) vectors * d, Weights.ZERO))
                    : null;
        }

        Tensor forward(Tensor x, Conditioned c, Tape tape) {
            switch (conditioning) {
                case ADALN_ZERO -> {
                    TensorVector m = regress(modulation, c, x).chunk(6, 1); // 6 × (N, D)
                    Tensor shiftMsa = m.get(0);
                    Tensor scaleMsa = m.get(1);
                    Tensor gateMsa = m.get(2).unsqueeze(1);
                    Tensor shiftMlp = m.get(3);
                    Tensor scaleMlp = m.get(4);
                    Tensor gateMlp = m.get(5).unsqueeze(1);
                    Tensor y = torch.addcmul(
                            x, gateMsa, attention.forward(modulate(norm1.forward(x), shiftMsa, scaleMsa), tape));
                    return torch.addcmul(y, gateMlp, mlp.forward(modulate(norm2.forward(y), shiftMlp, scaleMlp)));
                }
                case ADALN -> {
                    TensorVector m = regress(modulation, c, x).chunk(4, 1); // 4 × (N, D)
                    Tensor y = x.add(attention.forward(modulate(norm1.forward(x), m.get(0), m.get(1)), tape));
                    return y.add(mlp.forward(modulate(norm2.forward(y), m.get(2), m.get(3))));
                }
                default -> {
                    Tensor y = x.add(attention.forward(norm1.forward(x), tape));
                    if (crossAttention != null) {
                        y = y.add(crossAttention.forward(normCross.forward(y), c.sequence()));
                    }
                    return y.add(mlp.forward(norm2.forward(y)));
                }
            }
        }
    }

    private static boolean isAdaptive(DiTConfig.Conditioning conditioning) {
        return conditioning == DiTConfig.Conditioning.ADALN || conditioning == DiTConfig.Conditioning.ADALN_ZERO;
    }

    private static LayerNorm norm(boolean adaptive, Init init, int width, double epsilon) {
        return adaptive ? LayerNorm.plain(width, epsilon) : LayerNorm.affine(init, width, epsilon);
    }

    /** Multi-head self-attention, softmax(q·kᵀ/√d)·v. */
    private static final class SelfAttention extends Layer {
        private final Linear qkv;
        private final Linear proj;
        private final int heads;
        private final String name;
        private final int rows;
        private final int columns;

        SelfAttention(Init init, DiTConfig config, String name) {
            int width = config.hiddenSize();
            heads = config.numHeads();
            this.name = name;
            rows = config.height() / config.patchSize();
            columns = config.width() / config.patchSize();
            qkv = child("qkv", new Linear(init, width, 3L * width, Weights.XAVIER_UNIFORM));
            proj = child("proj", new Linear(init, width, width, Weights.XAVIER_UNIFORM));
        }

        Tensor forward(Tensor x, Tape tape) {
            long[] s = x.shape(); // (N, T, D)
            TensorVector parts =
                    qkv.forward(x).view(s[0], s[1], 3, heads, s[2] / heads).unbind(2); // 3 × (N, T, h, d)
            Tensor q = parts.get(0).transpose(1, 2); // (N, h, T, d)
            Tensor k = parts.get(1).transpose(1, 2);
            tape.watch().ifPresent(watch -> show(watch, q, k));
            Tensor y = attend(q, k, parts.get(2).transpose(1, 2));
            return proj.forward(y.transpose(1, 2).reshape(s)); // (N, T, D)
        }

        /** The tokens of the picture among themselves, without the two that in-context conditioning appends. */
        private void show(AttentionWatch watch, Tensor q, Tensor k) {
            try (Scope scope = Scope.open()) {
                long tokens = (long) rows * columns;
                watch.see(
                        name,
                        rows,
                        columns,
                        q.narrow(2, 0, tokens),
                        k.narrow(2, 0, tokens),
                        1 / Math.sqrt((double) q.size(3)),
                        AttentionWatch.Bias.NONE);
            }
        }
    }

    /** Multi-head attention of the tokens over the two conditioning vectors. */
    private static final class CrossAttention extends Layer {
        private final Linear q;
        private final Linear kv;
        private final Linear proj;
        private final int heads;

        CrossAttention(Init init, int width, int heads) {
            q = child("q", new Linear(init, width, width, Weights.XAVIER_UNIFORM));
            kv = child("kv", new Linear(init, width, 2L * width, Weights.XAVIER_UNIFORM));
            proj = child("proj", new Linear(init, width, width, Weights.XAVIER_UNIFORM));
            this.heads = heads;
        }

        Tensor forward(Tensor x, Tensor sequence) {
            long[] s = x.shape(); // (N, T, D)
            long d = s[2] / heads;
            Tensor queries = q.forward(x).view(s[0], s[1], heads, d).transpose(1, 2); // (N, h, T, d)
            TensorVector parts = kv.forward(sequence)
                    .view(s[0], sequence.size(1), 2, heads, d)
                    .unbind(2); // 2 × (N, 2, h, d)
            Tensor y =
                    attend(queries, parts.get(0).transpose(1, 2), parts.get(1).transpose(1, 2));
            return proj.forward(y.transpose(1, 2).reshape(s)); // (N, T, D)
        }
    }

    /** softmax(q·kᵀ/√d)·v over (N, h, T, d). */
    private static Tensor attend(Tensor q, Tensor k, Tensor v) {
        return Attention.attend(q, k, v, 1 / Math.sqrt((double) q.size(3)), null);
    }

    /** The decoder: norm (adaptive after adaptive blocks), then a linear map to patches. */
    private static final class FinalLayer extends Layer {
        private final LayerNorm norm;
        private final Linear linear;
        private final Linear modulation; // adaLN and adaLN-Zero only

        FinalLayer(DiTConfig config, Init init) {
            int d = config.hiddenSize();
            long out = (long) config.patchSize() * config.patchSize() * config.outputChannels();
            boolean adaptive = isAdaptive(config.conditioning());
            norm = child("norm_final", DiT.norm(adaptive, init, d, EPSILON));
            linear = child("linear", new Linear(init, d, out, Weights.ZERO));
            modulation = adaptive ? child("adaLN_modulation.1", new Linear(init, d, 2L * d, Weights.ZERO)) : null;
        }

        Tensor forward(Tensor x, Conditioned c) {
            Tensor y = norm.forward(x);
            if (modulation != null) {
                TensorVector m = regress(modulation, c, x).chunk(2, 1); // 2 × (N, D)
                y = modulate(y, m.get(0), m.get(1));
            }
            Tensor out = linear.forward(y); // (N, T, P·P·C')
            return Tensors.type(out) == ScalarType.BFloat16 ? out.to(ScalarType.Float) : out;
        }
    }

    /** Every parameter alike. */
    @Override
    public Tuning tuning(String parameter) {
        return new Tuning(1, true);
    }

    @Override
    public DiTConfig config() {
        return config;
    }

    @Override
    public Precision precision() {
        return precision;
    }

    @Override
    public Device device() {
        return device;
    }

    @Override
    public void pack(int batch) {
        packLinears((long) batch * config.tokens());
    }

    @Override
    public void unpack() {
        unpackLinears();
    }

    @Override
    public void close() {
        unpack();
        scope.close();
    }
}
