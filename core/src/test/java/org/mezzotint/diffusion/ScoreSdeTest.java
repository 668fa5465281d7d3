package org.mezzotint.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.mezzotint.io.Yaml;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** The columns VP and VE of EDM's table 1, written out by hand. */
class ScoreSdeTest {
    private static final double[] LEVELS = {1e-3, 0.0105, 0.02, 0.3, 1, 7, 80, 152};
    private static final ScoreVp VP = ScoreVp.published();
    private static final ScoreVe VE = ScoreVe.published();

    static List<FramedDiffusion> both() {
        return List.of(VP, VE);
    }

    @Test
    void theFrameOfVpIsThatOfTheTable() {
        for (double sigma : LEVELS) {
            assertThat(VP.skip(sigma)).isEqualTo(1);
            assertThat(VP.out(sigma)).isEqualTo(-sigma);
            assertThat(VP.in(sigma)).isCloseTo(1 / Math.sqrt(sigma * sigma + 1), within(1e-15));
            double t = (Math.sqrt(0.1 * 0.1 + 2 * 19.9 * Math.log(1 + sigma * sigma)) - 0.1) / 19.9;
            assertThat(VP.noise(sigma)).isCloseTo(999 * t, within(1e-6));
        }
    }

    @Test
    void theFrameOfVeIsThatOfTheTable() {
        for (double sigma : LEVELS) {
            assertThat(VE.skip(sigma)).isEqualTo(1);
            assertThat(VE.out(sigma)).isEqualTo(sigma);
            assertThat(VE.in(sigma)).isEqualTo(1);
            assertThat(VE.noise(sigma)).isCloseTo(Math.log(0.5 * sigma), within(1e-15));
        }
    }

    @Test
    void edmsFrameHasItsOwnNoiseNumber() {
        assertThat(new Preconditioning(0.5).noise(80)).isCloseTo(Math.log(80) / 4, within(1e-15));
    }

    @Test
    void timesAndLevelsOfVpAreInverse() {
        for (double t = 1e-5; t <= 1; t += 0.01) {
            assertThat(VP.time(VP.sigma(t))).isCloseTo(t, within(1e-13));
        }
        for (double sigma : LEVELS) {
            assertThat(VP.sigma(VP.time(sigma)) / sigma).isCloseTo(1, within(1e-12));
        }
        assertThat(VP.sigma(1)).isCloseTo(Math.sqrt(Math.exp(10.05) - 1), within(1e-9));
    }

    /** Uniform times; uniform ln σ. Stratified numbers u give them at even places. */
    @Test
    void trainingDrawsTheLevelsOfTheTable() {
        double[] u = {0, 0.25, 0.999};
        double[] vp = VP.objective().levels(u).time();
        double[] ve = VE.objective().levels(u).time();
        for (int i = 0; i < 3; i++) {
            double t = 1 + u[i] * (1e-5 - 1);
            assertThat(vp[i]).isCloseTo(Math.sqrt(Math.exp(9.95 * t * t + 0.1 * t) - 1), within(1e-9));
            assertThat(Math.log(ve[i]))
                    .isCloseTo(Math.log(0.02) + u[i] * (Math.log(100) - Math.log(0.02)), within(1e-12));
        }
        assertThat(new SigmaDensity.Vp(19.9, 0.1, 1e-5).sigma(0.25)).isEqualTo(vp[1]);
    }

    @Test
    void samplingVisitsTheGridsOfTheTable() {
        double[] vp = new SigmaGrid.OfSchedule().sigmas(11, VP.times());
        double[] ve = new SigmaGrid.OfSchedule().sigmas(11, VE.times());
        for (int i = 0; i < 11; i++) {
            double t = 1 + i / 10.0 * (1e-3 - 1);
            assertThat(vp[i]).isCloseTo(Math.sqrt(Math.exp(9.95 * t * t + 0.1 * t) - 1), within(1e-9));
            double squared = 100 * 100 * Math.pow(0.02 * 0.02 / (100 * 100), i / 10.0);
            assertThat(ve[i]).isCloseTo(Math.sqrt(squared), within(1e-10));
        }
        assertThat(vp[11]).isZero();
        assertThat(ve[11]).isZero();
        assertThat(VP.times().max()).isCloseTo(vp[0], within(1e-12));
        assertThat(VP.times().min()).isCloseTo(vp[10], within(1e-12));
        assertThat(List.of(VE.times().min(), VE.times().max())).containsExactly(0.02, 100.0);
    }

