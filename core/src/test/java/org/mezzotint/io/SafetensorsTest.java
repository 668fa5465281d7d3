package org.mezzotint.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class SafetensorsTest {
    @TempDir
    Path folder;

    private PointerScope scope;

    @BeforeEach
    void openScope() {
        scope = new PointerScope();
    }

    @AfterEach
    void closeScope() {
        scope.close();
    }

    @ParameterizedTest
    @EnumSource(SafetensorsHeader.Type.class)
    void readsWhatItWroteInEveryNumberType(SafetensorsHeader.Type type) {
        Path file = folder.resolve("a.safetensors");
        Tensor values = ramp(5000, type.scalar()).view(50, 100);
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        tensors.put("small", ramp(7, type.scalar()));
        tensors.put("large", values);
        tensors.put("transposed", values.t());
        tensors.put("scalar", ramp(1, type.scalar()).view(new long[0]));
        tensors.put("empty", torch.zeros(new long[] {2, 0, 3}, new TensorOptions(type.scalar())));
        Safetensors.write(file, tensors, Map.of());
        try (Safetensors read = Safetensors.open(file)) {
            assertThat(read.names()).containsExactlyElementsOf(tensors.keySet());
            tensors.forEach((name, tensor) -> {
                assertThat(read.shape(name)).as(name).containsExactly(tensor.shape());
                assertThat(read.type(name)).as(name).isEqualTo(type.scalar());
                Tensor back = read.tensor(name);
                assertThat(back.scalar_type().intern()).as(name).isEqualTo(type.scalar());
                assertThat(back.shape()).as(name).containsExactly(tensor.shape());
                assertThat(bytesOf(back)).as(name).isEqualTo(bytesOf(tensor));
            });
        }
    }

    @Test
    void keepsEveryBitOfNaNs() {
        Path file = folder.resolve("nan.safetensors");
        Tensor bits = ramp(3000, ScalarType.Int).mul(new Scalar(715827)).add(new Scalar(0x7f800001));
        Safetensors.write(file, Map.of("nan", bits.view(ScalarType.Float)), Map.of());
        try (Safetensors read = Safetensors.open(file)) {
            assertThat(read.tensor("nan").view(ScalarType.Int).equal(bits)).isTrue();
        }
    }

    @Test
    void laysDataOutByNumberTypeThenInTheGivenOrder() throws IOException {
        Path file = folder.resolve("a.safetensors");
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        tensors.put("z", ramp(3, ScalarType.Byte));
        tensors.put("y", ramp(3, ScalarType.Half));
        tensors.put("c", ramp(3, ScalarType.Float));
        tensors.put("a", ramp(3, ScalarType.Float));
        tensors.put("x", ramp(3, ScalarType.Long));
        Map<String, String> metadata = new LinkedHashMap<>();
        metadata.put("format", "pt");
        metadata.put("ä \"", "😀\n");
        Safetensors.write(file, tensors, metadata);
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        int length = (int) bytes.getLong(0);
        String header = new String(bytes.array(), 8, length, StandardCharsets.UTF_8);
        assertThat(length % 8).isZero();
        assertThat(header)
                .startsWith("{\"__metadata__\":{\"format\":\"pt\",")
                .contains("\"x\":{\"dtype\":\"I64\",\"shape\":[3],\"data_offsets\":[0,24]}");
        assertThat(bytes.capacity()).isEqualTo(8 + length + 24 + 12 + 12 + 6 + 3);
        try (Safetensors read = Safetensors.open(file)) {
            assertThat(read.names()).containsExactly("x", "c", "a", "y", "z");
            assertThat(read.metadata()).containsExactlyEntriesOf(metadata);
        }
    }

    @Test
    void writesAFileWithoutTensors() {
        Path file = folder.resolve("none.safetensors");
        Safetensors.write(file, Map.of(), Map.of());
        try (Safetensors read = Safetensors.open(file)) {
            assertThat(read.names()).isEmpty();
            assertThat(read.metadata()).isEmpty();
            assertThat(read.contains("a")).isFalse();
        }
    }

    @Test
    void detachesParameters() {
        Path file = folder.resolve("p.safetensors");
        Tensor parameter = ramp(4, ScalarType.Float).set_requires_grad(true);
        Safetensors.write(file, Map.of("p", parameter), Map.of());
        try (Safetensors read = Safetensors.open(file)) {
            assertThat(read.tensor("p").requires_grad()).isFalse();
            assertThat(read.tensor("p").equal(parameter)).isTrue();
        }
    }

    @Test
    void writingToATensorDoesNotChangeTheFile() throws IOException {
        Path file = largeFile();
        byte[] before = Files.readAllBytes(file);
        try (Safetensors read = Safetensors.open(file)) {
            read.tensor("w").zero_();
            assertThat(read.tensor("w").sum().item_double()).isEqualTo(9999.0 * 5000);
        }
        assertThat(Files.readAllBytes(file)).isEqualTo(before);
    }

    @Test
    void manyTensorsOutliveReaderFileAndGarbageCollection() throws IOException {
        Path file = largeFile();
        Tensor[] tensors = new Tensor[64];
        for (int i = 0; i < tensors.length; i++) {
            try (PointerScope inner = new PointerScope();
                    Safetensors read = Safetensors.open(file)) {
                tensors[i] = new Tensor(read.tensor("w"));
                scope.attach(tensors[i]);
            }
        }
        Files.delete(file);
        for (int i = 0; i < 3; i++) {
            System.gc();
        }
        for (Tensor tensor : tensors) {
            assertThat(tensor.sum().item_double()).isEqualTo(9999.0 * 5000);
        }
    }

    @Test
    void lastTensorOnAMapReleasesIt() {
        Path file = largeFile();
        int before = LiveMaps.count();
        try (Safetensors read = Safetensors.open(file)) {
            Tensor view;
            try (PointerScope inner = new PointerScope()) {
                view = read.tensor("w").view(100, 100);
                scope.attach(view);
            }
            assertThat(LiveMaps.count()).isEqualTo(before + 1);
            view.close();
            assertThat(LiveMaps.count()).isEqualTo(before);
        }
    }

    @Test
    void readsTensorsThatAreNotAligned() throws IOException {
        Path file = folder.resolve("odd.safetensors");
        String header = "{\"a\":{\"dtype\":\"F64\",\"shape\":[1000],\"data_offsets\":[0,8000]}} ";
        ByteBuffer bytes = ByteBuffer.allocate(8 + header.length() + 8000).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(header.length()).put(header.getBytes(StandardCharsets.UTF_8));
        assertThat(bytes.position() % 8).isNotZero();
        for (int i = 0; i < 1000; i++) {
            bytes.putDouble(i);
        }
        Files.write(file, bytes.array());
        try (Safetensors read = Safetensors.open(file)) {
            assertThat(read.tensor("a").equal(ramp(1000, ScalarType.Double))).isTrue();
        }
    }

    @Test
    void readsATensorBeyondTwoGibibytes() throws IOException {
        Path file = folder.resolve("sparse.safetensors");
        long gap = 3L << 30;
        String header = "{\"far\":{\"dtype\":\"F32\",\"shape\":[2048],\"data_offsets\":[" + gap + "," + (gap + 8192)
                + "]},\"gap\":{\"dtype\":\"U8\",\"shape\":[" + gap + "],\"data_offsets\":[0," + gap + "]}}";
        header += " ".repeat(8 - header.length() % 8);
        try (RandomAccessFile out = new RandomAccessFile(file.toFile(), "rw")) {
            out.write(ByteBuffer.allocate(8)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putLong(header.length())
                    .array());
            out.write(header.getBytes(StandardCharsets.UTF_8));
            ByteBuffer floats = ByteBuffer.allocate(8192).order(ByteOrder.LITTLE_ENDIAN);
            for (int i = 0; i < 2048; i++) {
                floats.putFloat(i);
            }
            out.seek(8 + header.length() + gap);
            out.write(floats.array());
        }
        try (Safetensors read = Safetensors.open(file)) {
            assertThat(read.names()).containsExactly("gap", "far");
            assertThat(read.tensor("far").equal(ramp(2048, ScalarType.Float))).isTrue();
        }
    }

    @Test
    void refusesAFileThatChangedWhileOpen() throws IOException {
        Path file = largeFile();
        long size = Files.size(file);
        try (Safetensors read = Safetensors.open(file)) {
            try (RandomAccessFile out = new RandomAccessFile(file.toFile(), "rw")) {
                out.setLength(size - 1);
            }
            assertThatThrownBy(() -> read.tensor("w"))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessage(file + ": the file changed while it was open, it had " + size + " bytes and has "
                            + (size - 1));
        }
        assertThat(Files.size(file)).isEqualTo(size - 1);
    }

    @Test
    void refusesABooleanThatIsNeitherZeroNorOne() throws IOException {
        Path file = folder.resolve("b.safetensors");
        Safetensors.write(file, Map.of("mask", ramp(2, ScalarType.Bool)), Map.of());
        byte[] bytes = Files.readAllBytes(file);
        bytes[bytes.length - 1] = 3;
        Files.write(file, bytes);
        try (Safetensors read = Safetensors.open(file)) {
            assertThatThrownBy(() -> read.tensor("mask"))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessage(file + ": tensor \"mask\": a BOOL must be 0 or 1, got 3 at index 1");
        }
    }

    @Test
    void namesTheNearestTensorWhenOneIsMissing() throws IOException {
        Path file = folder.resolve("n.safetensors");
        Safetensors.write(file, Map.of("blocks.0.attn.weight", ramp(1, ScalarType.Float)), Map.of());
        try (Safetensors read = Safetensors.open(file)) {
            assertThatThrownBy(() -> read.tensor("blocks.1.attn.weight"))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessage(file + ": no tensor \"blocks.1.attn.weight\", did you mean \"blocks.0.attn.weight\"?");
            assertThatThrownBy(() -> read.shape("q")).hasMessage(file + ": no tensor \"q\"");
        }
    }

    @Test
    void refusesToWriteWhatTheFormatCannotHold() {
        Path file = folder.resolve("x.safetensors");
        Tensor plain = ramp(1, ScalarType.Float);
        assertThatThrownBy(() -> Safetensors.write(file, Map.of("__metadata__", plain), Map.of()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("tensor name must not be __metadata__");
        assertThatThrownBy(() -> Safetensors.write(file, Map.of("\ud800", plain), Map.of()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("tensor name must be Unicode text");
        assertThatThrownBy(() -> Safetensors.write(file, Map.of("a", plain), Map.of("k", "\udc00")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("metadata value of \"k\" must be Unicode text");
        assertThatThrownBy(() -> Safetensors.write(file, Map.of("c", plain.to(ScalarType.ComplexFloat)), Map.of()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("tensor \"c\" must have a number type out of [F64, ")
                .hasMessageEndingWith("got ComplexFloat");
        assertThatThrownBy(() -> Safetensors.write(file, Map.of("u", new Tensor()), Map.of()))
                .hasMessage("tensor \"u\" must be defined");
        assertThat(file).doesNotExist();
    }

    @Test
    void saysThatAFileIsMissingOrAFolder() {
        assertThatThrownBy(() -> Safetensors.open(folder.resolve("no")))
                .isInstanceOf(CheckpointException.class)
                .hasMessage("cannot read " + folder.resolve("no") + ": no such file or folder");
        assertThatThrownBy(() -> Safetensors.open(folder)).isInstanceOf(CheckpointException.class);
    }

    @Test
    void damagedFilesAreRefusedOrReadAndNothingElse() throws IOException {
        Path file = folder.resolve("f.safetensors");
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        tensors.put("weight", ramp(1500, ScalarType.Float));
        tensors.put("mask", ramp(3, ScalarType.Bool));
        tensors.put("none", torch.zeros(new long[] {0, 4}, new TensorOptions(ScalarType.Long)));
        Safetensors.write(file, tensors, Map.of("key", "välue"));
        byte[] good = Files.readAllBytes(file);
        int header = (int) ByteBuffer.wrap(good).order(ByteOrder.LITTLE_ENDIAN).getLong(0) + 8;
        Random random = new Random(7);
        int refused = 0;
        for (int i = 0; i < 1500; i++) {
            byte[] bad = good.clone();
            if (i % 4 == 0) {
                bad = Arrays.copyOf(good, random.nextInt(good.length));
            }
            for (int flips = i % 3; flips > 0 && bad.length > 0; flips--) {
                int at = random.nextInt(i % 2 == 0 ? bad.length : Math.min(header, bad.length));
                bad[at] ^= (byte) (1 << random.nextInt(8));
            }
            Files.write(file, bad);
            try (PointerScope inner = new PointerScope();
                    Safetensors read = Safetensors.open(file)) {
                for (String name : read.names()) {
                    read.tensor(name).sum().item_double();
                }
            } catch (CheckpointException e) {
                assertThat(e.getMessage()).contains(file.toString()).doesNotContain("\n");
                refused++;
            }
        }
        assertThat(refused).isBetween(500, 1450);
    }

    private Path largeFile() {
        Path file = folder.resolve("large.safetensors");
        Safetensors.write(file, Map.of("w", ramp(10000, ScalarType.Float)), Map.of());
        return file;
    }

    /** 0, 1, 2, … in a number type, wrapping. */
    private static Tensor ramp(long n, ScalarType type) {
        return torch.arange(new Scalar((double) n)).to(type);
    }

    static byte[] bytesOf(Tensor tensor) {
        byte[] bytes = new byte[(int) tensor.nbytes()];
        if (bytes.length > 0) {
            new BytePointer(tensor.contiguous().data_ptr())
                    .capacity(bytes.length)
                    .get(bytes);
        }
        return bytes;
    }
}
