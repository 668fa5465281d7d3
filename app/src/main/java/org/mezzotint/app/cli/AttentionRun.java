package org.mezzotint.app.cli;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.DiffusionConfig;
import org.mezzotint.diffusion.Network;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.io.InputException;
import org.mezzotint.models.Model;
import org.mezzotint.models.ModelConfig;
import org.mezzotint.models.layers.AttentionWatch;
import org.mezzotint.models.layers.AttentionWatch.Seen;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.sample.PictureSampler;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;
import org.mezzotint.train.ModelNetwork;

/**
 * One picture drawn by a model, and what chosen attention layers looked at on the way.
 *
 * @param frames one for each evaluation of the network that was looked at
 * @param picture the drawn picture; empty for latents without their autoencoder
 * @param settings how it was drawn
 */
record AttentionRun(List<Frame> frames, Optional<Picture> picture, Map<String, String> settings) {
    /** Numbers of all maps together, at most: 256 MB. */
    private static final long MOST = 64_000_000;

    /** About so many evaluations are looked at unless one asks otherwise. */
    private static final int USUAL_FRAMES = 10;

    /**
     * One evaluation of the network.
     *
     * @param fraction of the way to noise, 0 to 1
     * @param layers what the chosen layers showed, in the order chosen
     */
    record Frame(double fraction, List<Seen> layers) {}

    /**
     * A picture.
     *
     * @param width pixels
     * @param height pixels
     * @param rgb height · width · 3 bytes
     */
    record Picture(int width, int height, byte[] rgb) {}

    /**
     * What to look at.
     *
     * @param query whose attention
     * @param layers numbers of layers; empty for the first, the middle and the last
     * @param heads numbers of heads that every layer must have; empty for all or their mean
     * @param every evaluations from one look to the next; 0 for about ten looks
     * @param seed of the picture
     * @param label its class; empty for class 0, or an unconditional model
     */
    record Request(
            AttentionWatch.Query query,
            List<Long> layers,
            List<Long> heads,
            int every,
            long seed,
            Optional<Long> label) {}

    /** Draws; the decoder is empty where pictures cannot be shown. */
    static AttentionRun draw(
            Model model,
            Optional<Model> guide,
            DiffusionConfig diffusion,
            SamplingConfig sampling,
            Optional<Decoder> decoder,
            Request request,
            Progress progress) {
        long[] labels = labels(model.config(), request);
        List<Seen> all = layers(model);
        List<Integer> chosen = chosen(all, request.layers());
        checkHeads(all, chosen, request.heads());
        int steps = sampling.count(diffusion);
        int every = request.every() > 0 ? request.every() : Math.max(1, (steps + USUAL_FRAMES - 1) / USUAL_FRAMES);
        checkSize(all, chosen, (steps + every - 1) / every);
        Set<String> names = new LinkedHashSet<>();
        chosen.forEach(i -> names.add(all.get(i).layer()));
        AttentionWatch watch = new AttentionWatch(request.query(), names::contains);
        ModelNetwork network = new ModelNetwork(model, diffusion);
        Network blind = network.on(Tape.plain());
        Network watched = network.on(Tape.watching(watch));
        List<Frame> frames = new ArrayList<>();
        int[] evaluations = {0};
        PictureSampler sampler = new PictureSampler(
                (x, t, cond) -> {
                    if (evaluations[0]++ % every != 0) {
                        return blind.evaluate(x, t, cond);
                    }
                    Tensor y = watched.evaluate(x, t, cond);
                    frames.add(new Frame(diffusion.fraction(Tensors.doubles(t)[0]), watch.take()));
                    return y;
                },
                guide.map(weaker -> new ModelNetwork(weaker, diffusion).on(Tape.plain())),
                diffusion,
                sampling,
                Pictures.shape(model));
        try (Scope scope = Scope.open()) {
            Tensor drawn = sampler.draw(
                    new long[] {request.seed()},
                    labels,
                    (done, total, guess) -> progress.show((long) done * steps / total, ""));
            Optional<Picture> picture = decoder.map(made -> new Picture(
                    model.config().width() * made.factor(),
                    model.config().height() * made.factor(),
                    made.bytes(drawn)));
            return new AttentionRun(frames, picture, Pictures.settings(sampler));
        }
    }

    private static long[] labels(ModelConfig config, Request request) {
        if (config.numClasses() == 0) {
            if (request.label().isPresent()) {
                throw new IllegalArgumentException("--class: the model is unconditional");
            }
            return new long[0];
        }
        long label = request.label().orElse(0L);
        if (label < 0 || label >= config.numClasses()) {
            throw new IllegalArgumentException(
                    "--class must be 0 to " + (config.numClasses() - 1) + " for this model, got " + label);
        }
        return new long[] {label};
    }

    /** Every attention layer of a model, with the size of its map: one evaluation of a blank picture. */
    private static List<Seen> layers(Model model) {
        AttentionWatch watch = new AttentionWatch(new AttentionWatch.At(0, 0), name -> true);
        ModelConfig config = model.config();
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard()) {
            Device device = model.device();
            Tensor x =
                    Tensors.empty(model.precision().storage(), 1, config.channels(), config.height(), config.width());
            x.zero_();
            model.forward(
                    x.to(device, model.precision().storage()),
                    Tensors.of(1.0).to(device, model.precision().storage()),
                    config.numClasses() > 0 ? Conditioning.classes(device, 0) : Conditioning.none(),
                    Tape.watching(watch));
        }
        List<Seen> layers = watch.take();
        if (layers.isEmpty()) {
            throw new InputException(
                    "the attention of this kind of model cannot be watched, that of dit, hdit, diffit and diffit-image can");
        }
        return layers;
    }

    private static List<Integer> chosen(List<Seen> all, List<Long> wanted) {
        Set<Integer> chosen = new LinkedHashSet<>();
        if (wanted.isEmpty()) {
            chosen.addAll(List.of(0, (all.size() - 1) / 2, all.size() - 1));
        }
        for (long layer : wanted) {
            if (layer >= all.size()) {
                throw new IllegalArgumentException("--layers must be 0 to " + (all.size() - 1)
                        + ", the attention layers of this model, got " + layer);
            }
            chosen.add((int) layer);
        }
        return chosen.stream().sorted().toList();
    }

    private static void checkHeads(List<Seen> all, List<Integer> chosen, List<Long> heads) {
        for (int i : chosen) {
            int count = all.get(i).heads().size();
            for (long head : heads) {
                if (head >= count) {
                    throw new IllegalArgumentException("--heads must be 0 to " + (count - 1) + " in layer "
                            + all.get(i).layer() + ", got " + head);
                }
            }
        }
    }

    private static void checkSize(List<Seen> all, List<Integer> chosen, long frames) {
        long numbers = 0;
        for (int i : chosen) {
            Seen layer = all.get(i);
            numbers += (long) layer.heads().size() * layer.rows() * layer.columns();
        }
        if (numbers * frames > MOST) {
            throw new InputException("the maps would take " + Sizes.bytes(4 * numbers * frames)
                    + " of memory, at most " + Sizes.bytes(4 * MOST) + " are allowed: choose fewer --layers or raise"
                    + " --every");
        }
    }
}
