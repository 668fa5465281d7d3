package org.mezzotint.text;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.io.TensorFile;
import org.mezzotint.tensor.Scope;

/**
 * The weights in a Hugging Face folder: {@code model.safetensors}, else {@code model.safetensors.index.json} with its files,
 * else {@code pytorch_model.bin}.
 *
 * <p>Every tensor of the encoder must be there, under its name and of its shape. The token embeddings may be called
 * {@code shared.weight}, {@code encoder.embed_tokens.weight} or both; if both, they must be equal. What a file of the whole
 * T5 has beside ({@code decoder.…} and {@code lm_head.weight}) is left aside; any other tensor is an error.
 */
final class T5Weights implements AutoCloseable {
    private static final List<String> FILES =
            List.of("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin");
    private static final Set<ScalarType> REAL =
            Set.of(ScalarType.Double, ScalarType.Float, ScalarType.Half, ScalarType.BFloat16);

    private final TensorFile file;
    private final String embedding;

    private T5Weights(TensorFile file, String embedding) {
        this.file = file;
        this.embedding = embedding;
    }

    /**
     * Opens the folder's weights.
     *
     * @throws CheckpointException if there are none, or naming every missing, extra, mis-shaped and mis-typed tensor
     */
    static T5Weights open(Path folder, T5Config config) {
        Path path = FILES.stream()
                .map(folder::resolve)
                .filter(Files::isRegularFile)
                .findFirst()
                .orElseThrow(
                        () -> new CheckpointException(folder + " has no weights: none of " + String.join(", ", FILES)));
        TensorFile file = TensorFile.open(path);
        try {
            return new T5Weights(file, check(file, config));
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    /** Gives the name of the embeddings in this file. */
    private static String check(TensorFile file, T5Config config) {
        boolean shared = file.contains(T5Config.EMBEDDING);
        boolean tied = file.contains(T5Config.TIED);
        String embedding = tied && !shared ? T5Config.TIED : T5Config.EMBEDDING;
        Map<String, long[]> expected = config.tensors();
        List<String> problems = new ArrayList<>();
        expected.forEach((name, shape) -> {
            String stored = name.equals(T5Config.EMBEDDING) ? embedding : name;
            if (!file.contains(stored)) {
                problems.add("missing " + stored);
            } else if (!Arrays.equals(file.shape(stored), shape)) {
                problems.add(stored + " is " + Arrays.toString(file.shape(stored)) + ", not " + Arrays.toString(shape));
            } else if (!REAL.contains(file.type(stored))) {
                problems.add(stored + " is of type " + file.type(stored) + ", not a floating type");
            }
        });
        for (String name : file.names()) {
            boolean others = name.startsWith("decoder.") || name.equals("lm_head.weight");
            if (!expected.containsKey(name) && !name.equals(T5Config.TIED) && !others) {
                problems.add("extra " + name);
            }
        }
        if (problems.isEmpty() && shared && tied && !same(file)) {
            problems.add(T5Config.EMBEDDING + " and " + T5Config.TIED + " differ, they are one tensor");
        }
        if (!problems.isEmpty()) {
            throw new CheckpointException(
                    file.source() + " does not fit the encoder's configuration: " + String.join("; ", problems));
        }
        return embedding;
    }

    private static boolean same(TensorFile file) {
        if (!Arrays.equals(file.shape(T5Config.EMBEDDING), file.shape(T5Config.TIED))
                || file.type(T5Config.EMBEDDING) != file.type(T5Config.TIED)) {
            return false;
        }
        try (Scope scope = Scope.open()) {
            return file.tensor(T5Config.EMBEDDING).equal(file.tensor(T5Config.TIED));
        }
    }

    /** The path, for messages. */
    String source() {
        return file.source();
    }

    /** One tensor of {@link T5Config#tensors}, in the caller's scope and the file's number type; large ones are memory maps. */
    Tensor tensor(String name) {
        return file.tensor(name.equals(T5Config.EMBEDDING) ? embedding : name);
    }

    @Override
    public void close() {
        file.close();
    }
}
