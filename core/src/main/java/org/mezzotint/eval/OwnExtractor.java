package org.mezzotint.eval;

import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.data.PictureFiles.Picture;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.io.Safetensors;
import org.mezzotint.io.TensorCheck;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * A small convolutional classifier that the user trained himself ({@link OwnExtractorTraining}), for quick comparisons of
 * models on one machine without a download. What is measured with it is no FID and never called so: the names of its values
 * begin with {@code own-}. They compare only under one {@link #id}.
 *
 * <p>Four convolutions with group norm and ReLU on 32 × 32 pixels, a mean of 2 × 2 after each but the last; the features are
 * the mean of the last map, the logits those of the classes that it was trained on.
 */
public final class OwnExtractor implements FeatureExtractor {
    /** Side of the network's input. */
    public static final int SIDE = 32;

    static final int DIMS = 128;
    static final String CLASSIFIER = "classifier";

    private static final String NAME = "own-classifier";
    private static final String PREFIX = "own-";
    private static final String FORMAT = "mezzotint-extractor";
    private static final String VERSION = "1";
    private static final int[] WIDTHS = {32, 64, 128, DIMS};
    private static final int GROUPS = 8;
    private static final long[] ONE = {1, 1};
    private static final long[] TWO = {2, 2};

    private final Map<String, Tensor> weights;
    private final Device device;
    private final String id;
    private final int classes;
    private final Scope scope;

    /** Copies the weights; whoever gives them closes them. */
    OwnExtractor(Map<String, Tensor> trained, Device device) {
        scope = Scope.owner();
        weights = new LinkedHashMap<>();
        try (Scope copies = Scope.open();
                NoGradGuard noGrad = new NoGradGuard()) {
            trained.forEach((name, tensor) -> weights.put(
                    name,
                    copies.keep(tensor.detach().to(device, ScalarType.Float).clone())));
        }
        this.device = new Device(weights.get(CLASSIFIER + ".bias").device()); // a handle of its own
        classes = Math.toIntExact(weights.get(CLASSIFIER + ".bias").size(0));
        ContentHash hash = new ContentHash();
        try (Scope values = Scope.open()) {
            new TreeMap<>(weights).forEach((name, tensor) -> hash.add(name).add(Tensors.floats(tensor)));
        }
        id = NAME + " " + hash.hex();
        scope.leave();
    }

    /** Every tensor by name. */
    static Map<String, long[]> shapes(int classes) {
        Map<String, long[]> shapes = new LinkedHashMap<>();
        int in = 3;
        for (int i = 0; i < WIDTHS.length; i++) {
            shapes.put("conv." + i + ".weight", new long[] {WIDTHS[i], in, 3, 3});
            shapes.put("norm." + i + ".weight", new long[] {WIDTHS[i]});
            shapes.put("norm." + i + ".bias", new long[] {WIDTHS[i]});
            in = WIDTHS[i];
        }
        shapes.put(CLASSIFIER + ".weight", new long[] {classes, DIMS});
        shapes.put(CLASSIFIER + ".bias", new long[] {classes});
        return shapes;
    }

    /** Pictures (N, 3, 32, 32) in [−1, 1] to features (N, 128). */
    static Tensor features(Map<String, Tensor> weights, Tensor pictures) {
        Tensor x = pictures;
        for (int i = 0; i < WIDTHS.length; i++) {
            x = torch.conv2d(x, weights.get("conv." + i + ".weight"), new TensorOptional(), ONE, ONE, ONE, 1);
            x = torch.group_norm(
                    x,
                    GROUPS,
                    new TensorOptional(weights.get("norm." + i + ".weight")),
                    new TensorOptional(weights.get("norm." + i + ".bias")),
                    1e-5,
                    false);
            x = torch.relu(x);
            if (i < WIDTHS.length - 1) {
                x = torch.avg_pool2d(x, TWO, TWO, new long[] {0, 0}, false, true, new LongOptional());
            }
        }
        return x.mean(2, 3); // (N, 128)
    }

    /** Features (N, 128) to unnormalised log-probabilities (N, classes). */
    static Tensor logits(Map<String, Tensor> weights, Tensor features) {
        return torch.linear(features, weights.get(CLASSIFIER + ".weight"), weights.get(CLASSIFIER + ".bias"));
    }

    /**
     * Whether a file holds such a network.
     *
     * @param path of any file
     * @return true for a safetensors file that {@link #write} wrote
     */
    public static boolean isIn(Path path) {
        if (!path.toString().toLowerCase(Locale.ROOT).endsWith(".safetensors")) {
            return false;
        }
        try (Safetensors file = Safetensors.open(path)) {
            return FORMAT.equals(file.metadata().get("format"));
        }
    }

    /**
     * Whether vectors come from such a network.
     *
     * @param extractor an {@link #id} of any extractor
     * @return true if what is measured with them must not be called FID
     */
    public static boolean made(String extractor) {
        return extractor.startsWith(NAME + " ");
    }

    /** The values under names that nobody takes for FID: {@code fid} becomes {@code own-fd}, {@code kid} {@code own-kd}. */
    static Map<String, Double> renamed(Map<String, Double> values) {
        Map<String, Double> renamed = new LinkedHashMap<>();
        values.forEach((name, value) ->
                renamed.put(PREFIX + name.replaceFirst("^fid", "fd").replaceFirst("^kid", "kd"), value));
        return renamed;
    }

    /**
     * Reads a network.
     *
     * @param path a file that {@link #write} wrote
     * @param device where it shall run
     * @return to be closed by the caller
     * @throws CheckpointException naming every missing, extra and mis-shaped tensor
     */
    public static OwnExtractor open(Path path, Device device) {
        try (Scope scope = Scope.open();
                Safetensors file = Safetensors.open(path)) {
            if (!FORMAT.equals(file.metadata().get("format"))
                    || !VERSION.equals(file.metadata().get("format_version"))) {
                throw new CheckpointException(
                        path + " is no extractor of format " + VERSION + ": its header says format "
                                + file.metadata().get("format") + ", version "
                                + file.metadata().get("format_version"));
            }
            String bias = CLASSIFIER + ".bias";
            int classes = file.contains(bias) && file.shape(bias).length == 1
                    ? (int) Math.min(Integer.MAX_VALUE, file.shape(bias)[0])
                    : 0;
            TensorCheck.require("is no extractor", shapes(classes), file, name -> false);
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            shapes(classes).keySet().forEach(name -> tensors.put(name, file.tensor(name)));
            return new OwnExtractor(tensors, device);
        }
    }

    /**
     * Writes the network.
     *
     * @param path of the file, replaced if it exists
     * @param facts what else its header shall say, such as how it was trained
     */
    public void write(Path path, Map<String, String> facts) {
        Map<String, String> metadata = new LinkedHashMap<>(facts);
        metadata.put("format", FORMAT);
        metadata.put("format_version", VERSION);
        Safetensors.write(path, weights, metadata);
    }

    @Override
    public String id() {
        return id;
    }

    @Override
    public String preprocessing() {
        return PREFIX + SIDE;
    }

    @Override
    public Map<String, Integer> dims() {
        Map<String, Integer> dims = new LinkedHashMap<>();
        dims.put(FEATURES, DIMS);
        dims.put(LOGITS, classes);
        return Collections.unmodifiableMap(dims);
    }

    @Override
    public Map<String, Tensor> extract(List<Picture> pictures, Set<String> wanted) {
        Map<String, Tensor> outputs = new LinkedHashMap<>();
        try (Scope inner = Scope.open();
                NoGradGuard noGrad = new NoGradGuard()) {
            TensorVector parts = new TensorVector();
            pictures.forEach(picture -> parts.push_back(input(picture)));
            Tensor features = features(weights, torch.cat(parts, 0));
            for (String name : wanted) {
                Tensor output =
                        switch (name) {
                            case FEATURES -> features;
                            case LOGITS -> logits(weights, features);
                            default ->
                                throw new IllegalArgumentException(
                                        "output must be one of " + dims().keySet() + ", got " + name);
                        };
                outputs.put(name, inner.keep(output.cpu().contiguous()));
            }
        }
        return outputs;
    }

    /** The most likely class of pictures (N, 3, 32, 32) in [−1, 1]. */
    long[] classesOf(Tensor pictures) {
        try (Scope inner = Scope.open();
                NoGradGuard noGrad = new NoGradGuard()) {
            Tensor logits = logits(weights, features(weights, pictures.to(device, ScalarType.Float)));
            return Tensors.longs(logits.argmax(new LongOptional(1), false));
        }
    }

    /** (1, 3, 32, 32) in [−1, 1]: antialiased bicubic, clipped. */
    private Tensor input(Picture picture) {
        int h = picture.height();
        int w = picture.width();
        Tensor bytes = Tensors.empty(ScalarType.Byte, 1, h, w, 3);
        new BytePointer(bytes.data_ptr()).put(picture.rgb(), 0, 3 * h * w);
        Tensor levels = bytes.to(device, ScalarType.Float).permute(0, 3, 1, 2).contiguous();
        return Resampling.BICUBIC_ANTIALIAS
                .resize(levels.div(Scalars.of(127.5)).sub(Scalars.of(1)), SIDE, SIDE)
                .clamp(Scalars.optional(-1), Scalars.optional(1));
    }

    @Override
    public void close() {
        scope.close();
    }
}
