package org.mezzotint.data;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.FileVisitOption;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.random.RandomGenerator;
import org.mezzotint.io.InputException;

/**
 * The pictures of a folder and its sub-folders, cropped and resized to one size.
 *
 * <p>Labels come from {@code dataset.json} in the folder, as EDM writes it: {"labels": [["path", 3], …]} with every picture
 * listed, or null for none; lists of numbers in place of classes are label vectors. Or they come from {@code metadata.csv} or
 * {@code metadata.jsonl}, as Hugging Face has them: a row a picture with {@code file_name}, and perhaps {@code text} or
 * {@code caption} and {@code label} (a number or a name). Without such a file each sub-folder is a class, in the order of the sorted
 * names, and pictures may lie deeper; a folder without sub-folders has no labels, nor has one in which all pictures are called
 * like {@code 00000/img00000123.png}: EDM's dataset tool makes such folders of numbers, and pictures of one size, so that
 * another size is an error there. Hidden files and other endings are passed over, symbolic links are followed, and pictures
 * are in the order of their paths, whatever the locale.
 *
 * <p>Captions are that table's, or lie beside the pictures: {@code 0001.txt} beside {@code 0001.png}, UTF-8, each line that is
 * not blank a caption. Both at once are an error.
 */
public final class ImageFolder implements Dataset {
    private final LabelledPictures pictures;

    private ImageFolder(LabelledPictures pictures) {
        this.pictures = pictures;
    }

    /**
     * Lists the folder; pictures are decoded when they are read.
     *
     * @param folder the folder
     * @param options picture size, channels, flip and limit
     * @return the data set
     * @throws InputException if the folder is missing, holds no pictures, mixes pictures and class folders, or has a
     *     broken {@code dataset.json}, {@code metadata.csv} or {@code metadata.jsonl}
     */
    public static ImageFolder open(Path folder, PictureOptions options) {
        if (!Files.exists(folder)) {
            throw Datasets.notFound(folder);
        }
        if (!Files.isDirectory(folder)) {
            throw new InputException("not a folder: " + folder);
        }
        return new ImageFolder(LabelledPictures.open(new Source(folder), options));
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

    /** Nothing to release: files are open only while they are read. */
    @Override
    public void close() {}

    /** Keeps the paths themselves: a name that the platform's character set cannot hold still opens. */
    static final class Source implements PictureSource {
        private final Path folder;
        private final List<Entry> entries = new ArrayList<>();
        private final Map<Entry, Path> paths = new HashMap<>();

        Source(Path folder) {
            this.folder = folder;
            try {
                Files.walkFileTree(folder, EnumSet.of(FileVisitOption.FOLLOW_LINKS), Integer.MAX_VALUE, new Lister());
            } catch (IOException e) {
                throw new InputException(folder + ": cannot be listed: " + e.getMessage(), e);
            }
        }

        /** Collects files, passing over hidden folders. */
        private final class Lister extends SimpleFileVisitor<Path> {
            @Override
            public FileVisitResult preVisitDirectory(Path path, BasicFileAttributes attributes) {
                boolean hidden = !path.equals(folder) && PictureSource.isHidden(name(path));
                return hidden ? FileVisitResult.SKIP_SUBTREE : FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFile(Path path, BasicFileAttributes attributes) {
                if (!attributes.isOther() && !PictureSource.isHidden(name(path))) {
                    Entry entry = new Entry(name(path), attributes.size(), 0);
                    entries.add(entry);
                    paths.put(entry, path);
                }
                return FileVisitResult.CONTINUE;
            }

            private String name(Path path) {
                return folder.relativize(path)
                        .toString()
                        .replace(folder.getFileSystem().getSeparator(), "/");
            }
        }

        @Override
        public String kind() {
            return "folder";
        }

        @Override
        public String root() {
            return folder.toString();
        }

        @Override
        public List<Entry> entries() {
            return entries;
        }

        @Override
        public byte[] read(Entry entry) throws IOException {
            try (InputStream in = Files.newInputStream(paths.get(entry))) {
                byte[] bytes = in.readNBytes(MAX_FILE_BYTES + 1);
                if (bytes.length > MAX_FILE_BYTES) {
                    throw PictureSource.tooLarge();
                }
                return bytes;
            }
        }
    }
}
