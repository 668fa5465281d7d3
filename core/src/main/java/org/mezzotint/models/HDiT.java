package org.mezzotint.models;

import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.models.HDiTConfig.FeedForward;
import org.mezzotint.models.HDiTConfig.Level;
import org.mezzotint.models.HDiTConfig.Position;
import org.mezzotint.models.HDiTConfig.Similarity;
import org.mezzotint.models.HDiTConfig.Skip;
import org.mezzotint.models.layers.AxialRope;
import org.mezzotint.models.layers.Embedding;
import org.mezzotint.models.layers.FourierFeatures;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.Layer;
import org.mezzotint.models.layers.LayerNorm;
import org.mezzotint.models.layers.Linear;
import org.mezzotint.models.layers.Linear.Weights;
import org.mezzotint.models.layers.MapAttention;
import org.mezzotint.models.layers.NeighborhoodAttention;
import org.mezzotint.models.layers.RmsNorm;
import org.mezzotint.models.layers.ShiftedWindowAttention;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Shapes;
import org.mezzotint.tensor.Tensors;

/**
 * HDiT: <em>Scalable High-Resolution Pixel-Space Image Synthesis with Hourglass Diffusion Transformers</em>,
 * arXiv:2401.11605v1, with the choices of its ablation.
 *
 * <p>Letters: N batch, C channels, H × W picture, P × Q patch, R × S tokens of a level (rows, columns), D width of a token,
 * h heads, d = D/h, M mapping width, F hidden width.
 *
 * <p>Parameter names, shapes and initial values are those of the authors' code for the paper's design; names and initial
 * values of the ablation's other parts are ours. The network's time input is the noise level σ in units of clean pictures,
 * of which it sees ln(σ)/4. Preconditioning is not part of the network.
 */
public final class HDiT extends Layer implements Model {
    /** Name of the input that describes how a picture was augmented, (N, 9); absent means not at all. */
    public static final String AUGMENTATION = "augmentation";

    /** Name of the extra vector to condition on, (N, {@link HDiTConfig#extraWidth()}). */
    public static final String EXTRA = "extra";

    static final int AUGMENTATION_WIDTH = 9;

    private final HDiTConfig config;
    private final Precision precision;
    private final Device device;
    private final Scope scope;

    private final TokenMerge patchIn;
    private final Tensor places; // (R, S, D), learned positions; null with rotary ones
    private final FourierFeatures timeEmbedding;
    private final Linear timeIn;
    private final FourierFeatures augmentationEmbedding;
    private final Linear augmentationIn;
    private final Embedding classEmbedding; // null when unconditional
    private final Linear extraIn; // null without an extra vector
    private final Mapping mapping;
    private final List<List<Block>> down = new ArrayList<>();
    private final List<List<Block>> up = new ArrayList<>();
    private final List<Block> middle = new ArrayList<>();
    private final List<TokenMerge> merges = new ArrayList<>();
    private final List<TokenSplit> splits = new ArrayList<>();
    private final RmsNorm outNorm;
    private final Linear patchOut;

