package org.mezzotint.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.function.DoubleUnaryOperator;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.golden.Golden;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** The formulas of arXiv:2301.11093, evaluated elsewhere: schedules with 40 digits, the multiscale loss by PyTorch's autograd. */
class SimpleDiffusionGoldenTest {
    private static double[] map(double[] values, DoubleUnaryOperator f) {
        return Arrays.stream(values).map(f).toArray();
    }

    private static void relative(String name, double[] actual, double[] expected, double[] t) {
        assertThat(actual).as(name).hasSameSizeAs(expected);
        for (int i = 0; i < expected.length; i++) {
            // the file's own promise: next to the ends of the uncut schedules its λ is good to 1e-9 only
            boolean near = t[i] != 0 && t[i] != 1 && Math.min(t[i], 1 - t[i]) < 1e-3;
            assertThat(actual[i])
                    .as("%s[%d]", name, i)
                    .isCloseTo(expected[i], within((near ? 1e-9 : 1e-12) * Math.abs(expected[i])));
        }
    }

    /** The plain schedules end at −∞ and ∞; ±100 is as good between, where the grid's times are. */
    private static NoiseSchedule.Continuous shifted(int reference, int size, boolean cut) {
        double end = cut ? 15 : 100;
        return new NoiseSchedule.ShiftedCosine(-end, end, reference, size, NoiseSchedule.Ends.MOVED);
    }

    private static NoiseSchedule.Continuous interpolated(int low, int high, int size, boolean cut) {
        double end = cut ? 15 : 100;
        return new NoiseSchedule.InterpolatedCosine(-end, end, low, high, size, NoiseSchedule.Ends.MOVED);
    }

    private static void compare(Golden golden, String name, boolean cut, NoiseSchedule.Continuous schedule) {
        double[] t = golden.doubles(cut ? "in.t_closed" : "in.t");
        double[] logSnr = map(t, schedule::logSnr);
        Golden.assertClose(name, logSnr, golden.doubles("out.logsnr." + name), 1e-12);
        relative(name, map(logSnr, l -> Math.sqrt(DiffusionChain.sigmoid(l))), golden.doubles("out.alpha." + name), t);
        relative(name, map(logSnr, l -> Math.sqrt(DiffusionChain.sigmoid(-l))), golden.doubles("out.sigma." + name), t);
    }

    @ParameterizedTest
    @CsvSource({"128, 64", "256, 64", "512, 64", "256, 32", "128, 32"})
    void shiftedSchedulesEqualTheFormulas(int size, int reference) {
        try (Golden golden = Golden.open("simple-diffusion/schedules")) {
            String name = "shift_ref" + reference + "_d" + size;
            compare(golden, name, false, shifted(reference, size, false));
            compare(golden, "clamped15_then_" + name, true, shifted(reference, size, true));
        }
    }

    @ParameterizedTest
    @CsvSource({"512, 32, 256", "256, 32, 64", "128, 32, 128"})
    void interpolatedSchedulesEqualTheFormulas(int size, int low, int high) {
        try (Golden golden = Golden.open("simple-diffusion/schedules")) {
            String name = "interp_" + low + "to" + high + "_d" + size;
            compare(golden, name, false, interpolated(low, high, size, false));
            compare(golden, "clamped15_" + name, true, interpolated(low, high, size, true));
        }
    }

    @Test
    void theCosineScheduleEqualsTheFormula() {
        try (Golden golden = Golden.open("simple-diffusion/schedules")) {
            compare(golden, "cosine", false, new NoiseSchedule.Cosine(-100, 100));
            compare(golden, "clamped15", true, new NoiseSchedule.Cosine(-15, 15));
            // the chain's tables at the times i/n, i = 1 … n
            double[] alpha = golden.doubles("out.alpha.clamped15");
            double[] sigma = golden.doubles("out.sigma.clamped15");
            int n = alpha.length - 1;
            DiffusionChain chain = new NoiseSchedule.Cosine(-15, 15).chain(Integer.toString(n));
            double[] t = Arrays.copyOfRange(golden.doubles("in.t_closed"), 1, n + 1);
            relative("alpha", map(chain.alphaBar(), Math::sqrt), Arrays.copyOfRange(alpha, 1, n + 1), t);
            relative("sigma", map(chain.oneMinusAlphaBar(), Math::sqrt), Arrays.copyOfRange(sigma, 1, n + 1), t);
        }
    }

