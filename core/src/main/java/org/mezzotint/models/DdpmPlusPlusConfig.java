package org.mezzotint.models;

import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.mezzotint.models.layers.Init;
import org.mezzotint.tensor.Conditioning;

/**
 * Shape of a {@link DdpmPlusPlus}.
 *
 * @param height picture height, a multiple of 2 for each level but the first
 * @param width picture width, as the height
 * @param channels of the picture
 * @param baseWidth channels behind the first convolution and number of time features, even and at least 4
 * @param levels from the outermost, of the picture's size, to the innermost; each halves the sides
 * @param blocks residual blocks a level on the way in; on the way out there is one more
 * @param attention what the blocks with attention do
 * @param dropout share of activations that training sets to zero, in front of each block's last convolution
 * @param numClasses 0 for an unconditional network; label {@code numClasses} stands for "no class"
 */
public record DdpmPlusPlusConfig(
        int height,
        int width,
        int channels,
        int baseWidth,
        List<Level> levels,
        int blocks,
        Attention attention,
        double dropout,
        int numClasses)
        implements ModelConfig {
    private static final int MAX_GROUPS = 32;
    private static final int LEAST_PER_GROUP = 4;

    private static final Map<String, DdpmPlusPlusConfig> ALL = new LinkedHashMap<>();

    static {
        for (Attention attention : Attention.values()) {
            String suffix = attention == Attention.SELF ? "" : "-tmsa";
            ALL.put("ddpmpp-cifar10" + suffix, square(32, 128, List.of(256, 256, 256), 4, attention, 0.13));
            ALL.put("ddpmpp-mini" + suffix, square(32, 16, List.of(16, 32, 32), 1, attention, 0));
        }
    }

    /**
     * One resolution.
     *
     * @param width channels, a multiple of 4 and from 128 on of 32, as are those that meet over a skip
     * @param attention whether each block on the way in, and the last on the way out, is followed by attention
     */
    public record Level(int width, boolean attention) {}

    /** What a pixel learns from the others. */
    public enum Attention {
        /** Self-attention with one head: DDPM++. */
        @JsonProperty("self")
        SELF,
        /** The same with time in query, key and value and a learned bias of relative positions: DiffiT's TMSA. */
        @JsonProperty("tmsa")
        TMSA
    }

    /** Whether a block changes the size. */
    enum Resample {
        NONE,
        DOWN,
        UP
    }

    /**
     * One residual block.
     *
     * @param name prefix of its parameters
     * @param in channels, those of a skip included
     * @param out channels
     * @param rows of the result
     * @param columns of the result
     * @param resample of its input
     * @param attention whether attention follows
     * @param skip whether it takes the last skip that is left
     */
    record Block(
            String name, int in, int out, int rows, int columns, Resample resample, boolean attention, boolean skip) {
        long pixels() {
            return (long) rows * columns;
        }
    }

    /** Checks every rule. */
    public DdpmPlusPlusConfig {
        atLeast("height", height, 1);
        atLeast("width", width, 1);
        atLeast("channels", channels, 1);
        atLeast("baseWidth", baseWidth, 4);
        if (baseWidth % 2 != 0) {
            throw new IllegalArgumentException("baseWidth must be even for its time features, got " + baseWidth);
        }
        if (levels == null || levels.isEmpty() || levels.size() > 16) {
            throw new IllegalArgumentException(
                    "levels must be 1 to 16, got " + (levels == null ? "none" : levels.size()));
        }
        if (levels.stream().anyMatch(Objects::isNull)) {
            throw new IllegalArgumentException("levels must each be given, got " + levels);
        }
        levels = List.copyOf(levels);
        ModelConfig.checkBlocks("blocks", blocks);
        atLeast("numClasses", numClasses, 0);
        if (attention == null) {
            throw new IllegalArgumentException("attention must be given");
        }
        if (!(dropout >= 0 && dropout < 1)) {
            throw new IllegalArgumentException("dropout must be 0 or more and below 1, got " + dropout);
        }
        int least = 1 << (levels.size() - 1);
        multiple("height", height, least);
        multiple("width", width, least);
        for (Level level : levels) {
            atLeast("levels.width", level.width(), LEAST_PER_GROUP);
        }
        for (Block block : allBlocks(height, width, baseWidth, levels, blocks)) {
            divisible(block.in());
            divisible(block.out());
        }
    }

    private static void atLeast(String name, int value, int least) {
        if (value < least) {
            throw new IllegalArgumentException(name + " must be at least " + least + ", got " + value);
        }
    }

    private static void multiple(String name, int size, int least) {
        if (size % least != 0) {
            throw new IllegalArgumentException(
                    name + " must be a multiple of 2 for each level but the first, " + least + ", got " + size);
        }
    }

    private static void divisible(int width) {
        if (width % groups(width) != 0) {
            throw new IllegalArgumentException("channels of a block must be a multiple of the groups of its norm, got "
                    + width + " and " + groups(width));
        }
    }

    /** Groups of a norm: 32, or fewer so that each has at least 4 channels. */
    static int groups(int width) {
        return Math.max(1, Math.min(MAX_GROUPS, width / LEAST_PER_GROUP));
    }

    private static DdpmPlusPlusConfig square(
            int size, int base, List<Integer> widths, int blocks, Attention attention, double dropout) {
        List<Level> levels = new ArrayList<>();
        for (int i = 0; i < widths.size(); i++) {
            levels.add(new Level(widths.get(i), size >> i == 16));
        }
        return new DdpmPlusPlusConfig(size, size, 3, base, levels, blocks, attention, dropout, 0);
    }

    /**
     * A named configuration, for RGB pictures of 32 × 32 pixels without classes: {@code ddpmpp-cifar10}, EDM's for CIFAR-10
     * (arXiv:2206.00364v2, tables 7 and 8), {@code ddpmpp-mini}, ours, and both with {@code -tmsa}.
     *
     * @param name of one
     * @return the configuration
     * @throws IllegalArgumentException for an unknown name
     */
    public static DdpmPlusPlusConfig named(String name) {
        DdpmPlusPlusConfig config = ALL.get(name.toLowerCase(Locale.ROOT));
        if (config == null) {
            throw new IllegalArgumentException(
                    "model must be one of " + String.join(", ", ALL.keySet()) + ", got " + name);
        }
        return config;
    }

    /** The residual blocks from picture to innermost level; each leaves a skip, as the first convolution does. */
    List<Block> encoder() {
        return encoder(height, width, baseWidth, levels, blocks);
    }

    /** Two blocks at the innermost level, then those out to the picture. */
    List<Block> decoder() {
        return decoder(height, width, baseWidth, levels, blocks);
    }

    private static List<Block> allBlocks(int height, int width, int base, List<Level> levels, int blocks) {
        List<Block> all = new ArrayList<>(encoder(height, width, base, levels, blocks));
        all.addAll(decoder(height, width, base, levels, blocks));
        return all;
    }

    private static List<Block> encoder(int height, int width, int base, List<Level> levels, int blocks) {
        List<Block> all = new ArrayList<>();
        int in = base;
        for (int i = 0; i < levels.size(); i++) {
            int rows = height >> i;
            int columns = width >> i;
            if (i > 0) {
                all.add(new Block("down." + i + ".resize", in, in, rows, columns, Resample.DOWN, false, false));
            }
            Level level = levels.get(i);
            for (int j = 0; j < blocks; j++) {
                String name = "down." + i + "." + j;
                all.add(new Block(name, in, level.width(), rows, columns, Resample.NONE, level.attention(), false));
                in = level.width();
            }
        }
        return all;
    }

    private static List<Block> decoder(int height, int width, int base, List<Level> levels, int blocks) {
        Deque<Integer> skips = new ArrayDeque<>(List.of(base));
        encoder(height, width, base, levels, blocks).forEach(block -> skips.push(block.out()));
        List<Block> all = new ArrayList<>();
        int last = levels.size() - 1;
        int in = levels.get(last).width();
        for (int j = 0; j < 2; j++) {
            all.add(new Block("middle." + j, in, in, height >> last, width >> last, Resample.NONE, j == 0, false));
        }
        for (int i = last; i >= 0; i--) {
            int rows = height >> i;
            int columns = width >> i;
            if (i < last) {
                all.add(new Block("up." + i + ".resize", in, in, rows, columns, Resample.UP, false, false));
            }
            Level level = levels.get(i);
            for (int j = 0; j <= blocks; j++) {
                boolean attended = level.attention() && j == blocks;
                String name = "up." + i + "." + j;
                all.add(new Block(name, in + skips.pop(), level.width(), rows, columns, Resample.NONE, attended, true));
                in = level.width();
            }
        }
        return all;
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
    public TimeInput timeInput() {
        return TimeInput.NOISE;
    }

    @Override
    @JsonIgnore
    public List<String> optionalInputs() {
        return List.of(HDiT.AUGMENTATION);
    }

    @Override
    @JsonIgnore
    public Tables tables() {
        return new Tables(numClasses > 0 ? "class_emb.weight" : "", "", 0, 0);
    }

    @Override
    public DdpmPlusPlus create(Init init) {
        return new DdpmPlusPlus(this, init);
    }

    /** Width of the time vector, four times the base. */
    int timeWidth() {
        return 4 * baseWidth;
    }

    @Override
    public Cost cost() {
        long e = timeWidth();
        long picture = (long) height * width;
        long macs = baseWidth * e
                + e * e
                + (long) DdpmPlusPlus.AUGMENTATION_WIDTH * baseWidth
                + picture * 9 * channels * (baseWidth + levels.get(0).width()); // first and last convolution
        long kept = 4 * picture * (baseWidth + 3L * levels.get(0).width());
        long inputs = 4 * picture * baseWidth;
        long largest = 0;
        for (Block block : allBlocks(height, width, baseWidth, levels, blocks)) {
            macs += macs(block);
            kept += keptBytes(block);
            inputs += 4 * block.pixels() * block.out();
            largest = Math.max(largest, keptBytes(block));
        }
        return new Cost(Cost.parameters(this), macs, kept + largest, inputs + 3 * largest, inputs + largest);
    }

    private long macs(Block block) {
        long p = block.pixels();
        long in = block.in();
        long out = block.out();
        boolean shortcut = in != out || block.resample() != Resample.NONE;
        long macs = p * 9 * (in * out + out * out) + timeWidth() * out + (shortcut ? p * in * out : 0);
        if (block.attention()) {
            macs += 4 * p * out * out + 2 * p * p * out; // q, k, v, projection; q·k and weights·v
            macs += attention == Attention.TMSA ? 3L * timeWidth() * out : 0;
        }
        return macs;
    }

    /** Float32 activations that a block keeps for its backward pass, counted from its operations. */
    private long keptBytes(Block block) {
        long p = block.pixels();
        long before =
                switch (block.resample()) {
                    case NONE -> p;
                    case DOWN -> 4 * p;
                    case UP -> p / 4;
                };
        long floats = before * 2 * block.in() // norm and its nonlinearity
                + p * block.in() // what the first convolution sees, or what joins a skip
                + p * block.out() * (dropout > 0 ? 7 : 5);
        if (block.attention()) {
            floats += p * block.out() * 8 + (attention == Attention.TMSA ? 3 * p * p : 0);
        }
        return 4 * floats;
    }
}
