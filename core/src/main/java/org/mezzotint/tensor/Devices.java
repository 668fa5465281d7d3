package org.mezzotint.tensor;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
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
     * Memory that can still be taken before the machine, or the control group that this process runs in, is out of it.
     *
     * @return bytes; empty where the operating system does not tell
     */
    public static OptionalLong availableMemory() {
        long least = Long.MAX_VALUE;
        try (Stream<String> lines = Files.lines(Path.of("/proc/meminfo"))) {
            least = lines.filter(line -> line.startsWith("MemAvailable:"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024)
                    .findFirst()
                    .orElse(least);
            for (String[] files : new String[][] {
                {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"},
                {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"}
            }) {
                Path limit = Path.of(files[0]);
                Path usage = Path.of(files[1]);
                if (Files.isReadable(limit) && Files.isReadable(usage)) {
                    String text = Files.readString(limit).trim();
                    if (text.matches("[0-9]+")) {
                        long used = Long.parseLong(Files.readString(usage).trim());
                        least = Math.min(least, Math.max(0, Long.parseLong(text) - used));
                    }
                }
            }
        } catch (IOException unreadable) {
            return OptionalLong.empty();
        }
        return least == Long.MAX_VALUE ? OptionalLong.empty() : OptionalLong.of(least);
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
