package org.mezzotint.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.zip.GZIPOutputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.apache.commons.compress.archivers.tar.TarConstants;
import org.junit.jupiter.api.Test;
import org.mezzotint.io.InputException;

class WebDatasetTest extends DatasetContract {
    private static final PictureOptions OPTIONS = PictureOptions.rgb(7, 9);

    private static byte[] text(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** Samples first … last − 1; sample i is picture i of class i mod 3. */
    private static Map<String, byte[]> samples(int first, int last) {
        Map<String, byte[]> files = new LinkedHashMap<>();
        for (int i = first; i < last; i++) {
            String key = String.format("%06d", i);
            files.put(key + ".png", TestPictures.png(9, 7, i));
            files.put(key + ".cls", text(i % 3 + "\n"));
        }
        return files;
    }

    private Path tar(String name, Map<String, byte[]> files) {
        return TestPictures.tar(temp.resolve(name), files);
    }

    private static Dataset open(Path path) {
        return WebDataset.open(path, OPTIONS);
    }

    @Override
    Dataset open() {
        tar("shard-0.tar", samples(0, 4));
        tar("shard-1.tar", Map.of());
        tar("shard-2.tar", samples(4, 6));
        return open(temp.resolve("shard-{0..2}.tar"));
    }

    @Override
    Dataset openOther() {
        Map<String, byte[]> files = samples(0, 6);
        files.put("000003.cls", text("1"));
        return open(tar("other.tar", files));
    }

    private void refused(Map<String, byte[]> files, String message) {
        Path tar = tar("refused.tar", files);
        assertThatExceptionOfType(InputException.class)
                .isThrownBy(() -> open(tar))
                .withMessage(tar + ": " + message);
    }

    @Test
    void samplesComeInTheOrderOfShardsAndMembers() {
        try (Dataset dataset = open()) {
            assertThat(dataset.size()).isEqualTo(6);
            assertThat(dataset.classNames()).containsExactly("0", "1", "2");
            for (int i = 0; i < 6; i++) {
                assertThat(dataset.label(i)).isEqualTo(i % 3);
                assertThat(dataset.name(i))
                        .isEqualTo(temp.resolve(i < 4 ? "shard-0.tar" : "shard-2.tar") + "/00000" + i + ".png");
            }
        }
    }

    @Test
    void picturesEqualThoseOfAFolder() {
        Map<String, byte[]> files = new LinkedHashMap<>();
        samples(0, 6).forEach((name, bytes) -> {
            if (name.endsWith(".png")) {
                files.put(name, bytes);
            }
        });
        try (Dataset shards = open();
                Dataset folder = ImageFolder.open(TestPictures.folder(temp.resolve("folder"), files), OPTIONS)) {
            for (int i = 0; i < 6; i++) {
                assertThat(TestPictures.read(shards, i)).isEqualTo(TestPictures.read(folder, i));
            }
        }
    }

    @Test
    void pathIsTakenForATarByContentAndForShardsByBraces() {
        open().close();
        Path unnamed = tar("pictures.bin", samples(0, 2));
        try (Dataset one = Datasets.open(unnamed, OPTIONS);
                Dataset several = Datasets.open(temp.resolve("shard-{0,2}.tar"), OPTIONS)) {
            assertThat(one).isInstanceOf(WebDataset.class);
            assertThat(one.size()).isEqualTo(2);
            assertThat(several.size()).isEqualTo(6);
        }
        Path zip = TestPictures.zip(temp.resolve("really-a-zip.tar"), Map.of("1.png", TestPictures.png(9, 7, 1)));
        try (Dataset dataset = Datasets.open(zip, OPTIONS)) {
            assertThat(dataset).isInstanceOf(ZipDataset.class);
        }
    }

    @Test
    void wherePicturesLieDoesNotChangeTheFingerprintButTheirOrderDoes() {
        try (Dataset apart = open();
                Dataset together = open(tar("all.tar", samples(0, 6)));
                Dataset other = openOther();
                Dataset turned = open(temp.resolve("shard-{2,0}.tar"))) {
            assertThat(together.fingerprint()).isEqualTo(apart.fingerprint());
            assertThat(other.fingerprint()).isNotEqualTo(apart.fingerprint());
            assertThat(turned.fingerprint()).isNotEqualTo(apart.fingerprint());
        }
    }

    @Test
    void aLoaderOpenedInTheMiddleGivesTheSameBits() {
        try (Dataset dataset = WebDataset.open(tar("all.tar", samples(0, 11)), OPTIONS.withFlip(true));
                BatchLoader whole = new BatchLoader(dataset, 4, 3, 0, 2, BatchLoader.OnBroken.FAIL);
                BatchLoader resumed = new BatchLoader(dataset, 4, 3, 12, 1, BatchLoader.OnBroken.FAIL)) {
            for (int i = 0; i < 3; i++) {
                whole.next();
            }
            for (int i = 0; i < 4; i++) {
                BatchLoader.Batch a = whole.next();
                BatchLoader.Batch b = resumed.next();
                assertThat(b.pixels()).isEqualTo(a.pixels());
                assertThat(b.labels()).isEqualTo(a.labels());
            }
        }
    }

    @Test
    void captionsAreTheTextOrOfTheJson() {
        Map<String, byte[]> files = new LinkedHashMap<>();
        files.put("a.png", TestPictures.png(9, 7, 1));
        files.put("a.json", text("{\"caption\": \"of the json\", \"width\": 9}"));
        files.put("a.txt", text("of the text\nin two lines"));
        files.put("b.png", TestPictures.png(9, 7, 2));
        files.put("b.json", text("{\"caption\": [\"one\", \"\", \"two\"]}"));
        files.put("c.png", TestPictures.png(9, 7, 3));
        files.put("c.json", text("{\"width\": 9}"));
        files.put("d.png", TestPictures.png(9, 7, 4));
        files.put("d.json", text("{\"caption\": 3}"));
        files.put("e.png", TestPictures.png(9, 7, 5));
        files.put("e.json", text("{"));
        try (Dataset dataset = open(tar("captions.tar", files))) {
            assertThat(dataset.captions(0)).containsExactly("of the text\nin two lines");
            assertThat(dataset.captions(1)).containsExactly("one", "two");
            assertThat(dataset.captions(2)).isEmpty();
            assertThatExceptionOfType(InputException.class)
                    .isThrownBy(() -> dataset.captions(3))
                    .withMessageEndingWith("captions.tar/d.json: caption must be a text or a list of texts, got 3");
            assertThatExceptionOfType(InputException.class)
                    .isThrownBy(() -> dataset.captions(4))
                    .withMessageContaining("captions.tar/e.json: not valid JSON: ");
        }
    }

    @Test
    void membersThatAreNoPictureCanBeReadToo() {
        Map<String, byte[]> files = new LinkedHashMap<>();
        files.put("./dir.v1/a.json", text("{}"));
        files.put("./dir.v1/a.JPG", TestPictures.jpeg(9, 7, 1));
        files.put("./dir.v1/a.txt", text("ein Bär"));
        files.put("./dir.v1/a.seg.png", text("seg"));
        files.put("b.jpg", TestPictures.jpeg(9, 7, 2));
        try (WebDataset dataset = WebDataset.open(tar("all.tar", files), OPTIONS)) {
            assertThat(dataset.extensions(0)).containsExactly("json", "jpg", "txt", "seg.png");
            assertThat(dataset.bytes(0, "seg.png")).isEqualTo(text("seg"));
            assertThat(dataset.caption(0)).contains("ein Bär");
            assertThat(dataset.caption(1)).isEmpty();
            assertThat(dataset.name(0)).endsWith("all.tar/dir.v1/a.JPG");
            assertThat(dataset.classNames()).isEmpty();
            assertThat(dataset.labelVector(1)).isEmpty();
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> dataset.bytes(0, "npy"))
                    .withMessage("extension must be one of json, jpg, txt, seg.png, got npy");
        }
    }

