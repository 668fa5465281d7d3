package org.mezzotint.models;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.models.ImageDiffiTConfig.Decoder;
import org.mezzotint.models.ImageDiffiTConfig.Encoder;
import org.mezzotint.models.ImageDiffiTConfig.Time;
import org.mezzotint.models.ImageDiffiTConfig.TimeEmbedding;
import org.mezzotint.models.layers.Conv2d;
import org.mezzotint.models.layers.Conv2d.Reach;
import org.mezzotint.models.layers.Embedding;
import org.mezzotint.models.layers.FourierFeatures;
import org.mezzotint.models.layers.GroupNorm;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.Layer;
import org.mezzotint.models.layers.LayerNorm;
import org.mezzotint.models.layers.Linear;
import org.mezzotint.models.layers.Linear.Weights;
import org.mezzotint.models.layers.Mlp;
import org.mezzotint.models.layers.RelativePositions;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.models.layers.TimeDependentAttention;
import org.mezzotint.models.layers.TimeDependentAttention.Place;
import org.mezzotint.models.layers.TimeDependentMlp;
import org.mezzotint.models.layers.TimestepEmbedder;
import org.mezzotint.models.layers.Windows;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Shapes;
import org.mezzotint.tensor.Tensors;

/**
 * DiffiT in image space: <em>DiffiT: Diffusion Vision Transformers for Image Generation</em>, arXiv:2312.02139v3, section 3.2
 * and appendices H and I, with the choices of its ablations. The latent model is another network.
 *
 * <p>Letters: N batch, C channels, H × W map of a stage, D its width, E width of the time token, P patch.
 *
 * <p>The authors published no code of this network. What the paper leaves open is our choice:
 *
 * <ul>
 *   <li>heads of 32 channels and an MLP of four times the width, as in Swin, whose windows and bias these are; layer norms
 *       without scale and shift, GELU in its tanh form and Xavier's rule for linear layers, as in the authors' latent model;
 *   <li>32 groups in a group norm, as in DDPM; CIFAR-10's widths: {@link NamedImageDiffiT};
 *   <li>the coarsest map belongs to both ways: the decoder mirrors the encoder, opens with its convolution there and has as
 *       many blocks there;
 *   <li>a skip joins at the start of each decoder stage: side by side, then a 1 × 1 convolution back to the width;
 *   <li>down by a 3 × 3 convolution of stride 2, up by doubling pixels and a 3 × 3 convolution, which leave no checkerboard;
 *   <li>the network ends in group norm, Swish and a 3 × 3 convolution that starts at zero, so that training starts from the
 *       preconditioner's guess;
 *   <li>the time token sees ln(σ)/4 as EDM's networks do, in E sines and cosines; a class adds its vector to the token, as in
 *       the latent model, and the nine numbers of an augmentation join the sines and cosines, as in EDM.
 * </ul>
 *
 * <p>{@code patch} above 1 is ours: the network then works on squares of pixels, for machines that cannot afford a token a pixel.
 * The network's time input is the noise level σ in units of clean pictures. Preconditioning is not part of the network.
 */
public final class ImageDiffiT extends Layer implements Model {
    private static final double EPSILON = 1e-6;
    private static final double MAX_PERIOD = 10000;

    /** Of the random frequencies: that of NCSN++ (arXiv:2011.13456v2, appendix H.2). */
    private static final double FOURIER_STD = 16;

    private final ImageDiffiTConfig config;
    private final Precision precision;
    private final Device device;
    private final Scope scope;

    private final TimeToken timeToken;
    private final Embedding classEmbedding; // null when unconditional
    private final Conv2d open;
    private final List<Stage> encoder = new ArrayList<>();
    private final List<Conv2d> downs = new ArrayList<>();
    private final MlaDecoder aggregate; // null for a mirror of the encoder
    private final Conv2d openDecoder; // this and the next three: of a mirror only
    private final List<Stage> decoder = new ArrayList<>();
    private final List<Conv2d> fuses = new ArrayList<>();
    private final List<Conv2d> ups = new ArrayList<>();
    private final GroupNorm outNorm;
    private final Conv2d close;

