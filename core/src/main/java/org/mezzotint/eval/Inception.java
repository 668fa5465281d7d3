package org.mezzotint.eval;

import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.BiConsumer;
import java.util.function.Function;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.MemoryFormat;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.data.PictureFiles.Picture;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.io.TensorFile;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Shapes;
import org.mezzotint.tensor.Tensors;

/**
 * The network that FID is defined by: Inception v3 as Google published it on 5 December 2015 (arXiv:1512.00567).
 *
 * <p>It differs from torchvision's {@code inception_v3}, which gives other features: the average pools inside the blocks
 * divide by the pixels that exist, the last block pools by maximum, and there are 1,008 classes. A convolution is followed
 * by batch normalisation (ε = 0.001) and ReLU; the normalisation is folded into the convolution when the weights are read.
 *
 * <p>Outputs: {@code features}, 2,048 means of the last maps (TensorFlow's {@code pool_3}); {@code spatial}, 17 · 17 · 7 =
 * 2,023 values of the first seven channels of Mixed_6d's 1×1 branch ({@code mixed_6/conv} of the graph), channels fastest;
 * {@code logits}, 1,008 values <em>without</em> the bias of the classifier, as the Inception Score uses them.
 */
public final class Inception implements FeatureExtractor {
    private static final double BATCH_NORM_EPSILON = 0.001;
    private static final int FEATURE_DIMS = 2048;
    private static final int SPATIAL_CHANNELS = 7;
    private static final int SPATIAL_DIMS = 17 * 17 * SPATIAL_CHANNELS;
    private static final int CLASSES = 1008;

    /** A convolution's shape: output and input channels, kernel height and width, stride and padding. */
    private record Shape(int out, int in, int kh, int kw, int stride, int padH, int padW) {}

    /** Every convolution in the order of the network, by its name in pytorch-fid's state dict. */
    private static final Map<String, Shape> SHAPES = shapes();

    /** A convolution with its normalisation folded in. */
    @SuppressWarnings("ArrayRecordComponent") // a carrier, never compared
    private record Convolution(Tensor weight, Tensor bias, long[] stride, long[] padding) {}

    private final Map<String, Convolution> convolutions = new LinkedHashMap<>();
    private final Scope scope;
    private final Device device;
    private final ScalarType type;
    private final ResizeMode resize;
    private final String id;
    private Tensor classifier;
    private Tensor classifierBias;

    private Inception(Map<String, Tensor> weights, ResizeMode resize, ScalarType type, Device device) {
        this.resize = resize;
        this.type = type;
        scope = Scope.owner();
        try (NoGradGuard noGradient = new NoGradGuard()) {
            this.device = new Device(device);
            id = "inception-2015-12-05:" + hash(weights);
            SHAPES.forEach((name, shape) -> convolutions.put(name, fold(name, shape, weights)));
            if (weights.containsKey("fc.weight")) {
                classifier = own(weights.get("fc.weight"));
                classifierBias = own(weights.get("fc.bias"));
            }
            scope.leave();
        } catch (RuntimeException e) {
            scope.close();
            throw e;
        }
    }

    /**
     * Reads the weights from a file: pytorch-fid's or torch-fidelity's state dict, pytorch-fid's wrapper (which lacks the
     * classifier, so that there are no logits), NVIDIA's TorchScript file, or any of them as safetensors.
     *
     * @param file to read
     * @param resize how pictures are brought to 299 × 299
     * @param type float32, or float64 for reference
     * @param device where the network shall run
     * @return owned by the caller
     * @throws CheckpointException if the file is of another kind, or naming all missing, extra and mis-shaped tensors
     */
    public static Inception open(Path file, ResizeMode resize, ScalarType type, Device device) {
        try (Scope scope = Scope.open();
                TensorFile tensors = TensorFile.open(file)) {
            return of(file.toString(), tensors.names(), tensors::tensor, resize, type, device);
        }
    }

