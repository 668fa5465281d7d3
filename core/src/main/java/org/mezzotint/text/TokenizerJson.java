package org.mezzotint.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.mezzotint.io.InputException;

/**
 * {@code tokenizer.json} of Hugging Face's tokenizers, as T5's are: a unigram model behind a {@code Precompiled} map of
 * characters, spaces cut by {@code WhitespaceSplit} or by rules to the same end, {@code Metaspace}, and {@code </s>} behind
 * every text. Such a file does what SentencePiece does, but for its map of characters, which it applies to what a reader sees
 * as one letter: where marks are piled on letters in unusual ways, or joined by U+200D, its ids may differ. Here both files
 * give SentencePiece's. One with other steps is an error that names the step.
 *
 * <p>Its own truncation and padding are not used: callers say how long a text may be.
 */
final class TokenizerJson {
    private static final String TYPE = "type";

    private final String source;
    private final ObjectNode tree;

    private TokenizerJson(Path file) {
        source = file.toString();
        tree = JsonFile.object(file);
    }

    /**
     * Reads the file.
     *
     * @throws InputException naming what is missing, or is not as in T5's files
     */
    static Vocabulary read(Path file) {
        return new TokenizerJson(file).vocabulary();
    }

    private Vocabulary vocabulary() {
        JsonNode model = tree.path("model");
        require("model.type", model.path(TYPE), "Unigram");
        if (model.path("byte_fallback").asBoolean(false)) {
            throw refuse("model.byte_fallback", "must be false", model.get("byte_fallback"));
        }
        Map<String, Integer> specials = specials();
        List<Unigram.Piece> pieces = pieces(model.path("vocab"), specials);
        int unknown = index("model.unk_id", model.path("unk_id"), pieces.size());
        return new Vocabulary(
                source,
                pieces,
                specials,
                charsMap(),
                special(specials, Vocabulary.PAD),
                end(specials),
                unknown,
                prefixAlways());
    }

    private int special(Map<String, Integer> specials, String name) {
        Integer id = specials.get(name);
        if (id == null) {
            throw new InputException(source + ": added_tokens must hold " + name);
        }
        return id;
    }

    /** Special texts are no pieces, though the list of pieces holds them. */
    private List<Unigram.Piece> pieces(JsonNode vocab, Map<String, Integer> specials) {
        if (!vocab.isArray() || vocab.isEmpty() || vocab.size() > Vocabulary.MOST_PIECES) {
            throw new InputException(
                    source + ": model.vocab must be a list of 1 to " + Vocabulary.MOST_PIECES + " pieces");
        }
        List<Unigram.Piece> pieces = new ArrayList<>();
        for (JsonNode entry : vocab) {
            JsonNode text = entry.path(0);
            JsonNode score = entry.path(1);
            if (entry.size() != 2 || !text.isTextual() || !score.isNumber()) {
                throw refuse("model.vocab[" + pieces.size() + "]", "must be a text and a score", entry);
            }
            boolean special = specials.getOrDefault(text.textValue(), -1) == pieces.size();
            pieces.add(new Unigram.Piece(text.textValue(), score.floatValue(), !special));
        }
        return pieces;
    }

    private Map<String, Integer> specials() {
        Map<String, Integer> specials = new LinkedHashMap<>();
        for (JsonNode token : tree.path("added_tokens")) {
            String text = token.path("content").asText("");
            for (String rule : List.of("single_word", "rstrip", "normalized")) {
                if (text.isEmpty() || token.path(rule).asBoolean(false)) {
                    throw refuse("added_tokens", "must each have a content and " + rule + " false", token);
                }
            }
            specials.put(text, index("added_tokens " + text, token.path("id"), Vocabulary.MOST_PIECES));
        }
        return specials;
    }

