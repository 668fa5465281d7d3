package org.mezzotint.models.layers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class TapeTest {
    /** A stack of {@code y = tanh(W·y + c)}, where c depends on parameters before the stack, as conditioning does. */
    private static final class Net implements AutoCloseable {
        final Scope scope = Scope.owner();
        final List<Tensor> parameters = new ArrayList<>();
        final Tensor x;
        int evaluations;

        Net(int depth) {
            try (Rng rng = new Rng(1)) {
                for (int i = 0; i < depth + 2; i++) {
                    parameters.add(rng.normal(ScalarType.Float, 6, 6).requires_grad_(true));
                }
                x = rng.normal(ScalarType.Float, 6, 6).requires_grad_(true);
            }
            scope.leave();
        }

        Tensor forward(Tape tape) {
            Tensor c = tape.enter(parameters.get(0).matmul(x));
            List<UnaryOperator<Tensor>> blocks = new ArrayList<>();
            for (Tensor weight : parameters.subList(2, parameters.size())) {
                blocks.add(y -> {
                    evaluations++;
                    return torch.tanh(weight.matmul(y).add(c));
                });
            }
            Tensor y = tape.through(blocks, tape.enter(parameters.get(1).matmul(x)));
            return y.mul(c).sum(); // the conditioning is used after the stack too
        }

        List<float[]> gradients() {
            List<float[]> all = new ArrayList<>();
            parameters.forEach(parameter -> all.add(Tensors.floats(parameter.grad())));
            all.add(Tensors.floats(x.grad()));
            return all;
        }

        @Override
        public void close() {
            scope.close();
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 5})
    void checkpointingGivesBitwiseEqualGradients(int depth) {
        try (Scope scope = Scope.open();
                Net net = new Net(depth);
                Net other = new Net(depth);
                Tape checkpointing = Tape.checkpointing(0)) {
            Tensor loss = net.forward(Tape.plain());
            Tape.plain().backward(loss);
            Tensor checkpointed = other.forward(checkpointing);
            checkpointing.backward(checkpointed);
            assertThat(Tensors.floats(checkpointed)).containsExactly(Tensors.floats(loss));
            List<float[]> expected = net.gradients();
            List<float[]> actual = other.gradients();
            for (int i = 0; i < expected.size(); i++) {
                assertThat(actual.get(i)).as("parameter %d", i).containsExactly(expected.get(i));
            }
        }
    }

    @Test
    void checkpointingRunsEachBlockTwice() {
        try (Scope scope = Scope.open();
                Net net = new Net(3);
                Tape tape = Tape.checkpointing(0)) {
            Tensor loss = net.forward(tape);
            assertThat(net.evaluations).isEqualTo(3);
            tape.backward(loss);
            assertThat(net.evaluations).isEqualTo(6);
        }
    }

    @Test
    void gradientsAddUpOverPasses() {
        try (Scope scope = Scope.open();
                Net net = new Net(2)) {
            for (int pass = 0; pass < 2; pass++) {
                try (Tape tape = pass == 0 ? Tape.plain() : Tape.checkpointing(0)) {
                    tape.backward(net.forward(tape));
                }
            }
            List<float[]> twice = net.gradients();
            try (Net once = new Net(2)) {
                Tape.plain().backward(once.forward(Tape.plain()));
                List<float[]> single = once.gradients();
                for (int i = 0; i < twice.size(); i++) {
                    for (int k = 0; k < twice.get(i).length; k++) {
                        assertThat(twice.get(i)[k]).isEqualTo(2 * single.get(i)[k]);
                    }
                }
            }
        }
    }

    @Test
    void aCheckpointingTapeServesOnePass() {
        try (Scope scope = Scope.open();
                Net net = new Net(2);
                Tape tape = Tape.checkpointing(0)) {
            tape.backward(net.forward(tape));
            assertThatThrownBy(() -> net.forward(tape))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("a checkpointing tape serves one forward and one backward pass");
        }
    }

    /** Two stacks with a skip around the second, as an hourglass has them, and dropout in every block. */
    private static Tensor hourglass(Net net, Tape tape) {
        List<Tensor> p = net.parameters;
        Tensor c = tape.enter(p.get(0).matmul(net.x));
        UnaryOperator<Tensor> outer =
                y -> torch.tanh(tape.dropout(p.get(2).matmul(y), 0.4).add(c));
        UnaryOperator<Tensor> inner =
                y -> torch.tanh(p.get(3).matmul(tape.dropout(y, 0.3)).add(c));
        Tensor skip = tape.through(List.of(outer, outer), tape.enter(p.get(1).matmul(net.x)));
        Tensor deep = tape.through(List.of(inner, inner), tape.enter(p.get(4).matmul(skip)));
        Tensor joined = tape.through(List.of(outer), tape.enter(deep.add(skip)));
        return joined.mul(c).sum();
    }

    @Test
    void severalStacksWithSkipsAndDropoutGiveBitwiseEqualGradients() {
        try (Scope scope = Scope.open();
                Net net = new Net(3);
                Net other = new Net(3);
                Tape training = Tape.training(8);
                Tape checkpointing = Tape.checkpointing(8)) {
            training.backward(hourglass(net, training));
            checkpointing.backward(hourglass(other, checkpointing));
            for (int i = 0; i < net.gradients().size(); i++) {
                assertThat(other.gradients().get(i))
                        .as("parameter %d", i)
                        .containsExactly(net.gradients().get(i));
            }
        }
    }

    @Test
    void dropoutZeroesAShareAndKeepsTheMean() {
        try (Scope scope = Scope.open();
                Tape tape = Tape.training(3);
                Tape same = Tape.training(3);
                Tape other = Tape.training(4)) {
            Tensor ones = torch.ones(new long[] {200, 100}, Tensors.options(ScalarType.Double, new Device("cpu")));
            double[] first = Tensors.doubles(tape.dropout(ones, 0.25));
            assertThat(Arrays.stream(first).filter(v -> v == 0).count() / 20_000.0)
                    .isBetween(0.235, 0.265);
            assertThat(first).containsOnly(0, 1 / 0.75);
            assertThat(Tensors.doubles(same.dropout(ones, 0.25))).isEqualTo(first);
            assertThat(Tensors.doubles(same.dropout(ones, 0.25))).isNotEqualTo(first); // the next place in the pass
            assertThat(Tensors.doubles(other.dropout(ones, 0.25))).isNotEqualTo(first);
            assertThat(Tape.plain().dropout(ones, 0.25)).isSameAs(ones);
            assertThat(tape.dropout(ones, 0)).isSameAs(ones);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void passesLeaveNoNativeMemoryBehind(boolean checkpointing) {
        try (Net net = new Net(3)) {
            pass(net, checkpointing);
            long before = Pointer.totalCount();
            for (int i = 0; i < 10; i++) {
                pass(net, checkpointing);
            }
            assertThat(Pointer.totalCount()).isLessThanOrEqualTo(before);
        }
    }

    private static void pass(Net net, boolean checkpointing) {
        try (Scope scope = Scope.open();
                Tape tape = checkpointing ? Tape.checkpointing(0) : Tape.plain()) {
            tape.backward(net.forward(tape));
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whatABlockMakesIsFreedBeforeTheNextOneRuns(boolean checkpointing) {
        try (Scope scope = Scope.open();
                Tape tape = checkpointing ? Tape.checkpointing(0) : Tape.plain()) {
            List<Tensor> inside = new ArrayList<>();
            UnaryOperator<Tensor> block = y -> {
                inside.forEach(earlier -> assertThat(earlier.isNull()).isTrue());
                Tensor half = y.add(y);
                inside.add(half);
                return half.mul(half);
            };
            Tensor x = tape.enter(Tensors.of(1.0).requires_grad_(true));
            Tensor y = tape.through(List.of(block, block, block), x);
            assertThat(inside).hasSize(3).allMatch(tensor -> tensor.isNull());
            assertThat(Tensors.doubles(y)).containsExactly(16384); // 1, 4, 64, 16384
            assertThat(Tensors.doubles(x)).containsExactly(1);
        }
    }
}
