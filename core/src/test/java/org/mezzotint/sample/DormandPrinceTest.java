package org.mezzotint.sample;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** On dy/dt = y·cos t, whose solution is y(0)·e^(sin t). */
class DormandPrinceTest {
    private static final DormandPrince.Slope COSINE =
            (t, y) -> y.stream().map(part -> part.mul(Scalars.of(Math.cos(t)))).toList();

    private static List<Tensor> state(double... pictures) {
        return List.of(Tensors.of(pictures).view(-1, 1));
    }

    private static double[] end(DormandPrince method, double... start) {
        try (Scope scope = Scope.open()) {
            return Tensors.doubles(
                    method.integrate(COSINE, state(start), 0, 3, t -> {}).get(0));
        }
    }

    /** Error at t = 2 after steps of one size. */
    private static double errorOfEvenSteps(int steps) {
        try (Scope scope = Scope.open()) {
            double h = 2.0 / steps;
            List<Tensor> y = state(1);
            for (int i = 0; i < steps; i++) {
                y = new DormandPrince(1, 1)
                        .step(COSINE, i * h, y, COSINE.at(i * h, y), h)
                        .end();
            }
            return Math.abs(Tensors.doubles(y.get(0))[0] - Math.exp(Math.sin(2)));
        }
    }

    @Test
    void theMethodIsOfOrderFive() {
        double slope = Math.log(errorOfEvenSteps(10) / errorOfEvenSteps(40)) / Math.log(4);
        assertThat(slope).isBetween(4.8, 5.5);
    }

    /** The difference to a method of order 4 falls as that one's error in a single step, with h⁵. */
    @Test
    void theErrorEstimateIsThatOfOrderFour() {
        try (Scope scope = Scope.open()) {
            DormandPrince method = new DormandPrince(1, 1e-300);
            List<Tensor> y = state(1);
            double coarse = method.step(COSINE, 0.3, y, COSINE.at(0.3, y), 0.2).error();
            double fine = method.step(COSINE, 0.3, y, COSINE.at(0.3, y), 0.05).error();
            assertThat(Math.log(coarse / fine) / Math.log(4)).isBetween(4.8, 5.5);
        }
    }

    @Test
    void theSlopeAtTheEndServesTheNextStep() {
        try (Scope scope = Scope.open()) {
            List<Tensor> y = state(1.5, -2);
            DormandPrince.Trial trial = new DormandPrince(1, 1).step(COSINE, 0.4, y, COSINE.at(0.4, y), 0.3);
            assertThat(Tensors.doubles(trial.slope().get(0)))
                    .containsExactly(Tensors.doubles(COSINE.at(0.7, trial.end()).get(0)));
        }
    }

    @ParameterizedTest
    @ValueSource(doubles = {1e-3, 1e-6, 1e-9, 1e-12})
    void theToleranceIsKept(double tolerance) {
        double error = Math.abs(end(new DormandPrince(tolerance, tolerance), 1)[0] - Math.exp(Math.sin(3)));
        assertThat(error).isLessThan(10 * tolerance).isGreaterThan(1e-4 * tolerance);
    }

    @ParameterizedTest
    @CsvSource({"1e-9, 1e-3", "1e-3, 1e-9"})
    void eachOfBothTolerancesCounts(double atol, double rtol) {
        double looser = Math.abs(end(new DormandPrince(atol, rtol), 1)[0] - Math.exp(Math.sin(3)));
        double tighter = Math.abs(end(new DormandPrince(1e-9, 1e-9), 1)[0] - Math.exp(Math.sin(3)));
        assertThat(looser).isGreaterThan(100 * tighter);
    }

    @Test
    void stepsGrowToWhatTheToleranceAllowsAndTimeArrivesExactly() {
        List<Double> times = new ArrayList<>();
        int[] evaluations = new int[1];
        try (Scope scope = Scope.open()) {
            DormandPrince.Slope counted = (t, y) -> {
                evaluations[0]++;
                return COSINE.at(t, y);
            };
            new DormandPrince(1e-6, 1e-6).integrate(counted, state(1), 0, 3, times::add);
        }
        assertThat(times).isSorted().hasSizeBetween(5, 30);
        assertThat(times.get(times.size() - 1)).isEqualTo(3);
        assertThat(evaluations[0]).isBetween(2 + 6 * times.size(), 2 + 6 * (times.size() + 3));
    }

    /** Pictures of zeros have no error that could make the mean error small: the one that has takes the steps it needs. */
    @Test
    void aPictureIsNoLessExactAmongOthers() {
        DormandPrince method = new DormandPrince(1e-6, 1e-6);
        double[] crowd = new double[1000];
        crowd[3] = 1;
        assertThat(end(method, crowd)[3]).isEqualTo(end(method, 1)[0]);
        double[] unequal = end(method, 1, 1e6);
        assertThat(unequal[0]).isCloseTo(Math.exp(Math.sin(3)), within(1e-5));
        assertThat(unequal[1] / 1e6).isCloseTo(Math.exp(Math.sin(3)), within(1e-5));
    }

    /** dy/dt = y² from y(0) = 1 is 1/(1 − t). */
    @Test
    void anEquationThatCannotBeFollowedIsRefused() {
        try (Scope scope = Scope.open()) {
            DormandPrince method = new DormandPrince(1e-6, 1e-6);
            assertThatThrownBy(() -> method.integrate((t, y) -> List.of(y.get(0).square()), state(1), 0, 2, t -> {}))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageMatching(
                            "the tolerance cannot be kept at (0.99|1\\.00)\\d*: atol and rtol are too small .*"
                                    + "got 1.0E-6 and 1.0E-6");
        }
    }

    @ParameterizedTest
    @CsvSource({"0, 1", "1, 0", "-1, 1", "NaN, 1", "1, Infinity"})
    void tolerancesMustBePositiveNumbers(double atol, double rtol) {
        assertThatThrownBy(() -> new DormandPrince(atol, rtol))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("atol and rtol must be above 0, got " + atol + " and " + rtol);
    }
}
