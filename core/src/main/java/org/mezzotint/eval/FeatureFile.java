package org.mezzotint.eval;

import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.io.InputException;
import org.mezzotint.io.TensorFile;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * Vectors that were made elsewhere, by any extractor: an npz or safetensors file with one array (N, D) of real numbers, of
 * any name, or with several, of which {@code features}, {@code spatial} and {@code logits} are used. With features of DINOv2
 * the Fréchet distance is FDD and the kernel distance KDD.
 */
public final class FeatureFile implements FeatureSet {
    private static final List<String> OUTPUTS =
            List.of(FeatureExtractor.FEATURES, FeatureExtractor.SPATIAL, FeatureExtractor.LOGITS);

    /** Rows that are hashed at once. */
    private static final long BLOCK = 4096;

    private final TensorFile file;
    private final Map<String, String> names;
    private final Map<String, Integer> dims = new LinkedHashMap<>();
    private final long size;

    private FeatureFile(TensorFile file, Map<String, String> names) {
        this.file = file;
        this.names = names;
        long rows = file.shape(names.values().iterator().next())[0];
        names.forEach((output, name) -> {
            long[] shape = file.shape(name);
            if (shape[0] != rows || shape[0] < 1 || shape[1] < 1) {
                throw new InputException(file.source() + ": all arrays must have as many rows, at least 1, got "
                        + shape[0] + " of " + name + " beside " + rows);
            }
            dims.put(output, Math.toIntExact(shape[1]));
        });
        size = rows;
    }

    /**
     * Whether a file holds vectors.
     *
     * @param file open
     * @return true if {@link #open} can read it
     */
    public static boolean isIn(TensorFile file) {
        return !ReferenceStats.isIn(file) && !names(file).isEmpty();
    }

    /**
     * Opens a file.
     *
     * @param path npz or safetensors
     * @return to be closed by the caller
     * @throws InputException if it has no array of vectors, or several of which none has a name that is known
     */
    public static FeatureFile open(Path path) {
        TensorFile file = TensorFile.open(path);
        try {
            Map<String, String> names = names(file);
            if (names.isEmpty()) {
                throw new InputException(path + ": features are one array (N, D) of real numbers, or the arrays "
                        + String.join(", ", OUTPUTS) + "; the file has " + String.join(", ", file.names()));
            }
            return new FeatureFile(file, names);
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    /** Output to array. */
    private static Map<String, String> names(TensorFile file) {
        List<String> matrices = file.names().stream()
                .filter(name -> file.shape(name).length == 2 && isReal(file.type(name)))
                .toList();
        Map<String, String> names = new LinkedHashMap<>();
        OUTPUTS.stream().filter(matrices::contains).forEach(output -> names.put(output, output));
        if (names.isEmpty() && matrices.size() == 1) {
            names.put(FeatureExtractor.FEATURES, matrices.get(0));
        }
        return names;
    }

    private static boolean isReal(ScalarType type) {
        return type == ScalarType.Float
                || type == ScalarType.Double
                || type == ScalarType.Half
                || type == ScalarType.BFloat16;
    }

    @Override
    public long size() {
        return size;
    }

    @Override
    public Map<String, Integer> dims() {
        return Collections.unmodifiableMap(dims);
    }

    @Override
    public String extractor() {
        return file.source();
    }

    /**
     * Identifies the vectors: SHA-256 of all of them as float32.
     *
     * @return 16 hexadecimal digits
     */
    public String id() {
        ContentHash hash = new ContentHash();
        dims.keySet()
                .forEach(output -> forEachBlock(output, all -> {
                    for (long from = 0; from < all.size(0); from += BLOCK) {
                        try (Scope scope = Scope.open()) {
                            hash.add(Tensors.floats(all.narrow(0, from, Math.min(BLOCK, all.size(0) - from))));
                        }
                    }
                }));
        return hash.hex();
    }

    @Override
    public String preprocessing() {
        return "not stated";
    }

    @Override
    public void forEachBlock(String output, Consumer<Tensor> consumer) {
        check(output);
        try (Scope scope = Scope.open()) {
            consumer.accept(file.tensor(names.get(output)));
        }
    }

    @Override
    public void close() {
        file.close();
    }
}
