package org.mezzotint.app.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Device;
import org.mezzotint.diffusion.DiffusionConfig;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Png;
import org.mezzotint.models.Model;
import org.mezzotint.models.ModelConfig;
import org.mezzotint.sample.ImageGrid;
import org.mezzotint.tensor.Devices;
import org.mezzotint.tensor.Precision;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** What all commands that draw have in common: the model, how it draws, and where the pictures go. */
final class DrawOptions {
    @Mixin
    private BundleOptions bundleOptions;

    @Option(names = "--classes", paramLabel = "RANGES", description = "such as 0-9 or 3,7 (default: all in turn)")
    private String classes;

    @Mixin
    private SamplingOptions samplingOptions;

    @Option(names = "--autoencoder", paramLabel = "PATH", description = Autoencoders.DESCRIPTION)
    private Path autoencoder;

    @Option(names = "--batch", paramLabel = "N", defaultValue = "32", description = "pictures at once (default: 32)")
    private int batch;

    @Option(
            names = "--precision",
            paramLabel = "NAME",
            defaultValue = "float32",
            description = "float32, bfloat16 or float64 (default: float32)")
    private String precision;

    @Option(names = "--out", paramLabel = "PATH", description = "a folder for PNG files, or a .zip or .npz file")
    private Path out;

    @Option(names = "--grid", paramLabel = "FILE", description = "a PNG with all pictures on one sheet")
    private Path grid;

    @Mixin
    private MachineOptions machine;

    /** What a command draws. */
    interface Task {
        /** Numbers that the files are called by, one a picture. */
        long[] names();

        /** Settings that belong into the pictures' text. */
        Map<String, String> settings();

        /** How to draw; called before the model's weights are loaded, and refuses what does not fit it. */
        Pictures.Source source(ModelConfig config, Decoder decoder);

        /** Refuses settings that the task cannot use, before the weights are loaded. */
        default void check(SamplingConfig sampling, DiffusionConfig diffusion) {}

        /** Steps between two sheets of guesses; 0 for none. */
        default int previewEvery() {
            return 0;
        }
    }

    /** Draws and writes. */
    int run(Task task) {
        if (out == null && grid == null) {
            throw new IllegalArgumentException("give --out (folder, .zip or .npz) or --grid (.png)");
        }
        if (batch < 1) {
            throw new IllegalArgumentException("--batch must be at least 1, got " + batch);
        }
        int count = task.names().length;
        checkPreviews(task);
        if (grid != null) {
            PictureOutput.checkFile(grid);
        }
        Device device = machine.open();
        Precision numbers = Precision.parse(precision);
        try (ModelSource source = bundleOptions.open()) {
            ModelConfig config = source.config();
            long[] labels = labels(config, count);
            SamplingConfig sampling = samplingOptions.resolve(source.sampling(), source.diffusion());
            if (task.previewEvery() > 0 && sampling.solver() == SamplingConfig.Solver.DPM_ADAPTIVE) {
                throw new IllegalArgumentException(
                        "--preview-every is not for dpm-adaptive, whose steps are not known before");
            }
            task.check(sampling, source.diffusion());
            checkMemory(config, sampling, batch);
            try (Decoder decoder = source.decoder(autoencoder, device)) {
                Pictures.Source drawing = task.source(config, decoder);
                draw(task, source, sampling, decoder, drawing, labels, numbers, device);
            }
        }
        return 0;
    }

    private void draw(
            Task task,
            ModelSource source,
            SamplingConfig sampling,
            Decoder decoder,
            Pictures.Source drawing,
            long[] labels,
            Precision numbers,
            Device device) {
        try (Model guide = samplingOptions.guide(source.config(), source.diffusion(), numbers, device);
                Model model = source.load(numbers, device)) {
            int atOnce = Math.min(batch, task.names().length);
            if (device.is_cpu() && numbers != Precision.FLOAT64) {
                model.pack(sampling.guidance() == 1 || guide != null ? atOnce : 2 * atOnce);
                if (guide != null) {
                    guide.pack(atOnce);
                }
            }
            draw(
                    task,
                    new Pictures(model, Optional.ofNullable(guide), source.diffusion(), sampling, decoder, atOnce),
                    drawing,
                    source.path(),
                    labels);
        }
    }

