package org.mezzotint.app.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.data.Dataset;
import org.mezzotint.data.Datasets;
import org.mezzotint.data.PictureOptions;
import org.mezzotint.data.Subset;
import org.mezzotint.diffusion.DiffusionConfig;
import org.mezzotint.diffusion.SigmaDenoiser;
import org.mezzotint.diffusion.SigmaTimes;
import org.mezzotint.io.AtomicFiles;
import org.mezzotint.io.InputException;
import org.mezzotint.models.Model;
import org.mezzotint.models.ModelConfig;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.sample.LogLikelihood;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Devices;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;
import org.mezzotint.train.ModelNetwork;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures how likely a trained model finds pictures. */
@Command(
        name = "likelihood",
        mixinStandardHelpOptions = true,
        description = {
            "Measure how likely a trained model finds the pictures of a data set, in bits per dimension (fewer are better).",
            "The probability flow of the model without guidance, told the classes of the pictures. Pictures are cropped and",
            "scaled to the model's size, and a uniform number within half of one of their 256 levels is added to each pixel.",
            "The figure is for the density at --sigma-min: compare figures of the same noise levels only."
        })
final class LikelihoodCommand implements Callable<Integer> {
    /** The cleanest level of DDPM's schedule; a figure for less noise says more of the levels of pixels than of pictures. */
    private static final double USUAL_SIGMA_MIN = 0.01;
    /** Enough to hide any picture: the usual choice where a schedule goes further. */
    private static final double USUAL_SIGMA_MAX = 80;

    @Mixin
    private BundleOptions bundleOptions;

    @Option(
            names = "--data",
            paramLabel = "PATH",
            required = true,
            description = "folder or zip of pictures, classes as sub-folders; or tar shards")
    private Path data;

    @Option(
            names = "--limit",
            paramLabel = "N",
            description = "at most so many pictures, spread evenly over the data set (default: all)")
    private Integer limit;

    @Option(names = "--batch", paramLabel = "N", defaultValue = "16", description = "pictures at once (default: 16)")
    private int batch;

    @Option(
            names = "--seed",
            paramLabel = "N",
            defaultValue = "0",
            description = "of the random probes and of what is added to pixels (default: 0)")
    private long seed;

    @Option(
            names = "--probes",
            paramLabel = "N",
            defaultValue = "1",
            description = "random probes of the Jacobian a picture, at the price of a backward pass each (default: 1)")
    private int probes;

    @Option(
            names = "--atol",
            paramLabel = "X",
            defaultValue = "1e-4",
            description = "absolute tolerance of the solver (default: 1e-4)")
    private double atol;

    @Option(
            names = "--rtol",
            paramLabel = "X",
            defaultValue = "1e-4",
            description = "relative tolerance of the solver (default: 1e-4)")
    private double rtol;

    @Option(
            names = "--sigma-min",
            paramLabel = "X",
            description = "lowest noise level (default: the training's, at least 0.01)")
    private Double sigmaMin;

    @Option(
            names = "--sigma-max",
            paramLabel = "X",
            description = "highest noise level (default: the training's, at most 80)")
    private Double sigmaMax;

    @Option(
            names = "--bare-levels",
            description = "add nothing to pixels: the density exactly at the 256 levels, as k-diffusion measures it")
    private boolean bareLevels;

    @Option(
            names = "--precision",
            paramLabel = "NAME",
            defaultValue = "float32",
            description = "float32 or float64 (default: float32); take float64 for tolerances below 1e-6")
    private String precision;

    @Option(names = "--csv", paramLabel = "FILE", description = "a file with one line a picture")
    private Path csv;

    @Mixin
    private MachineOptions machine;

    @Override
    public Integer call() {
        checkOptions();
        Device device = machine.open();
        Precision numbers = Precision.parse(precision);
        if (numbers == Precision.BFLOAT16) {
            throw new IllegalArgumentException(
                    "--precision must be float32 or float64 (bfloat16 is too coarse for the solver), got " + precision);
        }
        try (ModelSource source = bundleOptions.open()) {
            ModelConfig config = source.config();
            if (source.latents().isPresent()) {
                throw new InputException(source.path()
                        + " is a model of latents: bits per dimension of pictures need a model of pixels");
            }
            DiffusionConfig diffusion = source.diffusion();
            SigmaTimes times = diffusion.times();
            LogLikelihood settings = new LogLikelihood(
                    sigmaMin == null ? Math.max(times.min(), USUAL_SIGMA_MIN) : sigmaMin,
                    sigmaMax == null ? Math.min(times.max(), USUAL_SIGMA_MAX) : sigmaMax,
                    atol,
                    rtol,
                    probes);
            try (Dataset all = Datasets.open(
                            data,
                            new PictureOptions(
                                    config.height(),
                                    config.width(),
                                    config.channels(),
                                    false,
                                    PictureOptions.DEFAULT_MAX_PIXELS));
                    Subset pictures = new Subset(all, chosen(all.size()))) {
                checkClasses(config, pictures);
                checkMemory(config, Math.min(batch, pictures.size()));
                try (Model model = source.load(numbers, device)) {
                    List<Line> lines = measure(model, diffusion, settings, pictures);
                    if (csv != null) {
                        write(lines);
                    }
                    report(lines, settings);
                }
            }
        }
        return 0;
    }

