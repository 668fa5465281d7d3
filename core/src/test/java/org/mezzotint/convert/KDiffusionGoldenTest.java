package org.mezzotint.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.Map;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.mezzotint.diffusion.SigmaDenoiser;
import org.mezzotint.diffusion.SigmaGrid;
import org.mezzotint.golden.Golden;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Safetensors;
import org.mezzotint.models.HDiT;
import org.mezzotint.models.Model;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.sample.DpmPp2MSde;
import org.mezzotint.sample.Sampler;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** Files of k-diffusion against k-diffusion's own results. */
class KDiffusionGoldenTest {
    private static final String TRAINING = "kd-checkpoint/tiny_00000006.pth";

    @TempDir
    private Path folder;

    private static Checkpoint read(String name) {
        return ModelFormat.K_DIFFUSION.read(Golden.path(name), Settings.none());
    }

    @ParameterizedTest
    @CsvSource({"fp32, FLOAT64", "fp32, FLOAT32", "fp16, FLOAT64", "fp16, FLOAT32"})
    void inferenceFilesGiveTheNumbersOfTheReference(String file, Precision precision) {
        ScalarType type = precision.storage();
        try (Golden golden = Golden.open("kd-checkpoint/inference-inout");
                Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Init init = Init.blank(precision, new Device("cpu"))) {
            Checkpoint checkpoint = read("kd-checkpoint/tiny_inference_" + file + ".safetensors");
            try (Model model = checkpoint.model().create(init)) {
                checkpoint
                        .weights()
                        .forEach((name, tensor) -> model.state().get(name).copy_(tensor));
                Conditioning classes = Conditioning.classes(golden.get("in.class_cond"));
                Conditioning all = classes.with(HDiT.AUGMENTATION, golden.get("in.aug_cond", type));
                Tensor x = golden.get("in.x", type);
                Tensor sigma = golden.get("in.sigma", type);
                String out = "out." + file + ".";
                check(golden, out + "inner", type, model.forward(x, sigma, all, Tape.plain()));
                SigmaDenoiser told = denoiser(checkpoint, model, all);
                check(golden, out + "denoised", type, told.denoise(x, Tensors.doubles(sigma)));
                SigmaGrid.Karras grid = (SigmaGrid.Karras) checkpoint.sampling().grid();
                double[] sigmas = grid.sigmas(8);
                Tensor drawn = new DpmPp2MSde(0, 1, DpmPp2MSde.Correction.HEUN)
                        .sample(
                                denoiser(checkpoint, model, classes),
                                golden.get("in.noise", type).mul(Scalars.of(sigmas[0])),
                                sigmas,
                                (draw, from, to, like, first) -> like.mul(Scalars.of(0)),
                                Sampler.Progress.NONE);
                check(golden, out + "sample", type, drawn);
            }
        }
    }

    private static SigmaDenoiser denoiser(Checkpoint checkpoint, Model model, Conditioning cond) {
        return checkpoint.diffusion().denoiser((x, t, c) -> model.forward(x, t, c, Tape.plain()), cond);
    }

    private static void check(Golden golden, String name, ScalarType type, Tensor actual) {
        Golden.assertCloseToLargest(name, Tensors.doubles(actual), golden.doubles(name), golden.tolerance(type));
    }

    @Test
    void theTrainingCheckpointHoldsTheAverageThatWasExported() {
        try (Scope scope = Scope.open()) {
            Checkpoint training = ModelFormat.K_DIFFUSION.readTraining(Golden.path(TRAINING), Settings.none());
            Checkpoint exported = read("kd-checkpoint/tiny_inference_fp32.safetensors");
            assertThat(training.model()).isEqualTo(exported.model());
            assertThat(training.diffusion()).isEqualTo(exported.diffusion());
            exported.weights().forEach((name, tensor) -> assertThat(
                            SameBits.of(training.average().get(name), tensor))
                    .as(name)
                    .isTrue());
            Checkpoint.Training state = training.training().orElseThrow();
            assertThat(state.steps()).isEqualTo(6);
            assertThat(state.recipe().learningRate()).isEqualTo(1e-3);
            assertThat(state.recipe().augmentation()).isEqualTo(0.12);
            assertThat(state.recipe().classDropout()).isEqualTo(0.1);
            assertThat(state.moments()).hasSize(2 * 35);
        }
    }

