package org.mezzotint.text;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Yaml;
import org.mezzotint.tensor.Precision;

/**
 * What a folder of encoded captions says of itself in {@code captions.json}, which is written when all shards are there.
 *
 * <pre>
 *   captions.json        this
 *   empty.safetensors    hidden (tokens, D) of the empty caption, for guidance
 *   000000.safetensors   hidden (tokens, D), rows (captions + 1), captions (pictures + 1)
 *   000001.safetensors   …
 * </pre>
 *
 * <p>Caption c of a shard has the rows {@code rows[c]} to {@code rows[c + 1]} of {@code hidden}; picture p has the captions
 * {@code captions[p]} to {@code captions[p + 1]}. Nothing is filled up.
 *
 * @param plan what was asked for
 * @param captions number of captions
 * @param tokens number of tokens of all captions
 * @param cut number of captions that had more tokens than asked for and lost their end
 */
public record CaptionSet(Plan plan, long captions, long tokens, long cut) {
    static final String FILE = "captions.json";
    static final String UNFINISHED = "encoding.json";
    static final String EMPTY = "empty.safetensors";
    /** The version of the format. */
    public static final int VERSION = 1;

    /** A shard is mapped whole, and made in memory. */
    static final long LARGEST_SHARD = 1L << 30;

    private static final String HASH = "[0-9a-f]{64}";

    /** How numbers are stored. */
    public enum Type {
        /** Four bytes. */
        FLOAT32(ScalarType.Float, 4),
        /** Two bytes, the range of float32 with eight bits of precision: T5's states have a few large entries. */
        BFLOAT16(ScalarType.BFloat16, 2);

        private final ScalarType scalar;
        private final int bytes;

        Type(ScalarType scalar, int bytes) {
            this.scalar = scalar;
            this.bytes = bytes;
        }

        ScalarType scalar() {
            return scalar;
        }

        int bytes() {
            return bytes;
        }
    }

    /**
     * What is to be encoded, and how: encoding goes on only with the same plan.
     *
     * @param version of the format
     * @param encoder {@link T5Encoder#identity}
     * @param tokenizer {@link T5Tokenizer#identity}
     * @param precision in which the encoder computes
     * @param type how numbers are stored
     * @param width D
     * @param maxTokens the most tokens of a caption, its end included
     * @param pictures number of pictures
     * @param shardSize pictures a shard
     * @param source fingerprint of the captions
     */
    public record Plan(
            int version,
            String encoder,
            String tokenizer,
            Precision precision,
            Type type,
            int width,
            int maxTokens,
            int pictures,
            int shardSize,
            String source) {
        /** Checks the rules. */
        public Plan {
            if (version != VERSION) {
                throw new IllegalArgumentException("version must be " + VERSION + ", got " + version);
            }
            hash("encoder", encoder);
            hash("tokenizer", tokenizer);
            hash("source", source);
            if (precision == null || type == null) {
                throw new IllegalArgumentException("precision and type must be given");
            }
            between("width", width, 1 << 16);
            between("maxTokens", maxTokens, T5Encoder.MOST_TOKENS);
            between("pictures", pictures, Integer.MAX_VALUE);
            between("shardSize", shardSize, 1 << 20);
        }

        private static void hash(String name, String value) {
            if (value == null || !value.matches(HASH)) {
                throw new IllegalArgumentException(name + " must be 64 hexadecimal digits, got " + value);
            }
        }

        private static void between(String name, int value, int most) {
            if (value < 1 || value > most) {
                throw new IllegalArgumentException(name + " must be 1 to " + most + ", got " + value);
            }
        }

        /**
         * The number of shards.
         *
         * @return at least 1
         */
        public int shards() {
            return 1 + (pictures - 1) / shardSize;
        }

        /**
         * The number of pictures in a shard.
         *
         * @param shard from 0
         * @return fewer in the last one
         */
        public int size(int shard) {
            return Math.min(shardSize, pictures - shard * shardSize);
        }
    }

    /** Checks that the counts are possible. */
    public CaptionSet {
        if (plan == null || captions < plan.pictures() || tokens < captions || cut < 0 || cut > captions) {
            throw new IllegalArgumentException(
                    "plan must be given, each picture have a caption and each caption a token, got " + captions
                            + " captions, " + tokens + " tokens, " + cut + " cut");
        }
    }

    /**
     * Whether a folder holds captions, finished or not.
     *
     * @param folder any
     * @return true if it has the description
     */
    public static boolean isIn(Path folder) {
        return Files.isRegularFile(folder.resolve(FILE));
    }

    /**
     * Reads a folder's description.
     *
     * @param folder of encoded captions
     * @return the description
     * @throws InputException if there is none, or encoding is not finished
     */
    public static CaptionSet read(Path folder) {
        if (!isIn(folder)) {
            throw new InputException(
                    Files.isRegularFile(folder.resolve(UNFINISHED))
                            ? "the captions in " + folder + " are not finished: run encode-text again to go on"
                            : folder + " holds no encoded captions: it has no " + FILE);
        }
        return Yaml.read(folder.resolve(FILE), CaptionSet.class);
    }

    static Path shard(Path folder, int shard) {
        return folder.resolve(String.format(Locale.ROOT, "%06d.safetensors", shard));
    }
}
