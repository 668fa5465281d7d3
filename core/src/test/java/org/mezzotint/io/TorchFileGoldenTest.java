package org.mezzotint.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.golden.Golden;
import org.mezzotint.tensor.Scope;

/** Files that PyTorch wrote, and files made to deceive; manifest.json says what each must do. */
class TorchFileGoldenTest {
    @TempDir
    Path folder;

    /** What the manifest leaves open and we refuse. */
    private static final Map<String, String> REFUSED = Map.of(
            "big-endian.pt", "its numbers must be little endian, it says \"big\"",
            "recursive-list.pt", "contains itself",
            "deep-nesting.pt", "nested more than 200 levels deep",
            "billion-laughs.pt", "share parts so often",
            "numpy-scalar.pt", "\"numpy.core.multiarray.scalar\"",
            "zip-absurd-count.pt", "the zip directory");

    /** What the message must name. */
    private static final Map<String, String> NAMED = named();

    private static Map<String, String> named() {
        Map<String, String> named = new LinkedHashMap<>();
        named.put("evil-reduce-os-system.pt", "\"posix.system\"");
        named.put("evil-reduce-in-dict.pt", "system\"");
        named.put("evil-stack-global-eval.pt", "\"builtins.eval\"");
        named.put("evil-stack-global-memo.pt", "system\"");
        named.put("evil-getattr.pt", "\"builtins.getattr\"");
        named.put("evil-inst.pt", "system\"");
        named.put("evil-obj.pt", "system\"");
        named.put("evil-newobj.pt", "\"subprocess.Popen\"");
        named.put("evil-torch-prefix.pt", "\"torch.utils.collect_env.run\"");
        named.put("evil-dotted-name.pt", "\"torch.serialization.os.system\"");
        named.put("evil-inside-tensor.pt", "\"builtins.exec\"");
        named.put("evil-inside-persid.pt", "system\"");
        named.put("evil-build-module.pt", "\"torch.nn.modules.container.Sequential\"");
        named.put("evil-ext.pt", "opcode 0x82");
        named.put("evil-reduce-allowed-wrong-use.pt", "\"torch.FloatStorage\" is a name, not a function");
        named.put("evil-reconstructor.pt", "\"copyreg._reconstructor\"");
        named.put("evil-legacy.pt", "\"os.system\"");
        named.put("evil-plain-pickle.pkl", "system\"");
        named.put("whole-module.pt", "\"torch.nn.modules.linear.Linear\"");
        named.put("sparse.pt", "\"torch._utils._rebuild_sparse_tensor\"");
        named.put("storage-unknown-type.pt", "\"torch.QInt8Storage\"");
        named.put("storage-type-not-torch.pt", "\"builtins.dict\"");
        named.put("storage-missing.pt", "storage \"7\"");
        named.put("storage-key-traversal.pt", "storage \"../data.pkl\"");
        named.put("storage-short.pt", "does not fit in storage \"0\" of 6 elements");
        named.put("storage-offset.pt", "does not fit in storage \"0\" of 6 elements");
        named.put("storage-expand-bomb.pt", "tensor \"w\" repeats its storage too often");
        named.put("storage-numel-lie.pt", "must have 2400 bytes, the archive has 24");
        named.put("storage-record-odd.pt", "must have 24 bytes, the archive has 23");
        named.put("zip-bomb.pt", "must have 24 bytes, the archive has 50331648");
        named.put("zip-crc.pt", "CRC-32");
        named.put("zip-duplicate-entry.pt", "\"archive/data/0\" is there twice");
        named.put("zip-no-pickle.pt", "with one data.pkl, got none");
        named.put("zip-two-pickles.pt", "with one data.pkl, got ");
        named.put("zip-truncated-half.pt", "the file was cut");
        named.put("empty.pt", "the file is empty");
        named.put("lfs-pointer.pt", "Git LFS pointer");
        named.put("html.pt", "HTML");
        return named;
    }

    @TestFactory
    Stream<DynamicTest> treatsEveryFileLikeTheManifest() throws IOException {
        List<JsonNode> files = new ArrayList<>();
        new ObjectMapper()
                .readTree(Golden.path("checkpoints/manifest.json").toFile())
                .get("files")
                .forEach(files::add);
        assertThat(files).hasSize(152);
        files.removeIf(entry -> entry.get("file").asText().startsWith("st-"));
        return files.stream().map(entry -> {
            String name = entry.get("file").asText();
            String expect = entry.get("expect").asText();
            boolean read = expect.equals("ok") || (expect.equals("either") && !REFUSED.containsKey(name));
            return DynamicTest.dynamicTest(name + ": " + expect, () -> {
                if (read) {
                    reads(name, entry);
                } else {
                    refuses(name, expect.equals("either") ? REFUSED.get(name) : NAMED.getOrDefault(name, ""));
                }
            });
        });
    }

    private static void reads(String name, JsonNode entry) {
        try (Scope scope = Scope.open();
                TorchFile file = TorchFile.open(Golden.path("checkpoints/" + name));
                Safetensors twin = Safetensors.open(
                        Golden.path("checkpoints/" + entry.get("twin").asText()))) {
            assertEqual(file, twin);
            Map<String, Object> expected = new LinkedHashMap<>();
            entry.get("values").properties().forEach(each -> expected.put(each.getKey(), spelled(each.getValue())));
            Map<String, Object> values = new LinkedHashMap<>();
            file.values().forEach((key, value) -> values.put(key, spelled(value)));
            assertThat(values).isEqualTo(expected);
        }
    }

