package org.mezzotint.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Path;
import java.util.Map;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.diffusion.SigmaGrid;
import org.mezzotint.golden.Golden;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.io.InputException;
import org.mezzotint.io.TorchFile;
import org.mezzotint.models.DiTConfig;
import org.mezzotint.models.Model;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** Folders of diffusers against diffusers' own results, and against facebookresearch/DiT with the same weights. */
class DiffusersGoldenTest {
    @TempDir
    private Path folder;

    private static final Settings HEADS = new Settings(Map.of("heads", "2", "nullClass", "true"));

    private static Checkpoint read(String name) {
        return ModelFormat.DIFFUSERS.read(Golden.path("diffusers/" + name), Settings.none());
    }

    private static Tensor forward(Checkpoint checkpoint, Golden golden, Precision precision) {
        try (Init init = Init.blank(precision, new Device("cpu"));
                NoGradGuard noGrad = new NoGradGuard();
                Model model = checkpoint.model().create(init)) {
            checkpoint
                    .weights()
                    .forEach((name, tensor) -> model.state().get(name).copy_(tensor));
            return model.forward(
                    golden.get("in.x", precision.storage()),
                    golden.get("in.t"),
                    Conditioning.classes(golden.get("in.y")),
                    Tape.plain());
        }
    }

    @ParameterizedTest
    @CsvSource({
        "dit-tiny, FLOAT64", "dit-tiny, FLOAT32",
        "dit-tiny-sharded, FLOAT64", "dit-tiny-sharded, FLOAT32",
        "dit-tiny-legacy, FLOAT64", "dit-tiny-legacy, FLOAT32"
    })
    void aFolderGivesTheNumbersOfDiffusers(String name, Precision precision) {
        try (Golden golden = Golden.open("diffusers/" + name);
                Scope scope = Scope.open()) {
            Golden.assertClose(
                    name,
                    Tensors.doubles(forward(read(name), golden, precision)),
                    golden.expected("out.diffusers", precision.storage()),
                    golden.tolerance(precision.storage()));
        }
    }

    @ParameterizedTest
    @EnumSource(value = Precision.class, names = "BFLOAT16", mode = EnumSource.Mode.EXCLUDE)
    void theSameWeightsGiveTheNumbersOfTheAuthorsCodeInItsConvention(Precision precision) {
        try (Golden golden = Golden.open("diffusers/dit-tiny");
                Scope scope = Scope.open()) {
            Checkpoint dit = DiTFiles.read(new MapTensors("param", golden.group("param.")), HEADS, false);
            Golden.assertClose(
                    "facebook",
                    Tensors.doubles(forward(dit, golden, precision)),
                    golden.expected("out.facebook", precision.storage()),
                    golden.tolerance(precision.storage()));
        }
    }

    @Test
    void bothDirectionsAreExact() {
        try (Golden golden = Golden.open("diffusers/dit-tiny");
                Scope scope = Scope.open()) {
            Checkpoint read = read("dit-tiny");
            Map<String, Tensor> facebook = golden.group("param.");
            assertThat(read.weights().keySet()).isEqualTo(facebook.keySet());
            facebook.forEach(
                    (name, tensor) -> assertThat(SameBits.of(read.weights().get(name), tensor))
                            .as(name)
                            .isTrue());

            Path back = folder.resolve("back");
            ModelFormat.DIFFUSERS.write(read, back, Settings.none());
            Checkpoint again = ModelFormat.DIFFUSERS.read(back, Settings.none());
            assertThat(again.model()).isEqualTo(read.model());
            again.weights().forEach((name, tensor) -> assertThat(
                            SameBits.of(read.weights().get(name), tensor))
                    .as(name)
                    .isTrue());

            Path pt = folder.resolve("dit.pt");
            Checkpoint dit = DiTFiles.read(new MapTensors("param", facebook), HEADS, false);
            ModelFormat.DIT.write(dit, pt, Settings.none());
            Checkpoint flat = ModelFormat.DIT.read(pt, HEADS);
            assertThat(flat.model()).isEqualTo(dit.model());
            facebook.forEach(
                    (name, tensor) -> assertThat(SameBits.of(flat.weights().get(name), tensor))
                            .as(name)
                            .isTrue());
        }
    }

