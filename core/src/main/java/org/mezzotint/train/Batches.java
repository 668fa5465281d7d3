package org.mezzotint.train;

import org.bytedeco.pytorch.Tensor;
import org.mezzotint.data.GeometricAugmentation;
import org.mezzotint.models.HDiT;
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

    /** Labels, and how each picture was warped: (N·9), or empty without augmentation. */
    static Conditioning inputs(long[] labels, float[] augmentation, Model model) {
        Conditioning cond = labels(labels, model);
        if (augmentation.length == 0) {
            return cond;
        }
        Tensor cpu = Tensors.of(augmentation, labels.length, GeometricAugmentation.CONDITION_LENGTH); // (N, 9)
        return cond.with(HDiT.AUGMENTATION, toDevice(cpu, model));
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
