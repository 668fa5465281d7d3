package org.mezzotint.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.mezzotint.io.InputException;

/** What a folder and a zip of pictures promise alike. */
abstract class PictureCollectionContract extends DatasetContract {
    static final PictureOptions OPTIONS = PictureOptions.rgb(6, 8);

    /** Opens files given by name and content. */
    abstract Dataset open(Map<String, byte[]> files, PictureOptions options);

    Dataset open(Map<String, byte[]> files) {
        return open(files, OPTIONS);
    }

    @Override
    Dataset open() {
        return open(TestPictures.twoClasses());
    }

    @Override
    Dataset openOther() {
        Map<String, byte[]> files = TestPictures.twoClasses();
        files.put("dog/a.png", TestPictures.png(10, 7, 9));
        return open(files);
    }

    static Map<String, byte[]> pictures(String... names) {
        Map<String, byte[]> files = new LinkedHashMap<>();
        for (String name : names) {
            files.put(name, TestPictures.png(9, 7, files.size()));
        }
        return files;
    }

    static byte[] text(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static List<String> names(Dataset dataset) {
        List<String> names = new ArrayList<>();
        for (int i = 0; i < dataset.size(); i++) {
            String name = dataset.name(i).replace('\\', '/');
            names.add(name.substring(name.indexOf("pictures") + "pictures".length())
                    .replaceFirst("^[^/]*/", ""));
        }
        return names;
    }

    static long[] labels(Dataset dataset) {
        long[] labels = new long[dataset.size()];
        Arrays.setAll(labels, dataset::label);
        return labels;
    }

    private void refused(Map<String, byte[]> files, String message) {
        assertThatExceptionOfType(InputException.class)
                .isThrownBy(() -> open(files).close())
                .satisfies(e -> assertThat(e.getMessage()).contains(message).doesNotContain("\n"));
    }

    @Test
    void subFoldersAreClassesInSortedOrder() {
        try (Dataset dataset = open(pictures("dog/a.png", "cat/z.PNG", "Zebra/1.png", "cat/deep/er/y.png"))) {
            assertThat(dataset.classNames()).containsExactly("Zebra", "cat", "dog");
            assertThat(names(dataset)).containsExactly("Zebra/1.png", "cat/deep/er/y.png", "cat/z.PNG", "dog/a.png");
            assertThat(labels(dataset)).containsExactly(0, 1, 1, 2);
        }
    }

    @Test
    void flatCollectionHasNoLabels() {
        try (Dataset dataset = open(pictures("b.png", "a.png"))) {
            assertThat(dataset.classNames()).isEmpty();
            assertThat(labels(dataset)).containsExactly(0, 0);
        }
    }

    @Test
    void hiddenFilesAndOtherEndingsArePassedOver() {
        Map<String, byte[]> files = pictures("a/1.png", ".hidden.png", ".cache/2.png", "a/._1.png", "b/3.png");
        files.put("a/readme.txt", text("hello"));
        files.put("Thumbs.db", text("x"));
        try (Dataset dataset = open(files)) {
            assertThat(names(dataset)).containsExactly("a/1.png", "b/3.png");
            assertThat(dataset.classNames()).containsExactly("a", "b");
        }
    }

    @Test
    void picturesBesideClassFoldersAreRefused() {
        refused(
                pictures("a/1.png", "stray.png"),
                "pictures lie both beside and inside sub-folders (such as stray.png and a/)");
    }

    @Test
    void collectionWithoutPicturesIsRefused() {
        refused(Map.of("notes.txt", text("x")), "no pictures (.bmp .gif .jpeg .jpg .png .webp) in ");
        refused(Map.of(), "no pictures");
    }

    @Test
    void datasetJsonGivesLabelsByName() {
        Map<String, byte[]> files = pictures("00000/b.png", "00000/a.png", "c.png");
        files.put(
                "dataset.json",
                text("{\"labels\": [[\"c.png\", 0], [\"00000/a.png\", 3], [\"00000/b.png\", 1], [\"gone.png\", 9]]}"));
        try (Dataset dataset = open(files)) {
            assertThat(names(dataset)).containsExactly("00000/a.png", "00000/b.png", "c.png");
            assertThat(labels(dataset)).containsExactly(3, 1, 0);
            assertThat(dataset.classNames()).containsExactly("0", "1", "2", "3");
        }
    }

    @Test
    void datasetJsonWithNullHasNoLabels() {
        Map<String, byte[]> files = pictures("x/a.png", "y/b.png");
        files.put("dataset.json", text("{\"labels\": null}"));
        try (Dataset dataset = open(files)) {
            assertThat(dataset.classNames()).isEmpty();
        }
    }

    @Test
    void brokenDatasetJsonIsRefused() {
        Map<String, String> cases = new LinkedHashMap<>();
        cases.put("{\"labels\": [[\"b.png\", 1]]}", "/dataset.json: no label for a.png");
        cases.put(
                "{\"labels\": [[\"a.png\", -1]]}",
                "a label must be [path, whole number 0 to 999999 or list of numbers], got [\"a.png\",-1]");
        cases.put("{\"labels\": [[\"a.png\", 1.5]]}", "got [\"a.png\",1.5]");
        cases.put("{\"labels\": [[\"a.png\", \"1\"]]}", "got [\"a.png\",\"1\"]");
        cases.put("{\"labels\": [[\"a.png\", [0.5, \"x\"]]]}", "got [\"a.png\",[0.5,\"x\"]]");
        cases.put("{\"labels\": [[\"a.png\", []]]}", "got [\"a.png\",[]]");
        cases.put("{\"labels\": [[\"a.png\", [1e40]]]}", "or list of numbers");
        cases.put("{\"labels\": [[\"a.png\", 99999999999]]}", "whole number");
        cases.put("{\"labels\": [[\"a.png\", 1000000]]}", "whole number");
        cases.put("{\"labels\": [\"a.png\"]}", "got \"a.png\"");
        cases.put("{\"labels\": [[\"a.png\", 1], [\"a.png\", 2]]}", "two labels for a.png: 1 and 2");
        cases.put("{}", "needs \"labels\"");
        cases.put("{\"labels\": 3}", "needs \"labels\"");
        cases.put("[1]", "needs \"labels\"");
        cases.put("", "needs \"labels\"");
        cases.put("{\"labels\": [", "not valid JSON");
        cases.forEach((json, message) -> {
            Map<String, byte[]> files = pictures("a.png");
            files.put("dataset.json", text(json));
            refused(files, message);
        });
    }

    @Test
    void labelVectorIsOneAtTheClass() {
        Map<String, byte[]> files = pictures("a.png", "b.png");
        files.put("dataset.json", text("{\"labels\": [[\"a.png\", 2], [\"b.png\", 0]]}"));
        try (Dataset dataset = open(files)) {
            assertThat(dataset.labelWidth()).isEqualTo(3);
            assertThat(dataset.labelVector(0)).containsExactly(0, 0, 1);
            assertThat(dataset.labelVector(1)).containsExactly(1, 0, 0);
            assertThat(new Subset(dataset, 1).labelVector(0)).containsExactly(1, 0, 0);
        }
    }

    @Test
    void vectorsInPlaceOfClassesMustBeOfOneLength() {
        Map<String, byte[]> files = pictures("a.png", "b.png");
        files.put("dataset.json", text("{\"labels\": [[\"a.png\", [0.25, 2]], [\"b.png\", [1, -1]]]}"));
        try (Dataset dataset = open(files)) {
            assertThat(dataset.classNames()).isEmpty();
            assertThat(dataset.labelWidth()).isEqualTo(2);
            assertThat(dataset.labelVector(0)).containsExactly(0.25f, 2);
            assertThat(dataset.labelVector(1)).containsExactly(1, -1);
        }
        files.put("dataset.json", text("{\"labels\": [[\"a.png\", [0.25, 2]], [\"b.png\", [1]]]}"));
        refused(
                files,
                "labels must be all classes or all lists of equally many numbers, got [0.25,2] and for b.png [1]");
    }

    @Test
    void foldersOfEdmsToolAreNoClassesAndItsPicturesOfOneSize() {
        Map<String, byte[]> files = pictures("00000/img00000000.png", "00000/img00000999.png", "00001/img00001000.png");
        try (Dataset dataset = open(files)) {
            assertThat(dataset.classNames()).isEmpty();
            assertThat(TestPictures.read(dataset, 2)).isNotEmpty();
        }
        files.put("00001/img00001000.png", TestPictures.png(9, 8, 1));
        try (Dataset dataset = open(files)) {
            assertThat(TestPictures.read(dataset, 1)).isNotEmpty();
            assertThatExceptionOfType(InputException.class)
                    .isThrownBy(() -> TestPictures.read(dataset, 2))
                    .withMessageEndingWith(
                            "/00001/img00001000.png: the pictures of EDM's dataset tool must be of one size, 9×7"
                                    + " as the first one, got 9×8");
        }
        files.put("00001/other.png", TestPictures.png(9, 8, 1));
        try (Dataset dataset = open(files)) {
            assertThat(dataset.classNames()).containsExactly("00000", "00001");
            assertThat(TestPictures.read(dataset, 2)).isNotEmpty();
        }
    }

    private Dataset openWithTable(String name, String table) {
        Map<String, byte[]> files = pictures("b.png", "sub/a.png");
        files.put(name, text(table));
        return open(files);
    }

    @Test
    void metadataTableGivesClassesByNumberOrByName() {
        try (Dataset dataset = openWithTable("metadata.csv", "label,file_name\n3,b.png\n\n1,sub/a.png\n")) {
            assertThat(labels(dataset)).containsExactly(3, 1);
            assertThat(dataset.classNames()).containsExactly("0", "1", "2", "3");
            assertThat(dataset.caption(0)).isEmpty();
        }
        try (Dataset dataset = openWithTable("metadata.csv", "\uFEFFfile_name,label\r\nb.png,3\r\nsub/a.png,dog")) {
            assertThat(labels(dataset)).containsExactly(0, 1);
            assertThat(dataset.classNames()).containsExactly("3", "dog");
        }
        String rows = "{\"file_name\": \"b.png\", \"label\": \"x\", \"text\": null}\r\n"
                + "{\"file_name\": \"sub/a.png\", \"label\": \"c\", \"text\": \"ü\"}";
        try (Dataset dataset = openWithTable("metadata.jsonl", rows)) {
            assertThat(labels(dataset)).containsExactly(1, 0);
            assertThat(dataset.caption(0)).isEmpty();
            assertThat(dataset.caption(1)).contains("ü");
            assertThat(new Subset(dataset, 1).caption(0)).contains("ü");
        }
        try (Dataset dataset = openWithTable("metadata.csv", "file_name\nb.png\nsub/a.png\n")) {
            assertThat(dataset.classNames()).isEmpty();
        }
    }

    @Test
    void brokenMetadataTableIsRefusedByLine() {
        Map<String, String> cases = new LinkedHashMap<>();
        cases.put("file_name\nb.png\n", "/metadata.csv: no row for sub/a.png");
        cases.put(
                "file_name,text\nb.png,\"two\nlines\"\nx.png,1\n", "/metadata.csv: line 4: there is no picture x.png");
        cases.put("file_name,file_name\nb.png,1\n", "line 1: no column may come twice, got file_name, file_name");
        cases.put("file_name,text\nb.png,1,2\n", "line 2: must have 2 fields as line 1 has, got 3");
        cases.put(
                "file_name,label\nb.png,1\nsub/a.png,\n",
                "line 3: label must be a name in all rows, or a whole number");
        cases.put("file_name,text\nb.png,\"never closed\n", "line 2: not valid CSV");
        cases.put("", "no row for b.png");
        cases.forEach((table, message) -> {
            Map<String, byte[]> files = pictures("b.png", "sub/a.png");
            files.put("metadata.csv", text(table));
            refused(files, message);
        });
        Map<String, byte[]> json = pictures("b.png", "sub/a.png");
        json.put(
                "metadata.jsonl",
                text("{\"file_name\": \"b.png\", \"label\": 1}\n{\"file_name\": \"sub/a.png\", \"label\": \"1\"} 3"));
        refused(json, "/metadata.jsonl: line 2: not valid JSON");
        json.put("metadata.jsonl", text("{\"file_name\": \"b.png\", \"text\": 3}\n{\"file_name\": \"sub/a.png\"}"));
        refused(json, "line 1: text must be a text or a list of texts, got 3");
        json.put("metadata.jsonl", text("[]"));
        refused(json, "line 1: must be a JSON object");
        json.put("metadata.jsonl", text("{\"file_name\": 3}"));
        refused(json, "line 1: file_name must be a path, got 3");
    }

    @Test
    void captionsMayBeSeveralInATable() {
        String rows = "{\"file_name\": \"b.png\", \"text\": [\"one\", \" \", \"two\"]}\n"
                + "{\"file_name\": \"sub/a.png\", \"caption\": \"three\"}";
        try (Dataset dataset = openWithTable("metadata.jsonl", rows)) {
            assertThat(dataset.captions(0)).containsExactly("one", "two");
            assertThat(dataset.captions(1)).containsExactly("three");
            assertThat(dataset.caption(0)).contains("one");
            assertThat(new Subset(dataset, 1).captions(0)).containsExactly("three");
            assertThat(Captions.of(dataset).count()).isEqualTo(3);
        }
        Map<String, byte[]> files = pictures("b.png", "sub/a.png");
        files.put("metadata.csv", text("file_name,text,caption\nb.png,x,y\nsub/a.png,x,\n"));
        refused(files, "/metadata.csv: line 2: text or caption may give the caption, got both");
        files.remove("metadata.csv");
        files.put("metadata.jsonl", text("{\"file_name\": \"b.png\", \"text\": [3]}\n{\"file_name\": \"sub/a.png\"}"));
        refused(files, "line 1: text must be a text or a list of texts, got [3]");
    }

    @Test
    void aTextBesideAPictureHoldsACaptionALine() {
        Map<String, byte[]> files = pictures("x/b.png", "y/a.v2.png", "y/c.png");
        files.put("x/b.txt", text("\uFEFFfirst\r\n\n  \nsecond\n"));
        files.put("y/a.v2.txt", text("ü"));
        files.put("y/a.txt", text("of no picture"));
        String before;
        try (Dataset dataset = open(files)) {
            assertThat(dataset.captions(0)).containsExactly("first", "second");
            assertThat(dataset.captions(1)).containsExactly("ü");
            assertThat(dataset.captions(2)).isEmpty();
            assertThat(dataset.caption(2)).isEmpty();
            assertThat(dataset.classNames()).containsExactly("x", "y");
            assertThatThrownBy(() -> Captions.of(dataset))
                    .isInstanceOf(InputException.class)
                    .hasMessageMatching("1 of 3 pictures have no caption, the first is .*y/c.png");
            before = dataset.fingerprint();
        }
        files.put("y/c.txt", text("third"));
        String captions;
        try (Dataset dataset = open(files)) {
            assertThat(dataset.fingerprint()).isNotEqualTo(before);
            assertThat(Captions.of(dataset).count()).isEqualTo(4);
            captions = Captions.of(dataset).fingerprint();
        }
        files.put("y/c.txt", text("thirt"));
        try (Dataset dataset = open(files)) {
            assertThat(Captions.of(dataset).fingerprint()).isNotEqualTo(captions);
        }
        files.put("y/c.txt", new byte[] {(byte) 0xC3});
        try (Dataset dataset = open(files)) {
            assertThatThrownBy(() -> dataset.captions(2)).hasMessageEndingWith("y/c.txt: it is not UTF-8 text");
        }
        files.put("y/c.txt", new byte[(1 << 20) + 1]);
        try (Dataset dataset = open(files)) {
            assertThatThrownBy(() -> dataset.captions(2)).hasMessageContaining("must have at most 1048576 bytes");
        }
    }

    @Test
    void captionsComeFromOnePlace() {
        Map<String, byte[]> files = pictures("a.png");
        files.put("a.txt", text("beside"));
        files.put("metadata.csv", text("file_name,text\na.png,in the table\n"));
        refused(files, "captions may come from the metadata or lie beside the pictures, got both, such as a.txt");
        files.put("metadata.csv", text("file_name,label\na.png,1\n"));
        try (Dataset dataset = open(files)) {
            assertThat(dataset.caption(0)).contains("beside");
        }
    }

    @Test
    void onlyOneFileInTheTopFolderMayGiveLabels() {
        Map<String, byte[]> both = pictures("b.png", "sub/a.png");
        both.put("metadata.csv", text("file_name\nb.png\nsub/a.png\n"));
        both.put("dataset.json", text("{\"labels\": null}"));
        refused(both, "one file may give the labels, got dataset.json and metadata.csv");
        Map<String, byte[]> below = pictures("train/b.png", "test/a.png");
        below.put("train/metadata.jsonl", text("{}"));
        refused(below, "train/metadata.jsonl must lie in the top folder");
    }

    @Test
    void pictureIsCroppedAndScaledToMinusOneToOne() {
        try (Dataset dataset = open(Map.of("a.png", TestPictures.png(31, 20, 1)))) {
            PictureFiles.Picture picture = PictureFiles.decode("a.png", TestPictures.png(31, 20, 1), 1000);
            byte[] cropped = Transforms.centerCrop(picture.rgb(), 31, 20, 8, 6);
            float[] read = TestPictures.read(dataset, 0);
            for (int p = 0; p < 48; p++) {
                for (int c = 0; c < 3; c++) {
                    assertThat(read[c * 48 + p]).isEqualTo((cropped[3 * p + c] & 0xFF) / 127.5f - 1);
                }
            }
        }
    }

    @Test
    void oneChannelIsTheLumaOfPillow() {
        PictureOptions gray = new PictureOptions(7, 9, 1, false, 1000);
        try (Dataset dataset = open(Map.of("a.png", TestPictures.png(9, 7, 1)), gray)) {
            byte[] rgb = PictureFiles.decode("a.png", TestPictures.png(9, 7, 1), 1000)
                    .rgb();
            float[] read = TestPictures.read(dataset, 0);
            assertThat(read).hasSize(63);
            for (int p = 0; p < 63; p++) {
                double luma =
                        0.299 * (rgb[3 * p] & 0xFF) + 0.587 * (rgb[3 * p + 1] & 0xFF) + 0.114 * (rgb[3 * p + 2] & 0xFF);
                assertThat((read[p] + 1) * 127.5).isBetween(luma - 0.51, luma + 0.51);
            }
        }
    }

    @Test
    void halfOfThePicturesAreMirroredWhenFlipIsOn() {
        try (Dataset plain = open();
                Dataset flipped = open(TestPictures.twoClasses(), OPTIONS.withFlip(true))) {
            float[] straight = TestPictures.read(plain, 0);
            float[] mirrored = new float[straight.length];
            for (int i = 0; i < straight.length; i++) {
                mirrored[i] = straight[i - i % 8 + 7 - i % 8];
            }
            int flips = 0;
            for (int seed = 0; seed < 400; seed++) {
                float[] picture = TestPictures.read(flipped, 0, seed);
                boolean flip = Arrays.equals(picture, mirrored);
                assertThat(flip || Arrays.equals(picture, straight)).isTrue();
                flips += flip ? 1 : 0;
                assertThat(TestPictures.read(plain, 0, seed)).isEqualTo(straight);
            }
            assertThat(flips).isBetween(150, 250);
        }
    }

    @Test
    void brokenPictureIsNamedWhenItIsRead() {
        Map<String, byte[]> files = pictures("a/good.png");
        byte[] jpeg = TestPictures.jpeg(30, 30, 1);
        files.put("a/short.jpg", Arrays.copyOf(jpeg, jpeg.length / 2));
        files.put("a/text.jpg", text("<html>not found</html>"));
        files.put("a/vast.png", TestPictures.pngHeader(50_000, 50_000));
        try (Dataset dataset = open(files)) {
            List<String> messages = List.of(
                    "a/short.jpg: the file is cut short",
                    "a/text.jpg: not a JPEG, PNG, WebP, BMP or GIF picture",
                    "a/vast.png: 50000×50000 pictures are too large: 2500000000 pixels, the limit is 89478485");
            for (int i = 0; i < messages.size(); i++) {
                int index = i + 1;
                assertThatExceptionOfType(InputException.class)
                        .isThrownBy(() -> TestPictures.read(dataset, index))
                        .withMessageEndingWith("/" + messages.get(i));
            }
        }
    }

    @Test
    void fingerprintDependsOnEverythingThatIdentifiesTheContent() {
        Set<String> prints = new HashSet<>();
        List<Map<String, byte[]>> contents = List.of(
                pictures("a/1.png", "b/2.png"),
                pictures("a/1.png", "c/2.png"),
                pictures("a/1.png", "b/3.png"),
                pictures("a/1.png", "b/2.png", "b/3.png"),
                Map.of("a/1.png", TestPictures.png(9, 7, 0), "b/2.png", TestPictures.png(10, 7, 1)));
        for (Map<String, byte[]> content : contents) {
            try (Dataset dataset = open(content)) {
                prints.add(dataset.fingerprint());
            }
        }
        for (PictureOptions options :
                List.of(PictureOptions.rgb(7, 8), PictureOptions.rgb(6, 9), new PictureOptions(6, 8, 1, false, 1000))) {
            try (Dataset dataset = open(contents.get(0), options)) {
                prints.add(dataset.fingerprint());
            }
        }
        assertThat(prints).hasSize(8);
    }
}
