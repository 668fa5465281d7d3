package org.mezzotint.models;

import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import org.mezzotint.models.layers.Init;
import org.mezzotint.tensor.Conditioning;

/**
 * Shape of an {@link ImageDiffiT} (arXiv:2312.02139v3, appendices H and I), and the choices of its ablations (tables 3, 4, 6,
 * 7 and 8, figure 8).
 *
 * @param height picture height, a multiple of patch · 2^(stages − 1)
 * @param width picture width, as the height
 * @param channels of the picture
 * @param patch side of the square of pixels that a token of the first stage starts from; 1 in the paper
 * @param stages from the finest, which has the most tokens, to the coarsest; each halves the map's sides
 * @param window side of the windows that tokens attend in, at most the sides of the coarsest map; where it does not divide a
 *     map, that map is padded
 * @param headWidth width of an attention head, a divisor of every stage's width
 * @param mlpRatio hidden width of a block's MLP, over its width
 * @param groups of the group norms, a divisor of every stage's width
 * @param timeWidth width of the time token (table 3's time dimension), even
 * @param numClasses 0 for an unconditional network; label {@code numClasses} stands for "no class"
 * @param augmentation whether the network is told how a picture was warped, optional input {@code augmentation}
 * @param design the parts that the paper's ablations vary
 */
