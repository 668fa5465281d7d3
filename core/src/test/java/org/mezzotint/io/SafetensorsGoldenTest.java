package org.mezzotint.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** Files that the reference implementation reads or refuses; manifest.json says which and why. */
class SafetensorsGoldenTest {
    private static final String GOLDEN = "/golden/checkpoints/";

    /** What the manifest leaves open and we refuse: what we do not understand would be lost or misread. */
    private static final Map<String, String> REFUSED = Map.of(
            "st-leading-space.safetensors", "the header must begin with {",
            "st-extra-field.safetensors", "the fields are dtype, shape and data_offsets, each once, got");

    @TempDir
    Path folder;

    @TestFactory
    Stream<DynamicTest> treatsEveryFileLikeTheManifest() throws IOException {
        List<JsonNode> files = new ArrayList<>();
        manifest().get("files").forEach(files::add);
        files.removeIf(entry -> !entry.get("file").asText().startsWith("st-"));
        assertThat(files).hasSize(55);
        return files.stream().map(entry -> {
            String name = entry.get("file").asText();
            String expect = entry.get("expect").asText();
            return DynamicTest.dynamicTest(name + ": " + expect, () -> {
                if (expect.equals("ok") || (expect.equals("either") && !REFUSED.containsKey(name))) {
                    reads(entry);
                } else {
                    Throwable thrown =
                            catchThrowable(() -> Safetensors.open(copy(name)).close());
                    assertThat(thrown).isExactlyInstanceOf(CheckpointException.class);
                    assertThat(thrown.getMessage()).contains(name).doesNotContain("\n");
                    if (expect.equals("either")) {
                        assertThat(thrown.getMessage()).contains(REFUSED.get(name));
                    }
                }
            });
        });
    }

    @Test
    void saysThatAFileIsAGitLfsPointer() {
        Throwable thrown = catchThrowable(() -> Safetensors.open(copy("st-lfs-pointer.safetensors")));
        assertThat(thrown).hasMessageEndingWith(": this is a Git LFS pointer, not the weights; fetch the file itself");
    }

    @Test
    void refusesAHeaderLongerThanTheFile() {
        Throwable thrown = catchThrowable(() -> Safetensors.open(copy("st-header-too-long.safetensors")));
        assertThat(thrown).hasMessageMatching(".*: the header length \\d+ is more than the 62 bytes that follow");
    }

    @Test
    void readsMetadataWithEscapes() throws IOException {
        try (Safetensors file = Safetensors.open(copy("st-metadata-unicode.safetensors"))) {
            assertThat(file.metadata()).isNotEmpty().containsValue("");
            assertThat(file.metadata().values()).anyMatch(value -> value.startsWith("{"));
        }
    }

    private void reads(JsonNode entry) throws IOException {
        try (PointerScope scope = new PointerScope();
                Safetensors file = Safetensors.open(copy(entry.get("file").asText()))) {
            JsonNode tensors = entry.get("tensors");
            List<String> names = new ArrayList<>();
            tensors.fieldNames().forEachRemaining(names::add);
            assertThat(file.names()).containsExactlyInAnyOrderElementsOf(names);
            for (String name : names) {
                JsonNode expected = tensors.get(name);
                Tensor tensor = file.tensor(name);
                assertThat(SafetensorsHeader.Type.of(tensor.scalar_type().intern()))
                        .hasToString(expected.get("dtype").asText());
                List<Long> shape = new ArrayList<>();
                expected.get("shape").forEach(size -> shape.add(size.asLong()));
                assertThat(tensor.shape())
                        .containsExactly(
                                shape.stream().mapToLong(Long::longValue).toArray());
                assertThat(HexFormat.of().formatHex(SafetensorsTest.bytesOf(tensor)))
                        .isEqualTo(expected.get("hex").asText());
            }
        }
    }

    private Path copy(String name) throws IOException {
        Path target = folder.resolve(name);
        try (InputStream in = SafetensorsGoldenTest.class.getResourceAsStream(GOLDEN + name)) {
            Files.copy(in, target);
        }
        return target;
    }

    private static JsonNode manifest() throws IOException {
        try (InputStream in = SafetensorsGoldenTest.class.getResourceAsStream(GOLDEN + "manifest.json")) {
            return new ObjectMapper().readTree(in);
        }
    }
}
