package org.mezzotint.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;

class ShapesTest {
    @Test
    void aFittingTensorIsReturnedItself() {
        try (Scope scope = Scope.open()) {
            Tensor x = Tensors.empty(ScalarType.Float, 2, 3, 5);
            assertThat(Shapes.check("x", x, 2, 3, 5)).isSameAs(x);
            assertThat(Shapes.check("x", x, Shapes.ANY, 3, Shapes.ANY)).isSameAs(x);
            assertThat(Shapes.of(x)).containsExactly(2, 3, 5);
            assertThat(Shapes.of(x.transpose(0, 2))).containsExactly(5, 3, 2);
        }
    }

    @Test
    void theMessageHasNameRuleAndValue() {
        try (Scope scope = Scope.open()) {
            Tensor x = Tensors.empty(ScalarType.Float, 2, 4, 5);
            assertThatThrownBy(() -> Shapes.check("x", x, 2, 3, Shapes.ANY))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("x must have shape (2, 3, any), got (2, 4, 5)");
        }
    }

    @Test
    void moreOrFewerDimensionsAreRefusedEvenIfTheyAreOfLengthOne() {
        try (Scope scope = Scope.open()) {
            Tensor t = Tensors.empty(ScalarType.Float, 2, 1);
            assertThatThrownBy(() -> Shapes.check("t", t, 2)).hasMessage("t must have shape (2,), got (2, 1)");
            assertThatThrownBy(() -> Shapes.check("t", t, 2, 1, 1))
                    .hasMessage("t must have shape (2, 1, 1), got (2, 1)");
            assertThatThrownBy(() -> Shapes.check("t", t.sum(), 1)).hasMessage("t must have shape (1,), got ()");
        }
    }

    @Test
    void aCountIsTheProductAndOverflowIsNotHidden() {
        assertThat(Shapes.count()).isEqualTo(1);
        assertThat(Shapes.count(2, 3, 5)).isEqualTo(30);
        assertThat(Shapes.count(7, 0)).isZero();
        assertThatThrownBy(() -> Shapes.count(1L << 32, 1L << 32)).isInstanceOf(ArithmeticException.class);
    }

    @Test
    void shapesAreWrittenAsPeopleWriteThem() {
        assertThat(Shapes.toString(new long[0])).isEqualTo("()");
        assertThat(Shapes.toString(4)).isEqualTo("(4,)");
        assertThat(Shapes.toString(4, Shapes.ANY)).isEqualTo("(4, any)");
    }
}