public record ImageDiffiTConfig(
        int height,
        int width,
        int channels,
        int patch,
        List<Stage> stages,
        int window,
        int headWidth,
        double mlpRatio,
        int groups,
        int timeWidth,
        int numClasses,
        boolean augmentation,
        Design design)
        implements ModelConfig {
    /** A plain vision transformer's taps for the MLA decoder. */
    static final int TAPS = 4;

    /**
     * One resolution.
     *
     * @param width of a token (table 3's token dimension)
     * @param blocks in the encoder, and as many in a decoder that has blocks
     */
    public record Stage(int width, int blocks) {
        /** Checks the numbers. */
        public Stage {
            atLeast("stages.width", width, 1);
            ModelConfig.checkBlocks("stages.blocks", blocks);
        }
    }

    /** What the encoder's stages are made of. */
    public enum Encoder {
        /** DiffiT's residual cells: convolution, then attention and MLP. */
        @JsonProperty("diffit")
        DIFFIT,
        /** Transformer blocks alone: attention and MLP, no residual cell, time added where a stage starts. */
        @JsonProperty("plain")
        PLAIN
    }

    /** How the picture is put together from what the encoder made. */
    public enum Decoder {
        /** A mirror of the encoder, of DiffiT's residual cells. */
        @JsonProperty("diffit")
        DIFFIT,
        /** A mirror of the encoder, of transformer blocks alone. */
        @JsonProperty("plain")
        PLAIN,
        /** Convolutions that aggregate several levels of features: {@link MlaDecoder}. */
        @JsonProperty("mla")
        MLA
    }

    /** How time reaches the residual cells. */
    public enum Time {
        /** In query, key and value: TMSA, the paper's. */
        @JsonProperty("tmsa")
        TMSA,
        /** As a token of its own that the tokens of a window also attend to (table 7, "separate"). */
        @JsonProperty("token")
        TOKEN,
        /** Only in the bias of relative positions (table 6). */
        @JsonProperty("bias")
        BIAS,
        /** Only in the MLP (table 6). */
        @JsonProperty("mlp")
        MLP,
        /** Added once to the tokens where a stage starts, as in stages of plain blocks. */
        @JsonProperty("stage")
        STAGE
    }

    /** What the time token is made from (table 8). */
    public enum TimeEmbedding {
        /** Sines and cosines of fixed frequencies: the paper's. */
        @JsonProperty("positional")
        POSITIONAL,
        /** Sines and cosines of random frequencies. */
        @JsonProperty("fourier")
        FOURIER
    }

    /**
     * The parts that the ablations vary.
     *
     * @param encoder of the stages on the way in
     * @param decoder of the way out
     * @param time how it reaches the residual cells; {@link Time#STAGE} if there are none
     * @param timeEmbedding what the time token is made from
     */
    public record Design(Encoder encoder, Decoder decoder, Time time, TimeEmbedding timeEmbedding) {
        /** Checks that all is given and has an effect. */
        public Design {
            if (encoder == null || decoder == null || time == null || timeEmbedding == null) {
                throw new IllegalArgumentException("design needs encoder, decoder, time and timeEmbedding");
            }
            if (encoder != Encoder.DIFFIT && decoder != Decoder.DIFFIT && time != Time.STAGE) {
                throw new IllegalArgumentException(
                        "design.time must be stage without diffit blocks in the encoder or the decoder, got "
                                + time.name().toLowerCase(Locale.ROOT));
            }
        }

        /**
         * The paper's final choice.
         *
         * @return row E of table 4
         */
        public static Design paper() {
            return new Design(Encoder.DIFFIT, Decoder.DIFFIT, Time.TMSA, TimeEmbedding.POSITIONAL);
        }
    }

    /** Checks every rule. */
    public ImageDiffiTConfig {
        atLeast("height", height, 1);
        atLeast("width", width, 1);
        atLeast("channels", channels, 1);
        atLeast("patch", patch, 1);
        atLeast("window", window, 1);
        atLeast("headWidth", headWidth, 1);
        atLeast("groups", groups, 1);
        atLeast("timeWidth", timeWidth, 2);
        atLeast("numClasses", numClasses, 0);
        if (stages == null || stages.isEmpty() || stages.stream().anyMatch(Objects::isNull) || design == null) {
            throw new IllegalArgumentException("stages and design must be given");
        }
        if (stages.size() > 16) {
            throw new IllegalArgumentException("stages must be at most 16, got " + stages.size());
        }
        if (timeWidth % 2 != 0) {
            throw new IllegalArgumentException("timeWidth must be even, got " + timeWidth);
        }
        if (!(mlpRatio > 0 && mlpRatio <= 64)) {
            throw new IllegalArgumentException("mlpRatio must be above 0 and at most 64, got " + mlpRatio);
        }
        stages = List.copyOf(stages);
        for (Stage stage : stages) {
            multiple("stages.width", stage.width(), "headWidth", headWidth);
            multiple("stages.width", stage.width(), "groups", groups);
        }
        long coarsest = (long) patch << (stages.size() - 1); // pixels a side of a token of the last stage
        multiple("height", height, "patch times 2 for each further stage", coarsest);
        multiple("width", width, "patch times 2 for each further stage", coarsest);
        long rows = height / coarsest;
        long columns = width / coarsest;
        if (window > rows || window > columns) {
            throw new IllegalArgumentException("window must be at most the height and width of the coarsest map, got "
                    + window + " for a map of " + rows + "x" + columns);
        }
        if (design.decoder() == Decoder.MLA
                && stages.size() == 1
                && stages.get(0).blocks() % TAPS != 0) {
            throw new IllegalArgumentException("stages.blocks must be a multiple of " + TAPS
                    + " for decoder mla on one stage, got " + stages.get(0).blocks());
        }
    }

    /**
     * The same network for pictures of another size and for other classes.
     *
     * @param height of the pictures
     * @param width of the pictures
     * @param numClasses 0 for an unconditional network
     * @return the configuration
     */
    public ImageDiffiTConfig with(int height, int width, int numClasses) {
        return new ImageDiffiTConfig(
                height,
                width,
                channels,
                patch,
                stages,
                window,
                headWidth,
                mlpRatio,
                groups,
                timeWidth,
                numClasses,
                augmentation,
                design);
    }

    private static void atLeast(String name, int value, int least) {
        if (value < least) {
            throw new IllegalArgumentException(name + " must be at least " + least + ", got " + value);
        }
    }

    private static void multiple(String name, int value, String rule, long divisor) {
        if (value % divisor != 0) {
            throw new IllegalArgumentException(
                    name + " must be a multiple of " + rule + ", got " + value + " and " + divisor);
        }
    }

    /** Rows of a stage's map. */
    int rows(int stage) {
        return (height / patch) >> stage;
    }

    /** Columns of a stage's map. */
    int columns(int stage) {
        return (width / patch) >> stage;
    }

    /** Numbers of a token of the picture itself. */
    int pixels() {
        return channels * patch * patch;
    }

    /** Hidden width of a stage's MLPs. */
    int hidden(int stage) {
        return Math.max(1, (int) Math.round(stages.get(stage).width() * mlpRatio));
    }

    /** Runs of blocks of an encoder's stage, after each of which the decoder looks. */
    int taps() {
        return design.decoder() == Decoder.MLA && stages.size() == 1 ? TAPS : 1;
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
        return TimeInput.SIGMA;
    }

    @Override
    @JsonIgnore
    public List<String> optionalInputs() {
        return augmentation ? List.of(HDiT.AUGMENTATION) : List.of();
    }

    /** Positions are relative, so no tensor depends on the picture's size. */
    @Override
    @JsonIgnore
    public Tables tables() {
        return new Tables(numClasses > 0 ? "class_emb.weight" : "", "", 0, 0);
    }

    @Override
    public ImageDiffiT create(Init init) {
        return new ImageDiffiT(this, init);
    }

    @Override
    public Cost cost() {
        return new Count().cost();
    }

    /** Adds up what the network costs, in the order of its forward pass. */
    private final class Count {
        private long macs;
        private long kept; // bytes, float32: what blocks keep for their backward pass
        private long entering; // what enters blocks
        private long joins; // what enters and leaves the convolutions between stages
        private long largest; // what one block keeps

        Cost cost() {
            long e = timeWidth;
            macs += 2 * e * e + (augmentation ? HDiT.AUGMENTATION_WIDTH * e : 0);
            int last = stages.size() - 1;
            boolean mirrored = design.decoder() != Decoder.MLA;
            convolution(0, 9, pixels(), d(0));
            for (int i = 0; i <= last; i++) {
                stage(i, design.encoder() == Encoder.DIFFIT);
                if (i < last) {
                    convolution(i + 1, 9, d(i), d(i + 1)); // down
                }
            }
            if (mirrored) {
                convolution(last, 9, d(last), d(last));
                for (int i = last; i >= 0; i--) {
                    if (i < last) {
                        convolution(i, 9, d(i + 1), d(i)); // up
                    }
                    convolution(i, 1, 2 * d(i), d(i)); // skip
                    stage(i, design.decoder() == Decoder.DIFFIT);
                }
            } else {
                int taps = stages.size() * taps();
                long m = MlaDecoder.width(d(0));
                for (int tap = 0; tap < taps; tap++) {
                    int stage = tap / taps();
                    convolution(stage, 1, d(stage), m);
                    convolution(stage, 9, m, m);
                }
                convolution(0, 9, taps * m, d(0));
            }
            convolution(0, 9, d(0), pixels());
            // how often joins and the largest block are alive at once: measured on configs/cifar10-diffit.yaml
            return new Cost(
                    Cost.parameters(ImageDiffiTConfig.this),
                    macs,
                    kept + entering + 2 * joins + 2 * largest,
                    entering + 2 * joins + 4 * largest,
                    entering + joins + 2 * largest);
        }

        private long d(int stage) {
            return stages.get(stage).width();
        }

        private long tokens(int stage) {
            return (long) rows(stage) * columns(stage);
        }

        private void convolution(int stage, int taps, long in, long out) {
            macs += tokens(stage) * taps * in * out;
            joins += 4 * tokens(stage) * (in + out);
        }

        /** All blocks of a stage on one of the two ways. */
        private void stage(int stage, boolean cells) {
            long d = d(stage);
            boolean added = !cells || design.time() == Time.STAGE;
            macs += added ? timeWidth * d : 0;
            long blocks = stages.get(stage).blocks();
            macs += blocks * block(stage, cells, cells ? design.time() : Time.STAGE);
            long bytes = blockBytes(stage, cells);
            kept += blocks * bytes;
            entering += (blocks + 1) * 4 * tokens(stage) * d;
            largest = Math.max(largest, bytes);
        }

        /** Tokens of a map that its windows pad, with the padding. */
        private long padded(int stage) {
            int rows = (rows(stage) + window - 1) / window;
            int columns = (columns(stage) + window - 1) / window;
            return (long) rows * columns * window * window;
        }

        private long block(int stage, boolean cell, Time time) {
            long d = d(stage);
            long e = timeWidth;
            long t = padded(stage);
            long keys = (long) window * window + (time == Time.TOKEN ? 1 : 0);
            long hidden = hidden(stage);
            long convolution = cell ? 9 * tokens(stage) * d * d : 0;
            long told =
                    switch (time) {
                        case TMSA -> 3 * e * d;
                        case TOKEN -> 2 * e * d;
                        case BIAS -> e * 2 * (2L * window - 1) * (d / headWidth);
                        case MLP -> e * hidden;
                        case STAGE -> 0;
                    };
            return convolution + t * (4 * d * d + 2 * keys * d + 2 * d * hidden) + told;
        }

        /** Float32 activations that a block keeps for its backward pass, counted from its operations. */
        private long blockBytes(int stage, boolean cell) {
            double weights = (double) window * window / headWidth;
            double floats = (cell ? 10 : 8) + weights + 2 * mlpRatio;
            return (long) (4 * floats * d(stage) * padded(stage));
        }
    }
}
