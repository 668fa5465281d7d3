package org.mezzotint.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class DiffusionLossTest {
    private static final double[] U = {0, 0.25, 0.6, 0.999};

    private static ScheduledDiffusion config(
            NoiseSchedule schedule, Parameterization parameterization, LossWeighting weighting) {
        return new ScheduledDiffusion(
                schedule, parameterization, Variance.FIXED_SMALL, DiffusionLoss.Kind.MSE, weighting);
    }

    static Stream<Arguments> everyCombination() {
        return Stream.of(Parameterization.values()).flatMap(parameterization -> Stream.of(
                        new NoiseSchedule.Linear(1000),
                        new NoiseSchedule.SquaredCosine(50),
                        new NoiseSchedule.Cosine(-15, 15),
                        NoiseSchedule.ShiftedCosine.of(64, 256),
                        NoiseSchedule.InterpolatedCosine.of(32, 64, 256))
                .map(schedule -> Arguments.of(schedule, parameterization)));
    }

    /** What the network should say, from the log SNRs alone. */
    private static Tensor perfect(Parameterization parameterization, double[] logSnr, Tensor x0, Tensor noise) {
        if (parameterization == Parameterization.EPS) {
            return noise;
        }
        if (parameterization == Parameterization.X0) {
            return x0;
        }
        double[] x = Tensors.doubles(x0);
        double[] e = Tensors.doubles(noise);
        double[] v = new double[x.length];
        int each = x.length / logSnr.length;
        for (int i = 0; i < v.length; i++) {
            double alpha = Math.sqrt(1 / (1 + Math.exp(-logSnr[i / each])));
            double sigma = Math.sqrt(1 / (1 + Math.exp(logSnr[i / each])));
            v[i] = alpha * e[i] - sigma * x[i];
        }
        return Tensors.of(v).view(x0.shape());
    }

    @ParameterizedTest
    @MethodSource("everyCombination")
    void aPerfectNetworkHasNoError(NoiseSchedule schedule, Parameterization parameterization) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1)) {
            Tensor x0 = rng.normal(ScalarType.Double, 4, 3, 2, 5);
            Tensor noise = rng.normal(ScalarType.Double, 4, 3, 2, 5);
            DiffusionLoss loss = new DiffusionLoss(config(schedule, parameterization, new LossWeighting.Uniform()));
            Objective.Levels levels = loss.levels(U);
            Objective.Terms terms = loss.terms(
                    (x, t, cond) -> perfect(parameterization, levels.logSnr(), x0, noise),
                    x0,
                    levels,
                    noise,
                    Conditioning.none());
            assertThat(Tensors.doubles(terms.total())).hasSize(4).containsExactly(new double[4], within(1e-28));
            assertThat(Tensors.doubles(terms.mse())).containsExactly(Tensors.doubles(terms.total()));
            assertThat(Tensors.doubles(terms.vlb())).isEmpty();
        }
    }

    @ParameterizedTest
    @MethodSource("everyCombination")
    void anErrorIsTheMeanSquareOverThePicture(NoiseSchedule schedule, Parameterization parameterization) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(2)) {
            Tensor x0 = rng.normal(ScalarType.Double, 4, 1, 2, 3);
            Tensor noise = rng.normal(ScalarType.Double, 4, 1, 2, 3);
            Tensor wrong = rng.normal(ScalarType.Double, 4, 1, 2, 3);
            double[] plain = mse(config(schedule, parameterization, new LossWeighting.Uniform()), x0, noise, wrong);
            double[] error = Tensors.doubles(wrong);
            for (int i = 0; i < 4; i++) {
                double sum = 0;
                for (int k = 0; k < 6; k++) {
                    sum += error[6 * i + k] * error[6 * i + k];
                }
                assertThat(plain[i]).isCloseTo(sum / 6, within(1e-12));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("everyCombination")
    void minSnrWeighsTheErrorOfThePicture(NoiseSchedule schedule, Parameterization parameterization) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(3)) {
            Tensor x0 = rng.normal(ScalarType.Double, 4, 1, 2, 3);
            Tensor noise = rng.normal(ScalarType.Double, 4, 1, 2, 3);
            Tensor wrong = rng.normal(ScalarType.Double, 4, 1, 2, 3);
            ScheduledDiffusion config = config(schedule, parameterization, new LossWeighting.MinSnr(5));
            double[] weighted = mse(config, x0, noise, wrong);
            double[] logSnr = new DiffusionLoss(config).levels(U).logSnr();
            double[] squares = mse(config(schedule, parameterization, new LossWeighting.Uniform()), x0, noise, wrong);
            for (int i = 0; i < 4; i++) {
                // the picture that follows from the output is wrong by this factor times the output's error
                double snr = Math.exp(logSnr[i]);
                double factor =
                        switch (parameterization) {
                            case EPS -> 1 / Math.sqrt(snr);
                            case X0 -> 1;
                            case V -> Math.sqrt(1 / (1 + snr));
                        };
                double expected = Math.min(snr, 5) * squares[i] * factor * factor;
                assertThat(weighted[i]).isCloseTo(expected, within(1e-9 * expected));
            }
        }
    }

    private static double[] mse(ScheduledDiffusion config, Tensor x0, Tensor noise, Tensor wrong) {
        DiffusionLoss loss = new DiffusionLoss(config);
        Objective.Levels levels = loss.levels(U);
        Network network = (x, t, cond) ->
                perfect(config.parameterization(), levels.logSnr(), x0, noise).add(wrong);
        return Tensors.doubles(
                loss.terms(network, x0, levels, noise, Conditioning.none()).total());
    }

    @ParameterizedTest
    @MethodSource("everyCombination")
    void theNetworkSeesTheNoisyPictureItsTimeAndItsInputs(NoiseSchedule schedule, Parameterization parameterization) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(4)) {
            Tensor x0 = rng.normal(ScalarType.Double, 4, 1, 1, 2);
            Tensor noise = rng.normal(ScalarType.Double, 4, 1, 1, 2);
            DiffusionLoss loss = new DiffusionLoss(config(schedule, parameterization, new LossWeighting.Uniform()));
            Objective.Levels levels = loss.levels(U);
            double[] x = Tensors.doubles(x0);
            double[] e = Tensors.doubles(noise);
            double[] expected = new double[8];
            for (int i = 0; i < 8; i++) {
                double signal = 1 / (1 + Math.exp(-levels.logSnr()[i / 2]));
                double power = 1 / (1 + Math.exp(levels.logSnr()[i / 2]));
                expected[i] = Math.sqrt(signal) * x[i] + Math.sqrt(power) * e[i];
            }
            Conditioning given = Conditioning.classes(1, 2, 3, 4);
            loss.terms(
                    (noisy, t, cond) -> {
                        assertThat(Tensors.doubles(noisy)).containsExactly(expected, within(1e-12));
                        assertThat(Tensors.doubles(t)).containsExactly(levels.time());
                        assertThat(cond).isSameAs(given);
                        return noisy;
                    },
                    x0,
                    levels,
                    noise,
                    given);
        }
    }

    @Test
    void uniformNumbersChooseTheLevelsOfADiscreteSchedule() {
        NoiseSchedule.Discrete schedule = new NoiseSchedule.SquaredCosine(50);
        DiffusionLoss loss = new DiffusionLoss(config(schedule, Parameterization.EPS, new LossWeighting.Uniform()));
        Objective.Levels levels = loss.levels(0, 0.0199, 0.02, 0.5, Math.nextDown(1.0));
        assertThat(levels.index()).containsExactly(0, 0, 1, 25, 49);
        assertThat(levels.time()).containsExactly(0, 0, 1, 25, 49);
        double[] signal = schedule.chain("").alphaBar();
        for (int i = 0; i < 5; i++) {
            double a = signal[levels.index()[i]];
            assertThat(levels.logSnr()[i]).isCloseTo(Math.log(a / (1 - a)), within(1e-9));
        }
    }

    @Test
    void uniformNumbersAreTheTimesOfAContinuousSchedule() {
        NoiseSchedule.Continuous schedule = new NoiseSchedule.Cosine(-15, 15);
        Objective.Levels levels = new DiffusionLoss(config(schedule, Parameterization.V, new LossWeighting.Uniform()))
                .levels(0, 0.3, 0.75);
        assertThat(levels.index()).isEmpty();
        assertThat(levels.time()).containsExactly(0, 300, 750);
        assertThat(levels.logSnr()).containsExactly(schedule.logSnr(0), schedule.logSnr(0.3), schedule.logSnr(0.75));
    }

    @Test
    void wrongShapesAreRefusedWithNameRuleAndValue() {
        try (Scope scope = Scope.open()) {
            DiffusionLoss loss = new DiffusionLoss(ScheduledDiffusion.dit());
            Tensor x0 = torch.zeros(2, 3, 4, 4);
            Network network = (x, t, cond) -> x;
            assertThatThrownBy(() ->
                            loss.terms(network, x0, loss.levels(0, 0.5), torch.zeros(2, 3, 4, 5), Conditioning.none()))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("noise must have shape (2, 3, 4, 4), got (2, 3, 4, 5)");
            assertThatThrownBy(() -> loss.terms(network, x0, loss.levels(0.5), x0, Conditioning.none()))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("levels must hold one level a picture, got 1 for 2");
            assertThatThrownBy(() -> loss.terms(network, x0, loss.levels(0, 0.5), x0, Conditioning.none()))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("the network's output must have shape (2, 6, 4, 4), got (2, 3, 4, 4)");
        }
    }

    @Test
    void theBoundTrainsTheVarianceOnlyAndTheErrorThePredictionOnly() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(5)) {
            DiffusionLoss loss = new DiffusionLoss(ScheduledDiffusion.dit());
            Tensor x0 = rng.normal(ScalarType.Double, 2, 1, 2, 2);
            Tensor noise = rng.normal(ScalarType.Double, 2, 1, 2, 2);
            Tensor output = rng.normal(ScalarType.Double, 2, 2, 2, 2).requires_grad_(true);
            Objective.Terms terms =
                    loss.terms((x, t, cond) -> output, x0, loss.levels(0, 0.5), noise, Conditioning.none());
            assertThat(Tensors.doubles(terms.mse().add(terms.vlb())))
                    .containsExactly(Tensors.doubles(terms.total()), within(1e-12));
            terms.vlb().sum().backward();
            double[] gradient = Tensors.doubles(output.grad());
            for (int i = 0; i < 16; i++) { // (N, 2, H, W): the prediction, then the variance code
                assertThat(gradient[i] == 0).as("element %d", i).isEqualTo(i / 4 % 2 == 0);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void everyKindOfLossGivesAnotherTotal(DiffusionLoss.Kind kind) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(6)) {
            Tensor x0 = rng.normal(ScalarType.Double, 2, 1, 2, 2).clamp(Scalars.optional(-1), Scalars.optional(1));
            Tensor noise = rng.normal(ScalarType.Double, 2, 1, 2, 2);
            Tensor output = rng.normal(ScalarType.Double, 2, 2, 2, 2);
            List<Double> totals = Stream.of(DiffusionLoss.Kind.values())
                    .filter(each -> each != kind)
                    .map(each -> total(each, x0, noise, output))
                    .toList();
            assertThat(totals).doesNotContain(total(kind, x0, noise, output));
        }
    }

    private static double total(DiffusionLoss.Kind kind, Tensor x0, Tensor noise, Tensor output) {
        Variance variance = kind == DiffusionLoss.Kind.MSE ? Variance.FIXED_SMALL : Variance.LEARNED_RANGE;
        DiffusionLoss loss = new DiffusionLoss(new ScheduledDiffusion(
                new NoiseSchedule.Linear(100), Parameterization.EPS, variance, kind, new LossWeighting.Uniform()));
        Tensor used = variance == Variance.FIXED_SMALL ? output.narrow(1, 0, 1) : output;
        return loss.terms((x, t, cond) -> used, x0, loss.levels(0.1, 0.5), noise, Conditioning.none())
                .total()
                .sum()
                .item_double();
    }

    @Test
    void termsLeaveNoNativeMemoryBehind() {
        try (Rng rng = new Rng(7)) {
            DiffusionLoss loss = new DiffusionLoss(ScheduledDiffusion.dit());
            long before = 0;
            for (int i = 0; i < 12; i++) {
                before = i == 2 ? Pointer.totalCount() : before;
                try (Scope scope = Scope.open()) {
                    Tensor x0 = rng.normal(ScalarType.Float, 2, 1, 2, 2);
                    Tensor output = rng.normal(ScalarType.Float, 2, 2, 2, 2).requires_grad_(true);
                    Objective.Terms terms =
                            loss.terms((x, t, cond) -> output, x0, loss.levels(0, 0.5), x0, Conditioning.none());
                    terms.total().sum().backward();
                }
            }
            assertThat(Pointer.totalCount()).isLessThanOrEqualTo(before);
        }
    }
}
