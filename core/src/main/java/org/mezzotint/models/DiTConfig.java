package org.mezzotint.models;

import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.List;
import java.util.Locale;
import org.mezzotint.models.layers.Init;

/**
 * Shape of a {@link DiT} (arXiv:2212.09748v2, table 1).
 *
 * @param height picture (or latent) height, a multiple of the patch size
 * @param width picture (or latent) width, a multiple of the patch size
 * @param channels of the picture (or latent)
 * @param patchSize side of a patch
 * @param hiddenSize width of a token, a multiple of 4 and of the number of heads
 * @param depth number of blocks
 * @param numHeads attention heads
 * @param mlpRatio hidden width of the MLP over the width of a token
 * @param numClasses 0 for an unconditional network
 * @param nullClass whether label {@code numClasses} stands for "no class", which guidance needs
 * @param learnSigma whether a variance code follows the prediction, doubling the output's channels
 * @param conditioning how time and class reach the blocks
 * @param convention whose reading of two details
 */
public record DiTConfig(
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
        Conditioning conditioning,
        Convention convention)
        implements ModelConfig {

    /** The four ways of section 3.2 to let time and class into a block. */
    public enum Conditioning {
        /** Two more tokens in the sequence, dropped after the last block. */
        @JsonProperty("in-context")
        IN_CONTEXT,
        /** An attention over the two vectors after each self-attention. */
        @JsonProperty("cross-attention")
        CROSS_ATTENTION,
        /** Shift and scale of every layer norm, regressed from their sum. */
        @JsonProperty("adaln")
        ADALN,
        /** adaLN, and gates on every residual branch, all starting at zero. The paper's choice. */
        @JsonProperty("adaln-zero")
        ADALN_ZERO
    }

    /**
     * Two details in which implementations differ: the same weights give other pictures.
     *
     * @param timeFrequencyShift s of the time features' frequencies 10000^(−k / (128 − s)): 0 or 1
     * @param mlpNormEpsilon ε of the layer norm in front of each MLP
     */
    public record Convention(int timeFrequencyShift, double mlpNormEpsilon) {
        /** Checks the rules. */
        public Convention {
            if (timeFrequencyShift != 0 && timeFrequencyShift != 1) {
                throw new IllegalArgumentException("timeFrequencyShift must be 0 or 1, got " + timeFrequencyShift);
            }
            if (!(mlpNormEpsilon > 0 && mlpNormEpsilon < 1)) {
                throw new IllegalArgumentException("mlpNormEpsilon must be above 0 and below 1, got " + mlpNormEpsilon);
            }
        }

        /**
         * That of the authors' code.
         *
         * @return no shift, ε of 1e-6
         */
        public static Convention paper() {
            return new Convention(0, 1e-6);
        }

        /**
         * That of Hugging Face's diffusers.
         *
         * @return a shift of 1, ε of 1e-5
         */
        public static Convention diffusers() {
            return new Convention(1, 1e-5);
        }
    }

    /** Checks every rule. */
    public DiTConfig {
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
        if ((long) (height / patchSize) * (width / patchSize) > Integer.MAX_VALUE / hiddenSize) {
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
        if (conditioning == null || convention == null) {
            throw new IllegalArgumentException("conditioning and convention must be given");
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
     * A published configuration for square latents of 4 channels and 1,000 ImageNet classes: sizes S, B, L and XL with
     * patches of 8, 4 or 2, adaLN-Zero, learned variance.
     *
     * @param name such as {@code dit-xl/2}
     * @param latent side of the latent: an eighth of the picture's
     * @return the configuration
     * @throws IllegalArgumentException for an unknown name
     */
    public static DiTConfig named(String name, int latent) {
        String lower = name.toLowerCase(Locale.ROOT);
        if (!lower.matches("dit-(s|b|l|xl)/[248]")) {
            throw new IllegalArgumentException(
                    "model must be dit-s, dit-b, dit-l or dit-xl with /8, /4 or /2, such as dit-xl/2, got " + name);
        }
        int patch = lower.charAt(lower.length() - 1) - '0';
        return switch (lower.substring(4, lower.length() - 2)) {
            case "s" -> of(latent, patch, 384, 12, 6);
            case "b" -> of(latent, patch, 768, 12, 12);
            case "l" -> of(latent, patch, 1024, 24, 16);
            default -> of(latent, patch, 1152, 28, 16);
        };
    }

    private static DiTConfig of(int latent, int patch, int hidden, int depth, int heads) {
        return new DiTConfig(
                latent,
                latent,
                4,
                patch,
                hidden,
                depth,
                heads,
                4.0,
                1000,
                true,
                true,
                Conditioning.ADALN_ZERO,
                Convention.paper());
    }

    /**
     * This shape with another block.
     *
     * @param other how time and class reach the blocks
     * @return a copy
     */
    public DiTConfig withConditioning(Conditioning other) {
        return with(other, convention);
    }

    /**
     * This shape in another convention.
     *
     * @param other whose reading of two details
     * @return a copy
     */
    public DiTConfig withConvention(Convention other) {
        return with(conditioning, other);
    }

    private DiTConfig with(Conditioning block, Convention reading) {
        return new DiTConfig(
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
                block,
                reading);
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
        return new Tables(
                numClasses > 0 ? "y_embedder.embedding_table.weight" : "",
                "pos_embed",
                height / patchSize,
                width / patchSize);
    }

    /** Number of tokens T. */
    int tokens() {
        return Math.multiplyExact(height / patchSize, width / patchSize);
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
    public DiT create(Init init) {
        return new DiT(this, init);
    }

    @Override
    public Cost cost() {
        long parameters = Cost.parameters(this);
        long d = hiddenSize;
        long t = tokens();
        long s = conditioning == Conditioning.IN_CONTEXT ? t + 2 : t; // tokens that the blocks see
        long patch = (long) patchSize * patchSize;
        long block = s * (4 * d * d + 2 * d * mlpHidden()) + 2 * s * s * d; // qkv, proj, MLP; q·k and weights·v
        block += switch (conditioning) {
            case IN_CONTEXT -> 0;
            case CROSS_ATTENTION -> 2 * t * d * d + 2 * 2 * d * d + 2 * 2 * t * d; // q, proj; k, v; attention over two
            case ADALN -> 4 * d * d;
            case ADALN_ZERO -> 6 * d * d;
        };
        boolean modulated = conditioning == Conditioning.ADALN || conditioning == Conditioning.ADALN_ZERO;
        long macs = t * channels * patch * d // patches in
                + 256 * d
                + d * d // time
                + depth * block
                + (modulated ? 2 * d * d : 0)
                + t * d * patch * outputChannels(); // patches out
        // Float32 values kept for the backward pass, in units of one (S, D) tensor: measured on DiT-S/2 (see
        // docs/memory.md).
        long unit = 4 * s * d;
        double hidden = (double) mlpHidden() / d;
        long perBlock = (long) (unit * (14 + 3 * hidden + (conditioning == Conditioning.CROSS_ATTENTION ? 6 : 0)));
        long working = (long) (unit * (8 + 2 * hidden));
        return new Cost(parameters, macs, depth * perBlock + working, depth * unit + perBlock + 2 * working, working);
    }
}
