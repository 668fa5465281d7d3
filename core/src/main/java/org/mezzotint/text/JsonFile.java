package org.mezzotint.text;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.mezzotint.io.InputException;

/** Files of a Hugging Face folder, which are read whole. */
final class JsonFile {
    /** A vocabulary of 250,000 pieces has 16 MB. */
    static final int LONGEST = 64 << 20;

    private static final ObjectMapper JSON = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private JsonFile() {}

    /**
     * Reads a JSON object.
     *
     * @throws InputException if it cannot be read, is too long, or is something else
     */
    static ObjectNode object(Path file) {
        try {
            if (JSON.readTree(bytes(file)) instanceof ObjectNode object) {
                return object;
            }
        } catch (JsonProcessingException e) {
            throw new InputException(
                    file + ": not valid JSON: " + e.getOriginalMessage().replaceAll("\\s+", " "), e);
        } catch (IOException e) {
            throw new InputException(InputException.message("read", file, e), e);
        }
        throw new InputException(file + ": must be a JSON object");
    }

    /** The whole of a file of at most {@link #LONGEST} bytes. */
    static byte[] bytes(Path file) {
        try (InputStream in = Files.newInputStream(file)) {
            byte[] bytes = in.readNBytes(LONGEST + 1);
            if (bytes.length > LONGEST) {
                throw new InputException(file + ": must have at most " + LONGEST + " bytes, got more");
            }
            return bytes;
        } catch (IOException e) {
            throw new InputException(InputException.message("read", file, e), e);
        }
    }
}
