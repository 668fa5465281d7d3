package org.mezzotint.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.mezzotint.io.Yaml;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** Losses in the space of one quantity of a network that predicts another, and over several scales. */
class LossSpaceTest {
    private static final double[] U = {0.02, 0.35, 0.6, 0.97};

    static Stream<Arguments> everyPair() {
        return Stream.of(Parameterization.values()).flatMap(predicted -> Stream.of(Parameterization.values())
                .map(judged -> Arguments.of(predicted, judged)));
    }

    private static ScheduledDiffusion config(Parameterization predicted, LossWeighting weighting) {
        return new ScheduledDiffusion(
                NoiseSchedule.ShiftedCosine.of(16, 64),
                predicted,
                Variance.FIXED_SMALL,
                DiffusionLoss.Kind.MSE,
                weighting);
    }

    private static Objective.Terms terms(ScheduledDiffusion config, Tensor x0, Tensor noise, Tensor output) {
        Objective objective = config.objective();
        return objective.terms((x, t, cond) -> output, x0, objective.levels(U), noise, Conditioning.none());
    }

    /** x̂_0, ε̂ or v̂ from an output, by the definitions x = α·x_0 + σ·ε and v = α·ε − σ·x_0 alone. */
    private static double converted(
            Parameterization from, Parameterization to, double x, double output, double alpha, double sigma) {
        double x0 =
                switch (from) {
                    case X0 -> output;
                    case EPS -> (x - sigma * output) / alpha;
                    case V -> alpha * x - sigma * output;
                };
        double eps = (x - alpha * x0) / sigma;
        return switch (to) {
            case X0 -> x0;
            case EPS -> eps;
            case V -> alpha * eps - sigma * x0;
        };
    }

