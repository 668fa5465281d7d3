package org.mezzotint.text;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Safetensors;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** Reads a folder of encoded captions. Shards are memory maps; several threads may read at once. */
public final class CaptionEmbeddings implements AutoCloseable {
    private final Path folder;
    private final CaptionSet set;
    private final Scope maps;
    private final List<Shard> shards = new ArrayList<>();
    private final Embedding empty;

    private record Shard(Tensor hidden, long[] rows, long[] captions) {}

    /**
     * The hidden states of one caption.
     *
     * @param tokens T, at least 1
     * @param width D
     * @param values T·D numbers, token after token
     */
    public record Embedding(int tokens, int width, float[] values) {}

    private CaptionEmbeddings(Path folder, CaptionSet set) {
        this.folder = folder;
        this.set = set;
        maps = Scope.owner();
        try {
            for (int i = 0; i < set.plan().shards(); i++) {
                shards.add(open(i));
            }
            empty = openEmpty();
        } catch (RuntimeException e) {
            maps.close();
            throw e;
        }
        maps.leave();
    }

    /**
     * Opens a folder.
     *
     * @param folder of finished captions
     * @return to be closed by the caller
     * @throws InputException if the folder is not finished, or a shard is missing or damaged
     */
    public static CaptionEmbeddings open(Path folder) {
        return new CaptionEmbeddings(folder, CaptionSet.read(folder));
    }

    private Shard open(int number) {
        Path path = CaptionSet.shard(folder, number);
        try (Safetensors file = Safetensors.open(path)) {
            Shard shard;
            try (Scope scope = Scope.open()) {
                shard = new Shard(
                        scope.keep(file.tensor(CaptionSetWriter.HIDDEN)),
                        Tensors.longs(file.tensor(CaptionSetWriter.ROWS)),
                        Tensors.longs(file.tensor(CaptionSetWriter.CAPTIONS)));
            }
            long tokens = checkSteps(path, CaptionSetWriter.ROWS, shard.rows);
            long captions = checkSteps(path, CaptionSetWriter.CAPTIONS, shard.captions);
            long[] expected = {tokens, set.plan().width()};
            boolean fits = captions == shard.rows.length - 1
                    && shard.captions.length == set.plan().size(number) + 1
                    && Arrays.equals(shard.hidden.shape(), expected)
                    && Tensors.type(shard.hidden) == set.plan().type().scalar();
            if (!fits) {
                throw new InputException(path + ": does not fit " + CaptionSet.FILE + ", the shard is of another set");
            }
            return shard;
        }
    }

    /** Starts must begin at 0 and grow, or a damaged shard would lead outside. */
    private static long checkSteps(Path path, String name, long[] starts) {
        boolean grows = starts.length > 1 && starts[0] == 0;
        for (int i = 1; grows && i < starts.length; i++) {
            grows = starts[i] > starts[i - 1];
        }
        if (!grows) {
            throw new InputException(path + ": " + name + " must begin at 0 and grow");
        }
        return starts[starts.length - 1];
    }

    private Embedding openEmpty() {
        Path path = folder.resolve(CaptionSet.EMPTY);
        try (Safetensors file = Safetensors.open(path);
                Scope scope = Scope.open()) {
            Tensor hidden = file.tensor(CaptionSetWriter.HIDDEN);
            if (hidden.dim() != 2
                    || hidden.size(0) < 1
                    || hidden.size(1) != set.plan().width()) {
                throw new InputException(
                        path + ": must be (tokens, " + set.plan().width() + ")");
            }
            return embedding(hidden);
        }
    }

    private Embedding embedding(Tensor hidden) {
        return new Embedding(Math.toIntExact(hidden.size(0)), set.plan().width(), Tensors.floats(hidden));
    }

    /**
     * The description of the folder.
     *
     * @return with the plan
     */
    public CaptionSet set() {
        return set;
    }

    /**
     * The number of captions of a picture.
     *
     * @param picture from 0
     * @return at least 1
     */
    public int captions(int picture) {
        Shard shard = shard(picture);
        int at = picture % set.plan().shardSize();
        return (int) (shard.captions[at + 1] - shard.captions[at]);
    }

    /**
     * The hidden states of one caption.
     *
     * @param picture from 0
     * @param caption from 0, below {@link #captions}
     * @return a copy
     */
    public Embedding read(int picture, int caption) {
        Objects.checkIndex(caption, captions(picture));
        Shard shard = shard(picture);
        int at = (int) shard.captions[picture % set.plan().shardSize()] + caption;
        try (Scope scope = Scope.open()) {
            return embedding(shard.hidden.narrow(0, shard.rows[at], shard.rows[at + 1] - shard.rows[at]));
        }
    }

    /**
     * The hidden states of the empty caption, which stands for no condition.
     *
     * @return shared, not to be changed
     */
    public Embedding empty() {
        return empty;
    }

    private Shard shard(int picture) {
        Objects.checkIndex(picture, set.plan().pictures());
        return shards.get(picture / set.plan().shardSize());
    }

    /**
     * Refuses captions of another data set.
     *
     * @param source fingerprint of the captions
     * @throws InputException if these were made from others
     */
    public void requireSource(String source) {
        if (!set.plan().source().equals(source)) {
            throw new InputException(
                    "the captions in " + folder + " belong to other pictures or captions: run encode-text again");
        }
    }

    @Override
    public void close() {
        maps.close();
    }
}
