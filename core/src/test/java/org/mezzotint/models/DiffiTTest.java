package org.mezzotint.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.mezzotint.io.Yaml;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class DiffiTTest {
    private static DiffiTConfig with(int height, int width, int patch, int hidden, int heads, double ratio) {
        return new DiffiTConfig(
                height, width, 3, patch, hidden, 2, heads, ratio, 5, true, true, DiffiTConfig.Time.TMSA);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            9 | 8 | 2 | 16 | 2 | 4 | height must be a multiple of patchSize, got 9 and 2
            8 | 8 | 2 | 16 | 3 | 4 | hiddenSize must be a multiple of numHeads, got 16 and 3
            8 | 8 | 2 | 18 | 3 | 4 | hiddenSize must be a multiple of 4 for 2-D positions, got 18
            8 | 0 | 2 | 16 | 2 | 4 | width must be at least 1, got 0
            8 | 8 | 2 | 16 | 2 | 0 | mlpRatio must be above 0 and at most 64, got 0.0
            130 | 128 | 2 | 16 | 2 | 4 | height and width must give at most 4096 patches, between each two of which there is a bias, got a grid of 65 times 64
            """)
    void wrongShapesAreRefused(int height, int width, int patch, int hidden, int heads, double ratio, String message) {
        assertThatThrownBy(() -> with(height, width, patch, hidden, heads, ratio))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(message);
    }

    @Test
    void aConfigurationSurvivesItsFile() {
        DiffiTConfig config = with(8, 12, 2, 16, 4, 2.5).withTime(DiffiTConfig.Time.BIAS);
        String json = Yaml.toJson((ModelConfig) config);
        assertThat(json).contains("\"type\":\"diffit\"", "\"time\":\"bias\"").doesNotContain("macs");
        assertThat(Yaml.fromJson(json, "test", ModelConfig.class)).isEqualTo(config);
    }

    @Test
    void anUnknownNameIsRefusedWithTheNearest() {
        assertThatThrownBy(() -> NamedDiffiT.named("diffit-257"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("unknown model diffit-257, did you mean \"diffit-256\"?");
    }

    /** The decoder starts at zero, and nothing modulates. */
    @Test
    void freshModelPredictsZero() {
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(1);
                Init init = Init.random(3, Precision.FLOAT32, new Device("cpu"));
                DiffiT diffit = with(8, 12, 2, 16, 4, 2).create(init)) {
            Tensor y = diffit.forward(
                    rng.normal(ScalarType.Float, 2, 3, 8, 12),
                    Tensors.of(3L, 900L),
                    Conditioning.classes(1, 5),
                    Tape.plain());
            assertThat(Tensors.doubles(y)).hasSize(2 * 6 * 8 * 12).containsOnly(0);
        }
    }

    /** Blocks share one index: at 32 × 32 tokens it takes 8 MB. */
    @Test
    void blocksShareTheIndexOfRelativePositions() {
        try (Scope scope = Scope.open();
                Init init = Init.random(3, Precision.FLOAT32, new Device("cpu"));
                DiffiT diffit = with(8, 12, 2, 16, 4, 2).create(init)) {
            assertThat(diffit.state()
                            .get("blocks.1.attn.relative_position_index")
                            .data_ptr())
                    .isEqualTo(diffit.state()
                            .get("blocks.0.attn.relative_position_index")
                            .data_ptr());
        }
    }
}
