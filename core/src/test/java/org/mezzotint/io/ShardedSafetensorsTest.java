package org.mezzotint.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class ShardedSafetensorsTest {
    private static final String GOOD = "{\"metadata\": {\"total_size\": 20}, \"weight_map\": "
            + "{\"b\": \"2.safetensors\", \"a\": \"1.safetensors\", \"c\": \"2.safetensors\"}}";

    @TempDir
    Path folder;

    private Path index;

    @BeforeEach
    void writeShards() {
        index = folder.resolve("m.safetensors.index.json");
        try (Scope scope = Scope.open()) {
            Safetensors.write(folder.resolve("1.safetensors"), Map.of("a", Tensors.of(1.5)), Map.of("format", "pt"));
            Map<String, Tensor> second = Map.of("b", Tensors.of(2.5), "c", Tensors.of(new float[] {3.5f}, 1));
            Safetensors.write(folder.resolve("2.safetensors"), second, Map.of());
        }
    }

    private String refusal(String json) throws IOException {
        Files.writeString(index, json);
        String[] message = new String[1];
        assertThatThrownBy(() -> TensorFile.open(index).close())
                .isExactlyInstanceOf(CheckpointException.class)
                .hasMessageStartingWith(index.toString())
                .satisfies(thrown -> message[0] = thrown.getMessage());
        assertThat(message[0]).doesNotContain("\n");
        return message[0].substring(index.toString().length());
    }

    @Test
    void givesTheTensorsOfAllFilesAsOne() throws IOException {
        Files.writeString(index, GOOD);
        try (Scope scope = Scope.open();
                TensorFile file = TensorFile.open(index)) {
            assertThat(file.names()).containsExactly("b", "c", "a");
            assertThat(Tensors.doubles(file.tensor("a"))).containsExactly(1.5);
            assertThat(file.type("c")).isSameAs(ScalarType.Float);
            assertThat(file.shape("b")).containsExactly(1);
            assertThat(file.metadata()).containsExactly(Map.entry("total_size", "20"));
            assertThatThrownBy(() -> file.tensor("d")).hasMessage(index + ": no tensor \"d\"");
        }
    }

    @Test
    void theIndexAndTheFilesMustAgree() throws IOException {
        assertThat(refusal(GOOD.replace("\"c\": \"2", "\"c\": \"1")))
                .isEqualTo(" does not fit its files: extra c in 2.safetensors, the index puts it into 1.safetensors; "
                        + "missing c in 1.safetensors");
        assertThat(refusal(GOOD.replace(", \"c\": \"2.safetensors\"", "")))
                .isEqualTo(" does not fit its files: extra c in 2.safetensors");
        assertThat(refusal(GOOD.replace("\"c\":", "\"d\": \"1.safetensors\", \"c\":")))
                .isEqualTo(" does not fit its files: missing d in 1.safetensors");
        assertThat(refusal(GOOD.replace("20", "24")))
                .isEqualTo(": total_size must be the bytes of all tensors, 20, got 24");
    }

    @Test
    void aTensorInTwoFilesIsRefused() throws IOException {
        try (Scope scope = Scope.open()) {
            Map<String, Tensor> both = Map.of("a", Tensors.of(1.5), "b", Tensors.of(9));
            Safetensors.write(folder.resolve("1.safetensors"), both, Map.of());
        }
        assertThat(refusal(GOOD))
                .isEqualTo(" does not fit its files: extra b in 1.safetensors, the index puts it into 2.safetensors");
    }

    @Test
    void filesMustBeThereAndBesideTheIndex() throws IOException {
        assertThat(refusal(GOOD.replace("1.safetensors", "3.safetensors")))
                .isEqualTo(": the file \"3.safetensors\" that it names is not there");
        Path elsewhere = Files.createDirectory(folder.resolve("sub")).resolve("1.safetensors");
        Files.copy(folder.resolve("1.safetensors"), elsewhere);
        for (String name : new String[] {"sub/1.safetensors", "../x/1.safetensors", "..", "", elsewhere.toString()}) {
            assertThat(refusal(GOOD.replace("1.safetensors", name.replace("\\", "\\\\"))))
                    .startsWith(": a file must lie in the folder of the index, got \"");
        }
        assertThat(refusal(GOOD.replace("1.safetensors", "a\\u0000b"))).contains("cannot be the name of a file");
    }

    @Test
    void anIndexIsReadStrictly() throws IOException {
        assertThat(refusal("{}")).isEqualTo(": weight_map is missing; this is not an index of safetensors");
        assertThat(refusal(GOOD + " {}")).isEqualTo(": the index must end with its object");
        assertThat(refusal(GOOD.replace("metadata", "meta")))
                .isEqualTo(": the fields of an index are metadata and weight_map, each once, got \"meta\"");
        assertThat(refusal(GOOD.replace("\"c\": \"2.safetensors\"", "\"b\": \"2.safetensors\"")))
                .isEqualTo(": weight_map has \"b\" twice");
        assertThat(refusal(GOOD.replace("\"1.safetensors\"", "1"))).isEqualTo(": weight_map \"a\" must be a text");
        assertThat(refusal(GOOD.substring(0, 40))).startsWith(": the index is not valid JSON: ");
    }

    @Test
    void aDamagedFileIsNamed() throws IOException {
        Files.writeString(index, GOOD);
        Files.writeString(folder.resolve("2.safetensors"), "gone");
        assertThatThrownBy(() -> ShardedSafetensors.open(index))
                .isInstanceOf(CheckpointException.class)
                .hasMessageStartingWith(folder.resolve("2.safetensors").toString());
    }
}