    @Test
    void hiddenFilesNamesOutsideFoldersAndNamesWithoutADotArePassedOver() throws IOException {
        Map<String, byte[]> files = new LinkedHashMap<>();
        files.put("a/", new byte[0]);
        files.put("../evil.png", TestPictures.png(9, 7, 1));
        files.put("a/.hidden.png", text("x"));
        files.put("README", text("x"));
        files.put("a/1.png", TestPictures.png(9, 7, 1));
        files.put("a/._1.png", text("x"));
        files.put("a/1.cls", text("0"));
        try (WebDataset dataset = WebDataset.open(tar("all.tar", files), OPTIONS)) {
            assertThat(dataset.size()).isEqualTo(1);
            assertThat(dataset.extensions(0)).containsExactly("png", "cls");
        }
    }

    @Test
    void sampleThatBreaksARuleIsNamed() {
        Map<String, byte[]> twice = samples(0, 3);
        twice.put("000001.txt", text("late"));
        refused(twice, "the members of a sample must follow each other, those of 000001 come in two places");
        Map<String, byte[]> bare = samples(0, 1);
        bare.put("7.json", text("{}"));
        bare.put("7.cls", text("1"));
        refused(bare, "sample 7 has no picture (.bmp .gif .jpeg .jpg .png .webp), only .cls .json");
        Map<String, byte[]> two = samples(0, 1);
        two.put("000000.jpg", TestPictures.jpeg(9, 7, 1));
        refused(two, "a sample must have one picture, 000000 has 000000.png and 000000.jpg");
        Map<String, byte[]> same = samples(0, 1);
        same.put("000000.CLS", text("1"));
        refused(same, "two members are called 000000.CLS");
        for (String label : List.of("-1", "cat", "1.0", "", "1000000", "99999999999")) {
            refused(Map.of("a.cls", text(label)), "a.cls must hold a whole number 0 to 999999, got " + label);
        }
        refused(Map.of("a.cls", new byte[100]), "a.cls must hold a whole number 0 to 999999, got 100 bytes");
    }

