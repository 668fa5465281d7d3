package org.mezzotint.autoencoders;

import java.util.List;
import java.util.Objects;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Shapes;
import org.mezzotint.tensor.Tensors;

/**
 * What a diffusion model sees of a latent z: {@code y = scale · (z − shift − mean_c) / deviation_c} for each channel c.
 *
 * <p>Stable Diffusion's autoencoder has the scale 0.18215 and nothing else; others shift, or bring statistics of each
 * channel.
 *
 * @param scale not 0; 1 changes nothing
 * @param shift subtracted from every channel; 0 changes nothing
 * @param mean one value a channel, or none for zeros
 * @param deviation one value a channel, above 0, or none for ones
 */
public record LatentScale(double scale, double shift, List<Double> mean, List<Double> deviation) {
    /** Changes nothing. */
    public static final LatentScale NONE = new LatentScale(1, 0, List.of(), List.of());

    /** Checks every rule that does not depend on the number of channels. */
    public LatentScale {
        if (!(Double.isFinite(scale) && scale != 0)) {
            throw new IllegalArgumentException("latent scale must be finite and not 0, got " + scale);
        }
        if (!Double.isFinite(shift)) {
            throw new IllegalArgumentException("latent shift must be finite, got " + shift);
        }
        mean = List.copyOf(Objects.requireNonNull(mean, "latent mean must be given, if only as an empty list"));
        deviation = List.copyOf(
                Objects.requireNonNull(deviation, "latent deviation must be given, if only as an empty list"));
        for (double value : mean) {
            if (!Double.isFinite(value)) {
                throw new IllegalArgumentException("latent mean must be finite, got " + value);
            }
        }
        for (double value : deviation) {
            if (!(Double.isFinite(value) && value > 0)) {
                throw new IllegalArgumentException("latent deviation must be finite and above 0, got " + value);
            }
        }
    }

    /**
     * One factor for all channels.
     *
     * @param scale not 0
     * @return without shift and statistics
     */
    public static LatentScale of(double scale) {
        return new LatentScale(scale, 0, List.of(), List.of());
    }

    /** Refuses statistics for another number of channels. */
    void checkChannels(int channels) {
        checkLength("latent mean", mean, channels);
        checkLength("latent deviation", deviation, channels);
    }

    private static void checkLength(String name, List<Double> values, int channels) {
        if (!values.isEmpty() && values.size() != channels) {
            throw new IllegalArgumentException(name + " must have one value for each of the " + channels
                    + " latent channels, or none, got " + values.size());
        }
    }

    /**
     * Latents (N, C, h, w) as a diffusion model sees them.
     *
     * @param z the autoencoder's latents
     * @return (N, C, h, w) in the same type
     */
    public Tensor normalize(Tensor z) {
        try (Scope scope = Scope.open()) {
            int channels = channels(z);
            double[] factor = new double[channels];
            double[] offset = new double[channels];
            for (int c = 0; c < channels; c++) {
                factor[c] = scale / deviation(c);
                offset[c] = -(shift + mean(c));
            }
            return scope.keep(z.add(perChannel(offset, z)).mul(perChannel(factor, z)));
        }
    }

    /**
     * The autoencoder's latents (N, C, h, w), the inverse of {@link #normalize}.
     *
     * @param y what a diffusion model made
     * @return (N, C, h, w) in the same type
     */
    public Tensor denormalize(Tensor y) {
        try (Scope scope = Scope.open()) {
            int channels = channels(y);
            double[] factor = new double[channels];
            double[] offset = new double[channels];
            for (int c = 0; c < channels; c++) {
                factor[c] = deviation(c) / scale;
                offset[c] = shift + mean(c);
            }
            return scope.keep(y.mul(perChannel(factor, y)).add(perChannel(offset, y)));
        }
    }

    private int channels(Tensor latents) {
        Shapes.check("latents", latents, Shapes.ANY, Shapes.ANY, Shapes.ANY, Shapes.ANY);
        int channels = Math.toIntExact(latents.size(1));
        checkChannels(channels);
        return channels;
    }

    private double mean(int channel) {
        return mean.isEmpty() ? 0 : mean.get(channel);
    }

    private double deviation(int channel) {
        return deviation.isEmpty() ? 1 : deviation.get(channel);
    }

    /** (1, C, 1, 1) in the type and on the device of the latents. */
    private static Tensor perChannel(double[] values, Tensor beside) {
        return Tensors.of(values).to(beside.device(), Tensors.type(beside)).view(1, values.length, 1, 1);
    }
}
