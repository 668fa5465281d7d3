package org.mezzotint.app.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Properties;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.tensor.Devices;
import org.mezzotint.tensor.Scope;
import picocli.CommandLine.IVersionProvider;

/** What this is and what it runs on. */
final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
        return new String[] {"mezzotint " + number(), machine()};
    }

    static String number() {
        return property("version");
    }

    /** An entry that the build filled in. */
    private static String property(String key) {
        Properties properties = new Properties();
        try (InputStream in = Version.class.getResourceAsStream("/mezzotint.properties")) {
            properties.load(in);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return properties.getProperty(key);
    }

    /** libtorch, BLAS, threads and device in one line. */
    static String machine() {
        try (Scope scope = Scope.open()) {
            Tensor probe = torch.ones(2, 2); // loads the library that serves matrix products
            probe.mm(probe);
            String device = torch.cuda_is_available() ? "CUDA (" + torch.cuda_device_count() + ")" : "CPU";
            String libtorch = property("libtorch").split("-", 2)[0]; // the rest is JavaCPP's version
            return "libtorch " + libtorch + ", BLAS " + Devices.blas() + ", " + torch.get_num_threads()
                    + " threads, device " + device;
        }
    }
}
