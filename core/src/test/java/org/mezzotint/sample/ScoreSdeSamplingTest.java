package org.mezzotint.sample;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.mezzotint.diffusion.Frame;
import org.mezzotint.diffusion.FramedDiffusion;
import org.mezzotint.diffusion.Network;
import org.mezzotint.diffusion.PreconditionedDiffusion;
import org.mezzotint.diffusion.ScoreVe;
import org.mezzotint.diffusion.ScoreVp;
import org.mezzotint.diffusion.SigmaDenoiser;
import org.mezzotint.diffusion.SigmaDensity;
import org.mezzotint.diffusion.SigmaGrid;
import org.mezzotint.diffusion.SigmaTimes;
import org.mezzotint.diffusion.SigmaWeighting;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** Deterministic solvers through EDM's and Score SDE's frames and grids, on normal pixels whose flow is known. */
class ScoreSdeSamplingTest {
    private static final double MEAN = 0.4;
    private static final double VARIANCE = 0.25;

    static List<FramedDiffusion> frames() {
        return List.of(
                ScoreVp.published(),
                ScoreVe.published(),
                new PreconditionedDiffusion(
                        0.5, 0.002, 80, new SigmaDensity.LogNormal(-1.2, 1.2), new SigmaWeighting.Edm(), 1));
    }

    /** The network inside the frame that makes its guess the ideal one. It sees c_in·x and σ. */
    private static Network ideal(Frame frame) {
        return (input, sigma, cond) -> {
            double level = Tensors.doubles(sigma)[0];
            double x = Tensors.doubles(input)[0] / frame.in(level);
            double best = (VARIANCE * x + level * level * MEAN) / (VARIANCE + level * level);
            return Tensors.of((best - frame.skip(level) * x) / frame.out(level)).view(1, 1, 1, 1);
        };
    }

    /** x(σ) − μ is proportional to √(s² + σ²); the way ends at the grid's last level, where that is exact. */
    private static double error(FramedDiffusion diffusion, SigmaSampler solver, int steps) {
        SigmaGrid grid = diffusion instanceof PreconditionedDiffusion
                ? new SigmaGrid.Karras(0.002, 80, 7)
                : new SigmaGrid.OfSchedule();
        SigmaTimes times = diffusion.times();
        double[] levels = Arrays.copyOf(grid.sigmas(steps + 1, times), steps + 1);
        SigmaDenoiser denoiser = diffusion.denoiser(ideal(diffusion.frame()), Conditioning.none());
        try (Scope scope = Scope.open()) {
            Tensor x = Tensors.of(13.0).view(1, 1, 1, 1);
            double last = levels[steps];
            double expected =
                    MEAN + (13 - MEAN) * Math.sqrt((VARIANCE + last * last) / (VARIANCE + levels[0] * levels[0]));
            Tensor end = solver.sample(
                    denoiser,
                    x,
                    levels,
                    (draw, sigma, next, like, first) -> {
                        throw new AssertionError("a deterministic solver asked for noise");
                    },
                    Sampler.Progress.NONE);
            return Math.abs(Tensors.doubles(end)[0] - expected);
        }
    }

    @ParameterizedTest
    @MethodSource("frames")
    void eulerAndHeunConvergeAtTheirOrderInEveryFrame(FramedDiffusion diffusion) {
        for (int order = 1; order <= 2; order++) {
            SigmaSampler solver = order == 1 ? new Euler(Churn.NONE) : new Heun(Churn.NONE);
            double coarse = error(diffusion, solver, 200);
            double fine = error(diffusion, solver, 800);
            double slope = Math.log(coarse / fine) / Math.log(4);
            assertThat(slope).as("%s: %s, %s", solver, coarse, fine).isGreaterThan(order - 0.2);
            assertThat(fine).isLessThan(order == 1 ? 0.01 : 1e-3);
        }
    }
}
