package org.mezzotint.models;

import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.models.layers.Attention;
import org.mezzotint.models.layers.Conv2d;
import org.mezzotint.models.layers.Conv2d.Reach;
import org.mezzotint.models.layers.Embedding;
import org.mezzotint.models.layers.GroupNorm;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.Layer;
import org.mezzotint.models.layers.Linear;
import org.mezzotint.models.layers.Linear.Weights;
import org.mezzotint.models.layers.LogSnrEmbedder;
import org.mezzotint.models.layers.MapSize;
import org.mezzotint.models.layers.ResidualBlock;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Shapes;

/**
 * The U-Net of simple diffusion: <em>Simple diffusion: End-to-end diffusion for high resolution images</em>,
 * arXiv:2301.11093.
 *
 * <p>Letters: N batch, C channels of the picture, f factor of the first layer, H × W a level's map, D its channels, h heads,
 * d = D/h, E embedding width.
 *
 * <pre>
 *   pictures ─ first layer ─┬ n residual blocks ──── skips, one a block ──── n + 1 residual blocks ─ last layer ─ pictures
 *                           └ average 2×2, 1×1 conv ─ next level … middle … ─ 1×1 conv, repeat 2×2 ┘
 * </pre>
 *
 * <p>On the way out the first block of a level takes no skip, each of the others that of the block it mirrors. At chosen
 * levels self-attention follows each block; in the middle stand a block, an attention and a block. The time input is the log
 * SNR; the vector that tells noise and class is their embeddings' sum through swish.
 *
 * <p>The authors published no code. What is said here follows the paper's figure, a detailed review of its appendix and two
 * reimplementations that cite it; names of parameters, initial values, the kind of norm, the heads' scale and the middle's
 * attention at any size are our choice. Left out: text conditioning.
 */
public final class SimpleDiffusionUNet extends Layer implements Model {
    /** How many maps of the size of its input an attention keeps for the backward pass, the result included. */
    static final int ATTENTION_MAPS = 7;

    private static final double EPSILON = 1e-6;
    private static final double CLASS_STD = 0.02;

    private final SimpleDiffusionUNetConfig config;
    private final Precision precision;
    private final Device device;
    private final Scope scope;

    private final LogSnrEmbedder logSnrEmbedding;
    private final Embedding classEmbedding; // null when unconditional
    private final PictureEdge.Input input;
    private final List<List<Block>> down = new ArrayList<>();
    private final List<Conv2d> shrink = new ArrayList<>();
    private final List<Block> middle = new ArrayList<>();
    private final List<List<Block>> up = new ArrayList<>();
    private final List<Conv2d> grow = new ArrayList<>();
    private final PictureEdge.Output output;

    /**
     * Builds the network.
     *
     * @param config its shape
     * @param init device, precision and initial values
     */
    public SimpleDiffusionUNet(SimpleDiffusionUNetConfig config, Init init) {
        this.config = config;
        precision = init.precision();
        scope = Scope.owner();
        int e = config.embeddingWidth();
        int last = config.levels().size() - 1;
        logSnrEmbedding = child("log_snr_embedding", new LogSnrEmbedder(init, config.baseChannels(), e));
        classEmbedding = config.numClasses() > 0
                ? child("class_embedding", new Embedding(init, config.numClasses() + 1L, e, CLASS_STD))
                : null;
        input = child("input", new PictureEdge.Input(init, config.downsampling(), config.channels(), config.width(0)));
        for (int i = 0; i <= last; i++) {
            down.add(blocks("down." + i, i, false, config.levels().get(i).blocks(), init));
            if (i < last) {
                shrink.add(child("shrink." + i, resizing(init, config.width(i), config.width(i + 1))));
            }
        }
        middle.add(child("middle.0", new Block(config, last, false, true, init)));
        middle.add(child("middle.1", new Block(config, last, false, false, init)));
        for (int i = 0; i <= last; i++) {
            up.add(blocks("up." + i, i, true, config.levels().get(i).blocks() + 1, init));
            if (i < last) {
                grow.add(child("grow." + i, resizing(init, config.width(i + 1), config.width(i))));
            }
        }
        output = child(
                "output",
                new PictureEdge.Output(
                        init, config.downsampling(), config.channels(), config.width(0), config.groups()));
        device = new Device(output.state().get("conv.bias").device());
        scope.leave();
    }

