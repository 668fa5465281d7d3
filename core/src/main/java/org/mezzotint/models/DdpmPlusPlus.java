package org.mezzotint.models;

import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.models.DdpmPlusPlusConfig.Block;
import org.mezzotint.models.DdpmPlusPlusConfig.Resample;
import org.mezzotint.models.layers.Attention;
import org.mezzotint.models.layers.Conv2d;
import org.mezzotint.models.layers.Conv2d.Reach;
import org.mezzotint.models.layers.Embedding;
import org.mezzotint.models.layers.GroupNorm;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.Layer;
import org.mezzotint.models.layers.Linear;
import org.mezzotint.models.layers.Linear.Weights;
import org.mezzotint.models.layers.RelativePositions;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.models.layers.TimestepEmbedder;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Shapes;

/**
 * DDPM++: the U-Net of <em>Score-Based Generative Modeling through Stochastic Differential Equations</em>,
 * arXiv:2011.13456v2, in the form of <em>Elucidating the Design Space of Diffusion-Based Generative Models</em>,
 * arXiv:2206.00364v2, tables 7 and 8 (column DDPM++, CIFAR-10): positional time features, box-filter resampling inside
 * residual blocks, branches and skips added and divided by √2, self-attention at 16 × 16. With
 * {@link DdpmPlusPlusConfig.Attention#TMSA} it is the network of DiffiT's table 5 (arXiv:2312.02139v3).
 *
 * <p>Letters: N batch, C channels of the picture, H × W its sides, D channels inside, E = 4·base width of the time vector, T
 * pixels of a map.
 *
 * <p>From the papers: all of the above, one head of the full width, four attentions on the way in and two on the way out,
 * dropout 0.13, base 128, widths 2, 2, 2 times that, four blocks a level, outputs that start at zero. With these numbers the
 * count of parameters is the published 55.7 million. Ours: the names of parameters; labels looked up in a table with a row
 * for "no class" (in EDM a linear map of the one-hot label: as many numbers, but no such row); initial weights by Glorot's
 * rule with the kernel in the fan-in only; all of {@code ddpmpp-mini}; and how TMSA enters, which the DiffiT paper does not
 * say: in place of every self-attention, with the time vector that the residual blocks get, its bias B included.
 *
 * <p>Left out: NCSN++, the U-Net that EDM trains in the VE column (Fourier features, a wider filter, a residual pyramid of
 * skips). DiffiT's rows "DDPM++ (VE)" are this network under {@code score-ve}.
 */
public final class DdpmPlusPlus extends Layer implements Model {
    static final int AUGMENTATION_WIDTH = 9;

    private static final double EPSILON = 1e-6;
    private static final double MAX_PERIOD = 10000;
    private static final double HALF_POWER = Math.sqrt(0.5);

    /** About what Glorot's rule gives ten classes. */
    private static final double LABEL_STD = 0.4;

    private final DdpmPlusPlusConfig config;
    private final Precision precision;
    private final Device device;
    private final Scope scope;

    private final Linear augmentationIn;
    private final Embedding classEmbedding; // null when unconditional
    private final Linear timeFirst;
    private final Linear timeSecond;
    private final Conv2d convIn;
    private final List<ResidualBlock> encoder = new ArrayList<>();
    private final List<ResidualBlock> decoder = new ArrayList<>();
    private final GroupNorm normOut;
    private final Conv2d convOut;

    /**
     * Builds the network.
     *
     * @param config its shape
     * @param init device, precision and initial values
     */
    public DdpmPlusPlus(DdpmPlusPlusConfig config, Init init) {
        this.config = config;
        precision = init.precision();
        scope = Scope.owner();
        int base = config.baseWidth();
        int e = config.timeWidth();
        augmentationIn =
                child("augmentation", Linear.withoutBias(init, AUGMENTATION_WIDTH, base, Weights.XAVIER_UNIFORM));
        classEmbedding = config.numClasses() > 0
                ? child("class_emb", new Embedding(init, config.numClasses() + 1, base, LABEL_STD))
                : null;
        timeFirst = child("time.0", new Linear(init, base, e, Weights.XAVIER_UNIFORM));
        timeSecond = child("time.1", new Linear(init, e, e, Weights.XAVIER_UNIFORM));
        convIn = child("conv_in", new Conv2d(init, config.channels(), base, Reach.SAME, Weights.XAVIER_UNIFORM));
        for (Block block : config.encoder()) {
            encoder.add(child(block.name(), new ResidualBlock(config, block, init)));
        }
        for (Block block : config.decoder()) {
            decoder.add(child(block.name(), new ResidualBlock(config, block, init)));
        }
        int outer = config.levels().get(0).width();
        normOut = child("norm_out", norm(init, outer));
        convOut = child("conv_out", new Conv2d(init, outer, config.channels(), Reach.SAME, Weights.ZERO));
        device = new Device(normOut.state().get("weight").device());
        scope.leave();
    }

