package org.mezzotint.models.layers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scope;

class LayerTest {
    private static final class Leaf extends Layer {
        final Tensor weight;

        Leaf(Init init) {
            weight = parameter("weight", init.zeros(2));
            frozen("table", init.zeros(3));
            parameter("bias", init.zeros(1));
        }
    }

    private static final class Tree extends Layer {
        final Leaf second;
        final Leaf first;
        final Tensor scale;

        Tree(Init init) {
            second = child("blocks.1", new Leaf(init));
            first = child("blocks.0", new Leaf(init));
            scale = parameter("scale", init.zeros(1)); // registered last, yet named before the children's
        }
    }

    private static Tree tree() {
        try (Init init = Init.blank(Precision.FLOAT32, new Device("cpu"))) {
            return new Tree(init);
        }
    }

    @Test
    void namesAreThoseOfAStateDictInItsOrder() {
        try (Scope scope = Scope.open()) {
            assertThat(tree().state().keySet())
                    .containsExactly(
                            "scale",
                            "blocks.1.weight",
                            "blocks.1.table",
                            "blocks.1.bias",
                            "blocks.0.weight",
                            "blocks.0.table",
                            "blocks.0.bias");
        }
    }

    @Test
    void frozenTensorsAreSavedButNotTrained() {
        try (Scope scope = Scope.open()) {
            Tree tree = tree();
            assertThat(tree.trainable().keySet())
                    .containsExactly("scale", "blocks.1.weight", "blocks.1.bias", "blocks.0.weight", "blocks.0.bias");
            tree.state()
                    .forEach((name, tensor) ->
                            assertThat(tensor.requires_grad()).as(name).isEqualTo(!name.endsWith("table")));
        }
    }

    @Test
    void theTensorsAreTheLayersOwnAndTheMapsAreReadOnly() {
        try (Scope scope = Scope.open()) {
            Tree tree = tree();
            assertThat(tree.state().get("scale")).isSameAs(tree.scale);
            assertThat(tree.trainable().get("blocks.1.weight")).isSameAs(tree.second.weight);
            assertThatThrownBy(() -> tree.state().clear()).isInstanceOf(UnsupportedOperationException.class);
            assertThatThrownBy(() -> tree.trainable().clear()).isInstanceOf(UnsupportedOperationException.class);
        }
    }

    @Test
    void aWalkVisitsParentsFirstAndEachLayerOnce() {
        try (Scope scope = Scope.open()) {
            Tree tree = tree();
            List<Layer> visited = new ArrayList<>();
            tree.walk(visited::add);
            assertThat(visited).containsExactly(tree, tree.second, tree.first);
        }
    }
}
