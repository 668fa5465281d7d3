package org.mezzotint.autoencoders;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.io.TensorFile;
import org.mezzotint.models.layers.Init;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scope;

/** The tensors of one or more files under the names that a network gives them. All of them fit, or none is loaded. */
final class NamedWeights {
    private static final Set<ScalarType> REAL =
            Set.of(ScalarType.Double, ScalarType.Float, ScalarType.Half, ScalarType.BFloat16);

    private final String source;
    private final Map<String, Entry> entries = new LinkedHashMap<>();
    private final List<String> problems = new ArrayList<>();

    private record Entry(TensorFile file, String name) {}

    /**
     * Starts without tensors.
     *
     * @param source where they are from, for messages
     */
    NamedWeights(String source) {
        this.source = source;
    }

    /**
     * Adds a file.
     *
     * @param file open until the network is built
     * @param rename from the file's name to the network's; empty for a tensor of something else
     */
    void add(TensorFile file, Function<String, Optional<String>> rename) {
        for (String name : file.names()) {
            rename.apply(name).ifPresent(ours -> {
                Entry twin = entries.putIfAbsent(ours, new Entry(file, name));
                if (twin != null) {
                    problems.add(name + " and " + twin.name() + " are the same tensor " + ours);
                }
            });
        }
    }

    /**
     * Builds a network with these weights.
     *
     * @throws CheckpointException naming every missing, extra, mis-shaped and mis-typed tensor
     */
    Autoencoder build(AutoencoderConfig config, Precision precision, Device device) {
        try (Init init = Init.blank(precision, device)) {
            Autoencoder autoencoder = config.create(init);
            try {
                copyInto(autoencoder.state());
                return autoencoder;
            } catch (RuntimeException e) {
                autoencoder.close();
                throw e;
            }
        }
    }

    private void copyInto(Map<String, Tensor> state) {
        state.forEach(this::check);
        entries.forEach((ours, entry) -> {
            if (!state.containsKey(ours)) {
                problems.add("extra " + entry.name());
            }
        });
        if (!problems.isEmpty()) {
            throw new CheckpointException(
                    source + " does not fit the autoencoder's configuration: " + String.join("; ", problems));
        }
        try (NoGradGuard noGrad = new NoGradGuard()) {
            state.forEach((ours, tensor) -> {
                try (Scope scope = Scope.open()) {
                    Entry entry = entries.get(ours);
                    tensor.copy_(entry.file().tensor(entry.name()).reshape(tensor.shape()));
                }
            });
        }
    }

    private void check(String ours, Tensor tensor) {
        Entry entry = entries.get(ours);
        if (entry == null) {
            problems.add("missing " + ours);
            return;
        }
        long[] shape = entry.file().shape(entry.name());
        long[] expected = tensor.shape();
        if (!Arrays.equals(shape, expected) && !isPointConvolution(shape, expected)) {
            problems.add(entry.name() + " is " + Arrays.toString(shape) + ", not " + Arrays.toString(expected));
        }
        ScalarType type = entry.file().type(entry.name());
        if (!REAL.contains(type)) {
            problems.add(entry.name() + " is of type " + type + ", not a floating type");
        }
    }

    /** A matrix [C, C'] that a file holds as a 1×1 convolution [C, C', 1, 1]. */
    private static boolean isPointConvolution(long[] shape, long[] expected) {
        return expected.length == 2 && Arrays.equals(shape, new long[] {expected[0], expected[1], 1, 1});
    }
}
