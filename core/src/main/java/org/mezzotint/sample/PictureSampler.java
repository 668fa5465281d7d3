package org.mezzotint.sample;

import java.util.Optional;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.diffusion.Denoiser;
import org.mezzotint.diffusion.DiffusionConfig;
import org.mezzotint.diffusion.Network;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.diffusion.ScheduledDiffusion;
import org.mezzotint.diffusion.SigmaDenoiser;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
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

    /**
     * Draws one batch.
     *
     * @param seeds one a picture
     * @param labels one a picture, each below the number of classes, or equal to it for "no class"; empty for an
     *     unconditional network
     * @param progress called after each step
     * @return (N, C, H, W), about [−1, 1], in the caller's scope
     */
    public Tensor draw(long[] seeds, long[] labels, Sampler.Progress progress) {
        checkLabels(seeds, labels);
        try (Scope scope = Scope.open();
                SeededNoise noise = new SeededNoise(seeds)) {
            Tensor start = noise.initial(shape.type(), shape.channels(), shape.height(), shape.width())
                    .to(shape.device(), shape.type());
            Conditioning cond = Conditioning.none();
            if (shape.numClasses() > 0) {
                Tensor cpu = Tensors.of(labels);
                cond = Conditioning.classes(cpu.to(shape.device(), cpu.scalar_type()));
            }
            if (!sampling.solver().countsInSigma()) {
                return scope.keep(solver().sample(denoiser(cond), start, noise, progress));
            }
            double[] sigmas = sampling.sigmas(diffusion);
            return scope.keep(sigmaSolver()
                    .sample(
                            sigmaDenoiser(cond),
                            start.mul(Scalars.of(sigmas[0])),
                            sigmas,
                            sigmaNoise(sigmas, seeds),
                            progress));
        }
    }

    private SigmaDenoiser sigmaDenoiser(Conditioning cond) {
        SigmaDenoiser denoiser = diffusion.denoiser(guided(), cond);
        return sampling.clip() ? denoiser.clipped() : denoiser;
    }

    /** A Brownian path for the SDE solvers, whose steps it ties together; independent draws for the others. */
    private SigmaSampler.StepNoise sigmaNoise(double[] sigmas, long[] seeds) {
        return switch (sampling.solver()) {
            case DPMPP_SDE, DPMPP_2M_SDE, DPMPP_2M_SDE_HEUN, DPMPP_3M_SDE -> {
                double last = sigmas[Math.max(0, sigmas.length - 2)];
                yield last < sigmas[0] ? SigmaNoise.brownian(last, sigmas[0], seeds) : SigmaNoise.independent(seeds);
            }
            default -> SigmaNoise.independent(seeds);
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
            case DDPM, DDIM -> throw new IllegalStateException(sampling.solver().label() + " walks along a chain");
        };
    }

    private void checkLabels(long[] seeds, long[] labels) {
        int expected = shape.numClasses() == 0 ? 0 : seeds.length;
        if (labels.length != expected) {
            throw new IllegalArgumentException(
                    "labels must be " + (expected == 0 ? "empty for an unconditional network" : "one a seed") + ", got "
                            + labels.length + " for " + seeds.length + " seeds");
        }
        for (long label : labels) {
            if (label < 0 || label > shape.numClasses() || (label == shape.numClasses() && !shape.nullClass())) {
                throw new IllegalArgumentException("class must be 0 to " + (shape.numClasses() - 1) + ", got " + label);
            }
        }
    }

    /**
     * The solver along the schedule that the settings name.
     *
     * @return DDPM or DDIM
     */
    public Sampler solver() {
        return sampling.solver() == SamplingConfig.Solver.DDPM ? new Ddpm() : new Ddim(sampling.eta());
    }

    /**
     * A denoiser for a batch, guided and on the levels that the settings say.
     *
     * @param cond the batch's inputs
     * @return the denoiser
     */
    public Denoiser denoiser(Conditioning cond) {
        if (sampling.followsSchedule(diffusion) && diffusion instanceof ScheduledDiffusion scheduled) {
            return new Denoiser(
                    guided(),
                    cond,
                    scheduled.schedule().chain(sampling.steps()),
                    scheduled.parameterization(),
                    scheduled.variance(),
                    sampling.clip());
        }
        return Denoiser.along(sigmaDenoiser(cond), sampling.sigmas(diffusion));
    }

    private Network guided() {
        if (sampling.guidance() == 1) {
            return network;
        }
        Guidance guidance = Guidance.of(sampling, diffusion, shape.channels());
        return guide.isPresent()
                ? guidance.auto(network, guide.get())
                : guidance.classifierFree(network, Guidance.nullClass(shape.numClasses()));
    }
}
