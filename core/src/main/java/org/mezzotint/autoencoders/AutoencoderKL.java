package org.mezzotint.autoencoders;

import java.util.ArrayList;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.models.layers.Attention;
import org.mezzotint.models.layers.Conv2d;
import org.mezzotint.models.layers.Conv2d.Reach;
import org.mezzotint.models.layers.GroupNorm;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.Layer;
import org.mezzotint.models.layers.Linear;
import org.mezzotint.models.layers.Linear.Weights;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scope;

/**
 * The autoencoder of latent diffusion with a KL penalty: <em>High-Resolution Image Synthesis with Latent Diffusion
 * Models</em>, arXiv:2112.10752v2, section 3.1 and appendix G; the one that DiT uses.
 *
 * <p>Letters: N batch, C channels, H × W picture, f factor between picture and latent, c latent channels.
 *
 * <p>Parameter names are those of a diffusers {@code AutoencoderKL}; {@link AutoencoderNames} knows the others. Left out:
 * the discriminator and the perceptual loss that train it, and attention outside the innermost level.
 */
public final class AutoencoderKL extends Layer implements Autoencoder {
    private static final double EPSILON = 1e-6;

    private final AutoencoderKLConfig config;
    private final Precision precision;
    private final Device device;
    private final Scope scope;

    private final Encoder encoder;
    private final Decoder decoder;
    private final Conv2d quantConv; // null without
    private final Conv2d postQuantConv; // null without

    /**
     * Builds the network.
     *
     * @param config its shape
     * @param init device, precision and initial values
     */
    public AutoencoderKL(AutoencoderKLConfig config, Init init) {
        this.config = config;
        precision = init.precision();
        scope = Scope.owner();
        int moments = 2 * config.latentChannels();
        encoder = child("encoder", new Encoder(config, init));
        decoder = child("decoder", new Decoder(config, init));
        quantConv = config.quantConv() ? child("quant_conv", conv(init, moments, moments, Reach.POINT)) : null;
        postQuantConv = config.postQuantConv()
                ? child("post_quant_conv", conv(init, config.latentChannels(), config.latentChannels(), Reach.POINT))
                : null;
        device = new Device(state().values().iterator().next().device());
        scope.leave();
    }

    @Override
    public Posterior encode(Tensor x) {
        return encode(x, (stage, tensor) -> {});
    }

    /** Tells a watcher of the inner stages; what it sees is freed afterwards. */
    Posterior encode(Tensor x, BiConsumer<String, Tensor> watcher) {
        config.checkPictures(x, precision);
        try (Scope forward = Scope.open()) {
            Tensor moments = encoder.forward(Conv2d.channelsLast(x), watcher); // (N, 2c, H/f, W/f)
            if (quantConv != null) {
                moments = quantConv.forward(moments);
            }
            NonFiniteException.check("encode", moments, x, precision);
            Posterior.Gaussian posterior = Posterior.Gaussian.of(moments);
            forward.keep(posterior.mean());
            forward.keep(posterior.logVariance());
            return posterior;
        }
    }

    @Override
    public Tensor decode(Tensor z) {
        config.checkLatents(z, precision);
        try (Scope forward = Scope.open()) {
            Tensor latent = Conv2d.channelsLast(z); // (N, c, h, w)
            if (postQuantConv != null) {
                latent = postQuantConv.forward(latent);
            }
            Tensor x = decoder.forward(latent).contiguous(); // (N, C, f·h, f·w)
            return forward.keep(NonFiniteException.check("decode", x, z, precision));
        }
    }

    /** Blocks of one size, and the convolution between this size and the next, which the last level lacks (null). */
    private record Level(List<ResidualBlock> blocks, Conv2d resize) {}

    /** Levels of residual blocks, each but the last followed by a halving; then the middle. */
    private static final class Encoder extends Layer {
        private final Conv2d convIn;
        private final List<Level> levels = new ArrayList<>();
        private final Middle middle;
        private final GroupNorm normOut;
        private final Conv2d convOut;

