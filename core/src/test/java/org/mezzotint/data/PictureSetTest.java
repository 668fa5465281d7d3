package org.mezzotint.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Npz;

class PictureSetTest {
    @TempDir
    private Path folder;

    private static void write(Path file, byte[] bytes) throws IOException {
        Files.createDirectories(file.getParent());
        Files.write(file, bytes);
    }

    @Test
    void folderGivesEveryPictureInItsOwnSizeInTheOrderOfPaths() throws IOException {
        write(folder.resolve("b/one.png"), TestPictures.png(5, 4, 1));
        write(folder.resolve("a.png"), TestPictures.png(3, 2, 2));
        write(folder.resolve("b/.hidden.png"), TestPictures.png(3, 2, 3));
        write(folder.resolve("notes.txt"), new byte[] {1});
        try (PictureSet set = PictureSet.open(folder)) {
            assertThat(set.size()).isEqualTo(2);
            PictureFiles.Picture first = set.read(0);
            assertThat(first.width()).isEqualTo(3);
            assertThat(first.rgb())
                    .isEqualTo(PictureFiles.decode("a", TestPictures.png(3, 2, 2), 100)
                            .rgb());
            assertThat(set.read(1).height()).isEqualTo(4);
            String before = set.fingerprint();
            write(folder.resolve("c.png"), TestPictures.png(3, 2, 2));
            try (PictureSet more = PictureSet.open(folder)) {
                assertThat(more.fingerprint()).isNotEqualTo(before).matches("[0-9a-f]{64}");
            }
        }
    }