    @Test
    void aBundleKeepsEveryBit() {
        try (Scope scope = Scope.open()) {
            Checkpoint read = read("dit-tiny");
            Path bundle = folder.resolve("model.safetensors");
            ModelFormat.MEZZOTINT.write(read, bundle, Settings.none());
            Checkpoint back = ModelFormat.MEZZOTINT.read(bundle, Settings.none());
            assertThat(back.model()).isEqualTo(read.model());
            assertThat(back.sampling()).isEqualTo(read.sampling());
            assertThat(back.latents()).isEqualTo(read.latents());
            ModelFormat.DIFFUSERS.write(back, folder.resolve("diffusers"), Settings.none());
        }
    }

    @Test
    void copiesOfAnEmbedderThatDifferAreRefused() {
        try (Scope scope = Scope.open()) {
            assertThatThrownBy(() -> read("dit-tiny-replica-mismatch"))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining(
                            "transformer_blocks.1.norm1.emb.class_embedder.embedding_table.weight differs");
        }
    }

    @Test
    void aTrainingCheckpointKeepsBothSets() {
        try (Scope scope = Scope.open()) {
            Settings settings = new Settings(Map.of("heads", "2", "nullClass", "true"));
            Checkpoint read = ModelFormat.DIT.readTraining(Golden.path("checkpoints/dit-training.pt"), settings);
            assertThat(read.average()).isNotEmpty();
            assertThat(read.training()).isPresent();
            assertThat(read.training().orElseThrow().moments()).containsKey("exp_avg.x_embedder.proj.weight");
            assertThat(read.training().orElseThrow().moments()).doesNotContainKey("exp_avg.pos_embed");
            Path back = folder.resolve("both.pt");
            ModelFormat.DIT.write(read, back, Settings.none());
            try (TorchFile file = TorchFile.open(back);
                    TorchFile original = TorchFile.open(Golden.path("checkpoints/dit-training.pt"))) {
                for (String name : original.names()) {
                    if (name.startsWith("model.") || name.startsWith("ema.")) {
                        assertThat(SameBits.of(file.tensor(name), original.tensor(name)))
                                .as(name)
                                .isTrue();
                    }
                }
            }
        }
    }

    @Test
    void whatTheFileDoesNotSayIsAskedForByName() {
        try (Golden golden = Golden.open("diffusers/dit-tiny");
                Scope scope = Scope.open()) {
            MapTensors file = new MapTensors("param", golden.group("param."));
            assertThatThrownBy(() -> DiTFiles.read(file, new Settings(Map.of("heads", "2")), false))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("--set nullClass=true or --set nullClass=false");
            assertThatThrownBy(() -> DiTFiles.read(file, new Settings(Map.of("nullClass", "true")), false))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("--set heads=…");
            Settings more = new Settings(Map.of("heads", "2", "nullClass", "true", "hedas", "3"));
            DiTFiles.read(file, more, false);
            assertThatThrownBy(more::finish).hasMessageContaining("did you mean \"heads\"?");
        }
    }

    @Test
    void anotherConventionMustBeAccepted() {
        try (Golden golden = Golden.open("diffusers/dit-tiny");
                Scope scope = Scope.open()) {
            Checkpoint dit = DiTFiles.read(new MapTensors("param", golden.group("param.")), HEADS, false);
            Path target = folder.resolve("d");
            assertThatThrownBy(() -> ModelFormat.DIFFUSERS.write(dit, target, Settings.none()))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("--set convention=diffusers");
            assertThat(target).doesNotExist();
            ModelFormat.DIFFUSERS.write(dit, target, new Settings(Map.of("convention", "diffusers")));
            Checkpoint diffusers = read("dit-tiny");
            assertThatThrownBy(() -> ModelFormat.DIT.write(diffusers, folder.resolve("x.pt"), Settings.none()))
                    .hasMessageContaining("the same weights give other pictures");
        }
    }

