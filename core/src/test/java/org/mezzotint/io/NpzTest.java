package org.mezzotint.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.Random;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NpzTest {
    @TempDir
    Path folder;

    @Test
    void writesPicturesAndLabelsAsNumpyReadsThem() throws IOException {
        Path file = folder.resolve("samples.npz");
        byte[] pixels = new byte[3 * 2 * 5 * 3];
        new Random(1).nextBytes(pixels);
        try (Npz.ImageWriter writer = Npz.images(file, 3, 2, 5)) {
            for (int i = 0; i < 3; i++) {
                writer.add(Arrays.copyOfRange(pixels, i * 30, (i + 1) * 30));
            }
            writer.labels(new long[] {7, -1, 1L << 40});
        }
        try (ZipFile zip = new ZipFile(file.toFile())) {
            assertThat(Collections.list(zip.entries()))
                    .extracting(ZipEntry::getName)
                    .containsExactly("arr_0.npy", "arr_1.npy");
            ByteBuffer images =
                    array(zip, "arr_0.npy", "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 2, 5, 3), }");
            assertThat(images.remaining()).isEqualTo(pixels.length);
            assertThat(images.slice()).isEqualTo(ByteBuffer.wrap(pixels));
            ByteBuffer labels = array(zip, "arr_1.npy", "{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }");
            assertThat(labels.remaining()).isEqualTo(24);
            assertThat(new long[] {labels.getLong(), labels.getLong(), labels.getLong()})
                    .containsExactly(7, -1, 1L << 40);
        }
    }

    @Test
    void writesMoreLabelsThanOneBufferHolds() throws IOException {
        Path file = folder.resolve("many.npz");
        int n = 5000;
        try (Npz.ImageWriter writer = Npz.images(file, n, 1, 1)) {
            writer.labels(LongStream.range(0, n).toArray());
            for (int i = 0; i < n; i++) {
                writer.add(new byte[3]);
            }
        }
        try (ZipFile zip = new ZipFile(file.toFile())) {
            ByteBuffer labels = array(zip, "arr_1.npy", "{'descr': '<i8', 'fortran_order': False, 'shape': (5000,), }");
            assertThat(labels.remaining()).isEqualTo(8 * n);
            for (int i = 0; i < n; i++) {
                assertThat(labels.getLong()).isEqualTo(i);
            }
        }
    }

    @Test
    void leavesLabelsOutUnlessTheyAreGiven() throws IOException {
        Path file = folder.resolve("none.npz");
        Npz.images(file, 0, 4, 4).close();
        try (ZipFile zip = new ZipFile(file.toFile())) {
            assertThat(zip.size()).isEqualTo(1);
            array(zip, "arr_0.npy", "{'descr': '|u1', 'fortran_order': False, 'shape': (0, 4, 4, 3), }");
        }
    }

    @Test
    void equalPicturesGiveEqualFiles() throws IOException {
        for (String name : new String[] {"a", "b"}) {
            try (Npz.ImageWriter writer = Npz.images(folder.resolve(name), 1, 1, 1)) {
                writer.add(new byte[] {1, 2, 3});
            }
        }
        assertThat(folder.resolve("a")).hasSameBinaryContentAs(folder.resolve("b"));
    }

    @Test
    void leavesNoFileWhenPicturesAreMissing() throws IOException {
        Path file = folder.resolve("short.npz");
        Npz.ImageWriter writer = Npz.images(file, 2, 1, 1);
        writer.add(new byte[3]);
        assertThatThrownBy(writer::close)
                .isInstanceOf(IllegalStateException.class)
                .hasMessage(file + " was announced with 2 pictures, got 1");
        writer.close();
        assertThatThrownBy(() -> writer.add(new byte[3])).hasMessage(file + " is closed");
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files).isEmpty();
        }
    }

    @Test
    void refusesOnePictureTooManyAndWrongSizes() {
        Path file = folder.resolve("x.npz");
        try (Npz.ImageWriter writer = Npz.images(file, 1, 2, 2)) {
            assertThatThrownBy(() -> writer.add(new byte[3]))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("a picture must have 12 bytes, got 3");
            assertThatThrownBy(() -> writer.labels(new long[2]))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("there must be 1 labels, got 2");
            writer.add(new byte[12]);
            assertThatThrownBy(() -> writer.add(new byte[12]))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage(file + " was announced with 1 pictures");
        }
        assertThat(file).exists();
        assertThatThrownBy(() -> Npz.images(file, 1, 0, 2))
                .hasMessage("count must be at least 0 and height and width at least 1, got 1, 0 and 2");
        assertThatThrownBy(() -> Npz.images(folder.resolve("no/x.npz"), 1, 1, 1))
                .isInstanceOf(InputException.class)
                .hasMessageEndingWith("no such file or folder");
    }

    /** The data of an array after checking its header. */
    private static ByteBuffer array(ZipFile zip, String name, String dict) throws IOException {
        byte[] bytes = zip.getInputStream(zip.getEntry(name)).readAllBytes();
        ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        assertThat(Arrays.copyOf(bytes, 8)).containsExactly(0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0);
        int length = in.getShort(8);
        assertThat((10 + length) % 64).isZero();
        String header = new String(bytes, 10, length, StandardCharsets.US_ASCII);
        assertThat(header).endsWith("\n");
        assertThat(header.strip()).isEqualTo(dict);
        return in.position(10 + length);
    }
}