    @Test
    void sampleWithoutALabelFailsOrIsSkippedAndShiftsNoOther() {
        Map<String, byte[]> files = samples(0, 5);
        files.remove("000003.cls");
        try (Dataset dataset = open(tar("all.tar", files))) {
            assertThatExceptionOfType(InputException.class)
                    .isThrownBy(() -> TestPictures.read(dataset, 3))
                    .withMessage(temp.resolve("all.tar")
                            + "/000003.png: the sample has no label (.cls), others of the data set have one");
            assertThat(dataset.label(4)).isEqualTo(1);
            try (BatchLoader loader = new BatchLoader(dataset, 5, 1, 0, 1, BatchLoader.OnBroken.SKIP)) {
                BatchLoader.Batch batch = loader.next();
                for (int i = 0; i < 5; i++) {
                    assertThat(batch.indices()[i]).isNotEqualTo(3);
                    assertThat(batch.labels()[i]).isEqualTo(batch.indices()[i] % 3);
                }
                assertThat(loader.skipped()).isEqualTo(1);
                assertThat(loader.skippedNames()).hasSize(1);
            }
        }
    }

    @Test
    void missingOrRepeatedShardsAreTold() {
        open().close();
        assertThatExceptionOfType(InputException.class)
                .isThrownBy(() -> open(temp.resolve("shard-{0..4}.tar")))
                .withMessage("2 of 5 shards are missing, the first is " + temp.resolve("shard-3.tar"));
        assertThatExceptionOfType(InputException.class)
                .isThrownBy(() -> open(temp.resolve("nothing.tar")))
                .withMessage("data set not found: " + temp.resolve("nothing.tar"));
        assertThatExceptionOfType(InputException.class)
                .isThrownBy(() -> open(temp.resolve("shard-{0,0}.tar")))
                .withMessage("the shard " + temp.resolve("shard-0.tar") + " is given twice");
    }

