package org.mezzotint.autoencoders;

import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.models.layers.Conv2d;
import org.mezzotint.models.layers.Conv2d.Reach;
import org.mezzotint.models.layers.GroupNorm;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.Layer;
import org.mezzotint.models.layers.Linear.Weights;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;

/**
 * The tiny autoencoder (TAESD and its relatives; code: madebyollin/taesd, no paper): about 1.2 million parameters a side,
 * distilled from a large autoencoder whose scaled latents it shares. Rough in the details, right in the colours, and many
 * times faster: for previews and for work on few processors.
 *
 * <p>Letters: N batch, C channels, H × W picture, f factor between picture and latent, c latent channels.
 *
 * <p>Inside, pictures lie in [0, 1]; {@link #encode} and {@link #decode} speak of [-1, 1] as every autoencoder here. Latents
 * are brought into ±3 by {@code 3·tanh(z/3)} before they are decoded. Parameter names are those of a diffusers {@code
 * AutoencoderTiny}; {@link AutoencoderNames} knows the authors'. Left out: the variants with 16- and 32-fold reduction.
 */
public final class TinyAutoencoder extends Layer implements Autoencoder {
    private static final int NORM_GROUPS = 4;
    private static final double EPSILON = 1e-5;

    private final TinyAutoencoderConfig config;
    private final Precision precision;
    private final Device device;
    private final Scope scope;
    private final Chain encoder;
    private final Chain decoder;

    /**
     * Builds the network.
     *
     * @param config its shape
     * @param init device, precision and initial values
     */
    public TinyAutoencoder(TinyAutoencoderConfig config, Init init) {
        this.config = config;
        precision = init.precision();
        scope = Scope.owner();
        encoder = child("encoder.layers", encoder(config, init));
        decoder = child("decoder.layers", decoder(config, init));
        device = new Device(state().values().iterator().next().device());
        scope.leave();
    }

    private static Chain encoder(TinyAutoencoderConfig config, Init init) {
        int width = config.width();
        int levels = config.encoderBlocks().size();
        Chain chain = new Chain();
        chain.conv(new Conv2d(init, config.channels(), width, Reach.SAME, Weights.UNIFORM_FAN_IN));
        for (int i = 0; i < levels; i++) {
            if (i > 0) {
                chain.conv(Conv2d.withoutBias(init, width, width, Reach.HALF, Weights.UNIFORM_FAN_IN));
            }
            for (int j = 0; j < config.encoderBlocks().get(i); j++) {
                chain.block(new Block(init, width, config.innerNorm() && i == levels - 1));
            }
        }
        chain.conv(new Conv2d(init, width, config.latentChannels(), Reach.SAME, Weights.UNIFORM_FAN_IN));
        return chain;
    }

    private static Chain decoder(TinyAutoencoderConfig config, Init init) {
        int width = config.width();
        int levels = config.decoderBlocks().size();
        Chain chain = new Chain();
        chain.conv(new Conv2d(init, config.latentChannels(), width, Reach.SAME, Weights.UNIFORM_FAN_IN));
        chain.plain(TinyAutoencoder::relu);
        for (int i = 0; i < levels; i++) {
            for (int j = 0; j < config.decoderBlocks().get(i); j++) {
                chain.block(new Block(init, width, config.innerNorm() && i == 0));
            }
            if (i < levels - 1) {
                chain.plain(AutoencoderKL::doubleSize);
                chain.conv(Conv2d.withoutBias(init, width, width, Reach.SAME, Weights.UNIFORM_FAN_IN));
            }
        }
        chain.conv(new Conv2d(init, width, config.channels(), Reach.SAME, Weights.UNIFORM_FAN_IN));
        return chain;
    }