    /**
     * Builds the network.
     *
     * @param config its shape
     * @param init device, precision and initial values
     */
    public ImageDiffiT(ImageDiffiTConfig config, Init init) {
        this.config = config;
        precision = init.precision();
        scope = Scope.owner();
        int last = config.stages().size() - 1;
        int outer = width(0);
        timeToken = child("time_token", new TimeToken(config, init));
        classEmbedding = config.numClasses() > 0
                ? child("class_emb", new Embedding(init, config.numClasses() + 1L, config.timeWidth(), 0.02))
                : null;
        RelativePositions positions = new RelativePositions(init, config.window(), config.window());
        List<Windows> windows = new ArrayList<>();
        for (int i = 0; i <= last; i++) {
            windows.add(new Windows(init, config.rows(i), config.columns(i), config.window()));
        }
        open = child("encoder.open", conv(init, config.pixels(), outer, Reach.SAME));
        for (int i = 0; i <= last; i++) {
            boolean cells = config.design().encoder() == Encoder.DIFFIT;
            String name = "encoder.stages." + i;
            encoder.add(child(name, new Stage(config, i, cells, positions, windows.get(i), name, init)));
            if (i < last) {
                downs.add(child("encoder.downs." + i, conv(init, width(i), width(i + 1), Reach.HALF)));
            }
        }
        if (config.design().decoder() == Decoder.MLA) {
            List<Integer> widths = new ArrayList<>();
            config.stages().forEach(stage -> widths.addAll(Collections.nCopies(config.taps(), stage.width())));
            aggregate = child("decoder", new MlaDecoder(init, widths, outer));
            openDecoder = null;
        } else {
            aggregate = null;
            openDecoder = child("decoder.open", conv(init, width(last), width(last), Reach.SAME));
            boolean cells = config.design().decoder() == Decoder.DIFFIT;
            for (int i = 0; i <= last; i++) {
                fuses.add(child("decoder.fuses." + i, conv(init, 2 * width(i), width(i), Reach.POINT)));
                String name = "decoder.stages." + i;
                decoder.add(child(name, new Stage(config, i, cells, positions, windows.get(i), name, init)));
                if (i < last) {
                    ups.add(child("decoder.ups." + i, conv(init, width(i + 1), width(i), Reach.SAME)));
                }
            }
        }
        outNorm = child("out_norm", new GroupNorm(init, config.groups(), outer, EPSILON));
        close = child("close", new Conv2d(init, outer, config.pixels(), Reach.SAME, Weights.ZERO));
        device = new Device(state().get("close.weight").device());
        scope.leave();
    }

    private int width(int stage) {
        return config.stages().get(stage).width();
    }

    private static Conv2d conv(Init init, int in, int out, Reach reach) {
        return new Conv2d(init, in, out, reach, Weights.UNIFORM_FAN_IN);
    }

    /**
     * Figure 4: the encoder's stages inwards, the decoder's outwards, with a skip at every resolution.
     *
     * @param x (N, C, P·H, P·W) noisy pictures
     * @param t (N,) noise levels σ above 0
     * @param cond {@code class} if the configuration has classes; {@code augmentation} (N, 9) may be absent and is then zero
     * @param tape how the backward pass remembers
     * @return (N, C, P·H, P·W)
     */
    @Override
    public Tensor forward(Tensor x, Tensor t, Conditioning cond, Tape tape) {
        Shapes.check("x", x, Shapes.ANY, config.channels(), config.height(), config.width());
        Shapes.check("t", t, x.size(0));
        precision.checkStored("x", x);
        try (Scope forward = Scope.open()) {
            Tensor c = tape.enter(condition(t, cond)); // (N, E)
            Tensor pixels = config.patch() == 1 ? x : torch.pixel_unshuffle(x, config.patch()); // (N, C·P², H, W)
            Tensor y = open.forward(Conv2d.channelsLast(pixels)); // (N, D, H, W)
            List<Tensor> levels = new ArrayList<>();
            for (int i = 0; i < encoder.size(); i++) {
                if (i > 0) {
                    y = downs.get(i - 1).forward(y); // (N, D', H/2, W/2)
                }
                levels.addAll(encoder.get(i).forward(y, c, tape));
                y = levels.get(levels.size() - 1);
            }
            y = aggregate == null ? mirror(levels, c, tape) : aggregate.forward(levels); // (N, D, H, W)
            Tensor out = close.forward(torch.silu(outNorm.forward(y))); // (N, C·P², H, W)
            Tensor picture = config.patch() == 1 ? out : torch.pixel_shuffle(out, config.patch());
            return forward.keep(picture.contiguous());
        }
    }

