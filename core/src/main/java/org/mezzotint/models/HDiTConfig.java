package org.mezzotint.models;

import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.LongStream;
import org.mezzotint.models.layers.Init;
import org.mezzotint.tensor.Conditioning;

/**
 * Shape of an {@link HDiT} (arXiv:2401.11605v1, tables 7 and 8), and the choices of its ablation (tables 1 and 2).
 *
 * @param height picture height; height over patchHeight must be divisible by 2 once for every level but the first
 * @param width picture width, as the height
 * @param channels of the picture
 * @param patchHeight rows of a patch
 * @param patchWidth columns of a patch
 * @param levels from the outermost, which has the most tokens, to the innermost
 * @param mapping the network behind the conditioning vector
 * @param numClasses 0 for an unconditional network; label {@code numClasses} stands for "no class"
 * @param extraWidth width of an extra vector to condition on, input {@code extra}; 0 for none
 * @param design the parts that the paper's ablation varies
 */
public record HDiTConfig(
        int height,
        int width,
        int channels,
        int patchHeight,
        int patchWidth,
        List<Level> levels,
        Mapping mapping,
        int numClasses,
        int extraWidth,
        Design design)
        implements ModelConfig {

    /**
     * One level of the hourglass. All but the innermost have {@code depth} layers on the way in and as many on the way out.
     *
     * @param width of a token, a multiple of the head width
     * @param depth layers
     * @param feedForwardWidth hidden width of the feed-forward blocks
     * @param attention of every layer
     * @param dropout share of activations that training sets to zero, in front of the layers' last projections
     */
    public record Level(int width, int depth, int feedForwardWidth, Attention attention, double dropout) {
        /** Checks what does not depend on the picture's size. */
        public Level {
            atLeast("levels.width", width, 1);
            ModelConfig.checkBlocks("levels.depth", depth);
            atLeast("levels.feedForwardWidth", feedForwardWidth, 1);
            if (attention == null) {
                throw new IllegalArgumentException("levels.attention must be given");
            }
            fraction("levels.dropout", dropout);
            if (attention.headWidth() > 0 && width % attention.headWidth() != 0) {
                throw new IllegalArgumentException(
                        "levels.width must be a multiple of headWidth, got " + width + " and " + attention.headWidth());
            }
        }

        /** Attention heads; 0 without attention. */
        int heads() {
            return attention.headWidth() == 0 ? 0 : width / attention.headWidth();
        }
    }

    /** What a token of a level attends to. */
    @JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
    @JsonSubTypes({
        @JsonSubTypes.Type(value = Global.class, name = "global"),
        @JsonSubTypes.Type(value = Neighborhood.class, name = "neighborhood"),
        @JsonSubTypes.Type(value = ShiftedWindow.class, name = "shifted-window"),
        @JsonSubTypes.Type(value = None.class, name = "none")
    })
    public sealed interface Attention {
        /**
         * Width of a head.
         *
         * @return 0 without attention
         */
        int headWidth();
    }

    /**
     * To all tokens.
     *
     * @param headWidth a multiple of 8
     */
    public record Global(int headWidth) implements Attention {
        /** Checks the width. */
        public Global {
            checkHeadWidth(headWidth);
        }
    }

    /**
     * To the square around it, shifted inwards at the borders.
     *
     * @param headWidth a multiple of 8
     * @param kernel side of the square, odd, at most the level's map
     */
    public record Neighborhood(int headWidth, int kernel) implements Attention {
        /** Checks the width and the kernel. */
        public Neighborhood {
            checkHeadWidth(headWidth);
            if (kernel < 3 || kernel % 2 == 0) {
                throw new IllegalArgumentException("kernel must be odd and at least 3, got " + kernel);
            }
        }
    }

    /**
     * To the window it lies in; every second layer's windows are shifted by half a side.
     *
     * @param headWidth a multiple of 8
     * @param window side, a divisor of the level's map
     */
    public record ShiftedWindow(int headWidth, int window) implements Attention {
        /** Checks the width and the window. */
        public ShiftedWindow {
            checkHeadWidth(headWidth);
            atLeast("window", window, 1);
        }
    }

    /** To none: feed-forward blocks only. */
    public record None() implements Attention {
        @Override
        public int headWidth() {
            return 0;
        }
    }

    /**
     * The mapping network.
     *
     * @param width of the conditioning vector, even
     * @param depth blocks
     * @param feedForwardWidth hidden width of a block
     * @param dropout share of activations that training sets to zero
     */
    public record Mapping(int width, int depth, int feedForwardWidth, double dropout) {
        /** Checks the rules. */
        public Mapping {
            atLeast("mapping.width", width, 2);
            if (width % 2 != 0) {
                throw new IllegalArgumentException("mapping.width must be even, got " + width);
            }
            ModelConfig.checkBlocks("mapping.depth", depth);
            atLeast("mapping.feedForwardWidth", feedForwardWidth, 1);
            fraction("mapping.dropout", dropout);
        }
    }

    /** How a token learns its place. */
    public enum Position {
        /** Rotary positions on one half of each head's channels: the paper's. */
        @JsonProperty("axial-rope")
        AXIAL_ROPE,
        /** Rotary positions on all channels. */
        @JsonProperty("axial-rope-full")
        AXIAL_ROPE_FULL,
        /** A learned vector added to each token behind the patches. */
        @JsonProperty("learned")
        LEARNED
    }

    /** How queries meet keys. */
    public enum Similarity {
        /** Cosine of the angle, times a learned scale a head: the paper's. */
        @JsonProperty("cosine")
        COSINE,
        /** Scaled dot product. */
        @JsonProperty("dot-product")
        DOT_PRODUCT
    }

    /** Nonlinearity of the feed-forward blocks. */
    public enum FeedForward {
        /** value · GELU(gate): the paper's, with hidden width 3D. */
        @JsonProperty("geglu")
        GEGLU,
        /** GELU, usually with hidden width 4D. */
        @JsonProperty("gelu")
        GELU
    }

    /** How the conditioning vector reaches a block. */
    public enum Norm {
        /** RMS norm with a regressed scale: the paper's. */
        @JsonProperty("ada-rms-norm")
        ADA_RMS_NORM,
        /** Layer norm with regressed scale and shift. */
        @JsonProperty("ada-ln")
        ADA_LN
    }

    /** How a level's result on the way out meets that on the way in. */
    public enum Skip {
        /** Learned linear interpolation: the paper's. */
        @JsonProperty("lerp")
        LERP,
        /** Sum. */
        @JsonProperty("add")
        ADD,
        /** Side by side, then a linear layer. */
        @JsonProperty("concatenate")
        CONCATENATE
    }

    /**
     * The parts that the ablation varies.
     *
     * @param position of tokens
     * @param similarity of queries and keys
     * @param feedForward nonlinearity
     * @param norm of a block's input
     * @param outputGate whether a block's output passes a regressed gate that starts at zero, as in DiT
     * @param skip between the ways in and out
     */
    public record Design(
            Position position,
            Similarity similarity,
            FeedForward feedForward,
            Norm norm,
            boolean outputGate,
            Skip skip) {
        /** Checks that all is given. */
        public Design {
            if (position == null || similarity == null || feedForward == null || norm == null || skip == null) {
                throw new IllegalArgumentException(
                        "design needs position, similarity, feedForward, norm, outputGate and skip");
            }
        }

        /**
         * The paper's final choice.
         *
         * @return row E of table 1
         */
        public static Design paper() {
            return new Design(
                    Position.AXIAL_ROPE, Similarity.COSINE, FeedForward.GEGLU, Norm.ADA_RMS_NORM, false, Skip.LERP);
        }
    }

    /** Checks every rule. */
    public HDiTConfig {
        atLeast("height", height, 1);
        atLeast("width", width, 1);
        atLeast("channels", channels, 1);
        atLeast("patchHeight", patchHeight, 1);
        atLeast("patchWidth", patchWidth, 1);
        atLeast("numClasses", numClasses, 0);
        atLeast("extraWidth", extraWidth, 0);
        if (levels == null
                || levels.isEmpty()
                || levels.stream().anyMatch(Objects::isNull)
                || mapping == null
                || design == null) {
            throw new IllegalArgumentException("levels, mapping and design must be given");
        }
        levels = List.copyOf(levels);
        int steps = levels.size() - 1;
        if (steps > 20) {
            throw new IllegalArgumentException("levels must be at most 21, got " + levels.size());
        }
        divisible("height", height, patchHeight, steps);
        divisible("width", width, patchWidth, steps);
        for (int i = 0; i < levels.size(); i++) {
            fits(levels.get(i).attention(), rows(height / patchHeight, i), rows(width / patchWidth, i), i);
        }
    }

    private static void divisible(String name, int size, int patch, int steps) {
        if (size % (patch << steps) != 0) {
            throw new IllegalArgumentException(
                    name + " must be a multiple of patch side times 2 for each further level, " + (patch << steps)
                            + ", got " + size);
        }
    }

    private static void fits(Attention attention, int rows, int columns, int level) {
        if (attention instanceof Neighborhood local && (local.kernel() > rows || local.kernel() > columns)) {
            throw new IllegalArgumentException("kernel must be at most the map's height and width, got "
                    + local.kernel() + " for level " + level + " of " + rows + "x" + columns + " tokens");
        }
        if (attention instanceof ShiftedWindow windows
                && (rows % windows.window() != 0 || columns % windows.window() != 0)) {
            throw new IllegalArgumentException("window must divide the map's height and width, got " + windows.window()
                    + " for level " + level + " of " + rows + "x" + columns + " tokens");
        }
    }

    private static void checkHeadWidth(int value) {
        if (value < 8 || value % 8 != 0) {
            throw new IllegalArgumentException("headWidth must be a multiple of 8, got " + value);
        }
    }

    private static void atLeast(String name, int value, int least) {
        if (value < least) {
            throw new IllegalArgumentException(name + " must be at least " + least + ", got " + value);
        }
    }

    private static void fraction(String name, double value) {
        if (!(value >= 0 && value < 1)) {
            throw new IllegalArgumentException(name + " must be 0 or more and below 1, got " + value);
        }
    }

    private static int rows(int outermost, int level) {
        return outermost >> level;
    }

    /** Rows of tokens of a level. */
    int rows(int level) {
        return rows(height / patchHeight, level);
    }

    /** Columns of tokens of a level. */
    int columns(int level) {
        return rows(width / patchWidth, level);
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
        List<String> inputs = new ArrayList<>();
        if (numClasses > 0) {
            inputs.add(Conditioning.CLASS);
        }
        if (extraWidth > 0) {
            inputs.add(HDiT.EXTRA);
        }
        return inputs;
    }

    @Override
    @JsonIgnore
    public TimeInput timeInput() {
        return TimeInput.SIGMA;
    }

    @Override
    @JsonIgnore
    public List<String> optionalInputs() {
        return List.of(HDiT.AUGMENTATION);
    }

    @Override
    @JsonIgnore
    public Tables tables() {
        boolean learned = design.position() == Position.LEARNED;
        return new Tables(numClasses > 0 ? "class_emb.weight" : "", learned ? "pos_emb" : "", rows(0), columns(0));
    }

    @Override
    public HDiT create(Init init) {
        return new HDiT(this, init);
    }

    @Override
    public Cost cost() {
        long parameters = Cost.parameters(this);
        long m = mapping.width();
        long patch = (long) channels * patchHeight * patchWidth;
        long outside = 2 * m * m // noise level, augmentation
                + m * extraWidth
                + 3L * mapping.depth() * m * mapping.feedForwardWidth();
        long[] macs = new long[levels.size()];
        long[] kept = new long[levels.size()];
        long[] inputs = new long[levels.size()];
        long largest = 0;
        macs[0] = 2 * tokens(0) * patch * levels.get(0).width(); // patches in and out
        for (int i = 0; i < levels.size(); i++) {
            boolean innermost = i == levels.size() - 1;
            long layers = (innermost ? 1L : 2L) * levels.get(i).depth();
            macs[i] += layers * layerMacs(i);
            if (!innermost) {
                long join = tokens(i + 1)
                        * 4
                        * levels.get(i).width()
                        * levels.get(i + 1).width();
                macs[i] += 2 * join; // merge and split
                if (design.skip() == Skip.CONCATENATE) {
                    macs[i] += 2
                            * tokens(i)
                            * levels.get(i).width()
                            * levels.get(i).width();
                }
            }
            kept[i] = layers * layerBytes(i);
            inputs[i] = (layers + 2) * 4 * tokens(i) * levels.get(i).width();
            largest = Math.max(largest, layerBytes(i));
        }
        long[] trained = Cost.parameters(this, levels.size(), this::levelOf);
        List<Cost.Level> parts = new ArrayList<>();
        for (int i = 0; i < levels.size(); i++) {
            int width = levels.get(i).width();
            parts.add(new Cost.Level(rows(i), columns(i), width, trained[i], macs[i], kept[i] + inputs[i]));
        }
        // how many times the largest layer is alive at once: measured on 64 x 64 pixels, two levels, batches of 16 and
        // 48
        long noted = LongStream.of(inputs).sum();
        return new Cost(
                parameters,
                outside + LongStream.of(macs).sum(),
                LongStream.of(kept).sum() + noted + 2 * largest,
                noted + 3 * largest,
                noted + largest * 8 / 5,
                parts);
    }

    /** The level of a tensor: merging and splitting count with the finer one, the conditioning with none. */
    private int levelOf(String tensor) {
        String[] parts = tensor.split("\\.", 3);
        return switch (parts[0]) {
            case "down_levels", "up_levels", "merges", "splits" -> Integer.parseInt(parts[1]);
            case "mid_level" -> levels.size() - 1;
            case "patch_in", "pos_emb", "out_norm", "patch_out" -> 0;
            default -> -1;
        };
    }

    /** Float32 activations that a layer keeps for its backward pass, counted from its operations. */
    private long layerBytes(int index) {
        Level level = levels.get(index);
        double local = 0;
        if (level.attention() instanceof Neighborhood near) { // gathered keys and values of 8 × 8 tiles
            double window = (near.kernel() + 7) / 8.0;
            local = 2 + 2 * window * window;
        } else if (level.attention() instanceof ShiftedWindow) {
            local = 4;
        }
        double floats = (12 + local) * level.width() + 4.0 * level.feedForwardWidth();
        return (long) (4 * floats * tokens(index));
    }

    private long tokens(int level) {
        return (long) rows(level) * columns(level);
    }

    /** Multiply-accumulates of one layer of a level. */
    private long layerMacs(int index) {
        Level level = levels.get(index);
        long d = level.width();
        long t = tokens(index);
        long modulation = (design.norm() == Norm.ADA_LN ? 2L : 1L) + (design.outputGate() ? 1L : 0L);
        long regress = modulation * d * mapping.width();
        long hidden = level.feedForwardWidth();
        long feedForward = t * d * hidden * (design.feedForward() == FeedForward.GEGLU ? 3 : 2) + regress;
        if (level.heads() == 0) {
            return feedForward;
        }
        long keys;
        if (level.attention() instanceof Neighborhood local) {
            keys = (long) local.kernel() * local.kernel();
        } else if (level.attention() instanceof ShiftedWindow windows) {
            keys = (long) windows.window() * windows.window();
        } else {
            keys = t;
        }
        return feedForward + regress + 4 * t * d * d + 2 * t * keys * d; // qkv, out; q·k and weights·v
    }
}
