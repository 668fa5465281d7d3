package org.mezzotint.app.cli;

import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.tensor.Devices;
import picocli.CommandLine.Option;

/** Options on where to compute. */
final class MachineOptions {
    @Option(
            names = "--device",
            paramLabel = "NAME",
            defaultValue = "cpu",
            description = "cpu, cuda or cuda:N (default: cpu)")
    private String device;

    @Option(
            names = "--threads",
            paramLabel = "N",
            defaultValue = "0",
            description = "threads of libtorch (default: one a core); another number changes the last bits of results")
    private int threads;

    /** Applies the number of threads and finds the device. */
    Device open() {
        if (threads < 0 || threads > 4096) {
            throw new IllegalArgumentException("--threads must be 1 to 4096, got " + threads);
        }
        if (threads > 0) {
            torch.set_num_threads(threads);
        }
        return Devices.parse(device);
    }

    /** What was asked for, to be said again when a command is repeated. */
    String given() {
        return (device.equals("cpu") ? "" : " --device " + device) + (threads == 0 ? "" : " --threads " + threads);
    }
}