    /**
     * Builds the network.
     *
     * @param config its shape
     * @param init device, precision and initial values
     */
    public HDiT(HDiTConfig config, Init init) {
        this.config = config;
        precision = init.precision();
        scope = Scope.owner();
        List<Level> levels = config.levels();
        Level outer = levels.get(0);
        int m = config.mapping().width();
        patchIn = child(
                "patch_in",
                new TokenMerge(init, config.patchHeight(), config.patchWidth(), config.channels(), outer.width()));
        places = config.design().position() == Position.LEARNED
                ? parameter("pos_emb", init.normal(0.02, config.rows(0), config.columns(0), outer.width()))
                : null;
        timeEmbedding = child("time_emb", new FourierFeatures(init, 1, m, 1));
        timeIn = child("time_in_proj", Linear.withoutBias(init, m, m, Weights.UNIFORM_FAN_IN));
        augmentationEmbedding = child("aug_emb", new FourierFeatures(init, AUGMENTATION_WIDTH, m, 1));
        augmentationIn = child("aug_in_proj", Linear.withoutBias(init, m, m, Weights.UNIFORM_FAN_IN));
        classEmbedding =
                config.numClasses() > 0 ? child("class_emb", new Embedding(init, config.numClasses() + 1, m, 1)) : null;
        extraIn = config.extraWidth() > 0
                ? child(
                        "mapping_cond_in_proj",
                        Linear.withoutBias(init, config.extraWidth(), m, Weights.UNIFORM_FAN_IN))
                : null;
        mapping = child("mapping", new Mapping(init, config.mapping()));
        int last = levels.size() - 1;
        List<Grid> grids = new ArrayList<>();
        for (int i = 0; i <= last; i++) {
            grids.add(new Grid(config, i, init));
        }
        for (int i = 0; i < last; i++) {
            down.add(blocks("down_levels." + i, grids.get(i), 0, init));
        }
        for (int i = 0; i < last; i++) {
            up.add(blocks("up_levels." + i, grids.get(i), levels.get(i).depth(), init));
        }
        middle.addAll(blocks("mid_level", grids.get(last), 0, init));
        for (int i = 0; i < last; i++) {
            int inner = levels.get(i + 1).width();
            merges.add(child(
                    "merges." + i, new TokenMerge(init, 2, 2, levels.get(i).width(), inner)));
        }
        for (int i = 0; i < last; i++) {
            int inner = levels.get(i + 1).width();
            splits.add(child(
                    "splits." + i,
                    new TokenSplit(
                            init, inner, levels.get(i).width(), config.design().skip())));
        }
        outNorm = child("out_norm", new RmsNorm(init, outer.width()));
        int pixels = config.channels() * config.patchHeight() * config.patchWidth();
        patchOut = child("patch_out.proj", Linear.withoutBias(init, outer.width(), pixels, Weights.ZERO));
        device = new Device(outNorm.state().get("scale").device());
        scope.leave();
    }

    /** The layers of one way through a level; {@code first} counts on from the way in, for the windows' shifts. */
    private List<Block> blocks(String prefix, Grid grid, int first, Init init) {
        List<Block> blocks = new ArrayList<>();
        for (int i = 0; i < grid.level.depth(); i++) {
            String name = prefix + "." + i;
            blocks.add(child(name, new Block(config, grid, first + i, name, init)));
        }
        return blocks;
    }

    /**
     * Figure 4: patches, levels inwards, the middle, levels outwards, patches.
     *
     * @param x (N, C, H, W) noisy pictures
     * @param t (N,) noise levels σ above 0
     * @param cond {@code class} and {@code extra} if the configuration has them; {@code augmentation} may be absent
     * @param tape how the backward pass remembers
     * @return (N, C, H, W)
     */
    @Override
    public Tensor forward(Tensor x, Tensor t, Conditioning cond, Tape tape) {
        Shapes.check("x", x, Shapes.ANY, config.channels(), config.height(), config.width());
        long n = x.size(0);
        Shapes.check("t", t, n);
        precision.checkStored("x", x);
        try (Scope forward = Scope.open()) {
            Tensor c = tape.enter(condition(t, cond, tape)); // (N, M)
            Tensor tokens = patchIn.forward(x.permute(0, 2, 3, 1)); // (N, R, S, D)
            if (places != null) {
                tokens = tokens.add(places);
            }
            List<Tensor> skips = new ArrayList<>();
            for (int i = 0; i < down.size(); i++) {
                tokens = tape.through(stack(down.get(i), c, tape), tape.enter(tokens));
                skips.add(tokens);
                tokens = merges.get(i).forward(tokens); // (N, R/2, S/2, D')
            }
            tokens = tape.through(stack(middle, c, tape), tape.enter(tokens));
            for (int i = up.size() - 1; i >= 0; i--) {
                tokens = splits.get(i).forward(tokens, skips.get(i)); // (N, 2R, 2S, D')
                tokens = tape.through(stack(up.get(i), c, tape), tape.enter(tokens));
            }
            Tensor patches = patchOut.forward(outNorm.forward(tokens)); // (N, R, S, P·Q·C)
            Tensor picture = split(patches, config.patchHeight(), config.patchWidth())
                    .permute(0, 3, 1, 2)
                    .contiguous(); // (N, C, H, W)
            return forward.keep(Tensors.type(picture) == ScalarType.BFloat16 ? picture.to(ScalarType.Float) : picture);
        }
    }

