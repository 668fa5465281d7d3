package org.mezzotint.app.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.diffusion.Denoiser;
import org.mezzotint.diffusion.DiffusionChain;
import org.mezzotint.diffusion.DiffusionLoss;
import org.mezzotint.diffusion.Objective;
import org.mezzotint.diffusion.ScheduledDiffusion;
import org.mezzotint.models.DiTConfig;
import org.mezzotint.models.Model;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Ops;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.TensorList;
import org.mezzotint.tensor.Tensors;
import org.mezzotint.train.AdamW;

/**
 * DiT-S/2 on random 4×32×32 latents: one training step (forward, MSE + VLB, loss read, backward, fused AdamW, average) or
 * one DDPM sampling step (forward with packed weights, posterior mean and variance, noise).
 */
public final class Workload implements AutoCloseable {
    private final int batch;
    private final Device device;
    private final Precision precision;
    private final Rng rng = new Rng(0);
    private final ScheduledDiffusion diffusion = ScheduledDiffusion.dit();
    private final DiffusionLoss loss = new DiffusionLoss(diffusion);
    private final DiffusionChain chain = diffusion.schedule().chain("");
    private final Model model;
    private Training training;
    private boolean packed;

    /** What only training needs. */
    private record Training(AdamW optimizer, Model average, TensorList averages, TensorList weights, Scope scope) {}

    /**
     * Builds the model.
     *
     * @param batch pictures a step
     * @param precision of the model
     * @param device where it lives
     */
    public Workload(int batch, Precision precision, Device device) {
        this.batch = batch;
        this.precision = precision;
        this.device = device;
        try (Init init = Init.random(0, precision, device)) {
            model = DiTConfig.named("dit-s/2", 32).create(init);
        }
    }

    private Tensor random() {
        Tensor cpu = rng.normal(ScalarType.Float, batch, 4, 32, 32);
        return cpu.to(device, ScalarType.Float);
    }

    private Conditioning labels() {
        long[] labels = new long[batch];
        for (int i = 0; i < batch; i++) {
            labels[i] = (i * 37L) % 1000;
        }
        Tensor cpu = Tensors.of(labels);
        return Conditioning.classes(cpu.to(device, ScalarType.Long));
    }

    private void prepareTraining() {
        if (training != null) {
            return;
        }
        model.unpack();
        packed = false;
        Scope scope = Scope.owner();
        AdamW optimizer = new AdamW(model.trainable(), model::tuning, 0.9, 0.999, 0, 1e-8);
        Model average;
        try (Init init = Init.blank(precision, device)) {
            average = model.config().create(init);
        }
        List<Tensor> averages = new ArrayList<>();
        List<Tensor> weights = new ArrayList<>();
        average.trainable().values().forEach(tensor -> averages.add(tensor.detach()));
        model.trainable().values().forEach(tensor -> weights.add(tensor.detach()));
        training = new Training(optimizer, average, new TensorList(averages), new TensorList(weights), scope);
        scope.leave();
    }

    /**
     * One training step.
     *
     * @return wall time in seconds
     */
    public double trainStep() {
        prepareTraining();
        long start = System.nanoTime();
        training.optimizer().zeroGradients();
        try (Scope scope = Scope.open()) {
            double[] u = new double[batch];
            for (int i = 0; i < batch; i++) {
                u[i] = Rng.unit(Rng.mix(start, i));
            }
            Objective.Terms terms = loss.terms(
                    (x, t, cond) -> model.forward(x, t, cond, Tape.plain()),
                    random(),
                    loss.levels(u),
                    random(),
                    labels());
            Tensor mean = terms.total().mean();
            mean.item_double();
            Tape.plain().backward(mean);
        }
        training.optimizer().step(1e-4);
        Ops.foreachLerp(training.averages(), training.weights(), 1 - 0.9999);
        return (System.nanoTime() - start) / 1e9;
    }

    /**
     * One sampling step of DDPM with learned variance.
     *
     * @return wall time in seconds
     */
    public double sampleStep() {
        if (!packed && device.is_cpu()) {
            model.pack(batch);
            packed = true;
        }
        long start = System.nanoTime();
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard()) {
            Denoiser denoiser = new Denoiser(
                    (x, t, cond) -> model.forward(x, t, cond, Tape.plain()),
                    labels(),
                    chain,
                    diffusion.parameterization(),
                    diffusion.variance(),
                    false);
            Denoiser.Prediction p = denoiser.predict(random(), 500);
            Tensor next =
                    p.mean().add(p.logVariance().mul(Scalars.of(0.5)).exp().mul(random()));
            next.select(0, 0).sum().item_double();
        }
        return (System.nanoTime() - start) / 1e9;
    }

    /**
     * The most memory this process has had resident so far.
     *
     * @return megabytes; NaN where the operating system does not tell
     */
    public static double peakResidentMegabytes() {
        try (Stream<String> lines = Files.lines(Path.of("/proc/self/status"))) {
            return lines.filter(line -> line.startsWith("VmHWM:"))
                    .mapToDouble(line -> Long.parseLong(line.replaceAll("[^0-9]", "")) / 1024.0)
                    .findFirst()
                    .orElse(Double.NaN);
        } catch (IOException unreadable) {
            return Double.NaN;
        }
    }

    @Override
    public void close() {
        if (training != null) {
            training.averages().close();
            training.weights().close();
            training.optimizer().close();
            training.average().close();
            training.scope().close();
        }
        model.close();
        rng.close();
    }
}
