package org.mezzotint.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SweepCommandTest {
    @TempDir
    private static Path shared;

    @TempDir
    private Path folder;

    private static Path run;

    @BeforeAll
    static void train() {
        run = shared.resolve("run");
        Cli.run("train", Cli.TINY, "--out", run).ok();
    }

    @Test
    void twoSettingsGiveASheetOfAllPairs() throws IOException {
        Path out = folder.resolve("swept");
        Cli.run("sweep", run, "--over", "guidance=1,2.5", "--over", "steps=2,3,4", "--seeds", "0-1", "--out", out)
                .ok();
        assertThat(out.resolve("guidance=2.5_steps=3.npz")).exists();
        int cell = 8 * 12; // enlarged
        assertThat(ImageIO.read(out.resolve("grid.png").toFile()).getWidth()).isBetween(3 * cell, 3 * cell + 20);
        assertThat(ImageIO.read(out.resolve("grid.png").toFile()).getHeight()).isBetween(2 * cell, 2 * cell + 20);
    }

    @Test
    void metricsAreTabledPlottedAndKept() throws IOException {
        Path weights = RandomInception.write(folder.resolve("inception.safetensors"));
        Path reference = folder.resolve("reference.npz");
        Cli.run("sample", run, "--seeds", "10-12", "--out", reference).ok();
        Path out = folder.resolve("swept");
        Object[] command = {
            "sweep",
            run,
            "--over",
            "checkpoint=72,88",
            "--seeds",
            "0-2",
            "--reference",
            reference,
            "--weights",
            weights,
            "--out",
            out,
            "--",
            "--steps",
            "2"
        };
        Cli first = Cli.run(command).ok();
        assertThat(first.out()).contains("| checkpoint | fid |").contains("3 pictures a setting, seeds 0-2");
        assertThat(out.resolve("fid.png")).exists();
        assertThat(Files.readString(out.resolve("fid.svg"))).contains("<svg");
        String table = Files.readString(out.resolve("table.md"));
        FileTime drawn = Files.getLastModifiedTime(out.resolve("checkpoint=72.npz"));
        Files.delete(out.resolve("checkpoint=88.npz"));
        Files.delete(out.resolve("checkpoint=88.json"));
        Cli.run(command).ok();
        assertThat(Files.readString(out.resolve("table.md"))).isEqualTo(table);
        assertThat(Files.getLastModifiedTime(out.resolve("checkpoint=72.npz"))).isEqualTo(drawn);
        command[5] = "1-3";
        Cli.run(command).fails(3, "other seeds");
    }

    @Test
    void wrongSettingsAreNamed() {
        Path out = folder.resolve("swept");
        Cli.run("sweep", run, "--over", "guidence=1,2", "--out", out)
                .fails(2, "guidence is neither an option of sample");
        Cli.run("sweep", run, "--over", "guidance", "--out", out).fails(2, "--over must be name=values");
        Cli.run("sweep", run, "--over", "guidance=1,1", "--out", out).fails(2, "each value once");
        Cli.run("sweep", run, "--over", "guidance=1", "--over", "guidance=2", "--out", out)
                .fails(2, "two different settings");
        Cli.run("sweep", run, "--over", "guidance=1", "--weights", run, "--out", out)
                .fails(2, "--weights is for --reference only");
        Cli.run("sweep", folder.resolve("nothing"), "--over", "guidance=1", "--out", out)
                .fails(3, "nothing");
        assertThat(out).doesNotExist();
    }
}