    @Test
    void aPipelineTellsItsSchedulerAndItsScale() {
        try (Scope scope = Scope.open()) {
            Checkpoint pipeline = read("pipeline-tiny");
            assertThat(pipeline.sampling().solver()).isEqualTo(SamplingConfig.Solver.DDIM);
            assertThat(pipeline.sampling().steps()).isEqualTo("leading50");
            assertThat(pipeline.sampling().guidance()).isEqualTo(4);
            assertThat(pipeline.sampling().guidedChannels()).isEqualTo(SamplingConfig.GuidedChannels.ALL);
            assertThat(pipeline.latents().orElseThrow().scale()).containsExactly(11.5);
            assertThat(((DiTConfig) pipeline.model()).convention()).isEqualTo(DiTConfig.Convention.diffusers());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"\"norm_type\": \"layer_norm\"", "\"activation_fn\": \"gelu\"", "\"surprise\": 1"})
    void aConfigurationThatWeCannotFollowIsRefused(String entry) {
        String json =
                "{\"num_attention_heads\": 2, \"attention_head_dim\": 16, \"in_channels\": 4, \"out_channels\": 8,"
                        + " \"num_layers\": 2, \"patch_size\": 2, \"sample_size\": 8, \"num_embeds_ada_norm\": 10, "
                        + entry + "}";
        assertThatThrownBy(() -> DiffusersDiT.config("config.json", json))
                .isInstanceOf(InputException.class)
                .hasMessageContaining(entry.substring(1, entry.indexOf('"', 1)));
    }

    @Test
    void eulerAndMultistepNameTheirLevels() {
        String euler = "{\"_class_name\": \"EulerDiscreteScheduler\"}";
        assertThat(DiffusersScheduler.read("s", euler, 10, 1, false).sampling().grid())
                .isEqualTo(new SigmaGrid.Timesteps(SigmaGrid.Timesteps.Spacing.LINSPACE));
        assertThatThrownBy(() -> DiffusersScheduler.read(
                        "s",
                        "{\"_class_name\": \"EulerDiscreteScheduler\", \"use_karras_sigmas\": true}",
                        10,
                        1,
                        false))
                .hasMessageContaining("use_karras_sigmas");
        assertThatThrownBy(() -> DiffusersScheduler.read("s", "{\"_class_name\": \"PNDMScheduler\"}", 10, 1, false))
                .hasMessageContaining("PNDMScheduler");
    }

    /** 15·(999/30) is 499.49999999999994 in NumPy's order of operations, 499.5 in the other. */
    @Test
    void wholeTimestepsRoundAsInNumPy() {
        String json = "{\"_class_name\": \"DPMSolverMultistepScheduler\", \"lambda_min_clipped\": -Infinity}";
        DiffusersScheduler.Settings read = DiffusersScheduler.read("s", json, 30, 1, false);
        double[] sigmas = read.sampling().sigmas(read.diffusion());
        assertThat(read.diffusion().times().time(sigmas[15])).isCloseTo(499, within(1e-9));
        assertThat(read.diffusion().times().time(sigmas[0])).isCloseTo(999, within(1e-9));
        assertThatThrownBy(() -> DiffusersScheduler.read("s", json.replace("-Infinity", "-5.1"), 30, 1, false))
                .hasMessageContaining("lambda_min_clipped");
    }

    @Test
    void aModelOfAnotherTaskIsNotWrittenAsThePublishedOne() {
        try (Golden golden = Golden.open("diffusers/dit-tiny");
                Scope scope = Scope.open()) {
            Checkpoint dit = DiTFiles.read(new MapTensors("param", golden.group("param.")), HEADS, false);
            Checkpoint flow = SitFiles.read(new MapTensors("param", golden.group("param.")), HEADS);
            assertThatThrownBy(() -> ModelFormat.DIT.write(flow, folder.resolve("x.pt"), Settings.none()))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("predicts noise along the linear schedule");
            assertThatThrownBy(() -> ModelFormat.SIT.write(dit, folder.resolve("x.pt"), Settings.none()))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("convention sit");
            Path sit = folder.resolve("sit.pt");
            ModelFormat.SIT.write(flow, sit, Settings.none());
            Checkpoint back = ModelFormat.SIT.read(sit, HEADS);
            assertThat(back.diffusion()).isEqualTo(flow.diffusion());
            flow.weights().forEach((name, tensor) -> assertThat(
                            SameBits.of(back.weights().get(name), tensor))
                    .as(name)
                    .isTrue());
        }
    }
}
