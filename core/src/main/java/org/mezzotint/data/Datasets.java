package org.mezzotint.data;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.mezzotint.io.InputException;

/** Opens a data set by looking at what lies at a path. */
public final class Datasets {
    private Datasets() {}

    /**
     * Opens a folder with the files of MNIST or its like as {@link IdxDataset}, any other folder as {@link ImageFolder}, a tar
     * or several with braces ({@code train-{000..146}.tar}) as {@link WebDataset} and any other file as {@link ZipDataset}.
     *
     * @param path a folder or a zip of pictures, tar shards, or a folder of MNIST's files
     * @param options picture size, channels, flip and limit
     * @return the data set, to be closed by the caller
     * @throws InputException if there is nothing at the path, or it is no usable folder, zip or tar, or MNIST's files are
     *     damaged
     */
    public static Dataset open(Path path, PictureOptions options) {
        if (!Files.exists(path)) {
            if (ShardPattern.isPattern(path)) {
                return WebDataset.open(ShardPattern.expand(path), options);
            }
            throw notFound(path);
        }
        if (!Files.isDirectory(path)) {
            return TarShard.isTar(path) ? WebDataset.open(List.of(path), options) : ZipDataset.open(path, options);
        }
        return IdxDataset.isIn(path) ? IdxDataset.open(path, options) : ImageFolder.open(path, options);
    }

    static InputException notFound(Path path) {
        return new InputException("data set not found: " + path);
    }
}
