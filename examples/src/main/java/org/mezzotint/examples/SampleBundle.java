package org.mezzotint.examples;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.DiffusionConfig;
import org.mezzotint.diffusion.GuidanceSchedule;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.diffusion.SigmaGrid;
import org.mezzotint.io.Png;
import org.mezzotint.models.Model;
import org.mezzotint.models.ModelBundle;
import org.mezzotint.models.ModelConfig;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.sample.PictureSampler;
import org.mezzotint.tensor.Devices;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;
import org.mezzotint.train.RunDirectory;

/**
 * Opens the newest bundle of a run and draws four pictures with classifier-free guidance, as PNG files in
 * {@code FOLDER/drawn}. Works on any run of a model with at least four classes and a null class.
 *
 * <pre>
 *   examples/run SampleBundle runs/example
 * </pre>
 */
public final class SampleBundle {
    private static final double GUIDANCE = 3;

    private SampleBundle() {}

    /** The bundle says what the network was trained to do; how to draw is ours to choose. */
    static PictureSampler sampler(ModelBundle bundle, Model model) {
        ModelConfig config = bundle.config();
        return new PictureSampler(
                (x, t, cond) -> model.forward(x, t, cond, Tape.plain()),
                Optional.empty(),
                bundle.section("diffusion", DiffusionConfig.class),
                new SamplingConfig(
                        SamplingConfig.Solver.DDIM,
                        0,
                        "20",
                        new SigmaGrid.OfSchedule(),
                        GUIDANCE,
                        new GuidanceSchedule.Constant(),
                        SamplingConfig.GuidedChannels.ALL,
                        false,
                        true),
                new PictureSampler.Shape(
                        config.channels(),
                        config.height(),
                        config.width(),
                        config.numClasses(),
                        config.nullClass(),
                        model.precision().storage(),
                        model.device()));
    }

    /**
     * Draws.
     *
     * @param arguments the run's folder
     */
    public static void main(String[] arguments) throws IOException {
        Path run = Path.of(arguments[0]);
        Path drawn = Files.createDirectories(run.resolve("drawn"));
        long[] seeds = {0, 1, 2, 3};
        long[] labels = {0, 1, 2, 3};
        // the scope is opened last, so it closes first: pictures go before the model they came from
        try (ModelBundle bundle = ModelBundle.open(RunDirectory.find(run).newestBundle());
                Device cpu = Devices.cpu();
                Model model = bundle.load(ModelBundle.Weights.EMA, Precision.FLOAT32, cpu);
                Scope scope = Scope.open()) {
            Tensor pictures = sampler(bundle, model).draw(seeds, labels, PictureSampler.Watch.NONE); // (4, 3, H, W)
            byte[] rgb = Tensors.rgbBytes(pictures); // (4, H, W, 3)
            int length = rgb.length / seeds.length;
            for (int i = 0; i < seeds.length; i++) {
                Path file = drawn.resolve("class-" + labels[i] + ".png");
                byte[] picture = Arrays.copyOfRange(rgb, i * length, (i + 1) * length);
                Map<String, String> text = Map.of("seed", Long.toString(seeds[i]), "guidance", "" + GUIDANCE);
                Png.write(file, bundle.config().width(), bundle.config().height(), picture, text);
                System.out.println("wrote " + file);
            }
        }
    }
}
