package org.mezzotint.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Safetensors;
import org.mezzotint.io.Yaml;
import org.mezzotint.tensor.Devices;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class ModelBundleTest {
    private static final DiTConfig CONFIG = new DiTConfig(
            4, 6, 1, 2, 8, 1, 2, 2, 3, true, false, DiTConfig.Conditioning.ADALN_ZERO, DiTConfig.Convention.paper());

    @TempDir
    Path temp;

    private Scope scope;
    private Device cpu;
    private Model model;
    private Path path;

    private record Note(String text, int number) {}

    @BeforeEach
    void open() {
        scope = Scope.open();
        cpu = Devices.cpu();
        model = ModelContract.random(CONFIG, Precision.FLOAT32, 1);
        path = temp.resolve("model.safetensors");
    }

    @AfterEach
    void close() {
        model.close();
        scope.close();
    }

    private Map<String, String> header() {
        return new LinkedHashMap<>(
                Map.of("format", "mezzotint", "format_version", "1", "model", Yaml.toJson(model.config())));
    }

    @Test
    void missingExtraAndMisShapedTensorsAreNamedAllAtOnce() {
        Map<String, Tensor> tensors = new LinkedHashMap<>(model.state());
        tensors.remove("x_embedder.proj.bias");
        tensors.remove("blocks.0.attn.qkv.weight");
        tensors.put("blocks.7.attn.qkv.weight", Tensors.of(1.0));
        tensors.put("t_embedder.mlp.0.bias", Tensors.of(new float[9], 9));
        tensors.put("final_layer.linear.bias", Tensors.of(new float[4], 2, 2));
        Safetensors.write(path, tensors, header());
        try (ModelBundle bundle = ModelBundle.open(path)) {
            assertThatThrownBy(() -> bundle.load(ModelBundle.Weights.RAW, Precision.FLOAT32, cpu))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessage(path + " does not fit its configuration: missing x_embedder.proj.bias; "
                            + "t_embedder.mlp.0.bias is [9], not [8]; "
                            + "missing blocks.0.attn.qkv.weight (there is blocks.7.attn.qkv.weight); "
                            + "final_layer.linear.bias is [2, 2], not [4]; extra blocks.7.attn.qkv.weight");
        }
    }

    @Test
    void anIncompleteAverageIsNamedWithItsPrefix() {
        Map<String, Tensor> tensors = new LinkedHashMap<>(model.state());
        model.state().forEach((name, tensor) -> tensors.put("ema." + name, tensor));
        tensors.remove("ema.pos_embed");
        tensors.put("ema.other", Tensors.of(1.0));
        Safetensors.write(path, tensors, header());
        try (ModelBundle bundle = ModelBundle.open(path)) {
            assertThatThrownBy(() -> bundle.load(ModelBundle.Weights.EMA, Precision.FLOAT32, cpu))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessage(path + " does not fit its configuration: missing ema.pos_embed; extra ema.other");
        }
    }

    @Test
    void aFailedLoadChangesNothing() {
        Map<String, Tensor> tensors = new LinkedHashMap<>(model.state());
        tensors.put("final_layer.linear.bias", Tensors.of(new float[1], 1));
        Safetensors.write(path, tensors, header());
        try (Model other = ModelContract.random(CONFIG, Precision.FLOAT32, 2);
                ModelBundle bundle = ModelBundle.open(path)) {
            float[] before = Tensors.floats(other.state().get("x_embedder.proj.weight"));
            assertThatThrownBy(() -> bundle.copyInto(other, ModelBundle.Weights.RAW))
                    .isInstanceOf(CheckpointException.class);
            assertThat(Tensors.floats(other.state().get("x_embedder.proj.weight")))
                    .containsExactly(before);
        }
    }

    @Test
    void otherSafetensorsFilesAreNoBundles() {
        Safetensors.write(path, model.state(), Map.of());
        assertThatThrownBy(() -> ModelBundle.open(path))
                .isInstanceOf(CheckpointException.class)
                .hasMessage(path + " is not a mezzotint bundle of format 1: its header says format null, version null");
    }

    @Test
    void anotherFormatVersionIsRefused() {
        Map<String, String> header = header();
        header.put("format_version", "2");
        Safetensors.write(path, model.state(), header);
        assertThatThrownBy(() -> ModelBundle.open(path))
                .isInstanceOf(CheckpointException.class)
                .hasMessage(
                        path + " is not a mezzotint bundle of format 1: its header says format mezzotint, version 2");
    }

    @Test
    void aFileThatIsNoSafetensorsIsRefused() throws java.io.IOException {
        java.nio.file.Files.writeString(path, "not a checkpoint");
        assertThatThrownBy(() -> ModelBundle.open(path)).isInstanceOf(CheckpointException.class);
    }

    @Test
    void aHeaderWithoutAModelIsRefused() {
        Map<String, String> header = header();
        header.remove("model");
        Safetensors.write(path, model.state(), header);
        assertThatThrownBy(() -> ModelBundle.open(path))
                .isInstanceOf(CheckpointException.class)
                .hasMessage(path + ": the header has no entry 'model'");
    }

    @Test
    void aHeaderWithAnUnknownModelIsRefused() {
        Map<String, String> header = header();
        header.put("model", "{\"type\": \"dat\"}");
        Safetensors.write(path, model.state(), header);
        assertThatThrownBy(() -> ModelBundle.open(path))
                .isInstanceOf(InputException.class)
                .hasMessageContaining(path + " (model)")
                .hasMessageContaining("dat");
    }

    @Test
    void anAverageThatWasNotWrittenCannotBeLoaded() {
        ModelBundle.write(path, model, model, Map.of());
        try (ModelBundle bundle = ModelBundle.open(path)) {
            assertThat(bundle.hasEma()).isFalse();
            assertThatThrownBy(() -> bundle.load(ModelBundle.Weights.EMA, Precision.FLOAT32, cpu))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessage(path + " holds no moving average (tensors 'ema.…'); use the raw weights");
            try (Model loaded = bundle.load(ModelBundle.Weights.RAW, Precision.FLOAT32, cpu)) {
                assertThat(loaded.state()).hasSameSizeAs(model.state());
            }
        }
    }

    @Test
    void sectionsComeBackAsTheyWereWritten() {
        ModelBundle.write(path, model, model, Map.of("note", new Note("so", 3)));
        try (ModelBundle bundle = ModelBundle.open(path)) {
            assertThat(bundle.section("note", Note.class)).isEqualTo(new Note("so", 3));
            assertThatThrownBy(() -> bundle.section("diffusion", Note.class))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessage(path + ": the header has no entry 'diffusion'");
            assertThatThrownBy(() -> bundle.section("note", DiTConfig.class)).isInstanceOf(InputException.class);
        }
    }

    @Test
    void aModelIsLoadedInAnyPrecisionAndOutlivesItsFile() {
        ModelBundle.write(path, model, model, Map.of());
        Model loaded;
        try (ModelBundle bundle = ModelBundle.open(path)) {
            loaded = bundle.load(ModelBundle.Weights.RAW, Precision.FLOAT64, cpu);
        }
        try (loaded) {
            assertThat(loaded.precision()).isSameAs(Precision.FLOAT64);
            loaded.state().forEach((name, tensor) -> {
                assertThat(Tensors.type(tensor)).as(name).isSameAs(ScalarType.Double);
                assertThat(Tensors.doubles(tensor))
                        .as(name)
                        .containsExactly(Tensors.doubles(model.state().get(name)));
            });
            assertThat(loaded.trainable().values()).allMatch(Tensor::requires_grad);
        }
    }
}
