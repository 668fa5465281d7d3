package org.mezzotint.models;

import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.models.UViTConfig.Transformer;
import org.mezzotint.models.layers.Attention;
import org.mezzotint.models.layers.Conv2d;
import org.mezzotint.models.layers.Conv2d.Reach;
import org.mezzotint.models.layers.Embedding;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.Layer;
import org.mezzotint.models.layers.LayerNorm;
import org.mezzotint.models.layers.Linear;
import org.mezzotint.models.layers.Linear.Weights;
import org.mezzotint.models.layers.LogSnrEmbedder;
import org.mezzotint.models.layers.MapSize;
import org.mezzotint.models.layers.ResidualBlock;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Shapes;

/**
 * The U-ViT of simple diffusion: <em>Simple diffusion: End-to-end diffusion for high resolution images</em>,
 * arXiv:2301.11093. Levels of residual blocks as in {@link SimpleDiffusionUNet} outside, a stack of transformer blocks
 * inside.
 *
 * <p>Letters: N batch, C channels of the picture, f factor of the first layer, H × W a level's map, D its channels, T = H · W
 * tokens of the innermost level, h heads, d = D/h, F = 4·D hidden width, E embedding width.
 *
 * <pre>
 *   pictures ─ first layer ─┬ n residual blocks ──── skips, one a block ──── n residual blocks ─ last layer ─ pictures
 *                           └ average 2×2, 1×1 conv ─ … transformer … ─ 1×1 conv, repeat 2×2 ┘
 * </pre>
 *
 * <p>Skips join the outer levels only. A learned map of positions is added once, in front of the transformer. The time input
 * is the log SNR; the vector that tells noise and class is their embeddings' sum through swish. Dropout is the
 * transformer's only: that of the outer levels is not known.
 *
 * <p>The authors published no code. What is said here follows the paper's figure, a detailed review of its appendix and
 * reimplementations that cite it; names of parameters, initial values and the kinds of norm are our choice. Left out: text
 * conditioning.
 */
public final class UViT extends Layer implements Model {
    /** Hidden width of an MLP over the width of a token. */
    static final int HIDDEN_RATIO = 4;

    /**
     * How many tensors of the size of its input a transformer block keeps for the backward pass without dropout: each norm's
     * result, the MLP's before and after swish and after modulation, queries, keys and values before and after their norms,
     * the attention's result and its sum over heads, and both branches' results.
     */
    static final int BLOCK_MAPS = 2 + 3 * HIDDEN_RATIO + 5 + 2 + 2;

    private static final double EPSILON = 1e-6;
    private static final double CLASS_STD = 0.02;
    private static final double POSITION_STD = 0.01;

    private final UViTConfig config;
    private final Precision precision;
    private final Device device;
    private final Scope scope;

    private final Tensor positions; // (H, W, D), learned
    private final LogSnrEmbedder logSnrEmbedding;
    private final Embedding classEmbedding; // null when unconditional
    private final PictureEdge.Input input;
    private final List<List<ResidualBlock>> down = new ArrayList<>();
    private final List<Conv2d> shrink = new ArrayList<>();
    private final List<Block> transformer = new ArrayList<>();
    private final List<List<ResidualBlock>> up = new ArrayList<>();
    private final List<Conv2d> grow = new ArrayList<>();
    private final PictureEdge.Output output;

    /**
     * Builds the network.
     *
     * @param config its shape
     * @param init device, precision and initial values
     */
    public UViT(UViTConfig config, Init init) {
        this.config = config;
        precision = init.precision();
        scope = Scope.owner();
        int e = config.embeddingWidth();
        int inner = config.levels().size();
        positions = parameter(
                "positions", init.normal(POSITION_STD, config.rows(inner), config.columns(inner), config.width(inner)));
        logSnrEmbedding = child("log_snr_embedding", new LogSnrEmbedder(init, config.baseChannels(), e));
        classEmbedding = config.numClasses() > 0
                ? child("class_embedding", new Embedding(init, config.numClasses() + 1L, e, CLASS_STD))
                : null;
        input = child("input", new PictureEdge.Input(init, config.downsampling(), config.channels(), config.width(0)));
        for (int i = 0; i < inner; i++) {
            down.add(blocks("down." + i, i, false, init));
            shrink.add(child("shrink." + i, resizing(init, config.width(i), config.width(i + 1))));
        }
        for (int i = 0; i < config.transformer().blocks(); i++) {
            transformer.add(child("transformer." + i, new Block(init, config.width(inner), e, config.transformer())));
        }
        for (int i = 0; i < inner; i++) {
            up.add(blocks("up." + i, i, true, init));
            grow.add(child("grow." + i, resizing(init, config.width(i + 1), config.width(i))));
        }
        output = child(
                "output",
                new PictureEdge.Output(
                        init, config.downsampling(), config.channels(), config.width(0), config.groups()));
        device = new Device(positions.device());
        scope.leave();
    }

