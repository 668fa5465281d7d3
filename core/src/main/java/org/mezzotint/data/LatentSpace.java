package org.mezzotint.data;

import java.util.List;
import java.util.random.RandomGenerator;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Yaml;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * What the numbers of a latent model are: z = (latent − shift)·scale, channel by channel, of the latents of one autoencoder.
 *
 * @param autoencoder the autoencoder's identity, 64 hexadecimal digits; empty where a foreign file does not say it
 * @param factor picture side over latent side
 * @param shift one number for all channels, or one each
 * @param scale as shift; above 0. Stable Diffusion's autoencoders have 0.18215 for all channels
 */
public record LatentSpace(String autoencoder, int factor, List<Double> shift, List<Double> scale) {
    /** Stable Diffusion's autoencoder bounds what its encoder says. */
    private static final double LOWEST_LOG_VARIANCE = -30;

    private static final double HIGHEST_LOG_VARIANCE = 20;

    /** Checks the rules. */
    public LatentSpace {
        if (autoencoder == null || !autoencoder.matches("([0-9a-f]{64})?")) {
            throw new IllegalArgumentException(
                    "autoencoder must be 64 hexadecimal digits or empty, got " + autoencoder);
        }
        if (factor < 1) {
            throw new IllegalArgumentException("factor must be at least 1, got " + factor);
        }
        shift = List.copyOf(shift);
        scale = List.copyOf(scale);
        if (shift.isEmpty() || shift.size() != scale.size()) {
            throw new IllegalArgumentException("shift and scale must have one number, or one a channel, each, got "
                    + shift.size() + " and " + scale.size());
        }
        if (!shift.stream().allMatch(Double::isFinite)) {
            throw new IllegalArgumentException("shift must be finite, got " + shift);
        }
        if (!scale.stream().allMatch(s -> s > 0 && s < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException("scale must be above 0, got " + scale);
        }
    }

    /**
     * One scale for all channels, as Stable Diffusion's.
     *
     * @param autoencoder its identity, or empty
     * @param factor picture side over latent side
     * @param scale such as 0.18215
     * @return without a shift
     */
    public static LatentSpace scaled(String autoencoder, int factor, double scale) {
        return new LatentSpace(autoencoder, factor, List.of(0.0), List.of(scale));
    }

    /**
     * The shift of a channel.
     *
     * @param channel from 0
     * @return subtracted from the autoencoder's latents
     */
    public double shift(int channel) {
        return shift.get(shift.size() == 1 ? 0 : channel);
    }

    /**
     * The scale of a channel.
     *
     * @param channel from 0
     * @return multiplied with the shifted latents
     */
    public double scale(int channel) {
        return scale.get(scale.size() == 1 ? 0 : channel);
    }

    /**
     * Refuses a space that does not fit latents.
     *
     * @param channels of the latents
     * @throws IllegalArgumentException if there are neither one nor so many shifts
     */
    public void checkChannels(int channels) {
        if (shift.size() != 1 && shift.size() != channels) {
            throw new IllegalArgumentException("shift and scale must have one number, or one for each of the "
                    + channels + " channels, got " + shift.size());
        }
    }

    /**
     * What a model sees of one picture's latent: z = (mean + e^(logVariance/2)·ε − shift)·scale.
     *
     * @param mean C·plane numbers
     * @param logVariance as many, or none for the mean itself
     * @param random gives ε
     * @param plane numbers a channel
     * @param into receives C·plane numbers
     * @param offset where the first one goes
     */
    public void write(float[] mean, float[] logVariance, RandomGenerator random, int plane, float[] into, int offset) {
        for (int i = 0; i < mean.length; i++) {
            double value = mean[i];
            if (logVariance.length > 0) {
                double bounded = Math.max(LOWEST_LOG_VARIANCE, Math.min(logVariance[i], HIGHEST_LOG_VARIANCE));
                value += Math.exp(bounded / 2) * random.nextGaussian();
            }
            into[offset + i] = (float) ((value - shift(i / plane)) * scale(i / plane));
        }
    }

    /**
     * Latents as the autoencoder's decoder takes them, from what a model draws.
     *
     * @param z (N, C, h, w)
     * @return z/scale + shift, in the caller's scope
     */
    public Tensor latents(Tensor z) {
        try (Scope scope = Scope.open()) {
            return scope.keep(z.div(column(scale, z)).add(column(shift, z)));
        }
    }

    /**
     * What a model sees of latents.
     *
     * @param latents (N, C, h, w), as the autoencoder's encoder gives them
     * @return (latents − shift)·scale, in the caller's scope
     */
    public Tensor ofLatents(Tensor latents) {
        try (Scope scope = Scope.open()) {
            return scope.keep(latents.sub(column(shift, latents)).mul(column(scale, latents)));
        }
    }

    /**
     * Refuses latents that are not these.
     *
     * @param other what is given
     * @param who what these belong to, for the message, such as {@code --init}
     * @throws InputException if the autoencoder, the shift or the scale is another
     */
    public void requireSame(LatentSpace other, String who) {
        if (!autoencoder.isEmpty() && !other.autoencoder.isEmpty() && !autoencoder.equals(other.autoencoder)) {
            throw new InputException(who + " learned the latents of another autoencoder");
        }
        if (!shift.equals(other.shift) || !scale.equals(other.scale)) {
            throw new InputException(who + " learned latents of scale " + scale + " and shift " + shift + ", given are "
                    + other.scale + " and " + other.shift);
        }
    }

    /**
     * Identifies pictures that are seen through this.
     *
     * @param pictures their own fingerprint
     * @return 64 hexadecimal digits
     */
    public String fingerprint(String pictures) {
        return new Fingerprint("encoded").add(pictures).add(Yaml.toJson(this)).hex();
    }

    private static Tensor column(List<Double> values, Tensor like) {
        return Tensors.of(values.stream().mapToDouble(Double::doubleValue).toArray())
                .to(like.device(), Tensors.type(like))
                .view(1, values.size(), 1, 1);
    }
}
