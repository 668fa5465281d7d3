package org.mezzotint.autoencoders;

import java.util.List;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.models.layers.Init;
import org.mezzotint.tensor.Devices;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;

/** Small networks in which every tensor, norms and biases too, holds random numbers. */
final class TestAutoencoders {
    /** f = 4; the width changes twice, once with a group of its own size. */
    static final AutoencoderKLConfig KL = new AutoencoderKLConfig(
            3, 2, List.of(4, 6, 8), 1, 2, true, true, true, new LatentScale(0.5, 0.1, List.of(), List.of()));

    /** f = 4, with norms inside. */
    static final TinyAutoencoderConfig TINY =
            new TinyAutoencoderConfig(3, 2, 4, List.of(1, 1, 2), List.of(2, 1, 1), true, LatentScale.NONE);

    private TestAutoencoders() {}

    static Autoencoder random(AutoencoderConfig config, Precision precision) {
        try (Init init = Init.random(1, precision, Devices.cpu());
                Rng rng = new Rng(7);
                NoGradGuard noGrad = new NoGradGuard();
                Scope scope = Scope.open()) {
            Autoencoder autoencoder = config.create(init);
            for (Tensor tensor : autoencoder.state().values()) {
                rng.fillNormal(tensor);
                tensor.mul_(Scalars.of(0.4));
            }
            return autoencoder;
        }
    }

    static AutoencoderKL kl(Precision precision) {
        return (AutoencoderKL) random(KL, precision);
    }

    static TinyAutoencoder tiny(Precision precision) {
        return (TinyAutoencoder) random(TINY, precision);
    }
}
