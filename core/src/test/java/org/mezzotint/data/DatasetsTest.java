package org.mezzotint.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.mezzotint.io.InputException;

class DatasetsTest {
    private static final PictureOptions OPTIONS = PictureOptions.rgb(7, 9);

    @TempDir
    Path temp;

    @Test
    void folderAndZipOfTheSamePicturesReadAlike() {
        Map<String, byte[]> files = TestPictures.twoClasses();
        Path folder = TestPictures.folder(temp.resolve("folder"), files);
        Path zip = TestPictures.zip(temp.resolve("set.bin"), files);
        try (Dataset a = Datasets.open(folder, OPTIONS);
                Dataset b = Datasets.open(zip, OPTIONS)) {
            assertThat(a).isInstanceOf(ImageFolder.class);
            assertThat(b).isInstanceOf(ZipDataset.class);
            assertThat(a.size()).isEqualTo(5).isEqualTo(b.size());
            for (int i = 0; i < 5; i++) {
                assertThat(a.label(i)).isEqualTo(b.label(i));
                assertThat(TestPictures.read(a, i)).isEqualTo(TestPictures.read(b, i));
            }
        }
    }

    @Test
    void missingPathIsNamed() {
        Path missing = temp.resolve("nothing");
        assertThatExceptionOfType(InputException.class)
                .isThrownBy(() -> Datasets.open(missing, OPTIONS))
                .withMessage("data set not found: " + missing);
    }

    @Test
    void fileThatIsNoZipIsTold() throws IOException {
        Path file = Files.writeString(temp.resolve("a.txt"), "hello");
        assertThatExceptionOfType(InputException.class)
                .isThrownBy(() -> Datasets.open(file, OPTIONS))
                .withMessageStartingWith(file + ": not a readable zip");
    }

    @Test
    void optionsOutOfRangeAreRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> PictureOptions.rgb(0, 8))
                .withMessage("height must be 1 to 16384, got 0");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> PictureOptions.rgb(8, 20_000))
                .withMessage("width must be 1 to 16384, got 20000");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new PictureOptions(8, 8, 4, false, 100))
                .withMessage("channels must be 1 or 3, got 4");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new PictureOptions(8, 8, 3, false, 0))
                .withMessage("maxPixels must be 1 to 536870911, got 0");
    }
}
