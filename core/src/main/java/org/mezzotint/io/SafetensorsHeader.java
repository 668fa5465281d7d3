package org.mezzotint.io;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The checked header of a safetensors file: a length of 8 bytes, a JSON object, then the data without holes.
 *
 * @param metadata free-form texts
 * @param entries name to place, in the order of the data
 * @param dataStart position of the first data byte in the file
 * @param fileSize bytes of the file
 */
record SafetensorsHeader(Map<String, String> metadata, Map<String, Entry> entries, long dataStart, long fileSize) {
    /** The format's limit for the JSON text, in bytes. */
    static final int LIMIT = 100_000_000;

    static final String METADATA = "__metadata__";
    private static final int MOST_DIMENSIONS = 64;
    private static final int LONGEST_TEXT = 1 << 23;
    private static final int LONGEST_NAME = 1 << 16;
    /** Bounds what a header costs: a tensor takes twenty times the memory of its shortest entry. */
    private static final int MOST_TENSORS = 50_000;

    static final JsonFactory JSON = JsonFactory.builder()
            .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(4)
                    .maxStringLength(LONGEST_TEXT)
                    .maxNameLength(LONGEST_NAME)
                    .maxNumberLength(20)
                    .build())
            .build();

    /** The number types that both the format and libtorch have. */
    enum Type {
        F64(ScalarType.Double, 8),
        F32(ScalarType.Float, 4),
        F16(ScalarType.Half, 2),
        BF16(ScalarType.BFloat16, 2),
        I64(ScalarType.Long, 8),
        U64(ScalarType.UInt64, 8),
        I32(ScalarType.Int, 4),
        U32(ScalarType.UInt32, 4),
        I16(ScalarType.Short, 2),
        U16(ScalarType.UInt16, 2),
        I8(ScalarType.Char, 1),
        U8(ScalarType.Byte, 1),
        F8_E4M3(ScalarType.Float8_e4m3fn, 1),
        F8_E5M2(ScalarType.Float8_e5m2, 1),
        BOOL(ScalarType.Bool, 1);

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

        static Type of(ScalarType scalar) {
            for (Type type : values()) {
                if (type.scalar == scalar) {
                    return type;
                }
            }
            return null;
        }
    }

    /** Where a tensor lies: bytes begin (inclusive) to end (exclusive) after the header. */
    record Entry(Type type, List<Long> shape, long begin, long end) {
        long[] sizes() {
            return shape.stream().mapToLong(Long::longValue).toArray();
        }
    }

    static SafetensorsHeader read(Path path, FileChannel channel) throws IOException {
        long size = channel.size();
        ByteBuffer start = ByteBuffer.allocate((int) Math.min(size, 24)).order(ByteOrder.LITTLE_ENDIAN);
        TensorBytes.readFully(channel, start, 0);
        if (new String(start.array(), StandardCharsets.ISO_8859_1).startsWith("version https://git-lfs")) {
            throw new CheckpointException(path + ": this is a Git LFS pointer, not the weights; fetch the file itself");
        }
        if (size < 8) {
            throw new CheckpointException(path + ": a safetensors file has at least 8 bytes, got " + size);
        }
        long length = start.getLong(0);
        if (length < 0 || length > LIMIT) {
            throw new CheckpointException(path + ": the header length must be at most " + LIMIT + " bytes, got "
                    + Long.toUnsignedString(length));
        }
        if (length > size - 8) {
            throw new CheckpointException(
                    path + ": the header length " + length + " is more than the " + (size - 8) + " bytes that follow");
        }
        ByteBuffer bytes = ByteBuffer.allocate((int) length);
        TensorBytes.readFully(channel, bytes, 8);
        if (length == 0 || bytes.get(0) != '{') {
            throw new CheckpointException(path + ": the header must begin with {");
        }
        return new Parser(path).parse(bytes.array(), size);
    }

    /** Refuses texts that have no UTF-8 form. */
    static void checkText(String what, String text) {
        if (text == null || !isUnicode(text)) {
            throw new IllegalArgumentException(what + " must be Unicode text, got \"" + text + "\"");
        }
    }

    private static boolean isUnicode(String text) {
        for (int i = 0; i < text.length(); i++) {
            if (Character.isSurrogate(text.charAt(i))) {
                if (i + 1 == text.length() || !Character.isSurrogatePair(text.charAt(i), text.charAt(i + 1))) {
                    return false;
                }
                i++;
            }
        }
        return true;
    }

    /** Reads the JSON text token by token; nothing that the format does not name is skipped over. */
    private static final class Parser {
        private final Path path;
        private final Map<String, String> metadata = new LinkedHashMap<>();
        private final Map<String, Entry> entries = new LinkedHashMap<>();

        Parser(Path path) {
            this.path = path;
        }

        SafetensorsHeader parse(byte[] utf8, long fileSize) throws IOException {
            long dataStart = 8L + utf8.length;
            // Decoded here: given bytes, Jackson would guess UTF-16 and UTF-32 as well.
            try (JsonParser json = JSON.createParser(
                    new InputStreamReader(new ByteArrayInputStream(utf8), StandardCharsets.UTF_8.newDecoder()))) {
                object(json);
                if (json.nextToken() != null) {
                    throw refused("text after the closing brace");
                }
            } catch (CharacterCodingException e) {
                throw new CheckpointException(path + ": the header must be UTF-8", e);
            } catch (JsonProcessingException e) {
                String message = InputException.oneLine(e.getOriginalMessage());
                throw new CheckpointException(path + ": the header is not valid JSON: " + message, e);
            }
            return new SafetensorsHeader(
                    Collections.unmodifiableMap(metadata), ordered(fileSize - dataStart), dataStart, fileSize);
        }

        private void object(JsonParser json) throws IOException {
            expect(json.nextToken(), JsonToken.START_OBJECT, "", "the header must be an object", json);
            boolean metadataSeen = false;
            while (json.nextToken() != JsonToken.END_OBJECT) {
                String name = name(json);
                if (name.equals(METADATA)) {
                    if (metadataSeen) {
                        throw refused("a second " + METADATA);
                    }
                    metadataSeen = true;
                    metadata(json);
                } else if (entries.size() == MOST_TENSORS) {
                    throw refused("a file must have at most " + MOST_TENSORS + " tensors");
                } else if (entries.put(name, entry(json, name)) != null) {
                    throw refused("tensor \"" + name + "\" is there twice");
                }
            }
        }

        private void metadata(JsonParser json) throws IOException {
            expect(json.nextToken(), JsonToken.START_OBJECT, METADATA, " must be an object", json);
            while (json.nextToken() != JsonToken.END_OBJECT) {
                String key = name(json);
                String rule = METADATA + " \"" + key + "\" must be a string";
                expect(json.nextToken(), JsonToken.VALUE_STRING, "", rule, json);
                if (!isUnicode(json.getText())) {
                    throw refused("half a surrogate pair in " + METADATA + " \"" + key + "\"");
                }
                if (metadata.put(key, json.getText()) != null) {
                    throw refused(METADATA + " \"" + key + "\" is there twice");
                }
            }
        }

        private Entry entry(JsonParser json, String name) throws IOException {
            String where = "tensor \"" + name + "\": ";
            expect(json.nextToken(), JsonToken.START_OBJECT, where, "the entry must be an object", json);
            Type type = null;
            List<Long> shape = null;
            List<Long> offsets = null;
            while (json.nextToken() != JsonToken.END_OBJECT) {
                String key = name(json);
                if (key.equals("dtype") && type == null) {
                    type = type(json, where);
                } else if (key.equals("shape") && shape == null) {
                    shape = numbers(json, where, "shape", MOST_DIMENSIONS);
                } else if (key.equals("data_offsets") && offsets == null) {
                    offsets = numbers(json, where, "data_offsets", 2);
                } else {
                    throw refused(
                            where + "the fields are dtype, shape and data_offsets, each once, got \"" + key + "\"");
                }
            }
            if (type == null || shape == null || offsets == null) {
                String missing = type == null ? "dtype" : shape == null ? "shape" : "data_offsets";
                throw refused(where + missing + " is missing");
            }
            if (offsets.size() != 2 || offsets.get(0) > offsets.get(1)) {
                throw refused(where + "data_offsets must be [begin, end], got " + offsets);
            }
            long bytes = bytes(type, shape, where);
            if (bytes != offsets.get(1) - offsets.get(0)) {
                throw refused(where + "shape and dtype need " + bytes + " bytes, the offsets span "
                        + (offsets.get(1) - offsets.get(0)));
            }
            return new Entry(type, shape, offsets.get(0), offsets.get(1));
        }

        private Type type(JsonParser json, String where) throws IOException {
            expect(json.nextToken(), JsonToken.VALUE_STRING, where, "dtype must be a string", json);
            for (Type type : Type.values()) {
                if (type.name().equals(json.getText())) {
                    return type;
                }
            }
            throw refused(
                    where + "dtype must be one of " + List.of(Type.values()) + ", got \"" + json.getText() + "\"");
        }

        private List<Long> numbers(JsonParser json, String where, String what, int most) throws IOException {
            if (json.nextToken() != JsonToken.START_ARRAY) {
                throw refused(where + what + " must be an array, got " + json.getText());
            }
            long[] numbers = new long[4];
            int count = 0;
            while (json.nextToken() != JsonToken.END_ARRAY) {
                if (json.currentToken() != JsonToken.VALUE_NUMBER_INT || !isLength(json)) {
                    throw refused(where + what + " must hold whole numbers from 0 to 2^63-1, got " + json.getText());
                }
                if (count == most) {
                    throw refused(where + what + " must not have more than " + most + " numbers");
                }
                numbers = count < numbers.length ? numbers : Arrays.copyOf(numbers, 2 * count);
                numbers[count++] = json.getLongValue();
            }
            return Arrays.stream(numbers, 0, count).boxed().toList();
        }

        private static boolean isLength(JsonParser json) throws IOException {
            return json.getNumberType() != JsonParser.NumberType.BIG_INTEGER && json.getLongValue() >= 0;
        }

        /** Bytes of a tensor. Zeros count last: libtorch computes strides from the other sizes. */
        private long bytes(Type type, List<Long> shape, String where) {
            try {
                long bytes = type.bytes();
                boolean empty = false;
                for (long size : shape) {
                    bytes = Math.multiplyExact(bytes, Math.max(size, 1));
                    empty |= size == 0;
                }
                return empty ? 0 : bytes;
            } catch (ArithmeticException e) {
                throw refused(where + "the shape " + shape + " has more than 2^63-1 bytes");
            }
        }

        private Map<String, Entry> ordered(long dataBytes) {
            List<Map.Entry<String, Entry>> sorted = new ArrayList<>(entries.entrySet());
            sorted.sort(Comparator.comparingLong(
                            (Map.Entry<String, Entry> e) -> e.getValue().begin())
                    .thenComparingLong(e -> e.getValue().end()));
            Map<String, Entry> ordered = new LinkedHashMap<>();
            long next = 0;
            for (Map.Entry<String, Entry> item : sorted) {
                if (item.getValue().begin() != next) {
                    throw refused("tensor \"" + item.getKey()
                            + "\": the data must follow each other without hole or overlap, " + "expected offset "
                            + next + ", got " + item.getValue().begin());
                }
                next = item.getValue().end();
                ordered.put(item.getKey(), item.getValue());
            }
            if (next != dataBytes) {
                throw refused("the header describes " + next + " bytes of data, the file has " + dataBytes);
            }
            return ordered;
        }

        private String name(JsonParser json) throws IOException {
            expect(json.currentToken(), JsonToken.FIELD_NAME, "", "the header must not be cut", json);
            if (!isUnicode(json.currentName())) {
                throw refused("half a surrogate pair in a name");
            }
            return json.currentName();
        }

        private void expect(JsonToken token, JsonToken wanted, String where, String rule, JsonParser json)
                throws IOException {
            if (token != wanted) {
                throw refused(where + rule + ", got " + (token == null ? "the end" : json.getText()));
            }
        }

        private CheckpointException refused(String what) {
            return new CheckpointException(path + ": " + InputException.oneLine(what));
        }
    }
}
