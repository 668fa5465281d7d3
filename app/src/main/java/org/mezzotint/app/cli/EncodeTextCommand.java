package org.mezzotint.app.cli;

import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import org.bytedeco.pytorch.Device;
import org.mezzotint.data.Captions;
import org.mezzotint.data.Dataset;
import org.mezzotint.data.Datasets;
import org.mezzotint.data.PictureOptions;
import org.mezzotint.tensor.Devices;
import org.mezzotint.tensor.Precision;
import org.mezzotint.text.CaptionEncoding;
import org.mezzotint.text.CaptionSet;
import org.mezzotint.text.T5Config;
import org.mezzotint.text.T5Encoder;
import org.mezzotint.text.T5Tokenizer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Turns captions into hidden states of a text encoder, once, for training to come. */
@Command(
        name = "encode-text",
        mixinStandardHelpOptions = true,
        description = {
            "Turn the captions of pictures into a folder of a T5 encoder's hidden states.",
            "Ctrl-C or a kill loses one shard at most: the same command goes on."
        })
final class EncodeTextCommand implements Callable<Integer> {
    private static final String AUTO = "auto";
    private static final int SHOWN = 60;

    /** Activations, libtorch and the JVM beside the weights. */
    private static final long BESIDE = 2L << 30;

    @Parameters(
            index = "0",
            paramLabel = "PICTURES",
            description = {
                "folder, zip or tar shards of pictures with captions: 0001.txt beside 0001.png,",
                "metadata.jsonl or metadata.csv, or .txt and .json in tar shards"
            })
    private Path pictures;

    @Parameters(index = "1", paramLabel = "OUT", description = "folder of the encoded captions")
    private Path out;

    @Option(
            names = "--encoder",
            paramLabel = "FOLDER",
            required = true,
            description = "a T5 in Hugging Face's form: config.json and weights")
    private Path encoderFolder;

    @Option(
            names = "--tokenizer",
            paramLabel = "PATH",
            description = "tokenizer.json, spiece.model or a folder of one (default: the encoder's folder)")
    private Path tokenizerPath;

    @Option(
            names = "--max-tokens",
            paramLabel = "N",
            defaultValue = "128",
            description = "tokens of a caption at most, its end included; what is behind is cut away (default: 128)")
    private int maxTokens;

    @Option(
            names = "--precision",
            paramLabel = "NAME",
            defaultValue = AUTO,
            description = "float32, bfloat16, or auto: bfloat16 where this machine is fast in it (default: auto)")
    private String precision;

    @Option(
            names = "--type",
            paramLabel = "NAME",
            defaultValue = "bfloat16",
            description = "how numbers are stored: bfloat16 or float32 (default: bfloat16)")
    private CaptionSet.Type type;

    @Option(
            names = "--mapped",
            description = {
                "leave the encoder's weights in their file: slower, next to no memory",
                "(default: only if they do not fit the free memory)"
            })
    private boolean mapped;

    @Option(names = "--shard", paramLabel = "N", defaultValue = "256", description = "pictures a file (default: 256)")
    private int shard;

    @Option(
            names = "--batch-tokens",
            paramLabel = "N",
            defaultValue = "1024",
            description = "tokens at once (default: 1024)")
    private int batchTokens;

    @Mixin
    private MachineOptions machine;

    @Override
    public Integer call() {
        if (batchTokens < 1 || shard < 1) {
            throw new IllegalArgumentException(
                    "--batch-tokens and --shard must be at least 1, got " + batchTokens + " and " + shard);
        }
        if (maxTokens < 1 || maxTokens > T5Encoder.MOST_TOKENS) {
            throw new IllegalArgumentException(
                    "--max-tokens must be 1 to " + T5Encoder.MOST_TOKENS + ", got " + maxTokens);
        }
        Device device = machine.open();
        Precision numbers = precision(device);
        Interrupts interrupts = Interrupts.handle();
        T5Config config = T5Encoder.config(encoderFolder);
        T5Tokenizer tokenizer = T5Tokenizer.open(tokenizerPath == null ? encoderFolder : tokenizerPath);
        tokenizer.requireFits(config);
        try (Dataset all =
                Datasets.open(pictures, new PictureOptions(1, 1, 3, false, PictureOptions.DEFAULT_MAX_PIXELS))) {
            Captions captions = Captions.of(all);
            try (T5Encoder encoder = T5Encoder.open(encoderFolder, numbers, device, holding(config, numbers, device))) {
                CaptionSet.Plan plan = new CaptionSet.Plan(
                        CaptionSet.VERSION,
                        encoder.identity(),
                        tokenizer.identity(),
                        numbers,
                        type,
                        config.width(),
                        maxTokens,
                        all.size(),
                        Math.min(shard, all.size()),
                        captions.fingerprint());
                return encode(all, plan, tokenizer, encoder, interrupts);
            }
        }
    }

