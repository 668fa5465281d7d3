package org.mezzotint.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.mezzotint.io.InputException;

/** Every tar of the manifest does what the manifest says. */
class WebDatasetGoldenTest {
    private static final PictureOptions OPTIONS = PictureOptions.rgb(16, 16);

    @TempDir
    private Path temp;

    static List<JsonNode> tars() {
        return Golden.formats("webdataset").toList();
    }

    @ParameterizedTest
    @MethodSource("tars")
    void doesWhatTheManifestSays(JsonNode entry) throws IOException {
        Path tar = Golden.formatFile(entry, temp);
        switch (entry.get("must").textValue()) {
            case "read", "read-skip" -> {
                try (WebDataset dataset = WebDataset.open(tar, OPTIONS)) {
                    checkSamples(dataset, tar, entry);
                }
            }
            case "refuse", "refuse-or-prefix" ->
                assertThatExceptionOfType(InputException.class)
                        .isThrownBy(() -> WebDataset.open(tar, OPTIONS))
                        .satisfies(e -> assertThat(e.getMessage())
                                .startsWith(tar + ": ")
                                .doesNotContain("\n"));
            default -> throw new AssertionError(entry);
        }
    }

    private static void checkSamples(WebDataset dataset, Path tar, JsonNode entry) throws IOException {
        TreeSet<String> skipped = new TreeSet<>();
        entry.path("skipped").forEach(key -> skipped.add(key.textValue()));
        assertThat(dataset.size()).isEqualTo(entry.get("samples").size() + skipped.size());
        Iterator<JsonNode> samples = entry.get("samples").iterator();
        for (int i = 0; i < dataset.size(); i++) {
            int at = i;
            String name = dataset.name(i).substring(tar.toString().length() + 1);
            String key = TarIndex.Name.of(name).orElseThrow().key();
            if (skipped.contains(key)) {
                assertThatExceptionOfType(InputException.class)
                        .isThrownBy(() -> TestPictures.read(dataset, at))
                        .withMessageStartingWith(tar + "/" + name + ": ");
                continue;
            }
            JsonNode sample = samples.next();
            assertThat(key).isEqualTo(sample.get("key").textValue());
            checkMembers(dataset, i, sample);
        }
        assertThat(samples).isExhausted();
    }

    private static void checkMembers(WebDataset dataset, int i, JsonNode sample) throws IOException {
        for (Map.Entry<String, JsonNode> member : sample.get("members").properties()) {
            byte[] bytes = dataset.bytes(i, member.getKey());
            assertThat(bytes).hasSize(member.getValue().get("bytes").intValue());
            assertThat(sha256(bytes)).isEqualTo(member.getValue().get("sha256").textValue());
        }
        assertThat(dataset.extensions(i))
                .containsExactlyInAnyOrderElementsOf(sample.get("members").properties().stream()
                        .map(Map.Entry::getKey)
                        .toList());
        if (sample.has("json")) {
            assertThat(new ObjectMapper().readTree(dataset.bytes(i, "json"))).isEqualTo(sample.get("json"));
        }
        String text = sample.path("txt").textValue();
        assertThat(dataset.caption(i).orElse(null))
                .isEqualTo(text == null ? sample.path("json").path("caption").textValue() : text);
        if (sample.has("cls")) {
            assertThat(dataset.label(i)).isEqualTo(sample.get("cls").longValue());
        } else if (!dataset.classNames().isEmpty()) {
            assertThatExceptionOfType(InputException.class).isThrownBy(() -> dataset.label(i));
        }
        String picture = Stream.of("png", "jpg")
                .filter(dataset.extensions(i)::contains)
                .findFirst()
                .orElseThrow();
        PictureFiles.Picture decoded = PictureFiles.decode("x", dataset.bytes(i, picture), 1000);
        assertThat(new int[] {decoded.height(), decoded.width()})
                .containsExactly(
                        sample.get("image_hw").get(0).intValue(),
                        sample.get("image_hw").get(1).intValue());
        if (sample.get("rgb_sha256_if_png").isTextual()) {
            assertThat(sha256(decoded.rgb()))
                    .isEqualTo(sample.get("rgb_sha256_if_png").textValue());
        }
        if (sample.has("cls") || dataset.classNames().isEmpty()) {
            assertThat(TestPictures.read(dataset, i)).hasSize(3 * 16 * 16);
        }
    }

    private static String sha256(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
