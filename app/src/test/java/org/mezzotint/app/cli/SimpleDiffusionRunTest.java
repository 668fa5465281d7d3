package org.mezzotint.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import javax.imageio.ImageIO;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.io.Png;
import org.mezzotint.io.Safetensors;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** The U-Net and the U-ViT of simple diffusion wherever a model can go. */
class SimpleDiffusionRunTest {
    private static final String UNET =
            "model={type: simple-unet, height: 8, width: 8, channels: 3, downsampling: {type:"
                    + " wavelet, levels: 1}, baseChannels: 8, embeddingWidth: 8, levels: [{multiplier: 1, blocks: 1}, {multiplier: 2,"
                    + " blocks: 1}], attentionResolutions: [2], numHeads: 2, dropout: 0.1, dropoutFrom: 2, groups: 4, numClasses: 4}";
    private static final String UVIT =
            "model={type: uvit, height: 8, width: 8, channels: 3, downsampling: {type: none},"
                    + " baseChannels: 8, embeddingWidth: 8, levels: [{multiplier: 1, blocks: 1}], transformer: {multiplier: 2, blocks: 1,"
                    + " numHeads: 2, dropout: 0.1}, groups: 4, numClasses: 4}";
    private static final Map<String, String> WAYS = Map.of(
            "discrete", "sampling.guidance=1.5", // as the recipe has it
            "scheduled",
                    "diffusion={type: scheduled, schedule: {type: shifted-cosine, logSnrMin: -15.0, logSnrMax: 15.0,"
                            + " referenceSize: 4, imageSize: 8, ends: moved}, parameterization: v, variance: fixed-small, loss: mse,"
                            + " weighting: {type: uniform}}",
            "preconditioned",
                    "diffusion={type: preconditioned, sigmaData: 0.5, sigmaMin: 0.01, sigmaMax: 80.0, density: {type: log-normal,"
                            + " mean: -1.2, std: 1.2}, weighting: {type: edm}, scales: 1}",
            "flow",
                    "diffusion={type: flow-matching, interpolant: linear, time: {type: uniform}, shift: 1.0, convention:"
                            + " to-noise}");

    @TempDir
    private Path folder;

    private Path run;

    @BeforeEach
    void name() {
        run = folder.resolve("run");
    }

    private Cli train(String model, String way, Object... more) {
        String grid = way.equals("preconditioned")
                ? "sampling.grid={type: karras, sigmaMin: 0.01, sigmaMax: 80.0, rho: 7.0}"
                : "sampling.grid={type: schedule}";
        List<Object> command = new java.util.ArrayList<>(List.of(
                "train",
                Cli.TINY,
                "--out",
                run,
                "--set",
                model.equals("uvit") ? UVIT : UNET,
                "--set",
                WAYS.get(way),
                "--set",
                grid));
        command.addAll(List.of(more));
        return Cli.run(command.toArray());
    }

    private static int[] pixels(Path png) throws IOException {
        return ImageIO.read(png.toFile()).getRGB(0, 0, 8, 8, null, 0, 8);
    }

    @ParameterizedTest
    @CsvSource({
        "simple-unet, discrete",
        "simple-unet, scheduled",
        "simple-unet, preconditioned",
        "uvit, scheduled",
        "uvit, preconditioned",
        "uvit, flow"
    })
    void eachTrainsAndDrawsInEveryWay(String model, String way) throws IOException {
        train(model, way, "--duration", "32").ok();
        for (String solver : List.of("ddim", "heun")) {
            Path out = folder.resolve(solver);
            Cli.run("sample", run, "--solver", solver, "--steps", "3", "--seeds", "1-2", "--out", out)
                    .ok();
            assertThat(pixels(out.resolve("000001.png"))).isNotEqualTo(pixels(out.resolve("000002.png")));
        }
    }

    /** Stopped and resumed with checkpointed activations, a run ends as if nothing had been: the same bundle. */
    @ParameterizedTest
    @ValueSource(strings = {"simple-unet", "uvit"})
    void eachResumesEditsMeasuresAndStartsAnother(String model) throws IOException {
        String[] checkpointed = {"--set", "training.activationCheckpointing=true"};
        train(model, "scheduled", "--duration", "48", checkpointed[0], checkpointed[1])
                .ok();
        byte[] whole = Files.readAllBytes(run.resolve("checkpoints/000000048/model.safetensors"));
        run = folder.resolve("again");
        train(model, "scheduled", "--duration", "24").ok();
        train(model, "scheduled", "--duration", "48", "--resume").ok();
        assertThat(Files.readAllBytes(run.resolve("checkpoints/000000048/model.safetensors")))
                .isEqualTo(whole);

        assertThat(Cli.run("info", run).ok().out()).contains("input 3x8x8");
        Path picture = folder.resolve("picture.png");
        byte[] rgb = new byte[3 * 64];
        java.util.Arrays.fill(rgb, (byte) 90);
        Png.write(picture, 8, 8, rgb, Map.of());
        Path edited = folder.resolve("edited");
        Cli.run("edit", run, "--picture", picture, "--strength", "0.5", "--steps", "4", "--seeds", "7", "--out", edited)
                .ok();
        assertThat(Cli.files(edited)).contains("000007.png");
        Path data = folder.resolve("data");
        for (int label = 0; label < 4; label++) {
            Files.createDirectories(data.resolve("class" + label));
            Files.copy(picture, data.resolve("class" + label).resolve("a.png"));
        }
        assertThat(Cli.run(
                                "likelihood",
                                run,
                                "--data",
                                data,
                                "--limit",
                                "1",
                                "--atol",
                                "1e-1",
                                "--rtol",
                                "1e-1",
                                "--sigma-min",
                                "0.3",
                                "--sigma-max",
                                "10")
                        .ok()
                        .out())
                .contains("bits per dimension");

        Path trained = run;
        run = folder.resolve("other");
        assertThat(train(model, "scheduled", "--duration", "8", "--init", trained)
                        .ok()
                        .out())
                .contains("starting from trained weights");
    }

    @Test
    void predictTakesTheLogSnr() throws IOException {
        train("uvit", "scheduled", "--duration", "8").ok();
        Path in = folder.resolve("in.safetensors");
        Path out = folder.resolve("out.safetensors");
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1)) {
            Map<String, org.bytedeco.pytorch.Tensor> inputs = Map.of(
                    "x", rng.normal(ScalarType.Float, 2, 3, 8, 8),
                    "logSnr", Tensors.of(-1.5, 3.0),
                    "class", Tensors.of(1L, 4L));
            Safetensors.write(in, inputs, Map.of());
            Cli.run("predict", run, "--in", in, "--out", out).ok();
            try (Safetensors written = Safetensors.open(out)) {
                assertThat(written.shape("y")).containsExactly(2, 3, 8, 8);
            }
        }
    }

    @Test
    void aNamedNetworkCanBeAskedAbout() throws IOException {
        String json =
                Cli.run("info", "simple-unet-512-wavelet-2", "--json").ok().out();
        assertThat(new ObjectMapper().readTree(json).get("parameters").longValue())
                .isGreaterThan(100_000_000);
    }
}