    private static GroupNorm norm(Init init, int width) {
        return new GroupNorm(init, DdpmPlusPlusConfig.groups(width), width, EPSILON);
    }

    /**
     * A convolution, the way in, the way out with the skips of the way in, a convolution.
     *
     * @param x (N, C, H, W) noisy pictures
     * @param t (N,) c_noise of a frame, or a schedule's time
     * @param cond {@code class} if there are classes; {@code augmentation} (N, 9) may be absent
     * @param tape how the backward pass remembers
     * @return (N, C, H, W)
     */
    @Override
    public Tensor forward(Tensor x, Tensor t, Conditioning cond, Tape tape) {
        Shapes.check("x", x, Shapes.ANY, config.channels(), config.height(), config.width());
        Shapes.check("t", t, x.size(0));
        precision.checkStored("x", x);
        try (Scope forward = Scope.open()) {
            Tensor c = tape.enter(condition(t, cond)); // (N, E)
            Tensor h = tape.enter(convIn.forward(Conv2d.channelsLast(x))); // (N, D, H, W)
            List<Tensor> skips = new ArrayList<>(List.of(h));
            for (ResidualBlock block : encoder) {
                h = tape.through(List.of(input -> block.forward(input, c, tape)), h); // (N, D', H', W')
                skips.add(h);
            }
            List<UnaryOperator<Tensor>> outwards = new ArrayList<>();
            for (ResidualBlock block : decoder) {
                if (block.shape.skip()) {
                    Tensor skip = skips.remove(skips.size() - 1);
                    outwards.add(input -> block.forward(torch.cat(new TensorVector(input, skip), 1), c, tape));
                } else {
                    outwards.add(input -> block.forward(input, c, tape));
                }
            }
            h = tape.through(outwards, h); // (N, D, H, W)
            Tensor y = convOut.forward(torch.silu(normOut.forward(h))); // (N, C, H, W)
            return forward.keep(y.contiguous());
        }
    }

    /** The time vector (N, E): time features, augmentation and class, summed and mapped. */
    private Tensor condition(Tensor t, Conditioning cond) {
        long n = t.size(0);
        ScalarType type = precision.storage();
        Tensor sum =
                TimestepEmbedder.embedding(t, config.baseWidth(), MAX_PERIOD, 1).to(device, type); // (N, base)
        if (classEmbedding != null) {
            sum = sum.add(classEmbedding.forward(Shapes.check(Conditioning.CLASS, cond.get(Conditioning.CLASS), n)));
        }
        if (cond.names().contains(HDiT.AUGMENTATION)) {
            Tensor augmentation = Shapes.check(HDiT.AUGMENTATION, cond.get(HDiT.AUGMENTATION), n, AUGMENTATION_WIDTH);
            sum = sum.add(augmentationIn.forward(augmentation.to(type)).to(type));
        }
        Tensor hidden = torch.silu(timeFirst.forward(sum)); // (N, E)
        return torch.silu(timeSecond.forward(hidden)).to(type);
    }

    /** {@code (skip(x) + conv(dropout(silu(norm(conv(silu(norm(x))) + W·c)))))/√2}, perhaps followed by attention. */
    private static final class ResidualBlock extends Layer {
        private final Block shape;
        private final double dropout;
        private final GroupNorm norm0;
        private final Conv2d conv0;
        private final Linear affine;
        private final GroupNorm norm1;
        private final Conv2d conv1;
        private final Conv2d shortcut; // null where neither width nor size change
        private final SelfAttention attention; // null without

        ResidualBlock(DdpmPlusPlusConfig config, Block shape, Init init) {
            this.shape = shape;
            dropout = config.dropout();
            norm0 = child("norm0", norm(init, shape.in()));
            conv0 = child("conv0", new Conv2d(init, shape.in(), shape.out(), Reach.SAME, Weights.XAVIER_UNIFORM));
            affine = child("affine", new Linear(init, config.timeWidth(), shape.out(), Weights.XAVIER_UNIFORM));
            norm1 = child("norm1", norm(init, shape.out()));
            conv1 = child("conv1", new Conv2d(init, shape.out(), shape.out(), Reach.SAME, Weights.ZERO));
            boolean changes = shape.in() != shape.out() || shape.resample() != Resample.NONE;
            shortcut = changes
                    ? child("skip", new Conv2d(init, shape.in(), shape.out(), Reach.POINT, Weights.XAVIER_UNIFORM))
                    : null;
            attention = shape.attention() ? child("attention", new SelfAttention(config, shape, init)) : null;
        }

