package org.mezzotint.app.cli;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.IntConsumer;
import java.util.function.Supplier;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.DiffusionConfig;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.io.Yaml;
import org.mezzotint.models.Model;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.sample.ImageGrid;
import org.mezzotint.sample.PictureSampler;
import org.mezzotint.tensor.Scope;
import org.mezzotint.train.ModelNetwork;

/** Draws many pictures of a model, batch by batch. */
final class Pictures {
    private final PictureSampler sampler;
    private final Model model;
    private final Decoder decoder;
    private final int batch;

    /** Receives finished pictures. */
    @FunctionalInterface
    interface Sink {
        /** One picture: its place in the request, seed, class (−1 without classes) and H·W·3 bytes. */
        void picture(int index, long name, long label, byte[] rgb);
    }

    /** Draws a part of a request. */
    @FunctionalInterface
    interface Source {
        /** Pictures {@code first} to {@code first + count} of the request, (count, C, H, W) in the caller's scope. */
        Tensor draw(PictureSampler sampler, int first, int count, long[] labels, PictureSampler.Watch watch);
    }

    /** Sees what the model guesses on the way. */
    @FunctionalInterface
    interface Guesses {
        /** After a step of a batch; the guessed pictures are made when asked for. */
        void after(int step, Supplier<List<byte[]>> guesses);
    }

    Pictures(Model model, DiffusionConfig diffusion, SamplingConfig sampling, Decoder decoder, int batch) {
        this(model, Optional.empty(), diffusion, sampling, decoder, batch);
    }

    Pictures(
            Model model,
            Optional<Model> guide,
            DiffusionConfig diffusion,
            SamplingConfig sampling,
            Decoder decoder,
            int batch) {
        this.model = model;
        this.decoder = decoder;
        this.batch = batch;
        sampler = new PictureSampler(
                new ModelNetwork(model, diffusion).on(Tape.plain()),
                guide.map(weaker -> new ModelNetwork(weaker, diffusion).on(Tape.plain())),
                diffusion,
                sampling,
                shape(model));
    }

    /** What a model takes. */
    static PictureSampler.Shape shape(Model model) {
        return new PictureSampler.Shape(
                model.config().channels(),
                model.config().height(),
                model.config().width(),
                model.config().numClasses(),
                model.config().nullClass(),
                model.precision().storage(),
                model.device());
    }

    /** Width of a picture. */
    int width() {
        return model.config().width() * decoder.factor();
    }

    /** Height of a picture. */
    int height() {
        return model.config().height() * decoder.factor();
    }

    /** Classes in turn, one a picture; empty for an unconditional model. */
    static long[] inTurn(long[] classes, int count, int numClasses) {
        if (numClasses == 0) {
            return new long[0];
        }
        long[] labels = new long[count];
        for (int i = 0; i < count; i++) {
            labels[i] = classes.length == 0 ? i % numClasses : classes[i % classes.length];
        }
        return labels;
    }

    /** Draws; {@code steps} hears how many network steps times pictures are done. */
    void draw(long[] names, long[] labels, Source source, Sink sink, IntConsumer steps, Guesses guesses) {
        int done = 0;
        int total = sampler.sampling().count(sampler.diffusion());
        for (int first = 0; first < names.length; first += batch) {
            int count = Math.min(batch, names.length - first);
            long[] their = labels.length == 0 ? labels : Arrays.copyOfRange(labels, first, first + count);
            int before = done;
            PictureSampler.Watch watch = (step, of, guess) -> {
                steps.accept(before + (int) ((long) step * total / of) * count); // some solvers count otherwise
                guesses.after(step, () -> bytes(guess));
            };
            try (Scope scope = Scope.open()) {
                List<byte[]> drawn = bytes(source.draw(sampler, first, count, their, watch));
                for (int i = 0; i < count; i++) {
                    sink.picture(first + i, names[first + i], their.length == 0 ? -1 : their[i], drawn.get(i));
                }
            }
            done += total * count;
        }
    }

    /** H·W·3 bytes each of what was drawn, (N, C, H, W). */
    private List<byte[]> bytes(Tensor drawn) {
        byte[] all = decoder.bytes(drawn);
        int count = Math.toIntExact(drawn.size(0));
        int length = all.length / count;
        List<byte[]> each = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            each.add(Arrays.copyOfRange(all, i * length, (i + 1) * length));
        }
        return each;
    }

    /** Network steps times pictures of a request. */
    int work(int count) {
        return count * sampler.sampling().count(sampler.diffusion());
    }

    /** A grid of pictures, ten columns or one a class. */
    ImageGrid.Sheet grid(List<byte[]> pictures) {
        int classes = model.config().numClasses();
        int columns =
                classes > 1 && classes <= 16 && pictures.size() >= classes ? classes : Math.min(10, pictures.size());
        int side = Math.max(width(), height());
        int enlarge = side >= 64 ? 1 : side >= 40 ? 2 : 3;
        return ImageGrid.of(pictures, width(), height(), columns, enlarge);
    }

    /** All pictures of a request in memory. */
    List<byte[]> list(long[] seeds, long[] labels) {
        List<byte[]> pictures = new ArrayList<>();
        draw(
                seeds,
                labels,
                (drawer, first, count, their, watch) ->
                        drawer.draw(Arrays.copyOfRange(seeds, first, first + count), their, watch),
                (index, seed, label, rgb) -> pictures.add(rgb),
                done -> {},
                (step, guesses) -> {});
        return pictures;
    }

    /** The settings, as they go into a PNG's text. */
    Map<String, String> settings() {
        return settings(sampler);
    }

    /** The settings of a sampler. */
    static Map<String, String> settings(PictureSampler sampler) {
        SamplingConfig s = sampler.sampling();
        Map<String, String> text = new LinkedHashMap<>();
        text.put("Software", "mezzotint " + Version.number());
        text.put("solver", s.solver().label());
        if (s.alongSchedule(sampler.diffusion()).isEmpty()) {
            text.put("grid", Yaml.toJson(s.grid()));
        }
        text.put("eta", Double.toString(s.eta()));
        text.put("steps", s.steps());
        text.put("guidance", Double.toString(s.guidance()));
        if (s.guidance() != 1) {
            text.put("guidance schedule", Yaml.toJson(s.guidanceSchedule()));
            text.put("guided channels", s.guidedChannels().label());
        }
        text.put("round times", Boolean.toString(s.roundTimes()));
        text.put("clip", Boolean.toString(s.clip()));
        return text;
    }
}
