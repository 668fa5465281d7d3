package org.mezzotint.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.mezzotint.io.Yaml;

class DiffusionConfigTest {
    private static final NoiseSchedule LINEAR = new NoiseSchedule.Linear(1000);
    private static final NoiseSchedule COSINE = new NoiseSchedule.Cosine(-15, 15);

    private static ScheduledDiffusion config(NoiseSchedule schedule, Variance variance, DiffusionLoss.Kind loss) {
        return new ScheduledDiffusion(schedule, Parameterization.EPS, variance, loss, new LossWeighting.Uniform());
    }

    @Test
    void theDiTConfigurationIsThePapers() {
        assertThat(ScheduledDiffusion.dit())
                .isEqualTo(config(LINEAR, Variance.LEARNED_RANGE, DiffusionLoss.Kind.MSE_VLB));
    }

    @Test
    void aLearnedVarianceNeedsALikelihoodTerm() {
        assertThatThrownBy(() -> config(LINEAR, Variance.LEARNED_RANGE, DiffusionLoss.Kind.MSE))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("variance learned-range needs a loss with a likelihood term, such as mse-vlb, got mse");
    }

    @ParameterizedTest
    @CsvSource({"FIXED_SMALL, MSE_VLB", "FIXED_LARGE, RESCALED_MSE_VLB"})
    void aTermForTheVarianceNeedsALearnedOne(Variance variance, DiffusionLoss.Kind loss) {
        assertThatThrownBy(() -> config(LINEAR, variance, loss))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("loss " + loss + " needs variance learned-range");
    }

    @ParameterizedTest
    @EnumSource(value = DiffusionLoss.Kind.class, names = "MSE", mode = EnumSource.Mode.EXCLUDE)
    void aContinuousScheduleTakesTheSquaredErrorOnly(DiffusionLoss.Kind loss) {
        assertThatThrownBy(() -> config(COSINE, Variance.LEARNED_RANGE, loss))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("loss " + loss
                        + " needs a discrete schedule (linear or squared-cosine); a continuous one takes mse");
        assertThat(config(COSINE, Variance.FIXED_SMALL, DiffusionLoss.Kind.MSE).schedule())
                .isEqualTo(COSINE);
    }

    @ParameterizedTest
    @EnumSource(
            value = DiffusionLoss.Kind.class,
            names = {"KL", "RESCALED_KL"})
    void aLikelihoodIsNotWeighted(DiffusionLoss.Kind loss) {
        assertThatThrownBy(() -> new ScheduledDiffusion(
                        LINEAR, Parameterization.EPS, Variance.FIXED_SMALL, loss, new LossWeighting.MinSnr(5)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("loss " + loss + " takes weighting uniform only");
        assertThat(config(LINEAR, Variance.FIXED_SMALL, loss).loss()).isSameAs(loss);
    }

    @Test
    void everyPartMustBeGiven() {
        assertThatThrownBy(() -> config(null, Variance.FIXED_SMALL, DiffusionLoss.Kind.MSE))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("schedule, parameterization, variance, loss and weighting must all be given");
        assertThatThrownBy(() -> config(LINEAR, null, DiffusionLoss.Kind.MSE))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> config(LINEAR, Variance.FIXED_SMALL, null))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void isReadAsItIsWritten() {
        ScheduledDiffusion config = new ScheduledDiffusion(
                NoiseSchedule.InterpolatedCosine.of(32, 256, 512),
                Parameterization.V,
                Variance.FIXED_SMALL,
                DiffusionLoss.Kind.MSE,
                new LossWeighting.MinSnr(5));
        for (ScheduledDiffusion each : new ScheduledDiffusion[] {config, ScheduledDiffusion.dit()}) {
            assertThat(Yaml.fromJson(Yaml.toJson(each), "diffusion", DiffusionConfig.class))
                    .isEqualTo(each);
        }
    }
}
