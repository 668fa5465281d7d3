package org.mezzotint.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;

class TensorsTest {
    @Test
    void arraysSurviveTheRoundTrip() {
        try (Scope scope = Scope.open()) {
            Tensor longs = Tensors.of(Long.MIN_VALUE, -1, 0, Long.MAX_VALUE);
            assertThat(Tensors.longs(longs)).containsExactly(Long.MIN_VALUE, -1, 0, Long.MAX_VALUE);
            assertThat(Tensors.type(longs)).isSameAs(ScalarType.Long);
            Tensor doubles = Tensors.of(Math.PI, -0.0, Double.MIN_VALUE);
            assertThat(Tensors.doubles(doubles)).containsExactly(Math.PI, -0.0, Double.MIN_VALUE);
            assertThat(Tensors.type(doubles)).isSameAs(ScalarType.Double);
            Tensor floats = Tensors.of(new float[] {1, 2, 3, 4, 5, 0.1f}, 2, 3);
            assertThat(Tensors.floats(floats)).containsExactly(1, 2, 3, 4, 5, 0.1f);
            assertThat(Tensors.type(floats)).isSameAs(ScalarType.Float);
            assertThat(floats.shape()).containsExactly(2, 3);
        }
    }

    @Test
    void emptyArraysSurviveToo() {
        try (Scope scope = Scope.open()) {
            assertThat(Tensors.longs(Tensors.of(new long[0]))).isEmpty();
            assertThat(Tensors.doubles(Tensors.of(new double[0]))).isEmpty();
            assertThat(Tensors.floats(Tensors.of(new float[0], 3, 0))).isEmpty();
            assertThat(Tensors.rgbBytes(Tensors.of(new float[0], 0, 3, 4, 4))).isEmpty();
        }
    }

    @Test
    void aShapeMustHoldAllValues() {
        assertThatThrownBy(() -> Tensors.of(new float[] {1, 2, 3}, 2, 2))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("shape (2, 2) must hold as many values as given, got 3");
    }

    @Test
    void transposedTensorsAreReadInTheirOwnOrder() {
        try (Scope scope = Scope.open()) {
            Tensor turned = Tensors.of(new float[] {1, 2, 3, 4, 5, 6}, 2, 3).transpose(0, 1);
            assertThat(turned.is_contiguous()).isFalse();
            assertThat(Tensors.floats(turned)).containsExactly(1, 4, 2, 5, 3, 6);
            assertThat(Tensors.doubles(turned)).containsExactly(1, 4, 2, 5, 3, 6);
            assertThat(Tensors.longs(turned)).containsExactly(1, 4, 2, 5, 3, 6);
            assertThat(Tensors.floats(turned.select(1, 1))).containsExactly(4, 5, 6);
        }
    }

    @Test
    void anyTypeIsReadAsAnyOther() {
        try (Scope scope = Scope.open()) {
            assertThat(Tensors.floats(Tensors.of(1, 2))).containsExactly(1, 2);
            assertThat(Tensors.longs(Tensors.of(1.9, -1.9))).containsExactly(1, -1);
            assertThat(Tensors.doubles(Tensors.of(0.1).to(ScalarType.BFloat16))).containsExactly(0.10009765625);
            assertThat(Tensors.doubles(Tensors.of(1.0, 2.0).requires_grad_(true)))
                    .containsExactly(1, 2);
        }
    }

    @Test
    void emptyTensorsHaveTheAskedTypeAndShape() {
        try (Scope scope = Scope.open()) {
            Tensor t = Tensors.empty(ScalarType.Half, 2, 0, 3);
            assertThat(Tensors.type(t)).isSameAs(ScalarType.Half);
            assertThat(t.shape()).containsExactly(2, 0, 3);
            Tensor zeros = torch.zeros(new long[] {2}, Tensors.options(ScalarType.Int, new Device("meta")));
            assertThat(Tensors.type(zeros)).isSameAs(ScalarType.Int);
            assertThat(zeros.device().str().getString()).isEqualTo("meta");
        }
    }

    @Test
    void readingLeavesNoNativeMemoryBehind() {
        try (Scope scope = Scope.open()) {
            Tensor t = Tensors.of(new float[12], 1, 3, 2, 2);
            long before = Pointer.totalCount();
            Tensors.floats(t);
            Tensors.doubles(t);
            Tensors.longs(t);
            Tensors.rgbBytes(t);
            assertThat(Pointer.totalCount()).isLessThanOrEqualTo(before);
        }
    }

    @Test
    void bytesAreClampedAndCutAsInTheDiTCode() {
        float[] values = {-2, -1, -0.999f, -0.5f, 0, 0.0039f, 0.004f, 0.5f, 0.99f, 0.9961f, 1, 2};
        try (Scope scope = Scope.open()) {
            byte[] bytes = Tensors.rgbBytes(Tensors.of(values, 1, 3, 2, 2));
            for (int pixel = 0; pixel < 4; pixel++) {
                for (int channel = 0; channel < 3; channel++) {
                    float scaled = 127.5f * values[4 * channel + pixel] + 128;
                    int expected = (int) Math.max(0, Math.min(255, scaled));
                    assertThat(bytes[3 * pixel + channel] & 255).isEqualTo(expected);
                }
            }
            assertThat(bytes[1] & 255).isEqualTo(128); // 0, the first pixel's green
        }
    }

    @Test
    void oneChannelBecomesThreeEqualOnes() {
        try (Scope scope = Scope.open()) {
            byte[] bytes = Tensors.rgbBytes(Tensors.of(new float[] {-1, 0, 0.5f, 1}, 2, 1, 1, 2));
            assertThat(bytes).containsExactly(0, 0, 0, 128, 128, 128, 191, 191, 191, 255, 255, 255);
        }
    }

    @Test
    void nonContiguousPicturesBecomeTheSameBytes() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1)) {
            Tensor pictures = rng.normal(ScalarType.Float, 2, 3, 5, 7);
            Tensor strided = pictures.permute(2, 0, 3, 1)
                    .contiguous()
                    .permute(1, 3, 0, 2)
                    .requires_grad_(true);
            assertThat(strided.is_contiguous()).isFalse();
            assertThat(Tensors.rgbBytes(strided)).containsExactly(Tensors.rgbBytes(pictures));
            assertThat(Tensors.rgbBytes(pictures.to(ScalarType.Double))).containsExactly(Tensors.rgbBytes(pictures));
        }
    }

    @Test
    void otherThanOneOrThreeChannelsAreRefused() {
        try (Scope scope = Scope.open()) {
            assertThatThrownBy(() -> Tensors.rgbBytes(Tensors.of(new float[8], 1, 2, 2, 2)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("pictures must have shape (1, 3, 2, 2), got (1, 2, 2, 2)");
            assertThatThrownBy(() -> Tensors.rgbBytes(Tensors.of(new float[12], 3, 2, 2)))
                    .hasMessage("pictures must have shape (any, any, any, any), got (3, 2, 2)");
        }
    }
}
