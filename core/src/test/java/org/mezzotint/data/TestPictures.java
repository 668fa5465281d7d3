package org.mezzotint.data;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import javax.imageio.ImageIO;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;

/** Makes small picture files, folders and zips. */
final class TestPictures {
    private TestPictures() {}

    /** A PNG of random pixels. */
    static byte[] png(int width, int height, long seed) {
        return encoded("png", width, height, seed);
    }

    /** A JPEG of random pixels. */
    static byte[] jpeg(int width, int height, long seed) {
        return encoded("jpg", width, height, seed);
    }

    private static byte[] encoded(String format, int width, int height, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_3BYTE_BGR);
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                image.setRGB(x, y, random.nextInt(1 << 24));
            }
        }
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try {
            ImageIO.write(image, format, out);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return out.toByteArray();
    }

    /** The beginning of a PNG that claims a size. */
    static byte[] pngHeader(int width, int height) {
        byte[] body = ByteBuffer.allocate(17)
                .put("IHDR".getBytes(StandardCharsets.US_ASCII))
                .putInt(width)
                .putInt(height)
                .put(new byte[] {8, 2, 0, 0, 0})
                .array();
        CRC32 crc = new CRC32();
        crc.update(body);
        byte[] magic = {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
        byte[] noData = {0, 0, 0, 0, 'I', 'D', 'A', 'T', 0x35, (byte) 0xAF, 0x06, 0x1E};
        return ByteBuffer.allocate(magic.length + 4 + body.length + 4 + noData.length)
                .put(magic)
                .putInt(13)
                .put(body)
                .putInt((int) crc.getValue())
                .put(noData)
                .array();
    }

    /** Two classes of three and two random 9×7 PNGs, and a file that is no picture. */
    static Map<String, byte[]> twoClasses() {
        Map<String, byte[]> files = new LinkedHashMap<>();
        files.put("dog/c.png", png(9, 7, 3));
        files.put("cat/b.png", png(9, 7, 2));
        files.put("cat/a.png", png(9, 7, 1));
        files.put("dog/notes.txt", "no picture".getBytes(StandardCharsets.UTF_8));
        files.put("dog/a.png", png(9, 7, 4));
        files.put("dog/b.png", png(9, 7, 5));
        return files;
    }

    static Path folder(Path folder, Map<String, byte[]> files) {
        try {
            Files.createDirectories(folder);
            for (Map.Entry<String, byte[]> file : files.entrySet()) {
                Path path = folder.resolve(file.getKey());
                Files.createDirectories(path.getParent());
                Files.write(path, file.getValue());
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return folder;
    }

    /** Names that end in a slash become directory entries. */
    static Path zip(Path path, Map<String, byte[]> files) {
        try (ZipOutputStream out = new ZipOutputStream(Files.newOutputStream(path))) {
            for (Map.Entry<String, byte[]> file : files.entrySet()) {
                out.putNextEntry(new ZipEntry(file.getKey()));
                out.write(file.getValue());
                out.closeEntry();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return path;
    }

    /** Members in the order given; names over 100 characters get a PAX header. */
    static Path tar(Path path, Map<String, byte[]> files) {
        try (TarArchiveOutputStream out =
                new TarArchiveOutputStream(Files.newOutputStream(path), StandardCharsets.UTF_8.name())) {
            out.setLongFileMode(TarArchiveOutputStream.LONGFILE_POSIX);
            for (Map.Entry<String, byte[]> file : files.entrySet()) {
                TarArchiveEntry entry = new TarArchiveEntry(file.getKey());
                entry.setSize(file.getValue().length);
                out.putArchiveEntry(entry);
                out.write(file.getValue());
                out.closeArchiveEntry();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return path;
    }

    /** One picture of a data set, read with a fixed random. */
    static float[] read(Dataset dataset, int index) {
        return read(dataset, index, 1);
    }

    static float[] read(Dataset dataset, int index, long seed) {
        float[] picture = new float[dataset.channels() * dataset.height() * dataset.width()];
        dataset.read(index, new SplittableRandom(seed), picture, 0);
        return picture;
    }
}
