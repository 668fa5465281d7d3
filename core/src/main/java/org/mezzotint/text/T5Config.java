package org.mezzotint.text;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * The shape of a T5 encoder.
 *
 * @param vocabSize rows of the embedding table; a tokenizer may have fewer ids
 * @param width D ({@code d_model})
 * @param headWidth d ({@code d_kv}); heads · headWidth may differ from the width
 * @param hidden width inside the feed-forward layers ({@code d_ff})
 * @param depth number of blocks
 * @param heads h
 * @param buckets of relative positions, even
 * @param maxDistance positions this far apart or farther share the last bucket of their side
 * @param epsilon of the norms
 * @param feedForward what the feed-forward layers compute
 */
public record T5Config(
        int vocabSize,
        int width,
        int headWidth,
        int hidden,
        int depth,
        int heads,
        int buckets,
        int maxDistance,
        double epsilon,
        FeedForward feedForward) {
    /** The names that {@link #named} knows. */
    public static final List<String> NAMES =
            List.of("t5-v1_1-small", "t5-v1_1-base", "t5-v1_1-large", "t5-v1_1-xl", "t5-v1_1-xxl");

    static final String EMBEDDING = "shared.weight";
    static final String TIED = "encoder.embed_tokens.weight";
    static final String POSITIONS = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight";
    static final String FINAL_NORM = "encoder.final_layer_norm.weight";

    private static final int MOST_BLOCKS = 1024;
    private static final int MOST_WIDTH = 1 << 20;

    /** What a feed-forward layer computes. */
    public enum FeedForward {
        /** T5 v1.1: {@code wo(gelu(wi_0 x) · wi_1 x)}, GELU in its tanh form. */
        GATED_GELU,
        /** The first T5: {@code wo(relu(wi x))}. */
        RELU
    }

    /** Checks the rules. */
    public T5Config {
        atLeast("vocabSize", vocabSize, 1);
        atLeast("width", width, 1);
        atLeast("headWidth", headWidth, 1);
        atLeast("hidden", hidden, 1);
        atLeast("depth", depth, 1);
        if (depth > MOST_BLOCKS || (long) heads * headWidth > MOST_WIDTH) {
            throw new IllegalArgumentException(
                    "depth must be at most " + MOST_BLOCKS + " and heads times headWidth at most " + MOST_WIDTH
                            + ", got " + depth + " and " + heads + " times " + headWidth);
        }
        atLeast("heads", heads, 1);
        atLeast("buckets", buckets, 4);
        if (buckets % 2 != 0) {
            throw new IllegalArgumentException("buckets must be even, got " + buckets);
        }
        if (maxDistance <= buckets / 4) {
            throw new IllegalArgumentException(
                    "maxDistance must be above buckets / 4 = " + buckets / 4 + ", got " + maxDistance);
        }
        if (!(epsilon > 0 && epsilon < 1)) {
            throw new IllegalArgumentException("epsilon must be above 0 and below 1, got " + epsilon);
        }
        if (feedForward == null) {
            throw new IllegalArgumentException("feedForward must be given");
        }
    }

    private static void atLeast(String name, int value, int least) {
        if (value < least || value > 1 << 24) {
            throw new IllegalArgumentException(name + " must be " + least + " to " + (1 << 24) + ", got " + value);
        }
    }

    /**
     * A published shape of T5 v1.1.
     *
     * @param name one of {@link #NAMES}
     * @return with 32,128 rows of embeddings
     * @throws IllegalArgumentException for another name
     */
    public static T5Config named(String name) {
        return switch (name.toLowerCase(Locale.ROOT)) {
            case "t5-v1_1-small" -> v11(512, 1024, 8, 6);
            case "t5-v1_1-base" -> v11(768, 2048, 12, 12);
            case "t5-v1_1-large" -> v11(1024, 2816, 24, 16);
            case "t5-v1_1-xl" -> v11(2048, 5120, 24, 32);
            case "t5-v1_1-xxl" -> v11(4096, 10240, 24, 64);
            default ->
                throw new IllegalArgumentException(
                        "the encoder must be one of " + String.join(", ", NAMES) + ", got " + name);
        };
    }

    private static T5Config v11(int width, int hidden, int depth, int heads) {
        return new T5Config(32128, width, 64, hidden, depth, heads, 32, 128, 1e-6, FeedForward.GATED_GELU);
    }

    /**
     * The tensors of the encoder under Hugging Face's names, in the order of its state dict; the token embeddings once,
     * as {@code shared.weight}.
     *
     * @return name to shape
     */
    public Map<String, long[]> tensors() {
        Map<String, long[]> tensors = new LinkedHashMap<>();
        tensors.put(EMBEDDING, new long[] {vocabSize, width});
        long inner = (long) heads * headWidth;
        for (int i = 0; i < depth; i++) {
            for (String name : List.of("q", "k", "v")) {
                tensors.put(attention(i, name), new long[] {inner, width});
            }
            tensors.put(attention(i, "o"), new long[] {width, inner});
            if (i == 0) {
                tensors.put(POSITIONS, new long[] {buckets, heads});
            }
            tensors.put(norm(i, 0), new long[] {width});
            for (String name : inputs()) {
                tensors.put(feedForward(i, name), new long[] {hidden, width});
            }
            tensors.put(feedForward(i, "wo"), new long[] {width, hidden});
            tensors.put(norm(i, 1), new long[] {width});
        }
        tensors.put(FINAL_NORM, new long[] {width});
        return tensors;
    }

    /** The matrices that a feed-forward layer begins with. */
    private List<String> inputs() {
        return feedForward == FeedForward.GATED_GELU ? List.of("wi_0", "wi_1") : List.of("wi");
    }

    static String attention(int block, String name) {
        return "encoder.block." + block + ".layer.0.SelfAttention." + name + ".weight";
    }

    static String feedForward(int block, String name) {
        return "encoder.block." + block + ".layer.1.DenseReluDense." + name + ".weight";
    }

    static String norm(int block, int layer) {
        return "encoder.block." + block + ".layer." + layer + ".layer_norm.weight";
    }

    /**
     * The number of parameters of the encoder.
     *
     * @return embeddings counted once
     */
    public long parameters() {
        long sum = 0;
        for (long[] shape : tensors().values()) {
            sum += shape.length == 1 ? shape[0] : shape[0] * shape[1];
        }
        return sum;
    }
}