    /** The blocks of one way through a level; the first of the way out takes no skip. */
    private List<Block> blocks(String prefix, int level, boolean out, int count, Init init) {
        List<Block> blocks = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            blocks.add(child(prefix + "." + i, new Block(config, level, out && i > 0, config.attends(level), init)));
        }
        return blocks;
    }

    private static Conv2d resizing(Init init, long in, long out) {
        return new Conv2d(init, in, out, Reach.POINT, Weights.XAVIER_UNIFORM);
    }

    /**
     * The way in, the middle, the way out.
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
                for (Block block : down.get(i)) {
                    y = tape.through(List.of(h -> block.forward(h, null, c, tape)), tape.enter(y));
                    ofLevel.add(y);
                }
                skips.add(ofLevel);
                if (i < shrink.size()) {
                    y = shrink.get(i).forward(MapSize.average(y, 2)); // (N, D', H/2, W/2)
                }
            }
            List<UnaryOperator<Tensor>> around = new ArrayList<>();
            for (Block block : middle) {
                around.add(h -> block.forward(h, null, c, tape));
            }
            y = tape.through(around, tape.enter(y));
            for (int i = up.size() - 1; i >= 0; i--) {
                if (i < grow.size()) {
                    y = MapSize.repeat(grow.get(i).forward(y), 2); // (N, D, 2H, 2W)
                }
                y = tape.through(wayOut(up.get(i), skips.get(i), c, tape), tape.enter(y));
            }
            return forward.keep(output.forward(y)); // (N, C, H·f, W·f)
        }
    }

    /** Each block but the first with the skip of its mirror image. */
    private static List<UnaryOperator<Tensor>> wayOut(List<Block> blocks, List<Tensor> skips, Tensor c, Tape tape) {
        List<UnaryOperator<Tensor>> stack = new ArrayList<>();
        for (int i = 0; i < blocks.size(); i++) {
            Block block = blocks.get(i);
            Tensor skip = i == 0 ? null : tape.enter(skips.get(skips.size() - i));
            stack.add(h -> block.forward(h, skip, c, tape));
        }
        return stack;
    }

    /** A residual block, at some levels followed by self-attention. */
    private static final class Block extends Layer {
        private final ResidualBlock residual;
        private final SelfAttention attention; // null without

        Block(SimpleDiffusionUNetConfig config, int level, boolean skipped, boolean attends, Init init) {
            int d = config.width(level);
            residual = child(
                    "residual",
                    new ResidualBlock(
                            init, d, config.embeddingWidth(), config.groups(), skipped, config.dropoutOf(level)));
            attention =
                    attends ? child("attention", new SelfAttention(init, d, config.numHeads(), config.groups())) : null;
        }

        Tensor forward(Tensor x, Tensor skip, Tensor c, Tape tape) {
            Tensor y = residual.forward(x, skip, c, tape);
            return attention == null ? y : attention.forward(y);
        }

        void pack(long batch, long rows, long columns) {
            residual.pack(batch, rows, columns);
            if (attention != null) {
                attention.packLinears(batch * rows * columns);
            }
        }
    }

    /** x + projection(softmax(q·kᵀ/√d)·v) over all cells of the map; the projection starts at zero. */
    private static final class SelfAttention extends Layer {
        private final GroupNorm norm;
        private final Linear qkv;
        private final Linear proj;
        private final int heads;

        SelfAttention(Init init, int width, int heads, int groups) {
            norm = child("norm", new GroupNorm(init, groups, width, EPSILON));
            qkv = child("qkv", new Linear(init, width, 3L * width, Weights.XAVIER_UNIFORM));
            proj = child("proj", new Linear(init, width, width, Weights.ZERO));
            this.heads = heads;
        }

        /** (N, D, H, W) → (N, D, H, W). */
        Tensor forward(Tensor x) {
            long[] s = x.shape();
            long cells = s[2] * s[3];
            long d = s[1] / heads;
            Tensor tokens = norm.forward(x).permute(0, 2, 3, 1).reshape(s[0], cells, s[1]); // (N, H·W, D)
            TensorVector parts =
                    qkv.forward(tokens).view(s[0], cells, 3, heads, d).unbind(2); // 3 × (N, H·W, h, d)
            Tensor y = Attention.attend(
                    parts.get(0).transpose(1, 2),
                    parts.get(1).transpose(1, 2),
                    parts.get(2).transpose(1, 2),
                    1 / Math.sqrt((double) d),
                    null); // (N, h, H·W, d)
            Tensor out = proj.forward(y.transpose(1, 2).reshape(s[0], cells, s[1])); // (N, H·W, D)
            return x.add(out.view(s[0], s[2], s[3], s[1]).permute(0, 3, 1, 2)); // (N, D, H, W)
        }
    }

    /** Every parameter alike. */
    @Override
    public Tuning tuning(String parameter) {
        return new Tuning(1, true);
    }

    @Override
    public SimpleDiffusionUNetConfig config() {
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
        logSnrEmbedding.packLinears(batch);
        int last = config.levels().size() - 1;
        for (int i = 0; i <= last; i++) {
            long rows = config.rows(i);
            long columns = config.columns(i);
            down.get(i).forEach(block -> block.pack(batch, rows, columns));
            up.get(i).forEach(block -> block.pack(batch, rows, columns));
            if (i < last) {
                shrink.get(i).pack(batch, rows / 2, columns / 2);
                grow.get(i).pack(batch, rows / 2, columns / 2);
            } else {
                middle.forEach(block -> block.pack(batch, rows, columns));
            }
        }
        input.pack(batch, config.rows(0), config.columns(0));
        output.pack(batch, config.rows(0), config.columns(0));
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
