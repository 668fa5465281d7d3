package org.mezzotint.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.models.ImageDiffiTConfig.Decoder;
import org.mezzotint.models.ImageDiffiTConfig.Encoder;
import org.mezzotint.models.ImageDiffiTConfig.Stage;
import org.mezzotint.models.ImageDiffiTConfig.Time;
import org.mezzotint.models.ImageDiffiTConfig.TimeEmbedding;
import org.mezzotint.models.layers.Init;

class NamedImageDiffiTTest {
    @Test
    void thePlainNamesAreThePapers() {
        ImageDiffiTConfig cifar = NamedImageDiffiT.named("diffit-cifar10", 0);
        assertThat(cifar.height()).isEqualTo(32);
        assertThat(cifar.rows(2)).isEqualTo(8);
        assertThat(cifar.window()).isEqualTo(4);
        assertThat(cifar.stages()).containsExactly(new Stage(256, 4), new Stage(256, 4), new Stage(256, 4));
        ImageDiffiTConfig ffhq = NamedImageDiffiT.named("diffit-ffhq-64", 0);
        assertThat(ffhq.height()).isEqualTo(64);
        assertThat(ffhq.rows(3)).isEqualTo(8);
        assertThat(ffhq.window()).isEqualTo(8);
        assertThat(ffhq.stages())
                .containsExactly(new Stage(128, 4), new Stage(256, 4), new Stage(256, 4), new Stage(256, 4));
        for (ImageDiffiTConfig config : new ImageDiffiTConfig[] {cifar, ffhq}) {
            assertThat(config.timeWidth()).isEqualTo(512);
            assertThat(config.numClasses()).isZero();
            assertThat(config.optionalInputs()).containsExactly("augmentation");
            assertThat(config.patch()).isEqualTo(1);
        }
        assertThat(NamedImageDiffiT.named("diffit-cifar10-e", 0)).isEqualTo(cifar);
    }

    @Test
    void bothReadingsOfTheNumbersOfBlocksHaveNames() {
        assertThat(NamedImageDiffiT.named("diffit-cifar10-222", 0).stages().stream()
                        .map(Stage::blocks))
                .containsExactly(2, 2, 2);
        assertThat(NamedImageDiffiT.named("diffit-ffhq-64-1222", 0).stages().stream()
                        .map(Stage::blocks))
                .containsExactly(1, 2, 2, 2);
    }

    @Test
    void theAblationsDifferInWhatTheyAreNamedFor() {
        assertThat(NamedImageDiffiT.named("diffit-ffhq-64-token-256-time-256", 0)
                        .timeWidth())
                .isEqualTo(256);
        assertThat(NamedImageDiffiT.named("diffit-cifar10-token-512-time-512", 0)
                        .stages()
                        .get(2)
                        .width())
                .isEqualTo(512);
        assertThat(NamedImageDiffiT.named("diffit-ffhq-64-window-2", 0).window())
                .isEqualTo(2);
        assertThat(NamedImageDiffiT.named("diffit-cifar10-separate", 0).design().time())
                .isEqualTo(Time.TOKEN);
        assertThat(NamedImageDiffiT.named("diffit-cifar10-fourier", 0).design().timeEmbedding())
                .isEqualTo(TimeEmbedding.FOURIER);
        assertThat(NamedImageDiffiT.named("diffit-cifar10-bias", 0).design().time())
                .isEqualTo(Time.BIAS);
        assertThat(NamedImageDiffiT.named("diffit-cifar10-mlp", 0).design().time())
                .isEqualTo(Time.MLP);
        ImageDiffiTConfig a = NamedImageDiffiT.named("diffit-cifar10-a", 0);
        assertThat(a.stages()).hasSize(1);
        assertThat(a.window()).isEqualTo(a.rows(0)).isEqualTo(16);
        assertThat(NamedImageDiffiT.named("diffit-cifar10-b", 0).design().decoder())
                .isEqualTo(Decoder.MLA);
        assertThat(NamedImageDiffiT.named("diffit-cifar10-c", 0).design().decoder())
                .isEqualTo(Decoder.PLAIN);
        assertThat(NamedImageDiffiT.named("diffit-cifar10-d", 0).design().encoder())
                .isEqualTo(Encoder.DIFFIT);
    }

    /**
     * Counts again, from the shapes of the weights: each element of a weight is used once for each place of its map, plus the
     * products of queries and keys, and of weights and values.
     */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "diffit-cifar10",
                "diffit-ffhq-64-1222",
                "diffit-cifar10-a",
                "diffit-cifar10-b",
                "diffit-cifar10-c",
                "diffit-cifar10-d",
                "diffit-cifar10-bias",
                "diffit-cifar10-mlp",
                "diffit-cifar10-separate"
            })
    void multiplyAccumulatesFollowFromTheShapesOfTheWeights(String name) {
        ImageDiffiTConfig config = NamedImageDiffiT.named(name, 0);
        long macs = 0;
        long parameters = 0;
        try (Init shapes = Init.shapesOnly();
                ImageDiffiT model = config.create(shapes)) {
            for (Map.Entry<String, Tensor> entry : model.trainable().entrySet()) {
                long[] shape = entry.getValue().shape();
                parameters += entry.getValue().numel();
                if (shape.length < 2 || entry.getKey().endsWith("table")) {
                    continue; // biases and norms
                }
                macs += places(entry.getKey(), config) * entry.getValue().numel();
                if (entry.getKey().endsWith("attn.proj.weight")) {
                    boolean token = entry.getKey().startsWith("encoder")
                            ? config.design().time() == Time.TOKEN
                            : config.design().time() == Time.TOKEN
                                    && config.design().decoder() == Decoder.DIFFIT;
                    long keys = (long) config.window() * config.window() + (token ? 1 : 0);
                    macs += 2 * places(entry.getKey(), config) * keys * shape[0];
                }
            }
        }
        assertThat(config.cost().parameters()).isEqualTo(parameters);
        assertThat(config.cost().macs()).isEqualTo(macs);
    }

    /** How many places a weight is applied to. */
    private static long places(String name, ImageDiffiTConfig config) {
        if (name.startsWith("time_token") || name.contains("temb") || name.contains(".time.")) {
            return 1; // once a picture
        }
        Matcher stage = Pattern.compile("(stages|downs|ups|fuses|reduce|mix)\\.(\\d+)\\..*")
                .matcher(name);
        int at = 0;
        if (stage.find()) {
            at = Integer.parseInt(stage.group(2));
            at += stage.group(1).equals("downs") ? 1 : 0;
            at = config.stages().size() == 1 ? 0 : at;
        } else if (name.equals("decoder.open.weight")) {
            at = config.stages().size() - 1;
        }
        return (long) config.rows(at) * config.columns(at);
    }

    @Test
    void aSizeThatTheStagesDivideIsTakenAndOthersAreRefused() {
        ImageDiffiTConfig large = NamedImageDiffiT.named("diffit-cifar10", 48);
        assertThat(large.rows(2)).isEqualTo(12);
        assertThat(large.cost().parameters())
                .isEqualTo(NamedImageDiffiT.named("diffit-cifar10", 0).cost().parameters());
        assertThatThrownBy(() -> NamedImageDiffiT.named("diffit-cifar10", 34))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("height must be a multiple of patch times 2 for each further stage, got 34 and 4");
        assertThatThrownBy(() -> NamedImageDiffiT.named("diffit-cifar10-z", 0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("model must be one of diffit-cifar10, diffit-cifar10-222, ")
                .hasMessageEndingWith(", got diffit-cifar10-z");
    }
}
