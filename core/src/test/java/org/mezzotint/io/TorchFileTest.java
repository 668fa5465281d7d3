package org.mezzotint.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class TorchFileTest {
    @TempDir
    Path folder;

    private Path file;
    private Scope scope;

    @BeforeEach
    void openScope() {
        scope = Scope.open();
        file = folder.resolve("a.pt");
    }

    @AfterEach
    void closeScope() {
        scope.close();
    }

    private static Tensor ramp(long n, ScalarType type) {
        return torch.arange(new Scalar((double) n)).to(type);
    }

    @ParameterizedTest
    @EnumSource(TorchType.class)
    void readsWhatItWroteInEveryNumberType(TorchType type) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        tensors.put("small", ramp(7, type.scalar()));
        tensors.put("large", ramp(5000, type.scalar()).view(50, 100));
        tensors.put("transposed", tensors.get("large").t());
        tensors.put("part", tensors.get("large").slice(1, new LongOptional(3), new LongOptional(60), 2));
        tensors.put("scalar", ramp(1, type.scalar()).view(new long[0]));
        tensors.put("empty", Tensors.empty(type.scalar(), 2, 0, 3));
        TorchFile.write(file, Map.of("model", tensors));
        try (TensorFile read = TensorFile.open(file)) {
            TensorFile model = read.section("model");
            assertThat(model.names()).containsExactlyElementsOf(tensors.keySet());
            tensors.forEach((name, tensor) -> {
                Tensor back = model.tensor(name);
                assertThat(model.shape(name)).as(name).containsExactly(tensor.shape());
                assertThat(model.type(name)).as(name).isSameAs(type.scalar());
                assertThat(Tensors.type(back)).as(name).isSameAs(type.scalar());
                assertThat(back.shape()).as(name).containsExactly(tensor.shape());
                assertThat(SafetensorsTest.bytesOf(back)).as(name).isEqualTo(SafetensorsTest.bytesOf(tensor));
            });
        }
    }

    @Test
    void readsTheValuesThatItWrote() {
        Map<String, Object> tree = new LinkedHashMap<>();
        tree.put("step", 7);
        tree.put("long", -(1L << 40));
        tree.put("huge", BigInteger.ONE.shiftLeft(100).negate());
        tree.put("lr", 1e-4);
        tree.put("inf", Double.NEGATIVE_INFINITY);
        tree.put("yes", true);
        tree.put("no", false);
        tree.put("none", null);
        tree.put("name", "run ä中😀");
        tree.put("list", List.of(1, List.of("x"), Map.of()));
        tree.put("none at all", List.of());
        tree.put("state", Map.of(3, Map.of("exp_avg", ramp(2, ScalarType.Float), "step", 2.5)));
        TorchFile.write(file, tree);
        try (TorchFile read = TorchFile.open(file)) {
            Map<String, Object> expected = new LinkedHashMap<>();
            expected.put("step", 7L);
            expected.put("long", -(1L << 40));
            expected.put("huge", BigInteger.ONE.shiftLeft(100).negate());
            expected.put("lr", 1e-4);
            expected.put("inf", Double.NEGATIVE_INFINITY);
            expected.put("yes", true);
            expected.put("no", false);
            expected.put("none", null);
            expected.put("name", "run ä中😀");
            expected.put("list.0", 1L);
            expected.put("list.1.0", "x");
            expected.put("list.2", Map.of());
            expected.put("none at all", List.of());
            expected.put("state.3.step", 2.5);
            assertThat(read.values()).isEqualTo(expected);
            assertThat(read.values().keySet()).containsExactlyElementsOf(expected.keySet());
            assertThat(read.names()).containsExactly("state.3.exp_avg");
            assertThat(read.metadata()).isEmpty();
            assertThat(read.source()).isEqualTo(file.toString());
        }
    }

    @Test
    void laysStoragesOutAlignedAndChecked() throws IOException {
        TorchFile.write(file, Map.of("a", ramp(3, ScalarType.Byte), "b", ramp(3000, ScalarType.Double)));
        try (TensorBytes bytes = TensorBytes.open(file);
                ZipFile zip = new ZipFile(file.toFile())) {
            ZipDirectory directory = ZipDirectory.read(bytes);
            assertThat(directory.entries().keySet())
                    .containsExactly(
                            "archive/data.pkl",
                            "archive/.format_version",
                            "archive/.storage_alignment",
                            "archive/byteorder",
                            "archive/data/0",
                            "archive/data/1",
                            "archive/version");
            for (ZipDirectory.Entry entry : directory.entries().values()) {
                assertThat(entry.position() % 64).as(entry.name()).isZero();
                assertThat(entry.crc())
                        .as(entry.name())
                        .isEqualTo(zip.getEntry(entry.name()).getCrc());
                directory.checkCrc(entry);
            }
        }
    }

    @Test
    void equalTensorsGiveEqualFiles() {
        Path other = folder.resolve("b.pt");
        TorchFile.write(file, Map.of("a", ramp(3, ScalarType.Float)));
        TorchFile.write(other, Map.of("a", ramp(3, ScalarType.Float)));
        assertThat(file).hasSameBinaryContentAs(other);
    }

    @Test
    void tensorsAreMapsThatOutliveTheReaderAndDoNotChangeTheFile() throws IOException {
        TorchFile.write(file, Map.of("w", ramp(10_000, ScalarType.Float)));
        byte[] before = Files.readAllBytes(file);
        int maps = LiveMaps.count();
        Tensor first;
        try (TorchFile read = TorchFile.open(file)) {
            first = read.tensor("w");
            assertThat(LiveMaps.count()).isEqualTo(maps + 1);
            first.zero_();
            assertThat(read.tensor("w").equal(ramp(10_000, ScalarType.Float))).isTrue();
        }
        assertThat(first.sum().item_double()).isZero();
        assertThat(Files.readAllBytes(file)).isEqualTo(before);
        scope.close();
        assertThat(LiveMaps.count()).isEqualTo(maps);
        scope = Scope.open();
    }

    @Test
    void readsArchivesThatAUserCompressed() throws IOException {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        tensors.put("w", ramp(5000, ScalarType.Float));
        tensors.put("mask", ramp(9, ScalarType.Bool));
        TorchFile.write(file, tensors);
        Path packed = repacked(name -> null, true);
        assertThat(Files.size(packed)).isLessThan(Files.size(file));
        try (TorchFile read = TorchFile.open(packed);
                TorchFile plain = TorchFile.open(file)) {
            TorchFileGoldenTest.assertEqual(read, plain);
        }
        Path odd =
                repacked(name -> name.equals("archive/data/1") ? new byte[] {0, 1, 1, 1, 2, 1, 1, 1, 1} : null, true);
        try (TorchFile read = TorchFile.open(odd)) {
            assertThatThrownBy(() -> read.tensor("mask"))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessage(odd + ": tensor \"mask\": a BOOL must be 0 or 1, got 2");
        }
    }

    @Test
    void aBooleanThatIsNeitherZeroNorOneIsRefused() throws IOException {
        TorchFile.write(file, Map.of("mask", ramp(2, ScalarType.Bool)));
        Path odd = repacked(name -> name.equals("archive/data/0") ? new byte[] {0, 3} : null, false);
        try (TorchFile read = TorchFile.open(odd)) {
            assertThatThrownBy(() -> read.tensor("mask"))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessage(odd + ": tensor \"mask\": a BOOL must be 0 or 1, got 3 at index 1");
        }
    }

    @Test
    void aFlippedBitIsNoticedWheneverTheTensorIsAskedFor() throws IOException {
        for (int n : new int[] {100, 400_000}) {
            TorchFile.write(file, Map.of("w", ramp(n, ScalarType.Float)));
            byte[] bytes = Files.readAllBytes(file);
            long position;
            try (TensorBytes open = TensorBytes.open(file)) {
                position =
                        ZipDirectory.read(open).entries().get("archive/data/0").position();
            }
            bytes[(int) position + 4 * n - 1] ^= 1;
            Files.write(file, bytes);
            try (TorchFile read = TorchFile.open(file)) {
                for (int i = 0; i < 2; i++) {
                    assertThatThrownBy(() -> read.tensor("w"))
                            .isInstanceOf(CheckpointException.class)
                            .hasMessageContaining("the entry \"archive/data/0\" is damaged: its CRC-32 must be ");
                    assertThatThrownBy(() -> read.copyTo("w", ramp(n, ScalarType.Float)))
                            .isInstanceOf(CheckpointException.class)
                            .hasMessageContaining("the entry \"archive/data/0\" is damaged: its CRC-32 must be ");
                }
            }
        }
    }

    @Test
    void readsTheEndRecordOfLargeArchives() throws IOException {
        TorchFile.write(file, Map.of("w", ramp(4, ScalarType.Float)));
        byte[] bytes = Files.readAllBytes(file);
        int end = bytes.length - 22;
        ByteBuffer old = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        ByteBuffer wide = ByteBuffer.allocate(bytes.length + 56 + 20).order(ByteOrder.LITTLE_ENDIAN);
        wide.put(bytes, 0, end);
        wide.putInt(0x06064b50)
                .putLong(44)
                .putShort((short) 45)
                .putShort((short) 45)
                .putInt(0)
                .putInt(0);
        wide.putLong(old.getShort(end + 8)).putLong(old.getShort(end + 10));
        wide.putLong(old.getInt(end + 12)).putLong(old.getInt(end + 16));
        wide.putInt(0x07064b50).putInt(0).putLong(end).putInt(1);
        wide.putInt(0x06054b50).putInt(0).putShort((short) -1).putShort((short) -1);
        wide.putInt(-1).putInt(-1).putShort((short) 0);
        Files.write(file, wide.array());
        try (TorchFile read = TorchFile.open(file)) {
            assertThat(read.tensor("w").equal(ramp(4, ScalarType.Float))).isTrue();
        }
        wide.putLong(end + 48, 1L << 60);
        Files.write(file, wide.array());
        assertThatThrownBy(() -> TorchFile.open(file))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("does not lie in the file");
    }

    @Test
    void entriesThatOverlapAreRefused() throws IOException {
        TorchFile.write(file, Map.of("a", ramp(4, ScalarType.Float), "b", ramp(4, ScalarType.Float)));
        byte[] bytes = Files.readAllBytes(file);
        ByteBuffer edit = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        int start = edit.getInt(bytes.length - 22 + 16);
        for (int at = start; edit.getInt(at) == 0x02014b50; ) {
            int name = edit.getShort(at + 28);
            if (new String(bytes, at + 46, name, StandardCharsets.US_ASCII).endsWith("data/0")) {
                edit.putInt(at + 20, 60).putInt(at + 24, 60);
            }
            at += 46 + name + edit.getShort(at + 30) + edit.getShort(at + 32);
        }
        Files.write(file, bytes);
        assertThatThrownBy(() -> TorchFile.open(file))
                .isInstanceOf(CheckpointException.class)
                .hasMessage("cannot read " + file + ": the entries \"archive/data/0\" and \"archive/data/1\" overlap");
    }

    @Test
    void namesThatMeanTwoThingsAreRefused() {
        Map<String, Object> tree = new LinkedHashMap<>();
        tree.put("a.b", ramp(1, ScalarType.Float));
        tree.put("a", Map.of("b", ramp(1, ScalarType.Float)));
        TorchFile.write(file, tree);
        assertThatThrownBy(() -> TorchFile.open(file))
                .isInstanceOf(CheckpointException.class)
                .hasMessage(file + ": the pickle cannot be used: two values have the name \"a.b\"");
    }

    @Test
    void sectionsAreNamedAndTheNearestIsTold() {
        Map<String, Object> tree = new LinkedHashMap<>();
        tree.put("model", Map.of("w", ramp(1, ScalarType.Float)));
        tree.put("ema", Map.of("w", ramp(2, ScalarType.Float)));
        TorchFile.write(file, tree);
        try (TensorFile read = TensorFile.open(file)) {
            TensorFile ema = read.section("ema");
            assertThat(ema.names()).containsExactly("w");
            assertThat(ema.shape("w")).containsExactly(2);
            assertThat(ema.contains("ema.w")).isFalse();
            assertThat(ema.source()).isEqualTo(file + " (ema)");
            ema.close();
            assertThat(read.tensor("ema.w").numel()).isEqualTo(2);
            assertThatThrownBy(() -> read.section("modle"))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessage(file + ": no tensors below \"modle\", did you mean \"model\"?");
            assertThatThrownBy(() -> read.tensor("ema.v"))
                    .hasMessage(file + ": no tensor \"ema.v\", did you mean \"ema.w\"?");
        }
    }

    @Test
    void whatCannotBeWrittenIsNamed() {
        assertThatThrownBy(() -> TorchFile.write(file, Map.of("a", List.of(1, 2f))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "\"a.1\" must be a tensor, number, text, boolean, null, list or map, got a java.lang.Float");
        assertThatThrownBy(() -> TorchFile.write(file, Map.of("a", Map.of(2.5, 1))))
                .hasMessage("a key below \"a\" must be a String, Integer or Long, got 2.5");
        assertThatThrownBy(() -> TorchFile.write(file, Map.of("a", Map.of("c", new Tensor()))))
                .hasMessageStartingWith("tensor \"a.c\" must be defined and have a number type out of [FLOAT64, ");
        assertThatThrownBy(() -> TorchFile.write(file, Map.of("a", "\ud800")))
                .hasMessage("the text of \"a\" must be Unicode");
        assertThat(file).doesNotExist();
    }

    /** The archive at {@link #file} again, with some entries replaced. */
    private Path repacked(Function<String, byte[]> replacement, boolean deflated) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipFile zip = new ZipFile(file.toFile());
                ZipOutputStream out = new ZipOutputStream(bytes)) {
            for (ZipEntry old : Collections.list(zip.entries())) {
                byte[] data = replacement.apply(old.getName());
                data = data == null ? zip.getInputStream(old).readAllBytes() : data;
                ZipEntry entry = new ZipEntry(old.getName());
                entry.setMethod(deflated ? ZipEntry.DEFLATED : ZipEntry.STORED);
                CRC32 crc = new CRC32();
                crc.update(data);
                entry.setCrc(crc.getValue());
                entry.setSize(data.length);
                out.putNextEntry(entry);
                out.write(data);
                out.closeEntry();
            }
        }
        Path target = Files.createTempFile(folder, "packed", ".pt");
        return Files.write(target, bytes.toByteArray());
    }
}
