package org.mezzotint.train;

import java.util.Arrays;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.data.Dataset;
import org.mezzotint.data.GeometricAugmentation;
import org.mezzotint.models.HDiT;
import org.mezzotint.models.Model;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
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
        return model.config().numClasses() == 0 ? Conditioning.none() : Conditioning.classes(model.device(), labels);
    }

    /**
     * Pictures as they are in the data set, (n, C, H, W) on the model's device, with their labels.
     *
     * @param x0 the pictures
     * @param labels one a picture
     */
    record HeldOut(Tensor x0, long[] labels) {
        static HeldOut read(Dataset pictures, int first, int n, Model model) {
            long[] labels = new long[n];
            Arrays.setAll(labels, i -> pictures.label(first + i));
            Tensor cpu =
                    Tensors.of(pictures.read(first, n), n, pictures.channels(), pictures.height(), pictures.width());
            return new HeldOut(toDevice(cpu, model), labels);
        }
    }

    /** Noise (n, C, H, W) on the CPU, that of picture i from the stream of {@code mix(stream, first + i)}. */
    static Tensor noise(long stream, int first, int n, int channels, int height, int width) {
        Tensor noise = Tensors.empty(ScalarType.Float, n, channels, height, width);
        try (Rng rng = new Rng(0);
                Scope scope = Scope.open()) {
            for (int i = 0; i < n; i++) {
                rng.reseed(Rng.mix(stream, first + i)).fillNormal(noise.select(0, i));
            }
        }
        return noise;
    }
}
