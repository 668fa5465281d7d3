package org.mezzotint.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.mezzotint.convert.Checkpoint;
import org.mezzotint.convert.ModelFormat;
import org.mezzotint.convert.Settings;
import org.mezzotint.data.BatchLoader;
import org.mezzotint.data.DataConfig;
import org.mezzotint.diffusion.PreconditionedDiffusion;
import org.mezzotint.diffusion.Preconditioning;
import org.mezzotint.diffusion.SigmaLoss;
import org.mezzotint.golden.Golden;
import org.mezzotint.models.HDiT;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** A training checkpoint of k-diffusion goes on as k-diffusion itself does. */
class KDiffusionResumeGoldenTest {
    @ParameterizedTest
    @EnumSource(value = Precision.class, names = "BFLOAT16", mode = EnumSource.Mode.EXCLUDE)
    void twoStepsFollowTheReference(Precision precision) {
        ScalarType type = precision.storage();
        try (Golden golden = Golden.open("kd-checkpoint/resume-steps");
                Scope scope = Scope.open()) {
            Checkpoint file = ModelFormat.K_DIFFUSION.readTraining(
                    Golden.path("kd-checkpoint/tiny_00000006.pth"), Settings.none());
            Checkpoint.Training training = file.training().orElseThrow();
            TrainConfig config = config(file, training.recipe(), precision);
            TrainState.Progress progress = new TrainState.Progress(36, training.steps(), 0, "none", 1);
            TrainState.Imported from = new TrainState.Imported(file.weights(), file.average(), training.moments());
            PreconditionedDiffusion diffusion = (PreconditionedDiffusion) file.diffusion();
            SigmaLoss loss = new SigmaLoss(
                    new Preconditioning(diffusion.sigmaData()), diffusion.weighting(), diffusion.scales());
            try (TrainState state = TrainState.imported(config, new Device("cpu"), progress, from)) {
                for (int step = 0; step < 2; step++) {
                    step(golden, type, loss, state, step);
                }
                double tolerance = golden.tolerance(type);
                state.model()
                        .state()
                        .forEach((name, tensor) -> Golden.assertCloseToLargest(
                                name, Tensors.doubles(tensor), golden.doubles("out.model." + name), tolerance));
                state.average()
                        .trainable()
                        .forEach((name, tensor) -> Golden.assertCloseToLargest(
                                "average of " + name,
                                Tensors.doubles(tensor),
                                golden.doubles("out.model_ema." + name),
                                tolerance));
            }
        }
    }

    private static void step(Golden golden, ScalarType type, SigmaLoss loss, TrainState state, int step) {
        String in = "in." + step + ".";
        String out = "out." + step + ".";
        double tolerance = golden.tolerance(type);
        Conditioning cond = Conditioning.of(Map.of(
                Conditioning.CLASS,
                golden.get(in + "class_cond"),
                HDiT.AUGMENTATION,
                golden.get(in + "aug_cond", type)));
        state.optimizer().zeroGradients();
        Tensor losses = loss.losses(
                (x, sigma, c) -> state.model().forward(x, sigma, c, Tape.plain()),
                golden.get(in + "reals", type),
                golden.doubles(in + "sigma"),
                golden.get(in + "noise", type),
                cond);
        Golden.assertCloseToLargest("losses", Tensors.doubles(losses), golden.doubles(out + "losses"), tolerance);
        losses.mean().backward();
        TensorVector parameters = new TensorVector();
        state.model().trainable().values().forEach(parameters::push_back);
        double norm =
                torch.clip_grad_norm_(parameters, state.config().training().gradientClip());
        assertThat(norm).isCloseTo(golden.doubles(out + "grad_norm")[0], org.assertj.core.api.Assertions.within(1e-5));
        TrainConfig.Training training = state.config().training();
        long done = state.progress().step();
        double rate = training.schedule().rate(training.learningRate(), done, 0, training.durationImages());
        assertThat(rate).isCloseTo(golden.doubles(out + "lr")[0], org.assertj.core.api.Assertions.within(1e-15));
        assertThat(training.ema().decay(done))
                .isCloseTo(golden.doubles(out + "ema_decay")[0], org.assertj.core.api.Assertions.within(1e-12));
        state.update(rate);
        state.advance(6, 0);
    }

    private static TrainConfig config(Checkpoint file, Checkpoint.Recipe recipe, Precision precision) {
        return new TrainConfig(
                file.model(),
                file.diffusion(),
                new DataConfig.Pictures(false, recipe.augmentation(), 1_000_000, 1, BatchLoader.OnBroken.FAIL),
                new TrainConfig.Training(
                        0,
                        1000,
                        6,
                        1,
                        precision,
                        false,
                        recipe.learningRate(),
                        recipe.schedule(),
                        recipe.beta1(),
                        recipe.beta2(),
                        recipe.epsilon(),
                        recipe.weightDecay(),
                        recipe.gradientClip(),
                        recipe.ema(),
                        recipe.classDropout(),
                        java.util.List.of()),
                new TrainConfig.Validation(0, 1000),
                new TrainConfig.Checkpoints(1000, 1, 0),
                new TrainConfig.Previews(1000, 0),
                file.sampling(),
                new TrainConfig.Expected("none", "none", 0));
    }
}
