package org.mezzotint.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.mezzotint.golden.Golden;
import org.mezzotint.tensor.Scope;

/** Files that numpy wrote, and damaged ones; manifest.json says what each must do. */
class NpzGoldenTest {
    /** What the manifest leaves open and we refuse. */
    private static final Map<String, String> REFUSED = Map.of("bad-trailing.npy", "needs 96 bytes, 98 are there");

    @TestFactory
    Stream<DynamicTest> treatsEveryFileLikeTheManifest() throws IOException {
        List<JsonNode> files = new ArrayList<>();
        new ObjectMapper()
                .readTree(Golden.path("npz/manifest.json").toFile())
                .get("files")
                .forEach(files::add);
        assertThat(files).hasSize(30);
        return files.stream().map(entry -> {
            String name = entry.get("file").asText();
            String must = entry.get("must").asText();
            Path path = Golden.path("npz/" + name);
            return DynamicTest.dynamicTest(name + ": " + must, () -> {
                switch (must) {
                    case "refuse" -> refuses(() -> readAll(path), name, "");
                    case "read" -> reads(path, entry);
                    case "read-or-refuse" -> {
                        if (REFUSED.containsKey(name)) {
                            refuses(() -> readAll(path), name, REFUSED.get(name));
                        } else {
                            reads(path, entry);
                        }
                    }
                    case "refuse-member" -> refusesMember(path, entry);
                    case "refuse-with-limit" -> {
                        long limit = entry.get("limit_bytes").asLong();
                        refuses(
                                () -> {
                                    try (Scope scope = Scope.open();
                                            NpzFile file = NpzFile.openUpTo(path, limit)) {
                                        file.names().forEach(file::tensor);
                                    }
                                },
                                name,
                                "must have at most 1000000 bytes, got 10000");
                        readAll(path);
                    }
                    default -> throw new AssertionError(must);
                }
            });
        });
    }

    private static void readAll(Path path) {
        try (Scope scope = Scope.open();
                TensorFile file = TensorFile.open(path)) {
            file.names().forEach(file::tensor);
        }
    }

    private static void reads(Path path, JsonNode entry) {
        try (TensorFile file = TensorFile.open(path)) {
            compare(file, entry);
        }
    }

    private static void compare(TensorFile file, JsonNode entry) {
        JsonNode expect = entry.get("expect");
        if (expect.isTextual()) {
            compare(file, "arr_0", expect.asText());
        } else {
            expect.properties()
                    .forEach(
                            each -> compare(file, each.getKey(), each.getValue().asText()));
        }
    }

    private static void compare(TensorFile file, String name, String expected) {
        try (Scope scope = Scope.open();
                Safetensors values = Safetensors.open(Golden.path("npz/expected.safetensors"))) {
            Tensor tensor = file.tensor(name);
            assertThat(tensor.shape())
                    .as(name)
                    .containsExactly(file.shape(name))
                    .containsExactly(values.shape(expected));
            ScalarType type = tensor.scalar_type().intern();
            assertThat(file.type(name)).isSameAs(type);
            // The manifest states bools as 0 and 1.
            assertThat(type == ScalarType.Bool ? ScalarType.Byte : type)
                    .as(name)
                    .isSameAs(values.type(expected));
            assertThat(SafetensorsTest.bytesOf(tensor))
                    .as(name)
                    .isEqualTo(SafetensorsTest.bytesOf(values.tensor(expected)));
        }
    }

    private static void refusesMember(Path path, JsonNode entry) {
        try (Scope scope = Scope.open();
                NpzFile file = NpzFile.open(path)) {
            if (entry.has("expect")) {
                compare(file, entry);
            }
            String member = entry.get("member").asText();
            String fragment = file.contains(member) ? "its number type must be one of" : "no array \"arr_0\", ";
            refuses(() -> file.tensor(member), entry.get("file").asText(), fragment);
        }
    }

    private static void refuses(ThrowingCallable read, String name, String fragment) {
        Throwable thrown = catchThrowable(read);
        assertThat(thrown).isExactlyInstanceOf(CheckpointException.class);
        assertThat(thrown.getMessage())
                .contains(name)
                .contains(fragment)
                .doesNotContain("\n")
                .hasSizeLessThan(700);
    }
}
