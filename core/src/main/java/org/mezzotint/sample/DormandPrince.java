package org.mezzotint.sample;

import java.util.ArrayList;
import java.util.List;
import java.util.function.DoubleConsumer;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;

/**
 * The Runge–Kutta method 5(4) of Dormand and Prince for dy/dt = f(t, y), with adaptive steps (J. Comput. Appl. Math. 6, 1980,
 * pages 19 to 26, the pair RK5(4)7M; step control as in Hairer, Nørsett and Wanner, "Solving Ordinary Differential
 * Equations I", section II.4).
 *
 * <p>A state is a list of parts, each (N, …) for N pictures. All pictures take the same steps, and a step counts only if
 * every part of every picture keeps the tolerance: company never makes a picture's result less exact.
 *
 * @param atol absolute tolerance of a step's error, root mean square over the part of a picture
 * @param rtol relative tolerance; the two add up
 */
record DormandPrince(double atol, double rtol) {
    private static final double[] NODES = {0, 1 / 5.0, 3 / 10.0, 4 / 5.0, 8 / 9.0, 1, 1};
    private static final double[][] STAGES = {
        {},
        {1 / 5.0},
        {3 / 40.0, 9 / 40.0},
        {44 / 45.0, -56 / 15.0, 32 / 9.0},
        {19372 / 6561.0, -25360 / 2187.0, 64448 / 6561.0, -212 / 729.0},
        {9017 / 3168.0, -355 / 33.0, 46732 / 5247.0, 49 / 176.0, -5103 / 18656.0},
        {35 / 384.0, 0, 500 / 1113.0, 125 / 192.0, -2187 / 6784.0, 11 / 84.0} // order 5; its slope starts the next step
    };
    private static final double[] ORDER_4 = {
        5179 / 57600.0, 0, 7571 / 16695.0, 393 / 640.0, -92097 / 339200.0, 187 / 2100.0, 1 / 40.0
    };
    private static final double SAFETY = 0.9;
    private static final double LEAST_CHANGE = 0.2;
    private static final double MOST_CHANGE = 10;
    private static final double NEARLY_THERE = 1.01;
    private static final int MOST_STEPS = 10_000;

