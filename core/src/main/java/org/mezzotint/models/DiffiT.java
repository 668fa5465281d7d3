package org.mezzotint.models;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.models.layers.Embedding;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.Layer;
import org.mezzotint.models.layers.LayerNorm;
import org.mezzotint.models.layers.Linear;
import org.mezzotint.models.layers.Linear.Weights;
import org.mezzotint.models.layers.Mlp;
import org.mezzotint.models.layers.PatchEmbed;
import org.mezzotint.models.layers.RelativePositions;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.models.layers.TimeDependentAttention;
import org.mezzotint.models.layers.TimeDependentMlp;
import org.mezzotint.models.layers.TimestepEmbedder;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Shapes;
import org.mezzotint.tensor.Tensors;

/**
 * The latent DiffiT: <em>DiffiT: Diffusion Vision Transformers for Image Generation</em>, arXiv:2312.02139v3, section 3.4, as in
 * the authors' code where paper and code differ.
 *
 * <p>Letters: N batch, C channels, H × W latent, P patch, R × S grid of tokens, T = R·S, D hidden size, h heads.
 *
 * <p>A stack of transformer blocks in which time enters the attention: no adaptive norm, no gates. The attention is global,
 * one window of all tokens, with a learned bias of relative positions beside the fixed sine and cosine table. Parameter and
 * buffer names, shapes and initial values are those of the code; those of the ablations (time elsewhere) are ours. Left out:
 * nothing. Guidance is part of sampling here ({@code org.mezzotint.sample.Guidance}); labels are dropped by the
 * training loop.
 */
public final class DiffiT extends Layer implements Model {
    private static final double EPSILON = 1e-6;

    private final DiffiTConfig config;
    private final Precision precision;
    private final Device device;
    private final Scope scope;

    private final Tensor positions; // (1, T, D), fixed
    private final PatchEmbed patchEmbed;
    private final TimestepEmbedder timestepEmbedder;
    private final Embedding labelEmbedder; // null when unconditional
    private final List<Block> blocks = new ArrayList<>();
    private final LayerNorm finalNorm;
    private final Linear finalLinear;

    /**
     * Builds the network.
     *
     * @param config its shape
     * @param init device, precision and initial values
     */
    public DiffiT(DiffiTConfig config, Init init) {
        this.config = config;
        precision = init.precision();
        scope = Scope.owner();
        int d = config.hiddenSize();
        positions = frozen(
                "pos_embed",
                init.table(PatchEmbed.sinCosPositions(d, config.rows(), config.columns()), 1, config.tokens(), d));
        patchEmbed = child("x_embedder", new PatchEmbed(init, config.channels(), config.patchSize(), d));
        timestepEmbedder = child("t_embedder", new TimestepEmbedder(init, d, 0));
        labelEmbedder = config.numClasses() > 0
                ? child("y_embedder.embedding_table", new Embedding(init, config.labelRows(), d, 0.02))
                : null;
        RelativePositions window = new RelativePositions(init, config.rows(), config.columns());
        for (int i = 0; i < config.depth(); i++) {
            blocks.add(child("blocks." + i, new Block(config, "blocks." + i, window, init)));
        }
        finalNorm = LayerNorm.plain(d, EPSILON);
        long out = (long) config.patchSize() * config.patchSize() * config.outputChannels();
        finalLinear = child("final_layer.linear", new Linear(init, d, out, Weights.ZERO));
        device = new Device(positions.device());
        scope.leave();
    }

    /** Patchify, blocks, decoder. */
    @Override
    public Tensor forward(Tensor x, Tensor t, Conditioning cond, Tape tape) {
        Shapes.check("x", x, Shapes.ANY, config.channels(), config.height(), config.width());
        long n = x.size(0);
        Shapes.check("t", t, n);
        precision.checkStored("x", x);
        try (Scope forward = Scope.open()) {
            Tensor tokens = patchEmbed.forward(x).add(positions); // (N, T, D)
            Tensor time = timestepEmbedder.forward(t).to(precision.storage()); // (N, D)
            if (labelEmbedder != null) {
                Tensor labels = Shapes.check(Conditioning.CLASS, cond.get(Conditioning.CLASS), n);
                time = time.add(labelEmbedder.forward(labels)); // (N, D)
            }
            Tensor c = tape.enter(time);
            List<UnaryOperator<Tensor>> stack = new ArrayList<>();
            for (Block block : blocks) {
                stack.add(y -> block.forward(y, c, tape));
            }
            Tensor y = tape.through(stack, tape.enter(tokens)); // (N, T, D)
            y = finalLinear.forward(torch.silu(finalNorm.forward(y))); // (N, T, P·P·C')
            Tensor picture = PatchEmbed.unpatchify(
                    Tensors.type(y) == ScalarType.BFloat16 ? y.to(ScalarType.Float) : y,
                    config.patchSize(),
                    config.outputChannels(),
                    config.rows(),
                    config.columns()); // (N, C', H, W)
            return forward.keep(picture);
        }
    }

    /** Equations 7 and 8: {@code x̂ = TMSA(LN(x), t) + x, x = MLP(LN(x̂)) + x̂}; the ablations tell time to another part. */
    private static final class Block extends Layer {
        private final LayerNorm norm1;
        private final TimeDependentAttention attention;
        private final LayerNorm norm2;
        private final UnaryOperator<Tensor> mlp; // null when it sees the time
        private final TimeDependentMlp timedMlp; // null when it does not

        Block(DiffiTConfig config, String name, RelativePositions window, Init init) {
            int d = config.hiddenSize();
            norm1 = LayerNorm.plain(d, EPSILON);
            attention = child(
                    "attn",
                    new TimeDependentAttention(
                            init,
                            d,
                            d,
                            config.numHeads(),
                            window,
                            switch (config.time()) {
                                case TMSA -> TimeDependentAttention.Time.PROJECTIONS;
                                case MLP -> TimeDependentAttention.Time.ABSENT;
                                case BIAS -> TimeDependentAttention.Time.BIAS;
                            },
                            Optional.of(new TimeDependentAttention.Place(name, config.rows(), config.columns()))));
            norm2 = LayerNorm.plain(d, EPSILON);
            if (config.time() == DiffiTConfig.Time.MLP) {
                mlp = null;
                timedMlp = child("mlp", new TimeDependentMlp(init, d, config.mlpHidden(), d));
            } else {
                mlp = child("mlp", new Mlp(init, d, config.mlpHidden()))::forward;
                timedMlp = null;
            }
        }

        Tensor forward(Tensor x, Tensor c, Tape tape) {
            Tensor y = x.add(attention.forward(norm1.forward(x), c, null, tape));
            Tensor z = norm2.forward(y);
            return y.add(timedMlp == null ? mlp.apply(z) : timedMlp.forward(z, c));
        }
    }

    /** Every parameter alike. */
    @Override
    public Tuning tuning(String parameter) {
        return new Tuning(1, true);
    }

    @Override
    public DiffiTConfig config() {
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
