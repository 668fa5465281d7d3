package org.mezzotint.data;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Yaml;

/**
 * What a folder of latents says of itself in {@code latents.json}, which is written when all shards are there.
 *
 * <pre>
 *   latents.json         this
 *   000000.safetensors   mean (n, c, h, w), log_variance, flipped.mean, flipped.log_variance, label (n), and sums
 *   000001.safetensors   …
 * </pre>
 *
 * @param plan what was asked for
 * @param mean of each channel over all latents
 * @param deviation standard deviation of each channel over all latents as they are drawn
 */
public record LatentSet(Plan plan, List<Double> mean, List<Double> deviation) {
    static final String FILE = "latents.json";
    static final String UNFINISHED = "encoding.json";
    /** The version of the format. */
    public static final int VERSION = 1;

    /** A shard is mapped whole. */
    private static final long LARGEST_SHARD = 1L << 30;

    /** What a shard holds of each picture. */
    public enum Kind {
        /** Mean and log variance: another sample is drawn whenever a picture is read. */
        MOMENTS,
        /** One sample, drawn when it was encoded. */
        SAMPLES
    }

    /** How numbers are stored. */
    public enum Type {
        /** Four bytes. */
        FLOAT32(ScalarType.Float, 4),
        /** Two bytes, eleven bits of precision. */
        FLOAT16(ScalarType.Half, 2);

        private final ScalarType scalar;
        private final int bytes;

        Type(ScalarType scalar, int bytes) {
            this.scalar = scalar;
            this.bytes = bytes;
        }

        ScalarType scalar() {
            return scalar;
        }
    }

    /**
     * What is to be encoded, and how: encoding goes on only with the same plan.
     *
     * @param version of the format
     * @param space of which autoencoder, and its published scale
     * @param kind what is stored
     * @param seed of the samples
     * @param flips whether the mirrored picture is encoded too
     * @param type how numbers are stored
     * @param channels c
     * @param height h of the latents
     * @param width w of the latents
     * @param count number of pictures
     * @param shardSize pictures a shard
     * @param classNames as of the pictures
     * @param source fingerprint of the pictures
     */
    public record Plan(
            int version,
            LatentSpace space,
            Kind kind,
            long seed,
            boolean flips,
            Type type,
            int channels,
            int height,
            int width,
            int count,
            int shardSize,
            List<String> classNames,
            String source) {
        /** Checks the rules. */
        public Plan {
            if (version != VERSION) {
                throw new IllegalArgumentException("version must be " + VERSION + ", got " + version);
            }
            if (space == null || kind == null || type == null || classNames == null || source == null) {
                throw new IllegalArgumentException("space, kind, type, classNames and source must be given");
            }
            classNames = List.copyOf(classNames);
            atLeastOne("channels", channels);
            atLeastOne("height", height);
            atLeastOne("width", width);
            atLeastOne("count", count);
            atLeastOne("shardSize", shardSize);
            space.checkChannels(channels);
            if (bytesEach(kind, flips, type, (long) channels * height * width) * shardSize > LARGEST_SHARD) {
                throw new IllegalArgumentException(
                        "shardSize must keep a shard within " + (LARGEST_SHARD >> 20) + " MiB, got " + shardSize);
            }
        }

        private static void atLeastOne(String name, int value) {
            if (value < 1) {
                throw new IllegalArgumentException(name + " must be at least 1, got " + value);
            }
        }

        private static long bytesEach(Kind kind, boolean flips, Type type, long numbers) {
            return numbers * type.bytes * (kind == Kind.MOMENTS ? 2 : 1) * (flips ? 2 : 1);
        }

        /**
         * The number of shards.
         *
         * @return at least 1
         */
        public int shards() {
            return (count + shardSize - 1) / shardSize;
        }

        /**
         * The number of pictures in a shard.
         *
         * @param shard from 0
         * @return fewer in the last one
         */
        public int size(int shard) {
            return Math.min(shardSize, count - shard * shardSize);
        }
    }

    /** Checks that the statistics fit. */
    public LatentSet {
        mean = List.copyOf(mean);
        deviation = List.copyOf(deviation);
        if (mean.size() != plan.channels() || deviation.size() != plan.channels()) {
            throw new IllegalArgumentException("mean and deviation must have one number for each of the "
                    + plan.channels() + " channels, got " + mean.size() + " and " + deviation.size());
        }
    }

    /**
     * Whether a folder holds latents, finished or not.
     *
     * @param folder any
     * @return true if it has one of the two descriptions
     */
    public static boolean isIn(Path folder) {
        return Files.isRegularFile(folder.resolve(FILE)) || Files.isRegularFile(folder.resolve(UNFINISHED));
    }

    /**
     * Reads a folder's description.
     *
     * @param folder of latents
     * @return the description
     * @throws InputException if there is none, or encoding is not finished
     */
    public static LatentSet read(Path folder) {
        if (!Files.isRegularFile(folder.resolve(FILE))) {
            throw new InputException(
                    Files.isRegularFile(folder.resolve(UNFINISHED))
                            ? "the latents in " + folder + " are not finished: run encode again to go on"
                            : folder + " holds no latents: it has no " + FILE);
        }
        return Yaml.read(folder.resolve(FILE), LatentSet.class);
    }

    static Path shard(Path folder, int shard) {
        return folder.resolve(String.format(Locale.ROOT, "%06d.safetensors", shard));
    }

    /**
     * How a model sees these latents.
     *
     * @param scaling by which numbers
     * @return the space
     */
    public LatentSpace space(Scaling scaling) {
        LatentSpace published = plan.space();
        return scaling == Scaling.AUTOENCODER
                ? published
                : new LatentSpace(
                        published.autoencoder(),
                        published.factor(),
                        mean,
                        deviation.stream().map(each -> 1 / each).toList());
    }

    /** By which numbers latents are shifted and scaled for a model. */
    public enum Scaling {
        /** Those published with the autoencoder, such as 0.18215. */
        AUTOENCODER,
        /** Mean and deviation of the set, channel by channel: each channel has mean 0 and deviation 1 then. */
        STATISTICS
    }
}
