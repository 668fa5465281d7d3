package org.mezzotint.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/** Reads golden files from the test resources: JSON, bytes and the U8 arrays of a safetensors file. */
final class Golden {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final byte[] file;
    private final JsonNode header;
    private final int dataStart;

    private Golden(byte[] file) throws IOException {
        this.file = file;
        int length = Math.toIntExact(
                ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).getLong());
        header = JSON.readTree(new String(file, Long.BYTES, length, StandardCharsets.UTF_8));
        dataStart = Long.BYTES + length;
    }

    static Golden safetensors(String name) {
        try {
            return new Golden(bytes(name));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static JsonNode json(String name) {
        try {
            return JSON.readTree(bytes(name));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The entries of the file formats' manifest whose files lie in a folder of it. */
    static Stream<JsonNode> formats(String folder) {
        return StreamSupport.stream(json("formats/manifest.json").get("files").spliterator(), false)
                .filter(entry -> entry.get("file").textValue().startsWith(folder + "/"));
    }

    /** Copies a file of the file formats into a folder, under its last name. */
    static Path formatFile(JsonNode entry, Path folder) {
        String file = entry.get("file").textValue();
        try {
            return Files.write(folder.resolve(Path.of(file).getFileName()), bytes("formats/" + file));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static byte[] bytes(String name) {
        try (InputStream in = Golden.class.getResourceAsStream("/golden/" + name)) {
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    JsonNode config() {
        try {
            return JSON.readTree(header.get("__metadata__").get("config").textValue());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    byte[] array(String name) {
        JsonNode entry = header.get(name);
        int from = dataStart + entry.get("data_offsets").get(0).intValue();
        int to = dataStart + entry.get("data_offsets").get(1).intValue();
        return Arrays.copyOfRange(file, from, to);
    }

    int dimension(String name, int axis) {
        return header.get(name).get("shape").get(axis).intValue();
    }
}