    /**
     * Builds the network from tensors wherever they come from. Its names may be those of any file that {@link #open} reads.
     *
     * @param source how messages call it
     * @param names all tensors that there are
     * @param tensor gives one of them, in the caller's scope
     * @param resize how pictures are brought to 299 × 299
     * @param type float32, or float64 for reference
     * @param device where the network shall run
     * @return owned by the caller
     * @throws CheckpointException naming all missing, extra and mis-shaped tensors
     */
    public static Inception of(
            String source,
            Set<String> names,
            Function<String, Tensor> tensor,
            ResizeMode resize,
            ScalarType type,
            Device device) {
        Map<String, long[]> shapes = new LinkedHashMap<>();
        SHAPES.forEach((name, s) -> shapes.put(name, new long[] {s.out, s.in, s.kh, s.kw}));
        try (Scope scope = Scope.open()) {
            return new Inception(InceptionNames.read(source, names, tensor, shapes), resize, type, device);
        }
    }

    /** w' = w · γ/√(σ² + ε), b' = β − μ · γ/√(σ² + ε), in float64. */
    private Convolution fold(String name, Shape shape, Map<String, Tensor> weights) {
        try (Scope inner = Scope.open()) {
            Tensor scale = weights.get(name + ".bn.running_var")
                    .to(ScalarType.Double)
                    .add(Scalars.of(BATCH_NORM_EPSILON))
                    .rsqrt()
                    .mul(weights.get(name + ".bn.weight").to(ScalarType.Double));
            Tensor weight =
                    weights.get(name + ".conv.weight").to(ScalarType.Double).mul(scale.view(-1, 1, 1, 1));
            Tensor bias = weights.get(name + ".bn.bias")
                    .to(ScalarType.Double)
                    .sub(weights.get(name + ".bn.running_mean")
                            .to(ScalarType.Double)
                            .mul(scale));
            Tensor packed = weight.to(device, type, false, true, new MemoryFormatOptional(MemoryFormat.ChannelsLast));
            return new Convolution(
                    inner.keep(packed),
                    inner.keep(bias.to(device, type, false, true, new MemoryFormatOptional())),
                    new long[] {shape.stride, shape.stride},
                    new long[] {shape.padH, shape.padW});
        }
    }

    private Tensor own(Tensor weight) {
        return weight.to(device, type, false, true, new MemoryFormatOptional());
    }

    /** SHA-256 over names and float32 values in the order of names, so that all forms of a file with equal content agree. */
    private static String hash(Map<String, Tensor> weights) {
        ContentHash hash = new ContentHash();
        new TreeMap<>(weights).forEach((name, tensor) -> hash.add(name).add(Tensors.floats(tensor)));
        return hash.hex();
    }

    @Override
    public String id() {
        return id;
    }

    @Override
    public String preprocessing() {
        return resize.label();
    }

    /** Without {@code logits} if the file of weights had no classifier. */
    @Override
    public Map<String, Integer> dims() {
        Map<String, Integer> dims = new LinkedHashMap<>();
        dims.put(FEATURES, FEATURE_DIMS);
        dims.put(SPATIAL, SPATIAL_DIMS);
        if (classifier != null) {
            dims.put(LOGITS, CLASSES);
        }
        return Collections.unmodifiableMap(dims);
    }

    @Override
    public Map<String, Tensor> extract(List<Picture> pictures, Set<String> wanted) {
        if (wanted.contains(LOGITS) && classifier == null) {
            throw new IllegalArgumentException(
                    "the Inception Score needs the classifier (fc.weight), which this file of"
                            + " weights lacks, as pytorch-fid's wrapper does: use the full state dict");
        }
        Map<String, Tensor> outputs = new LinkedHashMap<>();
        try (Scope inner = Scope.open();
                NoGradGuard noGradient = new NoGradGuard()) {
            Outputs all = forward(resize.input(pictures, type, device));
            for (String name : wanted) {
                Tensor output =
                        switch (name) {
                            case FEATURES -> all.pool3;
                            case SPATIAL -> all.spatial;
                            case LOGITS -> logits(all.pool3, false);
                            default ->
                                throw new IllegalArgumentException(
                                        "output must be one of " + dims().keySet() + ", got " + name);
                        };
                outputs.put(name, inner.keep(output.cpu().to(ScalarType.Float).contiguous()));
            }
        }
        return outputs;
    }

    /**
     * What the network gives.
     *
     * @param pool3 (N, 2048), the features of FID
     * @param spatial (N, 2023), the features of sFID: rows, columns, then seven channels
     */
    public record Outputs(Tensor pool3, Tensor spatial) {}

