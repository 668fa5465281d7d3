package org.mezzotint.models.layers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.golden.Golden;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class LeGallWaveletTest {
    private static double tolerance(ScalarType type) {
        return type == ScalarType.Double ? 1e-13 : 1e-5;
    }

    private static Golden golden(String name) {
        return Golden.open("simple-diffusion/wavelet53-" + name);
    }

    @ParameterizedTest
    @CsvSource({"square, Double", "rect, Double", "square, Float", "rect, Float"})
    void oneLevelAndItsInverseEqualTheReference(String name, ScalarType type) {
        try (Scope scope = Scope.open();
                Golden golden = golden(name)) {
            Tensor bands = LeGallWavelet.forward(golden.get("in.x", type), 1);
            Golden.assertClose("bands", Tensors.doubles(bands), golden.doubles("out.dwt1"), tolerance(type));
            Tensor back = LeGallWavelet.inverse(golden.get("in.coefficients", type), 1);
            Golden.assertClose("pictures", Tensors.doubles(back), golden.doubles("out.idwt1"), tolerance(type));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"square", "rect"})
    void theGradientIsTheAdjointWhichIsNotTheInverse(String name) {
        try (Scope scope = Scope.open();
                Golden golden = golden(name)) {
            Tensor x = golden.get("in.x", ScalarType.Double).requires_grad_(true);
            Tensor cotangent = golden.get("in.cotangent", ScalarType.Double);
            LeGallWavelet.forward(x, 1).mul(cotangent).sum().backward();
            Golden.assertClose("gradient", Tensors.doubles(x.grad()), golden.doubles("grad.x"), 1e-13);
            double[] inverse = Tensors.doubles(LeGallWavelet.inverse(cotangent, 1));
            assertThat(Tensors.doubles(x.grad())[5]).isNotCloseTo(inverse[5], within(1e-3));
        }
    }

    /** Of every linear map A: ⟨A·y, z⟩ = ⟨y, Aᵀ·z⟩. */
    @Test
    void theGradientOfTheInverseIsItsAdjoint() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(3)) {
            Tensor y = rng.normal(ScalarType.Double, 1, 48, 2, 3).requires_grad_(true);
            Tensor z = rng.normal(ScalarType.Double, 1, 3, 8, 12);
            Tensor product = LeGallWavelet.inverse(y, 2).mul(z).sum();
            product.backward();
            double other = y.detach().mul(y.grad()).sum().item_double();
            assertThat(product.item_double()).isCloseTo(other, within(1e-10));
        }
    }

    /** LL2 LH2 HL2 HH2, then the bands of level one as squares of 2 × 2 cells, moved here one by one. */
    @ParameterizedTest
    @ValueSource(strings = {"square", "rect"})
    void twoLevelsTransformLlAgainAndFoldTheOtherBands(String name) {
        try (Scope scope = Scope.open();
                Golden golden = golden(name)) {
            Tensor x = golden.get("in.x", ScalarType.Double);
            Tensor bands = LeGallWavelet.forward(x, 2);
            int n = (int) x.size(0);
            int c = (int) x.size(1);
            int rows = (int) x.size(2) / 4;
            int columns = (int) x.size(3) / 4;
            double[] ll = golden.doubles("out.dwt2_ll");
            double[] coarse = golden.doubles("out.dwt2_detail_level2");
            double[] fine = golden.doubles("out.dwt2_detail_level1");
            double[] expected = new double[n * 16 * c * rows * columns];
            int at = 0;
            for (int i = 0; i < n; i++) {
                for (int channel = 0; channel < 16 * c; channel++) {
                    for (int r = 0; r < rows; r++) {
                        for (int s = 0; s < columns; s++, at++) {
                            int cell = r * columns + s;
                            if (channel < c) {
                                expected[at] = ll[(i * c + channel) * rows * columns + cell];
                            } else if (channel < 4 * c) {
                                expected[at] = coarse[(i * 3 * c + channel - c) * rows * columns + cell];
                            } else {
                                int place = (channel - 4 * c) % 4;
                                int band = (channel - 4 * c) / 4;
                                int row = 2 * r + place / 2;
                                int column = 2 * s + place % 2;
                                expected[at] = fine[((i * 3 * c + band) * 2 * rows + row) * 2 * columns + column];
                            }
                        }
                    }
                }
            }
            Golden.assertClose("two levels", Tensors.doubles(bands), expected, 1e-13);
            assertThat(Tensors.doubles(bands)).isNotEqualTo(golden.doubles("out.packet2")); // not the packet transform
        }
    }

    @ParameterizedTest
    @CsvSource({"1, 2, 2", "1, 6, 10", "2, 12, 20", "3, 8, 24"})
    void theInverseIsExact(int levels, int height, int width) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(4)) {
            Tensor x = rng.normal(ScalarType.Double, 2, 3, height, width);
            Tensor bands = LeGallWavelet.forward(x, levels);
            assertThat(bands.shape()).containsExactly(2, 3L << (2 * levels), height >> levels, (long) width >> levels);
            assertThat(Tensors.doubles(LeGallWavelet.inverse(bands, levels)))
                    .containsExactly(Tensors.doubles(x), within(1e-13));
            Tensor y = rng.normal(ScalarType.Double, bands.shape());
            assertThat(Tensors.doubles(LeGallWavelet.forward(LeGallWavelet.inverse(y, levels), levels)))
                    .containsExactly(Tensors.doubles(y), within(1e-12));
        }
    }

    /** Unit impulses along the width of pictures that are constant along the height. */
    @Test
    void theFiltersAreThoseOfTheReference() {
        try (Scope scope = Scope.open();
                Golden golden = golden("square")) {
            double[] impulses = new double[8 * 2 * 8];
            IntStream.range(0, 8).forEach(i -> {
                impulses[i * 16 + i] = 1;
                impulses[i * 16 + 8 + i] = 1;
            });
            double[] bands =
                    Tensors.doubles(LeGallWavelet.forward(Tensors.of(impulses).view(8, 1, 2, 8), 1)); // (8, 4, 1, 4)
            double[] low = golden.doubles("out.matrix_low_n8");
            double[] high = golden.doubles("out.matrix_high_n8");
            for (int i = 0; i < 8; i++) {
                for (int k = 0; k < 4; k++) {
                    assertThat(bands[i * 16 + k]).isCloseTo(low[k * 8 + i], within(1e-15)); // LL
                    assertThat(bands[i * 16 + 8 + k]).isCloseTo(high[k * 8 + i], within(1e-15)); // HL
                    assertThat(bands[i * 16 + 4 + k]).isZero(); // LH
                    assertThat(bands[i * 16 + 12 + k]).isZero(); // HH
                }
            }
        }
    }

    @Test
    void sizesThatDoNotFitAreRefusedWithNameRuleAndValue() {
        try (Scope scope = Scope.open()) {
            assertThatThrownBy(() -> LeGallWavelet.forward(Tensors.empty(ScalarType.Float, 1, 3, 8, 7), 1))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("width must be a multiple of 2 for a wavelet of 1 level, got 7");
            assertThatThrownBy(() -> LeGallWavelet.forward(Tensors.empty(ScalarType.Float, 1, 3, 6, 8), 2))
                    .hasMessage("height must be a multiple of 4 for a wavelet of 2 levels, got 6");
            assertThatThrownBy(() -> LeGallWavelet.inverse(Tensors.empty(ScalarType.Float, 1, 12, 6, 8), 2))
                    .hasMessage("channels of coefficients must be a multiple of 16 for a wavelet of 2 levels, got 12");
            assertThatThrownBy(() -> LeGallWavelet.forward(Tensors.empty(ScalarType.Float, 3, 8, 8), 1))
                    .hasMessage("x must have shape (any, any, any, any), got (3, 8, 8)");
            assertThatThrownBy(() -> LeGallWavelet.forward(Tensors.empty(ScalarType.Float, 1, 3, 8, 8), 0))
                    .hasMessage("levels must be 1 to 16, got 0");
        }
    }
}
