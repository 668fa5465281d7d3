package org.mezzotint.models.layers;

import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.tensor.Scope;

/**
 * How a stack of blocks remembers what its backward pass needs: everything ({@link #plain()}), or only the blocks' inputs
 * ({@link #checkpointing()}), running each block a second time on the way back. Gradients are bitwise equal; the memory
 * of a stack falls from all its activations to those of one block.
 *
 * <p>A checkpointing tape serves one forward and one backward pass, and holds what it recorded until it is closed.
 */
public abstract sealed class Tape implements AutoCloseable {
    private Tape() {}

    /**
     * Keeps every activation.
     *
     * @return may be used any number of times
     */
    public static Tape plain() {
        return Plain.INSTANCE;
    }

    /**
     * Keeps the inputs of blocks only.
     *
     * @return for one forward and one backward pass
     */
    public static Tape checkpointing() {
        return new Checkpointing();
    }

    /**
     * Marks a tensor that enters the stack, or that its blocks share, such as the conditioning vector.
     *
     * @param entering made with gradients
     * @return what the blocks and everything after them must use in its place
     */
    public abstract Tensor enter(Tensor entering);

    /**
     * Runs blocks one after the other.
     *
     * @param blocks each maps a tensor to one of the same shape and may use tensors returned by {@link #enter}
     * @param x returned by {@link #enter}
     * @return the last block's result
     */
    public abstract Tensor through(List<UnaryOperator<Tensor>> blocks, Tensor x);

    /**
     * The backward pass: adds to the gradients of all parameters.
     *
     * @param loss one element
     */
    public abstract void backward(Tensor loss);

    @Override
    public void close() {}

    /** Runs a block in a scope of its own: what the backward pass does not need is freed at once. */
    private static Tensor run(UnaryOperator<Tensor> block, Tensor x) {
        try (Scope scope = Scope.open()) {
            return scope.keep(block.apply(x));
        }
    }

    private static final class Plain extends Tape {
        static final Plain INSTANCE = new Plain();

        @Override
        public Tensor enter(Tensor entering) {
            return entering;
        }

        @Override
        public Tensor through(List<UnaryOperator<Tensor>> blocks, Tensor x) {
            Tensor y = x;
            for (int i = 0; i < blocks.size(); i++) {
                Tensor input = y;
                y = run(blocks.get(i), input);
                if (i > 0) {
                    input.close();
                }
            }
            return y;
        }

        @Override
        public void backward(Tensor loss) {
            loss.backward();
        }
    }

    private static final class Checkpointing extends Tape {
        private final Scope held = Scope.owner();
        private final List<Tensor> roots = new ArrayList<>();
        private final List<Tensor> leaves = new ArrayList<>();
        private final List<Tensor> inputs = new ArrayList<>();
        private List<UnaryOperator<Tensor>> blocks = List.of();
        private Tensor top;

        Checkpointing() {
            held.leave();
        }

        @Override
        public Tensor enter(Tensor entering) {
            Tensor leaf = entering.detach().requires_grad_(true);
            roots.add(held.hold(entering));
            leaves.add(held.hold(leaf));
            return leaf;
        }

        @Override
        public Tensor through(List<UnaryOperator<Tensor>> stack, Tensor x) {
            if (top != null) {
                throw new IllegalStateException("a checkpointing tape runs one stack of blocks, once");
            }
            blocks = List.copyOf(stack);
            Tensor y = x;
            try (NoGradGuard noGrad = new NoGradGuard()) {
                for (UnaryOperator<Tensor> block : blocks) {
                    inputs.add(held.hold(y));
                    y = run(block, y);
                }
            }
            top = held.hold(y.detach().requires_grad_(true));
            return top;
        }

        @Override
        public void backward(Tensor loss) {
            loss.backward();
            try (Scope pass = Scope.open()) {
                Tensor gradient = new Tensor(top.grad());
                for (int i = blocks.size() - 1; i >= 0; i--) {
                    Tensor above = gradient;
                    try (Scope scope = Scope.open()) {
                        // the first block's input is a leaf already; its gradient is pushed on below with the others
                        Tensor input =
                                i == 0 ? inputs.get(0) : inputs.get(i).detach().requires_grad_(true);
                        Tensor output = blocks.get(i).apply(input);
                        output.backward(above, new BoolOptional(), false, new TensorArrayRefOptional());
                        gradient = scope.keep(new Tensor(input.grad()));
                    }
                    above.close();
                }
                TensorVector outputs = new TensorVector();
                TensorVector gradients = new TensorVector();
                for (int i = 0; i < roots.size(); i++) {
                    outputs.push_back(roots.get(i));
                    gradients.push_back(leaves.get(i).grad());
                }
                torch.backward(outputs, gradients, new BoolOptional(), false, new TensorVector());
            }
        }

        @Override
        public void close() {
            held.close();
        }
    }
}
