package org.mezzotint.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.mezzotint.io.InputException;

/** Every EDM zip of the manifest does what the manifest says. */
class EdmGoldenTest {
    private static final Golden EXPECTED = Golden.safetensors("formats/expected.safetensors");

    @TempDir
    private Path temp;

    static List<JsonNode> zips() {
        return Golden.formats("edm").toList();
    }

    @ParameterizedTest
    @MethodSource("zips")
    void doesWhatTheManifestSays(JsonNode entry) {
        Path zip = Golden.formatFile(entry, temp);
        if (entry.get("must").textValue().equals("refuse")) {
            assertThatExceptionOfType(InputException.class)
                    .isThrownBy(() -> readAll(zip))
                    .satisfies(e ->
                            assertThat(e.getMessage()).contains(zip.toString()).doesNotContain("\n"));
            return;
        }
        assertThat(entry.get("must").textValue()).isEqualTo("read");
        String images = entry.get("images").textValue();
        int channels = images.equals("out.edm_gray") ? 1 : 3;
        PictureOptions options = new PictureOptions(12, 12, channels, false, 1000);
        try (Dataset dataset = ZipDataset.open(zip, options)) {
            assertThat(dataset.size()).isEqualTo(entry.get("names").size());
            assertThat(dataset.labelWidth()).isEqualTo(entry.get("label_dim").intValue());
            for (int i = 0; i < dataset.size(); i++) {
                assertThat(dataset.name(i))
                        .isEqualTo(zip + "/" + entry.get("names").get(i).textValue());
                checkLabel(dataset, i, entry.get("labels").path(i));
                checkPicture(TestPictures.read(dataset, i), EXPECTED.array(images), i, channels);
            }
        }
    }

    private static void readAll(Path zip) {
        try (Dataset dataset = ZipDataset.open(zip, PictureOptions.rgb(12, 12))) {
            for (int i = 0; i < dataset.size(); i++) {
                TestPictures.read(dataset, i);
            }
        }
    }

    private static void checkLabel(Dataset dataset, int i, JsonNode label) {
        float[] vector = dataset.labelVector(i);
        assertThat(vector).hasSize(dataset.labelWidth());
        assertThat(dataset.classNames()).hasSize(label.isInt() ? dataset.labelWidth() : 0);
        for (int k = 0; k < vector.length; k++) {
            float expected = label.isArray() ? label.get(k).floatValue() : label.intValue() == k ? 1 : 0;
            assertThat(vector[k]).isEqualTo(expected);
        }
        assertThat(dataset.label(i)).isEqualTo(label.asLong(0));
    }

    private static void checkPicture(float[] read, byte[] expected, int i, int channels) {
        assertThat(read).hasSize(channels * 144);
        for (int p = 0; p < read.length; p++) {
            float value = read[p % channels * 144 + p / channels];
            assertThat(value).isEqualTo((expected[i * read.length + p] & 0xFF) / 127.5f - 1);
        }
    }
}
