package org.mezzotint.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

class UsageTest {
    @Test
    void helpNamesEveryCommandAndTheExitCodes() {
        String help = Cli.run("--help").ok().out();
        assertThat(help)
                .contains("quickstart", "train", "sample", "likelihood", "ema", "predict", "info", "bench")
                .contains("Exit codes: 0 done", "2 wrong usage", "3 unusable input", "4 training diverged");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "quickstart",
                "train",
                "sample",
                "attention",
                "likelihood",
                "encode-text",
                "ema",
                "predict",
                "plot",
                "info",
                "bench"
            })
    void everyCommandExplainsEachOfItsOptions(String command) {
        String help = Cli.run(command, "--help").ok().out();
        assertThat(help).startsWith("Usage: mezzotint " + command);
        CommandLine.Model.CommandSpec spec =
                new CommandLine(new Main()).getSubcommands().get(command).getCommandSpec();
        for (CommandLine.Model.OptionSpec option : spec.options()) {
            assertThat(help).contains(option.longestName());
            assertThat(option.description()).as(option.longestName()).isNotEmpty();
        }
    }

    @Test
    void versionNamesTheToolLibtorchTheBlasThreadsAndDevice() {
        List<String> lines = Cli.run("--version").ok().out().lines().toList();
        assertThat(lines).hasSize(2);
        assertThat(lines.get(0)).matches("mezzotint [0-9]+\\.[0-9]+\\.[0-9]+(-SNAPSHOT)?");
        assertThat(lines.get(1)).matches("libtorch [0-9.]+, BLAS .+, [0-9]+ threads, device (CPU|CUDA).*");
    }

    @Test
    void noCommandIsWrongUsage() {
        Cli.run().fails(2, "a command is needed");
    }

    @Test
    void anUnknownCommandIsWrongUsage() {
        Cli.run("trian").fails(2, "trian");
    }

    @Test
    void anUnknownOptionIsWrongUsageAndHelpIsThatOfTheCommand() {
        Cli run = Cli.run("train", "x.yaml", "--out", "x", "--bogus");
        run.fails(2, "--bogus");
        assertThat(run.err()).contains("Try 'mezzotint train --help'.");
    }

    @Test
    void aBadValueFoundByACommandPointsAtItsHelpToo() {
        Cli run = Cli.run("bench", "--batch", "0");
        run.fails(2, "--batch and --iterations must be at least 1");
        assertThat(run.err()).contains("Try 'mezzotint bench --help'.");
    }

    @Test
    void anUnknownPrecisionThreadCountOrDeviceIsWrongUsage() {
        Cli.run("bench", "--precision", "float8").fails(2, "precision", "float8");
        Cli.run("bench", "--threads", "-1").fails(2, "--threads", "-1");
        Cli.run("bench", "--device", "tpu").fails(2, "device must be cpu, cuda or cuda:N, got tpu");
    }
}