    @Override
    public Posterior encode(Tensor x) {
        config.checkPictures(x, precision);
        try (Scope forward = Scope.open()) {
            Tensor unit = Conv2d.channelsLast(x).mul(Scalars.of(0.5)).add(Scalars.of(0.5)); // [-1, 1] to [0, 1]
            Tensor z = encoder.forward(unit).contiguous(); // (N, c, H/f, W/f)
            return new Posterior.Point(forward.keep(NonFiniteException.check("encode", z, x, precision)));
        }
    }

    @Override
    public Tensor decode(Tensor z) {
        config.checkLatents(z, precision);
        try (Scope forward = Scope.open()) {
            Tensor near = Conv2d.channelsLast(z).div(Scalars.of(3)).tanh().mul(Scalars.of(3)); // (N, c, h, w)
            Tensor x =
                    decoder.forward(near).mul(Scalars.of(2)).sub(Scalars.of(1)); // (N, C, f·h, f·w), [0, 1] to [-1, 1]
            return forward.keep(NonFiniteException.check("decode", x.contiguous(), z, precision));
        }
    }

    /** Layers one after the other, named by their place; those without parameters have one too. */
    private static final class Chain extends Layer {
        private final List<UnaryOperator<Tensor>> steps = new ArrayList<>();

        void conv(Conv2d conv) {
            steps.add(child("" + steps.size(), conv)::forward);
        }

        void block(Block block) {
            steps.add(child("" + steps.size(), block)::forward);
        }

        void plain(UnaryOperator<Tensor> step) {
            steps.add(step);
        }

        Tensor forward(Tensor x) {
            Relay relay = new Relay(x);
            steps.forEach(relay::then);
            return relay.result();
        }
    }

    /** {@code relu(x + conv(relu(conv(relu(conv(x))))))}, after {@code x + pool(x)} where there is an inner norm. */
    private static final class Block extends Layer {
        private final Conv2d conv0;
        private final Conv2d conv2;
        private final Conv2d conv4;
        private final Pool pool; // null without

        Block(Init init, int width, boolean innerNorm) {
            conv0 = child("conv.0", new Conv2d(init, width, width, Reach.SAME, Weights.UNIFORM_FAN_IN));
            conv2 = child("conv.2", new Conv2d(init, width, width, Reach.SAME, Weights.UNIFORM_FAN_IN));
            conv4 = child("conv.4", new Conv2d(init, width, width, Reach.SAME, Weights.UNIFORM_FAN_IN));
            pool = innerNorm ? child("pool", new Pool(init, width)) : null;
        }

        Tensor forward(Tensor input) {
            Tensor x = pool == null ? input : input.add(pool.forward(input));
            Tensor branch = new Relay(x)
                    .then(conv0::forward)
                    .then(TinyAutoencoder::relu)
                    .then(conv2::forward)
                    .then(TinyAutoencoder::relu)
                    .then(conv4::forward)
                    .result();
            return relu(AutoencoderKL.sum(branch, x));
        }
    }

    /** To four times the width, group norm over the whole picture, ReLU, and back. */
    private static final class Pool extends Layer {
        private final Conv2d widen;
        private final GroupNorm norm;
        private final Conv2d narrow;

        Pool(Init init, int width) {
            int wide = 4 * width;
            widen = child("0", Conv2d.withoutBias(init, width, wide, Reach.POINT, Weights.UNIFORM_FAN_IN));
            norm = child("1", new GroupNorm(init, NORM_GROUPS, wide, EPSILON));
            narrow = child("3", Conv2d.withoutBias(init, wide, width, Reach.POINT, Weights.UNIFORM_FAN_IN));
        }

        Tensor forward(Tensor x) {
            return narrow.forward(relu(norm.forward(widen.forward(x))));
        }
    }

    /** max(x, 0), in place where no gradient needs x. */
    private static Tensor relu(Tensor x) {
        if (x.requires_grad()) {
            return torch.relu(x);
        }
        torch.relu_(x);
        return x;
    }

    @Override
    public TinyAutoencoderConfig config() {
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
