package org.mezzotint.models;

import com.fasterxml.jackson.annotation.JsonIgnore;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.ResidualBlock;
import org.mezzotint.tensor.Conditioning;

/**
 * Shape of a {@link UViT} (arXiv:2301.11093, appendix B).
 *
 * @param height picture height; a multiple of the first layer's factor times 2 for every level of {@code levels}
 * @param width picture width, as the height
 * @param channels of the picture
 * @param downsampling what the first and the last layer do
 * @param baseChannels channels that the multipliers multiply, and number of noise features; even
 * @param embeddingWidth width of the vector that tells noise and class
 * @param levels of residual blocks, from the outermost, which has the largest map
 * @param transformer the innermost level, whose map is half that of the last of {@code levels}
 * @param groups of the group norms
 * @param numClasses 0 for an unconditional network; label {@code numClasses} stands for "no class"
 */
public record UViTConfig(
        int height,
        int width,
        int channels,
        Downsampling downsampling,
        int baseChannels,
        int embeddingWidth,
        List<ResidualLevel> levels,
        Transformer transformer,
        int groups,
        int numClasses)
        implements ModelConfig {

    /**
     * The innermost level.
     *
     * @param multiplier of the base channels
     * @param blocks each an MLP and an attention
     * @param numHeads attention heads
     * @param dropout share of activations that training sets to zero in the MLPs
     */
    public record Transformer(int multiplier, int blocks, int numHeads, double dropout) {
        /** Checks what does not depend on the width. */
        public Transformer {
            ResidualLevel.atLeast("transformer.multiplier", multiplier, 1);
            ModelConfig.checkBlocks("transformer.blocks", blocks);
            ResidualLevel.atLeast("transformer.numHeads", numHeads, 1);
            ResidualLevel.fraction("transformer.dropout", dropout);
        }
    }

    /** Checks every rule. */
    public UViTConfig {
        if (downsampling == null
                || levels == null
                || levels.isEmpty()
                || levels.stream().anyMatch(Objects::isNull)
                || transformer == null) {
            throw new IllegalArgumentException("downsampling, levels and transformer must be given");
        }
        levels = List.copyOf(levels);
        ResidualLevel.check(
                height,
                width,
                channels,
                downsampling,
                baseChannels,
                Stream.concat(levels.stream().map(ResidualLevel::multiplier), Stream.of(transformer.multiplier()))
                        .toList());
        ResidualLevel.atLeast("embeddingWidth", embeddingWidth, 1);
        ResidualLevel.atLeast("numClasses", numClasses, 0);
        for (ResidualLevel level : levels) {
            ResidualLevel.checkGroups(groups, baseChannels * level.multiplier());
        }
        ResidualLevel.checkHeads(transformer.numHeads(), baseChannels * transformer.multiplier());
    }

    /** Rows of a level's map; the transformer's comes after those of {@link #levels}. */
    int rows(int level) {
        return (height / downsampling.factor()) >> level;
    }

    /** Columns of a level's map. */
    int columns(int level) {
        return (width / downsampling.factor()) >> level;
    }

    /** Channels of a level's map. */
    int width(int level) {
        return baseChannels
                * (level == levels.size()
                        ? transformer.multiplier()
                        : levels.get(level).multiplier());
    }

    /**
     * This network for another size and other classes, with that one's dropout.
     *
     * @param other of the size and the classes
     * @return a copy; this itself where the levels or the first layers differ
     */
    public UViTConfig inSizeOf(UViTConfig other) {
        if (!levels.equals(other.levels) || !downsampling.equals(other.downsampling)) {
            return this;
        }
        return new UViTConfig(
                other.height,
                other.width,
                channels,
                downsampling,
                baseChannels,
                embeddingWidth,
                levels,
                new Transformer(
                        transformer.multiplier(),
                        transformer.blocks(),
                        transformer.numHeads(),
                        other.transformer.dropout()),
                groups,
                other.numClasses);
    }

    @Override
    public boolean nullClass() {
        return numClasses > 0;
    }

    @Override
    @JsonIgnore
    public int outputChannels() {
        return channels;
    }

    @Override
    @JsonIgnore
    public List<String> inputs() {
        return numClasses > 0 ? List.of(Conditioning.CLASS) : List.of();
    }

    @Override
    @JsonIgnore
    public List<String> optionalInputs() {
        return List.of();
    }

    @Override
    @JsonIgnore
    public TimeInput timeInput() {
        return TimeInput.LOG_SNR;
    }

    @Override
    @JsonIgnore
    public Tables tables() {
        return new Tables(
                numClasses > 0 ? "class_embedding.weight" : "",
                "positions",
                rows(levels.size()),
                columns(levels.size()));
    }

    @Override
    public UViT create(Init init) {
        return new UViT(this, init);
    }

    @Override
    public Cost cost() {
        int last = levels.size();
        long[] trained = Cost.parameters(this, last + 1, this::levelOf);
        List<Cost.Level> parts = new ArrayList<>();
        long noted = 0; // inputs of blocks
        long skipped = 0; // results on the way in
        long largest = 0;
        for (int i = 0; i <= last; i++) {
            long cells = (long) rows(i) * columns(i);
            long w = width(i);
            long macs;
            long floats;
            if (i < last) {
                long blocks = 2L * levels.get(i).blocks();
                ResidualLevel.Kept kept = ResidualLevel.kept(cells, w, blocks, false);
                macs = blocks * ResidualBlock.macs(cells, w, embeddingWidth)
                        + 2 * cells / 4 * w * width(i + 1); // 1×1 convolutions in and out
                floats = kept.all() + cells / 4 * w + cells * w; // the averaged map, the doubled one
                noted += kept.inputs() + 2 * cells * w;
                skipped += (levels.get(i).blocks() + 1) * cells * w;
                largest = Math.max(largest, kept.largest());
            } else {
                long hidden = UViT.HIDDEN_RATIO;
                long block = (UViT.BLOCK_MAPS + (transformer.dropout() > 0 ? hidden : 0)) * cells * w;
                macs = transformer.blocks()
                        * (cells * w * w * (4 + 2 * hidden) + 2 * cells * cells * w + 2 * hidden * w * embeddingWidth);
                floats = transformer.blocks() * block + cells * w;
                noted += (transformer.blocks() + 1) * cells * w;
                largest = Math.max(largest, block);
            }
            if (i == 0) {
                macs += ResidualLevel.edgeMacs(downsampling, channels, cells, w);
                floats += 3 * cells * w; // the first layer's result; in front of the last one
            }
            parts.add(new Cost.Level(rows(i), columns(i), width(i), trained[i], macs, 4 * floats));
        }
        long outside = (long) baseChannels * embeddingWidth + (long) embeddingWidth * embeddingWidth;
        return new Cost(
                Cost.parameters(this),
                outside + parts.stream().mapToLong(Cost.Level::macs).sum(),
                parts.stream().mapToLong(Cost.Level::activationBytes).sum() + 4 * largest,
                // how many times the largest block is alive at once: measured at 256 x 256 pixels, base channels 32
                4 * (noted + 4 * largest),
                4 * (skipped + largest * 3 / 2),
                parts);
    }

    /** The level of a tensor: what leads to a smaller map and back counts with the larger one, the conditioning with none. */
    private int levelOf(String tensor) {
        String[] names = tensor.split("\\.", 3);
        return switch (names[0]) {
            case "down", "up", "shrink", "grow" -> Integer.parseInt(names[1]);
            case "transformer", "positions" -> levels.size();
            case "input", "output" -> 0;
            default -> -1;
        };
    }
}
