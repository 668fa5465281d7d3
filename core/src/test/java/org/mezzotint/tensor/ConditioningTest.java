package org.mezzotint.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.HashMap;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;

class ConditioningTest {
    @Test
    void nothingHasNoNamesAndNoTensors() {
        assertThat(Conditioning.none().names()).isEmpty();
        assertThat(Conditioning.none().tensors()).isEmpty();
        assertThat(Conditioning.none().concat(Conditioning.none()).names()).isEmpty();
        assertThat(Conditioning.none().slice(0, 3).names()).isEmpty();
    }

    @Test
    void labelsHaveTheNameClass() {
        try (Scope scope = Scope.open()) {
            Conditioning labels = Conditioning.classes(3, 1, 4);
            assertThat(labels.names()).containsExactly("class");
            assertThat(Tensors.longs(labels.get("class"))).containsExactly(3, 1, 4);
            assertThat(labels.tensors()).containsExactly(labels.get(Conditioning.CLASS));
        }
    }

    @Test
    void labelsAreOneAPicture() {
        try (Scope scope = Scope.open()) {
            Tensor matrix = Tensors.of(1, 2).view(1, 2);
            assertThatThrownBy(() -> Conditioning.classes(matrix))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("class must have shape (any,), got (1, 2)");
        }
    }

    @Test
    void anAbsentInputIsNamedBesideThePresentOnes() {
        try (Scope scope = Scope.open()) {
            Conditioning labels = Conditioning.classes(1);
            assertThatThrownBy(() -> labels.get("text"))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("the network needs the input 'text', got [class]");
        }
    }

    @Test
    void anInputCanBeAddedOnce() {
        try (Scope scope = Scope.open()) {
            Conditioning labels = Conditioning.classes(1, 2);
            Conditioning both = labels.with("text", Tensors.of(5, 6));
            assertThat(both.names()).containsExactlyInAnyOrder("class", "text");
            assertThat(Tensors.longs(both.get("text"))).containsExactly(5, 6);
            assertThat(labels.names()).containsExactly("class");
            assertThatThrownBy(() -> both.with("text", Tensors.of(7, 8)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("the input 'text' is there already");
        }
    }

    @Test
    void laterChangesOfTheMapHaveNoEffect() {
        try (Scope scope = Scope.open()) {
            Map<String, Tensor> inputs = new HashMap<>(Map.of("text", Tensors.of(1)));
            Conditioning cond = Conditioning.of(inputs);
            inputs.clear();
            assertThat(cond.names()).containsExactly("text");
            assertThatThrownBy(() -> cond.names().clear()).isInstanceOf(UnsupportedOperationException.class);
        }
    }

    @Test
    void batchesAreJoinedAndCutInputByInput() {
        try (Scope scope = Scope.open()) {
            Conditioning a = Conditioning.of(
                    Map.of("class", Tensors.of(1, 2), "text", Tensors.of(new float[] {1, 2, 3, 4}, 2, 2)));
            Conditioning b =
                    Conditioning.of(Map.of("class", Tensors.of(3L), "text", Tensors.of(new float[] {5, 6}, 1, 2)));
            Conditioning joined = a.concat(b);
            assertThat(Tensors.longs(joined.get("class"))).containsExactly(1, 2, 3);
            assertThat(Tensors.floats(joined.get("text"))).containsExactly(1, 2, 3, 4, 5, 6);
            Conditioning part = joined.slice(1, 2);
            assertThat(Tensors.longs(part.get("class"))).containsExactly(2, 3);
            assertThat(Tensors.floats(part.get("text"))).containsExactly(3, 4, 5, 6);
        }
    }

    @Test
    void halvesWithOtherInputsAreNotJoined() {
        try (Scope scope = Scope.open()) {
            Conditioning labels = Conditioning.classes(1);
            assertThatThrownBy(() -> labels.concat(Conditioning.none()))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("both halves must have the same inputs, got [class] and []");
        }
    }
}
