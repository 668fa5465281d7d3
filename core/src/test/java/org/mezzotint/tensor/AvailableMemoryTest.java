package org.mezzotint.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AvailableMemoryTest {
    @TempDir
    private Path root;

    private void write(String file, String text) throws IOException {
        Path path = root.resolve(file);
        Files.createDirectories(path.getParent());
        Files.writeString(path, text);
    }

    private long available() {
        return Devices.availableMemory(root.resolve("proc"), root.resolve("cgroup"))
                .orElseThrow();
    }

    @Test
    void isTheMachinesWithoutAGroup() throws IOException {
        write("proc/meminfo", "MemTotal:  2000 kB\nMemAvailable:     1000 kB\n");
        write("proc/self/cgroup", "0::/\n");
        assertThat(available()).isEqualTo(1000 * 1024);
    }

    @Test
    void isTheTightestGroupsOnTheWayUp() throws IOException {
        write("proc/meminfo", "MemAvailable: 1000 kB\n");
        write("proc/self/cgroup", "0::/a/b\n");
        write("cgroup/a/memory.max", "500000\n");
        write("cgroup/a/memory.current", "400000\n");
        write("cgroup/a/memory.stat", "anon 1\ninactive_file 50000\n");
        write("cgroup/a/b/memory.max", "max\n");
        write("cgroup/a/b/memory.current", "1\n");
        assertThat(available()).isEqualTo(150000);
    }

    @Test
    void readsTheOlderKindOfGroup() throws IOException {
        write("proc/meminfo", "MemAvailable: 1000 kB\n");
        write("proc/self/cgroup", "5:cpu,cpuacct:/\n4:memory:/job\n");
        write("cgroup/memory/job/memory.limit_in_bytes", "300000\n");
        write("cgroup/memory/job/memory.usage_in_bytes", "100000\n");
        assertThat(available()).isEqualTo(200000);
    }

    @Test
    void isUnknownWhereTheSystemDoesNotTell() {
        assertThat(Devices.availableMemory(root.resolve("none"), root)).isEmpty();
    }
}
