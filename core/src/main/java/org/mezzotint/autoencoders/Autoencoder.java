package org.mezzotint.autoencoders;

import java.util.Map;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.tensor.Precision;

/** A network that turns pictures into smaller maps, the latents, and back. */
public sealed interface Autoencoder extends AutoCloseable permits AutoencoderKL, TinyAutoencoder {
    /**
     * What the network was built from.
     *
     * @return its configuration, with the number of latent channels and the factor between the two sizes
     */
    AutoencoderConfig config();

    /**
     * Pictures (N, C, H, W) in [-1, 1] to latents (N, c, H/f, W/f).
     *
     * @param x in the precision's storage type; H and W are multiples of f = {@link AutoencoderConfig#downFactor()}
     * @return latents that are not scaled
     * @throws NonFiniteException if the result is not finite
     */
    Posterior encode(Tensor x);

    /**
     * Latents (N, c, h, w) to pictures (N, C, f·h, f·w), about [-1, 1].
     *
     * @param z latents that are not scaled, in the precision's storage type
     * @return pictures, not cut off at ±1
     * @throws NonFiniteException if the result is not finite
     */
    Tensor decode(Tensor z);

    /**
     * {@link #encode(Tensor)} in pieces, to bound the memory.
     *
     * @param x (N, C, H, W)
     * @param pieces how to cut
     * @return latents (N, c, H/f, W/f)
     */
    default Posterior encode(Tensor x, Pieces pieces) {
        return pieces.encode(this, x);
    }

    /**
     * {@link #decode(Tensor)} in pieces, to bound the memory.
     *
     * @param z (N, c, h, w)
     * @param pieces how to cut
     * @return pictures (N, C, f·h, f·w)
     */
    default Tensor decode(Tensor z, Pieces pieces) {
        return pieces.decode(this, z);
    }

    /**
     * Every tensor by its name in a diffusers file, in state-dict order.
     *
     * @return unmodifiable; the network's own tensors
     */
    Map<String, Tensor> state();

    /**
     * The tensors that training changes.
     *
     * @return unmodifiable, in state-dict order
     */
    Map<String, Tensor> trainable();

    /**
     * A fingerprint of configuration and weights, so that latents can name the network they are from. Neither precision
     * nor device change it, as long as the weights were read from a file of float32 or a shorter type. Reads every
     * weight: some seconds for Stable Diffusion's.
     *
     * @return 64 hexadecimal digits (SHA-256)
     */
    default String identity() {
        return Identity.of(this);
    }

    /**
     * Number types.
     *
     * @return as given at construction
     */
    Precision precision();

    /**
     * Where the parameters live.
     *
     * @return a device owned by the network
     */
    Device device();

    @Override
    void close();
}
