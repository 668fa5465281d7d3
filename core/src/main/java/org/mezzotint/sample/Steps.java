package org.mezzotint.sample;

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
}
