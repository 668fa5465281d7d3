package org.mezzotint.models;

import java.util.List;
import java.util.function.ToIntFunction;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.models.layers.Init;

/**
 * What a network costs.
 *
 * @param parameters trainable parameters
 * @param macs multiply-accumulates of one forward pass of one picture (the papers' "Gflops" count these)
 * @param activationBytes estimate of what one picture's forward pass keeps for its backward pass, float32
 * @param checkpointedBytes the same with activation checkpointing
 * @param inferenceBytes estimate of the largest working set of one picture's forward pass without gradients, float32
 * @param levels what falls to each level of a model that has levels, the finest first; empty for others. What they share (the
 *     conditioning, working memory) is in the totals only
 */
public record Cost(
        long parameters,
        long macs,
        long activationBytes,
        long checkpointedBytes,
        long inferenceBytes,
        List<Level> levels) {
    /**
     * What falls to one level.
     *
     * @param rows height of its maps, in cells
     * @param columns width of its maps, in cells
     * @param channels of its maps
     * @param parameters trainable parameters
     * @param macs multiply-accumulates of one forward pass of one picture
     * @param activationBytes estimate of what one picture's forward pass keeps for its backward pass, float32
     */
    public record Level(int rows, int columns, int channels, long parameters, long macs, long activationBytes) {}

    /** Checks that the levels have no more than there is. */
    public Cost {
        levels = List.copyOf(levels);
        within(
                "parameters",
                parameters,
                levels.stream().mapToLong(Level::parameters).sum());
        within("macs", macs, levels.stream().mapToLong(Level::macs).sum());
        within(
                "activationBytes",
                activationBytes,
                levels.stream().mapToLong(Level::activationBytes).sum());
    }

    private static void within(String name, long total, long ofLevels) {
        if (ofLevels > total) {
            throw new IllegalArgumentException(
                    name + " of the levels must be at most the model's, got " + ofLevels + " of " + total);
        }
    }

    /**
     * What a network without levels costs.
     *
     * @param parameters trainable parameters
     * @param macs multiply-accumulates of one forward pass of one picture
     * @param activationBytes estimate of what one picture's forward pass keeps for its backward pass, float32
     * @param checkpointedBytes the same with activation checkpointing
     * @param inferenceBytes estimate of the largest working set of one picture's forward pass without gradients, float32
     */
    public Cost(long parameters, long macs, long activationBytes, long checkpointedBytes, long inferenceBytes) {
        this(parameters, macs, activationBytes, checkpointedBytes, inferenceBytes, List.of());
    }

    /** What a parameter takes in training: weight, gradient, two moments, average, in float32. */
    public static final int BYTES_A_PARAMETER = 20;

    /** libtorch, MKL and the JVM, measured on Linux: 430 MB. */
    private static final long RUNTIME_BYTES = 430_000_000;

    /**
     * Counts what a model trains, without memory for it.
     *
     * @param config of the model
     * @return trainable parameters
     */
    static long parameters(ModelConfig config) {
        try (Init init = Init.shapesOnly();
                Model shapes = config.create(init)) {
            return shapes.trainable().values().stream().mapToLong(Tensor::numel).sum();
        }
    }

    /**
     * Counts what each level of a model trains, without memory for it.
     *
     * @param config of the model
     * @param levels how many
     * @param level number of the level that a tensor's name belongs to; -1 for what they share
     * @return trainable parameters, one number a level
     */
    static long[] parameters(ModelConfig config, int levels, ToIntFunction<String> level) {
        long[] counts = new long[levels];
        try (Init init = Init.shapesOnly();
                Model shapes = config.create(init)) {
            shapes.trainable().forEach((name, tensor) -> {
                int at = level.applyAsInt(name);
                if (at >= 0) {
                    counts[at] += tensor.numel();
                }
            });
        }
        return counts;
    }

    /**
     * Estimated resident memory of training with AdamW and one average: weights, gradients, two moments, average, and the
     * activations of a batch.
     *
     * @param batch pictures a step
     * @param checkpointing whether activations are recomputed
     * @return bytes
     */
    public long trainingBytes(long batch, boolean checkpointing) {
        long perPicture = checkpointing ? checkpointedBytes : activationBytes;
        return Math.addExact(
                RUNTIME_BYTES + Math.multiplyExact(parameters, BYTES_A_PARAMETER),
                Math.multiplyExact(batch, perPicture));
    }

    /**
     * Estimated resident memory of differentiating the network's output by its input: weights, and the activations of a batch.
     *
     * @param batch pictures at once
     * @return bytes, for float32
     */
    public long inputGradientBytes(long batch) {
        return Math.addExact(
                RUNTIME_BYTES + Math.multiplyExact(parameters, 4), Math.multiplyExact(batch, activationBytes));
    }

    /**
     * Estimated resident memory of sampling with packed weights.
     *
     * @param batch pictures at once
     * @return bytes
     */
    public long samplingBytes(long batch) {
        return Math.addExact(
                RUNTIME_BYTES + Math.multiplyExact(parameters, 8), Math.multiplyExact(batch, inferenceBytes));
    }
}
