package org.mezzotint.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Files of tensors that are made to take much memory for few bytes: 4 × the file + 64 MiB is the most that they get. */
class MemoryBoundTest {
    private static final int MANY = 1_500_000;

    @TempDir
    Path folder;

    static Stream<Arguments> costly() {
        List<Arguments> files = new ArrayList<>();
        files.add(Arguments.of("lists in a pickle", Reader.PICKLE, pickle("]", "")));
        files.add(Arguments.of("dicts in a pickle", Reader.PICKLE, pickle("}", "")));
        files.add(Arguments.of("dicts in a list", Reader.PICKLE, pickle("}", "]")));
        files.add(Arguments.of("marks in a pickle", Reader.PICKLE, pickle("(", "")));
        files.add(Arguments.of("empty texts", Reader.PICKLE, pickle("\u008c\u0000", "]")));
        files.add(Arguments.of("numbers in a list", Reader.PICKLE, pickle("K\u0001", "]")));
        files.add(Arguments.of("memory cells", Reader.PICKLE, pickle("N\u0094", "")));
        files.add(Arguments.of("duplicates", Reader.PICKLE, pickle("2", "}")));
        files.add(Arguments.of("tuples of tuples", Reader.PICKLE, pickle("\u0085", ")")));
        files.add(Arguments.of("the same long name", Reader.PICKLE, longNames()));
        files.add(Arguments.of("entries of a zip", Reader.TORCH, entries(100_000)));
        files.add(Arguments.of("small tensors", Reader.SAFETENSORS, header(49_000)));
        files.add(Arguments.of("more small tensors", Reader.SAFETENSORS, header(120_000)));
        files.add(Arguments.of(
                "a long text",
                Reader.SAFETENSORS,
                safetensors("{\"__metadata__\":{\"a\":\"" + "x".repeat(30_000_000) + "\"}}")));
        files.add(
                Arguments.of("a long name", Reader.SAFETENSORS, safetensors("{\"" + "x".repeat(30_000_000) + "\":1}")));
        files.add(Arguments.of("a long index", Reader.INDEX, index(200_000)));
        return files.stream();
    }

    /** Many times the same, in a list if asked for; never reaches an end that makes sense. */
    private static byte[] pickle(String unit, String before) {
        String text = "\u0080\u0004" + before + (before.equals("]") ? "(" : "") + unit.repeat(MANY)
                + (before.equals("]") ? "e." : ".");
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }

    /** A list of many references to one tensor, in a dict under a name of a million letters. */
    private static byte[] longNames() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes("\u0080\u0002}X".getBytes(StandardCharsets.ISO_8859_1));
        out.writeBytes(ByteBuffer.allocate(4)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(1_000_000)
                .array());
        out.writeBytes("n".repeat(1_000_000).getBytes(StandardCharsets.ISO_8859_1));
        String tensor =
                "](ctorch._utils\n_rebuild_tensor\n((U\u0007storagectorch\nFloatStorage\nU\u00010U\u0003cpuK\u0006tQK\u0000K\u0001\u0085K\u0001\u0085tRq\u0000";
        out.writeBytes(tensor.getBytes(StandardCharsets.ISO_8859_1));
        out.writeBytes("h\u0000".repeat(100_000).getBytes(StandardCharsets.ISO_8859_1));
        out.writeBytes("es.".getBytes(StandardCharsets.ISO_8859_1));
        return out.toByteArray();
    }

    /** Empty folders, all of one name: a record of the directory has 47 bytes. */
    private static byte[] entries(int count) {
        ByteBuffer zip = ByteBuffer.allocate(count * (31 + 47) + 56 + 20 + 22).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < count; i++) {
            zip.putInt(0x04034b50).position(zip.position() + 22);
            zip.putShort((short) 1).putShort((short) 0).put((byte) '/');
        }
        int start = zip.position();
        for (int i = 0; i < count; i++) {
            zip.putInt(0x02014b50).position(zip.position() + 24);
            zip.putShort((short) 1).position(zip.position() + 12);
            zip.putInt(31 * i).put((byte) '/');
        }
        int end = zip.position();
        zip.putInt(0x06064b50).putLong(44).putInt(0).putLong(0);
        zip.putLong(count).putLong(count).putLong(end - start).putLong(start);
        zip.putInt(0x07064b50).putInt(0).putLong(end).putInt(1);
        zip.putInt(0x06054b50).putInt(0).putInt(-1).putInt(-1).putInt(-1).putShort((short) 0);
        return zip.array();
    }

    private static byte[] header(int tensors) {
        StringBuilder json = new StringBuilder("{");
        for (int i = 0; i < tensors; i++) {
            json.append(i == 0 ? "" : ",").append('"').append(Integer.toString(i, 36));
            json.append("\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}");
        }
        return safetensors(json.append('}').toString());
    }

    private static byte[] safetensors(String json) {
        byte[] utf8 = json.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(8 + utf8.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(utf8.length)
                .put(utf8)
                .array();
    }

    private static byte[] index(int tensors) {
        StringBuilder json = new StringBuilder("{\"weight_map\":{");
        for (int i = 0; i < tensors; i++) {
            json.append(i == 0 ? "" : ",")
                    .append('"')
                    .append(Integer.toString(i, 36))
                    .append("\":\"a\"");
        }
        return json.append("}}").toString().getBytes(StandardCharsets.UTF_8);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("costly")
    void aCostlyFileTakesNoMoreThanItMay(String what, Reader reader, byte[] file) throws IOException {
        assertThat(file).as(what).hasSizeGreaterThan(500_000);
        reader.accepts(folder, file);
    }
}
