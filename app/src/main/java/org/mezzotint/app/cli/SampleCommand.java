package org.mezzotint.app.cli;

import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.Callable;
import org.mezzotint.models.ModelConfig;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Draws pictures of a trained model. */
@Command(
        name = "sample",
        mixinStandardHelpOptions = true,
        description = {
            "Draw pictures of a trained model, one a seed, the classes in turn.",
            "The picture of a seed does not depend on the other seeds, the batch size or the number of processes."
        })
final class SampleCommand implements Callable<Integer>, DrawOptions.Task {
    @Mixin
    private DrawOptions options;

    @Option(
            names = "--seeds",
            paramLabel = "RANGES",
            defaultValue = "0-15",
            description = "such as 0-99,200 (default: 0-15)")
    private String seeds;

    @Option(
            names = "--preview-every",
            paramLabel = "K",
            defaultValue = "0",
            description =
                    "after every K steps, a sheet of the clean pictures that the model guesses then, beside --grid")
    private int previewEvery;

    @Override
    public Integer call() {
        return options.run(this);
    }

    @Override
    public long[] names() {
        return Sizes.ranges("--seeds", seeds);
    }

    @Override
    public Map<String, String> settings() {
        return Map.of("seeds", seeds);
    }

    @Override
    public Pictures.Source source(ModelConfig config, Decoder decoder) {
        long[] all = names();
        return (sampler, first, count, labels, watch) ->
                sampler.draw(Arrays.copyOfRange(all, first, first + count), labels, watch);
    }

    @Override
    public int previewEvery() {
        return previewEvery;
    }
}