    @ParameterizedTest
    @CsvSource({"fp32", "fp16"})
    void thereAndBackIsExact(String file) {
        Path original = Golden.path("kd-checkpoint/tiny_inference_" + file + ".safetensors");
        try (Scope scope = Scope.open()) {
            Path bundle = folder.resolve("bundle.safetensors");
            ModelFormat.MEZZOTINT.write(
                    ModelFormat.K_DIFFUSION.read(original, Settings.none()), bundle, Settings.none());
            Path back = folder.resolve("back.safetensors");
            Checkpoint ours = ModelFormat.MEZZOTINT.read(bundle, Settings.none());
            ModelFormat.K_DIFFUSION.write(ours, back, Settings.none());
            try (Safetensors first = Safetensors.open(original);
                    Safetensors second = Safetensors.open(back)) {
                assertThat(second.names()).isEqualTo(first.names());
                first.names().forEach(name -> assertThat(SameBits.of(first.tensor(name), second.tensor(name)))
                        .as(name)
                        .isTrue());
            }
            Checkpoint again = ModelFormat.K_DIFFUSION.read(back, Settings.none());
            assertThat(again.model()).isEqualTo(ours.model());
            assertThat(again.diffusion()).isEqualTo(ours.diffusion());
        }
    }

    @Test
    void aFileThatDoesNotFitIsListedWhole() {
        try (Scope scope = Scope.open()) {
            Checkpoint read = read("kd-checkpoint/tiny_inference_fp32.safetensors");
            Path broken = folder.resolve("broken.safetensors");
            Map<String, Tensor> tensors = new java.util.LinkedHashMap<>(read.weights());
            tensors.put("out_norm.scales", tensors.remove("out_norm.scale"));
            tensors.put("patch_in.proj.weight", tensors.get("patch_out.proj.weight"));
            try (Safetensors file = Safetensors.open(Golden.path("kd-checkpoint/tiny_inference_fp32.safetensors"))) {
                Safetensors.write(broken, tensors, file.metadata());
            }
            assertThatThrownBy(() -> ModelFormat.K_DIFFUSION.read(broken, Settings.none()))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("missing out_norm.scale (there is out_norm.scales)")
                    .hasMessageContaining("patch_in.proj.weight is [12, 16], not [16, 12]")
                    .hasMessageContaining("extra out_norm.scales");
        }
    }

    @Test
    void unknownKeysOfTheConfigurationAreRefused() {
        String json =
                "{\"model\": {\"type\": \"image_transformer_v2\", \"input_channels\": 3, \"input_size\": [16, 16],"
                        + " \"patch_size\": [2, 2], \"depths\": [1], \"widths\": [64], \"sigma_min\": 0.01, \"sigma_max\": 80,"
                        + " \"sigma_sample_density\": {\"type\": \"cosine-interpolated\"}, \"surprise\": 1}}";
        KDiffusionConfig config = new KDiffusionConfig(Fields.ofJson("file", json), "");
        config.model();
        config.diffusion();
        assertThatThrownBy(config::finish).isInstanceOf(InputException.class).hasMessageContaining("model.surprise");
    }

    @Test
    void onlyModelsThatTheReferenceHasAreWritten() {
        try (Scope scope = Scope.open()) {
            Checkpoint dit = ModelFormat.DIFFUSERS.read(Golden.path("diffusers/dit-tiny"), Settings.none());
            assertThatThrownBy(() -> ModelFormat.K_DIFFUSION.write(dit, folder.resolve("x"), Settings.none()))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("only an HDiT");
        }
    }
}
