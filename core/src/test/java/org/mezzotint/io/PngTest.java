package org.mezzotint.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.zip.CRC32;
import java.util.zip.DeflaterOutputStream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PngTest {
    @TempDir
    Path folder;

    @Test
    void keepsEveryPixel() throws IOException {
        int width = 7;
        int height = 4;
        byte[] rgb = new byte[3 * width * height];
        new Random(3).nextBytes(rgb);
        byte[] png = Png.encode(width, height, rgb, Map.of());
        assertThat(Arrays.copyOfRange(png, 24, 29))
                .as("8 bits, RGB, not interlaced")
                .containsExactly(8, 2, 0, 0, 0);
        BufferedImage image = ImageIO.read(new ByteArrayInputStream(png));
        assertThat(image.getWidth()).isEqualTo(width);
        assertThat(image.getHeight()).isEqualTo(height);
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                int at = 3 * (y * width + x);
                int expected = (rgb[at] & 0xFF) << 16 | (rgb[at + 1] & 0xFF) << 8 | (rgb[at + 2] & 0xFF);
                assertThat(image.getRGB(x, y) & 0xFFFFFF).isEqualTo(expected);
            }
        }
    }

    @Test
    void keepsTextsOfEveryAlphabet() {
        Path file = folder.resolve("a.png");
        Map<String, String> text = new LinkedHashMap<>();
        text.put("mezzotint", "{\"seed\": 1,\n \"label\": \"tench\"}");
        text.put("latin", "café ×");
        text.put("world", "中 😀");
        text.put("empty", "");
        Png.write(file, 1, 1, new byte[3], text);
        assertThat(Png.readText(file)).containsExactlyInAnyOrderEntriesOf(text);
    }

    @Test
    void readsCompressedTextsOfOtherPrograms() throws IOException {
        Path file = folder.resolve("z.png");
        byte[] international = concat("k\0\1\0de\0K\0".getBytes(StandardCharsets.UTF_8), deflate("wört 中"));
        Files.write(file, withChunk("iTXt", international));
        assertThat(Png.readText(file)).containsExactly(Map.entry("k", "wört 中"));
        Files.write(file, withChunk("zTXt", concat("k\0\0".getBytes(StandardCharsets.UTF_8), deflate("plain"))));
        assertThat(Png.readText(file)).containsExactly(Map.entry("k", "plain"));
    }

    @Test
    void refusesATextThatInflatesWithoutEnd() throws IOException {
        Path file = folder.resolve("bomb.png");
        Files.write(
                file,
                withChunk("zTXt", concat("k\0\0".getBytes(StandardCharsets.UTF_8), deflate("a".repeat(1 << 21)))));
        assertThatThrownBy(() -> Png.readText(file))
                .isInstanceOf(InputException.class)
                .hasMessage(file + ": a text must inflate to at most 1048576 bytes");
    }

    @Test
    void refusesTextsThatAreTooLongDamagedOrWithoutKeyword() throws IOException {
        Path file = folder.resolve("t.png");
        Files.write(file, withChunk("tEXt", new byte[(1 << 20) + 1]));
        assertThatThrownBy(() -> Png.readText(file))
                .hasMessage(file + ": at most 64 texts of 1048576 bytes can be read, got 1048577 bytes");
        Files.write(file, withChunk("tEXt", new byte[] {'a'}));
        assertThatThrownBy(() -> Png.readText(file)).hasMessage(file + ": a text chunk has no end of its keyword");
        Files.write(file, withChunk("iTXt", new byte[] {'a', 0}));
        assertThatThrownBy(() -> Png.readText(file)).hasMessage(file + ": a text chunk has no end of its keyword");
        Files.write(file, withChunk("zTXt", new byte[] {'a', 0, 0, 9, 9, 9}));
        assertThatThrownBy(() -> Png.readText(file)).hasMessage(file + ": a compressed text is damaged");
        byte[] bad = withChunk("tEXt", new byte[] {'a', 0, 'b'});
        bad[33 + 8 + 2] ^= 1;
        Files.write(file, bad);
        assertThatThrownBy(() -> Png.readText(file)).hasMessage(file + ": the checksum of a tEXt chunk is wrong");
    }

    @Test
    void refusesWhatIsNotAWholePng() throws IOException {
        Path file = Files.writeString(folder.resolve("x.png"), "<html>");
        assertThatThrownBy(() -> Png.readText(file)).hasMessage(file + ": this is not a PNG file");
        byte[] png = Png.encode(1, 1, new byte[3], Map.of());
        Files.write(file, Arrays.copyOf(png, png.length - 6));
        assertThatThrownBy(() -> Png.readText(file)).hasMessage(file + ": the PNG file is cut");
        assertThatThrownBy(() -> Png.readText(folder.resolve("no.png")))
                .hasMessage("cannot read " + folder.resolve("no.png") + ": no such file or folder");
    }

    @Test
    void refusesArgumentsThatDoNotFit() {
        assertThatThrownBy(() -> Png.encode(2, 2, new byte[11], Map.of()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("rgbHwc must have width × height × 3 bytes, got 2 × 2 and 11");
        for (String keyword : new String[] {"", " a", "a  b", "é中", "a".repeat(80), "a\0"}) {
            assertThatThrownBy(() -> Png.encode(1, 1, new byte[3], Map.of(keyword, "")))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageStartingWith("a keyword must have 1 to 79 printable Latin-1 characters");
        }
        assertThatThrownBy(() -> Png.encode(1, 1, new byte[3], Map.of("k", "a\0b")))
                .hasMessageStartingWith("the text of k must have at most");
    }

    private static byte[] withChunk(String type, byte[] data) {
        byte[] png = Png.encode(1, 1, new byte[3], Map.of());
        byte[] name = type.getBytes(StandardCharsets.US_ASCII);
        CRC32 crc = new CRC32();
        crc.update(name);
        crc.update(data);
        // After the signature (8 bytes) and IHDR (25 bytes).
        return ByteBuffer.allocate(png.length + data.length + 12)
                .put(png, 0, 33)
                .putInt(data.length)
                .put(name)
                .put(data)
                .putInt((int) crc.getValue())
                .put(png, 33, png.length - 33)
                .array();
    }

    private static byte[] deflate(String text) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (DeflaterOutputStream out = new DeflaterOutputStream(bytes)) {
            out.write(text.getBytes(StandardCharsets.UTF_8));
        }
        return bytes.toByteArray();
    }

    private static byte[] concat(byte[] a, byte[] b) {
        return ByteBuffer.allocate(a.length + b.length).put(a).put(b).array();
    }
}