    private List<ResidualBlock> blocks(String prefix, int level, boolean out, Init init) {
        List<ResidualBlock> blocks = new ArrayList<>();
        for (int i = 0; i < config.levels().get(level).blocks(); i++) {
            blocks.add(child(
                    prefix + "." + i,
                    new ResidualBlock(init, config.width(level), config.embeddingWidth(), config.groups(), out, 0)));
        }
        return blocks;
    }

    private static Conv2d resizing(Init init, long in, long out) {
        return new Conv2d(init, in, out, Reach.POINT, Weights.XAVIER_UNIFORM);
    }

    /**
     * The way in, the transformer, the way out.
     *
     * @param x (N, C, H·f, W·f) noisy pictures
     * @param t (N,) log SNRs, finite
     * @param cond {@code class} if the configuration has classes
     * @param tape how the backward pass remembers
     * @return (N, C, H·f, W·f)
     */
    @Override
    public Tensor forward(Tensor x, Tensor t, Conditioning cond, Tape tape) {
        Shapes.check("x", x, Shapes.ANY, config.channels(), config.height(), config.width());
        long n = x.size(0);
        Shapes.check("t", t, n);
        precision.checkStored("x", x);
        try (Scope forward = Scope.open()) {
            Tensor e = logSnrEmbedding.forward(t).to(precision.storage());
            if (classEmbedding != null) {
                e = e.add(classEmbedding.forward(Shapes.check(Conditioning.CLASS, cond.get(Conditioning.CLASS), n)));
            }
            Tensor c = tape.enter(torch.silu(e)); // (N, E)

            Tensor y = input.forward(x); // (N, D, H, W)
            List<List<Tensor>> skips = new ArrayList<>();
            for (int i = 0; i < down.size(); i++) {
                List<Tensor> ofLevel = new ArrayList<>();
                for (ResidualBlock block : down.get(i)) {
                    y = tape.through(List.of(h -> block.forward(h, null, c, tape)), tape.enter(y));
                    ofLevel.add(y);
                }
                skips.add(ofLevel);
                y = shrink.get(i).forward(MapSize.average(y, 2)); // (N, D', H/2, W/2)
            }
            y = transform(y, c, tape);
            for (int i = up.size() - 1; i >= 0; i--) {
                y = MapSize.repeat(grow.get(i).forward(y), 2); // (N, D, 2H, 2W)
                y = tape.through(wayOut(up.get(i), skips.get(i), c, tape), tape.enter(y));
            }
            return forward.keep(output.forward(y)); // (N, C, H·f, W·f)
        }
    }

    /** The innermost level, (N, D, H, W) → (N, D, H, W). */
    private Tensor transform(Tensor x, Tensor c, Tape tape) {
        long[] s = x.shape();
        Tensor tokens = x.permute(0, 2, 3, 1).add(positions).flatten(1, 2); // (N, T, D)
        List<UnaryOperator<Tensor>> stack = new ArrayList<>();
        for (Block block : transformer) {
            stack.add(y -> block.forward(y, c, tape));
        }
        return tape.through(stack, tape.enter(tokens))
                .view(s[0], s[2], s[3], s[1])
                .permute(0, 3, 1, 2); // (N, D, H, W)
    }

    /** Each block with the skip of its mirror image. */
    private static List<UnaryOperator<Tensor>> wayOut(
            List<ResidualBlock> blocks, List<Tensor> skips, Tensor c, Tape tape) {
        List<UnaryOperator<Tensor>> stack = new ArrayList<>();
        for (int i = 0; i < blocks.size(); i++) {
            ResidualBlock block = blocks.get(i);
            Tensor skip = tape.enter(skips.get(skips.size() - 1 - i));
            stack.add(h -> block.forward(h, skip, c, tape));
        }
        return stack;
    }

    /** One transformer block: the MLP comes first; each part is added to what enters it. */
    private static final class Block extends Layer {
        private final ModulatedMlp mlp;
        private final SelfAttention attention;

        Block(Init init, long width, long embedding, Transformer config) {
            mlp = child("mlp", new ModulatedMlp(init, width, embedding, config.dropout()));
            attention = child("attention", new SelfAttention(init, width, config.numHeads()));
        }

