package org.mezzotint.train;

import org.bytedeco.pytorch.Tensor;
import org.mezzotint.models.Model;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Tensors;

/** Batches on their way to a model. */
final class Batches {
    private Batches() {}

    /** The same numbers in the model's storage type, on its device. */
    static Tensor toDevice(Tensor cpu, Model model) {
        return cpu.to(model.device(), model.precision().storage());
    }

    /** Labels for a model with classes; nothing for an unconditional one. */
    static Conditioning labels(long[] labels, Model model) {
        if (model.config().numClasses() == 0) {
            return Conditioning.none();
        }
        Tensor cpu = Tensors.of(labels);
        return Conditioning.classes(cpu.to(model.device(), cpu.scalar_type()));
    }
}
