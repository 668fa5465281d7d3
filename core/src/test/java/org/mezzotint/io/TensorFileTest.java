package org.mezzotint.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class TensorFileTest {
    @TempDir
    Path folder;

    @Test
    void knowsAFileByItsContentNotByItsName() throws IOException {
        Path safetensors = folder.resolve("weights.pt");
        Path torch = folder.resolve("weights.safetensors");
        Path npz = folder.resolve("weights.ckpt");
        try (Scope scope = Scope.open()) {
            Safetensors.write(safetensors, Map.of("w", Tensors.of(1.0)), Map.of());
            TorchFile.write(torch, Map.of("w", Tensors.of(1.0)));
        }
        Npz.images(npz, 0, 1, 1).close();
        try (TensorFile a = TensorFile.open(safetensors);
                TensorFile b = TensorFile.open(torch);
                TensorFile c = TensorFile.open(npz)) {
            assertThat(a).isInstanceOf(Safetensors.class);
            assertThat(b).isInstanceOf(TorchFile.class);
            assertThat(c).isInstanceOf(NpzFile.class);
            assertThat(c.shape("arr_0")).containsExactly(0, 1, 1, 3);
        }
    }

    @Test
    void copiesIntoTensorsOfAnyTypeAndStride() throws IOException {
        try (Scope scope = Scope.open()) {
            Tensor values = torch.rand(new long[] {600, 500});
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            tensors.put("a.w", values);
            tensors.put("a.mask", values.gt(new Scalar(0.5)));
            tensors.put("a.empty", values.slice(0, new LongOptional(0), new LongOptional(0), 1));
            Path safetensors = folder.resolve("w.safetensors");
            Path torchFile = folder.resolve("w.pt");
            Path index = folder.resolve("w.json");
            Safetensors.write(safetensors, tensors, Map.of());
            TorchFile.write(torchFile, tensors);
            Files.writeString(
                    index,
                    "{\"weight_map\":{\"a.w\":\"w.safetensors\",\"a.mask\":\"w.safetensors\",\"a.empty\":\"w.safetensors\"}}");
            for (Path path : List.of(safetensors, torchFile, index)) {
                try (TensorFile file = TensorFile.open(path)) {
                    TensorFile section = file.section("a");
                    Tensor plain = torch.zeros(600, 500);
                    Tensor parameter = torch.zeros(600, 500).set_requires_grad(true);
                    Tensor turned = torch.zeros(500, 600).t();
                    Tensor wide = torch.zeros(600, 500).to(ScalarType.Double);
                    Tensor mask = torch.zeros(600, 500).to(ScalarType.Bool);
                    Tensor empty = torch.zeros(0, 500);
                    assertThat(section.read("w", plain)).isTrue();
                    assertThat(section.read("w", turned)).isFalse();
                    assertThat(section.read("w", wide)).isFalse();
                    for (Tensor target : List.of(plain.zero_(), parameter, turned, wide)) {
                        section.copyTo("w", target);
                        assertThat(target.detach().to(ScalarType.Float).equal(values))
                                .isTrue();
                    }
                    section.copyTo("mask", mask);
                    assertThat(mask.equal(tensors.get("a.mask"))).isTrue();
                    section.copyTo("empty", empty);
                    assertThatThrownBy(() -> section.copyTo("w", empty))
                            .isInstanceOf(IllegalArgumentException.class)
                            .hasMessage("the target of \"w\" must have the shape [600, 500], got [0, 500]");
                }
            }
        }
    }

    @Test
    void saysWhatAWrongFileIs() throws IOException {
        assertThat(refusal("")).isEqualTo("the file is empty");
        assertThat(refusal("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"))
                .isEqualTo("this is a Git LFS pointer, not the weights; fetch the file itself");
        assertThat(refusal("\n<!DOCTYPE html><html>"))
                .isEqualTo("this is a page of HTML or XML, not the weights; download the file again");
        assertThat(refusal("\u0080\u0002}."))
                .isEqualTo("this is a bare pickle without tensors, not a file of torch.save");
        byte[] tar = new byte[1024];
        System.arraycopy("ustar".getBytes(StandardCharsets.US_ASCII), 0, tar, 257, 5);
        assertThat(refusal(new String(tar, StandardCharsets.ISO_8859_1)))
                .isEqualTo("this is a tar archive, not a file of tensors; unpack it");
        assertThat(refusal("GIF89a"))
                .isEqualTo("this is neither safetensors, PyTorch, npz nor npy, it starts with 474946383961");
    }

    @Test
    void aFolderAndAMissingFileAreSaidToBeSo() {
        assertThatThrownBy(() -> TensorFile.open(folder))
                .isInstanceOf(CheckpointException.class)
                .hasMessage("cannot read " + folder + ": it is a folder");
        assertThatThrownBy(() -> TensorFile.open(folder.resolve("no")))
                .isInstanceOf(CheckpointException.class)
                .hasMessage("cannot read " + folder.resolve("no") + ": no such file or folder");
    }

    @Test
    void aZipWithoutTensorsIsRefused() throws IOException {
        Path zip = folder.resolve("a.zip");
        try (ZipOutputStream out = new ZipOutputStream(Files.newOutputStream(zip))) {
            out.putNextEntry(new ZipEntry("readme.txt"));
            out.write(1);
        }
        assertThatThrownBy(() -> TensorFile.open(zip))
                .isInstanceOf(CheckpointException.class)
                .hasMessage(zip + ": a PyTorch file is a zip with one data.pkl, got none");
        assertThatThrownBy(() -> NpzFile.open(zip))
                .hasMessage(zip + ": no member ends in .npy; a zip, but not an npz file");
    }

    private String refusal(String bytes) throws IOException {
        Path file = Files.write(folder.resolve("x"), bytes.getBytes(StandardCharsets.ISO_8859_1));
        String[] message = new String[1];
        assertThatThrownBy(() -> TensorFile.open(file))
                .isExactlyInstanceOf(CheckpointException.class)
                .hasMessageStartingWith(file + ": ")
                .satisfies(thrown -> message[0] = thrown.getMessage());
        return message[0].substring(file.toString().length() + 2);
    }
}