    /**
     * The network on (N, 3, 299, 299) in the range that {@link ResizeMode#input} gives.
     *
     * @param x in the network's type and on its device
     * @return (N, 2048) and (N, 2023), in the caller's scope
     */
    public Outputs forward(Tensor x) {
        return forward(x, (stage, output) -> {});
    }

    /**
     * The classifier on (N, 2048): (N, 1008) unnormalised log-probabilities.
     *
     * @param pool3 the features
     * @param biased whether to add the bias, which the Inception Score leaves out
     * @return in the caller's scope
     * @throws IllegalStateException if the file of weights had no classifier
     */
    public Tensor logits(Tensor pool3, boolean biased) {
        if (classifier == null) {
            throw new IllegalStateException("there is no classifier");
        }
        return biased ? torch.linear(pool3, classifier, classifierBias) : torch.linear(pool3, classifier);
    }

    /** Tells a watcher each stage's output after its last ReLU. */
    Outputs forward(Tensor input, BiConsumer<String, Tensor> watcher) {
        Shapes.check("x", input, Shapes.ANY, 3, ResizeMode.SIDE, ResizeMode.SIDE);
        try (Scope inner = Scope.open();
                NoGradGuard noGradient = new NoGradGuard()) {
            Tensor start = input.contiguous(MemoryFormat.ChannelsLast);
            Tensor x = stage("Conv2d_1a_3x3", watcher, start, y -> conv("Conv2d_1a_3x3", y)); // (N, 32, 149, 149)
            x = stage("Conv2d_2a_3x3", watcher, x, y -> conv("Conv2d_2a_3x3", y)); // (N, 32, 147, 147)
            x = stage("Conv2d_2b_3x3", watcher, x, y -> conv("Conv2d_2b_3x3", y)); // (N, 64, 147, 147)
            x = stage("Conv2d_3b_1x1", watcher, x, y -> conv("Conv2d_3b_1x1", shrink(y))); // (N, 80, 73, 73)
            x = stage("Conv2d_4a_3x3", watcher, x, y -> conv("Conv2d_4a_3x3", y)); // (N, 192, 71, 71)
            x = stage("Mixed_5b", watcher, x, y -> blockA("Mixed_5b", shrink(y))); // (N, 256, 35, 35)
            x = stage("Mixed_5c", watcher, x, y -> blockA("Mixed_5c", y)); // (N, 288, 35, 35)
            x = stage("Mixed_5d", watcher, x, y -> blockA("Mixed_5d", y)); // (N, 288, 35, 35)
            x = stage("Mixed_6a", watcher, x, y -> blockB("Mixed_6a", y)); // (N, 768, 17, 17)
            x = stage("Mixed_6b", watcher, x, y -> blockC("Mixed_6b", y)); // (N, 768, 17, 17)
            x = stage("Mixed_6c", watcher, x, y -> blockC("Mixed_6c", y)); // (N, 768, 17, 17)
            x = stage("Mixed_6d", watcher, x, y -> blockC("Mixed_6d", y)); // (N, 768, 17, 17)
            Tensor spatial = x.narrow(1, 0, SPATIAL_CHANNELS) // a block starts with its 1×1 branch
                    .permute(0, 2, 3, 1)
                    .reshape(x.size(0), SPATIAL_DIMS); // (N, 2023)
            x = stage("Mixed_6e", watcher, x, y -> blockC("Mixed_6e", y)); // (N, 768, 17, 17)
            x = stage("Mixed_7a", watcher, x, y -> blockD("Mixed_7a", y)); // (N, 1280, 8, 8)
            x = stage("Mixed_7b", watcher, x, y -> blockE("Mixed_7b", y, averaged(y))); // (N, 2048, 8, 8)
            x = stage("Mixed_7c", watcher, x, y -> blockE("Mixed_7c", y, largest(y))); // (N, 2048, 8, 8)
            Tensor pool3 = x.mean(2, 3); // (N, 2048)
            return new Outputs(inner.keep(pool3), inner.keep(spatial));
        }
    }