    @Test
    void packedTarIsRefused() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (GZIPOutputStream out = new GZIPOutputStream(bytes)) {
            out.write(Files.readAllBytes(tar("plain.tar", samples(0, 1))));
        }
        Path packed = Files.write(temp.resolve("packed.tar.gz"), bytes.toByteArray());
        assertThatExceptionOfType(InputException.class)
                .isThrownBy(() -> Datasets.open(packed, OPTIONS))
                .withMessageStartingWith(packed + ": the tar must not be packed");
    }

    @Test
    void shardThatChangedSinceItWasOpenedIsNotRead() throws IOException {
        Path tar = tar("all.tar", samples(0, 3));
        try (Dataset dataset = open(tar)) {
            tar("all.tar", samples(0, 40));
            assertThatExceptionOfType(InputException.class)
                    .isThrownBy(() -> TestPictures.read(dataset, 1))
                    .withMessageStartingWith(tar + ": changed while it was in use, it had ");
        }
    }

    /** A cut at any place gives whole samples or an error, never part of a picture. */
    @Test
    void tarCutAnywhereGivesWholeSamplesOrAnError() throws IOException {
        Path whole = tar("whole.tar", samples(0, 2));
        byte[] bytes = Files.readAllBytes(whole);
        int errors = 0;
        for (int length = 1; length < bytes.length; length += 97) {
            Path cut = Files.write(temp.resolve("cut.tar"), Arrays.copyOf(bytes, length));
            try (Dataset dataset = open(cut)) {
                for (int i = 0; i < dataset.size(); i++) {
                    assertThat(TestPictures.read(dataset, i)).hasSize(3 * 7 * 9);
                }
            } catch (InputException e) {
                errors++;
                assertThat(e.getMessage()).startsWith(cut.toString()).doesNotContain("\n");
            }
        }
        assertThat(errors).isGreaterThan(20);
    }

    @Test
    void headerWithAWrongChecksumIsNamedByItsPlace() throws IOException {
        Path tar = tar("whole.tar", samples(0, 2));
        byte[] bytes = Files.readAllBytes(tar);
        int second = 512 + (TestPictures.png(9, 7, 0).length + 511) / 512 * 512;
        assertThat(bytes[second + 5]).isEqualTo((byte) '0');
        bytes[second + 5] = '3'; // 000003.cls: another label for another picture
        Files.write(tar, bytes);
        assertThatExceptionOfType(InputException.class)
                .isThrownBy(() -> open(tar))
                .withMessage(tar + ": not a readable tar: the header at byte " + second + " has a wrong checksum");
    }

    @Test
    void changedHeadersGiveAnErrorOfOneLineOrTheWholeTar() throws IOException {
        String longName = "n".repeat(150) + ".png";
        Map<String, byte[]> files = samples(0, 2);
        files.put(longName, TestPictures.png(9, 7, 5));
        byte[] bytes = Files.readAllBytes(tar("whole.tar", files));
        SplittableRandom random = new SplittableRandom(4);
        int errors = 0;
        for (int turn = 0; turn < 400; turn++) {
            byte[] changed = bytes.clone();
            int count = random.nextInt(1, 4);
            for (int i = 0; i < count; i++) {
                changed[random.nextInt(bytes.length)] = (byte) random.nextInt(256);
            }
            Path path = Files.write(temp.resolve("changed.tar"), changed);
            try (Dataset dataset = open(path)) {
                assertThat(dataset.size()).isBetween(0, 3);
            } catch (InputException e) {
                errors++;
                assertThat(e.getMessage()).startsWith(path.toString()).doesNotContain("\n");
            }
        }
        assertThat(errors).isGreaterThan(50);
    }

    /** A name of 3 MiB; one of gigabytes is read as little. */
    @Test
    void longNameThatWouldFillTheMemoryIsRefused() throws IOException {
        Path path = temp.resolve("names.tar");
        try (TarArchiveOutputStream out = new TarArchiveOutputStream(Files.newOutputStream(path))) {
            TarArchiveEntry entry = new TarArchiveEntry("././@LongLink", TarConstants.LF_GNUTYPE_LONGNAME);
            byte[] name = new byte[3 << 20];
            Arrays.fill(name, (byte) 'n');
            entry.setSize(name.length);
            out.putArchiveEntry(entry);
            out.write(name);
            out.closeArchiveEntry();
            TarArchiveEntry picture = new TarArchiveEntry("1.png");
            picture.setSize(0);
            out.putArchiveEntry(picture);
            out.closeArchiveEntry();
        }
        assertThatExceptionOfType(InputException.class)
                .isThrownBy(() -> open(path))
                .satisfies(e -> assertThat(e.getMessage())
                        .startsWith(path + ": ")
                        .contains("header at byte 0")
                        .doesNotContain("\n"));
    }
}
