package org.mezzotint.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class BenchTest {
    @Test
    void everyModelTrainsAndSamplesInTheSizeThatIsAskedFor() {
        for (String model : new String[] {"dit-s/2", "dit-pixels", "hdit", "diffit", "simple-unet", "uvit"}) {
            String out = Cli.run(
                            "bench",
                            "--model",
                            model,
                            "--size",
                            "64",
                            "--batch",
                            "1",
                            "--iterations",
                            "1",
                            "--warmup",
                            "0")
                    .ok()
                    .out();
            assertThat(out).contains(model + " 64 training step", model + " 64 sampling step", "peak memory");
        }
    }

    @Test
    void diffitTrainsAndSamplesWithoutClasses() {
        String out = Cli.run(
                        "bench",
                        "--model",
                        "diffit-cifar10",
                        "--size",
                        "32",
                        "--batch",
                        "1",
                        "--iterations",
                        "1",
                        "--warmup",
                        "0",
                        "--checkpointing")
                .ok()
                .out();
        assertThat(out).contains("diffit-cifar10 32 training step", "diffit-cifar10 32 sampling step");
        Cli.run("bench", "--model", "diffit-cifar10").fails(2, "--size must be 32 for diffit-cifar10, got 256");
    }

    @Test
    void anUnknownModelOrASizeThatDoesNotFitIsWrongUsage() {
        Cli.run("bench", "--model", "unet")
                .fails(
                        2,
                        "--model must be one of dit-s/2, dit-pixels, hdit, diffit, diffit-cifar10, simple-unet, uvit, got unet");
        Cli.run("bench", "--model", "uvit", "--size", "96")
                .fails(2, "--size must be 64, 128, 256, 512 or 1024, got 96");
        Cli.run("bench", "--model", "hdit", "--size", "96")
                .fails(2, "--size must be 64, doubled any number of times, got 96");
        Cli.run("bench", "--size", "100").fails(2, "--size must be a multiple of 16, got 100");
    }
}
