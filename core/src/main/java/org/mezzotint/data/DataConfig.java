package org.mezzotint.data;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import java.nio.file.Path;
import java.util.Optional;
import org.mezzotint.io.InputException;

/** Which pictures to train on and how to read them. The picture size is the model's. */
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonSubTypes({
    @JsonSubTypes.Type(value = DataConfig.Shapes.class, name = "shapes"),
    @JsonSubTypes.Type(value = DataConfig.Scenes.class, name = "scenes"),
    @JsonSubTypes.Type(value = DataConfig.Pictures.class, name = "pictures"),
    @JsonSubTypes.Type(value = DataConfig.Latents.class, name = "latents")
})
public sealed interface DataConfig {
    /**
     * Threads that read ahead.
     *
     * @return at least 1
     */
    int loaderThreads();

    /**
     * Probability of each transformation of {@link GeometricAugmentation}, which the loader applies while training.
     *
     * @return 0 for no augmentation, at most 1
     */
    double augmentation();

    /**
     * What to do with a picture that cannot be read.
     *
     * @return fail or skip
     */
    BatchLoader.OnBroken onBroken();

    /**
     * The same data without random mirroring or warping, for validation.
     *
     * @return a configuration of the same kind
     */
    DataConfig unflipped();

    /**
     * Opens the data set.
     *
     * @param path where pictures lie; empty for shapes, which need none
     * @param height of the pictures
     * @param width of the pictures
     * @param channels of the pictures, 1 or 3
     * @return owned by the caller
     * @throws IllegalArgumentException if a path is missing or superfluous
     * @throws org.mezzotint.io.InputException if the data set cannot be used
     */
    Dataset open(Optional<Path> path, int height, int width, int channels);

    /**
     * Built-in pictures of {@link ShapesDataset}.
     *
     * @param size number of pictures
     * @param shapes number of shapes
     * @param colours number of colours
     * @param seed of the pictures
     * @param augmentation probability of each geometric transformation; 0 for none
     * @param loaderThreads threads that draw ahead
     * @param onBroken without effect: drawn pictures cannot be broken, so it must be {@code fail}
     */
    record Shapes(
            int size,
            int shapes,
            int colours,
            long seed,
            double augmentation,
            int loaderThreads,
            BatchLoader.OnBroken onBroken)
            implements DataConfig {
        /** Checks the rules. */
        public Shapes {
            checkAugmentation(augmentation);
            checkThreads(loaderThreads);
            if (onBroken != BatchLoader.OnBroken.FAIL) {
                throw new IllegalArgumentException("onBroken must be fail for shapes, got " + onBroken);
            }
            new ShapesDataset(size, 8, 8, shapes, colours, seed).close();
        }

        @Override
        public DataConfig unflipped() {
            return this;
        }

        @Override
        public Dataset open(Optional<Path> path, int height, int width, int channels) {
            if (path.isPresent()) {
                throw new IllegalArgumentException(
                        "this configuration draws its own pictures (data type shapes) and takes no data set, got "
                                + path.get());
            }
            if (channels != 3) {
                throw new IllegalArgumentException("shapes have 3 channels, the model has " + channels);
            }
            return new ShapesDataset(size, height, width, shapes, colours, seed);
        }
    }

    /**
     * Built-in captioned pictures of {@link ScenesDataset}.
     *
     * @param size number of pictures
     * @param seed of the pictures
     * @param part which combinations occur
     * @param loaderThreads threads that draw ahead
     */
    record Scenes(int size, long seed, ScenesDataset.Part part, int loaderThreads) implements DataConfig {
        /** Checks the rules. */
        public Scenes {
            checkThreads(loaderThreads);
            if (part == null) {
                throw new IllegalArgumentException("part must be given");
            }
            new ScenesDataset(size, 8, 8, seed, part).close();
        }

        /** A warped scene would belie its caption. */
        @Override
        public double augmentation() {
            return 0;
        }

        /** Drawn pictures cannot be broken. */
        @Override
        public BatchLoader.OnBroken onBroken() {
            return BatchLoader.OnBroken.FAIL;
        }

        @Override
        public DataConfig unflipped() {
            return this;
        }

