package org.mezzotint.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.io.Png;

/** A U-Net under Score SDE's processes goes wherever a transformer does. */
class DdpmPlusPlusCommandsTest {
    private static final Path TINY = Cli.TINY.resolveSibling("tiny-ddpmpp.yaml");
    private static final String VE = "diffusion={type: score-ve, sigmaMin: 0.02, sigmaMax: 100.0}";

    @TempDir
    private static Path shared;

    @TempDir
    private Path folder;

    private static Path run;

    @BeforeAll
    static void train() {
        run = shared.resolve("run");
        Cli.run("train", TINY, "--out", run).ok();
    }

    @Test
    void aResumedRunEndsInTheSameBits() throws IOException {
        Path resumed = folder.resolve("resumed");
        Cli.run("train", TINY, "--out", resumed, "--duration", "48").ok();
        Cli.run("train", TINY, "--out", resumed, "--duration", "88", "--resume").ok();
        Path last = Path.of("checkpoints/000000088/model.safetensors");
        assertThat(Files.readAllBytes(resumed.resolve(last))).isEqualTo(Files.readAllBytes(run.resolve(last)));
    }

    @ParameterizedTest
    @ValueSource(strings = {"euler", "dpmpp-3m-sde", "lms", "ddim", "dpm-fast", "dpm-adaptive"})
    void otherSolversDrawToo(String solver) {
        Path out = folder.resolve("drawn.npz");
        Cli.run("sample", run, "--seeds", "0-3", "--solver", solver, "--steps", "4", "--out", out)
                .ok();
        assertThat(out).exists();
    }

    @Test
    void veTrainsAndDrawsAlongItsOwnLevels() {
        Path ve = folder.resolve("ve");
        Cli.run("train", TINY, "--out", ve, "--set", VE).ok();
        assertThat(Cli.run("sample", ve, "--seeds", "0-1", "--out", folder.resolve("drawn"))
                        .ok()
                        .out())
                .contains("wrote 2 pictures");
    }

    @Test
    void aTrainedOneIsAStartForTheSameProcessOnly() {
        Path tuned = folder.resolve("tuned");
        assertThat(Cli.run("train", TINY, "--out", tuned, "--init", run).ok().out())
                .contains("starting from trained weights, 4 of 4 classes known");
        Cli.run("train", TINY, "--out", folder.resolve("x"), "--init", run, "--set", VE)
                .fails(3, "--init was trained to give something else than the recipe asks for");
        Cli.run("train", TINY, "--out", folder.resolve("x"), "--init", run, "--set", "model.attention=self")
                .fails(3, "--init does not fit the recipe's model", "relative_position_bias_table");
    }

    @Test
    void picturesAreEditedAndTheirLikelihoodMeasured() throws IOException {
        byte[] rgb = new byte[3 * 64];
        new SplittableRandom(1).nextBytes(rgb);
        for (int label = 0; label < 4; label++) {
            Path sub = Files.createDirectories(folder.resolve("data/class" + label));
            Png.write(sub.resolve("a.png"), 8, 8, rgb, Map.of());
        }
        Path picture = folder.resolve("data/class0/a.png");
        Path edited = folder.resolve("edited");
        Cli.run("edit", run, "--picture", picture, "--strength", "0.5", "--seeds", "0-1", "--out", edited)
                .ok();
        assertThat(Cli.files(edited)).hasSize(2);
        assertThat(Cli.run(
                                "likelihood",
                                run,
                                "--data",
                                folder.resolve("data"),
                                "--atol",
                                "0.1",
                                "--rtol",
                                "0.1",
                                "--sigma-min",
                                "0.3",
                                "--sigma-max",
                                "10")
                        .ok()
                        .out())
                .contains("bits");
    }

    @Test
    void infoSaysWhatItCosts() {
        assertThat(Cli.run("info", run).ok().out()).contains("input 3x8x8");
        Cli.run("train", TINY, "--out", folder.resolve("x"), "--set", "model.height=9")
                .fails(3, "height must be a multiple of 2 for each level but the first, 2, got 9");
    }
}
