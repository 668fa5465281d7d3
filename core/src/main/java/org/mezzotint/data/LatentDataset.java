package org.mezzotint.data;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.random.RandomGenerator;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Safetensors;
import org.mezzotint.io.Yaml;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** Latents of pictures from a folder that {@link LatentSetWriter} wrote, as a model sees them. Shards are mapped, not read. */
public final class LatentDataset implements Dataset {
    private final Path folder;
    private final LatentSet set;
    private final LatentSpace space;
    private final boolean flip;
    private final Posterior posterior;
    private final List<Shard> shards = new ArrayList<>();
    private final Scope maps;

    /** What is taken of a stored distribution. */
    public enum Posterior {
        /** A new sample at each reading. */
        SAMPLE,
        /** Its mean. */
        MEAN
    }

    /** Maps of one file; {@code flipped} is null without flips, a log variance is null for stored samples. */
    private record Shard(Part plain, Part flipped, long[] labels) {}

    private record Part(Tensor mean, Tensor logVariance) {}

    private LatentDataset(Path folder, LatentSet set, LatentSet.Scaling scaling, boolean flip, Posterior posterior) {
        this.folder = folder;
        this.set = set;
        this.flip = flip;
        this.posterior = posterior;
        space = set.space(scaling);
        maps = Scope.owner();
        try {
            for (int i = 0; i < set.plan().shards(); i++) {
                shards.add(open(i));
            }
        } catch (RuntimeException e) {
            maps.leave();
            maps.close();
            throw e;
        }
        maps.leave();
    }

    /**
     * Opens a folder.
     *
     * @param folder of finished latents
     * @param scaling by which numbers latents are shifted and scaled
     * @param flip whether the mirrored picture's latents are taken at random; the folder must have them
     * @param posterior what is taken of stored distributions; stored samples take {@link Posterior#SAMPLE} only
     * @return to be closed by the caller
     * @throws InputException if the folder is not finished, lacks what is asked for, or a shard is damaged
     */
    public static LatentDataset open(Path folder, LatentSet.Scaling scaling, boolean flip, Posterior posterior) {
        LatentSet set = LatentSet.read(folder);
        if (flip && !set.plan().flips()) {
            throw new InputException(
                    "data.flip needs latents of mirrored pictures, which " + folder + " lacks: encode with --flip");
        }
        if (posterior == Posterior.MEAN && set.plan().kind() == LatentSet.Kind.SAMPLES) {
            throw new InputException("data.posterior must be sample: " + folder + " holds samples, not means");
        }
        return new LatentDataset(folder, set, scaling, flip, posterior);
    }

    private Shard open(int number) {
        Path path = LatentSet.shard(folder, number);
        try (Safetensors file = Safetensors.open(path)) {
            int n = set.plan().size(number);
            long[] labels = Tensors.longs(file.tensor(LatentSetWriter.LABEL));
            if (labels.length != n) {
                throw new InputException(path + ": must have " + n + " labels, got " + labels.length);
            }
            return new Shard(
                    part(file, path, "", n),
                    set.plan().flips() ? part(file, path, LatentSetWriter.FLIPPED, n) : null,
                    labels);
        }
    }

    private Part part(Safetensors file, Path path, String prefix, int n) {
        return new Part(
                tensor(file, path, prefix + LatentSetWriter.MEAN, n),
                set.plan().kind() == LatentSet.Kind.MOMENTS
                        ? tensor(file, path, prefix + LatentSetWriter.LOG_VARIANCE, n)
                        : null);
    }

    private Tensor tensor(Safetensors file, Path path, String name, int n) {
        long[] expected = {n, channels(), height(), width()};
        if (!java.util.Arrays.equals(file.shape(name), expected)) {
            throw new InputException(path + ": " + name + " must be " + java.util.Arrays.toString(expected) + ", got "
                    + java.util.Arrays.toString(file.shape(name)));
        }
        return file.tensor(name);
    }

    @Override
    public Optional<LatentSpace> latents() {
        return Optional.of(space);
    }

    @Override
    public int size() {
        return set.plan().count();
    }

    @Override
    public int channels() {
        return set.plan().channels();
    }

    @Override
    public int height() {
        return set.plan().height();
    }

    @Override
    public int width() {
        return set.plan().width();
    }

    @Override
    public List<String> classNames() {
        return set.plan().classNames();
    }

    @Override
    public long label(int index) {
        Objects.checkIndex(index, size());
        return shards.get(index / set.plan().shardSize())
                .labels[index % set.plan().shardSize()];
    }

    @Override
    public void read(int index, RandomGenerator random, float[] into, int offset) {
        Objects.checkIndex(index, size());
        Objects.checkFromIndexSize(offset, channels() * height() * width(), into.length);
        Shard shard = shards.get(index / set.plan().shardSize());
        Part part = flip && random.nextBoolean() ? shard.flipped : shard.plain;
        int row = index % set.plan().shardSize();
        float[] mean = row(part.mean, row);
        float[] logVariance =
                posterior == Posterior.MEAN || part.logVariance == null ? new float[0] : row(part.logVariance, row);
        for (float value : mean) {
            if (!Float.isFinite(value)) {
                throw new InputException(name(index) + " is not finite");
            }
        }
        space.write(mean, logVariance, random, height() * width(), into, offset);
    }

    private static float[] row(Tensor tensor, int row) {
        try (Scope scope = Scope.open()) {
            return Tensors.floats(tensor.select(0, row));
        }
    }

    @Override
    public String name(int index) {
        return "latent " + Objects.checkIndex(index, size()) + " of " + folder;
    }

    @Override
    public String fingerprint() {
        return new Fingerprint("latents")
                .add(Yaml.toJson(set))
                .add(Yaml.toJson(space))
                .hex();
    }

    @Override
    public void close() {
        maps.close();
    }
}
