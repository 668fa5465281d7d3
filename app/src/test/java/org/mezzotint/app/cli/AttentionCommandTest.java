package org.mezzotint.app.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.stream.ImageInputStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.mezzotint.io.Png;

/** attention, on a DiT, a latent DiffiT and an HDiT; and the other commands on a DiffiT. */
class AttentionCommandTest {
    private static final Path TINY_DIFFIT = Path.of("../core/src/test/resources/recipes/tiny-diffit.yaml");

    @TempDir
    private static Path shared;

    @TempDir
    private Path folder;

    private static Path dit;
    private static Path diffit;
    private static Path hdit;

    @BeforeAll
    static void train() {
        dit = shared.resolve("dit");
        Cli.run("train", Cli.TINY, "--out", dit).ok();
        diffit = shared.resolve("diffit");
        Cli.run("train", TINY_DIFFIT, "--out", diffit, "--duration", "400", "--set", "training.learningRate=0.01")
                .ok();
        hdit = shared.resolve("hdit");
        Cli.run("train", Cli.TINY_HDIT, "--out", hdit).ok();
    }

    private static int frames(Path gif) throws IOException {
        ImageReader reader = ImageIO.getImageReadersByFormatName("gif").next();
        try (ImageInputStream in = ImageIO.createImageInputStream(gif.toFile())) {
            reader.setInput(in);
            return reader.getNumImages(true);
        } finally {
            reader.dispose();
        }
    }

    @Test
    void aStripAndAnAnimationForEachLayer() throws IOException {
        Path out = folder.resolve("maps");
        assertThat(Cli.run("attention", diffit, "--out", out).ok().out())
                .contains("wrote 2 strips of 5 maps and 2 animations to " + out);
        assertThat(Cli.files(out)).containsExactly("blocks.0.gif", "blocks.0.png", "blocks.1.gif", "blocks.1.png");
        BufferedImage strip = ImageIO.read(out.resolve("blocks.0.png").toFile());
        assertThat(strip.getHeight()).isBetween(128, 140); // one row of cells of 128
        assertThat(strip.getWidth()).isBetween(6 * 128, 6 * 140); // five maps and the picture
        assertThat(frames(out.resolve("blocks.0.gif"))).isEqualTo(5);
        Map<String, String> text = Png.readText(out.resolve("blocks.1.png"));
        assertThat(text)
                .containsEntry("layer", "blocks.1")
                .containsEntry("head", "mean")
                .containsEntry("query", "mean")
                .containsEntry("seed", "0")
                .containsEntry("solver", "ddim");
        List<Double> times = List.of(text.get("fractions of the way to noise").split(" ", -1)).stream()
                .map(Double::valueOf)
                .toList();
        assertThat(times).hasSize(5);
        assertThat(times.get(0)).isGreaterThan(times.get(4));
    }

    /** The picture shown is that which sample draws. */
    @Test
    void thePictureIsTheSampledOne() throws IOException {
        Cli.run("attention", diffit, "--seed", "7", "--class", "2", "--out", folder.resolve("maps"))
                .ok();
        Cli.run("sample", diffit, "--seeds", "7", "--classes", "2", "--out", folder.resolve("drawn"))
                .ok();
        BufferedImage strip = ImageIO.read(folder.resolve("maps/blocks.0.png").toFile());
        BufferedImage drawn = ImageIO.read(folder.resolve("drawn/000007.png").toFile());
        int gap = (strip.getWidth() - 6 * 128) / 7;
        int left = strip.getWidth() - gap - 128;
        for (int y = 0; y < 8; y++) {
            for (int x = 0; x < 8; x++) {
                for (int shift = 0; shift < 24; shift += 8) {
                    int shown = strip.getRGB(left + 16 * x + 8, gap + 16 * y + 8) >> shift & 0xFF;
                    assertThat(Math.abs(shown - (drawn.getRGB(x, y) >> shift & 0xFF)))
                            .isLessThanOrEqualTo(2);
                }
            }
        }
    }

    @Test
    void layersHeadsQueryAndEveryChangeWhatIsShown() throws IOException {
        Path out = folder.resolve("maps");
        Cli.run(
                        "attention",
                        diffit,
                        "--layers",
                        "1",
                        "--heads",
                        "all",
                        "--query",
                        "5,2",
                        "--every",
                        "2",
                        "--steps",
                        "7",
                        "--out",
                        out)
                .ok();
        assertThat(Cli.files(out))
                .containsExactly(
                        "blocks.1-head-00.gif", "blocks.1-head-00.png", "blocks.1-head-01.gif", "blocks.1-head-01.png");
        assertThat(frames(out.resolve("blocks.1-head-00.gif"))).isEqualTo(4); // of seven evaluations, every second
        BufferedImage strip = ImageIO.read(out.resolve("blocks.1-head-00.png").toFile());
        // the token asked for, row 2 and column 1 of 4 × 4, has a green frame
        int gap = (strip.getWidth() - 5 * 128) / 6;
        assertThat(strip.getRGB(gap + 32, gap + 64) & 0xFFFFFF).isEqualTo(0x00DC3C);
        assertThat(strip.getRGB(gap + 31, gap + 64) & 0xFFFFFF).isNotEqualTo(0x00DC3C);
        assertThat(strip.getRGB(gap + 33, gap + 65) & 0xFFFFFF).isNotEqualTo(0x00DC3C);
        BufferedImage other = ImageIO.read(out.resolve("blocks.1-head-01.png").toFile());
        assertThat(pixels(other)).isNotEqualTo(pixels(strip));
    }