    static void assertEqual(TensorFile file, TensorFile expected) {
        assertThat(file.names()).containsExactlyInAnyOrderElementsOf(expected.names());
        for (String name : expected.names()) {
            assertThat(file.shape(name)).as(name).containsExactly(expected.shape(name));
            assertThat(file.type(name)).as(name).isSameAs(expected.type(name));
            Tensor tensor = file.tensor(name);
            assertThat(tensor.shape()).as(name).containsExactly(expected.shape(name));
            assertThat(tensor.scalar_type().intern()).as(name).isSameAs(expected.type(name));
            assertThat(SafetensorsTest.bytesOf(tensor))
                    .as(name)
                    .isEqualTo(SafetensorsTest.bytesOf(expected.tensor(name)));
        }
    }

    /** Numbers as doubles, what JSON cannot say as the manifest's texts. */
    private static Object spelled(Object value) {
        if (value instanceof JsonNode json) {
            return json.isNull()
                    ? null
                    : json.isNumber()
                            ? (Object) json.doubleValue()
                            : json.isBoolean()
                                    ? (Object) json.booleanValue()
                                    : json.isTextual() ? json.textValue() : json.toString();
        } else if (value instanceof Map || value instanceof List) {
            return value instanceof Map ? "{}" : "[]";
        } else if (value instanceof Long number) {
            return Math.abs(number) < 1L << 53 ? (Object) number.doubleValue() : number.toString();
        } else if (value instanceof Double number && number.isInfinite()) {
            return number > 0 ? "inf" : "-inf";
        }
        return value instanceof BigInteger ? value.toString() : value;
    }

    private static void refuses(String name, String fragment) {
        long natives = Pointer.totalCount();
        Throwable thrown = catchThrowable(() -> {
            try (Scope scope = Scope.open();
                    TensorFile file = TensorFile.open(Golden.path("checkpoints/" + name))) {
                file.names().forEach(file::tensor);
            }
        });
        assertThat(thrown).isExactlyInstanceOf(CheckpointException.class);
        assertThat(thrown.getMessage())
                .contains(name)
                .contains(fragment)
                .doesNotContain("\n")
                .hasSizeLessThan(700);
        assertThat(Pointer.totalCount()).isLessThanOrEqualTo(natives);
    }

    @Test
    void readsATrainingCheckpointOfKDiffusion() {
        try (Scope scope = Scope.open();
                TensorFile file = TensorFile.open(Golden.path("kd-checkpoint/tiny_00000006.pth"));
                TensorFile inference = TensorFile.open(Golden.path("kd-checkpoint/tiny_inference_fp32.safetensors"))) {
            assertThat(file).isInstanceOf(TorchFile.class);
            TensorFile average = file.section("model_ema");
            for (String name : inference.names()) {
                String inner = average.contains(name) ? name : "inner_model." + name;
                assertThat(SafetensorsTest.bytesOf(average.tensor(inner)))
                        .as(name)
                        .isEqualTo(SafetensorsTest.bytesOf(inference.tensor(name)));
            }
            assertThat(((TorchFile) file).values())
                    .containsKeys("step", "epoch")
                    .containsEntry("step", 6L);
        }
    }

    @Test
    void readsWhatDiffusersSharded() {
        Path folder = Golden.path("diffusers/dit-tiny");
        try (Scope scope = Scope.open();
                TensorFile whole = TensorFile.open(folder.resolve("diffusion_pytorch_model.safetensors"));
                TensorFile sharded = TensorFile.open(
                        Golden.path("diffusers/dit-tiny-sharded/diffusion_pytorch_model.safetensors.index.json"))) {
            assertThat(sharded).isInstanceOf(ShardedSafetensors.class);
            assertEqual(sharded, whole);
            assertThat(sharded.metadata()).containsEntry("total_size", "243200");
        }
    }

    @Test
    void readsWhatOlderDiffusersPickled() {
        try (Scope scope = Scope.open();
                TensorFile whole =
                        TensorFile.open(Golden.path("diffusers/dit-tiny/diffusion_pytorch_model.safetensors"));
                TensorFile pickled =
                        TensorFile.open(Golden.path("diffusers/dit-tiny-legacy/diffusion_pytorch_model.bin"))) {
            assertThat(pickled).isInstanceOf(TorchFile.class);
            assertEqual(pickled, whole);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"net", "traced"})
    void readsTheModulesOfATorchScriptArchiveAsAStateDict(String name) {
        try (Scope scope = Scope.open();
                TensorFile script = TensorFile.open(Golden.path("script/" + name + ".pt"));
                TensorFile state = TensorFile.open(Golden.path("script/net.expected.safetensors"))) {
            assertEqual(script, state);
            assertThat(((TorchFile) script).values())
                    .containsEntry("training", false)
                    .containsEntry("first.bn.training", false);
        }
    }

    @Test
    void classesOfTorchScriptAreNamesForDataInItsArchivesOnly() throws IOException {
        Map<String, byte[]> entries = new LinkedHashMap<>();
        try (ZipFile zip = new ZipFile(Golden.path("script/net.pt").toFile())) {
            for (ZipEntry entry : Collections.list(zip.entries())) {
                if (!entry.getName().contains("/code/")) {
                    entries.put(entry.getName(), zip.getInputStream(entry).readAllBytes());
                }
            }
        }
        Path file = folder.resolve("net.pt");
        try (ZipOutputStream out = new ZipOutputStream(Files.newOutputStream(file))) {
            for (Map.Entry<String, byte[]> entry : entries.entrySet()) {
                out.putNextEntry(new ZipEntry(entry.getKey()));
                out.write(entry.getValue());
            }
        }
        assertThatThrownBy(() -> TensorFile.open(file))
                .isInstanceOf(CheckpointException.class)
                .hasMessage(file + ": the pickle uses \"__torch__.Net\", which is not on the list of names for data; "
                        + "nothing of it was run; only TorchScript archives may");
    }
}
