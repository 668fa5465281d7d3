package org.mezzotint.app.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.mezzotint.io.AtomicFiles;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Npz;
import org.mezzotint.io.Png;

/** Where drawn pictures go: a folder of PNG files named by seed, a zip of the same with labels, or an npz file. */
abstract class PictureOutput implements AutoCloseable {
    /** Takes one picture: its seed, class (−1 for none) and H·W·3 bytes. */
    abstract void add(long seed, long label, byte[] rgb);

    /** All pictures are there. */
    abstract void finish();

    @Override
    public void close() {}

    static PictureOutput none() {
        return new PictureOutput() {
            @Override
            void add(long seed, long label, byte[] rgb) {}

            @Override
            void finish() {}
        };
    }

    static PictureOutput open(Path out, int count, int height, int width, Map<String, String> settings) {
        String name = out.toString().toLowerCase(Locale.ROOT);
        if (name.endsWith(".npz") || name.endsWith(".zip")) {
            checkFile(out);
            return name.endsWith(".npz")
                    ? new NpzOutput(out, count, height, width)
                    : new ZipOutput(out, height, width, settings);
        }
        return new FolderOutput(out, height, width, settings);
    }

    /** Refuses, before hours of drawing, a file that cannot be written after them. */
    static void checkFile(Path file) {
        Path folder = file.toAbsolutePath().getParent();
        if (folder == null || Files.isDirectory(file)) {
            throw new InputException("cannot write " + file + ": it is a folder");
        }
        if (!Files.isDirectory(folder)) {
            throw new InputException("cannot write " + file + ": no folder " + folder);
        }
        if (!Files.isWritable(folder)) {
            throw new InputException("cannot write into the folder " + folder);
        }
    }

    private static String fileName(long seed) {
        return String.format(Locale.ROOT, "%06d.png", seed);
    }

    private static byte[] png(long seed, long label, int height, int width, byte[] rgb, Map<String, String> settings) {
        Map<String, String> text = new LinkedHashMap<>(settings);
        text.put("seed", Long.toString(seed));
        if (label >= 0) {
            text.put("class", Long.toString(label));
        }
        return Png.encode(width, height, rgb, text);
    }

    private static final class FolderOutput extends PictureOutput {
        private final Path folder;
        private final int height;
        private final int width;
        private final Map<String, String> settings;

        FolderOutput(Path folder, int height, int width, Map<String, String> settings) {
            this.folder = folder;
            this.height = height;
            this.width = width;
            this.settings = settings;
            try {
                Files.createDirectories(folder);
            } catch (IOException e) {
                throw new InputException("cannot make the folder " + folder + ": " + InputException.reason(e), e);
            }
            if (!Files.isWritable(folder)) {
                throw new InputException("cannot write into the folder " + folder);
            }
        }

        @Override
        void add(long seed, long label, byte[] rgb) {
            byte[] png = png(seed, label, height, width, rgb, settings);
            AtomicFiles.write(folder.resolve(fileName(seed)), out -> out.write(png));
        }

        @Override
        void finish() {}
    }

    /** Collects the encoded pictures, which are small, and writes the file whole at the end. */
    private static final class ZipOutput extends PictureOutput {
        private final Path file;
        private final int height;
        private final int width;
        private final Map<String, String> settings;
        private final Map<String, byte[]> entries = new LinkedHashMap<>();
        private final List<String> labels = new ArrayList<>();

        ZipOutput(Path file, int height, int width, Map<String, String> settings) {
            this.file = file;
            this.height = height;
            this.width = width;
            this.settings = settings;
        }

        @Override
        void add(long seed, long label, byte[] rgb) {
            String name = fileName(seed);
            entries.put(name, png(seed, label, height, width, rgb, settings));
            if (label >= 0) {
                labels.add("[\"" + name + "\", " + label + "]");
            }
        }

        @Override
        void finish() {
            String json = "{\"labels\": " + (labels.isEmpty() ? "null" : "[" + String.join(", ", labels) + "]") + "}\n";
            entries.put("dataset.json", json.getBytes(StandardCharsets.UTF_8));
            AtomicFiles.write(file, out -> {
                ZipOutputStream zip = new ZipOutputStream(out);
                for (Map.Entry<String, byte[]> each : entries.entrySet()) {
                    ZipEntry entry = new ZipEntry(each.getKey());
                    CRC32 crc = new CRC32();
                    crc.update(each.getValue());
                    entry.setMethod(ZipEntry.STORED); // PNG is compressed already
                    entry.setSize(each.getValue().length);
                    entry.setCrc(crc.getValue());
                    entry.setTime(0);
                    zip.putNextEntry(entry);
                    zip.write(each.getValue());
                    zip.closeEntry();
                }
                zip.finish();
            });
        }
    }

    private static final class NpzOutput extends PictureOutput {
        private final Npz.ImageWriter writer;
        private final List<Long> labels = new ArrayList<>();

        NpzOutput(Path file, int count, int height, int width) {
            writer = Npz.images(file, count, height, width);
        }

        @Override
        void add(long seed, long label, byte[] rgb) {
            writer.add(rgb);
            if (label >= 0) {
                labels.add(label);
            }
        }

        private boolean finished;

        @Override
        void finish() {
            if (!labels.isEmpty()) {
                writer.labels(labels.stream().mapToLong(Long::longValue).toArray());
            }
            finished = true;
            writer.close();
        }

        @Override
        public void close() {
            if (!finished) {
                try {
                    writer.close(); // removes the unfinished file
                } catch (IllegalStateException incomplete) {
                    return; // what stopped the drawing is being reported already
                }
            }
        }
    }
}
