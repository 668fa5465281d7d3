package org.mezzotint.text;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.mezzotint.io.InputException;

/**
 * T5's tokenizer: text to token ids, each text ended by {@code </s>}.
 *
 * <p>The steps of SentencePiece (arXiv:1808.06226v1): the characters are normalised by the model's own map, runs of spaces
 * become one and those at both ends go, ▁ is put before the text and in place of each space, and the most probable cut into
 * pieces is taken. As in Hugging Face's tokenizers, {@code </s>}, {@code <pad>}, {@code <unk>} and {@code <extra_id_0>} …
 * within a text are the tokens of these names.
 *
 * <p>Immutable.
 */
public final class T5Tokenizer {
    static final String SPACE = "\u2581";

    private static final String JSON = "tokenizer.json";
    private static final String SENTENCE_PIECE = "spiece.model";
    private static final String SETTINGS = "tokenizer_config.json";
    private static final int USUAL_EXTRA_IDS = 100;

    private final Vocabulary vocabulary;
    private final CharsMap charsMap;
    private final Unigram unigram;
    private final Pattern specials;
    private final int size;

    private T5Tokenizer(Vocabulary vocabulary) {
        this.vocabulary = vocabulary;
        charsMap = CharsMap.of(vocabulary.charsMap(), vocabulary.source());
        unigram = new Unigram(vocabulary.pieces(), vocabulary.unknown());
        specials = Pattern.compile(vocabulary.specials().keySet().stream()
                .sorted(Comparator.comparingInt(String::length).reversed())
                .map(Pattern::quote)
                .collect(Collectors.joining("|")));
        size = 1
                + Math.max(
                        vocabulary.pieces().size() - 1,
                        vocabulary.specials().values().stream()
                                .mapToInt(Integer::intValue)
                                .max()
                                .orElse(0));
    }

    /**
     * Opens the tokenizer of a Hugging Face folder: {@code tokenizer.json}, else {@code spiece.model} with the number of
     * {@code extra_ids} that {@code tokenizer_config.json} states, or T5's 100.
     *
     * @param path such a folder, or one of the two files
     * @return the tokenizer
     * @throws InputException if there is neither, or it is no tokenizer of T5's kind
     */
    public static T5Tokenizer open(Path path) {
        if (!Files.exists(path)) {
            throw new InputException("tokenizer not found: " + path);
        }
        Path file = path;
        if (Files.isDirectory(path)) {
            file = Files.isRegularFile(path.resolve(JSON)) ? path.resolve(JSON) : path.resolve(SENTENCE_PIECE);
            if (!Files.isRegularFile(file)) {
                throw new InputException(path + " has no tokenizer: neither " + JSON + " nor " + SENTENCE_PIECE);
            }
        }
        boolean json = file.getFileName().toString().endsWith(".json");
        return new T5Tokenizer(
                json
                        ? TokenizerJson.read(file)
                        : SentencePieceFile.read(file, extraIds(file.resolveSibling(SETTINGS))));
    }

    private static int extraIds(Path settings) {
        if (!Files.isRegularFile(settings)) {
            return USUAL_EXTRA_IDS;
        }
        JsonNode value = JsonFile.object(settings).path("extra_ids");
        if (value.isMissingNode()) {
            return USUAL_EXTRA_IDS;
        }
        if (!value.isIntegralNumber() || !value.canConvertToInt() || value.intValue() < 0 || value.intValue() > 1000) {
            throw new InputException(settings + ": extra_ids must be 0 to 1000, got " + value);
        }
        return value.intValue();
    }

    /**
     * A text in tokens.
     *
     * @param ids at least one, the last is {@code </s>}
     * @param cut whether the text had more tokens than fit
     * @param lost the end of the text that did not fit, as its tokens spell it; empty if all of it did
     */
    public record Tokens(int[] ids, boolean cut, String lost) {}

    /**
     * The tokens of a text.
     *
     * @param text any, also empty
     * @param most the number of ids that the encoder takes, {@code </s>} included
     * @return ids, and what was cut away
     * @throws IllegalArgumentException if not even {@code </s>} may be there
     */
    public Tokens encode(String text, int most) {
        if (most < 1) {
            throw new IllegalArgumentException("the number of tokens must be at least 1, got " + most);
        }
        int[] ids = encode(text);
        if (ids.length <= most) {
            return new Tokens(ids, false, "");
        }
        int[] kept = Arrays.copyOf(ids, most);
        kept[most - 1] = vocabulary.end();
        return new Tokens(kept, true, decode(Arrays.copyOfRange(ids, most - 1, ids.length)));
    }

