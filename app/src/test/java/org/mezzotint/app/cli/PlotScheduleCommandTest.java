package org.mezzotint.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.mezzotint.io.Png;

class PlotScheduleCommandTest {
    @TempDir
    private Path folder;

    private Path plot;

    @BeforeEach
    void name() {
        plot = folder.resolve("schedules.png");
    }

    @Test
    void theUsualSchedulesAreDrawnAndTheirLogSnrsPrinted() throws IOException {
        String out = Cli.run("plot", "schedule", "--out", plot).ok().out();
        assertThat(ImageIO.read(plot.toFile()).getWidth()).isEqualTo(1000);
        // −2·ln tan(π/16) = 3.23; 2·ln(64/256) = −2.77, and −4.16 for 32
        assertThat(out.lines().map(line -> line.split(" log SNR", 2)[0].strip()))
                .containsExactly("cosine", "shift 64 at 256", "shift 32 at 256", "wrote " + plot);
        assertThat(out)
                .containsPattern("cosine +log SNR at t = 1/8, 3/8, 5/8, 7/8: +3.23 +0.81 +-0.81 +-3.23")
                .containsPattern("shift 64 at 256 +log SNR at t = 1/8, 3/8, 5/8, 7/8: +0.45 +-1.97")
                .containsPattern("shift 32 at 256 +log SNR at t = 1/8, 3/8, 5/8, 7/8: +-0.93 +-3.35");
    }

    @Test
    void optionsAndSourcesChooseTheLines() throws IOException {
        Path vector = folder.resolve("schedules.svg");
        String out = Cli.run(
                        "plot",
                        "schedule",
                        Cli.TINY,
                        Cli.TINY_HDIT,
                        "--resolution",
                        "512",
                        "--shift",
                        "64,128",
                        "--interpolate",
                        "32-256",
                        "--out",
                        vector)
                .ok()
                .out();
        assertThat(out)
                .contains("shift 64 at 512", "shift 128 at 512", "interpolate 32-256 at 512", "tiny.yaml")
                .contains("tiny-hdit.yaml")
                .doesNotContain("shift 32");
        assertThat(Files.readString(vector)).contains("<svg");
    }

    @Test
    void theTreatmentOfTheEndsMatters() {
        String moved =
                Cli.run("plot", "schedule", "--shift", "8", "--out", plot).ok().out();
        String kept = Cli.run("plot", "schedule", "--shift", "8", "--ends", "kept", "--out", plot)
                .ok()
                .out();
        assertThat(kept).isNotEqualTo(moved);
        Cli.run("plot", "schedule", "--ends", "keep", "--out", plot).fails(2, "--ends: unknown treatment keep", "kept");
    }

    @Test
    void aPictureIsNoisedUnderEachSchedule() throws IOException {
        Path picture = folder.resolve("flat.png");
        byte[] red = new byte[16 * 24 * 3];
        for (int i = 0; i < red.length; i += 3) {
            red[i] = (byte) 255;
        }
        Png.write(picture, 16, 24, red, Map.of());
        String out = Cli.run("plot", "schedule", "--shift", "5", "--picture", picture, "--columns", "4", "--out", plot)
                .ok()
                .out();
        assertThat(out).contains("shift 5 at 20"); // √(16·24), rounded
        BufferedImage sheet =
                ImageIO.read(folder.resolve("schedules-noised.png").toFile());
        assertThat(sheet.getWidth()).isEqualTo(4 * 18 + 2);
        assertThat(sheet.getHeight()).isEqualTo(2 * 26 + 2);
        double last = 0;
        for (int column = 0; column < 4; column++) { // noisier to the right, and the lower row more than the upper
            double upper = error(sheet, 2 + 18 * column, 2);
            double lower = error(sheet, 2 + 18 * column, 28);
            assertThat(upper).isGreaterThan(last);
            assertThat(lower).isGreaterThan(upper);
            last = upper;
        }
        Path named = folder.resolve("rows.png");
        Cli.run("plot", "schedule", "--picture", picture, "--noised", named, "--seed", "1", "--out", plot)
                .ok();
        assertThat(Png.readText(named)).containsEntry("rows", "cosine; shift 64 at 20; shift 32 at 20");
        assertThat(Png.readText(named)).containsEntry("seed", "1");
    }

    /** Mean distance of the red channel from that of the clean picture. */
    private static double error(BufferedImage sheet, int left, int top) {
        double sum = 0;
        for (int y = 0; y < 24; y++) {
            for (int x = 0; x < 16; x++) {
                sum += 255 - sheet.getRaster().getSample(left + x, top + y, 0);
            }
        }
        return sum;
    }

    @Test
    void wrongRequestsAreRefused() throws IOException {
        Cli.run("plot").fails(2, "say what to plot: schedule");
        Cli.run("plot", "schedule", "--out", folder.resolve("x.gif")).fails(2, "--out must end in .png or .svg");
        Cli.run("plot", "schedule", "--shift", "0", "--out", plot)
                .fails(2, "referenceSize and imageSize must be at least 1, got 0 and 256");
        Cli.run("plot", "schedule", "--resolution", "0", "--out", plot).fails(2, "--resolution must be 1 to 65536");
        Cli.run("plot", "schedule", "--interpolate", "256-32", "--out", plot)
                .fails(2, "lowSize must be at least 1 and at most highSize, got 256 and 32");
        Cli.run("plot", "schedule", "--interpolate", "256", "--out", plot)
                .fails(2, "--interpolate must be two sizes such as 32-256, got 256");
        Cli.run("plot", "schedule", "--columns", "0", "--out", plot).fails(2, "--columns must be 1 to 64, got 0");
        Cli.run("plot", "schedule", "--columns", "3", "--out", plot).fails(2, "--columns and --seed need a --picture");
        Cli.run("plot", "schedule", "--noised", plot, "--out", plot).fails(2, "--noised needs a --picture");
        Cli.run("plot", "schedule", Cli.TINY, Cli.TINY, Cli.TINY, "--out", plot).fails(2, "a source is given twice");
        Cli.run("plot", "schedule", folder.resolve("none"), "--out", plot).fails(3, "neither recipe nor model found");
        Path picture = folder.resolve("flat.png");
        Png.write(picture, 16, 24, new byte[16 * 24 * 3], Map.of());
        Cli.run("plot", "schedule", Cli.TINY, "--picture", picture, "--out", plot)
                .fails(3, "must have the size of tiny.yaml, 8×8, it has 16×24");
        Cli.run("plot", "schedule", "--picture", picture, "--noised", folder.resolve("x.jpg"), "--out", plot)
                .fails(2, "--noised must end in .png");
        Path large = folder.resolve("large.png");
        Png.write(large, 2000, 1500, new byte[2000 * 1500 * 3], Map.of());
        Cli.run("plot", "schedule", "--picture", large, "--out", plot)
                .fails(3, "would have 72000000 pixels, the limit is 50000000");
        assertThat(plot).doesNotExist();
    }
}
