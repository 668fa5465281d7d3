package org.mezzotint.models;

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
 */
public record Cost(long parameters, long macs, long activationBytes, long checkpointedBytes, long inferenceBytes) {
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
     * Estimated resident memory of training with AdamW and one average: weights, gradients, two moments, average, and the
     * activations of a batch.
     *
     * @param batch pictures a step
     * @param checkpointing whether activations are recomputed
     * @return bytes
     */
    public long trainingBytes(long batch, boolean checkpointing) {
        long perPicture = checkpointing ? checkpointedBytes : activationBytes;
        return Math.addExact(RUNTIME_BYTES + Math.multiplyExact(parameters, 20), Math.multiplyExact(batch, perPicture));
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