    private Precision precision(Device device) {
        if (precision.equals(AUTO)) {
            return Devices.fastBfloat16(device) ? Precision.BFLOAT16 : Precision.FLOAT32;
        }
        return Precision.parse(precision);
    }

    private T5Encoder.Holding holding(T5Config config, Precision numbers, Device device) {
        long bytes = config.parameters() * (numbers == Precision.BFLOAT16 ? 2 : numbers == Precision.FLOAT32 ? 4 : 8);
        OptionalLong free = device.is_cpu() ? Devices.availableMemory() : OptionalLong.empty();
        boolean tight = free.isPresent() && bytes + BESIDE > free.getAsLong();
        boolean map = mapped || tight;
        System.out.printf(
                Locale.ROOT,
                "T5 of %,d parameters in %s%s%n",
                config.parameters(),
                numbers,
                mapped || !tight
                        ? ""
                        : String.format(
                                Locale.ROOT,
                                "; its weights stay in their file, they need %.1f GB and %.1f are free",
                                (bytes + BESIDE) / 1e9,
                                free.getAsLong() / 1e9));
        return map ? T5Encoder.Holding.MAPPED : T5Encoder.Holding.LOADED;
    }

    private int encode(
            Dataset all, CaptionSet.Plan plan, T5Tokenizer tokenizer, T5Encoder encoder, Interrupts interrupts) {
        Optional<CaptionSet> set;
        try (Watch watch = new Watch(all, plan)) {
            set = CaptionEncoding.run(
                    out, plan, all::captions, tokenizer, encoder, batchTokens, watch, interrupts::requested);
        }
        if (set.isEmpty()) {
            System.out.println("interrupted; the same command goes on");
            return Interrupts.EXIT;
        }
        System.out.printf(
                Locale.ROOT,
                "wrote %,d captions of %,d pictures, %,d tokens of %d numbers, to %s%n",
                set.get().captions(),
                plan.pictures(),
                set.get().tokens(),
                plan.width(),
                out);
        if (set.get().cut() > 0) {
            System.out.printf(
                    Locale.ROOT,
                    "warning: %,d captions had more than %d tokens and lost their end%n",
                    set.get().cut(),
                    plan.maxTokens());
        }
        return 0;
    }

    /** Shows how far the work is, and the first caption that was cut. */
    private static final class Watch implements CaptionEncoding.Listener, AutoCloseable {
        private final Dataset all;
        private final Progress progress;
        private final long start = System.nanoTime();
        private boolean warned;

        Watch(Dataset all, CaptionSet.Plan plan) {
            this.all = all;
            progress = new Progress("encode-text", "pictures", 0, plan.pictures());
        }

        @Override
        public void done(long pictures, long tokens) {
            double seconds = (System.nanoTime() - start) / 1e9;
            progress.show(
                    pictures, String.format(Locale.ROOT, "%,d pictures, %,.0f tokens/s", pictures, tokens / seconds));
        }

        @Override
        public void cut(int picture, String lost) {
            if (!warned) {
                warned = true;
                System.out.println("warning: the caption of " + all.name(picture) + " is too long, cut away is: "
                        + (lost.length() > SHOWN ? lost.substring(0, SHOWN) + "…" : lost));
            }
        }

        @Override
        public void close() {
            progress.close();
        }
    }
}