    @Test
    void zipGivesTheSamePictures() throws IOException {
        Path file = folder.resolve("set.zip");
        try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(file))) {
            for (int i = 0; i < 3; i++) {
                zip.putNextEntry(new ZipEntry("x/" + i + ".png"));
                zip.write(TestPictures.png(2 + i, 2, i));
                zip.closeEntry();
            }
        }
        try (PictureSet set = PictureSet.open(file)) {
            assertThat(set.size()).isEqualTo(3);
            assertThat(set.read(2).width()).isEqualTo(4);
        }
    }

    @Test
    void tarShardsGiveTheSamePictures() {
        for (int shard = 0; shard < 2; shard++) {
            Map<String, byte[]> files = new LinkedHashMap<>();
            for (int i = 0; i < 2; i++) {
                files.put("x" + i + ".cls", new byte[] {'1'});
                files.put("x" + i + ".png", TestPictures.png(3 + i, 2 + shard, i));
            }
            TestPictures.tar(folder.resolve("set-" + shard + ".tar"), files);
        }
        Path both = folder.resolve("set-{0..1}.tar");
        assertThat(PictureSet.isTar(both)).isTrue();
        assertThat(PictureSet.isTar(folder)).isFalse();
        try (PictureSet set = PictureSet.open(both);
                PictureSet one = PictureSet.open(folder.resolve("set-1.tar"))) {
            assertThat(set.size()).isEqualTo(4);
            for (int i = 3; i >= 0; i--) { // in their own size, in any order
                PictureFiles.Picture picture = set.read(i);
                assertThat(picture.width()).isEqualTo(3 + i % 2);
                assertThat(picture.height()).isEqualTo(2 + i / 2);
                assertThat(picture.rgb())
                        .isEqualTo(PictureFiles.decode("x", TestPictures.png(3 + i % 2, 2 + i / 2, i % 2), 100)
                                .rgb());
            }
            assertThat(one.size()).isEqualTo(2);
            assertThat(one.fingerprint()).matches("[0-9a-f]{64}").isNotEqualTo(set.fingerprint());
        }
        assertThatThrownBy(() -> PictureSet.open(folder.resolve("set-{0..2}.tar")))
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith("1 of 3 shards are missing, the first is ");
        Path empty = TestPictures.tar(folder.resolve("empty.tar"), Map.of());
        assertThatThrownBy(() -> PictureSet.open(empty)).isInstanceOf(InputException.class);
    }

    @Test
    void npzIsReadPictureByPictureInAnyOrder() {
        Path file = folder.resolve("samples.npz");
        byte[][] pictures = new byte[5][3 * 4 * 2];
        SplittableRandom random = new SplittableRandom(4);
        try (Npz.ImageWriter writer = Npz.images(file, 5, 4, 2)) {
            for (byte[] picture : pictures) {
                random.nextBytes(picture);
                writer.add(picture);
            }
        }
        try (PictureSet set = PictureSet.open(file)) {
            assertThat(set.size()).isEqualTo(5);
            for (int i : new int[] {0, 1, 4, 2, 2, 0}) {
                PictureFiles.Picture picture = set.read(i);
                assertThat(picture.width()).isEqualTo(2);
                assertThat(picture.height()).isEqualTo(4);
                assertThat(picture.rgb()).isEqualTo(pictures[i]);
            }
            assertThatThrownBy(() -> set.read(5)).isInstanceOf(IndexOutOfBoundsException.class);
            assertThat(set.fingerprint()).matches("[0-9a-f]{64}");
        }
    }

    /** An npz with {@code arr_0} of any header and 24 bytes of data. */
    private Path npz(String dict) throws IOException {
        byte[] text = (dict + "\n").getBytes(StandardCharsets.US_ASCII);
        ByteArrayOutputStream array = new ByteArrayOutputStream();
        array.write(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (byte) text.length, 0});
        array.write(text);
        array.write(new byte[24]);
        Path file = folder.resolve("made.npz");
        try (OutputStream out = Files.newOutputStream(file);
                ZipOutputStream zip = new ZipOutputStream(out)) {
            zip.putNextEntry(new ZipEntry("arr_0.npy"));
            array.writeTo(zip);
            zip.closeEntry();
        }
        return file;
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "'|u1' ; False ; (2, 2, 2, 4) ; must be pictures of shape (N, H, W, 3), got (2, 2, 2, 4)",
                "'|u1' ; False ; (8, 3) ; must be pictures of shape (N, H, W, 3), got (8, 3)",
                "'<f4' ; False ; (2, 2, 2, 3) ; must be uint8, got <f4",
                "'|u1' ; True ; (2, 2, 2, 3) ; must be in C order",
                "'|u1' ; False ; (0, 2, 2, 3) ; must hold at least one picture",
                "'|u1' ; False ; (2, 3000000000, 3000000000, 3) ; must hold at least one picture and at most",
                "'|u1' ; False ; (9999999999999999, 9, 9, 3) ; must hold at least one picture and at most",
                "'|u1' ; False ; (2, 99999999999999999999, 1, 3) ; has an impossible shape",
                "'|O' ; False ; (2, 2, 2, 3) ; must be uint8, got |O"
            },
            quoteCharacter = '`')
    void npzOfAnythingElseIsRefused(String type, String fortran, String shape, String message) throws IOException {
        Path file = npz("{'descr': " + type + ", 'fortran_order': " + fortran + ", 'shape': " + shape + ", }");
        assertThatThrownBy(() -> PictureSet.open(file))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("made.npz: arr_0 " + message);
    }

    @Test
    void npzThatEndsEarlyIsRefused() throws IOException {
        Path file = npz("{'descr': '|u1', 'fortran_order': False, 'shape': (3, 2, 2, 3), }");
        assertThatThrownBy(() -> PictureSet.open(file))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("arr_0 of shape (3, 2, 2, 3) needs 36 bytes, got");
    }

    @Test
    void refusesNothingAndNoPictures() throws IOException {
        assertThatThrownBy(() -> PictureSet.open(folder.resolve("none")))
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith("no such file or folder: ");
        assertThatThrownBy(() -> PictureSet.open(folder))
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith("no pictures (");
        Path text = Files.write(folder.resolve("x.txt"), new byte[] {1, 2});
        assertThatThrownBy(() -> PictureSet.open(text)).isInstanceOf(InputException.class);
    }
}