    /** {@code Precompiled}, alone or with the two steps that take away spaces in excess. */
    private byte[] charsMap() {
        JsonNode normalizer = tree.path("normalizer");
        List<JsonNode> steps = steps(normalizer, "normalizers");
        byte[] map = null;
        for (JsonNode step : steps) {
            String type = step.path(TYPE).asText();
            boolean spaces = type.equals("Strip")
                    || (type.equals("Replace")
                            && step.path("pattern").path("Regex").asText().equals(" {2,}")
                            && List.of(" ", T5Tokenizer.SPACE)
                                    .contains(step.path("content").asText()));
            if (type.equals("Precompiled") && map == null) {
                map = base64(step.path("precompiled_charsmap"));
            } else if (!spaces || map == null) {
                throw refuse("normalizer", "must be Precompiled, then Strip and Replace of spaces at most", step);
            }
        }
        if (map == null) {
            throw refuse("normalizer", "must be Precompiled", normalizer);
        }
        boolean collapsed =
                steps.stream().anyMatch(step -> step.path(TYPE).asText().equals("Replace")) || splitsAtSpaces();
        if (!collapsed) {
            throw new InputException(source + ": either normalizer must replace runs of spaces or pre_tokenizer must"
                    + " be WhitespaceSplit and Metaspace");
        }
        return map;
    }

    private byte[] base64(JsonNode text) {
        try {
            return text.isNull() ? new byte[0] : Base64.getDecoder().decode(text.asText());
        } catch (IllegalArgumentException e) {
            throw new InputException(source + ": precompiled_charsmap is not base64", e);
        }
    }

    private boolean splitsAtSpaces() {
        return steps(tree.path("pre_tokenizer"), "pretokenizers")
                .get(0)
                .path(TYPE)
                .asText()
                .equals("WhitespaceSplit");
    }

    /** Whether ▁ stands before a text that follows a special one, too. */
    private boolean prefixAlways() {
        JsonNode whole = tree.path("pre_tokenizer");
        List<JsonNode> steps = steps(whole, "pretokenizers");
        JsonNode last = steps.get(steps.size() - 1);
        String scheme = last.path("prepend_scheme").asText("always");
        boolean known = last.path(TYPE).asText().equals("Metaspace")
                && last.path("replacement").asText().equals(T5Tokenizer.SPACE)
                && last.path("add_prefix_space").asBoolean(true)
                && List.of("always", "first").contains(scheme)
                && steps.size() == (splitsAtSpaces() ? 2 : 1);
        if (!known) {
            throw refuse("pre_tokenizer", "must be Metaspace with a prefix, behind WhitespaceSplit at most", whole);
        }
        return scheme.equals("always");
    }

    private List<JsonNode> steps(JsonNode node, String list) {
        List<JsonNode> steps = new ArrayList<>();
        if (node.path(TYPE).asText().equals("Sequence")) {
            node.path(list).forEach(steps::add);
        } else {
            steps.add(node);
        }
        if (steps.isEmpty()) {
            throw new InputException(source + ": the list " + list + " is empty");
        }
        return steps;
    }

    private int end(Map<String, Integer> specials) {
        JsonNode processor = tree.path("post_processor");
        JsonNode single = processor.path("single");
        boolean known = processor.path(TYPE).asText().equals("TemplateProcessing")
                && single.size() == 2
                && single.path(0).has("Sequence")
                && single.path(1).path("SpecialToken").path("id").asText().equals(Vocabulary.END);
        if (!known) {
            throw refuse("post_processor", "must put " + Vocabulary.END + " behind a text", processor);
        }
        return special(specials, Vocabulary.END);
    }

    private int index(String key, JsonNode value, int size) {
        if (!value.isIntegralNumber() || !value.canConvertToInt() || value.intValue() < 0 || value.intValue() >= size) {
            throw refuse(key, "must be a number from 0 to " + (size - 1), value);
        }
        return value.intValue();
    }

    private void require(String key, JsonNode value, String expected) {
        if (!value.asText().equals(expected)) {
            throw refuse(key, "must be " + expected, value);
        }
    }

    private InputException refuse(String key, String rule, JsonNode value) {
        String text = value.isMissingNode() ? "none" : value.toString();
        return new InputException(source + ": " + key + " " + rule + ", got "
                + (text.length() > 100 ? text.substring(0, 100) + "…" : text));
    }
}