    /** The way out: from the coarsest map, where it opens with a convolution, to the finest. */
    private Tensor mirror(List<Tensor> skips, Tensor c, Tape tape) {
        int last = decoder.size() - 1;
        Tensor y = openDecoder.forward(skips.get(last));
        for (int i = last; i >= 0; i--) {
            if (i < last) {
                Tensor doubled = torch.upsample_nearest2d(y, config.rows(i), config.columns(i)); // (N, D', 2H, 2W)
                y = ups.get(i).forward(doubled); // (N, D, 2H, 2W)
            }
            y = fuses.get(i).forward(torch.cat(new TensorVector(y, skips.get(i)), 1));
            y = decoder.get(i).forward(y, c, tape).get(0);
        }
        return y;
    }

    /** The time token, with the class: (N, E). */
    private Tensor condition(Tensor sigma, Conditioning cond) {
        long n = sigma.size(0);
        Tensor label = classEmbedding == null
                ? null
                : classEmbedding.forward(Shapes.check(Conditioning.CLASS, cond.get(Conditioning.CLASS), n));
        Tensor augmentation = !config.augmentation()
                ? null
                : cond.names().contains(HDiT.AUGMENTATION)
                        ? Shapes.check(HDiT.AUGMENTATION, cond.get(HDiT.AUGMENTATION), n, HDiT.AUGMENTATION_WIDTH)
                                .to(precision.storage())
                        : torch.zeros(
                                new long[] {n, HDiT.AUGMENTATION_WIDTH}, Tensors.options(precision.storage(), device));
        Tensor token = timeToken.forward(SigmaInput.of(sigma), augmentation).to(precision.storage());
        return label == null ? token : token.add(label);
    }

    /** Section 3.2: positional or Fourier features of ln(σ)/4, then Linear, Swish, Linear. */
    private static final class TimeToken extends Layer {
        private final int width;
        private final Precision precision;
        private final FourierFeatures fourier; // null for positional features
        private final Linear augmentationIn; // null without
        private final Linear first;
        private final Linear second;

        TimeToken(ImageDiffiTConfig config, Init init) {
            width = config.timeWidth();
            precision = init.precision();
            fourier = config.design().timeEmbedding() == TimeEmbedding.FOURIER
                    ? child("fourier", new FourierFeatures(init, 1, width, FOURIER_STD))
                    : null;
            augmentationIn = config.augmentation()
                    ? child(
                            "augmentation",
                            Linear.withoutBias(init, HDiT.AUGMENTATION_WIDTH, width, Weights.UNIFORM_FAN_IN))
                    : null;
            first = child("mlp.0", new Linear(init, width, width, Weights.XAVIER_UNIFORM));
            second = child("mlp.2", new Linear(init, width, width, Weights.XAVIER_UNIFORM));
        }

        /** Noise (N,), augmentation (N, 9) or null → (N, E). */
        Tensor forward(Tensor noise, Tensor augmentation) {
            Tensor features = (fourier == null
                            ? TimestepEmbedder.embedding(noise, width, MAX_PERIOD, 0)
                            : fourier.forward(noise.view(-1, 1)))
                    .to(precision.storage()); // (N, E)
            if (augmentationIn != null) {
                features = features.add(augmentationIn.forward(augmentation));
            }
            return second.forward(torch.silu(first.forward(features)));
        }
    }

    /** The blocks of one resolution on one of the two ways. */
    private static final class Stage extends Layer {
        private final Linear time; // null where the blocks themselves are told
        private final List<Block> blocks = new ArrayList<>();
        private final int taps;
        private final Windows windows;

        Stage(
                ImageDiffiTConfig config,
                int index,
                boolean cells,
                RelativePositions positions,
                Windows windows,
                String name,
                Init init) {
            this.windows = windows;
            taps = config.taps();
            int width = config.stages().get(index).width();
            Time told = cells ? config.design().time() : Time.STAGE;
            time = told == Time.STAGE
                    ? child("time", new Linear(init, config.timeWidth(), width, Weights.XAVIER_UNIFORM))
                    : null;
            for (int i = 0; i < config.stages().get(index).blocks(); i++) {
                blocks.add(child(
                        "blocks." + i,
                        new Block(config, index, cells, told, positions, windows, name + ".blocks." + i, init)));
            }
        }

