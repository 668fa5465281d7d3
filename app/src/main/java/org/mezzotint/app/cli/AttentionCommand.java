package org.mezzotint.app.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Device;
import org.mezzotint.data.LatentSpace;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.io.Gif;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Png;
import org.mezzotint.models.Model;
import org.mezzotint.models.layers.AttentionWatch;
import org.mezzotint.models.layers.AttentionWatch.Seen;
import org.mezzotint.sample.ImageGrid;
import org.mezzotint.tensor.Precision;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Shows what attention layers look at while a picture is drawn (figure 7 of arXiv:2312.02139v3). */
@Command(
        name = "attention",
        mixinStandardHelpOptions = true,
        description = {
            "Draw a picture and show what attention layers look at on the way: for each layer and head a strip",
            "of maps (PNG) and an animation (GIF), of one model or of two at the same seed."
        })
final class AttentionCommand implements Callable<Integer> {
    private static final int FRAME_HUNDREDTHS = 25;

    @Mixin
    private BundleOptions bundleOptions;

    @Parameters(
            index = "1",
            arity = "0..1",
            paramLabel = "MODEL2",
            description = "another model to show beside, at the same seed")
    private Path second;

    @Option(names = "--seed", paramLabel = "N", defaultValue = "0", description = "seed of the picture (default: 0)")
    private long seed;

    @Option(names = "--class", paramLabel = "N", description = "class of the picture (default: 0)")
    private Long label;

    @Option(
            names = "--layers",
            paramLabel = "RANGES",
            description =
                    "attention layers, counted from 0 in the network's order, such as 0-3,11 (default: the first, the"
                            + " middle and the last)")
    private String layers;

    @Option(
            names = "--heads",
            paramLabel = "WHICH",
            defaultValue = "mean",
            description = "mean (over the heads), all, or numbers such as 0-3 (default: mean)")
    private String heads;

    @Option(
            names = "--query",
            paramLabel = "WHERE",
            defaultValue = "mean",
            description = "whose attention: mean (over all tokens), or the token at a pixel ROW,COLUMN of the picture"
                    + " (default: mean)")
    private String query;

    @Option(
            names = "--every",
            paramLabel = "K",
            defaultValue = "0",
            description = "look at every K-th evaluation of the network (default: about ten in all)")
    private int every;

    @Mixin
    private SamplingOptions samplingOptions;

    @Option(
            names = "--autoencoder",
            paramLabel = "PATH",
            description = Autoencoders.DESCRIPTION + "; without it the picture is not shown")
    private Path autoencoder;

    @Option(
            names = "--precision",
            paramLabel = "NAME",
            defaultValue = "float32",
            description = "float32, bfloat16 or float64 (default: float32)")
    private String precision;

    @Option(names = "--out", paramLabel = "DIR", required = true, description = "folder for the strips and animations")
    private Path out;

    @Mixin
    private MachineOptions machine;

    @Override
    public Integer call() {
        if (every < 0) {
            throw new IllegalArgumentException("--every must be at least 1, got " + every);
        }
        List<Long> numbers = layers == null ? List.of() : list("--layers", layers);
        List<Long> wanted = heads.equals("mean") || heads.equals("all") ? List.of() : list("--heads", heads);
        Device device = machine.open();
        Precision type = Precision.parse(precision);
        List<AttentionRun> runs = new ArrayList<>();
        List<String> models = new ArrayList<>();
        AttentionRun.Request request;
        try (ModelSource source = bundleOptions.open()) {
            AttentionWatch.Query shown = query(source);
            request = new AttentionRun.Request(shown, numbers, wanted, every, seed, Optional.ofNullable(label));
            makeFolder();
            runs.add(run(source, request, type, device));
            models.add(source.path().toString());
        }
        if (second != null) {
            try (ModelSource source = bundleOptions.open(second)) {
                runs.add(run(source, request, type, device));
                models.add(source.path().toString());
            }
        }
        write(runs, models, request);
        return 0;
    }

    private static List<Long> list(String option, String text) {
        return Arrays.stream(Sizes.ranges(option, text)).boxed().toList();
    }

    /** Where in the picture, which for latents is larger than what the model draws. */
    private AttentionWatch.Query query(ModelSource source) {
        if (query.equals("mean")) {
            return new AttentionWatch.Mean();
        }
        if (!query.matches("[0-9]{1,6},[0-9]{1,6}")) {
            throw new IllegalArgumentException("--query must be mean or ROW,COLUMN of a pixel, got " + query);
        }
        String[] place = query.split(",", 2);
        int row = Integer.parseInt(place[0]);
        int column = Integer.parseInt(place[1]);
        int factor = source.latents().map(LatentSpace::factor).orElse(1);
        int height = source.config().height() * factor;
        int width = source.config().width() * factor;
        if (row >= height || column >= width) {
            throw new IllegalArgumentException(
                    "--query must lie in the picture of " + height + " rows and " + width + " columns, got " + query);
        }
        return new AttentionWatch.At((row + 0.5) / height, (column + 0.5) / width);
    }

