package org.mezzotint.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import java.util.zip.GZIPOutputStream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.io.InputException;

class IdxDatasetTest extends DatasetContract {
    private static final String IMAGES = "train-images-idx3-ubyte";
    private static final String LABELS = "train-labels-idx1-ubyte";
    private static final int N = 5;
    private static final int H = 7;
    private static final int W = 9;
    private static final int[] CLASS = {2, 0, 1, 2, 0};
    private static final PictureOptions GRAY = new PictureOptions(H, W, 1, false, 1000);

    private final AtomicInteger count = new AtomicInteger();

    /** An idx file: the magic number, the sizes, the content. */
    private static byte[] idx(int magic, int[] sizes, byte[] content) {
        ByteBuffer file = ByteBuffer.allocate(4 + 4 * sizes.length + content.length);
        file.putInt(magic);
        for (int size : sizes) {
            file.putInt(size);
        }
        return file.put(content).array();
    }

    private static byte[] pixels(long seed) {
        byte[] pixels = new byte[N * H * W];
        new SplittableRandom(seed).nextBytes(pixels);
        return pixels;
    }

    private static byte[] images(long seed) {
        return idx(0x0803, new int[] {N, H, W}, pixels(seed));
    }

    private static byte[] labels(int... labels) {
        byte[] bytes = new byte[labels.length];
        for (int i = 0; i < labels.length; i++) {
            bytes[i] = (byte) labels[i];
        }
        return idx(0x0801, new int[] {labels.length}, bytes);
    }

    private static byte[] gz(byte[] content) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (GZIPOutputStream packed = new GZIPOutputStream(out)) {
            packed.write(content);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return out.toByteArray();
    }