    private static List<UnaryOperator<Tensor>> stack(List<Block> blocks, Tensor c, Tape tape) {
        List<UnaryOperator<Tensor>> stack = new ArrayList<>();
        for (Block block : blocks) {
            // a view of its own: a block's gradients of c are summed before they meet those of other blocks, with
            // checkpointing and without
            stack.add(tokens -> block.forward(tokens, c.view(c.shape()), tape));
        }
        return stack;
    }

    /** The conditioning vector (N, M): noise level, augmentation, class and extra vector, summed and mapped. */
    private Tensor condition(Tensor sigma, Conditioning cond, Tape tape) {
        long n = sigma.size(0);
        ScalarType type = precision.storage();
        Tensor noise = SigmaInput.of(sigma).view(n, 1); // (N, 1)
        Tensor sum = timeIn.forward(timeEmbedding.forward(noise).to(type)).to(type);
        Tensor augmentation = cond.names().contains(AUGMENTATION)
                ? Shapes.check(AUGMENTATION, cond.get(AUGMENTATION), n, AUGMENTATION_WIDTH)
                : torch.zeros(new long[] {n, AUGMENTATION_WIDTH}, Tensors.options(type, device));
        sum = sum.add(augmentationIn.forward(
                augmentationEmbedding.forward(augmentation.to(type)).to(type)));
        if (classEmbedding != null) {
            sum = sum.add(classEmbedding.forward(Shapes.check(Conditioning.CLASS, cond.get(Conditioning.CLASS), n)));
        }
        if (extraIn != null) {
            sum = sum.add(extraIn.forward(
                    Shapes.check(EXTRA, cond.get(EXTRA), n, config.extraWidth()).to(type)));
        }
        return mapping.forward(sum, tape);
    }

    /** Appendix B: RMS norm, GEGLU blocks, RMS norm. */
    static final class Mapping extends Layer {
        private final RmsNorm inNorm;
        private final List<RmsNorm> norms = new ArrayList<>();
        private final List<FeedForwardPart> parts = new ArrayList<>();
        private final RmsNorm outNorm;

        Mapping(Init init, HDiTConfig.Mapping config) {
            inNorm = child("in_norm", new RmsNorm(init, config.width()));
            for (int i = 0; i < config.depth(); i++) {
                norms.add(child("blocks." + i + ".norm", new RmsNorm(init, config.width())));
                parts.add(child(
                        "blocks." + i,
                        new FeedForwardPart(
                                init,
                                config.width(),
                                config.feedForwardWidth(),
                                FeedForward.GEGLU,
                                Weights.ZERO,
                                config.dropout())));
            }
            outNorm = child("out_norm", new RmsNorm(init, config.width()));
        }

        /** (N, M) → (N, M). */
        Tensor forward(Tensor x, Tape tape) {
            Tensor y = inNorm.forward(x);
            for (int i = 0; i < parts.size(); i++) {
                y = y.add(parts.get(i).forward(norms.get(i).forward(y), tape));
            }
            return outNorm.forward(y);
        }
    }

    /** Two projections around a nonlinearity. */
    static final class FeedForwardPart extends Layer {
        private final Linear upProj;
        private final Linear downProj;
        private final boolean gated;
        private final double dropout;

        FeedForwardPart(Init init, int width, int hidden, FeedForward kind, Weights last, double dropout) {
            gated = kind == FeedForward.GEGLU;
            long inner = gated ? 2L * hidden : hidden;
            upProj = child("up_proj", Linear.withoutBias(init, width, inner, Weights.UNIFORM_FAN_IN));
            downProj = child("down_proj", Linear.withoutBias(init, hidden, width, last));
            this.dropout = dropout;
        }

