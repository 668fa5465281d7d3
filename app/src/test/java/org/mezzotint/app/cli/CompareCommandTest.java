package org.mezzotint.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CompareCommandTest {
    @TempDir
    private Path folder;

    private Path train(String name, Object... more) {
        Path run = folder.resolve(name);
        Object[] words = new Object[4 + more.length];
        System.arraycopy(new Object[] {"train", Cli.TINY, "--out", run}, 0, words, 0, 4);
        System.arraycopy(more, 0, words, 4, more.length);
        Cli.run(words).ok();
        return run;
    }

    @Test
    void curvesAndBinsOfSeveralRunsAreDrawn() throws IOException {
        Path first = train("first");
        Path second = train("second", "--seed", "8");
        Path plot = folder.resolve("curves.png");
        Cli result = Cli.run("compare", first, second, "--out", plot).ok();
        assertThat(ImageIO.read(plot.toFile()).getWidth()).isEqualTo(1000);
        assertThat(ImageIO.read(folder.resolve("curves-logsnr.png").toFile()).getHeight())
                .isEqualTo(600);
        String last = Files.readAllLines(second.resolve("validation.csv")).get(3);
        String loss = String.format(java.util.Locale.ROOT, "%.5f", Double.parseDouble(last.split(",", 3)[1]));
        assertThat(result.out()).contains("| second | 88 | " + loss).contains("| first | 88 |");
        Path vector = folder.resolve("curves.svg");
        Cli.run("compare", first, "--out", vector).ok();
        assertThat(Files.readString(vector)).contains("<svg");
    }

    @Test
    void lossesThatDoNotCompareAreRefused() {
        Path first = train("first");
        Path other = train("other", "--set", "diffusion.parameterization=eps");
        Path held = train("held", "--set", "validation.images=4");
        Path none = train("none", "--set", "validation.images=0");
        Path plot = folder.resolve("x.png");
        Cli.run("compare", first, other, "--out", plot).fails(3, "first and other do not compare", "study");
        Cli.run("compare", first, held, "--out", plot).fails(3, "hold out 6 and 4 pictures");
        Cli.run("compare", first, none, "--out", plot).fails(3, "has no validation yet");
        Cli.run("compare", folder, "--out", plot).fails(3, "no run found");
        Cli.run("compare", first, "--out", folder.resolve("x.gif")).fails(2, "--out must end in .png or .svg");
        assertThat(plot).doesNotExist();
    }
}