    private static int[] pixels(BufferedImage image) {
        return image.getRGB(0, 0, image.getWidth(), image.getHeight(), null, 0, image.getWidth());
    }

    @Test
    void twoModelsAreShownAtOneSeed() throws IOException {
        Path out = folder.resolve("maps");
        Cli.run("attention", dit, diffit, "--layers", "0", "--guidance", "2", "--steps", "3", "--out", out)
                .ok();
        BufferedImage strip = ImageIO.read(out.resolve("blocks.0.png").toFile());
        assertThat(strip.getHeight()).isBetween(2 * 128, 2 * 140);
        assertThat(strip.getWidth()).isBetween(4 * 128, 4 * 140);
        assertThat(frames(out.resolve("blocks.0.gif"))).isEqualTo(3);
        assertThat(Png.readText(out.resolve("blocks.0.png")).get("model 2")).contains("diffit");
    }

    @Test
    void localAttentionIsShownToo() throws IOException {
        Path out = folder.resolve("maps");
        String said = Cli.run("attention", hdit, "--every", "1", "--steps", "2", "--out", out)
                .ok()
                .out();
        assertThat(said).contains("strips of 2 maps");
        assertThat(Cli.files(out))
                .contains("mid_level.0.png")
                .allMatch(name -> name.matches("(down_levels\\.0|mid_level|up_levels\\.0)\\.[0-9]\\.(png|gif)"));
    }

    @Test
    void whatCannotBeShownIsRefused() {
        Path out = folder.resolve("maps");
        Cli.run("attention", diffit, "--layers", "2", "--out", out)
                .fails(2, "--layers must be 0 to 1, the attention layers of this model, got 2");
        Cli.run("attention", diffit, "--heads", "5", "--out", out).fails(2, "--heads must be 0 to 1", "got 5");
        Cli.run("attention", diffit, "--query", "8,0", "--out", out)
                .fails(2, "--query must lie in the picture of 8 rows and 8 columns, got 8,0");
        Cli.run("attention", diffit, "--query", "left", "--out", out).fails(2, "--query must be mean or ROW,COLUMN");
        Cli.run("attention", diffit, "--every", "-1", "--out", out).fails(2, "--every must be at least 1, got -1");
        Cli.run("attention", diffit, "--class", "9", "--out", out).fails(2, "--class must be 0 to 3", "got 9");
        Cli.run("attention", diffit, "--autoencoder", "x", "--out", out)
                .fails(2, "--autoencoder is for models of latents");
    }

    /** A heat map goes from black to near white. */
    @Test
    void coloursRise() {
        assertThat(AttentionSheet.heat(0)).containsExactly(0, 0, 0);
        assertThat(AttentionSheet.heat(1)[0] & 0xFF).isEqualTo(255);
        double last = -1;
        for (int i = 0; i <= 20; i++) {
            byte[] rgb = AttentionSheet.heat(i / 20f);
            double light = 0.2 * (rgb[0] & 0xFF) + 0.7 * (rgb[1] & 0xFF) + 0.1 * (rgb[2] & 0xFF);
            assertThat(light).isGreaterThan(last);
            last = light;
        }
        assertThat(AttentionSheet.mean(List.of(new float[] {0.2f, 0.8f}, new float[] {0.6f, 0.4f})))
                .containsExactly(new float[] {0.4f, 0.6f}, within(1e-6f));
    }

    /** What a user does with any model, on a DiffiT. */
    @Test
    void aDiffiTIsEditedMeasuredResumedAndTunedFurther() {
        Cli.run(
                        "edit",
                        diffit,
                        "--picture",
                        picture(),
                        "--strength",
                        "0.5",
                        "--seeds",
                        "0",
                        "--out",
                        folder.resolve("e"))
                .ok();
        Cli.run("sample", diffit, "--guided-channels", "first-2", "--seeds", "0", "--out", folder.resolve("two"))
                .ok();
        Cli.run("sample", diffit, "--guided-channels", "first-5", "--seeds", "0", "--out", folder.resolve("no"))
                .fails(2, "guided channels must be at most the model's 3, got first-5");
        Cli.run(
                        "train",
                        TINY_DIFFIT,
                        "--out",
                        diffit,
                        "--resume",
                        "--duration",
                        "416",
                        "--set",
                        "training.learningRate=0.01")
                .ok();
        Path larger = folder.resolve("larger");
        assertThat(Cli.run("train", TINY_DIFFIT, "--out", larger, "--init", diffit, "--set", "model.height=12")
                        .ok()
                        .out())
                .contains("positions resampled from 4×4 to 6×4");
        assertThat(Cli.run("info", diffit, "--json").ok().out()).contains("macsWithoutAttentionProducts");
    }

    private Path picture() {
        Path file = folder.resolve("in.png");
        Png.write(file, 8, 8, new byte[3 * 64], Map.of());
        return file;
    }
}