    @ParameterizedTest
    @MethodSource("everyPair")
    void theErrorIsThatOfTheJudgedQuantity(Parameterization predicted, Parameterization judged) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1)) {
            Tensor x0 = rng.normal(ScalarType.Double, 4, 2, 3, 2);
            Tensor noise = rng.normal(ScalarType.Double, 4, 2, 3, 2);
            Tensor output = rng.normal(ScalarType.Double, 4, 2, 3, 2);
            ScheduledDiffusion config = config(predicted, new LossWeighting.Space(judged));
            double[] loss = Tensors.doubles(terms(config, x0, noise, output).total());
            double[] logSnr = config.objective().levels(U).logSnr();
            double[] clean = Tensors.doubles(x0);
            double[] eps = Tensors.doubles(noise);
            double[] out = Tensors.doubles(output);
            for (int i = 0; i < 4; i++) {
                double alpha = Math.sqrt(1 / (1 + Math.exp(-logSnr[i])));
                double sigma = Math.sqrt(1 / (1 + Math.exp(logSnr[i])));
                double sum = 0;
                for (int k = 12 * i; k < 12 * (i + 1); k++) {
                    double x = alpha * clean[k] + sigma * eps[k];
                    double truth =
                            switch (judged) {
                                case X0 -> clean[k];
                                case EPS -> eps[k];
                                case V -> alpha * eps[k] - sigma * clean[k];
                            };
                    double error = converted(predicted, judged, x, out[k], alpha, sigma) - truth;
                    sum += error * error;
                }
                assertThat(loss[i]).isCloseTo(sum / 12, within(1e-9 * sum));
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void itsOwnSpaceIsUniform(Parameterization predicted) {
        LossWeighting own = new LossWeighting.Space(predicted);
        assertThat(own.weight(1e-9, predicted)).isEqualTo(1);
        assertThat(own.weight(1e9, predicted)).isEqualTo(1);
    }

    /** v-MSE = ε-MSE·(1 + 1/SNR). */
    @Test
    void theTwoLossesOfThePaperDifferByOnePlusTheReciprocalOfTheSnr() {
        double snr = 0.3;
        double eps = new LossWeighting.Space(Parameterization.EPS).weight(snr, Parameterization.V);
        double v = new LossWeighting.Space(Parameterization.V).weight(snr, Parameterization.V);
        assertThat(v / eps).isCloseTo(1 + 1 / snr, within(1e-12));
    }

    @ParameterizedTest
    @MethodSource("everyPair")
    void severalScalesAddUpAveragedErrorsInPlainLoops(Parameterization predicted, Parameterization judged) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(2)) {
            int h = 12;
            int w = 20; // not square: 3×5, 6×10 and 12×20
            Tensor x0 = rng.normal(ScalarType.Double, 4, 2, h, w);
            Tensor noise = rng.normal(ScalarType.Double, 4, 2, h, w);
            Tensor output = rng.normal(ScalarType.Double, 4, 2, h, w);
            LossWeighting levels = new LossWeighting.Space(judged);
            ScheduledDiffusion config = config(predicted, new LossWeighting.Multiscale(3, levels));
            Objective.Terms terms = terms(config, x0, noise, output);
            assertThat(config.parts(h, w)).containsExactly("mse_3", "mse_6", "mse_12");
            double[] logSnr = config.objective().levels(U).logSnr();
            double[] error = new double[4 * 2 * h * w];
            Tensor target = predicted.target(
                    x0,
                    noise,
                    DiffusionChain.broadcast(roots(logSnr, 1), x0),
                    DiffusionChain.broadcast(roots(logSnr, -1), x0));
            double[] truth = Tensors.doubles(target);
            double[] out = Tensors.doubles(output);
            for (int i = 0; i < error.length; i++) {
                error[i] = out[i] - truth[i];
            }
            for (int i = 0; i < 4; i++) {
                double total = 0;
                for (int part = 0; part < 3; part++) {
                    double mse = levels.weight(Math.exp(logSnr[i]), predicted)
                            * averagedSquare(error, 2 * i, h, w, 4 >> part);
                    assertThat(Tensors.doubles(terms.parts().get(part))[i]).isCloseTo(mse, within(1e-12 * (1 + mse)));
                    total += mse / (3 << part);
                }
                assertThat(Tensors.doubles(terms.total())[i]).isCloseTo(total, within(1e-12 * (1 + total)));
            }
            assertThat(Tensors.doubles(terms.mse())).containsExactly(Tensors.doubles(terms.total()));
        }
    }

    private static double[] roots(double[] logSnr, int sign) {
        return java.util.Arrays.stream(logSnr)
                .map(l -> Math.sqrt(1 / (1 + Math.exp(-sign * l))))
                .toArray();
    }

    /** Mean square over two maps, from one on, of the mean over k×k pixels. */
    private static double averagedSquare(double[] error, int map, int h, int w, int k) {
        double sum = 0;
        for (int c = map; c < map + 2; c++) {
            for (int top = 0; top < h; top += k) {
                for (int left = 0; left < w; left += k) {
                    double mean = 0;
                    for (int i = 0; i < k * k; i++) {
                        mean += error[(c * h + top + i / k) * w + left + i % k] / (k * k);
                    }
                    sum += mean * mean;
                }
            }
        }
        int cells = 2 * (h / k) * (w / k);
        return sum / cells;
    }

    @ParameterizedTest
    @CsvSource({
        "128, 64, 64, 'firstScale must be at most the picture''s shorter side, got 128 for 64x64'",
        "48, 64, 64, 'firstScale must be the picture''s shorter side divided by a power of two that divides the longer one"
                + " too, got 48 for 64x64'",
        "8, 24, 24, 'firstScale must be the picture''s shorter side divided by a power of two that divides the longer one"
                + " too, got 8 for 24x24'",
        "3, 12, 18, 'firstScale must be the picture''s shorter side divided by a power of two that divides the longer one"
                + " too, got 3 for 12x18'"
    })
    void picturesThatCannotBeAveragedDownAreRefused(int first, int height, int width, String message) {
        ScheduledDiffusion config =
                config(Parameterization.V, new LossWeighting.Multiscale(first, new LossWeighting.Uniform()));
        assertThatThrownBy(() -> config.parts(height, width))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(message);
    }

    @Test
    void thePapersWidePicturesHaveFourScales() {
        assertThat(config(Parameterization.V, new LossWeighting.Multiscale(48, new LossWeighting.Uniform()))
                        .parts(384, 640))
                .containsExactly("mse_48", "mse_96", "mse_192", "mse_384");
    }

    @Test
    void wrongSettingsAreRefused() {
        LossWeighting plain = new LossWeighting.Uniform();
        assertThatThrownBy(() -> new LossWeighting.Multiscale(0, plain))
                .hasMessage("firstScale must be at least 1, got 0");
        assertThatThrownBy(() -> new LossWeighting.Multiscale(8, new LossWeighting.Multiscale(8, plain)))
                .hasMessageStartingWith("levels must be a weighting of noise levels, got Multiscale");
        assertThatThrownBy(() -> new LossWeighting.Space(null)).hasMessage("of must be given");
        assertThatThrownBy(() -> new ScheduledDiffusion(
                        new NoiseSchedule.Linear(1000),
                        Parameterization.EPS,
                        Variance.LEARNED_RANGE,
                        DiffusionLoss.Kind.MSE_VLB,
                        new LossWeighting.Multiscale(8, plain)))
                .hasMessage("weighting multiscale needs loss mse, got MSE_VLB");
    }

    @Test
    void areReadAsTheyAreWritten() {
        LossWeighting both = new LossWeighting.Multiscale(32, new LossWeighting.Space(Parameterization.EPS));
        assertThat(Yaml.parse(
                        "{type: multiscale, firstScale: 32, levels: {type: space, of: eps}}",
                        "recipe",
                        LossWeighting.class))
                .isEqualTo(both);
        assertThat(Yaml.fromJson(Yaml.toJson(both), "bundle", LossWeighting.class))
                .isEqualTo(both);
    }
}
