package org.mezzotint.sample;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.diffusion.Interpolant;
import org.mezzotint.diffusion.SigmaDenoiser;
import org.mezzotint.diffusion.SigmaGrid;
import org.mezzotint.io.InputException;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** Solvers on pictures of independent normal pixels, whose ideal denoiser and probability flow are known. */
class SigmaSamplerTest {
    private static final double MEAN = 0.4;
    private static final double VARIANCE = 0.25;
    private static final double FIRST = 20;
    private static final double LAST = 0.05;

    private static final SigmaDenoiser IDEAL = (x, sigma) -> {
        Tensor noise = Tensors.of(sigma).square().view(sigma.length, 1, 1, 1).to(x.device(), Tensors.type(x));
        return x.mul(Scalars.of(VARIANCE)).add(noise.mul(Scalars.of(MEAN))).div(noise.add(Scalars.of(VARIANCE)));
    };

    private static final SigmaSampler.StepNoise UNUSED = (draw, sigma, next, like, first) -> {
        throw new AssertionError("a deterministic solver asked for noise");
    };

    private static SigmaSampler solver(String name, double eta) {
        return switch (name) {
            case "euler" -> new Euler(Churn.NONE);
            case "euler-ancestral" -> new EulerAncestral(eta, 1);
            case "heun" -> new Heun(Churn.NONE);
            case "dpm-2" -> new Dpm2(Churn.NONE);
            case "dpm-2-ancestral" -> new Dpm2Ancestral(eta, 1);
            case "lms" -> new Lms(4);
            case "dpm-fast" -> new DpmFast(eta, 1);
            case "dpmpp-2s-ancestral" -> new DpmPp2SAncestral(eta, 1);
            case "dpmpp-sde" -> new DpmPpSde(eta, 1, 0.5);
            case "dpmpp-2m" -> new DpmPp2M();
            case "dpmpp-2m-sde" -> new DpmPp2MSde(eta, 1, DpmPp2MSde.Correction.MIDPOINT);
            case "dpmpp-2m-sde-heun" -> new DpmPp2MSde(eta, 1, DpmPp2MSde.Correction.HEUN);
            case "dpmpp-3m-sde" -> new DpmPp3MSde(eta, 1);
            case "flow-heun" -> new FlowHeun(Interpolant.LINEAR);
            case "flow-heun-trigonometric" -> new FlowHeun(Interpolant.TRIGONOMETRIC);
            case "flow-sde" -> new FlowSde(Interpolant.LINEAR, eta);
            case "flow-sde-trigonometric" -> new FlowSde(Interpolant.TRIGONOMETRIC, eta);
            default -> throw new IllegalArgumentException(name);
        };
    }

    /** Levels that end above 0, where the flow's end is known exactly and the last step is like the others. */
    private static double[] levels(int steps) {
        double[] sigmas = new double[steps + 1];
        SigmaGrid.Formula grid = new SigmaGrid.Exponential(LAST, FIRST);
        Arrays.setAll(sigmas, i -> grid.at((double) i / steps));
        return sigmas;
    }

    /** Error at the end of the deterministic flow: x(σ) − μ is proportional to √(s² + σ²). */
    private static double error(SigmaSampler solver, int steps) {
        try (Scope scope = Scope.open()) {
            Tensor x = Tensors.of(13.0).view(1, 1, 1, 1);
            double expected = MEAN + (13 - MEAN) * Math.sqrt((VARIANCE + LAST * LAST) / (VARIANCE + FIRST * FIRST));
            Tensor end = solver.sample(IDEAL, x, levels(steps), UNUSED, Sampler.Progress.NONE);
            return Math.abs(Tensors.doubles(end)[0] - expected);
        }
    }

