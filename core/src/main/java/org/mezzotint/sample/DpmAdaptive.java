package org.mezzotint.sample;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.diffusion.SigmaDenoiser;
import org.mezzotint.io.InputException;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * DPM-Solver with adaptive steps (arXiv:2206.00927v3, appendix C): compares steps of two orders and keeps their difference
 * below a tolerance with a PID controller (as in arXiv:2105.14080 and k-diffusion).
 *
 * <p>Of the levels it is given it takes the first and the last above 0, where it ends. Each picture has steps of its own, so
 * that it does not depend on its batch; with {@code shared} the whole batch goes together, as in k-diffusion.
 *
 * @param order of the better step, 2 or 3
 * @param rtol relative tolerance
 * @param atol absolute tolerance
 * @param firstStep of log σ
 * @param pcoeff proportional part of the controller
 * @param icoeff integral part
 * @param dcoeff differential part
 * @param acceptSafety smallest factor that accepts a step
 * @param eta share of the noise
 * @param noiseScale times the noise
 * @param shared whether all pictures take the same steps
 */
public record DpmAdaptive(
        int order,
        double rtol,
        double atol,
        double firstStep,
        double pcoeff,
        double icoeff,
        double dcoeff,
        double acceptSafety,
        double eta,
        double noiseScale,
        boolean shared)
        implements SigmaSampler {
    private static final double END = 1e-5;
    private static final int MOST_STEPS = 100_000;

    /** Checks the rules. */
    public DpmAdaptive {
        if (order != 2 && order != 3) {
            throw new IllegalArgumentException("order of dpm-adaptive must be 2 or 3, got " + order);
        }
        if (!(rtol > 0 && atol > 0 && firstStep > 0 && acceptSafety > 0)) {
            throw new IllegalArgumentException("rtol, atol, firstStep and acceptSafety must be above 0, got " + rtol
                    + ", " + atol + ", " + firstStep + " and " + acceptSafety);
        }
        Ancestral.check(eta);
    }

    /**
     * The usual settings.
     *
     * @return third order, rtol 0.05, atol 0.0078, deterministic, each picture for itself
     */
    public static DpmAdaptive standard() {
        return new DpmAdaptive(3, 0.05, 0.0078, 0.05, 0, 1, 0, 0.81, 0, 1, false);
    }

    /**
     * These settings with noise.
     *
     * @param other share of the noise
     * @return a copy
     */
    public DpmAdaptive withEta(double other) {
        return new DpmAdaptive(
                order, rtol, atol, firstStep, pcoeff, icoeff, dcoeff, acceptSafety, other, noiseScale, shared);
    }

    /** Pictures that take the same steps. */
    private static final class Group {
        final List<Integer> pictures;
        double s; // −ln σ reached
        double h;
        double[] errors; // inverse errors of the last three steps
        int accepted;
        int rejected;
        Tensor x;
        Tensor previous;
        Scope scope;

        Group(List<Integer> pictures, double start, double firstStep) {
            this.pictures = pictures;
            s = start;
            h = firstStep;
        }

        boolean arrived(double end) {
            return s >= end - END;
        }

        /** Replaces the state; both tensors get an owner of their own. */
        void become(Tensor newX, Tensor newPrevious) {
            Scope old = scope;
            scope = Scope.owner();
            scope.leave();
            x = scope.hold(newX);
            previous = scope.hold(newPrevious);
            if (old != null) {
                old.close();
            }
        }
    }

    /**
     * What a run took.
     *
     * @param accepted steps, one a group of pictures
     * @param rejected steps that were tried and repeated
     */
    record Counts(int[] accepted, int[] rejected) {}

    @Override
    public Tensor sample(
            SigmaDenoiser denoiser, Tensor x, double[] sigmas, StepNoise noise, Sampler.Progress progress) {
        double[] above = Arrays.stream(sigmas).filter(sigma -> sigma > 0).toArray();
        return sample(denoiser, x, above[0], above[above.length - 1], noise, progress, new Counts[1]);
    }

    Tensor sample(
            SigmaDenoiser denoiser,
            Tensor x,
            double first,
            double last,
            StepNoise noise,
            Sampler.Progress progress,
            Counts[] counts) {
        int n = Math.toIntExact(x.size(0));
        double end = -Math.log(last);
        List<Group> groups = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            if (i == 0 || !shared) {
                groups.add(new Group(new ArrayList<>(), -Math.log(first), firstStep));
            }
            groups.get(groups.size() - 1).pictures.add(i);
        }
        try (NoGradGuard noGrad = new NoGradGuard();
                Scope scope = Scope.open()) {
            for (Group group : groups) {
                Tensor part = x.narrow(0, group.pictures.get(0), group.pictures.size());
                group.become(part, part);
            }
            for (int step = 0; !groups.stream().allMatch(group -> group.arrived(end)); step++) {
                if (step == MOST_STEPS) {
                    throw new IllegalStateException(
                            "dpm-adaptive did not arrive within " + MOST_STEPS + " steps: loosen rtol or atol");
                }
                try (Scope inner = Scope.open()) {
                    step(denoiser, groups, end, noise);
                }
                double done =
                        groups.stream().mapToDouble(group -> group.s).min().orElse(end);
                progress.step((int) (1000 * (done + Math.log(first)) / (end + Math.log(first))), 1000, groups.get(0).x);
            }
            counts[0] = new Counts(
                    groups.stream().mapToInt(group -> group.accepted).toArray(),
                    groups.stream().mapToInt(group -> group.rejected).toArray());
            return scope.keep(torch.cat(
                    new TensorVector(groups.stream().map(group -> group.x).toArray(Tensor[]::new)), 0));
        } finally {
            groups.forEach(group -> {
                if (group.scope != null) {
                    group.scope.close();
                }
            });
        }
    }

    /** One attempt for each group, all evaluated in one batch. */
    private void step(SigmaDenoiser denoiser, List<Group> groups, double end, StepNoise noise) {
        Tensor x = cat(groups.stream().map(group -> group.x).toList());
        double[] from = new double[Math.toIntExact(x.size(0))];
        double[] down = new double[from.length];
        double[] target = new double[groups.size()]; // −ln σ
        double[] up = new double[groups.size()];
        int at = 0;
        for (int g = 0; g < groups.size(); g++) {
            Group group = groups.get(g);
            // the network wants its whole batch: pictures that have arrived come along, to no effect
            target[g] = group.arrived(end) ? group.s + firstStep : Math.min(end, group.s + group.h);
            double to = Math.exp(-target[g]);
            double reached =
                    eta == 0 ? to : Ancestral.step(Math.exp(-group.s), to, eta).down();
            reached = group.arrived(end) ? to : Math.max(Math.exp(-end), reached);
            up[g] = eta == 0 ? 0 : Math.sqrt(Math.max(0, to * to - reached * reached));
            Arrays.fill(from, at, at + group.pictures.size(), Math.exp(-group.s));
            Arrays.fill(down, at, at + group.pictures.size(), reached);
            at += group.pictures.size();
        }
        DpmSolver solver = new DpmSolver(denoiser, x, from, down);
        Tensor low = order == 2 ? solver.first() : solver.second(DpmSolver.THIRD);
        Tensor high = order == 2 ? solver.second(0.5) : solver.third();
        at = 0;
        for (int g = 0; g < groups.size(); g++) {
            Group group = groups.get(g);
            Tensor ours = low.narrow(0, at, group.pictures.size());
            Tensor better = high.narrow(0, at, group.pictures.size());
            if (group.arrived(end)) {
                at += group.pictures.size();
                continue;
            }
            if (accept(group, error(ours, better, group.previous))) {
                if (up[g] > 0) {
                    double sigma = Math.exp(-group.s);
                    Tensor drawn =
                            noise.draw(group.accepted, sigma, Math.exp(-target[g]), better, group.pictures.get(0));
                    better = Blend.of(1, better, up[g] * noiseScale, drawn);
                }
                group.become(better, ours);
                group.s = target[g];
                group.accepted++;
            } else {
                group.rejected++;
            }
            at += group.pictures.size();
        }
    }

    private static Tensor cat(List<Tensor> parts) {
        return torch.cat(new TensorVector(parts.toArray(new Tensor[0])), 0);
    }

    /** √mean(((low − high)/max(atol, rtol·max(|low|, |previous|)))²). */
    private double error(Tensor low, Tensor high, Tensor previous) {
        Tensor delta =
                torch.maximum(low.abs(), previous.abs()).mul(Scalars.of(rtol)).clamp_min(Scalars.of(atol));
        double[] ratio = Tensors.doubles(low.sub(high).div(delta));
        double sum = 0;
        for (double r : ratio) {
            sum += r * r;
        }
        return Math.sqrt(sum / ratio.length);
    }

    /** The controller: changes the group's step and says whether the one just tried was small enough. */
    private boolean accept(Group group, double error) {
        if (!Double.isFinite(error)) {
            throw new InputException("the network's output is not finite at noise level " + Math.exp(-group.s));
        }
        double power = eta > 0 ? 1.5 : order;
        double inverse = 1 / (error + 1e-8);
        if (group.errors == null) {
            group.errors = new double[] {inverse, inverse, inverse};
        }
        group.errors[0] = inverse;
        double factor = Math.pow(group.errors[0], (pcoeff + icoeff + dcoeff) / power)
                * Math.pow(group.errors[1], -(pcoeff + 2 * dcoeff) / power)
                * Math.pow(group.errors[2], dcoeff / power);
        double limited = 1 + Math.atan(factor - 1);
        boolean accepted = limited >= acceptSafety;
        if (accepted) {
            group.errors[2] = group.errors[1];
            group.errors[1] = group.errors[0];
        }
        group.h *= limited;
        return accepted;
    }
}
