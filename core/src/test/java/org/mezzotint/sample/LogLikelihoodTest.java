package org.mezzotint.sample;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.LongStream;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.mezzotint.diffusion.DiffusionLoss;
import org.mezzotint.diffusion.LossWeighting;
import org.mezzotint.diffusion.NoiseSchedule;
import org.mezzotint.diffusion.Parameterization;
import org.mezzotint.diffusion.ScheduledDiffusion;
import org.mezzotint.diffusion.SigmaDenoiser;
import org.mezzotint.diffusion.Variance;
import org.mezzotint.diffusion.VpDenoiser;
import org.mezzotint.io.InputException;
import org.mezzotint.models.DiT;
import org.mezzotint.models.DiTConfig;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * On pictures of one or two pixels that come from a mixture of normal distributions, whose density with noise of any level is
 * known. Their mean is 0, and σ_max is so large that their spread does not count beside it.
 */
class LogLikelihoodTest {
    private static final double[][] MEANS = {{-0.5, 0.5}, {0.7, 0.1}, {0.2, -1.4}};
    private static final double[] WEIGHTS = {0.5, 0.3, 0.2};
    private static final double[] DEVIATIONS = {0.2, 0.1, 0.3};
    private static final double MIN = 0.05;
    private static final double MAX = 3000;
    private static final LogLikelihood TIGHT = new LogLikelihood(MIN, MAX, 1e-8, 1e-8, 1);

    /** Σ_k w_k(x)·(s_k²·x + σ²·μ_k)/(s_k² + σ²), w_k the posterior share of component k. */
    private static final SigmaDenoiser MIXTURE = (x, sigma) -> {
        int pixels = (int) x.size(3);
        TensorVector logs = new TensorVector();
        TensorVector means = new TensorVector();
        for (int k = 0; k < WEIGHTS.length; k++) {
            double own = DEVIATIONS[k] * DEVIATIONS[k];
            double noise = sigma[0] * sigma[0];
            Tensor mu = Tensors.of(Arrays.copyOf(MEANS[k], pixels)).to(Tensors.type(x));
            Tensor square = x.sub(mu).square().flatten(1, -1).sum(1); // (N,)
            logs.push_back(square.div(Scalars.of(-2 * (own + noise)))
                    .add(Scalars.of(Math.log(WEIGHTS[k]) - pixels / 2.0 * Math.log(own + noise))));
            means.push_back(x.mul(Scalars.of(own)).add(mu, Scalars.of(noise)).div(Scalars.of(own + noise)));
        }
        Tensor shares = torch.stack(logs, 1).softmax(1).view(-1, WEIGHTS.length, 1, 1, 1);
        return torch.stack(means, 1).mul(shares).sum(1);
    };

    /** log Σ_k weight_k·N(x; μ_k, s_k² + σ_min²). */
    private static double exact(double... x) {
        double p = 0;
        for (int k = 0; k < WEIGHTS.length; k++) {
            double variance = DEVIATIONS[k] * DEVIATIONS[k] + MIN * MIN;
            double term = WEIGHTS[k];
            for (int i = 0; i < x.length; i++) {
                double away = x[i] - MEANS[k][i];
                term *= Math.exp(-away * away / (2 * variance)) / Math.sqrt(2 * Math.PI * variance);
            }
            p += term;
        }
        return Math.log(p);
    }

    private static void silent(double share) {}

    private static Tensor pictures(int pixels, double... x) {
        return Tensors.of(x).view(-1, 1, 1, pixels);
    }

    private static double[] nats(LogLikelihood settings, Tensor x, long... seeds) {
        return settings.evaluate(MIXTURE, x, seeds, LogLikelihoodTest::silent).nats();
    }

    /** In one pixel vᵀ·J·v is J whatever the sign. */
    @Test
    void inOnePixelTheDensityIsThatOfTheMixture() {
        try (Scope scope = Scope.open()) {
            double[] x = {-1.1, -0.5, 0, 0.3, 0.8};
            double[] found = nats(TIGHT, pictures(1, x), 1, 2, 3, 4, 5);
            for (int i = 0; i < x.length; i++) {
                assertThat(found[i]).as("x = " + x[i]).isCloseTo(exact(x[i]), within(2e-6));
            }
        }
    }

