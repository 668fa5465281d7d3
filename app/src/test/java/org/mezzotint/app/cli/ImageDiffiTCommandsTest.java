package org.mezzotint.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.mezzotint.io.Safetensors;
import org.mezzotint.models.ModelBundle;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;
import org.mezzotint.train.RunDirectory;

/** DiffiT in image space wherever a user can bring a model. */
class ImageDiffiTCommandsTest {
    @TempDir
    private static Path shared;

    @TempDir
    private Path folder;

    private static Path run;

    @BeforeAll
    static void train() {
        run = shared.resolve("run");
        Cli.run("train", Cli.TINY_DIFFIT_IMAGE, "--out", run).ok();
    }

    private static byte[] bundle(Path run) throws IOException {
        return Files.readAllBytes(RunDirectory.find(run).newestBundle());
    }

    @Test
    void aRunThatIsResumedEqualsOneThatWasNot() throws IOException {
        Path whole = folder.resolve("whole");
        Path parts = folder.resolve("parts");
        Cli.run("train", Cli.TINY_DIFFIT_IMAGE, "--out", whole, "--duration", "48")
                .ok();
        Cli.run("train", Cli.TINY_DIFFIT_IMAGE, "--out", parts, "--duration", "24")
                .ok();
        Cli.run("train", Cli.TINY_DIFFIT_IMAGE, "--out", parts, "--resume", "--duration", "48")
                .ok();
        try (Scope scope = Scope.open();
                ModelBundle a = ModelBundle.open(RunDirectory.find(whole).newestBundle());
                ModelBundle b = ModelBundle.open(RunDirectory.find(parts).newestBundle())) {
            Map<String, Tensor> resumed = b.tensors(ModelBundle.Weights.EMA);
            a.tensors(ModelBundle.Weights.EMA).forEach((name, tensor) -> assertThat(Tensors.doubles(resumed.get(name)))
                    .as(name)
                    .containsExactly(Tensors.doubles(tensor)));
        }
    }

    @Test
    void checkpointingTrainsTheSameBits() throws IOException {
        Path other = folder.resolve("checkpointing");
        Cli.run("train", Cli.TINY_DIFFIT_IMAGE, "--out", other, "--set", "training.activationCheckpointing=true")
                .ok();
        try (Scope scope = Scope.open();
                ModelBundle a = ModelBundle.open(RunDirectory.find(run).newestBundle());
                ModelBundle b = ModelBundle.open(RunDirectory.find(other).newestBundle())) {
            Map<String, Tensor> again = b.tensors(ModelBundle.Weights.RAW);
            a.tensors(ModelBundle.Weights.RAW).forEach((name, tensor) -> assertThat(Tensors.doubles(again.get(name)))
                    .as(name)
                    .containsExactly(Tensors.doubles(tensor)));
        }
        assertThat(bundle(other)).isNotEmpty();
    }

    @Test
    void picturesAreDrawnEditedAndWeighed() throws IOException {
        Path pictures = folder.resolve("pictures");
        Cli.run("sample", run, "--steps", "4", "--seeds", "1-2", "--out", pictures)
                .ok();
        assertThat(ImageIO.read(pictures.resolve("000001.png").toFile()).getWidth())
                .isEqualTo(8);
        assertThat(Files.readAllBytes(pictures.resolve("000001.png")))
                .isNotEqualTo(Files.readAllBytes(pictures.resolve("000002.png")));
        Path edited = folder.resolve("edited");
        Cli.run(
                        "edit",
                        run,
                        "--picture",
                        pictures.resolve("000001.png"),
                        "--strength",
                        "0.5",
                        "--steps",
                        "4",
                        "--seeds",
                        "7",
                        "--out",
                        edited)
                .ok();
        assertThat(edited.resolve("000007.png")).exists();
        Path data = folder.resolve("data");
        for (int label = 0; label < 4; label++) {
            Path to = Files.createDirectories(data.resolve("class" + label));
            Files.copy(pictures.resolve("000001.png"), to.resolve("a.png"));
        }
        String likelihood = Cli.run(
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
                        "0.5",
                        "--sigma-max",
                        "5")
                .ok()
                .out();
        assertThat(likelihood).contains("bits");
        Path swept = folder.resolve("swept");
        Cli.run("sweep", run, "--over", "steps=2,3", "--seeds", "0-1", "--out", swept)
                .ok();
        assertThat(swept.resolve("grid.png")).exists();
    }

