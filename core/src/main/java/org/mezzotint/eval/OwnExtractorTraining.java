package org.mezzotint.eval;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongConsumer;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.DeviceType;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.data.BatchLoader;
import org.mezzotint.data.Dataset;
import org.mezzotint.io.InputException;
import org.mezzotint.tensor.Ops;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.TensorList;
import org.mezzotint.tensor.Tensors;

/**
 * Trains an {@link OwnExtractor}: a classifier by cross-entropy with Adam, on the CPU, in about a minute. A seed, a data set
 * and a number of threads give one network, to the bit.
 *
 * @param seed of initial weights and order
 * @param images pictures to see in all
 * @param batchSize pictures a step
 * @param learningRate at the start; it falls to 0 along half a cosine
 */
public record OwnExtractorTraining(long seed, long images, int batchSize, double learningRate) {
    private static final long ORDER = 1;

    /** Checks the rules. */
    public OwnExtractorTraining {
        if (images < 1 || batchSize < 1) {
            throw new IllegalArgumentException(
                    "images and batchSize must be at least 1, got " + images + " and " + batchSize);
        }
        if (!(learningRate > 0 && learningRate < 1)) {
            throw new IllegalArgumentException("learningRate must be above 0 and below 1, got " + learningRate);
        }
    }

    /**
     * Trains.
     *
     * @param pictures RGB, 32 × 32, of at least two classes
     * @param progress hears how many pictures are seen
     * @return to be closed by the caller
     * @throws InputException if the pictures have another size or fewer classes
     */
    public OwnExtractor train(Dataset pictures, LongConsumer progress) {
        int classes = pictures.classNames().size();
        if (classes < 2) {
            throw new InputException(
                    "an extractor is trained to tell at least 2 classes apart, the data set has " + classes);
        }
        if (pictures.channels() != 3
                || pictures.height() != OwnExtractor.SIDE
                || pictures.width() != OwnExtractor.SIDE) {
            throw new InputException("an extractor is trained on pictures of 3×" + OwnExtractor.SIDE + "×"
                    + OwnExtractor.SIDE + ", got " + pictures.channels() + "×" + pictures.height() + "×"
                    + pictures.width());
        }
        try (Scope scope = Scope.open()) {
            Map<String, Tensor> weights = initial(classes);
            optimise(weights, pictures, progress);
            return new OwnExtractor(weights, new Device(DeviceType.CPU));
        }
    }

    /** He's rule for convolutions; norms start as the identity, the classifier small. */
    private Map<String, Tensor> initial(int classes) {
        Map<String, Tensor> weights = new LinkedHashMap<>();
        try (Rng rng = new Rng(seed)) {
            OwnExtractor.shapes(classes).forEach((name, shape) -> {
                Tensor tensor = Tensors.empty(ScalarType.Float, shape);
                if (name.startsWith("norm") && name.endsWith("weight")) {
                    tensor.fill_(Scalars.of(1));
                } else if (shape.length == 1) {
                    tensor.zero_();
                } else {
                    long in = tensor.numel() / shape[0];
                    rng.fillNormal(tensor);
                    tensor.mul_(Scalars.of(Math.sqrt((name.startsWith("conv") ? 2.0 : 0.1) / in)));
                }
                weights.put(name, tensor);
            });
        }
        return weights;
    }

    private void optimise(Map<String, Tensor> weights, Dataset pictures, LongConsumer progress) {
        List<Tensor> parameters = new ArrayList<>(weights.values());
        List<Tensor> gradients = new ArrayList<>();
        parameters.forEach(parameter -> {
            parameter.mutable_grad().put(torch.zeros_like(parameter));
            gradients.add(new Tensor(parameter.grad()));
        });
        try (TensorList values =
                        new TensorList(parameters.stream().map(Tensor::detach).toList());
                TensorList slopes = new TensorList(gradients);
                TensorList first = new TensorList(
                        parameters.stream().map(torch::zeros_like).toList());
                TensorList second = new TensorList(
                        parameters.stream().map(torch::zeros_like).toList());
                TensorList counts = new TensorList(parameters.stream()
                        .map(each -> Tensors.of(new float[1], 1).view())
                        .toList());
                BatchLoader loader =
                        new BatchLoader(pictures, batchSize, Rng.mix(seed, ORDER), 0, 1, BatchLoader.OnBroken.FAIL)) {
            parameters.forEach(parameter -> parameter.requires_grad_(true));
            for (long seen = 0; seen < images; seen += batchSize) {
                try (Scope step = Scope.open()) {
                    BatchLoader.Batch batch = loader.next();
                    Tensor x = Tensors.of(batch.pixels(), batchSize, 3, OwnExtractor.SIDE, OwnExtractor.SIDE);
                    loss(weights, x, batch.labels()).backward();
                    try (NoGradGuard noGrad = new NoGradGuard()) {
                        Ops.foreachAdd(counts, 1);
                        double rate = learningRate * 0.5 * (1 + Math.cos(Math.PI * seen / images));
                        Ops.fusedAdamW(values, slopes, first, second, counts, rate, 0.9, 0.999, 0, 1e-8);
                        Ops.foreachMul(slopes, 0);
                    }
                }
                progress.accept(Math.min(images, seen + batchSize));
            }
        }
    }

    /** Mean cross-entropy. */
    private static Tensor loss(Map<String, Tensor> weights, Tensor x, long[] labels) {
        Tensor logits = OwnExtractor.logits(weights, OwnExtractor.features(weights, x));
        Tensor target = Tensors.of(labels).view(labels.length, 1);
        return torch.log_softmax(logits, 1).gather(1, target).mean().neg();
    }

    /**
     * The share of pictures whose class a network finds.
     *
     * @param network trained on the same classes
     * @param pictures RGB, 32 × 32
     * @return 0 to 1
     */
    public static double accuracy(OwnExtractor network, Dataset pictures) {
        int right = 0;
        for (int from = 0; from < pictures.size(); from += 256) {
            int count = Math.min(256, pictures.size() - from);
            try (Scope scope = Scope.open()) {
                long[] found = network.classesOf(
                        Tensors.of(pictures.read(from, count), count, 3, OwnExtractor.SIDE, OwnExtractor.SIDE));
                for (int i = 0; i < count; i++) {
                    right += found[i] == pictures.label(from + i) ? 1 : 0;
                }
            }
        }
        return (double) right / pictures.size();
    }
}