    /** The probes (1, 1) and (1, −1) together give the trace of a 2 × 2 matrix exactly; each alone errs by J12 + J21. */
    @Test
    void inTwoPixelsProbesThatCancelGiveTheDensityOfTheMixture() {
        try (Scope scope = Scope.open()) {
            Tensor x = pictures(2, -0.4, 0.4, 0.3, 0, 0.2, -0.5);
            Tensor same = pictures(2, 1, 1, 1, 1, 1, 1);
            Tensor opposite = pictures(2, 1, -1, 1, -1, 1, -1);
            double[] both = TIGHT.evaluate(MIXTURE, x, List.of(same, opposite), LogLikelihoodTest::silent)
                    .nats();
            double[] first = TIGHT.evaluate(MIXTURE, x, List.of(same), LogLikelihoodTest::silent)
                    .nats();
            double[] second = TIGHT.evaluate(MIXTURE, x, List.of(opposite), LogLikelihoodTest::silent)
                    .nats();
            double[][] points = {{-0.4, 0.4}, {0.3, 0}, {0.2, -0.5}};
            for (int i = 0; i < points.length; i++) {
                assertThat(both[i]).isCloseTo(exact(points[i]), within(2e-6));
                assertThat(Math.abs(first[i] - both[i])).isGreaterThan(1e-2);
                assertThat((first[i] + second[i]) / 2).isCloseTo(both[i], within(1e-6));
            }
        }
    }

    @Test
    void theToleranceSaysHowExactTheDensityIs() {
        try (Scope scope = Scope.open()) {
            Tensor x = pictures(1, -1.2, -0.1, 0.9);
            double[] tight = nats(TIGHT, x, 1, 2, 3);
            for (double tolerance : new double[] {1e-3, 1e-5}) {
                LogLikelihood settings = new LogLikelihood(MIN, MAX, tolerance, tolerance, 1);
                assertThat(nats(settings, x, 1, 2, 3)).containsExactly(tight, within(20 * tolerance));
            }
            int few = LogLikelihood.between(MIN, MAX)
                    .evaluate(MIXTURE, x, new long[3], LogLikelihoodTest::silent)
                    .evaluations();
            assertThat(few)
                    .isLessThan(TIGHT.evaluate(MIXTURE, x, new long[3], LogLikelihoodTest::silent)
                                    .evaluations()
                            / 3);
        }
    }

    @Test
    void aPicturesResultDependsOnItsSeedAndNotOnItsBatch() {
        try (Scope scope = Scope.open()) {
            Tensor x = pictures(2, -0.4, 0.4, 0.3, 0, 5, -6);
            double[] together = nats(TIGHT, x, 7, 8, 9);
            for (int i = 0; i < 3; i++) {
                assertThat(nats(TIGHT, x.narrow(0, i, 1), 7 + i)[0]).isCloseTo(together[i], within(1e-6));
            }
            assertThat(nats(TIGHT, x, 7, 8, 9)).isEqualTo(together);
            Tensor copies = x.narrow(0, 0, 1).expand(8, 1, 1, 2);
            double[] others = nats(LogLikelihood.between(MIN, MAX), copies, 0, 1, 2, 3, 4, 5, 6, 7);
            // two pixels have two kinds of probes, of equal and of different signs
            double least = Arrays.stream(others).min().orElseThrow();
            double most = Arrays.stream(others).max().orElseThrow();
            assertThat(most - least).isGreaterThan(1e-2);
            for (double other : others) {
                assertThat(Math.min(other - least, most - other)).isCloseTo(0, within(1e-9));
            }
        }
    }