    /**
     * All tokens of a text.
     *
     * @param text any, also empty
     * @return ids, the last is {@code </s>}
     */
    public int[] encode(String text) {
        IntStream.Builder ids = IntStream.builder();
        Matcher special = specials.matcher(text);
        int from = 0;
        while (special.find()) {
            add(text.substring(from, special.start()), from == 0, ids);
            ids.add(vocabulary.specials().get(special.group()));
            from = special.end();
        }
        add(text.substring(from), from == 0, ids);
        return ids.add(vocabulary.end()).build().toArray();
    }

    /**
     * The tokens as SentencePiece itself gives them, for which {@code </s>} within a text is four letters.
     *
     * @param text any, also empty
     * @return ids, the last is {@code </s>}
     */
    public int[] encodePlain(String text) {
        IntStream.Builder ids = IntStream.builder();
        add(text, true, ids);
        return ids.add(vocabulary.end()).build().toArray();
    }

    private void add(String text, boolean first, IntStream.Builder ids) {
        Arrays.stream(unigram.encode(normalized(text, first || vocabulary.prefixAfterSpecials())))
                .forEach(ids::add);
    }

    /** With ▁ for spaces; it also stands before the text, where there was none only if asked for. */
    private String normalized(String text, boolean prefix) {
        String mapped = charsMap.apply(text);
        StringBuilder out = new StringBuilder(mapped.length() + 1);
        boolean space = prefix;
        for (int i = 0; i < mapped.length(); i++) {
            char c = mapped.charAt(i);
            if (c == ' ') {
                space = true;
            } else {
                out.append(space ? SPACE : "").append(c);
                space = false;
            }
        }
        return out.toString();
    }

    /**
     * The text that tokens spell, without special ones and unknown characters.
     *
     * @param ids below {@link #size}
     * @return the text, normalised as it was before it was cut into pieces
     */
    public String decode(int... ids) {
        StringBuilder text = new StringBuilder();
        for (int id : ids) {
            if (id < 0 || id >= size) {
                throw new IllegalArgumentException("ids must be 0 to " + (size - 1) + ", got " + id);
            }
            if (id < vocabulary.pieces().size() && vocabulary.pieces().get(id).normal()) {
                text.append(vocabulary.pieces().get(id).text());
            }
        }
        String spaced = text.toString().replace(SPACE, " ");
        return spaced.startsWith(" ") ? spaced.substring(1) : spaced;
    }

    /**
     * One more than the largest id.
     *
     * @return 32,100 for the published ones
     */
    public int size() {
        return size;
    }

    /**
     * The id behind the end of shorter texts of a batch.
     *
     * @return 0 in the published ones
     */
    public int pad() {
        return vocabulary.pad();
    }

    /**
     * Refuses an encoder of another tokenizer, as far as numbers tell.
     *
     * @param config of the encoder
     * @throws InputException if it has fewer embeddings than this has ids
     */
    public void requireFits(T5Config config) {
        if (size > config.vocabSize()) {
            throw new InputException(vocabulary.source() + " does not fit the encoder: it has " + size
                    + " ids, the encoder " + config.vocabSize() + " embeddings");
        }
    }

    /**
     * Identifies the tokenizer: SHA-256 over its pieces, scores, special texts and map of characters.
     *
     * @return 64 hexadecimal digits
     */
    public String identity() {
        MessageDigest hash = sha256();
        for (Unigram.Piece piece : vocabulary.pieces()) {
            text(hash, piece.text());
            hash.update((byte) (piece.normal() ? 1 : 0));
            hash.update(ByteBuffer.allocate(Integer.BYTES).putInt(0, Float.floatToIntBits(piece.score())));
        }
        vocabulary.specials().entrySet().stream()
                .sorted(Map.Entry.comparingByValue())
                .forEach(entry -> text(hash, entry.getValue() + " " + entry.getKey()));
        hash.update(vocabulary.charsMap());
        return HexFormat.of().formatHex(hash.digest());
    }

    private static void text(MessageDigest hash, String text) {
        hash.update(text.getBytes(StandardCharsets.UTF_8));
        hash.update((byte) 0);
    }

    static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}
