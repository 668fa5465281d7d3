package org.mezzotint.autoencoders;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Safetensors;
import org.mezzotint.tensor.Devices;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** {@link PublishedAutoencoders} and {@link AutoencoderBundle}: files of others, and our own. */
class PublishedAutoencodersTest {
    @TempDir
    Path temp;

    private Scope scope;
    private Path path;
    private AutoencoderKL kl;

    @BeforeEach
    void open() {
        scope = Scope.open();
        path = temp.resolve("weights.safetensors");
        kl = TestAutoencoders.kl(Precision.FLOAT32);
    }

    @AfterEach
    void close() {
        kl.close();
        scope.close();
    }

    private static void assertSameState(Autoencoder actual, Autoencoder expected) {
        assertThat(actual.state().keySet())
                .containsExactlyElementsOf(expected.state().keySet());
        expected.state().forEach((name, tensor) -> assertThat(
                        Tensors.floats(actual.state().get(name)))
                .as(name)
                .containsExactly(Tensors.floats(tensor)));
        assertThat(actual.identity()).isEqualTo(expected.identity());
    }

    private Map<String, Tensor> stableDiffusion(String prefix) {
        Map<String, Tensor> theirs = new LinkedHashMap<>();
        kl.state().forEach((ours, tensor) -> {
            String name = prefix + AutoencoderNames.toStableDiffusion(ours, 3);
            theirs.put(
                    name,
                    tensor.detach().contiguous().view(AutoencoderNames.stableDiffusionShape(ours, tensor.shape())));
        });
        return theirs;
    }

    private AutoencoderKL loadStableDiffusion() {
        try (Safetensors file = Safetensors.open(path)) {
            return PublishedAutoencoders.stableDiffusion(
                    "weights", file, TestAutoencoders.KL, Precision.FLOAT32, Devices.cpu());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "first_stage_model."})
    void stableDiffusionFilesGiveTheSameWeights(String prefix) {
        Map<String, Tensor> theirs = stableDiffusion(prefix);
        assertThat(theirs.get(prefix + "decoder.mid.attn_1.proj_out.weight").shape())
                .containsExactly(8, 8, 1, 1);
        theirs.put(prefix + "loss.logvar", Tensors.of(1.0));
        if (!prefix.isEmpty()) {
            theirs.put("model.diffusion_model.out.2.bias", Tensors.of(1.0));
        }
        Safetensors.write(path, theirs, Map.of());
        try (AutoencoderKL read = loadStableDiffusion()) {
            assertSameState(read, kl);
        }
    }

    @Test
    void matricesOfTheAttentionMayAlsoBeMatricesThere() {
        Map<String, Tensor> theirs = stableDiffusion("");
        theirs.computeIfPresent("encoder.mid.attn_1.q.weight", (name, tensor) -> tensor.view(8, 8));
        Safetensors.write(path, theirs, Map.of());
        try (AutoencoderKL read = loadStableDiffusion()) {
            assertSameState(read, kl);
        }
    }

    @Test
    void missingExtraMisShapedAndMisTypedTensorsAreNamedAllAtOnce() {
        Map<String, Tensor> theirs = stableDiffusion("");
        theirs.remove("encoder.conv_in.bias");
        theirs.put("decoder.conv_in.bias", Tensors.of(new float[4], 4));
        theirs.put("decoder.mid.attn_1.q.bias", Tensors.of(1L, 2L, 3L, 4L, 5L, 6L, 7L, 8L));
        theirs.put("encoder.mid.attn_1.k.weight", Tensors.of(new float[64], 8, 1, 8, 1));
        theirs.put("decoder.up.7.block.0.conv1.bias", Tensors.of(1.0));
        theirs.put("encoder.mid_block.attentions.0.to_v.bias", Tensors.of(1.0));
        Safetensors.write(path, theirs, Map.of());
        assertThatThrownBy(this::loadStableDiffusion)
                .isInstanceOf(CheckpointException.class)
                .hasMessageStartingWith("weights does not fit the autoencoder's configuration: ")
                .hasMessageContaining("missing encoder.conv_in.bias")
                .hasMessageContaining("decoder.conv_in.bias is [4], not [8]")
                .hasMessageContaining("decoder.mid.attn_1.q.bias is of type Long, not a floating type")
                .hasMessageContaining("encoder.mid.attn_1.k.weight is [8, 1, 8, 1], not [8, 8]")
                .hasMessageContaining("extra decoder.up.7.block.0.conv1.bias")
                .hasMessageContaining("are the same tensor encoder.mid_block.attentions.0.to_v.bias");
    }