    private void makeFolder() {
        try {
            Files.createDirectories(out);
        } catch (IOException e) {
            throw new InputException("cannot make the folder " + out + ": " + InputException.reason(e), e);
        }
    }

    private AttentionRun run(ModelSource source, AttentionRun.Request request, Precision type, Device device) {
        SamplingConfig sampling = samplingOptions.resolve(source.sampling(), source.diffusion());
        boolean drawn = source.latents().isEmpty() || autoencoder != null;
        try (Decoder decoder = drawn ? source.decoder(autoencoder, device) : Decoder.none();
                Model guide = samplingOptions.guide(source.config(), source.diffusion(), type, device);
                Model model = source.load(type, device);
                Progress progress = new Progress("attention", "steps", 0, sampling.count(source.diffusion()))) {
            if (device.is_cpu() && type != Precision.FLOAT64) {
                model.pack(sampling.guidance() == 1 || guide != null ? 1 : 2);
                if (guide != null) {
                    guide.pack(1);
                }
            }
            return AttentionRun.draw(
                    model,
                    Optional.ofNullable(guide),
                    source.diffusion(),
                    sampling,
                    drawn ? Optional.of(decoder) : Optional.empty(),
                    request,
                    progress);
        }
    }

    private void write(List<AttentionRun> runs, List<String> models, AttentionRun.Request request) {
        List<Seen> first = runs.get(0).frames().get(0).layers();
        for (AttentionRun run : runs) {
            if (run.frames().get(0).layers().size() != first.size()) {
                throw new IllegalArgumentException("both models must have the layers asked for: say --layers");
            }
        }
        AttentionSheet sheet = AttentionSheet.of(runs, request.query());
        int files = 0;
        for (int layer = 0; layer < first.size(); layer++) {
            for (Optional<Integer> head : heads(runs, layer, request)) {
                String name = first.get(layer).layer()
                        + head.map(h -> String.format(Locale.ROOT, "-head-%02d", h))
                                .orElse("");
                ImageGrid.Sheet strips = sheet.strips(runs, layer, head);
                Png.write(
                        out.resolve(name + ".png"),
                        strips.width(),
                        strips.height(),
                        strips.rgb(),
                        texts(runs, models, layer, head));
                List<ImageGrid.Sheet> frames = sheet.animation(runs, layer, head);
                Gif.write(
                        out.resolve(name + ".gif"),
                        frames.get(0).width(),
                        frames.get(0).height(),
                        frames.stream().map(ImageGrid.Sheet::rgb).toList(),
                        FRAME_HUNDREDTHS);
                files++;
            }
        }
        System.out.println("wrote " + files + " strips of "
                + runs.get(0).frames().size() + " maps and " + files + " animations to " + out);
    }

    /** The heads to draw of a layer; empty stands for their mean. */
    private List<Optional<Integer>> heads(List<AttentionRun> runs, int layer, AttentionRun.Request request) {
        if (heads.equals("mean")) {
            return List.of(Optional.empty());
        }
        if (!request.heads().isEmpty()) {
            return request.heads().stream()
                    .map(head -> Optional.of(head.intValue()))
                    .toList();
        }
        int count = runs.stream()
                .mapToInt(run -> run.frames().get(0).layers().get(layer).heads().size())
                .min()
                .orElse(0);
        return IntStream.range(0, count).mapToObj(Optional::of).toList();
    }

    private Map<String, String> texts(List<AttentionRun> runs, List<String> models, int layer, Optional<Integer> head) {
        Map<String, String> texts = new LinkedHashMap<>(runs.get(0).settings());
        for (int i = 0; i < runs.size(); i++) {
            String which = i == 0 ? "" : " 2";
            texts.put("model" + which, models.get(i));
            texts.put(
                    "layer" + which,
                    runs.get(i).frames().get(0).layers().get(layer).layer());
            StringBuilder times = new StringBuilder();
            for (AttentionRun.Frame frame : runs.get(i).frames()) {
                times.append(times.length() == 0 ? "" : " ")
                        .append(String.format(Locale.ROOT, "%.4f", frame.fraction()));
            }
            texts.put("fractions of the way to noise" + which, times.toString());
        }
        texts.put("head", head.map(h -> Integer.toString(h)).orElse("mean"));
        texts.put("query", query);
        texts.put("seed", Long.toString(seed));
        texts.put("class", label == null ? "0" : Long.toString(label));
        texts.put("precision", precision);
        texts.put("colours", "each map from 0 (black) to its largest weight (white)");
        texts.putAll(samplingOptions.settings());
        return texts;
    }
}
