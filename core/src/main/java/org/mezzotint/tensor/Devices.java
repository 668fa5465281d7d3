package org.mezzotint.tensor;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.global.torch;

/** Where tensors live, and what the machine offers. */
public final class Devices {
    private Devices() {}

    /**
     * Reads {@code cpu}, {@code cuda} or {@code cuda:1}.
     *
     * @param name as written by people
     * @return the device, owned by the caller
     * @throws IllegalArgumentException if the name is unknown or this machine has no such device
     */
    public static Device parse(String name) {
        if (name.equals("cpu")) {
            return cpu();
        }
        if (!name.matches("cuda(:[0-9]{1,2})?")) {
            throw new IllegalArgumentException("device must be cpu, cuda or cuda:N, got " + name);
        }
        int index = name.length() == 4 ? 0 : Integer.parseInt(name.substring(5));
        int count = torch.cuda_is_available() ? torch.cuda_device_count() : 0;
        if (index >= count) {
            throw new IllegalArgumentException("device " + name + " does not exist: libtorch sees " + count
                    + " CUDA devices (build with -Pcuda on a machine with an NVIDIA GPU)");
        }
        return new Device(torch.DeviceType.CUDA, (byte) index);
    }

    /**
     * The processor.
     *
     * @return the device, owned by the caller
     */
    public static Device cpu() {
        return new Device(torch.DeviceType.CPU);
    }

    /**
     * Memory that can still be taken before the machine, or one of the control groups that this process runs in, is out of
     * it.
     *
     * @return bytes; empty where the operating system does not tell
     */
    public static OptionalLong availableMemory() {
        return availableMemory(Path.of("/proc"), Path.of("/sys/fs/cgroup"));
    }

    static OptionalLong availableMemory(Path proc, Path groups) {
        try {
            long least = field(proc.resolve("meminfo"), "MemAvailable:") * 1024;
            for (String line : Files.readAllLines(proc.resolve("self/cgroup"))) {
                String[] parts = line.split(":", 3); // hierarchy : controllers : path
                boolean second = parts[0].equals("0");
                if (!second && !parts[1].contains("memory")) {
                    continue;
                }
                Path root = second ? groups : groups.resolve("memory");
                Path group = root.resolve(parts[2].substring(1));
                for (Path at = group; at.startsWith(root); at = at.getParent()) {
                    least = Math.min(least, second ? freeOfVersion2(at) : freeOfVersion1(at));
                }
            }
            return OptionalLong.of(least);
        } catch (IOException | NumberFormatException notLinux) {
            return OptionalLong.empty();
        }
    }

    private static long freeOfVersion2(Path group) throws IOException {
        return free(group, "memory.max", "memory.current", "inactive_file");
    }

    private static long freeOfVersion1(Path group) throws IOException {
        return free(group, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file");
    }

    /** What a group may still take: its limit less its use, where cached files that can be dropped do not count as use. */
    private static long free(Path group, String limitFile, String usageFile, String droppable) throws IOException {
        Path limit = group.resolve(limitFile);
        Path usage = group.resolve(usageFile);
        if (!Files.isReadable(limit) || !Files.isReadable(usage)) {
            return Long.MAX_VALUE;
        }
        String text = Files.readString(limit).trim();
        if (!text.matches("[0-9]+")) {
            return Long.MAX_VALUE; // "max"
        }
        long cached = Files.isReadable(group.resolve("memory.stat"))
                ? Math.max(0, field(group.resolve("memory.stat"), droppable))
                : 0;
        long used = Long.parseLong(Files.readString(usage).trim()) - cached;
        return Math.max(0, Long.parseLong(text) - Math.max(0, used));
    }

    /** The number behind a name in a file of lines {@code name number …}; −1 if it is absent. */
    private static long field(Path file, String name) throws IOException {
        try (Stream<String> lines = Files.lines(file)) {
            return lines.map(line -> line.trim().split("\\s+", 3))
                    .filter(words -> words[0].equals(name) && words.length > 1)
                    .mapToLong(words -> Long.parseLong(words[1]))
                    .findFirst()
                    .orElse(-1);
        }
    }

    /**
     * Whether matrix products in bfloat16 are faster than in float32: on a GPU, or a processor with instructions for them.
     *
     * @param device where they would run
     * @return false where the operating system does not tell
     */
    public static boolean fastBfloat16(Device device) {
        return !device.is_cpu() || fastBfloat16(Path.of("/proc/cpuinfo"));
    }

    static boolean fastBfloat16(Path cpuinfo) {
        try (Stream<String> lines = Files.lines(cpuinfo)) {
            return lines.filter(line -> line.startsWith("flags"))
                    .findFirst()
                    .map(line -> List.of(line.split("\\s+", -1)))
                    .map(flags -> flags.contains("avx512_bf16") || flags.contains("amx_bf16"))
                    .orElse(false);
        } catch (IOException | UncheckedIOException notLinux) {
            return false;
        }
    }

    /**
     * The library that serves matrix products. libtorch's own report names the one it was built with, not the one loaded.
     *
     * @return {@code MKL}, {@code OpenBLAS}, or {@code Accelerate or OpenBLAS} where the loaded libraries cannot be listed
     */
    public static String blas() {
        try (Stream<String> maps = Files.lines(Path.of("/proc/self/maps"))) {
            return maps.anyMatch(line -> line.contains("mkl_rt")) ? "MKL" : "OpenBLAS";
        } catch (IOException notLinux) {
            return "Accelerate or OpenBLAS";
        }
    }
}
