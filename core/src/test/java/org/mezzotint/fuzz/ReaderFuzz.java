package org.mezzotint.fuzz;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The same readers under Jazzer, which looks for files that reach new code. Not part of the gate: {@code JAZZER_FUZZ=1 mvn -B
 * test -pl core -Dtest='ReaderFuzz#torch'} runs one reader for ten minutes, or for {@code JAZZER_MAX_DURATION=60s}.
 */
class ReaderFuzz {
    @TempDir
    Path folder;

    static Stream<byte[]> safetensorsSeeds() {
        return Reader.SAFETENSORS.seeds().stream();
    }

    @MethodSource("safetensorsSeeds")
    @FuzzTest(maxDuration = "10m")
    void safetensors(byte[] input) throws IOException {
        Reader.SAFETENSORS.acceptsUnmeasured(folder, input);
    }

    static Stream<byte[]> torchSeeds() {
        return Reader.TORCH.seeds().stream();
    }

    @MethodSource("torchSeeds")
    @FuzzTest(maxDuration = "10m")
    void torch(byte[] input) throws IOException {
        Reader.TORCH.acceptsUnmeasured(folder, input);
    }

    static Stream<byte[]> pickleSeeds() {
        return Reader.PICKLE.seeds().stream();
    }

    @MethodSource("pickleSeeds")
    @FuzzTest(maxDuration = "10m")
    void pickle(byte[] input) throws IOException {
        Reader.PICKLE.acceptsUnmeasured(folder, input);
    }

    static Stream<byte[]> npySeeds() {
        return Reader.NPY.seeds().stream();
    }

    @MethodSource("npySeeds")
    @FuzzTest(maxDuration = "10m")
    void npy(byte[] input) throws IOException {
        Reader.NPY.acceptsUnmeasured(folder, input);
    }

    static Stream<byte[]> npzSeeds() {
        return Reader.NPZ.seeds().stream();
    }

    @MethodSource("npzSeeds")
    @FuzzTest(maxDuration = "10m")
    void npz(byte[] input) throws IOException {
        Reader.NPZ.acceptsUnmeasured(folder, input);
    }

    static Stream<byte[]> indexSeeds() {
        return Reader.INDEX.seeds().stream();
    }

    @MethodSource("indexSeeds")
    @FuzzTest(maxDuration = "10m")
    void index(byte[] input) throws IOException {
        Reader.INDEX.acceptsUnmeasured(folder, input);
    }

    static Stream<byte[]> pictureSeeds() {
        return Reader.PICTURE.seeds().stream();
    }

    @MethodSource("pictureSeeds")
    @FuzzTest(maxDuration = "10m")
    void picture(byte[] input) throws IOException {
        Reader.PICTURE.acceptsUnmeasured(folder, input);
    }

    static Stream<byte[]> zipSeeds() {
        return Reader.ZIP.seeds().stream();
    }

    @MethodSource("zipSeeds")
    @FuzzTest(maxDuration = "10m")
    void zip(byte[] input) throws IOException {
        Reader.ZIP.acceptsUnmeasured(folder, input);
    }

    static Stream<byte[]> labelsSeeds() {
        return Reader.LABELS.seeds().stream();
    }

    @MethodSource("labelsSeeds")
    @FuzzTest(maxDuration = "10m")
    void labels(byte[] input) throws IOException {
        Reader.LABELS.acceptsUnmeasured(folder, input);
    }

    static Stream<byte[]> idxSeeds() {
        return Reader.IDX.seeds().stream();
    }

    @MethodSource("idxSeeds")
    @FuzzTest(maxDuration = "10m")
    void idx(byte[] input) throws IOException {
        Reader.IDX.acceptsUnmeasured(folder, input);
    }

    static Stream<byte[]> yamlSeeds() {
        return Reader.YAML.seeds().stream();
    }

    @MethodSource("yamlSeeds")
    @FuzzTest(maxDuration = "10m")
    void yaml(byte[] input) throws IOException {
        Reader.YAML.acceptsUnmeasured(folder, input);
    }
}
