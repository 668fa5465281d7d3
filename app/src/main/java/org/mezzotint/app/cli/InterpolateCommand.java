package org.mezzotint.app.cli;

import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.LongStream;
import org.mezzotint.models.ModelConfig;
import org.mezzotint.sample.NoiseSource;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Draws the way from one picture to another. */
@Command(
        name = "interpolate",
        mixinStandardHelpOptions = true,
        description = {
            "Draw pictures on the way from one seed to another; the ends are the pictures that 'sample' draws.",
            "Files are called by the number of the frame. Give one class with --classes, or they change from frame to frame."
        })
final class InterpolateCommand implements Callable<Integer>, DrawOptions.Task {
    private static final int MOST = 100_000;

    @Mixin
    private DrawOptions options;

    @Option(names = "--from", paramLabel = "SEED", required = true, description = "the first picture's seed")
    private long from;

    @Option(names = "--to", paramLabel = "SEED", required = true, description = "the last picture's seed")
    private long to;

    @Option(names = "--frames", paramLabel = "N", defaultValue = "9", description = "pictures in all (default: 9)")
    private int frames;

    @Override
    public Integer call() {
        if (frames < 2 || frames > MOST) {
            throw new IllegalArgumentException("--frames must be 2 to " + MOST + ", got " + frames);
        }
        return options.run(this);
    }

    @Override
    public long[] names() {
        return LongStream.range(0, frames).toArray();
    }

    @Override
    public Map<String, String> settings() {
        return Map.of("from seed", Long.toString(from), "to seed", Long.toString(to));
    }

    @Override
    public Pictures.Source source(ModelConfig config, Decoder decoder) {
        double[] fractions = new double[frames];
        Arrays.setAll(fractions, i -> (double) i / (frames - 1));
        return (sampler, first, count, labels, watch) -> {
            try (NoiseSource noise =
                    NoiseSource.between(from, to, Arrays.copyOfRange(fractions, first, first + count))) {
                return sampler.draw(noise, count, labels, watch);
            }
        };
    }
}