        Tensor forward(Tensor x, Tape tape) {
            Tensor y = upProj.forward(x);
            if (gated) {
                TensorVector halves = y.chunk(2, -1); // value, gate
                y = halves.get(0).mul(torch.gelu(halves.get(1)));
            } else {
                y = torch.gelu(y);
            }
            return downProj.forward(tape.dropout(y, dropout));
        }
    }

    /** What the layers of a level share: its map of tokens. */
    static final class Grid {
        private final Level level;
        final Tensor positions; // (R, S, 2)
        private final MapAttention even;
        private final MapAttention odd;

        Grid(HDiTConfig config, int index, Init init) {
            level = config.levels().get(index);
            int rows = config.rows(index);
            int columns = config.columns(index);
            positions = init.fixed(init.precision().storage(), AxialRope.positions(rows, columns), rows, columns, 2);
            if (level.attention() instanceof HDiTConfig.Neighborhood local) {
                even = new NeighborhoodAttention(init, rows, columns, local.kernel());
                odd = even;
            } else if (level.attention() instanceof HDiTConfig.ShiftedWindow windows) {
                int w = windows.window();
                even = new ShiftedWindowAttention(init, rows, columns, w, 0);
                odd = new ShiftedWindowAttention(init, rows, columns, w, w / 2);
            } else {
                even = MapAttention.global();
                odd = even;
            }
        }
    }

    /** One layer: attention, unless the level has none, and feed-forward, each around a residual. */
    static final class Block extends Layer {
        private final SelfAttention attention; // null without
        private final FeedForwardBlock feedForward;

        Block(HDiTConfig config, Grid grid, int index, String name, Init init) {
            attention = grid.level.heads() > 0
                    ? child("self_attn", new SelfAttention(config, grid, index, name, init))
                    : null;
            feedForward = child("ff", new FeedForwardBlock(config, grid.level, init));
        }

        Tensor forward(Tensor x, Tensor c, Tape tape) {
            Tensor y = attention == null ? x : attention.forward(x, c, tape);
            return feedForward.forward(y, c, tape);
        }
    }

    /** What both kinds of block do with the conditioning vector: an adaptive norm, and the ablation's output gate. */
    static final class Adaptive extends Layer {
        private final Linear linear;
        private final LayerNorm layerNorm; // null for an RMS norm

        Adaptive(Init init, HDiTConfig config, int width) {
            boolean shifted = config.design().norm() == HDiTConfig.Norm.ADA_LN;
            linear = child(
                    "linear",
                    Linear.withoutBias(init, config.mapping().width(), shifted ? 2L * width : width, Weights.ZERO));
            layerNorm = shifted ? LayerNorm.plain(width, 1e-6) : null;
        }

        /** (N, R, S, D) → (N, R, S, D). */
        Tensor forward(Tensor x, Tensor c) {
            Tensor m = linear.forward(c).to(x.scalar_type()).unsqueeze(1).unsqueeze(1); // (N, 1, 1, D or 2D)
            if (layerNorm == null) {
                return RmsNorm.normalize(x, m.add(Scalars.of(1)));
            }
            TensorVector halves = m.chunk(2, 3); // scale, shift
            return torch.addcmul(
                    halves.get(1), layerNorm.forward(x), halves.get(0).add(Scalars.of(1)));
        }
    }

    private static Linear gate(Init init, HDiTConfig config, int width) {
        return Linear.withoutBias(init, config.mapping().width(), width, Weights.ZERO);
    }

    /** x + y, or x + gate · y. */
    private static Tensor join(Tensor x, Tensor y, Linear gate, Tensor c) {
        return x.add(
                gate == null ? y : gate.forward(c).unsqueeze(1).unsqueeze(1).mul(y));
    }