    static List<Arguments> orders() {
        return List.of(
                Arguments.of("euler", 1),
                Arguments.of("euler-ancestral", 1),
                Arguments.of("heun", 2),
                Arguments.of("dpm-2", 2),
                Arguments.of("dpm-2-ancestral", 2),
                Arguments.of("lms", 2),
                Arguments.of("dpm-fast", 2),
                Arguments.of("dpmpp-2s-ancestral", 2),
                Arguments.of("dpmpp-sde", 2),
                Arguments.of("dpmpp-2m", 2),
                Arguments.of("dpmpp-2m-sde", 2),
                Arguments.of("dpmpp-2m-sde-heun", 2),
                Arguments.of("dpmpp-3m-sde", 2),
                Arguments.of("flow-heun", 2),
                Arguments.of("flow-heun-trigonometric", 2),
                Arguments.of("flow-sde", 1),
                Arguments.of("flow-sde-trigonometric", 1));
    }

    /** A multistep method's first steps are of lower order, which is what remains in the end. */
    @ParameterizedTest
    @MethodSource("orders")
    void withoutNoiseEachSolverConvergesAtItsOrder(String name, int order) {
        SigmaSampler solver = solver(name, 0);
        double coarse = error(solver, 160);
        double fine = error(solver, 640);
        double slope = Math.log(coarse / fine) / Math.log(4);
        assertThat(slope).as("%s: %s, %s", name, coarse, fine).isGreaterThan(order - 0.2);
        assertThat(fine).isLessThan(0.02);
        if (name.startsWith("euler")) {
            assertThat(slope).isLessThan(1.2);
        }
    }

    /** Two kinds of pixels, N(−1, ¼) twice as often as N(1.5, 1/9): the best guess bends between them. */
    private static double mixture(double x, double sigma) {
        double[] means = {-1, 1.5};
        double[] variances = {0.25, 1.0 / 9};
        double[] shares = {2, 1};
        double weights = 0;
        double sum = 0;
        for (int k = 0; k < 2; k++) {
            double total = variances[k] + sigma * sigma;
            double weight = shares[k] / Math.sqrt(total) * Math.exp(-(x - means[k]) * (x - means[k]) / (2 * total));
            weights += weight;
            sum += weight * (variances[k] * x + sigma * sigma * means[k]) / total;
        }
        return sum / weights;
    }

    private static final SigmaDenoiser MIXTURE = (x, sigma) -> {
        double[] values = Tensors.doubles(x);
        for (int i = 0; i < values.length; i++) {
            values[i] = mixture(values[i], sigma[i * sigma.length / values.length]);
        }
        return Tensors.of(values).view(x.shape());
    };

    /** The end of the mixture's probability flow by Runge and Kutta's classical method in ln σ, in plain doubles. */
    private static double flow(double start) {
        int n = 20_000;
        double h = Math.log(LAST / FIRST) / n;
        double x = start;
        for (int i = 0; i < n; i++) {
            double s = Math.log(FIRST) + i * h;
            double k1 = x - mixture(x, Math.exp(s));
            double k2 = x + h / 2 * k1 - mixture(x + h / 2 * k1, Math.exp(s + h / 2));
            double k3 = x + h / 2 * k2 - mixture(x + h / 2 * k2, Math.exp(s + h / 2));
            double k4 = x + h * k3 - mixture(x + h * k3, Math.exp(s + h));
            x += h / 6 * (k1 + 2 * k2 + 2 * k3 + k4);
        }
        return x;
    }

    private static double mixtureError(SigmaSampler solver, int steps) {
        double worst = 0;
        for (double start : new double[] {13, -8}) {
            try (Scope scope = Scope.open()) {
                Tensor x = Tensors.of(start).view(1, 1, 1, 1);
                Tensor end = solver.sample(MIXTURE, x, levels(steps), UNUSED, Sampler.Progress.NONE);
                worst = Math.max(worst, Math.abs(Tensors.doubles(end)[0] - flow(start)));
            }
        }
        return worst;
    }