        Encoder(AutoencoderKLConfig config, Init init) {
            int in = config.widths().get(0);
            convIn = child("conv_in", conv(init, config.channels(), in, Reach.SAME));
            for (int i = 0; i < config.levels(); i++) {
                int out = config.widths().get(i);
                List<ResidualBlock> blocks = new ArrayList<>();
                for (int j = 0; j < config.blocksPerLevel(); j++) {
                    String name = "down_blocks." + i + ".resnets." + j;
                    blocks.add(child(name, new ResidualBlock(config, init, j == 0 ? in : out, out)));
                }
                boolean last = i == config.levels() - 1;
                levels.add(new Level(
                        blocks,
                        last
                                ? null
                                : child(
                                        "down_blocks." + i + ".downsamplers.0.conv",
                                        conv(init, out, out, Reach.HALF_UNPADDED))));
                in = out;
            }
            middle = child("mid_block", new Middle(config, init));
            normOut = child("conv_norm_out", norm(config, init, in));
            convOut = child("conv_out", conv(init, in, 2L * config.latentChannels(), Reach.SAME));
        }

        /** (N, C, H, W) → (N, 2c, H/f, W/f). */
        Tensor forward(Tensor x, BiConsumer<String, Tensor> watcher) {
            Relay relay = new Relay(x).then(convIn::forward);
            for (int i = 0; i < levels.size(); i++) {
                for (ResidualBlock block : levels.get(i).blocks()) {
                    relay.then(block::forward);
                }
                Conv2d halve = levels.get(i).resize();
                if (halve != null) {
                    // one row and one column of zeros, right and below only
                    relay.then(y -> halve.forward(torch.constant_pad_nd(y, 0, 1, 0, 1)));
                }
                watcher.accept("encoder_down" + i, relay.result());
            }
            middle.through(relay, attended -> watcher.accept("encoder_mid_attention", attended));
            return relay.then(normOut::forward)
                    .then(AutoencoderKL::silu)
                    .then(convOut::forward)
                    .result();
        }
    }

    /** The middle, then levels of residual blocks, each but the last followed by a doubling. */
    private static final class Decoder extends Layer {
        private final Conv2d convIn;
        private final List<Level> levels = new ArrayList<>();
        private final Middle middle;
        private final GroupNorm normOut;
        private final Conv2d convOut;

        Decoder(AutoencoderKLConfig config, Init init) {
            int in = config.innermost();
            convIn = child("conv_in", conv(init, config.latentChannels(), in, Reach.SAME));
            for (int i = 0; i < config.levels(); i++) {
                int out = config.widths().get(config.levels() - 1 - i);
                List<ResidualBlock> blocks = new ArrayList<>();
                for (int j = 0; j <= config.blocksPerLevel(); j++) {
                    String name = "up_blocks." + i + ".resnets." + j;
                    blocks.add(child(name, new ResidualBlock(config, init, j == 0 ? in : out, out)));
                }
                boolean last = i == config.levels() - 1;
                levels.add(new Level(
                        blocks,
                        last
                                ? null
                                : child("up_blocks." + i + ".upsamplers.0.conv", conv(init, out, out, Reach.SAME))));
                in = out;
            }
            middle = child("mid_block", new Middle(config, init));
            normOut = child("conv_norm_out", norm(config, init, in));
            convOut = child("conv_out", conv(init, in, config.channels(), Reach.SAME));
        }

        /** (N, c, h, w) → (N, C, f·h, f·w). */
        Tensor forward(Tensor z) {
            Relay relay = new Relay(z).then(convIn::forward);
            middle.through(relay, attended -> {});
            for (Level level : levels) {
                for (ResidualBlock block : level.blocks()) {
                    relay.then(block::forward);
                }
                if (level.resize() != null) {
                    relay.then(AutoencoderKL::doubleSize).then(level.resize()::forward);
                }
            }
            return relay.then(normOut::forward)
                    .then(AutoencoderKL::silu)
                    .then(convOut::forward)
                    .result();
        }
    }

    /** Block, attention, block, at the innermost size. */
    private static final class Middle extends Layer {
        private final SelfAttention attention; // null without
        private final ResidualBlock before;
        private final ResidualBlock after;

        Middle(AutoencoderKLConfig config, Init init) {
            int width = config.innermost();
            attention = config.midAttention() ? child("attentions.0", new SelfAttention(config, init, width)) : null;
            before = child("resnets.0", new ResidualBlock(config, init, width, width));
            after = child("resnets.1", new ResidualBlock(config, init, width, width));
        }

