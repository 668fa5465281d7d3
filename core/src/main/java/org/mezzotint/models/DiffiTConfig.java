package org.mezzotint.models;

import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.List;
import java.util.OptionalLong;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.RelativePositions;

/**
 * Shape of a latent {@link DiffiT} (arXiv:2312.02139v3, section 3.4 and appendix H.2).
 *
 * @param height latent (or picture) height, a multiple of the patch size
 * @param width latent (or picture) width, a multiple of the patch size
 * @param channels of the latent (or picture)
 * @param patchSize side of a patch
 * @param hiddenSize width of a token, a multiple of 4 and of the number of heads
 * @param depth number of blocks
 * @param numHeads attention heads
 * @param mlpRatio hidden width of the MLP over the width of a token
 * @param numClasses 0 for an unconditional network
 * @param nullClass whether label {@code numClasses} stands for "no class", which guidance needs
 * @param learnSigma whether a variance code follows the prediction, doubling the output's channels
 * @param time where time and class enter the blocks
 */
public record DiffiTConfig(
        int height,
        int width,
        int channels,
        int patchSize,
        int hiddenSize,
        int depth,
        int numHeads,
        double mlpRatio,
        int numClasses,
        boolean nullClass,
        boolean learnSigma,
        Time time)
        implements ModelConfig {

    /** Where time and class enter a block: the rows of table 6. */
    public enum Time {
        /** In query, key and value of its attention. The paper's choice. */
        @JsonProperty("tmsa")
        TMSA,
        /** In the hidden layer of its MLP. */
        @JsonProperty("mlp")
        MLP,
        /** In its bias of relative positions. */
        @JsonProperty("bias")
        BIAS
    }

    /** Checks every rule. */
    public DiffiTConfig {
        positive("height", height);
        positive("width", width);
        positive("channels", channels);
        positive("patchSize", patchSize);
        positive("hiddenSize", hiddenSize);
        ModelConfig.checkBlocks("depth", depth);
        positive("numHeads", numHeads);
        multiple("height", height, "patchSize", patchSize);
        multiple("width", width, "patchSize", patchSize);
        multiple("hiddenSize", hiddenSize, "numHeads", numHeads);
        if (hiddenSize % 4 != 0) {
            throw new IllegalArgumentException(
                    "hiddenSize must be a multiple of 4 for 2-D positions, got " + hiddenSize);
        }
        long tokens = (long) (height / patchSize) * (width / patchSize);
        if (tokens > RelativePositions.MAX_TOKENS) {
            throw new IllegalArgumentException("height and width must give at most " + RelativePositions.MAX_TOKENS
                    + " patches, between each two of which there is a bias, got a grid of " + height / patchSize
                    + " times " + width / patchSize);
        }
        if (tokens > Integer.MAX_VALUE / hiddenSize) {
            throw new IllegalArgumentException("tokens times hiddenSize must fit into 32 bits, got a grid of "
                    + height / patchSize + " times " + width / patchSize + " and " + hiddenSize);
        }
        if (!(mlpRatio > 0 && mlpRatio * hiddenSize >= 1 && mlpRatio <= 64)) {
            throw new IllegalArgumentException("mlpRatio must be above 0 and at most 64, got " + mlpRatio);
        }
        if (numClasses < 0) {
            throw new IllegalArgumentException("numClasses must not be negative, got " + numClasses);
        }
        if (nullClass && numClasses == 0) {
            throw new IllegalArgumentException("nullClass needs classes, got numClasses 0");
        }
        if (time == null) {
            throw new IllegalArgumentException("time must be given: tmsa, mlp or bias");
        }
    }

    private static void positive(String name, int value) {
        if (value < 1) {
            throw new IllegalArgumentException(name + " must be at least 1, got " + value);
        }
    }

    private static void multiple(String name, int value, String of, int divisor) {
        if (value % divisor != 0) {
            throw new IllegalArgumentException(
                    name + " must be a multiple of " + of + ", got " + value + " and " + divisor);
        }
    }

    /**
     * This shape with time and class elsewhere.
     *
     * @param other where they enter the blocks
     * @return a copy
     */
    public DiffiTConfig withTime(Time other) {
        return new DiffiTConfig(
                height,
                width,
                channels,
                patchSize,
                hiddenSize,
                depth,
                numHeads,
                mlpRatio,
                numClasses,
                nullClass,
                learnSigma,
                other);
    }

    @Override
    @JsonIgnore
    public int outputChannels() {
        return learnSigma ? 2 * channels : channels;
    }

    @Override
    @JsonIgnore
    public List<String> inputs() {
        return numClasses > 0 ? List.of(org.mezzotint.tensor.Conditioning.CLASS) : List.of();
    }

    @Override
    @JsonIgnore
    public TimeInput timeInput() {
        return TimeInput.TIMESTEP;
    }

    @Override
    @JsonIgnore
    public List<String> optionalInputs() {
        return List.of();
    }

    @Override
    @JsonIgnore
    public Tables tables() {
        return new Tables(numClasses > 0 ? "y_embedder.embedding_table.weight" : "", "pos_embed", rows(), columns());
    }

    /** Rows of the grid of tokens. */
    int rows() {
        return height / patchSize;
    }

    /** Columns of the grid of tokens. */
    int columns() {
        return width / patchSize;
    }

    /** Number of tokens T. */
    int tokens() {
        return rows() * columns();
    }

    /** Hidden width of the MLP. */
    int mlpHidden() {
        return (int) (hiddenSize * mlpRatio);
    }

    /** Rows of the label table. */
    int labelRows() {
        return numClasses + (nullClass ? 1 : 0);
    }

    @Override
    public DiffiT create(Init init) {
        return new DiffiT(this, init);
    }

    /** The paper's 114 G leave out attention's products of queries with keys and of weights with values. */
    @Override
    @JsonIgnore
    public OptionalLong macsWithoutAttentionProducts() {
        return OptionalLong.of(cost().macs() - depth * attentionProducts());
    }

    /** Of one block. */
    private long attentionProducts() {
        return 2L * tokens() * tokens() * hiddenSize;
    }

    @Override
    public Cost cost() {
        long d = hiddenSize;
        long t = tokens();
        long patch = (long) patchSize * patchSize;
        long timeWidth =
                switch (time) {
                    case TMSA -> 3 * d;
                    case MLP -> mlpHidden();
                    case BIAS -> (2L * rows() - 1 + 2L * columns() - 1) * numHeads;
                };
        long block = t * (4 * d * d + 2 * d * mlpHidden()) + d * timeWidth; // qkv, proj, MLP; time
        long macs = t * channels * patch * d // patches in
                + 256 * d
                + d * d // time
                + depth * (block + attentionProducts())
                + t * d * patch * outputChannels(); // patches out
        // Float32 values in units of one (T, D) tensor, beside tensors (h, T, T) of attention: measured
        // (docs/memory.md).
        long unit = 4 * t * d;
        long square = 4 * t * t * numHeads;
        double hidden = (double) mlpHidden() / d;
        long perBlock = (long) (unit * (7 + 3 * hidden)) + square;
        long working = (long) (unit * (8 + 2 * hidden)) + 4 * square;
        return new Cost(
                Cost.parameters(this),
                macs,
                depth * perBlock + working,
                depth * unit + perBlock + 3 * working,
                working);
    }
}
