package org.mezzotint.autoencoders;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.mezzotint.golden.Golden;
import org.mezzotint.models.layers.Init;
import org.mezzotint.tensor.Devices;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** Folders written by diffusers, and what diffusers made of them. */
class AutoencoderKLGoldenTest {
    @ParameterizedTest
    @CsvSource({"vae-tiny, FLOAT64", "vae-tiny, FLOAT32", "vae-tiny-old, FLOAT64", "vae-tiny-old, FLOAT32"})
    void everyResultEqualsTheReference(String name, Precision precision) {
        ScalarType type = precision.storage();
        try (Golden golden = Golden.open("diffusers/" + name);
                Scope scope = Scope.open();
                Autoencoder autoencoder =
                        PublishedAutoencoders.diffusers(Golden.path("diffusers/" + name), precision, Devices.cpu())) {
            double tolerance = golden.tolerance(type);
            assertThat(autoencoder.config().latents())
                    .isEqualTo(LatentScale.of(golden.doubles("out.scaling_factor")[0]));

            Set<String> stages = new TreeSet<>();
            Posterior posterior = ((AutoencoderKL) autoencoder)
                    .encode(golden.get("in.image", type), (stage, tensor) -> {
                        if (golden.has("out.stage." + stage)) {
                            stages.add(stage);
                            check(golden, "stage." + stage, tensor, tolerance);
                        }
                    });
            assertThat(stages)
                    .containsExactlyElementsOf(
                            golden.config().get("stages").asBoolean()
                                    ? List.of("encoder_down0", "encoder_mid_attention")
                                    : List.of());
            Posterior.Gaussian gaussian = (Posterior.Gaussian) posterior;
            check(golden, "mean", posterior.mean(), tolerance);
            check(golden, "logvar", gaussian.logVariance(), tolerance);
            check(golden, "std", gaussian.deviation(), tolerance);
            check(golden, "sample", posterior.sample(golden.get("in.noise", type)), tolerance);
            check(golden, "kl", gaussian.kl(), tolerance);
            check(golden, "decoded", autoencoder.decode(golden.get("in.latent", type)), tolerance);
        }
    }

    private static void check(Golden golden, String name, Tensor actual, double tolerance) {
        Golden.assertClose(name, Tensors.doubles(actual), golden.doubles("out." + name), tolerance);
    }

    @Test
    void namesShapesAndOrderEqualTheReference() throws IOException {
        JsonNode golden = new ObjectMapper()
                .readTree(Golden.path("diffusers/params-sd-vae.json").toFile());
        List<String> expected = new ArrayList<>();
        golden.get("state_dict").forEach(entry -> expected.add(entry.get(0).asText() + entry.get(1)));
        try (Init init = Init.shapesOnly();
                AutoencoderKL shapes = AutoencoderKLConfig.stableDiffusion().create(init)) {
            List<String> actual = new ArrayList<>();
            shapes.state()
                    .forEach((name, tensor) ->
                            actual.add(name + Arrays.toString(tensor.shape()).replace(" ", "")));
            assertThat(actual).isEqualTo(expected);
            assertThat(shapes.trainable().values().stream()
                            .mapToLong(Tensor::numel)
                            .sum())
                    .isEqualTo(golden.get("parameters").asLong());
        }
    }

    /** Counts each weight once for every pixel of the map that it makes; where that map lies, its name says. */
    @ParameterizedTest
    @CsvSource({"256, 256", "64, 128"})
    void macsAreTheWeightsTimesTheirPixels(int height, int width) throws IOException {
        JsonNode golden = new ObjectMapper()
                .readTree(Golden.path("diffusers/params-sd-vae.json").toFile());
        long encode = 0;
        long decode = 0;
        for (JsonNode entry : golden.get("state_dict")) {
            String name = entry.get(0).asText();
            long numbers = 1;
            for (JsonNode length : entry.get(1)) {
                numbers *= length.asLong();
            }
            if (entry.get(1).size() > 1) {
                boolean inEncoder = name.startsWith("encoder") || name.startsWith("quant");
                long macs = numbers * (height / side(name)) * (width / side(name));
                encode += inEncoder ? macs : 0;
                decode += inEncoder ? 0 : macs;
            }
        }
        long pixels = (long) height / 8 * width / 8;
        AutoencoderKLConfig config = AutoencoderKLConfig.stableDiffusion();
        assertThat(config.encodeMacs(height, width)).isEqualTo(encode + 2 * pixels * pixels * 512);
        assertThat(config.decodeMacs(height, width)).isEqualTo(decode + 2 * pixels * pixels * 512);
    }

    /** How many times smaller than the picture the result of a layer is. */
    private static int side(String name) {
        if (name.startsWith("encoder.conv_in") || name.startsWith("decoder.conv_out")) {
            return 1;
        }
        if (name.startsWith("encoder.down_blocks.")) {
            int level = name.charAt("encoder.down_blocks.".length()) - '0';
            return 1 << (name.contains("downsamplers") ? level + 1 : level);
        }
        if (name.startsWith("decoder.up_blocks.")) {
            int level = name.charAt("decoder.up_blocks.".length()) - '0';
            return 8 >> (name.contains("upsamplers") ? level + 1 : level);
        }
        return 8;
    }
}