    private static byte[] join(byte[] a, byte... b) {
        byte[] joined = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, joined, a.length, b.length);
        return joined;
    }

    private Path folder(Map<String, byte[]> files) {
        return TestPictures.folder(temp.resolve("idx" + count.incrementAndGet()), files);
    }

    private Dataset open(Map<String, byte[]> files, PictureOptions options) {
        return Datasets.open(folder(files), options);
    }

    private static Map<String, byte[]> good() {
        return Map.of(IMAGES + ".gz", gz(images(1)), LABELS + ".gz", gz(labels(CLASS)));
    }

    @Override
    Dataset open() {
        return IdxDataset.open(TestPictures.folder(temp.resolve("mnist"), good()), GRAY);
    }

    @Override
    Dataset openOther() {
        return open(Map.of(IMAGES, images(2), LABELS, labels(CLASS)), GRAY);
    }

    /** The same pictures as gray PNGs in class folders, in the order of the classes. */
    private static Map<String, byte[]> pngs() {
        Map<String, byte[]> files = new LinkedHashMap<>();
        for (int i = 0; i < N; i++) {
            BufferedImage image = new BufferedImage(W, H, BufferedImage.TYPE_BYTE_GRAY);
            image.getRaster().setDataElements(0, 0, W, H, Arrays.copyOfRange(pixels(1), i * H * W, (i + 1) * H * W));
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            try {
                ImageIO.write(image, "png", out);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            files.put(CLASS[i] + "/" + i + ".png", out.toByteArray());
        }
        return files;
    }

    private void readsAsPngs(PictureOptions options) {
        try (Dataset idx = open(good(), options);
                Dataset folder = open(pngs(), options);
                Dataset zip = ZipDataset.open(
                        TestPictures.zip(temp.resolve("set" + count.incrementAndGet() + ".zip"), pngs()), options)) {
            assertThat(idx).isInstanceOf(IdxDataset.class);
            assertThat(idx.classNames())
                    .containsExactly("0", "1", "2")
                    .isEqualTo(folder.classNames())
                    .isEqualTo(zip.classNames());
            assertThat(new int[] {idx.channels(), idx.height(), idx.width(), idx.size()})
                    .containsExactly(options.channels(), options.height(), options.width(), N);
            int[] order = {1, 4, 2, 0, 3};
            for (int i = 0; i < N; i++) {
                for (int seed = 0; seed < 8; seed++) {
                    assertThat(TestPictures.read(idx, order[i], seed))
                            .isEqualTo(TestPictures.read(folder, i, seed))
                            .isEqualTo(TestPictures.read(zip, i, seed));
                }
                assertThat(idx.label(order[i])).isEqualTo(folder.label(i)).isEqualTo(zip.label(i));
            }
        }
    }

    @Test
    void readsWhatFolderAndZipOfTheSamePicturesRead() {
        readsAsPngs(GRAY);
        readsAsPngs(GRAY.withFlip(true));
        readsAsPngs(PictureOptions.rgb(H, W));
        readsAsPngs(PictureOptions.rgb(6, 5).withFlip(true));
        readsAsPngs(new PictureOptions(16, 12, 1, false, 1000));
    }

    @Test
    void pixelsOfTheSizeAskedForAreUntouched() {
        byte[] pixels = pixels(1);
        try (Dataset gray = open(good(), GRAY);
                Dataset rgb = open(good(), PictureOptions.rgb(H, W))) {
            for (int i = 0; i < N; i++) {
                float[] expected = new float[H * W];
                for (int p = 0; p < H * W; p++) {
                    expected[p] = (pixels[i * H * W + p] & 0xFF) / 127.5f - 1;
                }
                assertThat(TestPictures.read(gray, i)).isEqualTo(expected);
                float[] three = TestPictures.read(rgb, i);
                for (int c = 0; c < 3; c++) {
                    assertThat(Arrays.copyOfRange(three, c * H * W, (c + 1) * H * W))
                            .isEqualTo(expected);
                }
            }
        }
    }

    @Test
    void halfOfThePicturesAreMirroredWhenFlipIsOn() {
        try (Dataset flipped = open(good(), GRAY.withFlip(true))) {
            Set<Float> corners = new HashSet<>();
            for (int seed = 0; seed < 40; seed++) {
                corners.add(TestPictures.read(flipped, 0, seed)[0]);
            }
            byte[] pixels = pixels(1);
            assertThat(corners)
                    .containsExactlyInAnyOrder((pixels[0] & 0xFF) / 127.5f - 1, (pixels[W - 1] & 0xFF) / 127.5f - 1);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"-", "."})
    void allNamesOfTheFilesAreKnownAndContentDecidesWhetherTheyArePacked(String separator) {
        String images = "train-images" + separator + "idx3-ubyte";
        String labels = "train-labels" + separator + "idx1-ubyte";
        Set<String> prints = new HashSet<>();
        for (Map<String, byte[]> files : List.of(
                Map.of(images, images(1), labels, labels(CLASS)),
                Map.of(images + ".gz", gz(images(1)), labels, labels(CLASS)),
                Map.of(images, gz(images(1)), labels + ".gz", labels(CLASS)))) {
            try (Dataset dataset = open(files, GRAY)) {
                assertThat(dataset).isInstanceOf(IdxDataset.class);
                prints.add(dataset.fingerprint());
            }
        }
        assertThat(prints).hasSize(1);
    }

    @Test
    void unpackedFileGoesBeforeThePackedOne() {
        Map<String, byte[]> files = new HashMap<>(good());
        files.put(IMAGES, images(2));
        try (Dataset dataset = open(files, GRAY);
                Dataset other = openOther()) {
            assertThat(dataset.fingerprint()).isEqualTo(other.fingerprint());
        }
    }

    @Test
    void pictureIsNamedByFileAndPlace() {
        try (Dataset dataset = open()) {
            Path file = temp.resolve("mnist").resolve(IMAGES + ".gz");
            assertThat(dataset.name(3)).isEqualTo(file + ", picture 3");
        }
    }

    @Test
    void labelsGoUpTo255() {
        try (Dataset dataset = open(Map.of(IMAGES, images(1), LABELS, labels(0, 255, 128, 3, 127)), GRAY)) {
            assertThat(IntStream.range(0, N).mapToLong(dataset::label)).containsExactly(0L, 255L, 128L, 3L, 127L);
            assertThat(dataset.classNames()).hasSize(256).startsWith("0", "1").endsWith("255");
        }
    }

    @Test
    void fingerprintDependsOnPixelsLabelsShapeAndOptions() {
        Set<String> prints = new HashSet<>();
        byte[] onePixel = images(1);
        onePixel[onePixel.length - 1] ^= 1;
        Map<String, byte[]> same = Map.of(IMAGES, images(1), LABELS, labels(CLASS));
        for (Map<String, byte[]> files : List.of(
                same,
                Map.of(IMAGES, onePixel, LABELS, labels(CLASS)),
                Map.of(IMAGES, images(1), LABELS, labels(2, 0, 1, 2, 1)),
                Map.of(IMAGES, idx(0x0803, new int[] {N, W, H}, pixels(1)), LABELS, labels(CLASS)))) {
            try (Dataset dataset = open(files, GRAY)) {
                prints.add(dataset.fingerprint());
            }
        }
        for (PictureOptions options : List.of(PictureOptions.rgb(H, W), new PictureOptions(H + 1, W, 1, false, 1000))) {
            try (Dataset dataset = open(same, options)) {
                prints.add(dataset.fingerprint());
            }
        }
        assertThat(prints).hasSize(6);
    }

    private void refused(Map<String, byte[]> files, String message) {
        Path folder = folder(files);
        assertThatExceptionOfType(InputException.class)
                .isThrownBy(() -> Datasets.open(folder, GRAY).close())
                .withMessage(message.replace("DIR", folder.toString()));
    }

    private void imagesRefused(byte[] images, String message) {
        refused(Map.of(IMAGES, images, LABELS, labels(CLASS)), "DIR/" + IMAGES + ": " + message);
    }

    private static byte[] header(int... sizes) {
        return idx(0x0803, sizes, new byte[0]);
    }

    @Test
    void missingFileIsTold() {
        refused(
                Map.of(IMAGES, images(1)),
                "DIR: the file of the labels is missing: train-labels-idx1-ubyte or train-labels.idx1-ubyte, plain or .gz");
        Path empty = folder(Map.of(LABELS, labels(CLASS)));
        assertThatExceptionOfType(InputException.class)
                .isThrownBy(() -> IdxDataset.open(empty, GRAY))
                .withMessage(empty + ": the file of the pictures is missing: train-images-idx3-ubyte or"
                        + " train-images.idx3-ubyte, plain or .gz");
        Path nowhere = temp.resolve("nothing");
        assertThatExceptionOfType(InputException.class)
                .isThrownBy(() -> IdxDataset.open(nowhere, GRAY))
                .withMessage("data set not found: " + nowhere);
    }

    @Test
    void folderOfTheFilesNameIsNoFile() throws IOException {
        Path folder = folder(pngs());
        Files.createDirectory(folder.resolve(IMAGES));
        try (Dataset dataset = Datasets.open(folder, GRAY)) {
            assertThat(dataset).isInstanceOf(ImageFolder.class);
        }
    }

    @Test
    void wrongMagicNumberIsTold() {
        imagesRefused(
                labels(1, 2, 3, 4, 5, 6, 7, 8),
                "must start with 00000803, an idx file of unsigned bytes in 3 dimensions, got 00000801");
        imagesRefused(
                idx(0x0D03, new int[] {N, H, W}, pixels(1)),
                "must start with 00000803, an idx file of unsigned bytes in 3 dimensions, got 00000d03");
        refused(
                Map.of(IMAGES, images(1), LABELS, images(1)),
                "DIR/" + LABELS
                        + ": must start with 00000801, an idx file of unsigned bytes in 1 dimension, got 00000803");
    }

    @Test
    void wrongLengthIsTold() {
        String rule = "must hold 331 bytes, its header says 5×7×9, got ";
        imagesRefused(Arrays.copyOf(images(1), 330), rule + "330");
        imagesRefused(join(images(1), (byte) 0), rule + "332");
        imagesRefused(gz(Arrays.copyOf(images(1), 330)), rule + "330");
        imagesRefused(gz(join(images(1), (byte) 0)), rule + "more");
        imagesRefused(join(gz(images(1)), gz(new byte[1])), rule + "more");
        refused(
                Map.of(IMAGES, images(1), LABELS, join(labels(CLASS), (byte) 0)),
                "DIR/" + LABELS + ": must hold 13 bytes, its header says 5, got 14");
    }

    @Test
    void shortHeaderIsTold() {
        imagesRefused(new byte[0], "an idx file starts with 16 bytes of header, got 0 bytes");
        imagesRefused(Arrays.copyOf(images(1), 15), "an idx file starts with 16 bytes of header, got 15 bytes");
        imagesRefused(gz(Arrays.copyOf(images(1), 7)), "an idx file starts with 16 bytes of header, got 7 bytes");
    }

    @Test
    void damagedGzFileIsTold() {
        byte[] packed = gz(images(1));
        for (int length : new int[] {2, 9, 30, packed.length - 9, packed.length - 1}) {
            imagesRefused(Arrays.copyOf(packed, length), "the gz file is cut short");
        }
        byte[] wrongChecksum = packed.clone();
        wrongChecksum[packed.length - 8] ^= 1;
        imagesRefused(wrongChecksum, "cannot be read: Corrupt GZIP trailer");
        for (byte[] behind : new byte[][] {{0}, "garbage".getBytes(StandardCharsets.US_ASCII), gz(new byte[0])}) {
            imagesRefused(join(packed, behind), "must be one gz stream with nothing behind it, got more");
        }
    }

    @Test
    void absurdSizesAreRefusedBeforeMemoryIsTaken() {
        imagesRefused(header(0, 28, 28), "it is empty, its header says 0×28×28");
        imagesRefused(header(5, 0, 28), "sides of pictures must be 1 to 16384, its header says 5×0×28");
        imagesRefused(header(5, 28, -1), "sides of pictures must be 1 to 16384, its header says 5×28×4294967295");
        imagesRefused(header(5, 20, 51), "51×20 pictures are too large: 1020 pixels, the limit is 1000");
        for (int n : new int[] {536_870_896 / 784 + 1, -1}) {
            long promised = 16 + 784L * Integer.toUnsignedLong(n);
            String message = "too large: " + promised + " bytes, its header says " + Integer.toUnsignedLong(n)
                    + "×28×28, the limit is 536870912";
            imagesRefused(header(n, 28, 28), message);
            imagesRefused(gz(header(n, 28, 28)), message);
        }
        byte[] packed = gz(header(600_000, 28, 28));
        imagesRefused(
                packed,
                "must hold 470400016 bytes, its header says 600000×28×28, got a gz file too short for them, "
                        + packed.length);
        imagesRefused(header(600_000, 28, 28), "must hold 470400016 bytes, its header says 600000×28×28, got 16");
    }

    @Test
    void countsOfPicturesAndLabelsMustAgree() {
        refused(
                Map.of(IMAGES, images(1), LABELS, labels(1, 2, 3)),
                "DIR/" + LABELS + ": needs as many labels as there are pictures in DIR/" + IMAGES + ", 5, got 3");
    }
}
