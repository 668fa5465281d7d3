package org.mezzotint.train;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.function.LongConsumer;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.autoencoders.Autoencoder;
import org.mezzotint.autoencoders.AutoencoderConfig;
import org.mezzotint.autoencoders.LatentScale;
import org.mezzotint.autoencoders.Posterior;
import org.mezzotint.data.Dataset;
import org.mezzotint.data.LatentSet;
import org.mezzotint.data.LatentSetWriter;
import org.mezzotint.data.LatentSpace;
import org.mezzotint.io.InputException;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** Turns a data set of pictures into a folder of latents, shard by shard, so that a run need not encode at every step. */
public final class LatentEncoding {
    private static final long SAMPLE = 0x6C6174656E74L;

    private LatentEncoding() {}

    /**
     * What a model sees of an autoencoder's latents.
     *
     * @param autoencoder with its published scale
     * @return with its identity; reads all weights
     */
    public static LatentSpace space(Autoencoder autoencoder) {
        return space(autoencoder.identity(), autoencoder.config());
    }

    /**
     * The same where the identity is known, or does not matter: reading all weights takes seconds.
     *
     * @param identity of the autoencoder, or empty
     * @param config with its published scale
     * @return without a look at the weights
     */
    public static LatentSpace space(String identity, AutoencoderConfig config) {
        LatentScale scale = config.latents();
        boolean statistics = !scale.mean().isEmpty() || !scale.deviation().isEmpty();
        int channels = statistics ? config.latentChannels() : 1;
        List<Double> shifts = new ArrayList<>();
        List<Double> scales = new ArrayList<>();
        for (int c = 0; c < channels; c++) {
            shifts.add(
                    scale.shift() + (scale.mean().isEmpty() ? 0 : scale.mean().get(c)));
            scales.add(scale.scale()
                    / (scale.deviation().isEmpty() ? 1 : scale.deviation().get(c)));
        }
        return new LatentSpace(identity, config.downFactor(), shifts, scales);
    }

    /**
     * Encodes what is not there yet.
     *
     * @param folder of the latents
     * @param plan of the same pictures and autoencoder
     * @param pictures without random flips, in [−1, 1]
     * @param autoencoder encodes
     * @param batch pictures at once
     * @param progress is told how many pictures are done
     * @param stop asked after each batch; a shard that is not full yet is begun anew the next time
     * @return the finished set; empty if it was stopped before
     * @throws InputException if a latent is not finite or a file cannot be written
     */
    public static Optional<LatentSet> run(
            Path folder,
            LatentSet.Plan plan,
            Dataset pictures,
            Autoencoder autoencoder,
            int batch,
            LongConsumer progress,
            BooleanSupplier stop) {
        LatentSetWriter writer = LatentSetWriter.open(folder, plan);
        for (int shard = writer.next(); shard < plan.shards(); shard = writer.next()) {
            if (!encode(writer, shard, plan, pictures, autoencoder, batch, progress, stop)) {
                return Optional.empty();
            }
        }
        return Optional.of(writer.finish());
    }

    /** False if it was stopped before the shard was full, which then is not written. */
    private static boolean encode(
            LatentSetWriter writer,
            int shard,
            LatentSet.Plan plan,
            Dataset pictures,
            Autoencoder autoencoder,
            int batch,
            LongConsumer progress,
            BooleanSupplier stop) {
        int begin = shard * plan.shardSize();
        int size = plan.size(shard);
        long[] labels = new long[size];
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard()) {
            Parts plain = new Parts();
            Parts flipped = new Parts();
            for (int first = 0; first < size; first += batch) {
                if (stop.getAsBoolean()) {
                    return false;
                }
                int n = Math.min(batch, size - first);
                try (Scope each = Scope.open()) {
                    Tensor x = read(pictures, begin + first, n, labels, first)
                            .to(autoencoder.device(), autoencoder.precision().storage());
                    plain.add(each, autoencoder.encode(x), plan, begin + first, 0);
                    if (plan.flips()) {
                        flipped.add(each, autoencoder.encode(x.flip(3)), plan, begin + first, 1);
                    }
                }
                progress.accept((long) begin + first + n);
            }
            writer.write(shard, plain.all(), plan.flips() ? flipped.all() : null, labels);
            return true;
        }
    }

    private static Tensor read(Dataset pictures, int first, int n, long[] labels, int at) {
        for (int i = 0; i < n; i++) {
            labels[at + i] = pictures.label(first + i);
        }
        return Tensors.of(pictures.read(first, n), n, pictures.channels(), pictures.height(), pictures.width());
    }

    /** Latents of a shard, batch by batch. */
    private static final class Parts {
        private final TensorVector means = new TensorVector();
        private final TensorVector logVariances = new TensorVector();

        void add(Scope each, Posterior posterior, LatentSet.Plan plan, int first, int flip) {
            if (plan.kind() == LatentSet.Kind.SAMPLES) {
                means.push_back(each.keep(sample(posterior, plan, first, flip)));
                return;
            }
            if (!(posterior instanceof Posterior.Gaussian gaussian)) {
                throw new InputException("this autoencoder has no variance: store samples, not moments");
            }
            means.push_back(each.keep(gaussian.mean().cpu().clone()));
            logVariances.push_back(each.keep(gaussian.logVariance().cpu().clone()));
        }

        /** That of a picture depends on the seed and its place in the set alone. */
        private static Tensor sample(Posterior posterior, LatentSet.Plan plan, int first, int flip) {
            Tensor mean = posterior.mean();
            Tensor noise = Tensors.empty(ScalarType.Float, mean.shape());
            try (Rng rng = new Rng(0)) {
                for (int i = 0; i < mean.size(0); i++) {
                    rng.reseed(Rng.mix(plan.seed(), SAMPLE + flip, first + i)).fillNormal(noise.select(0, i));
                }
            }
            return posterior.sample(noise.to(mean.device(), Tensors.type(mean))).cpu();
        }

        LatentSetWriter.Part all() {
            return new LatentSetWriter.Part(
                    torch.cat(means, 0), logVariances.empty() ? Tensors.of(new double[0]) : torch.cat(logVariances, 0));
        }
    }
}
