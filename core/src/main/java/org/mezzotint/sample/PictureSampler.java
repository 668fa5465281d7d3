package org.mezzotint.sample;

import java.util.Arrays;
import java.util.Optional;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.diffusion.Denoiser;
import org.mezzotint.diffusion.DiffusionConfig;
import org.mezzotint.diffusion.FlowMatching;
import org.mezzotint.diffusion.Interpolant;
import org.mezzotint.diffusion.Network;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.diffusion.ScheduledDiffusion;
import org.mezzotint.diffusion.SigmaDenoiser;
import org.mezzotint.diffusion.SigmaGrid;
import org.mezzotint.diffusion.SigmaTimes;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Shapes;
import org.mezzotint.tensor.Tensors;

/**
 * Draws pictures of a trained network by seed and class: schedule, guidance and solver put together. The picture of a seed
 * does not depend on the batch it is drawn in, beyond the rounding of matrix products of another size.
 *
 * @param network unguided
 * @param guide a weaker network for autoguidance; empty for guidance by the null class
 * @param diffusion what the network was trained to do
 * @param sampling how to draw
 * @param shape of the pictures and of the network's other input
 */
public record PictureSampler(
        Network network, Optional<Network> guide, DiffusionConfig diffusion, SamplingConfig sampling, Shape shape) {
    /**
     * What the network takes.
     *
     * @param channels C
     * @param height H
     * @param width W
     * @param numClasses 0 for an unconditional network
     * @param nullClass whether label {@code numClasses} stands for "no class"
     * @param type of the noise: Float or Double
     * @param device where the network lives
     */
    public record Shape(
            int channels, int height, int width, int numClasses, boolean nullClass, ScalarType type, Device device) {}

    /** Checks that the parts go together. */
    public PictureSampler {
        if (sampling.guidance() != 1 && !shape.nullClass() && guide.isEmpty()) {
            throw new IllegalArgumentException(
                    "guidance needs a model with a null class or a weaker model, got guidance " + sampling.guidance());
        }
    }

    /** Watches a batch. */
    @FunctionalInterface
    public interface Watch {
        /** Sees nothing. */
        Watch NONE = (done, total, guess) -> {};

        /**
         * Called after each step.
         *
         * @param done steps done
         * @param total steps of the run
         * @param guess the newest guess of clean pictures (N, C, H, W), about [−1, 1], valid during the call
         */
        void step(int done, int total, Tensor guess);
    }

    /**
     * Draws one batch.
     *
     * @param seeds one a picture
     * @param labels one a picture, each below the number of classes, or equal to it for "no class"; empty for an
     *     unconditional network
     * @param watch called after each step
     * @return (N, C, H, W), about [−1, 1], in the caller's scope
     */
    public Tensor draw(long[] seeds, long[] labels, Watch watch) {
        try (NoiseSource noise = NoiseSource.of(seeds)) {
            return draw(noise, seeds.length, labels, watch);
        }
    }

    /**
     * Draws one batch from any noise.
     *
     * @param noise of the batch
     * @param count N
     * @param labels as for {@link #draw(long[], long[], Watch)}
     * @param watch called after each step
     * @return (N, C, H, W), about [−1, 1], in the caller's scope
     */
    public Tensor draw(NoiseSource noise, int count, long[] labels, Watch watch) {
        checkLabels(count, labels);
        try (Scope scope = Scope.open();
                LatestGuess latest = new LatestGuess()) {
            Tensor start = initial(noise);
            Conditioning cond = conditioning(labels);
            Optional<ScheduledDiffusion> scheduled = sampling.alongSchedule(diffusion);
            if (scheduled.isPresent()) {
                Denoiser denoiser = alongSchedule(scheduled.get(), cond).watched(latest::remember);
                return scope.keep(solver().sample(denoiser, start, noise, latest.telling(watch)));
            }
            double[] sigmas = sampling.sigmas(diffusion);
            return scope.keep(follow(
                    latest.of(sigmaDenoiser(cond)),
                    start.mul(Scalars.of(sigmas[0])),
                    sigmas,
                    noise,
                    latest.telling(watch)));
        }
    }

    /**
     * Draws variations of a picture.
     *
     * @param edit what to start from and what to keep
     * @param noise of the batch
     * @param count N
     * @param labels as for {@link #draw(long[], long[], Watch)}
     * @param watch called after each step
     * @return (N, C, H, W), about [−1, 1], in the caller's scope; a learned variance is not used
     */
    public Tensor edit(PictureEdit edit, NoiseSource noise, int count, long[] labels, Watch watch) {
        checkLabels(count, labels);
        Shapes.check("picture", edit.picture(), 1, shape.channels(), shape.height(), shape.width());
        try (Scope scope = Scope.open();
                LatestGuess latest = new LatestGuess()) {
            double[] all = sampling.sigmas(diffusion);
            double[] sigmas = Arrays.copyOfRange(all, edit.skipped(all.length - 1), all.length);
            PictureEdit here = edit.to(shape.device(), shape.type());
            Tensor drawn = follow(
                    latest.of(here.around(sigmaDenoiser(conditioning(labels)))),
                    here.start(initial(noise), sigmas[0]),
                    sigmas,
                    noise,
                    latest.telling(watch));
            return scope.keep(here.mask().isPresent() ? here.keepOutside(drawn) : drawn);
        }
    }

    private Tensor initial(NoiseSource noise) {
        return noise.initial(shape.type(), shape.channels(), shape.height(), shape.width())
                .to(shape.device(), shape.type());
    }

    private Conditioning conditioning(long[] labels) {
        return shape.numClasses() == 0 ? Conditioning.none() : Conditioning.classes(shape.device(), labels);
    }

    /** From x = x_0 + σ·noise at the first level to the last. */
    private Tensor follow(
            SigmaDenoiser denoiser, Tensor start, double[] sigmas, NoiseSource noise, Sampler.Progress progress) {
        if (sampling.solver().countsInSigma()) {
            Tensor end = sigmaSolver().sample(denoiser, start, sigmas, stepNoise(noise, sigmas), progress);
            double last = sigmas[sigmas.length - 2];
            if (!stopsAbove() || last <= diffusion.times().min()) {
                return end;
            }
            try (NoGradGuard noGrad = new NoGradGuard()) {
                return denoiser.denoise(end, last);
            }
        }
        Tensor scaled = start.div(Scalars.of(Math.hypot(1, sigmas[0]))); // variance-preserving
        return solver().sample(Denoiser.along(denoiser, sigmas), scaled, noise, progress);
    }

    /** These two stop at the last level above 0, which is noise to be seen unless the level is low. */
    private boolean stopsAbove() {
        return sampling.solver() == SamplingConfig.Solver.DPM_FAST
                || sampling.solver() == SamplingConfig.Solver.DPM_ADAPTIVE;
    }

    private SigmaDenoiser sigmaDenoiser(Conditioning cond) {
        SigmaDenoiser denoiser = diffusion.denoiser(guided(), cond);
        return sampling.clip() ? denoiser.clipped() : denoiser;
    }

    /** A Brownian path for the SDE solvers, whose steps it ties together; independent draws for the others. */
    private SigmaSampler.StepNoise stepNoise(NoiseSource noise, double[] sigmas) {
        return switch (sampling.solver()) {
            case DPMPP_SDE, DPMPP_2M_SDE, DPMPP_2M_SDE_HEUN, DPMPP_3M_SDE -> {
                double last = sigmas[Math.max(0, sigmas.length - 2)];
                yield last < sigmas[0] ? noise.brownian(last, sigmas[0]) : noise.independent();
            }
            default -> noise.independent();
        };
    }

    /** The solver that the settings name, if it counts in σ. */
    private SigmaSampler sigmaSolver() {
        double eta = sampling.eta();
        return switch (sampling.solver()) {
            case EULER -> new Euler(Churn.NONE);
            case EULER_ANCESTRAL -> new EulerAncestral(eta, 1);
            case HEUN -> new Heun(Churn.NONE);
            case DPM_2 -> new Dpm2(Churn.NONE);
            case DPM_2_ANCESTRAL -> new Dpm2Ancestral(eta, 1);
            case LMS -> new Lms(4);
            case DPM_FAST -> new DpmFast(eta, 1);
            case DPM_ADAPTIVE -> DpmAdaptive.standard().withEta(eta);
            case DPMPP_2S_ANCESTRAL -> new DpmPp2SAncestral(eta, 1);
            case DPMPP_SDE -> new DpmPpSde(eta, 1, 0.5);
            case DPMPP_2M -> new DpmPp2M();
            case DPMPP_2M_SDE -> new DpmPp2MSde(eta, 1, DpmPp2MSde.Correction.MIDPOINT);
            case DPMPP_2M_SDE_HEUN -> new DpmPp2MSde(eta, 1, DpmPp2MSde.Correction.HEUN);
            case DPMPP_3M_SDE -> new DpmPp3MSde(eta, 1);
            case FLOW_HEUN -> new FlowHeun(interpolant());
            case FLOW_SDE -> new FlowSde(interpolant(), eta);
            case DDPM, DDPM_INTERPOLATED, DDIM ->
                throw new IllegalStateException(sampling.solver().label() + " walks along a chain");
        };
    }

    private void checkLabels(int count, long[] labels) {
        int expected = shape.numClasses() == 0 ? 0 : count;
        if (labels.length != expected) {
            throw new IllegalArgumentException(
                    "labels must be " + (expected == 0 ? "empty for an unconditional network" : "one a picture")
                            + ", got " + labels.length + " for " + count + " pictures");
        }
        for (long label : labels) {
            if (label < 0 || label > shape.numClasses() || (label == shape.numClasses() && !shape.nullClass())) {
                throw new IllegalArgumentException("class must be 0 to " + (shape.numClasses() - 1) + ", got " + label);
            }
        }
    }

    /** The path of flow matching; the straight one for models of another training. */
    private Interpolant interpolant() {
        return diffusion instanceof FlowMatching flow ? flow.interpolant() : Interpolant.LINEAR;
    }

    /** The solver that the settings name, if it walks along a chain. */
    private Sampler solver() {
        return switch (sampling.solver()) {
            case DDPM -> new Ddpm();
            case DDPM_INTERPOLATED -> new InterpolatedDdpm(sampling.eta());
            case DDIM -> new Ddim(sampling.eta());
            default -> throw new IllegalStateException(sampling.solver().label() + " counts in σ");
        };
    }

    /** Along the chain of the schedule that the network was trained with. */
    private Denoiser alongSchedule(ScheduledDiffusion scheduled, Conditioning cond) {
        return new Denoiser(
                guided(),
                cond,
                scheduled.schedule().chain(sampling.steps()),
                scheduled.parameterization(),
                scheduled.variance(),
                sampling.clip());
    }

    private Network guided() {
        Network told = told(network);
        if (sampling.guidance() == 1) {
            return told;
        }
        Guidance guidance = Guidance.of(sampling, diffusion, shape.channels());
        return guide.isPresent()
                ? guidance.auto(told, told(guide.get()))
                : guidance.classifierFree(told, Guidance.nullClass(shape.numClasses()));
    }

    /** A network that hears times as the settings have them. */
    private Network told(Network any) {
        if (sampling.roundTimes()) {
            return (x, t, cond) -> any.evaluate(x, t.round(), cond);
        }
        if (sampling.grid() instanceof SigmaGrid.Timesteps timesteps
                && sampling.alongSchedule(diffusion).isEmpty()) {
            SigmaTimes times = diffusion.times();
            return (x, t, cond) -> {
                double[] linear = Arrays.stream(Tensors.doubles(t))
                        .map(time -> timesteps.told(time, times))
                        .toArray();
                return any.evaluate(x, Tensors.of(linear).to(t.device(), Tensors.type(t)), cond);
            };
        }
        return any;
    }
}
