package org.mezzotint.sample;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class SeededNoiseTest {
    @ParameterizedTest
    @EnumSource(
            value = ScalarType.class,
            names = {"Float", "Double"})
    void noiseOfASeedIsTheSameAloneAndInAnyOrder(ScalarType type) {
        try (Scope scope = Scope.open();
                SeededNoise alone = new SeededNoise(42);
                SeededNoise first = new SeededNoise(42, 7, 8);
                SeededNoise last = new SeededNoise(8, 7, 42)) {
            Tensor a = alone.initial(type, 3, 4, 5);
            Tensor b = first.initial(type, 3, 4, 5);
            Tensor c = last.initial(type, 3, 4, 5);
            assertThat(b.shape()).containsExactly(3, 3, 4, 5);
            for (int step = 0; step < 3; step++) {
                assertThat(Tensors.type(a)).isSameAs(type);
                assertThat(Tensors.doubles(b.select(0, 0))).containsExactly(Tensors.doubles(a));
                assertThat(Tensors.doubles(c.select(0, 2))).containsExactly(Tensors.doubles(a));
                assertThat(Tensors.doubles(c.select(0, 1))).containsExactly(Tensors.doubles(b.select(0, 1)));
                assertThat(Tensors.doubles(b.select(0, 1))).isNotEqualTo(Tensors.doubles(a));
                Tensor previous = a;
                a = alone.draw(step, a);
                b = first.draw(step, b);
                c = last.draw(step, c);
                assertThat(Tensors.doubles(a)).isNotEqualTo(Tensors.doubles(previous));
            }
        }
    }

    @Test
    void eachStreamHasTheBitsOfAGeneratorOfItsSeed() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(42);
                SeededNoise noise = new SeededNoise(1, 42)) {
            Tensor start = noise.initial(ScalarType.Float, 3, 32, 32);
            Tensor step = noise.draw(0, start);
            assertThat(Tensors.floats(start.select(0, 1)))
                    .containsExactly(Tensors.floats(rng.normal(ScalarType.Float, 3, 32, 32)))
                    .startsWith(1.9269153f, 1.4872841f); // torch.randn(3072) in Python
            assertThat(Tensors.floats(step.select(0, 1)))
                    .containsExactly(Tensors.floats(rng.normal(ScalarType.Float, 3, 32, 32)));
        }
    }

    @Test
    void aBatchHasOnePictureASeed() {
        try (Scope scope = Scope.open();
                SeededNoise noise = new SeededNoise(1, 2)) {
            assertThatThrownBy(() -> noise.draw(0, torch.zeros(3, 1, 2, 2)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("the batch must have one picture a seed, got 3 and 2");
        }
    }

    @Test
    void drawingLeavesNoNativeMemoryBehindAndClosingFreesTheStreams() {
        try (Scope scope = Scope.open()) {
            Tensor like = torch.zeros(2, 1, 2, 2);
            long before = Pointer.totalCount();
            SeededNoise noise = new SeededNoise(1, 2);
            for (int i = 0; i < 5; i++) {
                noise.draw(i, like).close();
            }
            noise.close();
            noise.close();
            assertThat(Pointer.totalCount()).isLessThanOrEqualTo(before);
        }
    }
}
