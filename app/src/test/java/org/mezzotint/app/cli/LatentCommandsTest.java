package org.mezzotint.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.io.Png;
import org.mezzotint.io.Safetensors;

/** encode, train on latents, sample through an autoencoder, and diffusers' folders. */
class LatentCommandsTest {
    private static final Path GOLDEN = Path.of("../core/src/test/resources/golden");
    private static final Path PIPELINE = GOLDEN.resolve("diffusers/pipeline-tiny");
    private static final Path VAE = PIPELINE.resolve("vae");
    private static final Path OTHER_VAE = GOLDEN.resolve("diffusers/vae-tiny");

    @TempDir
    private static Path shared;

    @TempDir
    private Path folder;

    private static Path pictures;
    private static Path latents;
    private static Path run;

    @BeforeAll
    static void prepare() throws IOException {
        pictures = shared.resolve("pictures");
        for (String name : List.of("dark", "light")) {
            Files.createDirectories(pictures.resolve(name));
            for (int i = 0; i < 9; i++) {
                byte[] rgb = new byte[3 * 16 * 16];
                for (int k = 0; k < rgb.length; k++) {
                    rgb[k] = (byte) ((name.equals("dark") ? 0 : 128) + (k * (i + 3)) % 100);
                }
                Png.write(pictures.resolve(name).resolve(i + ".png"), 16, 16, rgb, Map.of());
            }
        }
        latents = shared.resolve("latents");
        Cli.run("encode", pictures, latents, "--autoencoder", VAE, "--size", "16", "--flip", "--shard", "7")
                .ok();
        run = shared.resolve("run");
        train(run).ok();
    }

    private static Cli train(Path out, Object... more) {
        return train(latents, out, more);
    }

    private static Cli train(Path data, Path out, Object... more) {
        List<Object> words = new ArrayList<>(List.of("train", Cli.TINY, "--data", data, "--out", out));
        words.addAll(
                List.of(
                        "--set",
                        "data={type: latents, flip: true, posterior: sample, scaling: statistics, loaderThreads: 1, onBroken: fail}"));
        words.addAll(
                List.of("--set", "model.channels=4", "--set", "model.numClasses=2", "--set", "validation.images=2"));
        words.addAll(List.of(more));
        return Cli.run(words.toArray());
    }

    private static BufferedImage read(Path png) throws IOException {
        return ImageIO.read(png.toFile());
    }

    @Test
    void theBundleSaysWhoseLatentsItLearned() {
        Path bundle = run.resolve("checkpoints/000000088/model.safetensors");
        try (Safetensors file = Safetensors.open(bundle)) {
            assertThat(file.metadata().get("latents")).contains("\"factor\":2").contains("\"autoencoder\":\"");
        }
    }

    @Test
    void samplesAreDecoded() throws IOException {
        Path out = folder.resolve("drawn");
        Cli.run("sample", run, "--autoencoder", VAE, "--seeds", "0-2", "--out", out)
                .ok();
        assertThat(Cli.files(out)).containsExactly("000000.png", "000001.png", "000002.png");
        assertThat(read(out.resolve("000000.png")).getWidth()).isEqualTo(16);
    }

    @Test
    void latentsNeedTheirAutoencoder() {
        Path out = folder.resolve("drawn");
        Cli.run("sample", run, "--out", out).fails(3, "draws latents of 4 channels", "--autoencoder");
        Cli.run("sample", run, "--autoencoder", OTHER_VAE, "--out", out).fails(3, "--autoencoder");
        Cli.run("sample", run, "--autoencoder", folder.resolve("none"), "--out", out)
                .fails(3, "autoencoder not found");
        assertThat(out).doesNotExist();
    }

    @Test
    void modelsOfPixelsTakeNoAutoencoder() {
        Path pixels = folder.resolve("pixels");
        Cli.run("train", Cli.TINY, "--out", pixels).ok();
        Cli.run("sample", pixels, "--autoencoder", VAE, "--out", folder.resolve("drawn"))
                .fails(2, "--autoencoder is for models of latents");
    }

    @Test
    void previewsAreDecoded() throws IOException {
        Path out = folder.resolve("run");
        train(out, "--set", "previews.count=4").fails(3, "previews of a model of latents need --autoencoder");
        assertThat(out).doesNotExist();
        train(out, "--set", "previews.count=4", "--autoencoder", VAE).ok();
        assertThat(read(out.resolve("samples/000000088.png")).getHeight()).isGreaterThanOrEqualTo(3 * 16);
    }

    @Test
    void picturesAreEncodedOnTheFly() {
        Path out = folder.resolve("run");
        train(
                        pictures,
                        out,
                        "--autoencoder",
                        VAE,
                        "--set",
                        "data={type: pictures, flip: true, augmentation: 0.0, maxPixels: 10000, loaderThreads: 2, onBroken: fail}")
                .ok();
        Cli.run("sample", out, "--autoencoder", VAE, "--seeds", "0", "--grid", folder.resolve("grid.png"))
                .ok();
        Cli.run("sample", out, "--autoencoder", OTHER_VAE, "--seeds", "0", "--grid", folder.resolve("grid.png"))
                .fails(3, "--autoencoder");
    }

    @Test
    void anEncodedFolderIsLeftAlone() {
        Cli.run("encode", pictures, latents, "--autoencoder", VAE, "--size", "16")
                .fails(3, "already holds latents");
    }

