package org.mezzotint.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.autoencoders.Autoencoder;
import org.mezzotint.autoencoders.AutoencoderNames;
import org.mezzotint.autoencoders.TinyAutoencoderConfig;
import org.mezzotint.golden.Golden;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Safetensors;
import org.mezzotint.io.TensorFile;
import org.mezzotint.io.TorchFile;
import org.mezzotint.models.layers.Init;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scope;

class AutoencoderFormatTest {
    @TempDir
    private Path folder;

    private static AutoencoderFormat.Content tiny(String name) {
        return AutoencoderFormat.DIFFUSERS.read(Golden.path("diffusers/" + name), Settings.none());
    }

    private static void same(AutoencoderFormat.Content a, AutoencoderFormat.Content b) {
        assertThat(b.weights().keySet()).isEqualTo(a.weights().keySet());
        a.weights().forEach((name, tensor) -> assertThat(
                        SameBits.of(tensor, b.weights().get(name)))
                .as(name)
                .isTrue());
    }

    @ParameterizedTest
    @ValueSource(strings = {"vae-tiny", "vae-tiny-old"})
    void everyFormKeepsEveryBit(String name) {
        try (Scope scope = Scope.open()) {
            AutoencoderFormat.Content content = tiny(name);
            Path bundle = folder.resolve("bundle.safetensors");
            AutoencoderFormat.MEZZOTINT.write(content, bundle);
            AutoencoderFormat.Content read = AutoencoderFormat.MEZZOTINT.read(bundle, Settings.none());
            assertThat(read.config()).isEqualTo(content.config());
            same(content, read);
            assertThat(AutoencoderFormat.MEZZOTINT.isIn(bundle)).isTrue();

            Path diffusers = folder.resolve("diffusers");
            AutoencoderFormat.DIFFUSERS.write(read, diffusers);
            AutoencoderFormat.Content again = AutoencoderFormat.DIFFUSERS.read(diffusers, Settings.none());
            assertThat(again.config()).isEqualTo(content.config());
            same(content, again);
            assertThat(AutoencoderFormat.DIFFUSERS.isIn(diffusers)).isTrue();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"vae.safetensors", "vae.ckpt"})
    void stableDiffusionsNamesComeBack(String file) {
        try (Scope scope = Scope.open()) {
            AutoencoderFormat.Content content = tiny("vae-tiny-old");
            Path path = folder.resolve(file);
            AutoencoderFormat.SD_VAE.write(content, path);
            try (TensorFile written = TensorFile.open(path)) {
                assertThat(written.names())
                        .contains("encoder.mid.attn_1.q.weight", "decoder.up.1.block.0.conv1.weight");
                assertThat(written.shape("encoder.mid.attn_1.q.weight")).containsExactly(32, 32, 1, 1);
            }
            AutoencoderFormat.Content back =
                    AutoencoderFormat.SD_VAE.read(path, new Settings(Map.of("normGroups", "8")));
            assertThat(back.config()).isEqualTo(content.config());
            same(content, back);
        }
    }

    @Test
    void theAutoencoderOfAWholeModelIsFound() {
        try (Scope scope = Scope.open()) {
            AutoencoderFormat.Content content = tiny("vae-tiny-old");
            Path alone = folder.resolve("alone.safetensors");
            AutoencoderFormat.SD_VAE.write(content, alone);
            Map<String, Object> inside = new LinkedHashMap<>();
            try (Safetensors file = Safetensors.open(alone)) {
                file.names().forEach(name -> inside.put("first_stage_model." + name, file.tensor(name)));
                inside.put("first_stage_model.loss.logvar", file.tensor("quant_conv.bias"));
                inside.put("model.diffusion_model.out.2.bias", file.tensor("quant_conv.bias"));
            }
            Path whole = folder.resolve("whole.ckpt");
            TorchFile.write(whole, Map.of("state_dict", inside, "global_step", 7L));
            same(content, AutoencoderFormat.SD_VAE.read(whole, new Settings(Map.of("normGroups", "8"))));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {4, 32})
    void theTwoFilesOfATinyAutoencoderAreOne(int channels) {
        TinyAutoencoderConfig config =
                channels == 32 ? TinyAutoencoderConfig.taef2() : TinyAutoencoderConfig.taesd(channels);
        try (Scope scope = Scope.open();
                Init init = Init.random(1, Precision.FLOAT32, new Device("cpu"));
                Autoencoder network = config.create(init)) {
            for (String half : new String[] {"encoder", "decoder"}) {
                Map<String, Object> theirs = new LinkedHashMap<>();
                network.state().forEach((name, tensor) -> {
                    if (name.startsWith(half)) {
                        theirs.put(AutoencoderNames.toTaesd(name), tensor.detach());
                    }
                });
                TorchFile.write(folder.resolve("tiny_" + half + ".pth"), theirs);
            }
            AutoencoderFormat.Content read = AutoencoderFormat.TAESD.read(folder, Settings.none());
            assertThat(read.config()).isEqualTo(config);
            same(new AutoencoderFormat.Content(config, network.state()), read);
            assertThatThrownBy(() -> AutoencoderFormat.TAESD.read(folder.resolve("tiny_encoder.pth"), Settings.none()))
                    .hasMessageContaining("must be a folder");
            assertThatThrownBy(() -> AutoencoderFormat.TAESD.write(read, folder.resolve("x")))
                    .hasMessageContaining("read only");
        }
    }

    @Test
    void whatDoesNotFitIsNamed() {
        try (Scope scope = Scope.open()) {
            AutoencoderFormat.Content content = tiny("vae-tiny-old");
            Path path = folder.resolve("vae.safetensors");
            Map<String, Tensor> less = new LinkedHashMap<>(content.weights());
            less.remove("encoder.conv_out.bias");
            less.put("encoder.conv_out.bia", content.weights().get("quant_conv.bias"));
            Safetensors.write(path, less, Map.of());
            assertThatThrownBy(() -> AutoencoderFormat.SD_VAE.read(path, Settings.none()))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("encoder.down.0.block.0.conv1.weight");
            Path model = Golden.path("kd-checkpoint/tiny_inference_fp32.safetensors");
            assertThatThrownBy(() -> AutoencoderFormat.SD_VAE.read(model, Settings.none()))
                    .hasMessageContaining("no tensor encoder.conv_in.weight");
            assertThatThrownBy(() -> AutoencoderFormat.DIFFUSERS.write(content, folder))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("exists already");
        }
    }
}
