package org.mezzotint.data;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.random.RandomGenerator;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;
import org.mezzotint.io.InputException;

/**
 * The pictures of a zip, read without unpacking it; stored and deflated entries alike.
 *
 * <p>Labels and order are those of {@link ImageFolder}. When one top folder wraps everything in the zip, that folder counts
 * as the root. Nothing is written to disk, so entry names cannot lead anywhere; an entry that unpacks to more than 256 MiB
 * is refused.
 */
public final class ZipDataset implements Dataset {
    private final Source source;
    private final LabelledPictures pictures;

    private ZipDataset(Source source, LabelledPictures pictures) {
        this.source = source;
        this.pictures = pictures;
    }

    /**
     * Reads the zip's directory; pictures are decoded when they are read. The zip stays open until {@link #close}.
     *
     * @param zip the file
     * @param options picture size, channels, flip and limit
     * @return the data set
     * @throws InputException if the file is missing, no zip, holds no pictures, mixes pictures and class folders, or has a
     *     broken {@code dataset.json}, {@code metadata.csv} or {@code metadata.jsonl}
     */
    public static ZipDataset open(Path zip, PictureOptions options) {
        if (!Files.exists(zip)) {
            throw Datasets.notFound(zip);
        }
        Source source = new Source(zip);
        try {
            return new ZipDataset(source, LabelledPictures.open(source, options));
        } catch (RuntimeException e) {
            source.close();
            throw e;
        }
    }

    @Override
    public int size() {
        return pictures.size();
    }

    @Override
    public int channels() {
        return pictures.options().channels();
    }

    @Override
    public int height() {
        return pictures.options().height();
    }

    @Override
    public int width() {
        return pictures.options().width();
    }

    @Override
    public List<String> classNames() {
        return pictures.labels().classNames();
    }

    @Override
    public int labelWidth() {
        return pictures.labels().width();
    }

    @Override
    public float[] labelVector(int index) {
        return pictures.labelVector(index);
    }

    @Override
    public List<String> captions(int index) {
        return pictures.captions(index);
    }

    @Override
    public long label(int index) {
        return pictures.label(index);
    }

    @Override
    public void read(int index, RandomGenerator random, float[] into, int offset) {
        pictures.read(index, random, into, offset);
    }

    @Override
    public String name(int index) {
        return pictures.name(index);
    }

    @Override
    public String fingerprint() {
        return pictures.fingerprint();
    }

    @Override
    public void close() {
        source.close();
    }

    static final class Source implements PictureSource {
        private final Path path;
        private final ZipFile zip;
        private final String root;
        private final Map<Entry, ZipEntry> files = new HashMap<>();

        Source(Path path) {
            this.path = path;
            this.zip = open(path);
            List<? extends ZipEntry> visible = zip.stream()
                    .filter(entry -> !entry.isDirectory() && !PictureSource.isHidden(entry.getName()))
                    .toList();
            String wrapper = wrapper(visible);
            int skip = wrapper.length();
            this.root = wrapper.isEmpty() ? path.toString() : path + "/" + wrapper.substring(0, skip - 1);
            for (ZipEntry file : visible) {
                files.put(new Entry(file.getName().substring(skip), file.getSize(), file.getCrc()), file);
            }
        }

        private static ZipFile open(Path path) {
            try {
                return new ZipFile(path.toFile());
            } catch (ZipException e) {
                return openWithOldNames(path, e);
            } catch (IOException e) {
                throw new InputException(path + ": cannot be read: " + e.getMessage(), e);
            }
        }

        /** Zips from before UTF-8 names: Latin-1 reads any byte, and names only need to differ. */
        private static ZipFile openWithOldNames(Path path, ZipException first) {
            try {
                return new ZipFile(path.toFile(), StandardCharsets.ISO_8859_1);
            } catch (IOException e) {
                throw new InputException(path + ": not a readable zip: " + first.getMessage(), first);
            }
        }

        /** The one top folder, with its slash, if everything lies in it, else the empty string. */
        private static String wrapper(List<? extends ZipEntry> files) {
            TreeSet<String> tops = new TreeSet<>();
            for (ZipEntry file : files) {
                tops.add(file.getName().substring(0, file.getName().indexOf('/') + 1));
            }
            return tops.size() == 1 ? tops.first() : "";
        }

        @Override
        public String kind() {
            return "zip";
        }

        @Override
        public String root() {
            return root;
        }

        @Override
        public List<Entry> entries() {
            return List.copyOf(files.keySet());
        }

        @Override
        public byte[] read(Entry entry) throws IOException {
            ZipEntry file = files.get(entry);
            if (file.getSize() > MAX_FILE_BYTES) {
                throw PictureSource.tooLarge();
            }
            try (InputStream in = zip.getInputStream(file)) {
                byte[] bytes = in.readNBytes(MAX_FILE_BYTES + 1);
                if (bytes.length > MAX_FILE_BYTES) {
                    throw PictureSource.tooLarge();
                }
                CRC32 crc = new CRC32();
                crc.update(bytes);
                if (crc.getValue() != file.getCrc()) {
                    throw new IOException("its checksum is wrong, the zip is damaged");
                }
                return bytes;
            }
        }

        void close() {
            try {
                zip.close();
            } catch (IOException e) {
                throw new InputException(path + ": cannot be closed: " + e.getMessage(), e);
            }
        }
    }
}
