package org.mezzotint.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EventFileTest {
    private static final String GOLDEN = "/golden/formats/tensorboard/";
    private static final Instant NOW = Instant.ofEpochSecond(1_700_000_005, 750_000_000);

    @TempDir
    Path folder;

    @Test
    void writesTheBytesThatTensorBoardsOwnWriterWrites() throws IOException {
        List<byte[]> golden = records(golden("events.out.tfevents.1700000003.host.1.0"));
        JsonNode events = new ObjectMapper().readTree(golden("expected.json")).get("events");
        int compared = 0;
        try (EventFile file = EventFile.open(folder, NOW)) {
            for (JsonNode event : events) {
                if (event.has("file_version")) {
                    continue;
                }
                JsonNode value = event.get("values").get(0);
                Instant time =
                        Instant.ofEpochMilli(Math.round(event.get("wall_time").asDouble() * 1000));
                long step = event.get("step").asLong();
                String tag = value.get("tag").asText();
                if (value.has("image")) {
                    byte[] record = golden.get(compared + 1);
                    int length = 225;
                    byte[] png = Arrays.copyOfRange(record, record.length - length, record.length);
                    assertThat(png).startsWith(0x89, 'P', 'N', 'G');
                    JsonNode image = value.get("image");
                    file.image(
                            tag,
                            step,
                            png,
                            image.get("width").asInt(),
                            image.get("height").asInt(),
                            time);
                } else {
                    int bits = Integer.parseUnsignedInt(
                            value.get("float_bits").asText().substring(2), 16);
                    file.scalar(tag, step, Float.intBitsToFloat(bits), time);
                }
                compared++;
            }
        }
        List<byte[]> ours = records(Files.readAllBytes(only()));
        assertThat(compared).isEqualTo(8);
        assertThat(ours).hasSize(9);
        for (int i = 1; i < 9; i++) {
            assertThat(ours.get(i)).as("record " + i).isEqualTo(golden.get(i));
        }
        // The first record of TensorBoard's writer also names that writer.
        assertThat(golden.get(0)).startsWith(ours.get(0));
    }

    @Test
    void startsWithTheFileVersion() throws IOException {
        EventFile.open(folder, NOW).close();
        List<byte[]> records = records(Files.readAllBytes(only()));
        assertThat(HexFormat.of().formatHex(records.get(0)))
                .isEqualTo("0900007041fc54d941" + "1a0d" + hex("brain.Event:2"));
    }

    @Test
    void masksChecksumsLikeTheReference() throws IOException {
        for (JsonNode item :
                new ObjectMapper().readTree(golden("expected.json")).get("crc32c")) {
            byte[] data = HexFormat.of().parseHex(item.get("hex").asText());
            assertThat(String.format("0x%08x", EventFile.maskedCrc(data)))
                    .isEqualTo(item.get("masked").asText());
        }
    }

    @Test
    void saysWhereARunRestarts() throws IOException {
        try (EventFile file = EventFile.open(folder, NOW)) {
            file.restartAt(300, NOW);
        }
        List<byte[]> records = records(Files.readAllBytes(only()));
        // wall_time, step = 300 (ac 02), session_log (field 7) of 2 bytes: status (field 1) = START (1)
        assertThat(HexFormat.of().formatHex(records.get(1))).isEqualTo("0900007041fc54d941" + "10ac02" + "3a020801");
    }

    @Test
    void showsRecordsToReadersAfterAFlush() throws IOException {
        try (EventFile file = EventFile.open(folder, NOW)) {
            file.scalar("a", 1, 2, NOW);
            assertThat(records(Files.readAllBytes(only()))).hasSize(1);
            file.flush();
            assertThat(records(Files.readAllBytes(only()))).hasSize(2);
        }
    }

    @Test
    void secondFileOfASecondHasItsOwnName() {
        try (EventFile first = EventFile.open(folder, NOW);
                EventFile second = EventFile.open(folder, NOW)) {
            first.flush();
            second.flush();
        }
        assertThat(folder.resolve("events.out.tfevents.1700000005.mezzotint.0")).exists();
        assertThat(folder.resolve("events.out.tfevents.1700000005.mezzotint.1")).exists();
    }

    @Test
    void refusesNegativeStepsAndUseAfterClose() {
        EventFile file = EventFile.open(folder, NOW);
        assertThatThrownBy(() -> file.scalar("a", -1, 0, NOW))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("step must be at least 0, got -1");
        assertThatThrownBy(() -> file.image("a", 1, new byte[1], 0, 3, NOW))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("width and height must be at least 1, got 0 and 3");
        file.close();
        file.close();
        assertThatThrownBy(() -> file.scalar("a", 1, 0, NOW)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void saysThatTheFolderIsMissing() {
        assertThatThrownBy(() -> EventFile.open(folder.resolve("no"), NOW))
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith("cannot write " + folder.resolve("no"))
                .hasMessageEndingWith(": no such file or folder");
    }

    /** The data of each record, both checksums compared. */
    private static List<byte[]> records(byte[] file) {
        List<byte[]> records = new ArrayList<>();
        ByteBuffer in = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
        while (in.hasRemaining()) {
            byte[] length = new byte[8];
            in.get(length);
            assertThat(in.getInt()).isEqualTo(EventFile.maskedCrc(length));
            byte[] data = new byte[(int) in.getLong(in.position() - 12)];
            in.get(data);
            assertThat(in.getInt()).isEqualTo(EventFile.maskedCrc(data));
            records.add(data);
        }
        return records;
    }

    private Path only() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.toList().get(0);
        }
    }

    private static String hex(String text) {
        return HexFormat.of().formatHex(text.getBytes(StandardCharsets.UTF_8));
    }

    private static byte[] golden(String name) throws IOException {
        try (InputStream in = EventFileTest.class.getResourceAsStream(GOLDEN + name)) {
            return in.readAllBytes();
        }
    }
}
