package org.mezzotint.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.mezzotint.io.Png;

class NeighboursCommandTest {
    @TempDir
    private Path folder;

    private Path training;
    private Path drawn;

    @BeforeEach
    void pictures() throws IOException {
        training = folder.resolve("training");
        drawn = folder.resolve("drawn");
        Files.createDirectories(training.resolve("a"));
        Files.createDirectories(drawn);
        for (int i = 0; i < 12; i++) {
            Png.write(training.resolve("a").resolve(i + ".png"), 8, 8, noise(i), Map.of());
        }
        Png.write(drawn.resolve("0.png"), 8, 8, noise(100), Map.of());
        byte[] copy = noise(7);
        copy[5] ^= 1;
        Png.write(drawn.resolve("1.png"), 8, 8, copy, Map.of());
    }

    private static byte[] noise(int seed) {
        byte[] rgb = new byte[3 * 8 * 8];
        new Random(seed).nextBytes(rgb);
        return rgb;
    }

    @Test
    void aCopyIsCountedAndShownFirst() throws IOException {
        Path grid = folder.resolve("grid.png");
        Path csv = folder.resolve("near.csv");
        Cli result = Cli.run("neighbours", drawn, "--data", training, "--grid", grid, "--csv", csv, "--keep", "2")
                .ok();
        assertThat(result.out())
                .contains("1 of 2 pictures (50.0%) are copies")
                .contains("most suspicious: picture 1")
                .contains("7.png");
        assertThat(Files.readAllLines(csv)).hasSize(3).anyMatch(line -> line.startsWith("1,true,"));
        // 64 / 8 = 8 times enlarged: the first two cells of the first row show the same picture
        var sheet = ImageIO.read(grid.toFile());
        int gap = (sheet.getWidth() - 3 * 64) / 4;
        for (int i : List.of(10, 30, 60)) {
            assertThat(sheet.getRGB(gap + i, gap + i) & 0xFEFEFE)
                    .isEqualTo(sheet.getRGB(2 * gap + 64 + i, gap + i) & 0xFEFEFE);
        }
    }

    @Test
    void wrongInputIsNamed() throws IOException {
        Cli.run("neighbours", folder.resolve("none"), "--data", training).fails(3, "none");
        Cli.run("neighbours", drawn, "--data", folder.resolve("none")).fails(3, "data set not found");
        Cli.run("neighbours", drawn, "--data", training, "--keep", "0").fails(2, "--keep must be 1 to 1000, got 0");
        Png.write(drawn.resolve("2.png"), 4, 8, new byte[96], Map.of());
        Cli.run("neighbours", drawn, "--data", training).fails(3, "must have one size, got 8×8 and 4×8");
    }
}