    /** λ·|D − x_0|² with λ = 1/σ², for a network that gives what it is given: c_in·x. */
    @ParameterizedTest
    @MethodSource("both")
    void theLossIsTheErrorOfTheNoise(FramedDiffusion diffusion) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(2)) {
            Tensor x0 = rng.normal(ScalarType.Double, 2, 1, 2, 2);
            Tensor noise = rng.normal(ScalarType.Double, 2, 1, 2, 2);
            Objective objective = diffusion.objective();
            Objective.Levels levels = objective.levels(0.2, 0.7);
            List<double[]> told = new ArrayList<>();
            Objective.Terms terms = objective.terms(
                    (x, t, cond) -> {
                        told.add(Tensors.doubles(t));
                        return x;
                    },
                    x0,
                    levels,
                    noise,
                    Conditioning.none());
            double[] clean = Tensors.doubles(x0);
            double[] random = Tensors.doubles(noise);
            for (int n = 0; n < 2; n++) {
                double sigma = levels.time()[n];
                double in = diffusion == VP ? 1 / Math.sqrt(sigma * sigma + 1) : 1;
                double sign = diffusion == VP ? -1 : 1;
                double sum = 0;
                for (int i = 4 * n; i < 4 * n + 4; i++) {
                    double x = clean[i] + sigma * random[i];
                    double guess = x + sign * sigma * in * x;
                    sum += (guess - clean[i]) * (guess - clean[i]) / (sigma * sigma);
                }
                assertThat(Tensors.doubles(terms.total())[n] / (sum / 4)).isCloseTo(1, within(1e-10));
                assertThat(told.get(0)[n]).isEqualTo(sigma);
            }
            double[] guess = Tensors.doubles(
                    diffusion.denoiser((x, t, cond) -> x, Conditioning.none()).denoise(x0, 3));
            double factor = diffusion == VP ? 1 - 3 / Math.sqrt(10) : 4;
            assertThat(guess[0]).isCloseTo(factor * clean[0], within(1e-12));
        }
    }

    @Test
    void theWayToNoiseIsTheProcesssOwnTime() {
        assertThat(VP.fraction(VP.sigma(0.4))).isCloseTo(0.4, within(1e-12));
        assertThat(VE.fraction(Math.sqrt(0.02 * 100))).isCloseTo(0.5, within(1e-12));
        assertThat(VE.fraction(1e-3)).isZero();
        assertThat(VE.fraction(1e3)).isOne();
        assertThat(VP.timestep(VP.sigma(0.4))).isCloseTo(0.4 * 999, within(1e-9));
        assertThat(VE.timestep(Math.exp(2))).isCloseTo(500, within(1e-9));
    }

    @ParameterizedTest
    @MethodSource("both")
    void survivesJson(DiffusionConfig diffusion) {
        assertThat(Yaml.fromJson(Yaml.toJson(diffusion), "diffusion", DiffusionConfig.class))
                .isEqualTo(diffusion);
    }

    @Test
    void badNumbersAreRefused() {
        assertThatThrownBy(() -> new ScoreVp(0, 0.1, 1000, 1e-5, 1e-3)).hasMessage("betaD must be above 0, got 0.0");
        assertThatThrownBy(() -> new ScoreVp(19.9, 0.1, 1, 1e-5, 1e-3)).hasMessage("steps must be at least 2, got 1");
        assertThatThrownBy(() -> new ScoreVp(19.9, 0.1, 1000, 1, 1e-3))
                .hasMessage("trainingEpsilon must be above 0 and below 1, got 1.0");
        assertThatThrownBy(() -> new ScoreVe(5, 5))
                .hasMessage("sigmaMin must be above 0 and below sigmaMax, got 5.0 and 5.0");
    }
}
