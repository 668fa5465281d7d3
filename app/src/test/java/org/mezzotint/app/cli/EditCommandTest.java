package org.mezzotint.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.IntUnaryOperator;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.mezzotint.io.Png;

/** Editing, interpolation, and the sheets of guesses. */
class EditCommandTest {
    @TempDir
    private static Path shared;

    @TempDir
    private Path folder;

    private static Path run;
    private Path picture;
    private Path mask;

    @BeforeAll
    static void train() {
        run = shared.resolve("run");
        Cli.run("train", Cli.TINY_HDIT, "--out", run).ok();
    }

    @BeforeEach
    void draw() throws IOException {
        picture = folder.resolve("picture.png");
        mask = folder.resolve("mask.png");
        Png.write(picture, 8, 8, gray(i -> 4 * i), Map.of());
        Png.write(mask, 8, 8, gray(i -> i % 8 < 4 ? 255 : 0), Map.of());
    }

    private static byte[] gray(IntUnaryOperator value) {
        byte[] rgb = new byte[3 * 64];
        for (int i = 0; i < rgb.length; i++) {
            rgb[i] = (byte) value.applyAsInt(i / 3);
        }
        return rgb;
    }

    private static int[] pixels(Path png) throws IOException {
        return ImageIO.read(png.toFile()).getRGB(0, 0, 8, 8, null, 0, 8);
    }

    private static double distance(int[] a, int[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += Math.abs((a[i] & 255) - (b[i] & 255));
        }
        return sum / a.length;
    }

    @Test
    void aStrongEditChangesMoreThanAWeakOne() throws IOException {
        for (String strength : List.of("0.2", "0.9")) {
            Cli.run(
                            "edit",
                            run,
                            "--picture",
                            picture,
                            "--strength",
                            strength,
                            "--steps",
                            "10",
                            "--seeds",
                            "7",
                            "--out",
                            folder.resolve(strength))
                    .ok();
        }
        double weak = distance(pixels(picture), pixels(folder.resolve("0.2/000007.png")));
        double strong = distance(pixels(picture), pixels(folder.resolve("0.9/000007.png")));
        assertThat(weak).isPositive().isLessThan(strong / 2);
        assertThat(Png.readText(folder.resolve("0.9/000007.png")))
                .containsEntry("strength", "0.9")
                .containsEntry("picture", picture.toString());
    }

    @Test
    void onlyWhatIsWhiteInTheMaskIsPainted() throws IOException {
        Path out = folder.resolve("out");
        Cli.run("edit", run, "--picture", picture, "--mask", mask, "--seeds", "1-2", "--out", out)
                .ok();
        int[] before = pixels(picture);
        int[] first = pixels(out.resolve("000001.png"));
        int[] second = pixels(out.resolve("000002.png"));
        for (int i = 0; i < 64; i++) {
            if (i % 8 >= 4) {
                assertThat(first[i]).isEqualTo(before[i]);
                assertThat(second[i]).isEqualTo(before[i]);
            }
        }
        assertThat(first).isNotEqualTo(second);
    }

    @Test
    void theEndsOfTheWayAreThePicturesOfTheSeeds() throws IOException {
        Path frames = folder.resolve("frames");
        Cli.run("interpolate", run, "--from", "3", "--to", "9", "--frames", "4", "--classes", "1", "--out", frames)
                .ok();
        Cli.run("sample", run, "--seeds", "3,9", "--classes", "1", "--out", folder.resolve("ends"))
                .ok();
        assertThat(Cli.files(frames)).containsExactly("000000.png", "000001.png", "000002.png", "000003.png");
        assertThat(distance(pixels(frames.resolve("000000.png")), pixels(folder.resolve("ends/000003.png"))))
                .isLessThan(0.5); // float32 sums of another batch size
        assertThat(distance(pixels(frames.resolve("000003.png")), pixels(folder.resolve("ends/000009.png"))))
                .isLessThan(0.5);
        assertThat(pixels(frames.resolve("000001.png"))).isNotEqualTo(pixels(frames.resolve("000000.png")));
    }

    @Test
    void guessesOnTheWayAreSheets() throws IOException {
        Cli.run(
                        "sample",
                        run,
                        "--seeds",
                        "0-3",
                        "--steps",
                        "6",
                        "--preview-every",
                        "2",
                        "--grid",
                        folder.resolve("grid.png"))
                .ok();
        assertThat(Cli.files(folder))
                .contains("grid-0002.png", "grid-0004.png", "grid-0006.png", "grid.png")
                .doesNotContain("grid-0001.png");
        assertThat(ImageIO.read(folder.resolve("grid-0002.png").toFile()).getWidth())
                .isEqualTo(ImageIO.read(folder.resolve("grid.png").toFile()).getWidth());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            edit --picture P --strength 0           | 2 | --strength must be above 0 and at most 1, got 0.0
            edit --picture P --strength 1           | 2 | --strength 1 without --mask ignores the picture: use 'sample'
            edit --picture none.png                 | 3 | cannot read none.png
            edit --picture P --mask S               | 3 | must have the model's size of 8×8, it has 4×8
            edit --picture S                        | 3 | must have the model's size of 8×8, it has 4×8
            edit --picture P --solver dpm-fast --steps 10 --strength 0.1 | 2 | --strength 0.1 of 10 steps leaves 1, dpm-fast needs 2
            sample --solver dpm-adaptive --preview-every 2 --grid G | 2 | --preview-every is not for dpm-adaptive
            edit --picture P --steps 0              | 2 | --steps: the number of steps of dpmpp-3m-sde must be 1 to 999999, got '0'
            interpolate --from 1 --to 2 --frames 1  | 2 | --frames must be 2 to 100000, got 1
            sample --seeds 0-3 --preview-every 2    | 2 | --preview-every needs --grid and all pictures in one batch
            sample --preview-every -1               | 2 | --preview-every must not be negative, got -1
            """)
    void wrongInputIsOneLine(String words, int code, String message) {
        Path small = folder.resolve("small.png");
        Png.write(small, 4, 8, Arrays.copyOf(gray(i -> i), 96), Map.of());
        List<Object> command = new ArrayList<>();
        for (String word : words.split(" +", -1)) {
            Object argument = Map.<String, Object>of("P", picture, "S", small, "G", folder.resolve("g.png"))
                    .getOrDefault(word, word);
            command.add(argument);
        }
        command.add(1, run);
        command.addAll(List.of("--out", folder.resolve("none")));
        Cli.run(command.toArray()).fails(code, message);
        assertThat(folder.resolve("none")).doesNotExist();
    }
}
