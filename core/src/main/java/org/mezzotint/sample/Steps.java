package org.mezzotint.sample;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.tensor.Scope;

/** The loop that all solvers share: one scope a step, and each state freed as soon as the next one is there. */
final class Steps {
    private Steps() {}

    /** One step. */
    @FunctionalInterface
    interface Step {
        /** The state after step {@code executed}, made in an inner scope. */
        Tensor next(Tensor x, int executed);
    }

    /** Takes {@code total} steps from a state that stays the caller's; the last state belongs to the caller's scope. */
    static Tensor run(Tensor start, int total, Step step, Sampler.Progress progress) {
        Tensor x = start;
        try (NoGradGuard noGrad = new NoGradGuard()) {
            for (int executed = 0; executed < total; executed++) {
                Tensor previous = x;
                try (Scope scope = Scope.open()) {
                    x = scope.keep(step.next(previous, executed));
                }
                if (executed > 0) {
                    previous.close();
                }
                progress.step(executed + 1, total, x);
            }
        }
        return x;
    }

    /** A step of a method that remembers what earlier steps evaluated. */
    @FunctionalInterface
    interface MultiStep {
        /** The state after step {@code executed}; {@code memory} holds what earlier steps returned, the newest first. */
        Next next(Tensor x, int executed, List<Tensor> memory);
    }

    /** A new state, and what to remember of the step; both made in an inner scope. */
    record Next(Tensor x, Tensor remembered) {}

    /** A remembered tensor in a scope of its own. */
    private record Kept(Tensor tensor, Scope scope) {}

    /** As {@link #run(Tensor, int, Step, Sampler.Progress)}, with the last {@code size} remembered tensors at hand. */
    static Tensor run(Tensor start, int total, int size, MultiStep step, Sampler.Progress progress) {
        Deque<Kept> memory = new ArrayDeque<>();
        try {
            return run(
                    start,
                    total,
                    (x, executed) -> {
                        Next next = step.next(
                                x, executed, memory.stream().map(Kept::tensor).toList());
                        Scope scope = Scope.owner();
                        scope.leave();
                        memory.addFirst(new Kept(scope.hold(next.remembered()), scope));
                        if (memory.size() > size) {
                            memory.removeLast().scope().close();
                        }
                        return next.x();
                    },
                    progress);
        } finally {
            memory.forEach(kept -> kept.scope().close());
        }
    }
}