    @Test
    void itsAttentionIsShown() throws IOException {
        Path out = folder.resolve("attention");
        Cli.run("attention", run, "--steps", "3", "--out", out).ok();
        try (Stream<Path> files = Files.list(out)) {
            List<String> names =
                    files.map(file -> file.getFileName().toString()).toList();
            assertThat(names).anyMatch(name -> name.endsWith(".png")).anyMatch(name -> name.endsWith(".gif"));
        }
    }

    @Test
    void aTrainedModelIsTakenToAnotherSize() throws IOException {
        Path larger = folder.resolve("larger");
        String said = Cli.run(
                        "train",
                        Cli.TINY_DIFFIT_IMAGE,
                        "--out",
                        larger,
                        "--init",
                        run,
                        "--duration",
                        "8",
                        "--set",
                        "model.height=12",
                        "--set",
                        "model.width=12")
                .ok()
                .out();
        assertThat(said).contains("starting from trained weights, 4 of 4 classes known");
        Cli.run("train", Cli.TINY_DIFFIT_IMAGE, "--out", folder.resolve("no"), "--init", run, "--set", "model.window=2")
                .fails(3, "--init does not fit the recipe's model", "relative_position_bias_table");
        Cli.run("train", Cli.TINY_DIFFIT_IMAGE, "--out", folder.resolve("no"), "--init", run, "--set", "model.groups=2")
                .fails(3, "in a way that no tensor shows", "groups=4");
    }

    @Test
    void thePredictionHearsAugmentation() throws IOException {
        Path in = folder.resolve("in.safetensors");
        Path out = folder.resolve("out.safetensors");
        double[][] results = new double[2][];
        for (int i = 0; i < 2; i++) {
            try (Scope scope = Scope.open();
                    Rng rng = new Rng(1)) {
                Map<String, Tensor> inputs = new LinkedHashMap<>();
                inputs.put("x", rng.normal(ScalarType.Float, 2, 3, 8, 8));
                inputs.put("sigma", Tensors.of(0.5, 4));
                inputs.put("class", Tensors.of(0L, 4L));
                if (i == 1) {
                    inputs.put("augmentation", rng.normal(ScalarType.Float, 2, 9));
                }
                Safetensors.write(in, inputs, Map.of());
                Cli.run("predict", run, "--in", in, "--out", out).ok();
                try (Safetensors result = Safetensors.open(out)) {
                    results[i] = Tensors.doubles(result.tensor("y"));
                }
            }
        }
        assertThat(results[0]).hasSize(2 * 3 * 8 * 8).isNotEqualTo(results[1]);
    }

    @Test
    void aNetworkThatIsNotToldRefusesAugmentation() {
        Cli.run("train", Cli.TINY_DIFFIT_IMAGE, "--out", folder.resolve("no"), "--set", "model.augmentation=false")
                .fails(3, "data.augmentation must be 0 for this model");
    }

    @Test
    void whatDoesNotFitIsOneLine() {
        Object[][] settings = {
            {"model.window=5", "window must be at most the height and width of the coarsest map, got 5 for a map of 4x4"
            },
            {"model.groups=3", "stages.width must be a multiple of groups, got 8 and 3"},
            {"model.timeWidth=15", "timeWidth must be even, got 15"},
            {"model.height=9", "height must be a multiple of patch times 2 for each further stage, got 9 and 2"}
        };
        for (Object[] setting : settings) {
            Cli.run("train", Cli.TINY_DIFFIT_IMAGE, "--out", folder.resolve("no"), "--set", setting[0])
                    .fails(3, (String) setting[1]);
        }
    }

    @Test
    void infoKnowsTheNamesAndTheirSizes() throws IOException {
        JsonNode cifar = new ObjectMapper()
                .readTree(Cli.run("info", "diffit-cifar10", "--json").ok().out());
        assertThat(cifar.get("input").textValue()).isEqualTo("3x32x32");
        assertThat(cifar.get("macs").longValue()).isEqualTo(16_067_334_656L);
        JsonNode larger = new ObjectMapper()
                .readTree(Cli.run("info", "diffit-cifar10", "--size", "64", "--json")
                        .ok()
                        .out());
        assertThat(larger.get("parameters")).isEqualTo(cifar.get("parameters"));
        assertThat(larger.get("macs").longValue())
                .isGreaterThan(3 * cifar.get("macs").longValue());
        assertThat(Cli.run("info", "diffit-ffhq-64-1222").ok().out()).contains("input 3x64x64");
        Cli.run("info", "diffit-cifar10", "--size", "34").fails(2, "height must be a multiple of", "got 34 and 4");
        Cli.run("info", "diffit-cifar10", "--conditioning", "adaln").fails(2, "--conditioning is for DiT only");
    }
}
