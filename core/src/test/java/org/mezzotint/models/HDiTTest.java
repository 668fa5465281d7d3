package org.mezzotint.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.mezzotint.models.HDiTConfig.Design;
import org.mezzotint.models.HDiTConfig.FeedForward;
import org.mezzotint.models.HDiTConfig.Global;
import org.mezzotint.models.HDiTConfig.Level;
import org.mezzotint.models.HDiTConfig.Mapping;
import org.mezzotint.models.HDiTConfig.Neighborhood;
import org.mezzotint.models.HDiTConfig.Norm;
import org.mezzotint.models.HDiTConfig.Position;
import org.mezzotint.models.HDiTConfig.ShiftedWindow;
import org.mezzotint.models.HDiTConfig.Similarity;
import org.mezzotint.models.HDiTConfig.Skip;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class HDiTTest {
    private static HDiTConfig with(Design design) {
        return new HDiTConfig(
                8,
                8,
                3,
                1,
                1,
                List.of(new Level(16, 1, 24, new Neighborhood(8, 3), 0), new Level(16, 1, 24, new Global(8), 0)),
                new Mapping(8, 1, 12, 0),
                2,
                0,
                design);
    }

    private static double[] output(HDiT hdit, Tensor x, Map<String, Tensor> more) {
        java.util.Map<String, Tensor> inputs = new java.util.LinkedHashMap<>(more);
        inputs.put(Conditioning.CLASS, Tensors.of(0L, 2L));
        try (NoGradGuard noGrad = new NoGradGuard()) {
            return Tensors.doubles(hdit.forward(x, Tensors.of(0.3, 2.0), Conditioning.of(inputs), Tape.plain()));
        }
    }

    @Test
    void aFreshNetworkGivesZeroBecauseItsLastProjectionIsZero() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1);
                Init init = Init.random(1, Precision.FLOAT64, new Device("cpu"));
                HDiT hdit = with(Design.paper()).create(init)) {
            assertThat(output(hdit, rng.normal(ScalarType.Double, 2, 3, 8, 8), Map.of()))
                    .containsOnly(0);
            assertThat(Tensors.doubles(hdit.state().get("mid_level.0.self_attn.scale")))
                    .containsOnly(10);
            assertThat(Tensors.doubles(hdit.state().get("splits.0.fac"))).containsExactly(0.5);
        }
    }

    /** Each choice of the ablation, everything else as in the paper, with the same random parameters where names agree. */
    @ParameterizedTest
    @CsvSource({
        "LEARNED, COSINE, GEGLU, ADA_RMS_NORM, false, LERP",
        "AXIAL_ROPE_FULL, COSINE, GEGLU, ADA_RMS_NORM, false, LERP",
        "AXIAL_ROPE, DOT_PRODUCT, GEGLU, ADA_RMS_NORM, false, LERP",
        "AXIAL_ROPE, COSINE, GELU, ADA_RMS_NORM, false, LERP",
        "AXIAL_ROPE, COSINE, GEGLU, ADA_LN, false, LERP",
        "AXIAL_ROPE, COSINE, GEGLU, ADA_RMS_NORM, true, LERP",
        "AXIAL_ROPE, COSINE, GEGLU, ADA_RMS_NORM, false, ADD",
        "AXIAL_ROPE, COSINE, GEGLU, ADA_RMS_NORM, false, CONCATENATE"
    })
    void everyChoiceChangesTheResult(
            Position position, Similarity similarity, FeedForward feedForward, Norm norm, boolean gate, Skip skip) {
        Design design = new Design(position, similarity, feedForward, norm, gate, skip);
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1)) {
            Tensor x = rng.normal(ScalarType.Double, 2, 3, 8, 8);
            double[][] results = new double[2][];
            for (int i = 0; i < 2; i++) {
                try (Model hdit = ModelContract.random(with(i == 0 ? design : Design.paper()), Precision.FLOAT64, 3)) {
                    hdit.trainable().forEach((name, parameter) -> { // the same numbers whatever else there is
                        rng.reseed(name.hashCode()).fillNormal(parameter.detach());
                        if (name.endsWith("attn.scale")) {
                            parameter.detach().abs_();
                        }
                    });
                    results[i] = output((HDiT) hdit, x, Map.of());
                }
            }
            assertThat(results[0]).isNotEqualTo(results[1]).doesNotContain(Double.NaN);
        }
    }

    @Test
    void theAugmentationVectorMayBeAbsentAndIsThenZero() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1);
                Model hdit = ModelContract.random(with(Design.paper()), Precision.FLOAT64, 3)) {
            Tensor x = rng.normal(ScalarType.Double, 2, 3, 8, 8);
            double[] absent = output((HDiT) hdit, x, Map.of());
            Tensor nine = rng.normal(ScalarType.Double, 2, 9);
            assertThat(output((HDiT) hdit, x, Map.of(HDiT.AUGMENTATION, nine.sub(nine))))
                    .isEqualTo(absent);
            assertThat(output((HDiT) hdit, x, Map.of(HDiT.AUGMENTATION, nine))).isNotEqualTo(absent);
        }
    }

    private static HDiTConfig sized(int height, int width, HDiTConfig.Attention outer, int headWidth) {
        return new HDiTConfig(
                height,
                width,
                3,
                2,
                2,
                List.of(new Level(32, 1, 24, outer, 0), new Level(32, 1, 24, new Global(headWidth), 0)),
                new Mapping(8, 1, 12, 0),
                0,
                0,
                Design.paper());
    }

    @Test
    void shapesThatDoNotFitAreRefusedWithNameRuleAndValue() {
        assertThatThrownBy(() -> sized(18, 16, new Global(8), 8))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("height must be a multiple of patch side times 2 for each further level, 4, got 18");
        assertThatThrownBy(() -> sized(16, 16, new Neighborhood(8, 9), 8))
                .hasMessage("kernel must be at most the map's height and width, got 9 for level 0 of 8x8 tokens");
        assertThatThrownBy(() -> new Neighborhood(8, 4)).hasMessage("kernel must be odd and at least 3, got 4");
        assertThatThrownBy(() -> sized(16, 24, new ShiftedWindow(8, 8), 8))
                .hasMessage("window must divide the map's height and width, got 8 for level 0 of 8x12 tokens");
        assertThatThrownBy(() -> sized(16, 16, new Global(12), 8))
                .hasMessage("headWidth must be a multiple of 8, got 12");
        assertThatThrownBy(() -> sized(16, 16, new Global(24), 8))
                .hasMessage("levels.width must be a multiple of headWidth, got 32 and 24");
        assertThatThrownBy(() -> new Mapping(9, 1, 8, 0)).hasMessage("mapping.width must be even, got 9");
        assertThatThrownBy(() -> new Level(8, 1, 8, new Global(8), 1))
                .hasMessage("levels.dropout must be 0 or more and below 1, got 1.0");
    }

    @ParameterizedTest
    @CsvSource({"LERP", "ADD", "CONCATENATE"})
    void bfloat16StaysNearFloat32ForwardAndBackward(Skip skip) {
        Design design =
                new Design(Position.AXIAL_ROPE, Similarity.COSINE, FeedForward.GEGLU, Norm.ADA_RMS_NORM, false, skip);
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1)) {
            Tensor x = rng.normal(ScalarType.Float, 2, 3, 8, 8);
            double[][] outputs = new double[2][];
            double[][] gradients = new double[2][];
            for (int i = 0; i < 2; i++) {
                Precision precision = i == 0 ? Precision.FLOAT32 : Precision.BFLOAT16;
                try (Model hdit = ModelContract.random(with(design), precision, 3)) {
                    Tensor y = hdit.forward(
                            x, Tensors.of(0.3, 2.0), Conditioning.classes(Tensors.of(0L, 2L)), Tape.plain());
                    assertThat(Tensors.type(y)).isEqualTo(ScalarType.Float);
                    outputs[i] = Tensors.doubles(y);
                    y.mul(y).sum().backward();
                    gradients[i] = Tensors.doubles(
                            hdit.trainable().get("patch_in.proj.weight").grad());
                }
            }
            assertThat(relative(outputs)).isGreaterThan(0).isLessThan(0.03);
            assertThat(relative(gradients)).isLessThan(0.1);
        }
    }

    /** √(Σ(b − a)²/Σa²). */
    private static double relative(double[][] ab) {
        double error = 0;
        double power = 0;
        for (int i = 0; i < ab[0].length; i++) {
            error += Math.pow(ab[1][i] - ab[0][i], 2);
            power += ab[0][i] * ab[0][i];
        }
        return Math.sqrt(error / power);
    }

    @Test
    void aNoiseLevelThatIsNoneIsRefused() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1);
                Model hdit = ModelContract.random(with(Design.paper()), Precision.FLOAT64, 3)) {
            Tensor x = rng.normal(ScalarType.Double, 1, 3, 8, 8);
            for (double sigma : new double[] {0, -1, Double.NaN, Double.POSITIVE_INFINITY}) {
                assertThatThrownBy(() ->
                                hdit.forward(x, Tensors.of(sigma), Conditioning.classes(Tensors.of(0L)), Tape.plain()))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessage("sigma must be above 0 and finite, got " + sigma);
            }
        }
    }
}
