package org.mezzotint.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.mezzotint.data.ShapesDataset;
import org.mezzotint.diffusion.DiffusionConfig;
import org.mezzotint.diffusion.DiffusionLoss;
import org.mezzotint.diffusion.LossWeighting;
import org.mezzotint.diffusion.NoiseSchedule;
import org.mezzotint.diffusion.Parameterization;
import org.mezzotint.diffusion.PreconditionedDiffusion;
import org.mezzotint.diffusion.ScheduledDiffusion;
import org.mezzotint.diffusion.SigmaDensity;
import org.mezzotint.diffusion.SigmaWeighting;
import org.mezzotint.diffusion.Variance;
import org.mezzotint.models.DiTConfig;
import org.mezzotint.models.Model;
import org.mezzotint.models.layers.Init;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** An untrained DiT gives 0: its guess is known in closed form. */
class DenoisingErrorTest {
    private static final int COUNT = 5;
    private static final ShapesDataset PICTURES = new ShapesDataset(20, 8, 8, 2, 2, 3);

    private static DenoisingError.Result evaluate(DiffusionConfig diffusion, int batch) {
        DiTConfig config = new DiTConfig(
                8,
                8,
                3,
                4,
                16,
                1,
                2,
                2,
                4,
                true,
                false,
                DiTConfig.Conditioning.ADALN_ZERO,
                DiTConfig.Convention.paper());
        try (Init init = Init.random(0, Precision.FLOAT64, new Device("cpu"));
                Model model = config.create(init)) {
            return new DenoisingError(PICTURES, COUNT, batch).evaluate(model, diffusion);
        }
    }

    private static double[] clean(int picture) {
        float[] pixels = new float[3 * 8 * 8];
        PICTURES.read(picture, new SplittableRandom(0), pixels, 0);
        double[] values = new double[pixels.length];
        Arrays.setAll(values, i -> pixels[i]);
        return values;
    }

    /** A guess of share·x. */
    private static double expected(int level, double share, double sigma) {
        double sum = 0;
        for (int picture = 0; picture < COUNT; picture++) {
            double[] x0 = clean(picture);
            try (Scope scope = Scope.open();
                    Rng rng = new Rng(0)) {
                Tensor noise = Tensors.empty(ScalarType.Float, x0.length);
                rng.reseed(Rng.mix(level, picture)).fillNormal(noise);
                double[] eps = Tensors.doubles(noise);
                for (int i = 0; i < x0.length; i++) {
                    double error = share * (x0[i] + sigma * eps[i]) - x0[i];
                    sum += error * error / x0.length / COUNT;
                }
            }
        }
        return sum;
    }

    @Test
    void modelsOfAnyTrainingAreMeasuredAlike() {
        DenoisingError.Result preconditioned = evaluate(
                new PreconditionedDiffusion(
                        0.5, 0.01, 80, new SigmaDensity.LogNormal(0, 1), new SigmaWeighting.Edm(), 1),
                2);
        DenoisingError.Result scheduled = evaluate(
                new ScheduledDiffusion(
                        new NoiseSchedule.Cosine(-20, 20),
                        Parameterization.V,
                        Variance.FIXED_SMALL,
                        DiffusionLoss.Kind.MSE,
                        new LossWeighting.Uniform()),
                5);
        for (int level = 0; level < 16; level++) {
            double sigma = Math.exp(-(-9 + 1.2 * level) / 2);
            assertThat(preconditioned.levels()[level])
                    .isCloseTo(expected(level, 0.25 / (sigma * sigma + 0.25), sigma), within(1e-9));
            // v = 0 means x_0 = α·(α·(x_0 + σ·ε)), α² = 1/(1 + σ²)
            assertThat(scheduled.levels()[level])
                    .isCloseTo(expected(level, 1 / (1 + sigma * sigma), sigma), within(1e-9));
        }
        assertThat(scheduled.mean())
                .isCloseTo(Arrays.stream(scheduled.levels()).average().orElseThrow(), within(1e-12));
    }

    @Test
    void thereMustBeThatManyPictures() {
        assertThatThrownBy(() -> new DenoisingError(PICTURES, 21, 4))
                .hasMessage("count must be 1 to the 20 held-out pictures, got 21");
    }
}