    @Test
    void moreProbesComeNearerToTheTrace() {
        try (Scope scope = Scope.open()) {
            double[] flat = new double[2 * 16];
            for (int i = 0; i < flat.length; i++) {
                flat[i] = i % 2 == 0 ? 0.2 : -0.3;
            }
            Tensor x = pictures(2, flat);
            long[] seeds = LongStream.range(0, 16).toArray();
            double one = meanError(nats(LogLikelihood.between(MIN, MAX), x, seeds));
            double many = meanError(nats(new LogLikelihood(MIN, MAX, 1e-4, 1e-4, 16), x, seeds));
            assertThat(many).isLessThan(one / 2);
        }
    }

    private static double meanError(double[] nats) {
        return Arrays.stream(nats)
                .map(value -> Math.abs(value - exact(0.2, -0.3)))
                .average()
                .orElseThrow();
    }

    @Test
    void float32PicturesGiveTheSameToTheToleranceOfThatType() {
        try (Scope scope = Scope.open()) {
            Tensor x = pictures(1, -1.2, -0.1, 0.9);
            LogLikelihood usual = LogLikelihood.between(MIN, MAX);
            assertThat(nats(usual, x.to(ScalarType.Float), 1, 2, 3))
                    .containsExactly(nats(usual, x, 1, 2, 3), within(1e-3));
        }
    }

    /** A density that is even over the 256 levels: 255/512 in each dimension. */
    @Test
    void evenLevelsCostEightBits() {
        assertThat(LogLikelihood.bitsPerDimension(7 * Math.log(255 / 512.0), 7)).isCloseTo(8, within(1e-12));
        assertThat(LogLikelihood.bitsPerDimension(7 * Math.log(255 / 256.0), 7)).isCloseTo(7, within(1e-12));
    }

    @Test
    void dequantisedPicturesFillTheirLevels() {
        try (Scope scope = Scope.open()) {
            Tensor x = Tensors.empty(ScalarType.Float, 2, 3, 40, 40).fill_(Scalars.of(0.2f));
            double[] levels = Arrays.stream(Tensors.doubles(LogLikelihood.dequantised(x, 4, 5)))
                    .map(value -> (value - 0.2f) * 127.5)
                    .toArray();
            assertThat(Arrays.stream(levels).map(Math::abs).max().orElse(9)).isBetween(0.49, 0.50001);
            assertThat(Arrays.stream(levels).average().orElse(9)).isCloseTo(0, within(0.02));
            assertThat(Arrays.stream(levels)
                            .map(level -> level * level)
                            .average()
                            .orElse(9))
                    .isCloseTo(1 / 12.0, within(0.003));
            double[] second = Tensors.doubles(LogLikelihood.dequantised(x.narrow(0, 1, 1), 5));
            assertThat(second)
                    .isEqualTo(
                            Tensors.doubles(LogLikelihood.dequantised(x, 4, 5).select(0, 1)));
            assertThat(second).isNotEqualTo(Tensors.doubles(LogLikelihood.dequantised(x.narrow(0, 1, 1), 6)));
        }
    }

    @Test
    void progressRisesToOne() {
        List<Double> shares = new ArrayList<>();
        try (Scope scope = Scope.open()) {
            TIGHT.evaluate(MIXTURE, pictures(1, 0.1), new long[1], shares::add);
        }
        assertThat(shares).isSorted().first().satisfies(share -> assertThat(share)
                .isBetween(0.0, 0.1));
        assertThat(shares.get(shares.size() - 1)).isCloseTo(1, within(1e-12));
    }

    private static DiT dit(Init init) {
        return new DiT(
                new DiTConfig(
                        4,
                        4,
                        1,
                        2,
                        8,
                        1,
                        2,
                        2.0,
                        0,
                        false,
                        false,
                        DiTConfig.Conditioning.ADALN_ZERO,
                        DiTConfig.Convention.paper()),
                init);
    }

    private static SigmaDenoiser denoiser(DiT dit) {
        return new VpDenoiser(
                (x, t, cond) -> dit.forward(x, t, cond, Tape.plain()),
                Conditioning.none(),
                new ScheduledDiffusion(
                        new NoiseSchedule.Linear(1000),
                        Parameterization.V,
                        Variance.FIXED_SMALL,
                        DiffusionLoss.Kind.MSE,
                        new LossWeighting.Uniform()));
    }

