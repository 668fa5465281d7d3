package org.mezzotint.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.mezzotint.io.Yaml;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class FlowMatchingTest {
    private static final double MEAN = 0.4;
    private static final double STD = 0.6;

    private static FlowMatching flow(Interpolant interpolant, double shift) {
        return new FlowMatching(interpolant, new FlowTime.Uniform(), shift, FlowMatching.Convention.TO_NOISE);
    }

    /** E[α'x_0 + σ'ε | x_t] of a Gaussian. */
    static Network gaussian(Interpolant interpolant) {
        return (x, time, cond) -> {
            double t = Tensors.doubles(time)[0] / 1000;
            double alpha = interpolant.alpha(t);
            double sigma = interpolant.sigma(t);
            double total = alpha * alpha * STD * STD + sigma * sigma;
            double h = 1e-6;
            double alphaRate = (interpolant.alpha(t + h) - interpolant.alpha(t - h)) / (2 * h);
            double sigmaRate = (interpolant.sigma(t + h) - interpolant.sigma(t - h)) / (2 * h);
            Tensor centred = x.sub(Scalars.of(alpha * MEAN));
            Tensor x0 = centred.mul(Scalars.of(alpha * STD * STD / total)).add(Scalars.of(MEAN));
            Tensor eps = centred.mul(Scalars.of(sigma / total));
            return x0.mul(Scalars.of(alphaRate)).add(eps.mul(Scalars.of(sigmaRate)));
        };
    }

    @ParameterizedTest
    @EnumSource
    void ratesAreTheDerivativesOfTheInterpolant(Interpolant interpolant) {
        double h = 1e-6;
        for (double t : new double[] {0.1, 0.5, 0.93}) {
            assertThat(interpolant.alphaRate(t))
                    .isCloseTo((interpolant.alpha(t + h) - interpolant.alpha(t - h)) / (2 * h), within(1e-8));
            assertThat(interpolant.sigmaRate(t))
                    .isCloseTo((interpolant.sigma(t + h) - interpolant.sigma(t - h)) / (2 * h), within(1e-8));
            assertThat(interpolant.time(interpolant.sigma(t) / interpolant.alpha(t)))
                    .isCloseTo(t, within(1e-12));
        }
    }

    @ParameterizedTest
    @EnumSource
    void aPerfectVelocityGivesTheBestGuess(Interpolant interpolant) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1)) {
            for (double sigma : new double[] {0.02, 0.7, 3, 60}) {
                Tensor x = rng.normal(ScalarType.Double, 1, 2, 3, 5).mul(Scalars.of(sigma));
                double[] guess = Tensors.doubles(flow(interpolant, 1)
                        .denoiser(gaussian(interpolant), Conditioning.none())
                        .denoise(x, sigma));
                double[] noisy = Tensors.doubles(x);
                for (int i = 0; i < noisy.length; i++) {
                    double best = (STD * STD * noisy[i] + sigma * sigma * MEAN) / (STD * STD + sigma * sigma);
                    assertThat(guess[i]).isCloseTo(best, within(1e-7 * Math.max(1, sigma)));
                }
            }
        }
    }

    /** v = ε − x_0 and x_t = (1 − t)·x_0 + t·ε on the linear path. */
    @Test
    void theLossIsTheSquaredErrorOfTheVelocity() {
        try (Scope scope = Scope.open()) {
            Tensor x0 = Tensors.of(0.5, -0.25, 1, 0).view(2, 1, 1, 2);
            Tensor noise = Tensors.of(2.0, -1, 0.5, 3).view(2, 1, 1, 2);
            FlowMatching flow = flow(Interpolant.LINEAR, 1);
            Objective.Levels levels = flow.levels(0.25, 0.5);
            assertThat(levels.time()).containsExactly(new double[] {250, 500}, within(1e-9));
            assertThat(levels.logSnr()).containsExactly(new double[] {2 * Math.log(3), 0}, within(1e-12));
            double[][] seen = new double[1][];
            Objective.Terms terms = flow.terms(
                    (x, t, cond) -> {
                        seen[0] = Tensors.doubles(x);
                        return x.mul(Scalars.of(0));
                    },
                    x0,
                    levels,
                    noise,
                    Conditioning.none());
            assertThat(seen[0]).containsExactly(new double[] {0.875, -0.4375, 0.75, 1.5}, within(1e-12));
            assertThat(Tensors.doubles(terms.total()))
                    .containsExactly(new double[] {(1.5 * 1.5 + 0.75 * 0.75) / 2, (0.5 * 0.5 + 9) / 2}, within(1e-12));
        }
    }

    /** Equation 23 of arXiv:2403.03206: the log SNR moves by 2·log(shift). */
    @Test
    void theShiftMovesTheLogSnr() {
        FlowMatching plain = flow(Interpolant.LINEAR, 1);
        FlowMatching shifted = flow(Interpolant.LINEAR, 3);
        double[] before = plain.levels(0.1, 0.6).logSnr();
        double[] after = shifted.levels(0.1, 0.6).logSnr();
        for (int i = 0; i < 2; i++) {
            assertThat(after[i]).isCloseTo(before[i] - 2 * Math.log(3), within(1e-12));
        }
        assertThat(shifted.times().levels(2)).containsExactly(new double[] {1000, 3}, within(0.02));
    }

    @Test
    void logitNormalTimesHaveTheirMedianAndQuartiles() {
        FlowTime time = new FlowTime.LogitNormal(-0.5, 2);
        assertThat(time.time(0.5)).isCloseTo(1 / (1 + Math.exp(0.5)), within(1e-9));
        double quartile = 0.6744897501960817;
        assertThat(time.time(0.75)).isCloseTo(1 / (1 + Math.exp(0.5 - 2 * quartile)), within(1e-6));
        assertThat(time.time(0)).isGreaterThan(0);
    }

    /** SiT's network hears 1 − t, points to pictures, and has channels behind its velocity that nobody reads. */
    @ParameterizedTest
    @EnumSource
    void sitsConventionIsTheSameFlow(Interpolant interpolant) {
        FlowMatching plain = flow(interpolant, 2);
        FlowMatching sit = new FlowMatching(interpolant, new FlowTime.Uniform(), 2, FlowMatching.Convention.SIT);
        Network network = gaussian(interpolant);
        Network mirrored = (x, told, cond) -> {
            double[] t = Tensors.doubles(told);
            for (int i = 0; i < t.length; i++) {
                t[i] = 1000 * (1 - t[i]);
            }
            Tensor velocity = network.evaluate(x, Tensors.of(t), cond).neg();
            return torch.cat(new TensorVector(velocity, x.mul(Scalars.of(7))), 1);
        };
        try (Scope scope = Scope.open();
                Rng rng = new Rng(3)) {
            Tensor x = rng.normal(ScalarType.Double, 2, 2, 3, 5);
            for (double sigma : new double[] {0.05, 1, 30}) {
                assertThat(Tensors.doubles(
                                sit.denoiser(mirrored, Conditioning.none()).denoise(x, sigma)))
                        .containsExactly(
                                Tensors.doubles(plain.denoiser(network, Conditioning.none())
                                        .denoise(x, sigma)),
                                within(1e-9));
            }
            Tensor noise = rng.normal(ScalarType.Double, 2, 2, 3, 5);
            double[] theirs = Tensors.doubles(sit.terms(mirrored, x, sit.levels(0.3, 0.3), noise, Conditioning.none())
                    .total());
            double[] ours = Tensors.doubles(plain.terms(network, x, plain.levels(0.3, 0.3), noise, Conditioning.none())
                    .total());
            assertThat(theirs).containsExactly(ours, within(1e-9));
        }
        assertThat(sit.fraction(0.25)).isCloseTo(0.75, within(1e-12));
        assertThat(sit.times().sigma(sit.times().time(0.7))).isCloseTo(0.7, within(1e-9));
        assertThat(sit.times().levels(5)).containsExactly(plain.times().levels(5), within(1e-9));
        assertThat(sit.fitsOutput(4, 8)).isTrue();
        assertThat(plain.fitsOutput(4, 8)).isFalse();
    }

    @Test
    void badNumbersAreRefused() {
        assertThatThrownBy(() -> flow(Interpolant.LINEAR, 0))
                .hasMessage("shift must be above 0 and below 1000000, got 0.0");
        assertThatThrownBy(() -> flow(null, 1)).hasMessage("interpolant, time and convention must be given");
        assertThatThrownBy(() -> new FlowTime.LogitNormal(0, -1))
                .hasMessage("mean must be finite and std above 0, got 0.0 and -1.0");
    }

    @Test
    void survivesJson() {
        DiffusionConfig config = new FlowMatching(
                Interpolant.TRIGONOMETRIC, new FlowTime.LogitNormal(0, 1), 2, FlowMatching.Convention.TO_NOISE);
        assertThat(Yaml.fromJson(Yaml.toJson(config), "diffusion", DiffusionConfig.class))
                .isEqualTo(config);
    }
}
