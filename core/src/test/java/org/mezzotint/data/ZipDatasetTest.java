package org.mezzotint.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.zip.Deflater;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.mezzotint.io.InputException;

class ZipDatasetTest extends PictureCollectionContract {
    private final AtomicInteger count = new AtomicInteger();

    @Override
    Dataset open(Map<String, byte[]> files, PictureOptions options) {
        return ZipDataset.open(
                TestPictures.zip(temp.resolve("pictures" + count.incrementAndGet() + ".zip"), files), options);
    }

    @Override
    Dataset open() {
        return ZipDataset.open(TestPictures.zip(temp.resolve("pictures.zip"), TestPictures.twoClasses()), OPTIONS);
    }

    @Test
    void directoryEntriesAndWhatMacAddsArePassedOver() {
        Map<String, byte[]> files = new LinkedHashMap<>();
        files.put("a/", new byte[0]);
        files.put("empty/", new byte[0]);
        files.put("__MACOSX/a/1.png", text("x"));
        files.putAll(pictures("a/1.png", "b/2.png"));
        try (Dataset dataset = open(files)) {
            assertThat(dataset.classNames()).containsExactly("a", "b");
            assertThat(dataset.size()).isEqualTo(2);
        }
    }

    @Test
    void oneTopFolderAroundEverythingCountsAsTheRoot() {
        try (Dataset dataset = open(pictures("set/dog/1.png", "set/cat/2.png", "set/dog/3.png"))) {
            assertThat(dataset.classNames()).containsExactly("cat", "dog");
            assertThat(labels(dataset)).containsExactly(0, 1, 1);
        }
        Map<String, byte[]> labelled = pictures("set/1.png", "set/2.png");
        labelled.put("set/dataset.json", text("{\"labels\": [[\"1.png\", 0], [\"2.png\", 1]]}"));
        try (Dataset dataset = open(labelled)) {
            assertThat(labels(dataset)).containsExactly(0, 1);
        }
        try (Dataset dataset = open(pictures("flat/1.png", "flat/2.png"))) {
            assertThat(dataset.classNames()).isEmpty();
        }
    }

    @Test
    void namesOutsideAsciiAreKept() {
        try (Dataset dataset = open(pictures("Füchse/ü.png", "кошки/кот.png", "猫/一.png"))) {
            assertThat(dataset.classNames()).containsExactly("Füchse", "кошки", "猫");
            assertThat(dataset.name(2)).endsWith("猫/一.png");
            assertThat(TestPictures.read(dataset, 2)).isNotEqualTo(TestPictures.read(dataset, 1));
        }
    }

    @Test
    void oldZipWithoutUtf8NamesOpens() throws IOException {
        Path path = temp.resolve("pictures0.zip");
        try (ZipOutputStream out = new ZipOutputStream(Files.newOutputStream(path), StandardCharsets.ISO_8859_1)) {
            out.putNextEntry(new ZipEntry("ü.png"));
            out.write(TestPictures.png(9, 7, 1));
        }
        try (Dataset dataset = ZipDataset.open(path, OPTIONS)) {
            assertThat(TestPictures.read(dataset, 0)).hasSize(3 * 6 * 8);
        }
    }

    @Test
    void namesThatLeadOutsideArePassedOver() {
        try (Dataset dataset = open(pictures("../../evil.png", "good.png"))) {
            assertThat(names(dataset)).containsExactly("good.png");
        }
    }

    @Test
    void fileThatIsNoZipIsTold() throws IOException {
        Path file = Files.writeString(temp.resolve("photo.zip"), "hello");
        assertThatExceptionOfType(InputException.class)
                .isThrownBy(() -> ZipDataset.open(file, OPTIONS))
                .satisfies(e -> assertThat(e.getMessage()).startsWith(file + ": not a readable zip: "));
        Path missing = temp.resolve("nothing.zip");
        assertThatExceptionOfType(InputException.class)
                .isThrownBy(() -> ZipDataset.open(missing, OPTIONS))
                .withMessage("data set not found: " + missing);
    }

    @Test
    void damagedEntryIsTold() throws IOException {
        Path zip = TestPictures.zip(temp.resolve("whole.zip"), pictures("1.png", "2.png"));
        byte[] bytes = Files.readAllBytes(zip);
        bytes[100] ^= 0x55;
        Path damaged = Files.write(temp.resolve("damaged.zip"), bytes);
        try (Dataset dataset = ZipDataset.open(damaged, OPTIONS)) {
            assertThatExceptionOfType(InputException.class)
                    .isThrownBy(() -> TestPictures.read(dataset, 0))
                    .withMessageStartingWith(damaged + "/1.png: cannot be read: ");
            assertThat(TestPictures.read(dataset, 1)).hasSize(3 * 6 * 8);
        }
    }

    @Test
    void entryThatUnpacksBeyondTheLimitIsRefused() throws IOException {
        Path zip = temp.resolve("bomb.zip");
        try (OutputStream file = Files.newOutputStream(zip);
                ZipOutputStream out = new ZipOutputStream(file)) {
            out.setLevel(Deflater.BEST_SPEED);
            out.putNextEntry(new ZipEntry("vast.png"));
            byte[] zeros = new byte[1 << 20];
            for (int i = 0; i < 257; i++) {
                out.write(zeros);
            }
        }
        try (Dataset dataset = ZipDataset.open(zip, OPTIONS)) {
            assertThatExceptionOfType(InputException.class)
                    .isThrownBy(() -> TestPictures.read(dataset, 0))
                    .withMessage(zip + "/vast.png: cannot be read: the file is larger than 256 MiB");
        }
    }

    @Test
    void sameSizedPictureWithOtherBytesChangesTheFingerprint() {
        byte[] one = TestPictures.png(9, 7, 1);
        byte[] other = one.clone();
        other[other.length - 1] ^= 1;
        try (Dataset a = open(Map.of("1.png", one));
                Dataset b = open(Map.of("1.png", other))) {
            assertThat(a.fingerprint()).isNotEqualTo(b.fingerprint());
        }
        assertThat(List.of(one.length)).containsExactly(other.length);
        assertThat(Arrays.equals(one, other)).isFalse();
    }
}
