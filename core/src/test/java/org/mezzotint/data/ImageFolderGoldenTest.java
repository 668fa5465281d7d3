package org.mezzotint.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.mezzotint.io.InputException;

/** Every folder and table of the manifest does what the manifest says. */
class ImageFolderGoldenTest {
    private static final PictureOptions OPTIONS = PictureOptions.rgb(8, 8);
    private static final String AREA = "imagefolder/";

    @TempDir
    private Path temp;

    /** The pictures of the manifest below a folder, and what else is part of that folder. */
    private static Map<String, byte[]> parts(String folder) {
        Map<String, byte[]> files = new LinkedHashMap<>();
        Golden.formats("imagefolder")
                .filter(entry -> entry.get("must").textValue().equals("part"))
                .map(entry -> entry.get("file").textValue())
                .filter(file -> file.startsWith(AREA + folder))
                .forEach(file -> files.put(file.substring((AREA + folder).length()), Golden.bytes("formats/" + file)));
        assertThat(files).isNotEmpty();
        return files;
    }

    private static List<String> names(Dataset dataset, Path folder) {
        return IntStream.range(0, dataset.size())
                .mapToObj(i -> dataset.name(i).substring(folder.toString().length() + 1))
                .toList();
    }

    @Test
    void classFoldersGiveOrderAndLabels() {
        JsonNode expected = Golden.json("formats/imagefolder/classes/expected.json");
        Path folder = TestPictures.folder(temp.resolve("classes"), parts("classes/train/"));
        try (Dataset dataset = ImageFolder.open(folder, OPTIONS)) {
            assertThat(dataset.classNames()).containsExactlyElementsOf(texts(expected.get("classes")));
            assertThat(names(dataset, folder)).containsExactlyElementsOf(texts(expected.get("order")));
            for (int i = 0; i < dataset.size(); i++) {
                assertThat(dataset.label(i))
                        .isEqualTo(expected.get("labels").get(i).longValue());
            }
        }
    }

    private static List<String> texts(JsonNode list) {
        List<String> texts = new ArrayList<>();
        list.forEach(item -> texts.add(item.textValue()));
        return texts;
    }

    static List<JsonNode> tables() {
        return Golden.formats("imagefolder")
                .filter(entry -> entry.get("file").textValue().matches(".*\\.(csv|jsonl)"))
                .toList();
    }

    @ParameterizedTest
    @MethodSource("tables")
    void tableDoesWhatTheManifestSays(JsonNode entry) {
        String file = entry.get("file").textValue();
        String folder = file.substring(AREA.length(), file.lastIndexOf('/') + 1);
        Map<String, byte[]> files = new HashMap<>(parts(folder));
        String name = "metadata" + file.substring(file.lastIndexOf('.'));
        files.put(name, Golden.bytes("formats/" + file));
        Path path = TestPictures.folder(temp.resolve("table"), files);
        if (!entry.get("must").textValue().equals("read")) {
            assertThatExceptionOfType(InputException.class)
                    .isThrownBy(() -> ImageFolder.open(path, OPTIONS))
                    .satisfies(e -> assertThat(e.getMessage())
                            .startsWith(path + "/" + name + ": line ")
                            .contains(wanted(file))
                            .doesNotContain("\n"));
            return;
        }
        JsonNode rows = entry.get("rows");
        try (Dataset dataset = ImageFolder.open(path, OPTIONS)) {
            assertThat(dataset.size()).isEqualTo(rows.size());
            for (int i = 0; i < rows.size(); i++) {
                assertThat(names(dataset, path).get(i))
                        .isEqualTo(rows.get(i).get("file_name").textValue());
                assertThat(dataset.caption(i)).contains(rows.get(i).get("text").textValue());
                assertThat(dataset.label(i)).isEqualTo(rows.get(i).get("label").longValue());
                assertThat(TestPictures.read(dataset, i)).isNotEmpty();
            }
        }
    }

    /** What a message must name, by the note of the manifest. */
    private static String wanted(String file) {
        return switch (file.substring(file.lastIndexOf('/') + 1)) {
            case "missing-file.csv" -> "line 3: there is no picture 0009.png";
            case "traversal.csv" -> "file_name must stay in the folder, got ../../meta-csv/train/0001.png";
            case "absolute.jsonl" -> "file_name must stay in the folder, got /etc/hostname";
            case "no-file-name.csv" -> "must name a column file_name, got file, text";
            case "short-row.csv" -> "line 2: must have 2 fields as line 1 has, got 1";
            case "broken.jsonl" -> "line 2: not valid JSON";
            case "duplicate.csv" -> "line 3: a second row for 0001.png";
            default -> throw new AssertionError(file);
        };
    }
}
