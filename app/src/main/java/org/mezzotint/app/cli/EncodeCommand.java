package org.mezzotint.app.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.bytedeco.pytorch.Device;
import org.mezzotint.autoencoders.Autoencoder;
import org.mezzotint.data.Dataset;
import org.mezzotint.data.Datasets;
import org.mezzotint.data.LatentSet;
import org.mezzotint.data.PictureOptions;
import org.mezzotint.tensor.Precision;
import org.mezzotint.train.LatentEncoding;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Turns pictures into latents, once, for training. */
@Command(
        name = "encode",
        mixinStandardHelpOptions = true,
        description = {
            "Turn pictures into a folder of latents, which train reads with data.type latents.",
            "Ctrl-C or a kill loses one shard at most: the same command goes on."
        })
final class EncodeCommand implements Callable<Integer> {
    @Parameters(index = "0", paramLabel = "PICTURES", description = "folder or zip of pictures, classes as sub-folders")
    private Path pictures;

    @Parameters(index = "1", paramLabel = "OUT", description = "folder of the latents")
    private Path out;

    @Option(names = "--autoencoder", paramLabel = "PATH", required = true, description = Autoencoders.DESCRIPTION)
    private Path autoencoder;

    @Option(
            names = "--size",
            paramLabel = "N",
            defaultValue = "256",
            description = "side of the pictures, which are resized and cropped to it (default: 256)")
    private int size;

    @Option(
            names = "--samples",
            description = "store one sample of each picture (default: mean and log variance, sampled at each reading)")
    private boolean samples;

    @Option(names = "--flip", description = "encode mirrored pictures too, for data.flip")
    private boolean flip;

    @Option(
            names = "--type",
            paramLabel = "NAME",
            defaultValue = "float32",
            description = "how numbers are stored: float32 or float16 (default: float32)")
    private LatentSet.Type type;

    @Option(names = "--seed", paramLabel = "N", defaultValue = "0", description = "of --samples (default: 0)")
    private long seed;

    @Option(names = "--shard", paramLabel = "N", defaultValue = "1024", description = "pictures a file (default: 1024)")
    private int shard;

    @Option(names = "--batch", paramLabel = "N", defaultValue = "8", description = "pictures at once (default: 8)")
    private int batch;

    @Mixin
    private MachineOptions machine;

    @Override
    public Integer call() {
        if (batch < 1) {
            throw new IllegalArgumentException("--batch must be at least 1, got " + batch);
        }
        if (size < 1 || size > 1 << 14) {
            throw new IllegalArgumentException("--size must be 1 to " + (1 << 14) + ", got " + size);
        }
        if (seed != 0 && !samples) {
            throw new IllegalArgumentException("--seed is for --samples only, got " + seed);
        }
        Device device = machine.open();
        Interrupts interrupts = Interrupts.handle();
        try (Autoencoder encoder = Autoencoders.open(autoencoder, Precision.FLOAT32, device)) {
            int factor = encoder.config().downFactor();
            if (size % factor != 0) {
                throw new IllegalArgumentException(
                        "--size must be a multiple of the autoencoder's factor " + factor + ", got " + size);
            }
            try (Dataset all = Datasets.open(
                    pictures,
                    new PictureOptions(
                            size, size, encoder.config().channels(), false, PictureOptions.DEFAULT_MAX_PIXELS))) {
                LatentSet.Plan plan = new LatentSet.Plan(
                        LatentSet.VERSION,
                        LatentEncoding.space(encoder),
                        samples ? LatentSet.Kind.SAMPLES : LatentSet.Kind.MOMENTS,
                        seed,
                        flip,
                        type,
                        encoder.config().latentChannels(),
                        size / factor,
                        size / factor,
                        all.size(),
                        Math.min(shard, all.size()),
                        all.classNames(),
                        all.fingerprint());
                return encode(all, encoder, plan, interrupts);
            }
        }
    }

    private int encode(Dataset all, Autoencoder encoder, LatentSet.Plan plan, Interrupts interrupts) {
        Optional<LatentSet> set;
        try (Progress progress = new Progress("encode", "pictures", 0, plan.count())) {
            set = LatentEncoding.run(
                    out,
                    plan,
                    all,
                    encoder,
                    batch,
                    done -> progress.show(done, String.format(Locale.ROOT, "%,d pictures", done)),
                    interrupts::requested);
        }
        if (set.isEmpty()) {
            System.out.println("interrupted; the same command goes on");
            return Interrupts.EXIT;
        }
        System.out.printf(
                Locale.ROOT,
                "wrote %,d latents of %d×%d×%d to %s%nmean %s, deviation %s%n",
                plan.count(),
                plan.channels(),
                plan.height(),
                plan.width(),
                out,
                rounded(set.get().mean()),
                rounded(set.get().deviation()));
        return 0;
    }

    private static String rounded(List<Double> values) {
        return values.stream()
                .map(value -> String.format(Locale.ROOT, "%.3f", value))
                .collect(Collectors.joining(" "));
    }
}