        void through(Relay relay, Consumer<Tensor> watcher) {
            relay.then(before::forward);
            if (attention != null) {
                relay.then(attention::forward);
                watcher.accept(relay.result());
            }
            relay.then(after::forward);
        }
    }

    /** {@code skip(x) + conv(silu(norm(conv(silu(norm(x))))))}; the skip is a 1×1 convolution where the width changes. */
    private static final class ResidualBlock extends Layer {
        private final GroupNorm norm1;
        private final Conv2d conv1;
        private final GroupNorm norm2;
        private final Conv2d conv2;
        private final Conv2d shortcut; // null where the width stays

        ResidualBlock(AutoencoderKLConfig config, Init init, int in, int out) {
            norm1 = child("norm1", norm(config, init, in));
            conv1 = child("conv1", conv(init, in, out, Reach.SAME));
            norm2 = child("norm2", norm(config, init, out));
            conv2 = child("conv2", conv(init, out, out, Reach.SAME));
            shortcut = in == out ? null : child("conv_shortcut", conv(init, in, out, Reach.POINT));
        }

        /** (N, in, H, W) → (N, out, H, W). */
        Tensor forward(Tensor x) {
            Tensor branch = new Relay(x)
                    .then(norm1::forward)
                    .then(AutoencoderKL::silu)
                    .then(conv1::forward)
                    .then(norm2::forward)
                    .then(AutoencoderKL::silu)
                    .then(conv2::forward)
                    .result();
            Tensor skip = shortcut == null ? x : shortcut.forward(x);
            return sum(branch, skip);
        }
    }

    /** {@code x + out(softmax(q·kᵀ/√C)·v)} over all pixels of norm(x), with one head of the full width. */
    private static final class SelfAttention extends Layer {
        private final GroupNorm norm;
        private final Linear q;
        private final Linear k;
        private final Linear v;
        private final Linear out;

        SelfAttention(AutoencoderKLConfig config, Init init, int width) {
            norm = child("group_norm", norm(config, init, width));
            q = child("to_q", new Linear(init, width, width, Weights.UNIFORM_FAN_IN));
            k = child("to_k", new Linear(init, width, width, Weights.UNIFORM_FAN_IN));
            v = child("to_v", new Linear(init, width, width, Weights.UNIFORM_FAN_IN));
            out = child("to_out.0", new Linear(init, width, width, Weights.UNIFORM_FAN_IN));
        }

        Tensor forward(Tensor x) {
            long[] s = x.shape(); // (N, C, H, W)
            Tensor pixels = norm.forward(x).permute(0, 2, 3, 1).reshape(s[0], 1, s[2] * s[3], s[1]); // (N, 1, T, C)
            Tensor attended = Attention.attend(
                    q.forward(pixels),
                    k.forward(pixels),
                    v.forward(pixels),
                    1 / Math.sqrt((double) s[1]),
                    null); // (N, 1, T, C)
            Tensor y = out.forward(attended).view(s[0], s[2], s[3], s[1]).permute(0, 3, 1, 2); // (N, C, H, W)
            return x.add(y);
        }
    }

    private static Conv2d conv(Init init, long in, long out, Reach reach) {
        return new Conv2d(init, in, out, reach, Weights.UNIFORM_FAN_IN);
    }

    private static GroupNorm norm(AutoencoderKLConfig config, Init init, long width) {
        return new GroupNorm(init, config.normGroups(), width, EPSILON);
    }

    /** {@code x · σ(x)}, in place where no gradient needs x. */
    private static Tensor silu(Tensor x) {
        if (x.requires_grad()) {
            return torch.silu(x);
        }
        torch.silu_(x);
        return x;
    }

    /** {@code branch + skip}, in the branch's memory where no gradient needs it. */
    static Tensor sum(Tensor branch, Tensor skip) {
        if (branch.requires_grad()) {
            return branch.add(skip);
        }
        branch.add_(skip);
        return branch;
    }

    /** (N, C, H, W) → (N, C, 2H, 2W): each pixel four times. */
    static Tensor doubleSize(Tensor x) {
        return torch.upsample_nearest2d(x, 2 * x.size(2), 2 * x.size(3));
    }

    @Override
    public AutoencoderKLConfig config() {
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
    public void close() {
        scope.close();
    }
}
