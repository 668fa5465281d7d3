package org.mezzotint.data;

import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.mezzotint.io.InputException;

/**
 * The pictures of tar shards as {@link WebDataset} reads them, each in its own size and without its label.
 */
final class TarPictures implements PictureSet {
    private final TarIndex index;

    private TarPictures(TarIndex index) {
        this.index = index;
    }

    /** Reads the headers of all shards. */
    static TarPictures open(List<Path> shards) {
        TarIndex index = WebDataset.index(shards);
        if (index.size() == 0) {
            throw new InputException("no pictures in " + shards.get(0)
                    + (shards.size() == 1 ? "" : " and the " + (shards.size() - 1) + " other shards"));
        }
        return new TarPictures(index);
    }

    @Override
    public int size() {
        return index.size();
    }

    @Override
    public PictureFiles.Picture read(int at) {
        Objects.checkIndex(at, size());
        try (TarShard tar = index.open(at)) {
            TarShard.Member picture = WebDataset.picture(index, tar, at);
            return PictureFiles.decode(
                    index.shard(at) + "/" + picture.name(), tar.read(picture), PictureOptions.DEFAULT_MAX_PIXELS);
        }
    }

    @Override
    public String fingerprint() {
        return new Fingerprint("pictures of a tar")
                .add(size())
                .add(index.fingerprint())
                .hex();
    }

    /** Nothing to release: a shard is open only while it is read. */
    @Override
    public void close() {}
}
