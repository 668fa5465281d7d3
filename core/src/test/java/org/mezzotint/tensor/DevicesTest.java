package org.mezzotint.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import org.bytedeco.pytorch.Device;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class DevicesTest {
    @Test
    void theProcessorIsAlwaysThere() {
        try (Device parsed = Devices.parse("cpu");
                Device cpu = Devices.cpu()) {
            assertThat(parsed.is_cpu()).isTrue();
            assertThat(cpu.is_cpu()).isTrue();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpu", "CPU", "cuda:", "cuda:-1", "cuda:100", "cuda 0", "cpu:0", ""})
    void unknownNamesAreRefusedInOneLine(String name) {
        assertThatThrownBy(() -> Devices.parse(name))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("device must be cpu, cuda or cuda:N, got " + name);
    }

    @Test
    void fastBfloat16IsReadFromTheFlagsOfTheProcessor(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("cpuinfo");
        assertThat(Devices.fastBfloat16(file)).isFalse();
        Files.writeString(file, "processor\t: 0\nflags\t\t: fpu avx512f avx512_bf16 amx_tile\n");
        assertThat(Devices.fastBfloat16(file)).isTrue();
        Files.writeString(file, "flags\t: fpu avx2 amx_bf16\n");
        assertThat(Devices.fastBfloat16(file)).isTrue();
        Files.writeString(file, "model name: avx512_bf16\nflags\t: fpu avx512f avx512_bf16x\n");
        assertThat(Devices.fastBfloat16(file)).isFalse();
    }

    @Test
    void aGpuThatIsNotThereIsRefusedInOneLine() {
        assertThatThrownBy(() -> Devices.parse("cuda:99"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageMatching("device cuda:99 does not exist: libtorch sees [0-9]+ CUDA devices "
                        + "\\(build with -Pcuda on a machine with an NVIDIA GPU\\)");
    }

    @Test
    void availableMemoryIsBetweenZeroAndTheMachinesWhereTheSystemTells() throws IOException {
        OptionalLong available = Devices.availableMemory();
        Path info = Path.of("/proc/meminfo");
        if (!Files.isReadable(info)) {
            assertThat(available).isEmpty();
            return;
        }
        long total = Files.readAllLines(info).stream()
                .filter(line -> line.startsWith("MemTotal:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024)
                .sum();
        assertThat(available.orElseThrow()).isPositive().isLessThan(total);
    }

    @Test
    void theMatrixLibraryIsTheOneThatIsLoaded() throws IOException {
        try (Scope scope = Scope.open()) {
            Tensors.of(1.0).matmul(Tensors.of(1.0)); // loads it
        }
        Path maps = Path.of("/proc/self/maps");
        String expected = !Files.isReadable(maps)
                ? "Accelerate or OpenBLAS"
                : Files.readString(maps).contains("libmkl_rt") ? "MKL" : "OpenBLAS";
        assertThat(Devices.blas()).isEqualTo(expected);
    }
}
