package org.mezzotint.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.mezzotint.io.InputException;

/**
 * The captions of a data set of which every picture has at least one.
 *
 * @param count number of captions
 * @param fingerprint SHA-256 over all of them, in order: 64 hexadecimal digits
 */
public record Captions(long count, String fingerprint) {
    /** The most bytes of a file of captions: so that a wrong file does not fill the memory. */
    static final int LONGEST = 1 << 20;

    private static final String CAPTION = "caption";
    private static final ObjectMapper JSON = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    /**
     * Reads all captions.
     *
     * @param pictures a data set with captions
     * @return their number and fingerprint
     * @throws InputException if a picture has none, with the number of such pictures and the name of the first
     */
    public static Captions of(Dataset pictures) {
        Fingerprint fingerprint = new Fingerprint("captions").add(pictures.size());
        long count = 0;
        int missing = 0;
        String first = "";
        for (int i = 0; i < pictures.size(); i++) {
            List<String> captions = pictures.captions(i);
            if (captions.isEmpty() && missing++ == 0) {
                first = pictures.name(i);
            }
            fingerprint.add(captions);
            count += captions.size();
        }
        if (missing > 0) {
            throw new InputException(
                    missing + " of " + pictures.size() + " pictures have no caption, the first is " + first);
        }
        return new Captions(count, fingerprint.hex());
    }

    /** UTF-8, perhaps with a byte order mark. */
    static String decode(byte[] bytes, String path) {
        try {
            String text = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
            return text.startsWith("\uFEFF") ? text.substring(1) : text;
        } catch (CharacterCodingException e) {
            throw new InputException(path + ": it is not UTF-8 text", e);
        }
    }

    /** {@code caption} of an object: a text, or a list of texts; none if it is not there or blank. */
    static List<String> ofJson(String json, String path) {
        JsonNode value;
        try {
            value = JSON.readTree(json).path(CAPTION);
        } catch (JsonProcessingException e) {
            throw new InputException(
                    path + ": not valid JSON: " + e.getOriginalMessage().replaceAll("\\s+", " "), e);
        }
        if (value.isMissingNode() || value.isNull()) {
            return List.of();
        }
        return texts(value, path + ": " + CAPTION);
    }

    /** A text or a list of texts, without blank ones. */
    static List<String> texts(JsonNode value, String what) {
        List<String> texts = new ArrayList<>();
        for (JsonNode text : value.isArray() ? value : List.of(value)) {
            if (!text.isTextual()) {
                throw new InputException(what + " must be a text or a list of texts, got " + value);
            }
            if (!text.textValue().isBlank()) {
                texts.add(text.textValue());
            }
        }
        return texts;
    }
}
