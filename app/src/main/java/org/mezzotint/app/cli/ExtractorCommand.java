package org.mezzotint.app.cli;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.data.Dataset;
import org.mezzotint.data.Datasets;
import org.mezzotint.data.PictureOptions;
import org.mezzotint.data.ShapesDataset;
import org.mezzotint.data.Subset;
import org.mezzotint.eval.OwnExtractor;
import org.mezzotint.eval.OwnExtractorTraining;
import org.mezzotint.io.InputException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Trains a small network to measure pictures with. */
@Command(
        name = "extractor",
        mixinStandardHelpOptions = true,
        description = {
            "Train a small classifier on pictures with classes, to be given to 'evaluate', 'stats', 'sweep' and 'train' as",
            "--weights: quick comparisons on one machine, without a download. What it measures is called own-fd, own-kd",
            "and so on; it is no FID, and compares only with numbers of the same network."
        })
final class ExtractorCommand implements Callable<Integer> {
    private static final int LARGEST_TEST = 2000;
    private static final int SHAPES = 20_000;

    @Parameters(index = "0", paramLabel = "OUT", description = "the safetensors file to write")
    private Path out;

    @Option(
            names = "--data",
            paramLabel = "PATH",
            description =
                    "pictures with classes, as train takes them, brought to 32×32 pixels (default: 30 kinds of coloured shapes)")
    private Path data;

    @Option(
            names = "--images",
            paramLabel = "N",
            defaultValue = "100k",
            description = "pictures to see in all, such as 100k (default: 100k, one or two minutes on two cores)")
    private String images;

    @Option(names = "--seed", paramLabel = "N", defaultValue = "0", description = "of all random numbers (default: 0)")
    private long seed;

    @Option(
            names = "--threads",
            paramLabel = "N",
            defaultValue = "0",
            description = "threads of libtorch (default: one a core); another number changes the last bits of results")
    private int threads;

    @Override
    public Integer call() {
        if (!out.toString().toLowerCase(Locale.ROOT).endsWith(".safetensors")) {
            throw new IllegalArgumentException("OUT must end in .safetensors, got " + out);
        }
        PictureOutput.checkFile(out);
        if (threads < 0 || threads > 4096) {
            throw new IllegalArgumentException("--threads must be 1 to 4096, got " + threads);
        }
        if (threads > 0) {
            torch.set_num_threads(threads);
        }
        OwnExtractorTraining training = new OwnExtractorTraining(seed, Sizes.count("--images", images), 64, 2e-3);
        try (Dataset all = open()) {
            if (all.size() < 20) {
                throw new InputException("an extractor needs at least 20 pictures, got " + all.size());
            }
            Subset.Split split = Subset.split(all, Math.min(LARGEST_TEST, all.size() / 10));
            try (Progress progress = new Progress("extractor", "pictures", 0, training.images());
                    OwnExtractor network = training.train(
                            split.train(), done -> progress.show(done, "of the classifier's training"))) {
                double accuracy = OwnExtractorTraining.accuracy(network, split.validation());
                network.write(out, facts(all, training, accuracy));
                System.out.printf(
                        Locale.ROOT,
                        "wrote %s: %s, %.1f%% of %d held-out pictures told apart (%d classes; chance is %.1f%%)%n",
                        out,
                        network.id(),
                        100 * accuracy,
                        split.validation().size(),
                        all.classNames().size(),
                        100.0 / all.classNames().size());
            }
        }
        return 0;
    }

    private Dataset open() {
        int side = OwnExtractor.SIDE;
        return data == null
                ? new ShapesDataset(SHAPES, side, side, ShapesDataset.MAX_SHAPES, ShapesDataset.MAX_COLOURS, seed)
                : Datasets.open(data, new PictureOptions(side, side, 3, false, PictureOptions.DEFAULT_MAX_PIXELS));
    }

    private Map<String, String> facts(Dataset all, OwnExtractorTraining training, double accuracy) {
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put("data", data == null ? "shapes" : data.toString());
        facts.put("dataset", all.fingerprint());
        facts.put("images", Long.toString(training.images()));
        facts.put("seed", Long.toString(training.seed()));
        facts.put("accuracy", String.format(Locale.ROOT, "%.4f", accuracy));
        return facts;
    }
}