    /** Section 3.2: self-attention with cosine similarity and axial rotary positions. */
    static final class SelfAttention extends Layer {
        private final Tensor scale; // (h,); null for dot products
        private final Adaptive norm;
        private final Linear qkvProj;
        private final AxialRope rope; // null with learned positions
        private final Linear outProj;
        private final Linear gate; // null without
        private final Grid grid;
        private final MapAttention attend;
        private final String name;

        SelfAttention(HDiTConfig config, Grid grid, int index, String name, Init init) {
            this.grid = grid;
            this.name = name;
            attend = index % 2 == 0 ? grid.even : grid.odd;
            int width = grid.level.width();
            int heads = grid.level.heads();
            int headWidth = grid.level.attention().headWidth();
            boolean gated = config.design().outputGate();
            Position position = config.design().position();
            scale = config.design().similarity() == Similarity.COSINE
                    ? parameter("scale", init.constant(10, heads))
                    : null;
            norm = child("norm", new Adaptive(init, config, width));
            qkvProj = child("qkv_proj", Linear.withoutBias(init, width, 3L * width, Weights.UNIFORM_FAN_IN));
            rope = position == Position.LEARNED
                    ? null
                    : child(
                            "pos_emb",
                            new AxialRope(init, heads, position == Position.AXIAL_ROPE ? headWidth / 2 : headWidth));
            outProj = child(
                    "out_proj", Linear.withoutBias(init, width, width, gated ? Weights.UNIFORM_FAN_IN : Weights.ZERO));
            gate = gated ? child("gate", gate(init, config, width)) : null;
        }

        Tensor forward(Tensor x, Tensor c, Tape tape) {
            long[] s = x.shape(); // (N, R, S, D)
            long d = grid.level.attention().headWidth();
            TensorVector parts = qkvProj.forward(norm.forward(x, c))
                    .view(s[0], s[1], s[2], 3, grid.level.heads(), d)
                    .unbind(3); // 3 × (N, R, S, h, d)
            Tensor q = parts.get(0);
            Tensor k = parts.get(1);
            Tensor v = parts.get(2);
            if (scale != null) {
                Tensor root = scale.sqrt().unsqueeze(1); // (h, 1)
                q = q.mul(root.mul(RmsNorm.inverseLength(q)));
                k = k.mul(root.mul(RmsNorm.inverseLength(k)));
            }
            if (rope != null) {
                AxialRope.Turn turn = rope.at(grid.positions);
                q = turn.apply(q);
                k = turn.apply(k);
            }
            ScalarType type = Tensors.type(v);
            double factor = scale != null ? 1 : 1 / Math.sqrt((double) d);
            if (tape.watch().isPresent()) {
                tape.watch().get().seeMap(name, q, k, factor, attend::sees);
            }
            Tensor y = attend.attend(q.to(type), k.to(type), v, factor).flatten(3, 4); // (N, R, S, D)
            return join(x, outProj.forward(tape.dropout(y, grid.level.dropout())), gate, c);
        }
    }

    /** Section 3.2: feed-forward with GEGLU. */
    static final class FeedForwardBlock extends Layer {
        private final Adaptive norm;
        private final FeedForwardPart part;
        private final Linear gate; // null without

        FeedForwardBlock(HDiTConfig config, Level level, Init init) {
            boolean gated = config.design().outputGate();
            norm = child("norm", new Adaptive(init, config, level.width()));
            part = new FeedForwardPart(
                    init,
                    level.width(),
                    level.feedForwardWidth(),
                    config.design().feedForward(),
                    gated ? Weights.UNIFORM_FAN_IN : Weights.ZERO,
                    level.dropout());
            child("up_proj", part.upProj); // the reference's names have no level between
            child("down_proj", part.downProj);
            gate = gated ? child("gate", gate(init, config, level.width())) : null;
        }

        Tensor forward(Tensor x, Tensor c, Tape tape) {
            return join(x, part.forward(norm.forward(x, c), tape), gate, c);
        }
    }

