package org.mezzotint.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.mezzotint.io.InputException;

class ImageFolderTest extends PictureCollectionContract {
    private final AtomicInteger count = new AtomicInteger();

    @Override
    Dataset open(Map<String, byte[]> files, PictureOptions options) {
        return ImageFolder.open(
                TestPictures.folder(temp.resolve("pictures" + count.incrementAndGet()), files), options);
    }

    @Override
    Dataset open() {
        return ImageFolder.open(TestPictures.folder(temp.resolve("pictures"), TestPictures.twoClasses()), OPTIONS);
    }

    @Test
    void missingFolderIsNamed() {
        Path missing = temp.resolve("nothing");
        assertThatExceptionOfType(InputException.class)
                .isThrownBy(() -> ImageFolder.open(missing, OPTIONS))
                .withMessage("data set not found: " + missing);
    }

    @Test
    void fileIsNoFolder() throws IOException {
        Path file = Files.writeString(temp.resolve("file"), "x");
        assertThatExceptionOfType(InputException.class)
                .isThrownBy(() -> ImageFolder.open(file, OPTIONS))
                .withMessage("not a folder: " + file);
    }

    @Test
    void emptyFolderIsTold() throws IOException {
        Path empty = Files.createDirectory(temp.resolve("empty"));
        assertThatExceptionOfType(InputException.class)
                .isThrownBy(() -> ImageFolder.open(empty, OPTIONS))
                .withMessage("no pictures (.bmp .gif .jpeg .jpg .png .webp) in " + empty + " or its sub-folders");
    }

    @Test
    void emptySubFoldersAreNoClasses() throws IOException {
        Path folder = TestPictures.folder(temp.resolve("pictures0"), pictures("a/1.png", "c/2.png"));
        Files.createDirectory(folder.resolve("b"));
        try (Dataset dataset = ImageFolder.open(folder, OPTIONS)) {
            assertThat(dataset.classNames()).containsExactly("a", "c");
        }
    }

    @Test
    void pictureDeletedLaterIsNamed() throws IOException {
        Path folder = TestPictures.folder(temp.resolve("pictures0"), pictures("1.png", "2.png"));
        try (Dataset dataset = ImageFolder.open(folder, OPTIONS)) {
            Files.delete(folder.resolve("2.png"));
            assertThatExceptionOfType(InputException.class)
                    .isThrownBy(() -> TestPictures.read(dataset, 1))
                    .withMessageEndingWith("2.png: cannot be read: no such file");
        }
    }
}
