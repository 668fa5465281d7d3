package org.mezzotint.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.metadata.IIOMetadataNode;
import javax.imageio.stream.ImageInputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GifTest {
    @TempDir
    private Path folder;

    @Test
    void framesDelayAndRepetitionComeBack() throws IOException {
        byte[] first = {(byte) 255, 0, 0, 0, (byte) 255, 0, 0, 0, (byte) 255, 10, 20, 30, 40, 50, 60, 70, 80, 90};
        byte[] second = new byte[18];
        Path file = folder.resolve("a.gif");
        Gif.write(file, 3, 2, List.of(first, second, first), 25);
        ImageReader reader = ImageIO.getImageReadersByFormatName("gif").next();
        try (ImageInputStream in = ImageIO.createImageInputStream(file.toFile())) {
            reader.setInput(in);
            assertThat(reader.getNumImages(true)).isEqualTo(3);
            assertThat(colours(reader.read(0)))
                    .containsExactly(0xFF0000, 0x00FF00, 0x0000FF, 0x0A141E, 0x28323C, 0x46505A);
            assertThat(colours(reader.read(1))).containsOnly(0);
            IIOMetadataNode root =
                    (IIOMetadataNode) reader.getImageMetadata(2).getAsTree("javax_imageio_gif_image_1.0");
            IIOMetadataNode control = (IIOMetadataNode)
                    root.getElementsByTagName("GraphicControlExtension").item(0);
            assertThat(control.getAttribute("delayTime")).isEqualTo("25");
        } finally {
            reader.dispose();
        }
        assertThat(new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1))
                .startsWith("GIF89a")
                .contains("NETSCAPE2.0");
    }

    private static int[] colours(BufferedImage image) {
        int[] colours = new int[image.getWidth() * image.getHeight()];
        for (int i = 0; i < colours.length; i++) {
            colours[i] = image.getRGB(i % image.getWidth(), i / image.getWidth()) & 0xFFFFFF;
        }
        return colours;
    }

    /** 4,096 colours in 256: none strays far. */
    @Test
    void manyColoursLoseALittle() throws IOException {
        byte[] rgb = new byte[3 * 64 * 64];
        for (int i = 0; i < 64 * 64; i++) {
            rgb[3 * i] = (byte) (i % 16 * 17);
            rgb[3 * i + 1] = (byte) (i / 16 % 16 * 17);
            rgb[3 * i + 2] = (byte) (i / 256 * 17);
        }
        Path file = folder.resolve("many.gif");
        Gif.write(file, 64, 64, List.of(rgb), 5);
        BufferedImage read = ImageIO.read(file.toFile());
        int[] colours = colours(read);
        assertThat(Arrays.stream(colours).distinct().count()).isBetween(64L, 256L);
        for (int i = 0; i < colours.length; i++) {
            for (int c = 0; c < 3; c++) {
                int expected = rgb[3 * i + c] & 0xFF;
                assertThat(Math.abs((colours[i] >> (16 - 8 * c) & 0xFF) - expected))
                        .isLessThanOrEqualTo(34);
            }
        }
    }

    @Test
    void whatDoesNotFitIsRefused() {
        Path file = folder.resolve("a.gif");
        assertThatThrownBy(() -> Gif.write(file, 2, 2, List.of(new byte[12], new byte[11]), 5))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("each frame must have width × height × 3 bytes, got 2 × 2 and 11");
        assertThatThrownBy(() -> Gif.write(file, 0, 2, List.of(new byte[0]), 5))
                .hasMessage("a GIF's sides must be 1 to 65535, got 0 and 2");
        assertThatThrownBy(() -> Gif.write(file, 1, 1, List.of(new byte[3]), 0))
                .hasMessage("delayHundredths must be 1 to 65535, got 0");
        assertThatThrownBy(() -> Gif.write(file, 1, 1, List.of(), 5)).hasMessage("an animation needs frames");
        assertThat(file).doesNotExist();
    }
}
