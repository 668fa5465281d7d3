package org.mezzotint.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.mezzotint.diffusion.DiffusionConfig;
import org.mezzotint.diffusion.DiffusionLoss;
import org.mezzotint.diffusion.FlowMatching;
import org.mezzotint.diffusion.FlowTime;
import org.mezzotint.diffusion.Interpolant;
import org.mezzotint.diffusion.LossWeighting;
import org.mezzotint.diffusion.Network;
import org.mezzotint.diffusion.NoiseSchedule;
import org.mezzotint.diffusion.Parameterization;
import org.mezzotint.diffusion.PreconditionedDiffusion;
import org.mezzotint.diffusion.ScheduledDiffusion;
import org.mezzotint.diffusion.ScoreVe;
import org.mezzotint.diffusion.ScoreVp;
import org.mezzotint.diffusion.SigmaDensity;
import org.mezzotint.diffusion.SigmaWeighting;
import org.mezzotint.diffusion.Variance;
import org.mezzotint.models.DdpmPlusPlusConfig;
import org.mezzotint.models.Downsampling;
import org.mezzotint.models.HDiTConfig;
import org.mezzotint.models.Model;
import org.mezzotint.models.ModelConfig;
import org.mezzotint.models.ResidualLevel;
import org.mezzotint.models.SimpleDiffusionUNetConfig;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class ModelNetworkTest {
    private static final HDiTConfig HDIT = new HDiTConfig(
            4,
            4,
            1,
            1,
            1,
            List.of(new HDiTConfig.Level(8, 1, 8, new HDiTConfig.Global(8), 0)),
            new HDiTConfig.Mapping(8, 1, 8, 0),
            0,
            0,
            HDiTConfig.Design.paper());

    private static DiffusionConfig scheduled(NoiseSchedule schedule) {
        return new ScheduledDiffusion(
                schedule,
                Parameterization.V,
                Variance.FIXED_SMALL,
                DiffusionLoss.Kind.MSE,
                new LossWeighting.Uniform());
    }

    /** The noise in units of clean pictures is σ/α; both schedules have it in closed form. */
    private static void tells(DiffusionConfig diffusion, double time, double sigma) {
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(1);
                Init init = Init.random(1, Precision.FLOAT64, new Device("cpu"));
                Model model = HDIT.create(init)) {
            model.trainable().values().forEach(rng::fillNormal);
            model.trainable().get("mid_level.0.self_attn.scale").abs_();
            Tensor x = rng.normal(ScalarType.Double, 2, 1, 4, 4);
            Network network = new ModelNetwork(model, diffusion).on(Tape.plain());
            double[] told = Tensors.doubles(network.evaluate(x, Tensors.of(time, time), Conditioning.none()));
            double[] direct =
                    Tensors.doubles(model.forward(x, Tensors.of(sigma, sigma), Conditioning.none(), Tape.plain()));
            double[] other = Tensors.doubles(
                    model.forward(x, Tensors.of(2 * sigma, 2 * sigma), Conditioning.none(), Tape.plain()));
            assertThat(told).containsExactly(direct, within(1e-10));
            assertThat(direct).isNotEqualTo(other);
        }
    }

    /** λ = −2·ln σ, whatever the training counts in. */
    @Test
    void aModelOfLogSnrsIsToldThem() {
        ModelConfig unet = new SimpleDiffusionUNetConfig(
                4, 4, 1, new Downsampling.None(), 4, 4, List.of(new ResidualLevel(1, 1)), List.of(), 1, 0, 0, 2, 0);
        PreconditionedDiffusion karras = new PreconditionedDiffusion(
                0.5, 0.002, 80, new SigmaDensity.LogNormal(-1.2, 1.2), new SigmaWeighting.Edm(), 1);
        FlowMatching flow =
                new FlowMatching(Interpolant.LINEAR, new FlowTime.Uniform(), 1, FlowMatching.Convention.TO_NOISE);
        NoiseSchedule cosine = NoiseSchedule.ShiftedCosine.of(64, 128);
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(1);
                Init init = Init.random(1, Precision.FLOAT64, new Device("cpu"));
                Model model = unet.create(init)) {
            model.trainable().values().forEach(rng::fillNormal);
            Tensor x = rng.normal(ScalarType.Double, 1, 1, 4, 4);
            double lambda = ((NoiseSchedule.Continuous) cosine).logSnr(0.3);
            for (Map.Entry<Double, Network> told : Map.of(
                            lambda,
                            new ModelNetwork(model, scheduled(cosine)).on(Tape.plain()),
                            -2 * Math.log(3.25),
                            new ModelNetwork(model, karras).on(Tape.plain()),
                            2 * Math.log(3),
                            new ModelNetwork(model, flow).on(Tape.plain()))
                    .entrySet()) {
                double time = told.getKey() == lambda ? 300 : told.getKey() < 0 ? 3.25 : 250;
                double[] indirect = Tensors.doubles(told.getValue().evaluate(x, Tensors.of(time), Conditioning.none()));
                double[] direct =
                        Tensors.doubles(model.forward(x, Tensors.of(told.getKey()), Conditioning.none(), Tape.plain()));
                assertThat(indirect).containsExactly(direct, within(1e-8));
            }
        }
    }

    @Test
    void aModelOfNoiseLevelsIsToldThoseOfAContinuousSchedule() {
        tells(scheduled(new NoiseSchedule.Cosine(-60, 60)), 300, Math.tan(Math.PI / 2 * 0.3));
    }

    @Test
    void aModelOfNoiseLevelsIsToldThoseOfADiscreteSchedule() {
        double alphaBar = 1;
        double[] betas = new NoiseSchedule.Linear(100).betas();
        for (int i = 0; i <= 42; i++) {
            alphaBar *= 1 - betas[i];
        }
        tells(scheduled(new NoiseSchedule.Linear(100)), 42, Math.sqrt((1 - alphaBar) / alphaBar));
    }

    @Test
    void aModelOfNoiseLevelsIsToldThoseOfPreconditionedTrainingAsTheyAre() {
        tells(
                new PreconditionedDiffusion(
                        0.5, 0.002, 80, new SigmaDensity.LogNormal(-1.2, 1.2), new SigmaWeighting.Edm(), 1),
                3.25,
                3.25);
    }

    @Test
    void aModelOfNoiseLevelsIsToldTheRatioOfFlowMatching() {
        tells(
                new FlowMatching(Interpolant.LINEAR, new FlowTime.Uniform(), 1, FlowMatching.Convention.TO_NOISE),
                250,
                1 / 3.0);
        tells(
                new FlowMatching(
                        Interpolant.TRIGONOMETRIC, new FlowTime.Uniform(), 1, FlowMatching.Convention.TO_NOISE),
                500,
                1);
    }

    /** c_noise of EDM's, VP's and VE's column; a schedule's own time. */
    @Test
    void aModelOfNoiseNumbersIsToldWhatTheFrameCallsThem() {
        double vp = (Math.sqrt(0.01 + 39.8 * Math.log(1 + 3.25 * 3.25)) - 0.1) / 19.9;
        tellsNumbers(
                new PreconditionedDiffusion(
                        0.5, 0.002, 80, new SigmaDensity.LogNormal(-1.2, 1.2), new SigmaWeighting.Edm(), 1),
                3.25,
                Math.log(3.25) / 4);
        tellsNumbers(ScoreVp.published(), 3.25, 999 * vp);
        tellsNumbers(ScoreVe.published(), 3.25, Math.log(3.25 / 2));
        tellsNumbers(scheduled(new NoiseSchedule.Linear(100)), 42, 42);
    }

    private static void tellsNumbers(DiffusionConfig diffusion, double time, double number) {
        DdpmPlusPlusConfig config = new DdpmPlusPlusConfig(
                4,
                4,
                1,
                4,
                List.of(new DdpmPlusPlusConfig.Level(4, false)),
                1,
                DdpmPlusPlusConfig.Attention.SELF,
                0,
                0);
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                Rng rng = new Rng(1);
                Init init = Init.random(1, Precision.FLOAT64, new Device("cpu"));
                Model model = config.create(init)) {
            model.trainable().values().forEach(rng::fillNormal);
            Tensor x = rng.normal(ScalarType.Double, 1, 1, 4, 4);
            double[] told = Tensors.doubles(new ModelNetwork(model, diffusion)
                    .on(Tape.plain())
                    .evaluate(x, Tensors.of(time), Conditioning.none()));
            double[] direct = Tensors.doubles(model.forward(x, Tensors.of(number), Conditioning.none(), Tape.plain()));
            double[] other =
                    Tensors.doubles(model.forward(x, Tensors.of(number + 0.1), Conditioning.none(), Tape.plain()));
            assertThat(told).containsExactly(direct, within(1e-8));
            assertThat(direct).isNotEqualTo(other);
        }
    }
}