    /** A picture's place in the data set, class (−1 for none), name and results. */
    private record Line(int index, long label, String name, double nats, double bits) {}

    private void checkOptions() {
        if (limit != null && limit < 1) {
            throw new IllegalArgumentException("--limit must be at least 1, got " + limit);
        }
        if (batch < 1) {
            throw new IllegalArgumentException("--batch must be at least 1, got " + batch);
        }
        if (csv != null) {
            PictureOutput.checkFile(csv);
        }
    }

    /** All pictures, or some that are spread evenly, since data sets tend to be sorted by class. */
    private int[] chosen(int size) {
        int count = limit == null ? size : Math.min(limit, size);
        return IntStream.range(0, count)
                .map(i -> (int) ((long) i * size / count))
                .toArray();
    }

    private void checkClasses(ModelConfig config, Dataset pictures) {
        int classes = pictures.classNames().size();
        if (config.numClasses() > 0 && classes != config.numClasses()) {
            throw new InputException("the model has " + config.numClasses() + " classes, the data set " + data + " has "
                    + (classes == 0 ? "no labels" : Integer.toString(classes)));
        }
    }

    private void checkMemory(ModelConfig config, int atOnce) {
        long needed = config.cost().inputGradientBytes(atOnce);
        Devices.availableMemory().ifPresent(free -> {
            if (needed > free) {
                throw new InputException("the gradients of " + atOnce + " pictures need about " + Sizes.bytes(needed)
                        + " of memory, " + Sizes.bytes(free) + " are free: lower --batch");
            }
        });
    }

    private List<Line> measure(Model model, DiffusionConfig diffusion, LogLikelihood settings, Subset pictures) {
        List<Line> lines = new ArrayList<>();
        int[] indices = pictures.indices();
        int length = pictures.channels() * pictures.height() * pictures.width();
        try (Progress progress = new Progress("likelihood", "pictures", 0, pictures.size())) {
            for (int first = 0; first < pictures.size(); first += batch) {
                int count = Math.min(batch, pictures.size() - first);
                float[] pixels = new float[count * length];
                long[] labels = new long[count];
                long[] seeds = new long[count];
                for (int i = 0; i < count; i++) {
                    pictures.read(first + i, new SplittableRandom(0), pixels, i * length);
                    labels[i] = pictures.label(first + i);
                    seeds[i] = Rng.mix(seed, indices[first + i]);
                }
                int before = first;
                try (Scope scope = Scope.open()) {
                    Tensor cpu = Tensors.of(pixels, count, pictures.channels(), pictures.height(), pictures.width());
                    Tensor x = (bareLevels ? cpu : LogLikelihood.dequantised(cpu, seeds))
                            .to(model.device(), model.precision().storage());
                    double[] nats = settings.evaluate(
                                    denoiser(model, diffusion, labels),
                                    x,
                                    seeds,
                                    share -> progress.show(before + (int) (share * count), "done"))
                            .nats();
                    for (int i = 0; i < count; i++) {
                        lines.add(new Line(
                                indices[first + i],
                                pictures.classNames().isEmpty() ? -1 : labels[i],
                                pictures.name(first + i),
                                nats[i],
                                LogLikelihood.bitsPerDimension(nats[i], length)));
                    }
                }
            }
        }
        return lines;
    }

    private static SigmaDenoiser denoiser(Model model, DiffusionConfig diffusion, long[] labels) {
        Conditioning cond =
                model.config().numClasses() == 0 ? Conditioning.none() : Conditioning.classes(model.device(), labels);
        return diffusion.denoiser(new ModelNetwork(model, diffusion).on(Tape.plain()), cond);
    }

    private void write(List<Line> lines) {
        StringBuilder text = new StringBuilder("index,class,log_likelihood_nats,bits_per_dimension,name\n");
        for (Line line : lines) {
            text.append(line.index)
                    .append(',')
                    .append(line.label < 0 ? "" : line.label)
                    .append(',')
                    .append(line.nats)
                    .append(',')
                    .append(line.bits)
                    .append(",\"")
                    .append(line.name.replace("\"", "\"\""))
                    .append("\"\n");
        }
        AtomicFiles.writeString(csv, text.toString());
    }

    private void report(List<Line> lines, LogLikelihood settings) {
        int n = lines.size();
        double mean = lines.stream().mapToDouble(Line::bits).average().orElseThrow();
        double squares = lines.stream()
                .mapToDouble(line -> (line.bits - mean) * (line.bits - mean))
                .sum();
        System.out.printf(
                Locale.ROOT,
                "%.4f bits per dimension%s, noise levels %.4g to %.4g%n",
                mean,
                n == 1
                        ? " (1 picture)"
                        : String.format(
                                Locale.ROOT,
                                " ± %.4f (mean and standard error of %d pictures)",
                                Math.sqrt(squares / (n - 1) / n),
                                n),
                settings.sigmaMin(),
                settings.sigmaMax());
        if (csv != null) {
            System.out.println("wrote " + csv);
        }
    }
}