        /** (N, D, H, W), (N, E) → (N, D', H', W'). */
        Tensor forward(Tensor input, Tensor time, Tape tape) {
            // views of its own: a block's gradients of what others use too are summed before they meet those of the
            // others,
            // with checkpointing and without; permute and not view, which gives a single picture strides that are no
            // longer seen
            // as channels last
            Tensor x = input.permute(0, 1, 2, 3);
            Tensor c = time.view(time.shape());
            Tensor h = conv0.forward(resample(torch.silu(norm0.forward(x)))); // (N, D', H', W')
            Tensor shift = affine.forward(c).to(h.scalar_type()).unsqueeze(2).unsqueeze(3);
            h = torch.silu(norm1.forward(h.add(shift)));
            h = conv1.forward(tape.dropout(h, dropout));
            Tensor skip = resample(x);
            h = half(h, shortcut == null ? skip : shortcut.forward(skip));
            return attention == null ? h : attention.forward(h, c);
        }

        /** The mean of 2 × 2 pixels, or each pixel four times. */
        private Tensor resample(Tensor x) {
            return switch (shape.resample()) {
                case NONE -> x;
                case DOWN ->
                    torch.avg_pool2d(
                            x,
                            new long[] {2, 2},
                            new long[] {2, 2},
                            new long[] {0, 0},
                            false,
                            true,
                            new LongOptional());
                case UP -> torch.upsample_nearest2d(x, 2 * x.size(2), 2 * x.size(3));
            };
        }
    }

    /** (a + b)/√2: the power stays that of each. */
    private static Tensor half(Tensor a, Tensor b) {
        return a.add(b).mul(Scalars.of(HALF_POWER));
    }

    /** {@code (x + W·attention(norm(x)))/√2} with one head; with TMSA (arXiv:2312.02139v3, eq. 3 to 6) q, k, v see c. */
    private static final class SelfAttention extends Layer {
        private final GroupNorm norm;
        private final Linear qkv;
        private final Linear time; // null without TMSA
        private final Tensor table; // (M, 1); null without TMSA
        private final RelativePositions positions; // null without TMSA
        private final Linear proj;
        private final double scale;

        SelfAttention(DdpmPlusPlusConfig config, Block shape, Init init) {
            int d = shape.out();
            boolean timed = config.attention() == DdpmPlusPlusConfig.Attention.TMSA;
            positions = timed ? new RelativePositions(init, shape.rows(), shape.columns()) : null;
            table = timed ? parameter("relative_position_bias_table", init.normal(0.02, positions.entries(), 1)) : null;
            norm = child("norm", DdpmPlusPlus.norm(init, d));
            qkv = child("qkv", new Linear(init, d, 3L * d, Weights.XAVIER_UNIFORM));
            time = timed
                    ? child("qkv_time", Linear.withoutBias(init, config.timeWidth(), 3L * d, Weights.XAVIER_UNIFORM))
                    : null;
            proj = child("proj", new Linear(init, d, d, Weights.ZERO));
            scale = 1 / Math.sqrt((double) d);
        }

        Tensor forward(Tensor x, Tensor c) {
            long[] s = x.shape(); // (N, D, H, W)
            Tensor pixels = norm.forward(x).permute(0, 2, 3, 1).reshape(s[0], s[2] * s[3], s[1]); // (N, T, D)
            Tensor projected = qkv.forward(pixels); // (N, T, 3D)
            if (time != null) {
                projected = projected.add(time.forward(c).unsqueeze(1));
            }
            TensorVector parts = projected.unsqueeze(1).chunk(3, 3); // 3 × (N, 1, T, D)
            Tensor attended = table == null
                    ? Attention.attend(parts.get(0), parts.get(1), parts.get(2), scale, null)
                    : biased(parts.get(0), parts.get(1), parts.get(2)); // (N, 1, T, D)
            Tensor y = proj.forward(attended)
                    .to(x.scalar_type())
                    .view(s[0], s[2], s[3], s[1])
                    .permute(0, 3, 1, 2); // (N, D, H, W)
            return half(x, y);
        }

        /** With B, by plain products: libtorch's fused kernel gives B no gradient, and rounds otherwise. */
        private Tensor biased(Tensor q, Tensor k, Tensor v) {
            Tensor bias = positions.expand(table).to(q.scalar_type()); // (1, T, T)
            Tensor logits = q.mul(Scalars.of(scale)).matmul(k.transpose(2, 3)); // (N, 1, T, T)
            return torch.softmax(logits.add(bias), 3).matmul(v);
        }
    }

    /** One rate for all; weight decay, which EDM does not use, on the weights of convolutions and projections. */
    @Override
    public Tuning tuning(String parameter) {
        boolean norm = parameter.matches("(.*\\.)?norm[01]?\\.weight|norm_out\\.weight");
        return new Tuning(1, parameter.endsWith(".weight") && !norm && !parameter.startsWith("class_emb"));
    }

    @Override
    public DdpmPlusPlusConfig config() {
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
        for (List<ResidualBlock> blocks : List.of(encoder, decoder)) {
            for (ResidualBlock block : blocks) {
                if (block.attention != null) {
                    block.attention.qkv.pack(batch * block.shape.pixels());
                    block.attention.proj.pack(batch * block.shape.pixels());
                }
            }
        }
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
