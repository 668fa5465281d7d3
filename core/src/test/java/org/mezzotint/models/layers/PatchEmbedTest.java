package org.mezzotint.models.layers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class PatchEmbedTest {
    @ParameterizedTest
    @CsvSource({"1, 3, 2, 3, 2, 8", "3, 1, 4, 1, 3, 5", "2, 4, 1, 5, 2, 12", "2, 3, 3, 1, 1, 4"})
    void isAConvolutionWithKernelAndStrideOfThePatch(int n, int channels, int patch, int rows, int columns, int width) {
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(1);
                Init init = Init.random(2, Precision.FLOAT64, new Device("cpu"))) {
            PatchEmbed embed = new PatchEmbed(init, channels, patch, width);
            Tensor weight = embed.state().get("proj.weight");
            Tensor bias = embed.state().get("proj.bias");
            rng.fillNormal(bias);
            assertThat(weight.shape()).containsExactly(width, channels, patch, patch);
            Tensor x = rng.normal(ScalarType.Double, n, channels, (long) rows * patch, (long) columns * patch);
            Tensor tokens = embed.forward(x);
            assertThat(tokens.shape()).containsExactly(n, (long) rows * columns, width);
            Tensor expected = torch.conv2d(
                            x,
                            weight,
                            new TensorOptional(bias),
                            new long[] {patch, patch},
                            new long[] {0, 0},
                            new long[] {1, 1},
                            1) // (N, D, H/P, W/P)
                    .flatten(2, -1)
                    .transpose(1, 2); // (N, T, D)
            assertThat(Tensors.doubles(tokens)).containsExactly(Tensors.doubles(expected), within(1e-12));
            Tensor strided = x.transpose(1, 3).contiguous().transpose(1, 3);
            assertThat(Tensors.doubles(embed.forward(strided))).containsExactly(Tensors.doubles(tokens), within(1e-12));
        }
    }

    @ParameterizedTest
    @CsvSource({"1, 1, 1, 1, 1", "2, 3, 2, 3, 5", "3, 4, 4, 2, 1"})
    void unpatchifyingPutsEveryNumberInItsPlace(int n, int channels, int patch, int rows, int columns) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1)) {
            Tensor tokens = rng.normal(ScalarType.Double, n, (long) rows * columns, (long) patch * patch * channels);
            Tensor picture = PatchEmbed.unpatchify(tokens, patch, channels, rows, columns);
            int height = rows * patch;
            int width = columns * patch;
            assertThat(picture.shape()).containsExactly(n, channels, height, width);
            double[] in = Tensors.doubles(tokens);
            double[] expected = new double[in.length];
            for (int i = 0, at = 0; i < n; i++) {
                for (int c = 0; c < channels; c++) {
                    for (int y = 0; y < height; y++) {
                        for (int x = 0; x < width; x++) {
                            int token = y / patch * columns + x / patch;
                            int inside = (y % patch * patch + x % patch) * channels + c;
                            expected[at++] = in[(i * rows * columns + token) * patch * patch * channels + inside];
                        }
                    }
                }
            }
            assertThat(Tensors.doubles(picture)).containsExactly(expected);
        }
    }

    @Test
    void unpatchifyingUndoesAnEmbeddingThatOnlyCopies() {
        int patch = 2;
        int channels = 3;
        int width = patch * patch * channels;
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(1);
                Init init = Init.blank(Precision.FLOAT64, new Device("cpu"))) {
            PatchEmbed embed = new PatchEmbed(init, channels, patch, width);
            double[] copy = new double[width * width]; // (D, C, P, P): output (row, column, channel) takes that pixel
            for (int row = 0; row < patch; row++) {
                for (int column = 0; column < patch; column++) {
                    for (int c = 0; c < channels; c++) {
                        int out = (row * patch + column) * channels + c;
                        copy[out * width + (c * patch + row) * patch + column] = 1;
                    }
                }
            }
            embed.state().get("proj.weight").copy_(Tensors.of(copy).view(width, channels, patch, patch));
            Tensor x = rng.normal(ScalarType.Double, 2, channels, 6, 4);
            Tensor back = PatchEmbed.unpatchify(embed.forward(x), patch, channels, 3, 2);
            assertThat(Tensors.doubles(back)).containsExactly(Tensors.doubles(x));
        }
    }

    @Test
    void positionsHoldTheColumnFirstAndTheRowLast() {
        double[] table = PatchEmbed.sinCosPositions(12, 2, 3); // not square: rows and columns cannot be mixed up
        assertThat(table).hasSize(2 * 3 * 12);
        for (int token = 0; token < 6; token++) {
            int[] at = {token % 3, token / 3}; // column, row
            for (int channel = 0; channel < 12; channel++) {
                double omega = Math.exp(-Math.log(10000) * (channel % 3) / 3.0);
                double angle = at[channel / 6] * omega;
                double expected = channel % 6 < 3 ? Math.sin(angle) : Math.cos(angle);
                assertThat(table[token * 12 + channel])
                        .as("token %d, channel %d", token, channel)
                        .isCloseTo(expected, within(1e-14));
            }
        }
    }

    @Test
    void positionsNeedAMultipleOfFour() {
        assertThatThrownBy(() -> PatchEmbed.sinCosPositions(6, 2, 2))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("width of 2-D positions must be a multiple of 4, got 6");
    }
}
