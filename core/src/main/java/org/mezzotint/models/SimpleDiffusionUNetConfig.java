package org.mezzotint.models;

import com.fasterxml.jackson.annotation.JsonIgnore;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.ResidualBlock;
import org.mezzotint.tensor.Conditioning;

/**
 * Shape of a {@link SimpleDiffusionUNet} (arXiv:2301.11093, appendix B). A level is called by the shorter side of its map.
 *
 * @param height picture height; a multiple of the first layer's factor times 2 for every level but the first
 * @param width picture width, as the height
 * @param channels of the picture
 * @param downsampling what the first and the last layer do
 * @param baseChannels channels that the levels' multipliers multiply, and number of noise features; even
 * @param embeddingWidth width of the vector that tells noise and class
 * @param levels from the outermost, which has the largest map, to the innermost
 * @param attentionResolutions levels at which an attention follows each residual block; the middle always has one
 * @param numHeads attention heads
 * @param dropout share of activations that training sets to zero inside residual blocks
 * @param dropoutFrom the largest level that drops, and all smaller ones do; 0 exactly if dropout is 0
 * @param groups of the group norms
 * @param numClasses 0 for an unconditional network; label {@code numClasses} stands for "no class"
 */
public record SimpleDiffusionUNetConfig(
        int height,
        int width,
        int channels,
        Downsampling downsampling,
        int baseChannels,
        int embeddingWidth,
        List<ResidualLevel> levels,
        List<Integer> attentionResolutions,
        int numHeads,
        double dropout,
        int dropoutFrom,
        int groups,
        int numClasses)
        implements ModelConfig {

    /** Checks every rule. */
    public SimpleDiffusionUNetConfig {
        if (downsampling == null
                || levels == null
                || levels.isEmpty()
                || levels.stream().anyMatch(Objects::isNull)
                || attentionResolutions == null
                || attentionResolutions.stream().anyMatch(Objects::isNull)) {
            throw new IllegalArgumentException("downsampling, levels and attentionResolutions must be given");
        }
        levels = List.copyOf(levels);
        attentionResolutions = List.copyOf(attentionResolutions);
        ResidualLevel.check(
                height,
                width,
                channels,
                downsampling,
                baseChannels,
                levels.stream().map(ResidualLevel::multiplier).toList());
        ResidualLevel.atLeast("embeddingWidth", embeddingWidth, 1);
        ResidualLevel.atLeast("numClasses", numClasses, 0);
        ResidualLevel.fraction("dropout", dropout);
        int outermost = Math.min(height, width) / downsampling.factor();
        List<Integer> sides = new ArrayList<>();
        for (int i = 0; i < levels.size(); i++) {
            sides.add(outermost >> i);
        }
        for (int resolution : attentionResolutions) {
            if (!sides.contains(resolution)) {
                throw new IllegalArgumentException("attentionResolutions must be shorter sides of levels, "
                        + listed(sides) + ", got " + resolution);
            }
        }
        if (new HashSet<>(attentionResolutions).size() < attentionResolutions.size()) {
            throw new IllegalArgumentException(
                    "attentionResolutions must not repeat, got " + listed(attentionResolutions));
        }
        if (dropout == 0 && dropoutFrom != 0) {
            throw new IllegalArgumentException("dropoutFrom must be 0 without dropout, got " + dropoutFrom);
        }
        if (dropout > 0 && !sides.contains(dropoutFrom)) {
            throw new IllegalArgumentException(
                    "dropoutFrom must be the shorter side of a level, " + listed(sides) + ", got " + dropoutFrom);
        }
        for (int i = 0; i < levels.size(); i++) {
            int channelsOfLevel = baseChannels * levels.get(i).multiplier();
            ResidualLevel.checkGroups(groups, channelsOfLevel);
            if (attentionResolutions.contains(sides.get(i)) || i == levels.size() - 1) {
                ResidualLevel.checkHeads(numHeads, channelsOfLevel);
            }
        }
    }

    private static String listed(List<Integer> sides) {
        return sides.stream().map(Object::toString).collect(Collectors.joining(", "));
    }

    /** Rows of a level's map. */
    int rows(int level) {
        return (height / downsampling.factor()) >> level;
    }

    /** Columns of a level's map. */
    int columns(int level) {
        return (width / downsampling.factor()) >> level;
    }

    /** Channels of a level's map. */
    int width(int level) {
        return baseChannels * levels.get(level).multiplier();
    }

    private int resolution(int level) {
        return Math.min(rows(level), columns(level));
    }

    /** Whether an attention follows each of a level's blocks. */
    boolean attends(int level) {
        return attentionResolutions.contains(resolution(level));
    }

    /** Dropout of a level's blocks. */
    double dropoutOf(int level) {
        return resolution(level) <= dropoutFrom ? dropout : 0;
    }

    /**
     * This network for another size and other classes, with that one's dropout: what attends and what drops are the same
     * levels, not the same resolutions.
     *
     * @param other of the size and the classes
     * @return a copy; this itself where the levels or the first layers differ
     */
    public SimpleDiffusionUNetConfig inSizeOf(SimpleDiffusionUNetConfig other) {
        if (!levels.equals(other.levels) || !downsampling.equals(other.downsampling)) {
            return this;
        }
        List<Integer> attending = new ArrayList<>();
        for (int resolution : attentionResolutions) {
            for (int i = 0; i < levels.size(); i++) {
                if (resolution(i) == resolution) {
                    attending.add(other.resolution(i));
                }
            }
        }
        return new SimpleDiffusionUNetConfig(
                other.height,
                other.width,
                channels,
                downsampling,
                baseChannels,
                embeddingWidth,
                levels,
                attending,
                numHeads,
                other.dropout,
                other.dropoutFrom,
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
        return new Tables(numClasses > 0 ? "class_embedding.weight" : "", "", 0, 0);
    }

    @Override
    public SimpleDiffusionUNet create(Init init) {
        return new SimpleDiffusionUNet(this, init);
    }

    @Override
    public Cost cost() {
        int last = levels.size() - 1;
        long[] trained = Cost.parameters(this, levels.size(), this::levelOf);
        List<Cost.Level> parts = new ArrayList<>();
        long noted = 0; // inputs of blocks
        long skipped = 0; // results on the way in
        long largest = 0;
        for (int i = 0; i <= last; i++) {
            long cells = (long) rows(i) * columns(i);
            long w = width(i);
            long in = levels.get(i).blocks();
            long blocks = 2 * in + 1 + (i == last ? 2 : 0);
            long attentions = (attends(i) ? 2 * in + 1 : 0) + (i == last ? 1 : 0);
            long macs = blocks * ResidualBlock.macs(cells, w, embeddingWidth)
                    + attentions * (4 * cells * w * w + 2 * cells * cells * w);
            ResidualLevel.Kept kept = ResidualLevel.kept(cells, w, blocks, dropoutOf(i) > 0);
            long floats = kept.all() + attentions * SimpleDiffusionUNet.ATTENTION_MAPS * cells * w;
            if (i < last) {
                macs += 2 * cells / 4 * w * width(i + 1); // 1×1 convolutions in and out
                floats += cells / 4 * w + cells * w; // the averaged map, the doubled one
            }
            if (i == 0) {
                macs += ResidualLevel.edgeMacs(downsampling, channels, cells, w);
                floats += 3 * cells * w; // the first layer's result; in front of the last one
            }
            noted += kept.inputs() + 2 * cells * w;
            skipped += (in + 1) * cells * w;
            largest = Math.max(largest, kept.largest());
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
            case "middle" -> levels.size() - 1;
            case "input", "output" -> 0;
            default -> -1;
        };
    }
}