        /** (N, D, H, W) → the same after each run of blocks that is looked at; the last is the stage's result. */
        List<Tensor> forward(Tensor x, Tensor c, Tape tape) {
            Tensor y = x;
            List<Tensor> seen = new ArrayList<>();
            int run = blocks.size() / taps;
            for (int tap = 0; tap < taps; tap++) {
                List<UnaryOperator<Tensor>> stack = new ArrayList<>();
                if (time != null && tap == 0) { // inside the stack, for a tape may hand over c and y at once
                    stack.add(z -> z.add(time.forward(c.view(c.shape()))
                            .to(z.scalar_type())
                            .unsqueeze(2)
                            .unsqueeze(3)));
                }
                for (Block block : blocks.subList(tap * run, (tap + 1) * run)) {
                    // a view of its own: a block's gradients of c are summed before they meet those of other blocks
                    stack.add(z -> block.forward(z, c.view(c.shape()), tape));
                }
                y = tape.through(stack, tape.enter(y));
                seen.add(y);
            }
            return seen;
        }
    }

    /**
     * The residual cell, {@code x̂ = Conv3×3(Swish(GN(x)))}, {@code DiffiT-Block(x̂) + x}, or the transformer block alone; a DiffiT
     * block is {@code x̂ = TMSA(LN(x), t) + x}, {@code MLP(LN(x̂)) + x̂}, in windows.
     */
    private static final class Block extends Layer {
        private final GroupNorm norm; // this and the next: null in a plain block
        private final Conv2d conv;
        private final LayerNorm norm1;
        private final TimeDependentAttention attention;
        private final LayerNorm norm2;
        private final Mlp mlp; // null if the MLP is told the time
        private final TimeDependentMlp timedMlp; // null if not
        private final Windows windows;

        Block(
                ImageDiffiTConfig config,
                int stage,
                boolean cell,
                Time time,
                RelativePositions positions,
                Windows windows,
                String name,
                Init init) {
            this.windows = windows;
            int width = config.stages().get(stage).width();
            int hidden = config.hidden(stage);
            norm = cell ? child("norm", new GroupNorm(init, config.groups(), width, EPSILON)) : null;
            conv = cell ? child("conv", conv(init, width, width, Reach.SAME)) : null;
            norm1 = LayerNorm.plain(width, EPSILON);
            attention = child(
                    "attn",
                    new TimeDependentAttention(
                            init,
                            width,
                            config.timeWidth(),
                            width / config.headWidth(),
                            positions,
                            inAttention(time),
                            Optional.of(new Place(name + ".attn", config.rows(stage), config.columns(stage)))));
            norm2 = LayerNorm.plain(width, EPSILON);
            mlp = time == Time.MLP ? null : child("mlp", new Mlp(init, width, hidden));
            timedMlp = time == Time.MLP
                    ? child("mlp", new TimeDependentMlp(init, width, hidden, config.timeWidth()))
                    : null;
        }

        private static TimeDependentAttention.Time inAttention(Time time) {
            return switch (time) {
                case TMSA -> TimeDependentAttention.Time.PROJECTIONS;
                case TOKEN -> TimeDependentAttention.Time.TOKEN;
                case BIAS -> TimeDependentAttention.Time.BIAS;
                case MLP, STAGE -> TimeDependentAttention.Time.ABSENT;
            };
        }

        /** (N, D, H, W) → (N, D, H, W). */
        Tensor forward(Tensor x, Tensor c, Tape tape) {
            Tensor y = conv == null ? x : conv.forward(torch.silu(norm.forward(x)));
            Tensor tokens = windows.split(y.permute(0, 2, 3, 1)); // (N·w, T, D)
            tokens = tokens.add(attention.forward(norm1.forward(tokens), c, windows.mask(), tape));
            tokens = tokens.add(feedForward(norm2.forward(tokens), c));
            Tensor map = windows.join(tokens).permute(0, 3, 1, 2); // (N, D, H, W)
            return conv == null ? map : x.add(map);
        }

        private Tensor feedForward(Tensor tokens, Tensor c) {
            if (mlp != null) {
                return mlp.forward(tokens);
            }
            long[] s = tokens.shape(); // (N·w, T, D)
            return timedMlp.forward(tokens.view(c.size(0), windows.tokens(), s[2]), c)
                    .view(s);
        }
    }

    /** Every parameter alike: the paper trains with Adam and names no weight decay. */
    @Override
    public Tuning tuning(String parameter) {
        return new Tuning(1, true);
    }

    @Override
    public ImageDiffiTConfig config() {
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
        for (List<Stage> way : List.of(encoder, decoder)) {
            for (Stage stage : way) {
                stage.blocks.forEach(block -> block.packLinears(batch * stage.windows.tokens()));
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
