package org.mezzotint.text;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
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
 * Writes a folder of encoded captions shard by shard. Each shard appears whole or not at all, so encoding can be killed at any
 * time and goes on with the first shard that is not there.
 */
final class CaptionSetWriter {
    static final String HIDDEN = "hidden";
    static final String ROWS = "rows";
    static final String CAPTIONS = "captions";
    private static final String CUT = "cut";
    private static final Map<String, String> METADATA = Map.of("format", "mezzotint-captions");

    private final Path folder;
    private final CaptionSet.Plan plan;

    private CaptionSetWriter(Path folder, CaptionSet.Plan plan) {
        this.folder = folder;
        this.plan = plan;
    }

    /**
     * Begins or goes on.
     *
     * @throws InputException if the folder holds finished captions, those of another plan, or other files
     */
    static CaptionSetWriter open(Path folder, CaptionSet.Plan plan) {
        if (CaptionSet.isIn(folder)) {
            throw new InputException(folder + " already holds encoded captions: choose another folder");
        }
        Path unfinished = folder.resolve(CaptionSet.UNFINISHED);
        if (Files.isRegularFile(unfinished)) {
            AtomicFiles.removeTemporaries(folder);
            CaptionSet.Plan begun = Yaml.read(unfinished, CaptionSet.Plan.class);
            if (!begun.equals(plan)) {
                throw new InputException(
                        "the captions in " + folder + " were begun otherwise: it was " + begun + ", now is " + plan);
            }
            return new CaptionSetWriter(folder, plan);
        }
        try {
            Files.createDirectories(folder);
        } catch (IOException e) {
            throw new InputException(InputException.message("write", folder, e), e);
        }
        if (Files.exists(CaptionSet.shard(folder, 0)) || Files.exists(folder.resolve(CaptionSet.EMPTY))) {
            throw new InputException(folder + " holds shards of something else: choose another folder");
        }
        AtomicFiles.writeString(unfinished, Yaml.toJson(plan));
        return new CaptionSetWriter(folder, plan);
    }

    /** The first shard that is not there, or the number of shards when all are. */
    int next() {
        int shard = 0;
        while (shard < plan.shards() && Files.isRegularFile(CaptionSet.shard(folder, shard))) {
            shard++;
        }
        return shard;
    }

    /** Writes the empty caption's hidden states (tokens, D), if they are not there. */
    void writeEmpty(Tensor hidden) {
        Path path = folder.resolve(CaptionSet.EMPTY);
        if (!Files.isRegularFile(path)) {
            Safetensors.write(path, Map.of(HIDDEN, stored("the empty caption", hidden)), METADATA);
        }
    }

    /**
     * Writes a shard.
     *
     * @param shard its number
     * @param hidden (tokens, D)
     * @param rows where each caption begins, and the number of tokens
     * @param captions where each picture's captions begin, and the number of captions
     * @param cut number of captions that lost their end
     */
    void write(int shard, Tensor hidden, long[] rows, long[] captions, long cut) {
        try (Scope scope = Scope.open()) {
            Map<String, Tensor> tensors = Map.of(
                    HIDDEN,
                    stored("a caption of shard " + shard, hidden),
                    ROWS,
                    Tensors.of(rows),
                    CAPTIONS,
                    Tensors.of(captions),
                    CUT,
                    Tensors.of(new long[] {cut}));
            Safetensors.write(CaptionSet.shard(folder, shard), tensors, METADATA);
        }
    }

    private Tensor stored(String what, Tensor hidden) {
        try (Scope scope = Scope.open()) {
            Tensor stored = hidden.cpu().to(plan.type().scalar()).contiguous();
            if (!stored.to(ScalarType.Float).isfinite().all().item_bool()) {
                throw new InputException("a hidden state of " + what + " is not finite: encode in float32");
            }
            return scope.keep(stored);
        }
    }

    /**
     * Finishes the set: from now on it can be read.
     *
     * @throws InputException if a shard is missing
     */
    CaptionSet finish() {
        if (next() < plan.shards()) {
            throw new InputException("shard " + next() + " of " + folder + " is missing");
        }
        long captions = 0;
        long tokens = 0;
        long cut = 0;
        for (int shard = 0; shard < plan.shards(); shard++) {
            try (Scope scope = Scope.open();
                    Safetensors file = Safetensors.open(CaptionSet.shard(folder, shard))) {
                captions += file.shape(ROWS)[0] - 1;
                tokens += file.shape(HIDDEN)[0];
                cut += Tensors.longs(file.tensor(CUT))[0];
            }
        }
        CaptionSet set = new CaptionSet(plan, captions, tokens, cut);
        AtomicFiles.writeString(folder.resolve(CaptionSet.FILE), Yaml.toJson(set));
        try {
            Files.deleteIfExists(folder.resolve(CaptionSet.UNFINISHED));
        } catch (IOException e) {
            throw new InputException(InputException.message("remove", folder.resolve(CaptionSet.UNFINISHED), e), e);
        }
        return set;
    }
}