    @Test
    void wrongSizesAreNamed() {
        Cli.run("encode", pictures, folder.resolve("l"), "--autoencoder", VAE, "--size", "15")
                .fails(2, "--size must be a multiple of the autoencoder's factor 2, got 15");
        Cli.run("encode", folder.resolve("none"), folder.resolve("l"), "--autoencoder", VAE)
                .fails(3, "data set not found");
        Cli.run(
                        "train",
                        Cli.TINY,
                        "--data",
                        latents,
                        "--out",
                        folder.resolve("r"),
                        "--set",
                        "data={type: latents, flip: false, posterior: mean, scaling: autoencoder, loaderThreads: 1, onBroken: fail}")
                .fails(3, "are 4×8×8, the model's 3×8×8");
    }

    @Test
    void aPicturesIsEditedThroughTheAutoencoder() throws IOException {
        Path out = folder.resolve("edited");
        Cli.run(
                        "edit",
                        run,
                        "--picture",
                        pictures.resolve("light/3.png"),
                        "--strength",
                        "0.5",
                        "--autoencoder",
                        VAE,
                        "--seeds",
                        "0",
                        "--out",
                        out)
                .ok();
        assertThat(read(out.resolve("000000.png")).getWidth()).isEqualTo(16);
    }

    @Test
    void aFolderOfDiffusersIsSampledWithItsScheduler() throws IOException {
        Path out = folder.resolve("drawn");
        Cli.run("sample", PIPELINE, "--seeds", "0-1", "--classes", "207", "--steps", "3", "--out", out)
                .ok();
        assertThat(Png.readText(out.resolve("000001.png")))
                .containsEntry("solver", "ddim")
                .containsEntry("steps", "leading3")
                .containsEntry("guidance", "4.0")
                .containsEntry("guided channels", "all");
        assertThat(read(out.resolve("000001.png")).getWidth()).isEqualTo(16);
    }

    @ParameterizedTest
    @ValueSource(strings = {"dpmpp-2m", "euler", "heun"})
    void otherSolversWorkOnItToo(String solver) {
        Cli.run("sample", PIPELINE, "--solver", solver, "--seeds", "0", "--steps", "4", "--out", folder.resolve("d"))
                .ok();
    }

    @Test
    void convertsThereAndBack() {
        Path bundle = folder.resolve("dit.safetensors");
        Path tiny = GOLDEN.resolve("diffusers/dit-tiny");
        Cli.run("convert", tiny, bundle, "--from", "diffusers").ok();
        Cli.run("convert", bundle, folder.resolve("back"), "--from", "mezzotint", "--to", "diffusers")
                .ok();
        assertThat(folder.resolve("back/config.json")).exists();
        Cli.run("convert", bundle, folder.resolve("back"), "--from", "mezzotint", "--to", "diffusers")
                .fails(3, "exists already");
        Cli.run("convert", bundle, folder.resolve("dit.pt"), "--from", "mezzotint", "--to", "dit")
                .fails(3, "the same weights give other pictures");
    }

    @Test
    void aTrainingCheckpointOfKDiffusionGoesOnHere() throws IOException {
        Path data = folder.resolve("data");
        for (int c = 0; c < 4; c++) {
            Files.createDirectories(data.resolve("c" + c));
            Files.copy(pictures.resolve("dark/" + c + ".png"), data.resolve("c" + c + "/0.png"));
            Files.copy(pictures.resolve("light/" + c + ".png"), data.resolve("c" + c + "/1.png"));
        }
        Path pth = GOLDEN.resolve("kd-checkpoint/tiny_00000006.pth");
        Path resumed = folder.resolve("resumed");
        Cli.run("convert", pth, resumed, "--from", "k-diffusion", "--to", "run", "--data", data)
                .fails(3, "--set batchSize=…");
        Cli.run(
                        "convert",
                        pth,
                        resumed,
                        "--from",
                        "k-diffusion",
                        "--to",
                        "run",
                        "--data",
                        data,
                        "--set",
                        "batchSize=4",
                        "--set",
                        "durationImages=40")
                .ok();
        Cli result = Cli.run("train", resumed.resolve("config.yaml"), "--data", data, "--out", resumed, "--resume")
                .ok();
        assertThat(result.out()).contains("done");
        assertThat(resumed.resolve("checkpoints/000000040")).isDirectory();
    }

    @Test
    void unknownFormsAndSettingsAreNamed() {
        Path pth = GOLDEN.resolve("kd-checkpoint/tiny_00000006.pth");
        Cli.run("convert", pth, folder.resolve("x"), "--from", "kdiffusion")
                .fails(2, "--from: unknown form kdiffusion, did you mean \"k-diffusion\"?");
        Cli.run("convert", pth, folder.resolve("x"), "--from", "k-diffusion", "--set", "heads=3")
                .fails(3, "--set heads has no use for this file");
        Cli.run("convert", pth, folder.resolve("x"), "--from", "k-diffusion", "--data", pictures)
                .fails(2, "--data is for --to run only");
        Cli.run("convert", folder.resolve("none"), folder.resolve("x"), "--from", "dit")
                .fails(3, "not found");
        assertThat(folder.resolve("x")).doesNotExist();
    }
}