    /** Checks the rules. */
    DormandPrince {
        if (!(atol > 0 && rtol > 0 && atol < Double.POSITIVE_INFINITY && rtol < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException("atol and rtol must be above 0, got " + atol + " and " + rtol);
        }
    }

    /** f. */
    @FunctionalInterface
    interface Slope {
        /** New tensors of the shapes of {@code y}. */
        List<Tensor> at(double t, List<Tensor> y);
    }

    /** One step tried: the state and the slope at its end, and the error in units of the tolerance. */
    record Trial(List<Tensor> end, List<Tensor> slope, double error) {}

    /**
     * Follows the equation.
     *
     * @param f evaluated twice, and six times a step
     * @param start y(from), parts (N, …) in float64
     * @param from where to start
     * @param to where to arrive, above {@code from}
     * @param reached hears t after each step
     * @return y(to), in the caller's scope
     * @throws IllegalArgumentException if the tolerance cannot be kept
     */
    List<Tensor> integrate(Slope f, List<Tensor> start, double from, double to, DoubleConsumer reached) {
        try (NoGradGuard noGrad = new NoGradGuard();
                Scope scope = Scope.open()) {
            List<Tensor> y = start;
            List<Tensor> k = f.at(from, y);
            double t = from;
            double h = firstStep(f, from, y, k);
            double limit = MOST_CHANGE;
            for (int step = 0; t < to; step++) {
                boolean last = t + NEARLY_THERE * h >= to;
                double tried = last ? to - t : h;
                if (step == MOST_STEPS || !(tried > Math.ulp(t))) {
                    throw new IllegalArgumentException("the tolerance cannot be kept at " + t
                            + ": atol and rtol are too small for this equation, got " + atol + " and " + rtol);
                }
                List<Tensor> old = new ArrayList<>();
                try (Scope inner = Scope.open()) {
                    Trial trial = step(f, t, y, k, tried);
                    boolean accepted = trial.error <= 1;
                    double change = SAFETY * Math.pow(Math.max(trial.error, 1e-10), -1 / 5.0);
                    h = tried * Math.min(limit, Math.max(LEAST_CHANGE, change));
                    limit = accepted ? MOST_CHANGE : 1; // no growth right after a rejection
                    if (accepted) {
                        old.addAll(k);
                        old.addAll(y == start ? List.of() : y);
                        y = trial.end.stream().map(inner::keep).toList();
                        k = trial.slope.stream().map(inner::keep).toList();
                        t = last ? to : t + tried;
                    }
                }
                if (!old.isEmpty()) {
                    old.forEach(Tensor::close);
                    reached.accept(t);
                }
            }
            return y.stream().map(scope::keep).toList();
        }
    }

    /** One step of size h from y, whose slope is k. */
    Trial step(Slope f, double t, List<Tensor> y, List<Tensor> k, double h) {
        List<List<Tensor>> slopes = new ArrayList<>(List.of(k));
        List<Tensor> end = y;
        for (int i = 1; i < STAGES.length; i++) {
            end = plus(y, h, STAGES[i], slopes);
            slopes.add(f.at(t + NODES[i] * h, end));
        }
        double[] difference = new double[ORDER_4.length];
        for (int i = 0; i < difference.length; i++) {
            difference[i] = (i < STAGES[6].length ? STAGES[6][i] : 0) - ORDER_4[i];
        }
        List<Tensor> zero = y.stream().map(torch::zeros_like).toList();
        return new Trial(end, slopes.get(6), norm(plus(zero, h, difference, slopes), y, end));
    }

    /** y + h·Σ weight·slope, part by part. */
    private static List<Tensor> plus(List<Tensor> y, double h, double[] weights, List<List<Tensor>> slopes) {
        List<Tensor> sums = new ArrayList<>();
        for (int part = 0; part < y.size(); part++) {
            Tensor sum = y.get(part);
            for (int i = 0; i < weights.length; i++) {
                if (weights[i] != 0) {
                    sum = sum.add(slopes.get(i).get(part), Scalars.of(h * weights[i]));
                }
            }
            sums.add(sum);
        }
        return sums;
    }

    /** Largest √mean((v/(atol + rtol·max(|a|, |b|)))²) of any part of any picture. */
    private double norm(List<Tensor> v, List<Tensor> a, List<Tensor> b) {
        double most = 0;
        for (int part = 0; part < v.size(); part++) {
            Tensor allowed = torch.maximum(a.get(part).abs(), b.get(part).abs())
                    .mul(Scalars.of(rtol))
                    .add(Scalars.of(atol));
            Tensor squares = v.get(part).div(allowed).square().flatten(1, -1).mean(1); // (N,)
            most = Math.max(most, squares.amax().item_double()); // NaN stays NaN
        }
        return Math.sqrt(most);
    }

    /** A first step whose Euler error would be about 1 % of the tolerance: section II.4, "starting step size". */
    private double firstStep(Slope f, double t, List<Tensor> y, List<Tensor> k) {
        try (Scope scope = Scope.open()) {
            double d0 = norm(y, y, y);
            double d1 = norm(k, y, y);
            double small = d0 < 1e-5 || d1 < 1e-5 ? 1e-6 : 0.01 * d0 / d1;
            List<Tensor> later = f.at(t + small, plus(y, small, new double[] {1}, List.of(k)));
            List<Tensor> bend = new ArrayList<>();
            for (int part = 0; part < y.size(); part++) {
                bend.add(later.get(part).sub(k.get(part)).div(Scalars.of(small)));
            }
            double d2 = norm(bend, y, y);
            double steepest = Math.max(d1, d2);
            double h = steepest <= 1e-15 ? Math.max(1e-6, small * 1e-3) : Math.pow(0.01 / steepest, 1 / 5.0);
            return Math.min(100 * small, h);
        }
    }
}
