package org.mezzotint.eval;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.function.IntConsumer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.data.PictureFiles.Picture;
import org.mezzotint.data.PictureSet;
import org.mezzotint.io.AtomicFiles;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Safetensors;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * Vectors that an extractor makes of a set of pictures, in parts of 512: kept in memory, or in a cache folder, one
 * safetensors file a part. A cache makes the work resumable: a part is written whole or not at all, the same parts with the
 * same batches are made however often the work was interrupted, and so the result is the same.
 *
 * <p>The cache is keyed by extractor, preprocessing, outputs and the fingerprint of the pictures; one folder serves many sets.
 */
public final class Extraction implements FeatureSet {
    private static final int PART = 512;
    private static final String KEY = "mezzotint_features";

    private final int size;
    private final Map<String, Integer> dims = new LinkedHashMap<>();
    private final String extractor;
    private final String preprocessing;
    private final String key;
    private final Optional<Path> folder;
    private final List<Scope> owners = new ArrayList<>();
    private final List<Map<String, Tensor>> inMemory = new ArrayList<>();

    private Extraction(PictureSet pictures, FeatureExtractor from, SortedSet<String> outputs, Optional<Path> cache) {
        size = pictures.size();
        extractor = from.id();
        preprocessing = from.preprocessing();
        for (String output : outputs) {
            Integer width = from.dims().get(output);
            if (width == null) {
                throw new InputException("the extractor " + extractor + " has no output '" + output + "', only "
                        + String.join(", ", from.dims().keySet()));
            }
            dims.put(output, width);
        }
        key = String.join(
                "\n",
                "extractor " + extractor,
                "preprocessing " + preprocessing,
                "outputs " + dims,
                "pictures " + size + " " + pictures.fingerprint());
        folder = cache.map(parent -> parent.resolve(new ContentHash().add(key).hex()));
    }

    /**
     * Makes the vectors, or what is missing of them in the cache.
     *
     * @param pictures read once, in order; may be closed afterwards
     * @param extractor makes them; may be closed afterwards
     * @param outputs out of {@link FeatureExtractor#dims}
     * @param batch pictures at once, at least 1
     * @param cache a folder, made if it is missing; empty to keep the vectors in memory
     * @param progress hears how many pictures are done
     * @return to be closed by the caller
     * @throws InputException if a picture or the cache is unusable, or a vector is not finite
     */
    public static Extraction run(
            PictureSet pictures,
            FeatureExtractor extractor,
            Set<String> outputs,
            int batch,
            Optional<Path> cache,
            IntConsumer progress) {
        if (batch < 1) {
            throw new IllegalArgumentException("batch must be at least 1, got " + batch);
        }
        Extraction made = new Extraction(pictures, extractor, new TreeSet<>(outputs), cache);
        try {
            made.folder.ifPresent(Extraction::prepare);
            for (int part = 0; part < made.parts(); part++) {
                made.make(part, pictures, extractor, batch, progress);
                progress.accept(made.end(part));
            }
            return made;
        } catch (RuntimeException e) {
            made.close();
            throw e;
        }
    }

    private static void prepare(Path folder) {
        try {
            Files.createDirectories(folder);
        } catch (IOException e) {
            throw new InputException("cannot write " + folder + ": " + InputException.reason(e), e);
        }
        AtomicFiles.removeTemporaries(folder);
    }

    private int parts() {
        return (size + PART - 1) / PART;
    }

    private int end(int part) {
        return (int) Math.min(size, (part + 1L) * PART);
    }

    private int rows(int part) {
        return end(part) - part * PART;
    }

    private void make(int part, PictureSet pictures, FeatureExtractor from, int batch, IntConsumer progress) {
        if (folder.isPresent() && Files.exists(file(part))) {
            check(part);
            return;
        }
        Scope owner = Scope.owner();
        try {
            Map<String, Tensor> vectors = new LinkedHashMap<>();
            int first = part * PART;
            int rows = rows(part);
            dims.forEach((output, width) -> vectors.put(output, Tensors.empty(ScalarType.Float, rows, width)));
            for (int done = 0; done < rows; done += batch) {
                int count = Math.min(batch, rows - done);
                fill(vectors, pictures, from, first + done, done, count);
                progress.accept(first + done + count);
            }
            if (folder.isPresent()) {
                Safetensors.write(file(part), vectors, Map.of(KEY, key));
            } else {
                inMemory.add(vectors);
                owners.add(owner);
            }
        } finally {
            owner.leave();
            if (!owners.contains(owner)) {
                owner.close();
            }
        }
    }

    private void fill(
            Map<String, Tensor> vectors, PictureSet pictures, FeatureExtractor from, int first, int at, int count) {
        List<Picture> batch = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            batch.add(pictures.read(first + i));
        }
        try (Scope scope = Scope.open()) {
            from.extract(batch, dims.keySet()).forEach((output, made) -> {
                if (!made.isfinite().all().item_bool()) {
                    throw new InputException("the extractor gives " + output
                            + " that are not finite for one of pictures " + first + " to " + (first + count - 1));
                }
                vectors.get(output).narrow(0, at, count).copy_(made);
            });
        }
    }

    private Path file(int part) {
        return folder.orElseThrow().resolve(String.format(Locale.ROOT, "features-%05d.safetensors", part));
    }

    private void check(int part) {
        try (Safetensors file = Safetensors.open(file(part))) {
            boolean fits = key.equals(file.metadata().get(KEY));
            for (Map.Entry<String, Integer> output : dims.entrySet()) {
                fits &= file.contains(output.getKey())
                        && Arrays.equals(file.shape(output.getKey()), new long[] {rows(part), output.getValue()});
            }
            if (!fits) {
                throw new InputException(file(part) + " holds other features: remove it");
            }
        }
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
        return extractor;
    }

    @Override
    public String preprocessing() {
        return preprocessing;
    }

    @Override
    public void forEachBlock(String output, Consumer<Tensor> consumer) {
        check(output);
        for (int part = 0; part < parts(); part++) {
            if (folder.isEmpty()) {
                consumer.accept(inMemory.get(part).get(output));
            } else {
                try (Scope scope = Scope.open();
                        Safetensors file = Safetensors.open(file(part))) {
                    consumer.accept(file.tensor(output));
                }
            }
        }
    }

    /** Frees what is in memory; a cache folder stays. */
    @Override
    public void close() {
        owners.forEach(Scope::close);
        owners.clear();
        inMemory.clear();
    }
}