    /** Gradients are taken even where the caller switched them off, and no parameter receives any. */
    @Test
    void aNetworksParametersGetNoGradientsAndNativeObjectsDoNotPileUp() {
        List<Long> counts = new ArrayList<>();
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(2);
                Init init = Init.random(0, Precision.FLOAT64, new Device("cpu"));
                DiT dit = dit(init)) {
            // its last layer starts at 0
            dit.trainable()
                    .values()
                    .forEach(parameter ->
                            parameter.add_(rng.normal(ScalarType.Double, parameter.shape()), Scalars.of(0.1)));
            Tensor x = rng.normal(ScalarType.Double, 2, 1, 4, 4);
            LogLikelihood settings = new LogLikelihood(0.05, 20, 1e-4, 1e-4, 2);
            settings.evaluate(denoiser(dit), x, new long[] {1, 2}, share -> counts.add(Pointer.totalCount()));
            dit.trainable()
                    .forEach((name, parameter) ->
                            assertThat(parameter.grad().defined()).as(name).isFalse());
        }
        assertThat(counts).hasSizeGreaterThan(20);
        assertThat(counts.get(counts.size() - 1)).isEqualTo(counts.get(3));
    }

    @ParameterizedTest
    @CsvSource({
        "0, 1, 1e-4, 1e-4, 1, 'sigmaMin must be above 0 and below sigmaMax, got 0.0 and 1.0'",
        "2, 1, 1e-4, 1e-4, 1, 'sigmaMin must be above 0 and below sigmaMax, got 2.0 and 1.0'",
        "0.1, Infinity, 1e-4, 1e-4, 1, 'sigmaMin must be above 0 and below sigmaMax, got 0.1 and Infinity'",
        "0.1, 1, 0, 1e-4, 1, 'atol and rtol must be above 0, got 0.0 and 1.0E-4'",
        "0.1, 1, 1e-4, -1, 1, 'atol and rtol must be above 0, got 1.0E-4 and -1.0'",
        "0.1, 1, 1e-4, 1e-4, 0, 'probes must be at least 1, got 0'"
    })
    void settingsAreChecked(double min, double max, double atol, double rtol, int probes, String message) {
        assertThatThrownBy(() -> new LogLikelihood(min, max, atol, rtol, probes))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(message);
    }

    @Test
    void seedsMustBeOneAPicture() {
        try (Scope scope = Scope.open()) {
            Tensor x = pictures(1, 0.1, 0.2);
            assertThatThrownBy(() -> nats(TIGHT, x, 1))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("seeds must be one a picture, got [1] for 2");
            assertThatThrownBy(() -> LogLikelihood.dequantised(x, 1, 2, 3))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("seeds must be one a picture, got [1, 2, 3] for 2");
        }
    }

    @Test
    void aDenoiserWithoutGradientsIsRefused() {
        try (Scope scope = Scope.open()) {
            SigmaDenoiser blind = (x, sigma) -> MIXTURE.denoise(x, sigma).detach();
            assertThatThrownBy(() -> TIGHT.evaluate(blind, pictures(1, 0.1), new long[1], LogLikelihoodTest::silent))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("the denoiser must be differentiable, its result has no gradient");
        }
    }

    @Test
    void aNetworkThatGivesNoNumbersIsRefused() {
        try (Scope scope = Scope.open()) {
            SigmaDenoiser broken = (x, sigma) -> x.mul(Scalars.of(sigma[0] > 1 ? Double.NaN : 0.5));
            assertThatThrownBy(() -> TIGHT.evaluate(broken, pictures(1, 0.1), new long[1], LogLikelihoodTest::silent))
                    .isInstanceOf(InputException.class)
                    .hasMessageStartingWith("the network's output is not finite at noise level 1.");
        }
    }
}
