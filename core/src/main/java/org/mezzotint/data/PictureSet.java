package org.mezzotint.data;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.mezzotint.io.InputException;

/**
 * Pictures as they are, each in its own size, without labels: what measuring works on. Unlike a {@link Dataset} nothing is
 * cropped, resized or turned into other numbers.
 *
 * <p>It belongs to one thread. Reading in ascending order is what all of them do fast.
 */
public interface PictureSet extends AutoCloseable {
    /**
     * The number of pictures; index runs from 0 to one less.
     *
     * @return at least 1
     */
    int size();

    /**
     * Decodes one picture.
     *
     * @param index which
     * @return 8-bit RGB
     * @throws InputException if the file is broken, naming it and the reason
     */
    PictureFiles.Picture read(int index);

    /**
     * Identifies the content without reading all of it: SHA-256 over the names, sizes and, where they are known, checksums
     * of the files.
     *
     * @return 64 hexadecimal digits
     */
    String fingerprint();

    /** Releases files; calling it again does nothing. */
    @Override
    void close();

    /**
     * Opens a folder or a zip of pictures (with sub-folders, in the order of their paths), tar shards as {@link WebDataset}
     * takes them, or an npz file with {@code arr_0}, uint8 of shape (N, H, W, 3).
     *
     * @param path what to open
     * @return to be closed by the caller
     * @throws InputException if there is nothing, or nothing usable
     */
    static PictureSet open(Path path) {
        if (isTar(path)) {
            return TarPictures.open(Files.exists(path) ? List.of(path) : ShardPattern.expand(path));
        }
        if (!Files.exists(path)) {
            throw new InputException("no such file or folder: " + path);
        }
        if (Files.isRegularFile(path) && NpzPictures.isIn(path)) {
            return NpzPictures.open(path);
        }
        return PictureCollection.open(path);
    }

    /**
     * Whether a path stands for tar shards.
     *
     * @param path a tar, or several by braces, such as {@code train-{000..146}.tar}
     * @return false for any other file, a folder, and nothing
     */
    static boolean isTar(Path path) {
        return Files.exists(path) ? Files.isRegularFile(path) && TarShard.isTar(path) : ShardPattern.isPattern(path);
    }
}