    @Test
    void conversionsEqualTheFormulas() {
        try (Golden golden = Golden.open("simple-diffusion/conversions");
                Scope scope = Scope.open()) {
            double[] logSnr = golden.doubles("in.logsnr");
            Tensor x = golden.get("in.x");
            Tensor eps = golden.get("in.eps");
            Tensor z = golden.get("out.z");
            Tensor alpha = DiffusionChain.broadcast(map(logSnr, l -> Math.sqrt(DiffusionChain.sigmoid(l))), x);
            Tensor sigma = DiffusionChain.broadcast(map(logSnr, l -> Math.sqrt(DiffusionChain.sigmoid(-l))), x);
            equal(golden, "out.v", Parameterization.V.target(x, eps, alpha, sigma));
            Parameterization[] from = {Parameterization.EPS, Parameterization.X0, Parameterization.V};
            String[] names = {"eps", "x", "v"};
            for (int i = 0; i < 3; i++) {
                Tensor output = golden.get("in." + names[i] + "_pred");
                Tensor x0 = from[i].x0(z, output, alpha, sigma);
                Tensor noise = from[i].eps(z, output, alpha, sigma);
                for (int k = 0; k < 3; k++) {
                    String name = "out." + names[k] + "_from_" + names[i];
                    if (golden.has(name)) {
                        equal(golden, name, from[k].target(x0, noise, alpha, sigma));
                    }
                }
            }
        }
    }

    private static void equal(Golden golden, String name, Tensor actual) {
        Golden.assertClose(name, Tensors.doubles(actual), golden.doubles(name), 1e-11);
    }

    @ParameterizedTest
    @ValueSource(ints = {64, 128})
    void theLossOverSeveralScalesEqualsTheFormula(int side) {
        try (Golden golden = Golden.open("simple-diffusion/multiscale-" + side)) {
            multiscale(golden, side, ScalarType.Double, 1e-13);
            multiscale(golden, side, ScalarType.Float, 1e-6);
        }
    }

    private static void multiscale(Golden golden, int side, ScalarType type, double tolerance) {
        ScheduledDiffusion config = new ScheduledDiffusion(
                new NoiseSchedule.Cosine(-15, 15),
                Parameterization.EPS,
                Variance.FIXED_SMALL,
                DiffusionLoss.Kind.MSE,
                new LossWeighting.Multiscale(32, new LossWeighting.Uniform()));
        try (Scope scope = Scope.open()) {
            Tensor eps = golden.get("in.eps", type);
            Tensor guess = golden.get("in.eps_hat", type).requires_grad_(true);
            int n = Math.toIntExact(eps.size(0));
            double[] u = new double[n];
            Arrays.fill(u, 0.5);
            Objective objective = config.objective();
            Objective.Terms terms = objective.terms(
                    (x, t, cond) -> guess, eps.mul(Scalars.of(0)), objective.levels(u), eps, Conditioning.none());
            Tensor total = terms.total().mean();
            check(golden, "out.total", total, tolerance);
            assertThat(config.parts(side, side)).hasSize(terms.parts().size());
            for (int i = 0; i < terms.parts().size(); i++) {
                assertThat(config.parts(side, side).get(i)).isEqualTo("mse_" + (32 << i));
                check(golden, "out.scale_" + (32 << i), terms.parts().get(i).mean(), tolerance);
                assertThat(terms.parts().get(i).requires_grad()).isFalse();
            }
            total.backward();
            Tensor gradient = new Tensor(guess.grad());
            check(golden, "out.grad_block", gradient.narrow(2, 0, 8).narrow(3, 0, 8), tolerance);
            check(golden, "out.grad_row", gradient.select(2, side / 2 + 1), tolerance);
            double[] all = Tensors.doubles(gradient);
            double weighted = 0;
            for (int i = 0; i < all.length; i++) {
                weighted += all[i] * Math.cos(i);
            }
            assertThat(weighted).isCloseTo(golden.doubles("out.grad_weighted")[0], within(tolerance));
            assertThat(Arrays.stream(all).map(Math::abs).sum())
                    .isCloseTo(golden.doubles("out.grad_abs_sum")[0], within(tolerance));
        }
    }

    /** Gradients are far below 1: the tolerance is a share of the largest. */
    private static void check(Golden golden, String name, Tensor actual, double tolerance) {
        double[] expected = golden.doubles(name);
        double largest = Arrays.stream(expected).map(Math::abs).max().orElseThrow();
        Golden.assertClose(
                name, map(Tensors.doubles(actual), v -> v / largest), map(expected, v -> v / largest), tolerance);
    }
}
