package org.mezzotint.train;

import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.mezzotint.data.DataConfig;
import org.mezzotint.diffusion.DiffusionConfig;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.diffusion.ScheduledDiffusion;
import org.mezzotint.diffusion.Variance;
import org.mezzotint.models.HDiT;
import org.mezzotint.models.ModelConfig;
import org.mezzotint.tensor.Precision;

/**
 * A whole recipe: what one YAML file of {@code configs/} holds. A run saves it in full.
 *
 * @param model the network
 * @param diffusion what it is trained to do
 * @param data which pictures, and how they are read
 * @param training how it is trained
 * @param validation the loss on held-out pictures
 * @param checkpoints when the run is saved
 * @param previews when sample grids are drawn
 * @param sampling how pictures are drawn unless one asks otherwise
 * @param expected what the recipe's author saw
 */
public record TrainConfig(
        ModelConfig model,
        DiffusionConfig diffusion,
        DataConfig data,
        Training training,
        Validation validation,
        Checkpoints checkpoints,
        Previews previews,
        SamplingConfig sampling,
        Expected expected) {

    /** Checks that the parts go together. */
    public TrainConfig {
        if (model == null
                || diffusion == null
                || data == null
                || training == null
                || validation == null
                || checkpoints == null
                || previews == null
                || sampling == null
                || expected == null) {
            throw new IllegalArgumentException("a recipe needs all of its sections");
        }
        if (!diffusion.fitsOutput(model.channels(), model.outputChannels())) {
            boolean learned =
                    diffusion instanceof ScheduledDiffusion scheduled && scheduled.variance() == Variance.LEARNED_RANGE;
            throw new IllegalArgumentException("diffusion.variance learned-range and a model with a variance code"
                    + " (learnSigma) go together, got variance " + (learned ? "learned-range" : "fixed") + " and "
                    + model.outputChannels() + " output channels for " + model.channels());
        }
        if (data.augmentation() > 0 && !model.optionalInputs().contains(HDiT.AUGMENTATION)) {
            throw new IllegalArgumentException(
                    "data.augmentation must be 0 for this model: it cannot be told how a picture"
                            + " was warped (hdit, diffit-image and ddpmpp can), so its samples would be warped too, got "
                            + data.augmentation());
        }
        if (training.classDropout() > 0 && !model.nullClass()) {
            throw new IllegalArgumentException(
                    "training.classDropout needs a model with a null class (nullClass: true), got "
                            + training.classDropout());
        }
        if (sampling.guidance() != 1 && !model.nullClass()) {
            throw new IllegalArgumentException(
                    "sampling.guidance needs a model with a null class (nullClass: true), got " + sampling.guidance());
        }
        diffusion.parts(model.height(), model.width()); // refuses pictures that the objective cannot take
        sampling.check(diffusion);
        sampling.guidedChannels().count(model.channels());
    }

    /**
     * How the network is trained.
     *
     * @param seed of all random numbers: initial weights, order of the pictures, noise, levels, dropped labels
     * @param durationImages pictures to see in all
     * @param batchSize pictures an optimiser step
     * @param accumulation parts in which a batch is computed, to save memory; a divisor of the batch size
     * @param precision number types
     * @param activationCheckpointing whether activations are computed twice, to save memory
     * @param learningRate base rate
     * @param schedule of the learning rate
     * @param beta1 decay of the first moment
     * @param beta2 decay of the second moment
     * @param epsilon added to the root of the second moment
     * @param weightDecay decoupled decay
     * @param gradientClip largest norm of the gradient; 0 for no limit
     * @param ema of the weights
     * @param classDropout share of pictures that lose their label, for guidance
     * @param frozen parameters that stay as they are, such as {@code blocks.0.*}; a star stands for any text
     */
    public record Training(
            long seed,
            long durationImages,
            int batchSize,
            int accumulation,
            Precision precision,
            boolean activationCheckpointing,
            double learningRate,
            LrSchedule schedule,
            double beta1,
            double beta2,
            double epsilon,
            double weightDecay,
            double gradientClip,
            Ema ema,
            double classDropout,
            List<String> frozen) {
        /** Checks the rules. */
        public Training {
            frozen = List.copyOf(frozen);
            atLeast("durationImages", durationImages, 1);
            atLeast("batchSize", batchSize, 1);
            atLeast("accumulation", accumulation, 1);
            if (batchSize % accumulation != 0) {
                throw new IllegalArgumentException(
                        "batchSize must be a multiple of accumulation, got " + batchSize + " and " + accumulation);
            }
            if (precision == null || schedule == null || ema == null) {
                throw new IllegalArgumentException("precision, schedule and ema must be given");
            }
            if (!(learningRate > 0 && Double.isFinite(learningRate))) {
                throw new IllegalArgumentException("learningRate must be above 0, got " + learningRate);
            }
            fraction("beta1", beta1);
            fraction("beta2", beta2);
            if (!(epsilon > 0)) {
                throw new IllegalArgumentException("epsilon must be above 0, got " + epsilon);
            }
            notNegative("weightDecay", weightDecay);
            notNegative("gradientClip", gradientClip);
            fraction("classDropout", classDropout);
        }

        /**
         * Whether a parameter stays as it is.
         *
         * @param parameter its name
         * @return true if one of {@code frozen} names it
         */
        public boolean isFrozen(String parameter) {
            return frozen.stream().anyMatch(pattern -> matches(pattern, parameter));
        }

        static boolean matches(String pattern, String name) {
            String[] parts = pattern.split("\\*", -1);
            return name.matches(Arrays.stream(parts).map(Pattern::quote).collect(Collectors.joining(".*")));
        }

        /**
         * This with another length.
         *
         * @param images pictures to see in all
         * @return a copy
         */
        public Training withDuration(long images) {
            return with(seed, images);
        }

        private Training with(long otherSeed, long images) {
            return new Training(
                    otherSeed,
                    images,
                    batchSize,
                    accumulation,
                    precision,
                    activationCheckpointing,
                    learningRate,
                    schedule,
                    beta1,
                    beta2,
                    epsilon,
                    weightDecay,
                    gradientClip,
                    ema,
                    classDropout,
                    frozen);
        }
    }

    /**
     * The loss on held-out pictures, at fixed noise and fixed levels.
     *
     * @param images pictures held out of training; 0 for no validation
     * @param everyImages pictures between two validations
     */
    public record Validation(int images, long everyImages) {
        /** Checks the rules. */
        public Validation {
            atLeast("images", images, 0);
            atLeast("everyImages", everyImages, 1);
        }
    }

    /**
     * When the run is saved. The end of the run and an interruption are always saved.
     *
     * @param everyImages pictures between two checkpoints
     * @param keep how many of the newest are kept
     * @param milestoneImages checkpoints at multiples of this are kept for good; 0 for none
     */
    public record Checkpoints(long everyImages, int keep, long milestoneImages) {
        /** Checks the rules. */
        public Checkpoints {
            atLeast("everyImages", everyImages, 1);
            atLeast("keep", keep, 1);
            atLeast("milestoneImages", milestoneImages, 0);
        }
    }

    /**
     * Sample grids during training, always of the same seeds.
     *
     * @param everyImages pictures between two grids
     * @param count samples on a grid; 0 for none
     */
    public record Previews(long everyImages, int count) {
        /** Checks the rules. */
        public Previews {
            atLeast("everyImages", everyImages, 1);
            atLeast("count", count, 0);
        }
    }

    /**
     * What the recipe's author saw.
     *
     * @param result in words and figures
     * @param hardware the run's machine
     * @param minutes wall time of the whole run
     */
    public record Expected(String result, String hardware, double minutes) {}

    /**
     * This recipe with another length.
     *
     * @param images pictures to see in all
     * @return a copy
     */
    public TrainConfig withDuration(long images) {
        return with(training.withDuration(images));
    }

    /**
     * This recipe with another seed.
     *
     * @param seed of all random numbers
     * @return a copy
     */
    public TrainConfig withSeed(long seed) {
        return with(training.with(seed, training.durationImages()));
    }

    private TrainConfig with(Training other) {
        return new TrainConfig(model, diffusion, data, other, validation, checkpoints, previews, sampling, expected);
    }

    private static void atLeast(String name, long value, long least) {
        if (value < least) {
            throw new IllegalArgumentException(name + " must be at least " + least + ", got " + value);
        }
    }

    private static void fraction(String name, double value) {
        if (!(value >= 0 && value < 1)) {
            throw new IllegalArgumentException(name + " must be 0 or more and below 1, got " + value);
        }
    }

    private static void notNegative(String name, double value) {
        if (!(value >= 0)) {
            throw new IllegalArgumentException(name + " must not be negative, got " + value);
        }
    }
}
