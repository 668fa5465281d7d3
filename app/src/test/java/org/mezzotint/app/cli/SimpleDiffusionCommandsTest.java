package org.mezzotint.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Tiny networks of arXiv:2301.11093 on wide pictures, 24×40 as 384×640, through the commands a user types. */
class SimpleDiffusionCommandsTest {
    private static final String UNET = """
            model:
              type: simple-unet
              height: 24
              width: 40
              channels: 3
              downsampling: {type: patch, side: 2}
              baseChannels: 8
              embeddingWidth: 16
              levels: [{multiplier: 1, blocks: 1}, {multiplier: 2, blocks: 1}]
              attentionResolutions: [6]
              numHeads: 2
              dropout: 0.1
              dropoutFrom: 6
              groups: 4
              numClasses: 2
            """;
    private static final String UVIT = """
            model:
              type: uvit
              height: 24
              width: 40
              channels: 3
              downsampling: {type: wavelet, levels: 1}
              baseChannels: 8
              embeddingWidth: 16
              levels: [{multiplier: 1, blocks: 1}]
              transformer: {multiplier: 2, blocks: 1, numHeads: 2, dropout: 0.1}
              groups: 4
              numClasses: 2
            """;

    @TempDir
    private Path folder;

    private Path pictures;

    @BeforeEach
    void drawPictures() throws IOException {
        pictures = folder.resolve("pictures");
        Random random = new Random(1);
        for (String label : new String[] {"a", "b"}) {
            Files.createDirectories(pictures.resolve(label));
            for (int i = 0; i < 8; i++) {
                BufferedImage image = new BufferedImage(40, 24, BufferedImage.TYPE_INT_RGB);
                int colour = random.nextInt(1 << 24);
                for (int at = 0; at < 24 * 40; at++) {
                    image.setRGB(at % 40, at / 40, at % 40 < 20 ? colour : ~colour);
                }
                ImageIO.write(
                        image, "png", pictures.resolve(label + "/" + i + ".png").toFile());
            }
        }
    }

    private Path recipe(String model, int firstScale) throws IOException {
        String text = Files.readString(Cli.pictureRecipe(folder.resolve("base.yaml"), "fail"));
        String rest = text.substring(text.indexOf("diffusion:"));
        int end = rest.indexOf("data:");
        String diffusion = """
                diffusion:
                  type: scheduled
                  schedule: {type: interpolated-cosine, logSnrMin: -15.0, logSnrMax: 15.0, lowSize: 8, highSize: 16, imageSize: 31, ends: moved}
                  parameterization: v
                  variance: fixed-small
                  loss: mse
                  weighting: {type: multiscale, firstScale: %d, levels: {type: space, of: eps}}
                """.formatted(firstScale);
        String sampling = rest.substring(end)
                .replace("solver: ddim", "solver: ddpm-interpolated")
                .replace("eta: 0.0", "eta: 0.2");
        return Files.writeString(folder.resolve("wide.yaml"), model + diffusion + sampling);
    }

    @ParameterizedTest
    @ValueSource(strings = {UNET, UVIT})
    void widePicturesAreLearntDrawnEditedAndMeasured(String model) throws IOException {
        Path recipe = recipe(model, 6);
        Path run = folder.resolve("run");
        Cli.run("train", recipe, "--data", pictures, "--out", run, "--set", "training.durationImages=24")
                .ok();
        assertThat(Files.readAllLines(run.resolve("metrics.csv")).get(0)).endsWith("mse_6,mse_12,mse_24");
        assertThat(Files.readAllLines(run.resolve("validation.csv"))).hasSize(2);
        Path drawn = folder.resolve("drawn");
        Cli.run("sample", run, "--classes", "0-1", "--seeds", "0-1", "--out", drawn)
                .ok();
        BufferedImage first = ImageIO.read(drawn.resolve("000000.png").toFile());
        assertThat(first.getWidth()).isEqualTo(40);
        assertThat(first.getHeight()).isEqualTo(24);
        for (String solver : new String[] {"ddim", "ddpm", "heun", "dpmpp-2m"}) {
            Cli.run("sample", run, "--seeds", "0", "--solver", solver, "--out", folder.resolve(solver))
                    .ok();
        }
        Cli.run(
                        "edit",
                        run,
                        "--picture",
                        pictures.resolve("a/0.png"),
                        "--strength",
                        "0.5",
                        "--seeds",
                        "0",
                        "--out",
                        drawn)
                .ok();
        JsonNode facts =
                new ObjectMapper().readTree(Cli.run("info", run, "--json").ok().out());
        assertThat(facts.get("levels")).hasSize(2);
        assertThat(facts.get("levels").get(1).get("columns").intValue()).isEqualTo(10);
        String plotted = Cli.run("plot", "schedule", run, "--out", folder.resolve("plot.svg"))
                .ok()
                .out();
        assertThat(plotted).contains("run  ");
    }

    @Test
    void lossesOfSeveralScalesAndOfOneCompareInAStudy() throws IOException {
        Path recipe = recipe(UNET, 6);
        Path study = folder.resolve("study.yaml");
        Files.writeString(study, """
                budget: {type: images, images: 16}
                pictures: 4
                samples: 1
                columns: 1
                rows:
                  - {name: several, recipe: wide.yaml, set: {}}
                  - {name: one, recipe: wide.yaml, set: {diffusion.weighting: "{type: space, of: eps}"}}
                """);
        assertThat(recipe).hasFileName("wide.yaml");
        Path out = folder.resolve("out");
        Cli.run("study", study, "--data", pictures, "--out", out).ok();
        String table = Files.readString(out.resolve("table.md"));
        assertThat(table).contains("| several |", "| one |");
        assertThat(Files.readAllLines(out.resolve("one/metrics.csv")).get(0)).endsWith("images_per_second");
        assertThat(Cli.run(
                                "likelihood",
                                out.resolve("several"),
                                "--data",
                                pictures,
                                "--limit",
                                "1",
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
                .contains("bits per dimension");
    }

    @Test
    void aFirstScaleThatDoesNotFitIsOneLine() throws IOException {
        Cli.run("train", recipe(UVIT, 8), "--data", pictures, "--out", folder.resolve("run"))
                .fails(3, "firstScale must be the picture's shorter side divided by a power of two", "got 8 for 24x40");
    }

    @Test
    void sourcesOfPlotsMayBeRecipes() throws IOException {
        assertThat(Cli.run("plot", "schedule", recipe(UNET, 6), "--out", folder.resolve("plot.svg"))
                        .ok()
                        .out())
                .contains("wide.yaml");
    }
}
