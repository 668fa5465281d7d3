package org.mezzotint.data;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.TreeSet;
import org.mezzotint.data.PictureSource.Entry;
import org.mezzotint.io.InputException;

/** All pictures of a folder or a zip, in the order of their paths; hidden files and other endings are passed over. */
final class PictureCollection implements PictureSet {
    private final PictureSource source;
    private final Runnable release;
    private final List<Entry> pictures;

    private PictureCollection(PictureSource source, Runnable release) {
        this.source = source;
        this.release = release;
        pictures = source.entries().stream()
                .filter(entry -> PictureFiles.isPictureName(entry.name()))
                .sorted(Comparator.comparing(Entry::name))
                .toList();
    }

    static PictureCollection open(Path path) {
        PictureCollection collection;
        if (Files.isDirectory(path)) {
            collection = new PictureCollection(new ImageFolder.Source(path), () -> {});
        } else {
            ZipDataset.Source zip = new ZipDataset.Source(path);
            collection = new PictureCollection(zip, zip::close);
        }
        if (collection.pictures.isEmpty()) {
            collection.close();
            throw new InputException(
                    "no pictures (" + String.join(" ", new TreeSet<>(PictureFiles.EXTENSIONS)) + ") in " + path);
        }
        return collection;
    }

    @Override
    public int size() {
        return pictures.size();
    }

    @Override
    public PictureFiles.Picture read(int index) {
        Entry picture = pictures.get(index);
        String name = source.root() + "/" + picture.name();
        try {
            return PictureFiles.decode(name, source.read(picture), PictureOptions.DEFAULT_MAX_PIXELS);
        } catch (IOException e) {
            throw new InputException(name + ": cannot be read: " + PictureSource.reason(e), e);
        }
    }

    @Override
    public String fingerprint() {
        Fingerprint fingerprint = new Fingerprint("pictures of a " + source.kind()).add(pictures.size());
        pictures.forEach(
                picture -> fingerprint.add(picture.name()).add(picture.bytes()).add(picture.checksum()));
        return fingerprint.hex();
    }

    @Override
    public void close() {
        release.run();
    }
}
