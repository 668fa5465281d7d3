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
import org.mezzotint.diffusion.Network;
import org.mezzotint.models.Model;
import org.mezzotint.models.ModelConfig;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Ops;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.TensorList;
import org.mezzotint.train.AdamW;

/**
 * Steps of a task on random pictures: one training step (forward, loss read, backward, fused AdamW, average) or one sampling
 * step (forward with packed weights, the sampler's update).
 */
public final class Workload implements AutoCloseable {
    private static final double AVERAGE_DECAY = 0.9999;

    private final Task task;
    private final int batch;
    private final boolean checkpointing;
    private final Device device;
    private final Precision precision;
    private final Rng rng = new Rng(0);
    private final Model model;
    private final Scope scope = Scope.owner();
    private final Tensor pictures;
    private final Conditioning labels;
    private Training training;
    private boolean packed;

    /** What only training needs. */
    private record Training(AdamW optimizer, Model average, TensorList averages, TensorList weights, Scope scope) {}

    /**
     * Builds the model.
     *
     * @param task what to compute
     * @param batch pictures a step
     * @param checkpointing whether training keeps the blocks' inputs only
     * @param precision of the model
     * @param device where it lives
     */
    public Workload(Task task, int batch, boolean checkpointing, Precision precision, Device device) {
        this.task = task;
        this.batch = batch;
        this.checkpointing = checkpointing;
        this.precision = precision;
        this.device = device;
        pictures = random();
        labels = labels();
        scope.leave();
        try (Init init = Init.random(0, precision, device)) {
            model = task.model().create(init);
        }
    }

    /**
     * What to call it in a report.
     *
     * @return model and size
     */
    public String name() {
        return task.name();
    }

    private Tensor random() {
        ModelConfig config = task.model();
        Tensor cpu = rng.normal(ScalarType.Float, batch, config.channels(), config.height(), config.width());
        return cpu.to(device, ScalarType.Float);
    }

    private Conditioning labels() {
        if (task.model().numClasses() == 0) {
            return Conditioning.none();
        }
        long[] numbers = new long[batch];
        for (int i = 0; i < batch; i++) {
            numbers[i] = (i * 37L) % task.model().numClasses();
        }
        return Conditioning.classes(device, numbers);
    }

    private void prepareTraining() {
        if (training != null) {
            return;
        }
        model.unpack();
        packed = false;
        Scope owner = Scope.owner();
        Task.Recipe recipe = task.recipe();
        AdamW optimizer = new AdamW(model.trainable(), model::tuning, 0.9, recipe.beta2(), recipe.weightDecay(), 1e-8);
        Model average;
        try (Init init = Init.blank(precision, device)) {
            average = model.config().create(init);
        }
        List<Tensor> averages = new ArrayList<>();
        List<Tensor> weights = new ArrayList<>();
        average.trainable().values().forEach(tensor -> averages.add(tensor.detach()));
        model.trainable().values().forEach(tensor -> weights.add(tensor.detach()));
        training = new Training(optimizer, average, new TensorList(averages), new TensorList(weights), owner);
        owner.leave();
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
        try (Scope step = Scope.open();
                Tape tape = checkpointing ? Tape.checkpointing(0) : Tape.training(0)) {
            Tensor mean = task.losses(network(tape), pictures, random(), labels).mean();
            mean.item_double();
            tape.backward(mean);
        }
        training.optimizer().step(task.recipe().learningRate());
        Ops.foreachLerp(training.averages(), training.weights(), 1 - AVERAGE_DECAY);
        return (System.nanoTime() - start) / 1e9;
    }

    /**
     * One sampling step.
     *
     * @return wall time in seconds
     */
    public double sampleStep() {
        if (!packed && device.is_cpu()) {
            model.pack(batch);
            packed = true;
        }
        long start = System.nanoTime();
        try (Scope step = Scope.open();
                NoGradGuard noGrad = new NoGradGuard()) {
            Tensor next = task.step(network(Tape.plain()), pictures, random(), labels);
            next.select(0, 0).sum().item_double();
        }
        return (System.nanoTime() - start) / 1e9;
    }

    private Network network(Tape tape) {
        return (x, t, cond) -> model.forward(x, t, cond, tape);
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
        scope.close();
        rng.close();
    }
}