        @Override
        public Dataset open(Optional<Path> path, int height, int width, int channels) {
            if (path.isPresent()) {
                throw new IllegalArgumentException(
                        "this configuration draws its own pictures (data type scenes) and takes no data set, got "
                                + path.get());
            }
            if (channels != 3) {
                throw new IllegalArgumentException("scenes have 3 channels, the model has " + channels);
            }
            return new ScenesDataset(size, height, width, seed, part);
        }
    }

    /**
     * A folder or a zip of pictures, tar shards, or a folder of MNIST's files.
     *
     * @param flip whether pictures are mirrored at random; not together with augmentation, which does so itself
     * @param augmentation probability of each geometric transformation but the mirror, which every second picture gets; 0
     *     for none
     * @param maxPixels pictures with more pixels are refused before they are decoded
     * @param loaderThreads threads that decode ahead
     * @param onBroken what to do with a picture that cannot be read
     */
    record Pictures(boolean flip, double augmentation, long maxPixels, int loaderThreads, BatchLoader.OnBroken onBroken)
            implements DataConfig {
        /** Checks the rules. */
        public Pictures {
            checkAugmentation(augmentation);
            if (flip && augmentation > 0) {
                throw new IllegalArgumentException(
                        "flip must be false with augmentation, which mirrors every second picture itself and tells the model,"
                                + " got flip true and augmentation " + augmentation);
            }
            checkThreads(loaderThreads);
            if (maxPixels < 1) {
                throw new IllegalArgumentException("maxPixels must be at least 1, got " + maxPixels);
            }
            if (onBroken == null) {
                throw new IllegalArgumentException("onBroken must be given");
            }
        }

        @Override
        public DataConfig unflipped() {
            return new Pictures(false, 0, maxPixels, loaderThreads, onBroken);
        }

        @Override
        public Dataset open(Optional<Path> path, int height, int width, int channels) {
            Path given = path.orElseThrow(() -> new IllegalArgumentException(
                    "this configuration trains on pictures of yours: give a folder, zip or tar with --data"));
            return Datasets.open(given, new PictureOptions(height, width, channels, flip, maxPixels));
        }
    }

    /**
     * A folder of latents, made by {@code mezzotint encode}.
     *
     * @param flip whether the mirrored picture's latents are taken at random
     * @param posterior what is taken of stored distributions
     * @param scaling by which numbers latents are shifted and scaled
     * @param loaderThreads threads that read ahead
     * @param onBroken what to do with a latent that cannot be read
     */
    record Latents(
            boolean flip,
            LatentDataset.Posterior posterior,
            LatentSet.Scaling scaling,
            int loaderThreads,
            BatchLoader.OnBroken onBroken)
            implements DataConfig {
        /** Checks the rules. */
        public Latents {
            checkThreads(loaderThreads);
            if (posterior == null || scaling == null || onBroken == null) {
                throw new IllegalArgumentException("posterior, scaling and onBroken must be given");
            }
        }

        /** Latents cannot be warped. */
        @Override
        public double augmentation() {
            return 0;
        }

        @Override
        public DataConfig unflipped() {
            return new Latents(false, posterior, scaling, loaderThreads, onBroken);
        }

        @Override
        public Dataset open(Optional<Path> path, int height, int width, int channels) {
            Path given = path.orElseThrow(() -> new IllegalArgumentException(
                    "this configuration trains on latents: give a folder of them with --data"));
            LatentDataset latents = LatentDataset.open(given, scaling, flip, posterior);
            if (latents.height() != height || latents.width() != width || latents.channels() != channels) {
                String shape = latents.channels() + "×" + latents.height() + "×" + latents.width();
                latents.close();
                throw new InputException("the latents in " + given + " are " + shape + ", the model's " + channels + "×"
                        + height + "×" + width);
            }
            return latents;
        }
    }

    private static void checkAugmentation(double augmentation) {
        if (!(augmentation >= 0 && augmentation <= 1)) {
            throw new IllegalArgumentException("augmentation must be 0 to 1, got " + augmentation);
        }
    }

    private static void checkThreads(int loaderThreads) {
        if (loaderThreads < 1 || loaderThreads > 256) {
            throw new IllegalArgumentException("loaderThreads must be 1 to 256, got " + loaderThreads);
        }
    }
}
