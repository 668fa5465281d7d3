package org.mezzotint.data;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.io.AtomicFiles;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Safetensors;
import org.mezzotint.io.Yaml;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * Writes a folder of latents shard by shard. Each shard appears whole or not at all, so encoding can be killed at any time and
 * goes on with the first shard that is not there.
 */
public final class LatentSetWriter {
    static final String MEAN = "mean";
    static final String LOG_VARIANCE = "log_variance";
    static final String FLIPPED = "flipped.";
    static final String LABEL = "label";
    private static final String SUM = "sum";
    private static final String SQUARES = "sum_of_squares";

    private final Path folder;
    private final LatentSet.Plan plan;

    private LatentSetWriter(Path folder, LatentSet.Plan plan) {
        this.folder = folder;
        this.plan = plan;
    }

    /**
     * Begins or goes on.
     *
     * @param folder made if need be
     * @param plan what is to be written
     * @return the writer
     * @throws InputException if the folder holds finished latents, those of another plan, or other files
     */
    public static LatentSetWriter open(Path folder, LatentSet.Plan plan) {
        if (Files.isRegularFile(folder.resolve(LatentSet.FILE))) {
            throw new InputException(folder + " already holds latents: choose another folder");
        }
        Path unfinished = folder.resolve(LatentSet.UNFINISHED);
        if (Files.isRegularFile(unfinished)) {
            AtomicFiles.removeTemporaries(folder);
            LatentSet.Plan begun = Yaml.read(unfinished, LatentSet.Plan.class);
            if (!begun.equals(plan)) {
                throw new InputException(
                        "the latents in " + folder + " were begun otherwise: it was " + begun + ", now is " + plan);
            }
            return new LatentSetWriter(folder, plan);
        }
        try {
            Files.createDirectories(folder);
        } catch (IOException e) {
            throw new InputException(InputException.message("write", folder, e), e);
        }
        if (Files.exists(LatentSet.shard(folder, 0))) {
            throw new InputException(folder + " holds shards of latents but not what they are: choose another folder");
        }
        AtomicFiles.writeString(unfinished, Yaml.toJson(plan));
        return new LatentSetWriter(folder, plan);
    }

    /**
     * The first shard that is not there.
     *
     * @return a number, or {@link LatentSet.Plan#shards()} when all are
     */
    public int next() {
        int shard = 0;
        while (shard < plan.shards() && Files.isRegularFile(LatentSet.shard(folder, shard))) {
            shard++;
        }
        return shard;
    }

    /**
     * One set of latents of a shard's pictures: as they are, or mirrored.
     *
     * @param mean (n, c, h, w), or one sample each
     * @param logVariance (n, c, h, w); an empty tensor for samples
     */
    public record Part(Tensor mean, Tensor logVariance) {}

    /**
     * Writes a shard.
     *
     * @param shard its number
     * @param plain latents of the pictures as they are
     * @param flipped latents of the mirrored pictures; null without flips
     * @param labels one a picture
     * @throws InputException if a latent is not finite, or the shard cannot be written
     */
    public void write(int shard, Part plain, Part flipped, long[] labels) {
        try (Scope scope = Scope.open()) {
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            Tensor[] sums = {Tensors.of(new double[plan.channels()]), Tensors.of(new double[plan.channels()])};
            add(shard, "", plain, tensors, sums);
            if (plan.flips()) {
                add(shard, FLIPPED, flipped, tensors, sums);
            }
            tensors.put(LABEL, Tensors.of(labels));
            tensors.put(SUM, sums[0]);
            tensors.put(SQUARES, sums[1]);
            Safetensors.write(LatentSet.shard(folder, shard), tensors, Map.of("format", "mezzotint-latents"));
        }
    }

    private void add(int shard, String prefix, Part part, Map<String, Tensor> tensors, Tensor[] sums) {
        boolean moments = plan.kind() == LatentSet.Kind.MOMENTS;
        Tensor mean = stored(shard, prefix + MEAN, part.mean(), tensors);
        Tensor wide = mean.to(ScalarType.Double);
        sums[0].add_(wide.sum(new long[] {0, 2, 3}));
        Tensor squares = wide.square();
        if (moments) {
            Tensor logVariance = stored(shard, prefix + LOG_VARIANCE, part.logVariance(), tensors);
            squares = squares.add(logVariance.to(ScalarType.Double).exp());
        }
        sums[1].add_(squares.sum(new long[] {0, 2, 3}));
    }

    private Tensor stored(int shard, String name, Tensor latents, Map<String, Tensor> tensors) {
        Tensor stored = latents.cpu().to(plan.type().scalar()).contiguous();
        if (!stored.isfinite().all().item_bool()) {
            throw new InputException("a latent of pictures " + (long) shard * plan.shardSize() + " to "
                    + ((long) shard * plan.shardSize() + plan.size(shard) - 1)
                    + " is not finite: encode in float32, and store float32");
        }
        tensors.put(name, stored);
        return stored;
    }

    /**
     * Finishes the set: from now on it can be read.
     *
     * @return its description
     * @throws InputException if a shard is missing
     */
    public LatentSet finish() {
        if (next() < plan.shards()) {
            throw new InputException("shard " + next() + " of " + folder + " is missing");
        }
        double[] sum = new double[plan.channels()];
        double[] squares = new double[plan.channels()];
        for (int shard = 0; shard < plan.shards(); shard++) {
            try (Scope scope = Scope.open();
                    Safetensors file = Safetensors.open(LatentSet.shard(folder, shard))) {
                double[] first = Tensors.doubles(file.tensor(SUM));
                double[] second = Tensors.doubles(file.tensor(SQUARES));
                for (int c = 0; c < sum.length; c++) {
                    sum[c] += first[c];
                    squares[c] += second[c];
                }
            }
        }
        double n = (double) plan.count() * plan.height() * plan.width() * (plan.flips() ? 2 : 1);
        List<Double> mean = new ArrayList<>();
        List<Double> deviation = new ArrayList<>();
        for (int c = 0; c < sum.length; c++) {
            mean.add(sum[c] / n);
            deviation.add(Math.sqrt(Math.max(0, squares[c] / n - sum[c] / n * (sum[c] / n))));
        }
        LatentSet set = new LatentSet(plan, mean, deviation);
        AtomicFiles.writeString(folder.resolve(LatentSet.FILE), Yaml.toJson(set));
        try {
            Files.deleteIfExists(folder.resolve(LatentSet.UNFINISHED));
        } catch (IOException e) {
            throw new InputException(InputException.message("remove", folder.resolve(LatentSet.UNFINISHED), e), e);
        }
        return set;
    }
}
