package org.mezzotint.data;

import java.nio.file.Files;
import java.nio.file.Path;
import org.mezzotint.io.InputException;

/** Opens a data set by looking at what lies at a path. */
public final class Datasets {
    private Datasets() {}

    /**
     * Opens a folder as {@link ImageFolder} and a file as {@link ZipDataset}.
     *
     * @param path a folder or a zip of pictures
     * @param options picture size, channels, flip and limit
     * @return the data set, to be closed by the caller
     * @throws InputException if there is nothing at the path, or it is no usable folder or zip
     */
    public static Dataset open(Path path, PictureOptions options) {
        if (!Files.exists(path)) {
            throw notFound(path);
        }
        return Files.isDirectory(path) ? ImageFolder.open(path, options) : ZipDataset.open(path, options);
    }

    static InputException notFound(Path path) {
        return new InputException("data set not found: " + path);
    }
}