    @ParameterizedTest
    @MethodSource("orders")
    void alsoWhereTheFlowBendsEachSolverConvergesAtItsOrder(String name, int order) {
        SigmaSampler solver = solver(name, 0);
        double coarse = mixtureError(solver, 240);
        double fine = mixtureError(solver, 960);
        double slope = Math.log(coarse / fine) / Math.log(4);
        assertThat(slope).as("%s: %s, %s", name, coarse, fine).isGreaterThan(order - 0.25);
        assertThat(fine).isLessThan(0.05);
    }

    @Test
    void dpmAdaptiveKeepsItsToleranceWhereTheFlowBends() {
        for (double tolerance : new double[] {1e-2, 1e-4}) {
            DpmAdaptive solver = new DpmAdaptive(3, tolerance, tolerance, 0.05, 0, 1, 0, 0.81, 0, 1, false);
            assertThat(mixtureError(solver, 10)).isLessThan(20 * tolerance);
        }
    }

    @Test
    void dpmAdaptiveKeepsItsTolerance() {
        Map<Double, Double> errors = new LinkedHashMap<>();
        for (double tolerance : new double[] {1e-2, 1e-4}) {
            DpmAdaptive solver = new DpmAdaptive(3, tolerance, tolerance, 0.05, 0, 1, 0, 0.81, 0, 1, false);
            errors.put(tolerance, error(solver, 10));
        }
        errors.forEach((tolerance, error) -> assertThat(error).isLessThan(3 * tolerance));
        assertThat(errors.get(1e-4)).isLessThan(errors.get(1e-2));
    }

