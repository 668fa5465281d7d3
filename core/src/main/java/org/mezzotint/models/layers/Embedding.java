package org.mezzotint.models.layers;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.tensor.Scope;

/** One learned vector a class; with a null class, a last row stands for "no class". */
public final class Embedding extends Layer {
    private final Tensor weight;

    /**
     * Makes the layer.
     *
     * @param init fills the parameters
     * @param rows number of classes, plus one with a null class
     * @param width D
     * @param std standard deviation of the initial vectors
     */
    public Embedding(Init init, long rows, long width, double std) {
        weight = parameter("weight", init.normal(std, rows, width));
    }

    /**
     * Looks vectors up.
     *
     * @param labels (N,) int64, each below the number of rows
     * @return (N, D)
     * @throws IllegalArgumentException if a label on the CPU is out of range
     */
    public Tensor forward(Tensor labels) {
        if (labels.device().is_cpu() && labels.numel() > 0) { // elsewhere the check would wait for the device
            try (Scope scope = Scope.open()) {
                long least = labels.min().item_long();
                long most = labels.max().item_long();
                if (least < 0 || most >= weight.size(0)) {
                    throw new IllegalArgumentException(
                            "class must be 0 to " + (weight.size(0) - 1) + ", got " + (least < 0 ? least : most));
                }
            }
        }
        return torch.embedding(weight, labels);
    }
}