    private void checkPreviews(Task task) {
        if (task.previewEvery() < 0) {
            throw new IllegalArgumentException("--preview-every must not be negative, got " + task.previewEvery());
        }
        if (task.previewEvery() > 0 && (grid == null || task.names().length > batch)) {
            throw new IllegalArgumentException(
                    "--preview-every needs --grid and all pictures in one batch: raise --batch to "
                            + task.names().length);
        }
    }

    /** Refuses, before the weights are loaded, a batch that would not fit into memory. */
    static void checkMemory(ModelConfig config, SamplingConfig sampling, int batch) {
        long atOnce = sampling.guidance() == 1 ? batch : 2L * batch;
        long needed = config.cost().samplingBytes(atOnce);
        Devices.availableMemory().ifPresent(free -> {
            if (needed > free) {
                throw new InputException("a batch of " + batch + " pictures needs about " + Sizes.bytes(needed)
                        + " of memory, " + Sizes.bytes(free) + " are free: lower --batch");
            }
        });
    }

    private long[] labels(ModelConfig config, int count) {
        long[] wanted = classes == null ? new long[0] : Sizes.ranges("--classes", classes);
        if (wanted.length > 0 && config.numClasses() == 0) {
            throw new IllegalArgumentException("--classes: the model is unconditional");
        }
        for (long label : wanted) {
            if (label >= config.numClasses()) {
                throw new IllegalArgumentException(
                        "--classes must be 0 to " + (config.numClasses() - 1) + " for this model, got " + label);
            }
        }
        return Pictures.inTurn(wanted, count, config.numClasses());
    }

    private void draw(Task task, Pictures pictures, Pictures.Source source, Path file, long[] labels) {
        List<byte[]> forGrid = new ArrayList<>();
        Map<String, String> settings = pictures.settings();
        settings.put("model", file.toString());
        settings.put("precision", precision);
        settings.putAll(samplingOptions.settings());
        settings.putAll(task.settings());
        int count = task.names().length;
        try (Progress progress = new Progress("sample", "steps", 0, pictures.work(count));
                PictureOutput output = out == null
                        ? PictureOutput.none()
                        : PictureOutput.open(out, count, pictures.height(), pictures.width(), settings)) {
            pictures.draw(
                    task.names(),
                    labels,
                    source,
                    (index, name, label, rgb) -> {
                        output.add(name, label, rgb);
                        if (grid != null) {
                            forGrid.add(rgb);
                        }
                    },
                    done -> progress.show(done, String.format(Locale.ROOT, "%d pictures", count)),
                    (step, guesses) -> {
                        if (task.previewEvery() > 0 && step % task.previewEvery() == 0) {
                            sheet(preview(step), pictures, guesses.get(), settings);
                        }
                    });
            output.finish();
        }
        if (grid != null) {
            sheet(grid, pictures, forGrid, settings);
            System.out.println("wrote " + grid);
        }
        if (out != null) {
            System.out.println("wrote " + count + " pictures to " + out);
        }
    }

    /** grid.png after step 10: grid-0010.png. */
    private Path preview(int step) {
        String name = grid.getFileName().toString().replaceFirst("(?i)\\.png$", "");
        return grid.resolveSibling(String.format(Locale.ROOT, "%s-%04d.png", name, step));
    }

    private static void sheet(Path file, Pictures pictures, List<byte[]> all, Map<String, String> settings) {
        ImageGrid.Sheet sheet = pictures.grid(all);
        Png.write(file, sheet.width(), sheet.height(), sheet.rgb(), settings);
    }
}
