package org.mezzotint.models.layers;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * One forward and backward pass through stacks of blocks: how the backward pass remembers what it needs, and which
 * activations dropout sets to zero.
 *
 * <p>{@link #plain()} evaluates, and so does {@link #watching}. {@link #training} keeps every activation; {@link #checkpointing} keeps only what enters
 * the blocks and runs each a second time on the way back. Their gradients are bitwise equal; the memory of a stack falls
 * from all its activations to those of one block. A tape of training serves one forward and one backward
 * pass, and holds what it recorded until it is closed.
 */
public abstract sealed class Tape implements AutoCloseable {
    private final long seed;
    private final boolean dropping;
    private final Optional<AttentionWatch> watch;
    private long drops;

    private Tape(boolean dropping, long seed, Optional<AttentionWatch> watch) {
        this.dropping = dropping;
        this.seed = seed;
        this.watch = watch;
    }

    /**
     * Keeps every activation and drops none.
     *
     * @return may be used any number of times
     */
    public static Tape plain() {
        return Plain.EVALUATING;
    }

    /**
     * Evaluates like the plain tape and shows attention layers' weights. The network's results stay the same bits.
     *
     * @param watch sees every attention layer, from the thread that runs the network
     * @return may be used any number of times
     */
    public static Tape watching(AttentionWatch watch) {
        return new Plain(false, 0, Optional.of(watch));
    }

    /**
     * Keeps every activation.
     *
     * @param seed of the dropout
     * @return for one pass
     */
    public static Tape training(long seed) {
        return new Plain(true, seed, Optional.empty());
    }

    /**
     * Keeps the inputs of blocks only.
     *
     * @param seed of the dropout
     * @return for one pass
     */
    public static Tape checkpointing(long seed) {
        return new Checkpointing(seed);
    }

    /**
     * Who looks at attention.
     *
     * @return empty unless the tape was made by {@link #watching}; layers then compute nothing for it
     */
    public final Optional<AttentionWatch> watch() {
        return watch;
    }

    /**
     * Whether a backward pass will follow. A block that takes another kernel for it must do so whenever this is true, for
     * checkpointing runs it once without recording gradients and once with.
     *
     * @return true for {@link #training} and {@link #checkpointing}
     */
    public final boolean trains() {
        return dropping;
    }

    /**
     * Sets activations to zero at random and divides the others by 1 − p, so that the mean stays; nothing on the plain tape.
     * The numbers follow from the tape's seed and the place in the pass, so a block that is run again drops the same.
     *
     * @param x activations
     * @param p share that is dropped
     * @return of the same shape
     */
    public final Tensor dropout(Tensor x, double p) {
        if (!dropping || p == 0) {
            return x;
        }
        try (Scope scope = Scope.open();
                Rng rng = new Rng(Rng.mix(seed, drops++))) {
            Tensor uniform = Tensors.empty(ScalarType.Float, x.shape());
            rng.fillUniform(uniform, 0, 1);
            Tensor kept =
                    uniform.ge(Scalars.of(p)).to(x.device(), Tensors.type(x)).div(Scalars.of(1 - p));
            return scope.keep(x.mul(kept));
        }
    }

    /**
     * Marks a tensor that enters a stack, or that blocks share, such as the conditioning vector.
     *
     * @param entering made with gradients
     * @return what the blocks and everything after them must use in its place
     */
    public abstract Tensor enter(Tensor entering);

    /**
     * Runs blocks one after the other. A pass may run several stacks, each from a tensor of its own that entered.
     *
     * @param blocks each maps a tensor to another and may use tensors returned by {@link #enter} or by this
     * @param x returned by {@link #enter} or by this
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
        static final Plain EVALUATING = new Plain(false, 0, Optional.empty());

        Plain(boolean dropping, long seed, Optional<AttentionWatch> watch) {
            super(dropping, seed, watch);
        }

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
        /** What happened on the way in, to be undone in reverse. */
        private sealed interface Event {}

        /** Tensors that entered with no stack between them; their gradients arrive at the leaves. */
        private record Entrance(List<Tensor> roots, List<Tensor> leaves) implements Event {}

        /** A stack: each block with its input and the number of dropouts before it; {@code top} is the result. */
        private record Stack(List<UnaryOperator<Tensor>> blocks, List<Tensor> inputs, long[] drops, Tensor top)
                implements Event {}

        private final Scope held = Scope.owner();
        private final List<Event> events = new ArrayList<>();
        private boolean done;

        Checkpointing(long seed) {
            super(true, seed, Optional.empty());
            held.leave();
        }

        @Override
        public Tensor enter(Tensor entering) {
            if (done) {
                throw new IllegalStateException("a checkpointing tape serves one forward and one backward pass");
            }
            Tensor leaf = entering.detach().requires_grad_(true);
            if (events.isEmpty() || !(events.get(events.size() - 1) instanceof Entrance)) {
                events.add(new Entrance(new ArrayList<>(), new ArrayList<>()));
            }
            Entrance entrance = (Entrance) events.get(events.size() - 1);
            entrance.roots().add(held.hold(entering));
            entrance.leaves().add(held.hold(leaf));
            return leaf;
        }

        @Override
        public Tensor through(List<UnaryOperator<Tensor>> blocks, Tensor x) {
            List<Tensor> inputs = new ArrayList<>();
            long[] drops = new long[blocks.size()];
            Tensor y = x;
            try (NoGradGuard noGrad = new NoGradGuard()) {
                for (int i = 0; i < drops.length; i++) {
                    inputs.add(held.hold(y));
                    drops[i] = super.drops;
                    y = run(blocks.get(i), y);
                }
            }
            Tensor top = held.hold(y.detach().requires_grad_(true));
            events.add(new Stack(List.copyOf(blocks), inputs, drops, top));
            return top;
        }

        @Override
        public void backward(Tensor loss) {
            done = true;
            loss.backward();
            for (int i = events.size() - 1; i >= 0; i--) {
                if (events.get(i) instanceof Stack stack) {
                    backward(stack);
                } else if (events.get(i) instanceof Entrance entrance) {
                    backward(entrance);
                }
            }
        }

        private void backward(Stack stack) {
            try (Scope pass = Scope.open()) {
                Tensor gradient = new Tensor(stack.top().grad());
                for (int i = stack.blocks().size() - 1; i >= 0; i--) {
                    Tensor above = gradient;
                    try (Scope scope = Scope.open()) {
                        // the first block's input is a leaf already; its gradient is pushed on with the entrance's
                        Tensor input = i == 0
                                ? stack.inputs().get(0)
                                : stack.inputs().get(i).detach().requires_grad_(true);
                        super.drops = stack.drops()[i];
                        Tensor output = stack.blocks().get(i).apply(input);
                        output.backward(above, new BoolOptional(), false, new TensorArrayRefOptional());
                        gradient = scope.keep(new Tensor(input.grad()));
                    }
                    above.close();
                }
            }
        }

        private static void backward(Entrance entrance) {
            try (Scope pass = Scope.open()) {
                TensorVector outputs = new TensorVector();
                TensorVector gradients = new TensorVector();
                for (int i = 0; i < entrance.roots().size(); i++) {
                    outputs.push_back(entrance.roots().get(i));
                    gradients.push_back(entrance.leaves().get(i).grad());
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
