package org.mezzotint.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.mezzotint.io.Yaml;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class PreconditionedDiffusionTest {
    private static final PreconditionedDiffusion HDIT = new PreconditionedDiffusion(
            0.5,
            0.01,
            160,
            new SigmaDensity.CosineInterpolated(0.5, 64, 32, 64, 1e-3, 1e3),
            new SigmaWeighting.SoftMinSnr(4),
            1);

    @Test
    void levelsAreThoseOfTheDensity() {
        Objective.Levels levels = HDIT.objective().levels(0.1, 0.5, 0.9);
        for (int i = 0; i < 3; i++) {
            double sigma = HDIT.density().sigma(0.1 + 0.4 * i);
            assertThat(levels.time()[i]).isCloseTo(sigma, within(1e-12));
            assertThat(levels.logSnr()[i]).isCloseTo(-2 * Math.log(sigma), within(1e-12));
        }
        assertThat(HDIT.objective().stratified()).isTrue();
        assertThat(levels.part(1, 2).time()).containsExactly(levels.time()[1], levels.time()[2]);
    }

    /** A network that gives nothing: D = c_skip·x, weighted as in equation 6 of arXiv:2401.11605. */
    @Test
    void theLossIsTheWeightedErrorOfTheCleanPicture() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(2)) {
            Tensor x0 = rng.normal(ScalarType.Double, 2, 1, 2, 2);
            Tensor noise = rng.normal(ScalarType.Double, 2, 1, 2, 2);
            Objective objective = HDIT.objective();
            Objective.Levels levels = objective.levels(0.2, 0.7);
            Objective.Terms terms =
                    objective.terms((x, t, cond) -> x.mul(Scalars.of(0)), x0, levels, noise, Conditioning.none());
            double[] clean = Tensors.doubles(x0);
            double[] random = Tensors.doubles(noise);
            for (int n = 0; n < 2; n++) {
                double sigma = levels.time()[n];
                double sum = 0;
                for (int i = 4 * n; i < 4 * n + 4; i++) {
                    double error = 0.25 / (sigma * sigma + 0.25) * (clean[i] + sigma * random[i]) - clean[i];
                    sum += error * error / (sigma * sigma + 0.25);
                }
                assertThat(Tensors.doubles(terms.total())[n]).isCloseTo(sum / 4, within(1e-10));
            }
        }
    }

    @Test
    void theTimesAreTheLevels() {
        assertThat(HDIT.times().sigma(3)).isEqualTo(3);
        assertThat(HDIT.times().time(0.02)).isEqualTo(0.02);
        assertThat(HDIT.times().max()).isEqualTo(160);
        assertThat(HDIT.timestep(Math.exp(2))).isCloseTo(500, within(1e-9));
        assertThatThrownBy(() -> HDIT.times().levels(5))
                .hasMessage("a preconditioned model was trained without a schedule: take another grid, such as karras");
    }

    @Test
    void badNumbersAreRefused() {
        SigmaDensity density = new SigmaDensity.LogNormal(0, 1);
        SigmaWeighting weighting = new SigmaWeighting.Edm();
        assertThatThrownBy(() -> new PreconditionedDiffusion(0, 0.01, 80, density, weighting, 1))
                .hasMessage("sigmaData must be above 0, got 0.0");
        assertThatThrownBy(() -> new PreconditionedDiffusion(0.5, 80, 80, density, weighting, 1))
                .hasMessage("sigmaMin must be above 0 and below sigmaMax, got 80.0 and 80.0");
        assertThatThrownBy(() -> new PreconditionedDiffusion(0.5, 0.01, 80, density, weighting, 0))
                .hasMessage("scales must be at least 1, got 0");
        assertThatThrownBy(() -> new PreconditionedDiffusion(0.5, 0.01, 80, null, weighting, 1))
                .hasMessage("density and weighting must be given");
    }

    @Test
    void survivesJson() {
        assertThat(Yaml.fromJson(Yaml.toJson(HDIT), "diffusion", DiffusionConfig.class))
                .isEqualTo(HDIT);
    }
}