    /** The reverse process keeps the marginal distribution: mean μ and variance s² + σ². */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "euler-ancestral",
                "dpm-2-ancestral",
                "dpmpp-2s-ancestral",
                "dpmpp-sde",
                "dpmpp-2m-sde",
                "dpmpp-2m-sde-heun",
                "dpmpp-3m-sde",
                "dpm-fast",
                "flow-sde",
                "flow-sde-trigonometric"
            })
    void withNoiseTheEndHasTheDistributionOfThePictures(String name) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(3)) {
            int n = 20;
            long[] seeds = LongStream.range(0, n).toArray();
            Tensor x = rng.normal(ScalarType.Double, n, 1, 32, 32)
                    .mul(Scalars.of(Math.sqrt(VARIANCE + FIRST * FIRST)))
                    .add(Scalars.of(MEAN));
            double[] end = Tensors.doubles(solver(name, 1)
                    .sample(IDEAL, x, levels(180), SigmaNoise.independent(seeds), Sampler.Progress.NONE));
            double mean = Arrays.stream(end).average().orElse(0);
            double variance = Arrays.stream(end)
                    .map(v -> (v - mean) * (v - mean))
                    .average()
                    .orElse(0);
            assertThat(mean).isCloseTo(MEAN, within(0.02));
            assertThat(variance / (VARIANCE + LAST * LAST)).isBetween(0.93, 1.07);
        }
    }

    @Test
    void stepsOfABrownianPathAddUp() {
        try (Scope scope = Scope.open()) {
            SigmaSampler.StepNoise noise = SigmaNoise.brownian(0.01, 80, 7, 8);
            Tensor like = Tensors.empty(ScalarType.Double, 2, 3, 4, 5);
            double[] whole = scaled(noise.draw(0, 30, 0.5, like), Math.log(60));
            double[] first = scaled(noise.draw(4, 30, 3, like), Math.log(10));
            double[] second = scaled(noise.draw(9, 3, 0.5, like), Math.log(6));
            for (int i = 0; i < whole.length; i++) {
                assertThat(first[i] + second[i]).isCloseTo(whole[i], within(1e-10));
            }
        }
    }

    private static double[] scaled(Tensor noise, double length) {
        return Tensors.doubles(noise.mul(Scalars.of(Math.sqrt(length))));
    }

    @Test
    void incrementsOfABrownianPathAreStandardNormalAndIndependent() {
        try (Scope scope = Scope.open()) {
            SigmaSampler.StepNoise noise = SigmaNoise.brownian(0.01, 80, 5);
            Tensor like = Tensors.empty(ScalarType.Double, 1, 3, 100, 100);
            double[] a = Tensors.doubles(noise.draw(0, 70, 11, like));
            double[] b = Tensors.doubles(noise.draw(1, 11, 9.5, like));
            double mean = 0;
            double power = 0;
            double product = 0;
            for (int i = 0; i < a.length; i++) {
                mean += (a[i] + b[i]) / (2 * a.length);
                power += (a[i] * a[i] + b[i] * b[i]) / (2 * a.length);
                product += a[i] * b[i] / a.length;
            }
            assertThat(mean).isCloseTo(0, within(0.02));
            assertThat(power).isCloseTo(1, within(0.03));
            assertThat(product).isCloseTo(0, within(0.03));
        }
    }

    /** The point of the path: more steps of an SDE solver refine the same picture. */
    @Test
    void moreStepsAlongOnePathGiveTheSamePictureMoreExactly() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(4)) {
            Tensor x = rng.normal(ScalarType.Double, 1, 1, 8, 8).mul(Scalars.of(FIRST));
            SigmaSampler.StepNoise path = SigmaNoise.brownian(LAST, FIRST, 11);
            SigmaSampler solver = new DpmPp2MSde(1, 1, DpmPp2MSde.Correction.HEUN);
            double[] fine = Tensors.doubles(solver.sample(IDEAL, x, levels(800), path, Sampler.Progress.NONE));
            double[] middle = Tensors.doubles(solver.sample(IDEAL, x, levels(200), path, Sampler.Progress.NONE));
            double[] coarse = Tensors.doubles(solver.sample(IDEAL, x, levels(50), path, Sampler.Progress.NONE));
            assertThat(distance(middle, fine)).isLessThan(0.5 * distance(coarse, fine));
            assertThat(distance(coarse, fine)).isLessThan(0.2);
        }
    }

    private static double distance(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += (a[i] - b[i]) * (a[i] - b[i]);
        }
        return Math.sqrt(sum / a.length);
    }

    @Test
    void aPicturesNoiseDependsOnItsSeedAlone() {
        try (Scope scope = Scope.open()) {
            Tensor both = Tensors.empty(ScalarType.Float, 2, 1, 4, 4);
            Tensor one = Tensors.empty(ScalarType.Float, 1, 1, 4, 4);
            for (boolean brownian : new boolean[] {false, true}) {
                SigmaSampler.StepNoise pair =
                        brownian ? SigmaNoise.brownian(0.1, 10, 5, 6) : SigmaNoise.independent(5, 6);
                SigmaSampler.StepNoise second = brownian ? SigmaNoise.brownian(0.1, 10, 6) : SigmaNoise.independent(6);
                assertThat(Tensors.floats(pair.draw(3, 5, 4, both).select(0, 1)))
                        .containsExactly(
                                Tensors.floats(second.draw(3, 5, 4, one).select(0, 0)));
                assertThat(Tensors.floats(pair.draw(3, 5, 4, one, 1)))
                        .containsExactly(Tensors.floats(second.draw(3, 5, 4, one)));
            }
        }
    }

    @Test
    void aNetworkThatGivesNoNumbersStopsDpmAdaptive() {
        try (Scope scope = Scope.open()) {
            Tensor x = Tensors.of(1.0).view(1, 1, 1, 1);
            SigmaDenoiser broken = (state, sigma) -> state.mul(Scalars.of(Double.NaN));
            assertThatThrownBy(() -> DpmAdaptive.standard()
                            .sample(broken, x, new double[] {10, 0.1, 0}, UNUSED, Sampler.Progress.NONE))
                    .isInstanceOf(InputException.class)
                    .hasMessageStartingWith("the network's output is not finite at noise level 10");
        }
    }
}
