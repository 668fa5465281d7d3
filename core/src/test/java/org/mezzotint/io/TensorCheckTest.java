package org.mezzotint.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class TensorCheckTest {
    @TempDir
    Path folder;

    private final Map<String, long[]> expected = new LinkedHashMap<>();

    private TensorFile file(String... names) {
        Path path = folder.resolve("m.safetensors");
        try (Scope scope = Scope.open()) {
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            for (String name : names) {
                tensors.put(name, Tensors.empty(ScalarType.Float, 2, 3));
            }
            Safetensors.write(path, tensors, Map.of());
        }
        return Safetensors.open(path);
    }

    @Test
    void listsEverythingAtOnceWithTheNearestNameThatIsLeftOver() {
        expected.put("blocks.0.attn.qkv.weight", new long[] {2, 3});
        expected.put("pos_embed", new long[] {2, 3});
        expected.put("head", new long[] {3, 2});
        expected.put("fine", new long[] {2, 3});
        try (TensorFile file = file("fine", "blocks.0.attn.qvk.weight", "head", "unused", "ema.x")) {
            assertThatThrownBy(() -> TensorCheck.require("is no DiT", expected, file, name -> name.startsWith("ema.")))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessage(folder.resolve("m.safetensors")
                            + " is no DiT: missing blocks.0.attn.qkv.weight (there is blocks.0.attn.qvk.weight); "
                            + "missing pos_embed; head is [2, 3], not [3, 2]; "
                            + "extra blocks.0.attn.qvk.weight; extra unused");
        }
    }

    @Test
    void aFileThatFitsIsFine() {
        expected.put("a", new long[] {2, 3});
        try (TensorFile file = file("a", "b")) {
            assertThat(TensorCheck.problems(expected, file, "b"::equals)).isEmpty();
            assertThatCode(() -> TensorCheck.require("does not fit", expected, file, "b"::equals))
                    .doesNotThrowAnyException();
            assertThat(TensorCheck.problems(expected, file, name -> false)).containsExactly("extra b");
        }
    }

    @Test
    void namesThatAreExpectedElsewhereAreNoHints() {
        expected.put("layer.1", new long[] {2, 3});
        expected.put("layer.2", new long[] {2, 3});
        try (TensorFile file = file("layer.2")) {
            assertThat(TensorCheck.problems(expected, file, name -> false)).containsExactly("missing layer.1");
        }
    }
}