    @Test
    void theTwoFilesOfATinyAutoencoderGiveTheSameWeights() {
        try (TinyAutoencoder tiny = TestAutoencoders.tiny(Precision.FLOAT32)) {
            Map<String, Tensor> encoder = new LinkedHashMap<>();
            Map<String, Tensor> decoder = new LinkedHashMap<>();
            tiny.state().forEach((ours, tensor) -> (ours.startsWith("encoder") ? encoder : decoder)
                    .put(AutoencoderNames.toTaesd(ours), tensor.to(ScalarType.Half)));
            Path second = temp.resolve("decoder.safetensors");
            Safetensors.write(path, encoder, Map.of());
            Safetensors.write(second, decoder, Map.of());
            try (Safetensors one = Safetensors.open(path);
                    Safetensors two = Safetensors.open(second);
                    TinyAutoencoder read = PublishedAutoencoders.taesd(
                            "tiny", one, two, TestAutoencoders.TINY, Precision.FLOAT32, Devices.cpu())) {
                tiny.state().forEach((name, tensor) -> assertThat(
                                Tensors.floats(read.state().get(name)))
                        .as(name)
                        .containsExactly(Tensors.floats(tensor.to(ScalarType.Half))));
            }
            try (Safetensors one = Safetensors.open(path);
                    Safetensors two = Safetensors.open(second)) {
                assertThatThrownBy(() -> PublishedAutoencoders.taesd(
                                "tiny", two, one, TestAutoencoders.TINY, Precision.FLOAT32, Devices.cpu()))
                        .isInstanceOf(CheckpointException.class)
                        .hasMessageContaining("missing encoder.layers.0.weight");
            }
        }
    }

    @Test
    void oneFileWithDiffusersNamesNeedsItsConfigurationOnly() {
        try (TinyAutoencoder tiny = TestAutoencoders.tiny(Precision.FLOAT32)) {
            Safetensors.write(path, tiny.state(), Map.of());
            try (Safetensors file = Safetensors.open(path);
                    Autoencoder read = PublishedAutoencoders.diffusers(
                            "tiny", file, TestAutoencoders.TINY, Precision.FLOAT32, Devices.cpu())) {
                assertSameState(read, tiny);
            }
        }
    }

    @Test
    void bundlesBringConfigurationAndWeightsBack() {
        try (TinyAutoencoder tiny = TestAutoencoders.tiny(Precision.FLOAT64)) {
            for (Autoencoder each : new Autoencoder[] {kl, tiny}) {
                AutoencoderBundle.write(path, each);
                try (AutoencoderBundle bundle = AutoencoderBundle.open(path);
                        Autoencoder read = bundle.load(each.precision(), Devices.cpu())) {
                    assertThat(bundle.config()).isEqualTo(each.config());
                    assertThat(read.config()).isEqualTo(each.config());
                    assertSameState(read, each);
                }
            }
        }
    }

    @Test
    void otherFilesAreNoBundles() {
        Safetensors.write(path, kl.state(), Map.of("format", "pt"));
        assertThatThrownBy(() -> AutoencoderBundle.open(path))
                .isInstanceOf(CheckpointException.class)
                .hasMessage(
                        path + " is not an autoencoder bundle of format 1: its header says format pt, version null");
        Safetensors.write(path, kl.state(), Map.of("format", "mezzotint-autoencoder", "format_version", "1"));
        assertThatThrownBy(() -> AutoencoderBundle.open(path))
                .isInstanceOf(CheckpointException.class)
                .hasMessage(path + ": the header has no entry 'autoencoder'");
        Safetensors.write(
                path,
                kl.state(),
                Map.of("format", "mezzotint-autoencoder", "format_version", "1", "autoencoder", "{\"type\":\"vq\"}"));
        assertThatThrownBy(() -> AutoencoderBundle.open(path))
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith(path + " (autoencoder): ");
    }
}