    /** Joins each P × Q block of tokens into one. */
    static final class TokenMerge extends Layer {
        private final Linear proj;
        private final int rows;
        private final int columns;

        TokenMerge(Init init, int rows, int columns, int in, int out) {
            this.rows = rows;
            this.columns = columns;
            proj = child("proj", Linear.withoutBias(init, (long) rows * columns * in, out, Weights.UNIFORM_FAN_IN));
        }

        /** (N, R·P, S·Q, D) → (N, R, S, D'), of the type of x: the residual stream stays float32 in mixed precision. */
        Tensor forward(Tensor x) {
            long[] s = x.shape();
            return proj.forward(x.view(s[0], s[1] / rows, rows, s[2] / columns, columns, s[3])
                            .permute(0, 1, 3, 2, 4, 5)
                            .reshape(s[0], s[1] / rows, s[2] / columns, (long) rows * columns * s[3]))
                    .to(x.scalar_type());
        }
    }

    /** The inverse of a merge's arrangement, (N, R, S, P·Q·D) → (N, R·P, S·Q, D). */
    static Tensor split(Tensor x, long rows, long columns) {
        long[] s = x.shape();
        long width = s[3] / (rows * columns);
        return x.view(s[0], s[1], s[2], rows, columns, width)
                .permute(0, 1, 3, 2, 4, 5)
                .reshape(s[0], s[1] * rows, s[2] * columns, width);
    }

    /** Splits each token into 2 × 2 and meets the skip: skip + fac · (split − skip), so fac weights what comes from below. */
    static final class TokenSplit extends Layer {
        private final Linear proj;
        private final Tensor fac; // (1,); the interpolation's
        private final Linear join; // the concatenation's
        private final Skip kind;

        TokenSplit(Init init, int in, int out, Skip kind) {
            this.kind = kind;
            fac = kind == Skip.LERP ? parameter("fac", init.constant(0.5, 1)) : null;
            proj = child("proj", Linear.withoutBias(init, in, 4L * out, Weights.UNIFORM_FAN_IN));
            join = kind == Skip.CONCATENATE
                    ? child("join", Linear.withoutBias(init, 2L * out, out, Weights.UNIFORM_FAN_IN))
                    : null;
        }

        /** (N, R, S, D'), skip (N, 2R, 2S, D) → (N, 2R, 2S, D). */
        Tensor forward(Tensor x, Tensor skip) {
            Tensor y = split(proj.forward(x), 2, 2).to(skip.scalar_type());
            return switch (kind) {
                case LERP -> torch.lerp(skip, y, fac);
                case ADD -> skip.add(y);
                case CONCATENATE ->
                    join.forward(torch.cat(new TensorVector(skip, y), 3)).to(skip.scalar_type());
            };
        }
    }

    /** Weight decay on the projections' weights; a third of the rate for the mapping network and what follows from it. */
    @Override
    public Tuning tuning(String parameter) {
        boolean mapped = parameter.startsWith("mapping.")
                || parameter.endsWith("norm.linear.weight")
                || parameter.endsWith("gate.weight");
        boolean decayed = parameter.endsWith(".weight")
                && !parameter.matches("(time_in_proj|aug_in_proj|mapping_cond_in_proj|class_emb)\\.weight");
        return new Tuning(mapped ? 1.0 / 3 : 1, decayed);
    }

    @Override
    public HDiTConfig config() {
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
        for (int i = 0; i < config.levels().size(); i++) {
            long rows = (long) batch * config.rows(i) * config.columns(i);
            if (i < down.size()) {
                down.get(i).forEach(block -> block.packLinears(rows));
                up.get(i).forEach(block -> block.packLinears(rows));
                merges.get(i).packLinears(rows / 4);
                splits.get(i).packLinears(rows / 4);
            } else {
                middle.forEach(block -> block.packLinears(rows));
            }
        }
        long outer = (long) batch * config.rows(0) * config.columns(0);
        patchIn.packLinears(outer);
        patchOut.pack(outer);
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
