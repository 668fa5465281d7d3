package org.mezzotint.app.cli;

import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.autoencoders.Autoencoder;
import org.mezzotint.autoencoders.Pieces;
import org.mezzotint.data.LatentSpace;
import org.mezzotint.io.InputException;
import org.mezzotint.models.ModelConfig;
import org.mezzotint.tensor.Tensors;
import org.mezzotint.train.LatentEncoding;

/** Turns what a model draws into pictures: itself, or what an autoencoder makes of it, one picture after the other. */
final class Decoder implements AutoCloseable {
    private static final Pieces ONE_BY_ONE = Pieces.slices(1);

    private final Autoencoder autoencoder; // null for a model of pixels
    private final LatentSpace space;
    private final boolean owns;

    private Decoder(Autoencoder autoencoder, LatentSpace space, boolean owns) {
        this.autoencoder = autoencoder;
        this.space = space;
        this.owns = owns;
    }

    /** For a model of pixels. */
    static Decoder none() {
        return new Decoder(null, null, false);
    }

    /** For a model of latents; the decoder owns the autoencoder from now on. */
    static Decoder of(Autoencoder autoencoder, LatentSpace space, ModelConfig model) {
        try {
            check(autoencoder, space, model);
            return new Decoder(autoencoder, space, true);
        } catch (RuntimeException e) {
            autoencoder.close();
            throw e;
        }
    }

    /** For a model of latents; somebody else closes the autoencoder. */
    static Decoder borrowing(Autoencoder autoencoder, LatentSpace space, ModelConfig model) {
        check(autoencoder, space, model);
        return new Decoder(autoencoder, space, false);
    }

    private static void check(Autoencoder autoencoder, LatentSpace space, ModelConfig model) {
        int channels = autoencoder.config().latentChannels();
        int factor = autoencoder.config().downFactor();
        if (channels != model.channels() || factor != space.factor()) {
            throw new InputException("--autoencoder must have latents of " + model.channels()
                    + " channels and a factor of " + space.factor() + ", got " + channels + " and " + factor);
        }
        String identity = space.autoencoder().isEmpty() ? "" : autoencoder.identity();
        LatentSpace own = LatentEncoding.space(identity, autoencoder.config());
        if (space.autoencoder().isEmpty()
                && (!own.shift().equals(space.shift()) || !own.scale().equals(space.scale()))) {
            throw new InputException("--autoencoder must have latents of scale " + space.scale() + " and shift "
                    + space.shift() + ", which the model learned, got " + own.scale() + " and " + own.shift());
        }
        if (!space.autoencoder().isEmpty() && !space.autoencoder().equals(own.autoencoder())) {
            throw new InputException("--autoencoder is not the one whose latents the model learned (identities "
                    + own.autoencoder().substring(0, 12) + " and "
                    + space.autoencoder().substring(0, 12) + ")");
        }
    }

    /** Picture side over drawn side. */
    int factor() {
        return autoencoder == null ? 1 : space.factor();
    }

    /** (N, C, H, W) as drawn, to pictures (N, 3 or 1, f·H, f·W) in the caller's scope. */
    Tensor pictures(Tensor drawn) {
        if (autoencoder == null) {
            return drawn;
        }
        try (NoGradGuard noGrad = new NoGradGuard()) {
            Tensor latents = space.latents(drawn)
                    .to(autoencoder.device(), autoencoder.precision().storage());
            return autoencoder.decode(latents, ONE_BY_ONE);
        }
    }

    /** What the model sees of pictures (N, 3, f·H, f·W), (N, C, H, W) in the caller's scope. */
    Tensor encode(Tensor pictures) {
        if (autoencoder == null) {
            return pictures;
        }
        try (NoGradGuard noGrad = new NoGradGuard()) {
            Tensor x = pictures.to(autoencoder.device(), autoencoder.precision().storage());
            return space.ofLatents(autoencoder.encode(x).mean());
        }
    }

    /** H·W·3 bytes each. */
    byte[] bytes(Tensor drawn) {
        return Tensors.rgbBytes(pictures(drawn));
    }

    @Override
    public void close() {
        if (owns) {
            autoencoder.close();
        }
    }
}
