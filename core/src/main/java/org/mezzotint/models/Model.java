package org.mezzotint.models;

import java.util.Map;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Precision;

/** A network with its parameters, as training and sampling see it. */
public sealed interface Model extends AutoCloseable
        permits DiT, HDiT, DiffiT, ImageDiffiT, DdpmPlusPlus, SimpleDiffusionUNet, UViT {
    /**
     * What the network was built from.
     *
     * @return its configuration
     */
    ModelConfig config();

    /**
     * One evaluation.
     *
     * @param x (N, C, H, W) noisy pictures, in the precision's storage type
     * @param t (N,) the network's time input, any number type
     * @param cond what {@link ModelConfig#inputs()} names
     * @param tape {@link Tape#plain()}, or how to save memory in training
     * @return (N, C', H, W), C' = {@link ModelConfig#outputChannels()}
     */
    Tensor forward(Tensor x, Tensor t, Conditioning cond, Tape tape);

    /**
     * Every tensor by its name in the reference implementation, in state-dict order.
     *
     * @return unmodifiable; the model's own tensors
     */
    Map<String, Tensor> state();

    /**
     * The tensors that training changes.
     *
     * @return unmodifiable, in state-dict order
     */
    Map<String, Tensor> trainable();

    /**
     * How the optimiser treats a parameter.
     *
     * @param learningRateScale times the recipe's learning rate
     * @param weightDecay whether the recipe's weight decay applies
     */
    record Tuning(double learningRateScale, boolean weightDecay) {}

    /**
     * How the optimiser shall treat a parameter.
     *
     * @param parameter a name of {@link #trainable()}
     * @return as in the authors' code
     */
    Tuning tuning(String parameter);

    /**
     * Copies weights of linear layers and convolutions into the layout of oneDNN's kernels, for faster sampling on the CPU. Gradients and changes
     * of the weights have no effect until {@link #unpack}.
     *
     * @param batch the number of pictures that will usually be evaluated at once
     */
    void pack(int batch);

    /** Frees the packed copies. */
    void unpack();

    /**
     * Number types.
     *
     * @return as given at construction
     */
    Precision precision();

    /**
     * Where the parameters live.
     *
     * @return a device owned by the model
     */
    Device device();

    @Override
    void close();
}