    /** Runs a stage in a scope of its own, since a batch's maps would fill the memory. */
    private static Tensor stage(
            String name, BiConsumer<String, Tensor> watcher, Tensor x, Function<Tensor, Tensor> stage) {
        try (Scope inner = Scope.open()) {
            Tensor y = stage.apply(x);
            watcher.accept(name, y);
            return inner.keep(y);
        }
    }

    /** 35 × 35: 1×1, 5×5, double 3×3 and pooled branches. */
    private Tensor blockA(String name, Tensor x) {
        return join(
                conv(name + ".branch1x1", x),
                chain(name, x, "branch5x5_1", "branch5x5_2"),
                chain(name, x, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
                conv(name + ".branch_pool", averaged(x)));
    }

    /** 35 × 35 to 17 × 17. */
    private Tensor blockB(String name, Tensor x) {
        return join(
                conv(name + ".branch3x3", x),
                chain(name, x, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
                shrink(x));
    }

    /** 17 × 17: 7×7 as 1×7 and 7×1. */
    private Tensor blockC(String name, Tensor x) {
        return join(
                conv(name + ".branch1x1", x),
                chain(name, x, "branch7x7_1", "branch7x7_2", "branch7x7_3"),
                chain(
                        name,
                        x,
                        "branch7x7dbl_1",
                        "branch7x7dbl_2",
                        "branch7x7dbl_3",
                        "branch7x7dbl_4",
                        "branch7x7dbl_5"),
                conv(name + ".branch_pool", averaged(x)));
    }

    /** 17 × 17 to 8 × 8. */
    private Tensor blockD(String name, Tensor x) {
        return join(
                chain(name, x, "branch3x3_1", "branch3x3_2"),
                chain(name, x, "branch7x7x3_1", "branch7x7x3_2", "branch7x7x3_3", "branch7x7x3_4"),
                shrink(x));
    }

    /** 8 × 8: branches that split into 1×3 and 3×1 at their end. */
    private Tensor blockE(String name, Tensor x, Tensor pooled) {
        Tensor a = conv(name + ".branch3x3_1", x);
        Tensor b = chain(name, x, "branch3x3dbl_1", "branch3x3dbl_2");
        return join(
                conv(name + ".branch1x1", x),
                conv(name + ".branch3x3_2a", a),
                conv(name + ".branch3x3_2b", a),
                conv(name + ".branch3x3dbl_3a", b),
                conv(name + ".branch3x3dbl_3b", b),
                conv(name + ".branch_pool", pooled));
    }

    private Tensor chain(String block, Tensor x, String... names) {
        Tensor y = x;
        for (String name : names) {
            y = conv(block + "." + name, y);
        }
        return y;
    }

    private Tensor conv(String name, Tensor x) {
        Convolution c = convolutions.get(name);
        try (Scope inner = Scope.open()) {
            Tensor y = torch.conv2d(x, c.weight, new TensorOptional(c.bias), c.stride, c.padding, new long[] {1, 1}, 1);
            torch.relu_(y); // its result is a handle to y, which would be freed here
            return inner.keep(y);
        }
    }

    private static Tensor join(Tensor... branches) {
        return torch.cat(new TensorVector(branches), 1);
    }

    /** 3×3 maximum with stride 2 and without padding. */
    private static Tensor shrink(Tensor x) {
        return torch.max_pool2d(x, new long[] {3, 3}, new long[] {2, 2}, new long[] {0, 0}, new long[] {1, 1}, false);
    }

    /** 3×3 maximum that keeps the size. */
    private static Tensor largest(Tensor x) {
        return torch.max_pool2d(x, new long[] {3, 3}, new long[] {1, 1}, new long[] {1, 1}, new long[] {1, 1}, false);
    }

    /** 3×3 mean that keeps the size; at the border the mean of the pixels that exist. */
    private static Tensor averaged(Tensor x) {
        return torch.avg_pool2d(
                x, new long[] {3, 3}, new long[] {1, 1}, new long[] {1, 1}, false, false, new LongOptional());
    }

    private static Map<String, Shape> shapes() {
        Map<String, Shape> all = new LinkedHashMap<>();
        all.put("Conv2d_1a_3x3", new Shape(32, 3, 3, 3, 2, 0, 0));
        all.put("Conv2d_2a_3x3", new Shape(32, 32, 3, 3, 1, 0, 0));
        all.put("Conv2d_2b_3x3", same(64, 32, 3, 3));
        all.put("Conv2d_3b_1x1", same(80, 64, 1, 1));
        all.put("Conv2d_4a_3x3", new Shape(192, 80, 3, 3, 1, 0, 0));
        int[] pooled = {32, 64, 64};
        int in = 192;
        for (int i = 0; i < 3; i++) {
            String name = List.of("Mixed_5b", "Mixed_5c", "Mixed_5d").get(i);
            all.put(name + ".branch1x1", same(64, in, 1, 1));
            all.put(name + ".branch5x5_1", same(48, in, 1, 1));
            all.put(name + ".branch5x5_2", same(64, 48, 5, 5));
            all.put(name + ".branch3x3dbl_1", same(64, in, 1, 1));
            all.put(name + ".branch3x3dbl_2", same(96, 64, 3, 3));
            all.put(name + ".branch3x3dbl_3", same(96, 96, 3, 3));
            all.put(name + ".branch_pool", same(pooled[i], in, 1, 1));
            in = 224 + pooled[i];
        }
        all.put("Mixed_6a.branch3x3", new Shape(384, 288, 3, 3, 2, 0, 0));
        all.put("Mixed_6a.branch3x3dbl_1", same(64, 288, 1, 1));
        all.put("Mixed_6a.branch3x3dbl_2", same(96, 64, 3, 3));
        all.put("Mixed_6a.branch3x3dbl_3", new Shape(96, 96, 3, 3, 2, 0, 0));
        int[] widths = {128, 160, 160, 192};
        for (int i = 0; i < 4; i++) {
            String name =
                    List.of("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e").get(i);
            int w = widths[i];
            all.put(name + ".branch1x1", same(192, 768, 1, 1));
            all.put(name + ".branch7x7_1", same(w, 768, 1, 1));
            all.put(name + ".branch7x7_2", same(w, w, 1, 7));
            all.put(name + ".branch7x7_3", same(192, w, 7, 1));
            all.put(name + ".branch7x7dbl_1", same(w, 768, 1, 1));
            all.put(name + ".branch7x7dbl_2", same(w, w, 7, 1));
            all.put(name + ".branch7x7dbl_3", same(w, w, 1, 7));
            all.put(name + ".branch7x7dbl_4", same(w, w, 7, 1));
            all.put(name + ".branch7x7dbl_5", same(192, w, 1, 7));
            all.put(name + ".branch_pool", same(192, 768, 1, 1));
        }
        all.put("Mixed_7a.branch3x3_1", same(192, 768, 1, 1));
        all.put("Mixed_7a.branch3x3_2", new Shape(320, 192, 3, 3, 2, 0, 0));
        all.put("Mixed_7a.branch7x7x3_1", same(192, 768, 1, 1));
        all.put("Mixed_7a.branch7x7x3_2", same(192, 192, 1, 7));
        all.put("Mixed_7a.branch7x7x3_3", same(192, 192, 7, 1));
        all.put("Mixed_7a.branch7x7x3_4", new Shape(192, 192, 3, 3, 2, 0, 0));
        for (String name : List.of("Mixed_7b", "Mixed_7c")) {
            int wide = name.equals("Mixed_7b") ? 1280 : 2048;
            all.put(name + ".branch1x1", same(320, wide, 1, 1));
            all.put(name + ".branch3x3_1", same(384, wide, 1, 1));
            all.put(name + ".branch3x3_2a", same(384, 384, 1, 3));
            all.put(name + ".branch3x3_2b", same(384, 384, 3, 1));
            all.put(name + ".branch3x3dbl_1", same(448, wide, 1, 1));
            all.put(name + ".branch3x3dbl_2", same(384, 448, 3, 3));
            all.put(name + ".branch3x3dbl_3a", same(384, 384, 1, 3));
            all.put(name + ".branch3x3dbl_3b", same(384, 384, 3, 1));
            all.put(name + ".branch_pool", same(192, wide, 1, 1));
        }
        return Collections.unmodifiableMap(all);
    }

    /** Stride 1, padded so that the size stays. */
    private static Shape same(int out, int in, int kh, int kw) {
        return new Shape(out, in, kh, kw, 1, kh / 2, kw / 2);
    }

    @Override
    public void close() {
        scope.close();
    }
}