        /** (N, T, D), (N, E) → (N, T, D). */
        Tensor forward(Tensor x, Tensor c, Tape tape) {
            Tensor y = x.add(mlp.forward(x, c, tape));
            return y.add(attention.forward(y));
        }
    }

    /** {@code down(dropout(swish(up(norm(x))) · (1 + scale) + shift))}, scale and shift (N, F) linear in the embedding. */
    private static final class ModulatedMlp extends Layer {
        private final LayerNorm norm;
        private final Linear up;
        private final Linear modulation;
        private final Linear down;
        private final double dropout;

        ModulatedMlp(Init init, long width, long embedding, double dropout) {
            long hidden = HIDDEN_RATIO * width;
            norm = child("norm", LayerNorm.scaled(init, width, EPSILON));
            up = child("up", new Linear(init, width, hidden, Weights.XAVIER_UNIFORM));
            modulation = child("modulation", new Linear(init, embedding, 2 * hidden, Weights.ZERO));
            down = child("down", new Linear(init, hidden, width, Weights.ZERO));
            this.dropout = dropout;
        }

        Tensor forward(Tensor x, Tensor c, Tape tape) {
            Tensor y = torch.silu(up.forward(norm.forward(x))); // (N, T, F)
            TensorVector parts =
                    modulation.forward(c).to(y.scalar_type()).unsqueeze(1).chunk(2, 2); // scale and shift, (N, 1, F)
            y = torch.addcmul(parts.get(1), y, parts.get(0).add(Scalars.of(1)));
            return down.forward(tape.dropout(y, dropout)); // (N, T, D)
        }
    }

    /**
     * {@code proj(softmax(norm(q)·norm(k)ᵀ/√d)·v)}, queries and keys normalised over each head's channels; no embedding.
     *
     * <p>Differs from the reimplementations: the keys' norm has no bias, because it would add the same to all of a query's
     * products, which softmax takes away again.
     */
    private static final class SelfAttention extends Layer {
        private final LayerNorm norm;
        private final Linear qkv;
        private final LayerNorm qNorm;
        private final LayerNorm kNorm;
        private final Linear proj;
        private final int heads;

        SelfAttention(Init init, long width, int heads) {
            norm = child("norm", LayerNorm.scaled(init, width, EPSILON));
            qkv = child("qkv", new Linear(init, width, 3 * width, Weights.XAVIER_UNIFORM));
            qNorm = child("q_norm", LayerNorm.affine(init, width / heads, EPSILON));
            kNorm = child("k_norm", LayerNorm.scaled(init, width / heads, EPSILON));
            proj = child("proj", new Linear(init, width, width, Weights.ZERO));
            this.heads = heads;
        }

        Tensor forward(Tensor x) {
            long[] s = x.shape(); // (N, T, D)
            long d = s[2] / heads;
            TensorVector parts =
                    qkv.forward(norm.forward(x)).view(s[0], s[1], 3, heads, d).unbind(2); // 3 × (N, T, h, d)
            Tensor v = parts.get(2);
            Tensor q = qNorm.forward(parts.get(0).to(x.scalar_type())).to(v.scalar_type());
            Tensor k = kNorm.forward(parts.get(1).to(x.scalar_type())).to(v.scalar_type());
            Tensor y = Attention.attend(
                    q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), 1 / Math.sqrt((double) d), null);
            return proj.forward(y.transpose(1, 2).reshape(s)); // (N, T, D)
        }
    }

    /** Every parameter alike. */
    @Override
    public Tuning tuning(String parameter) {
        return new Tuning(1, true);
    }

    @Override
    public UViTConfig config() {
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
        packLinears(batch);
        int inner = config.levels().size();
        for (int i = 0; i < inner; i++) {
            long rows = config.rows(i);
            long columns = config.columns(i);
            down.get(i).forEach(block -> block.pack(batch, rows, columns));
            up.get(i).forEach(block -> block.pack(batch, rows, columns));
            shrink.get(i).pack(batch, rows / 2, columns / 2);
            grow.get(i).pack(batch, rows / 2, columns / 2);
        }
        input.pack(batch, config.rows(0), config.columns(0));
        output.pack(batch, config.rows(0), config.columns(0));
        long tokens = (long) batch * config.rows(inner) * config.columns(inner);
        for (Block block : transformer) {
            block.mlp.up.pack(tokens);
            block.mlp.down.pack(tokens);
            block.attention.packLinears(tokens);
        }
    }

    @Override
    public void unpack() {
        unpackLinears();
        unpackConvolutions();
    }

    @Override
    public void close() {
        unpack();
        scope.close();
    }
}
