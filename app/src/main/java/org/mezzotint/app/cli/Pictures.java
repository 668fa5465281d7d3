package org.mezzotint.app.cli;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.IntConsumer;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.DiffusionConfig;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.io.Yaml;
import org.mezzotint.models.Model;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.sample.ImageGrid;
import org.mezzotint.sample.PictureSampler;
import org.mezzotint.sample.Sampler;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;
import org.mezzotint.train.ModelNetwork;

/** Draws many pictures of a model, batch by batch. */
final class Pictures {
    private final PictureSampler sampler;
    private final Model model;
    private final int batch;

    /** Receives finished pictures. */
    @FunctionalInterface
    interface Sink {
        /** One picture: its place in the request, seed, class (−1 without classes) and H·W·3 bytes. */
        void picture(int index, long seed, long label, byte[] rgb);
    }

    Pictures(Model model, DiffusionConfig diffusion, SamplingConfig sampling, int batch) {
        this(model, Optional.empty(), diffusion, sampling, batch);
    }

    Pictures(Model model, Optional<Model> guide, DiffusionConfig diffusion, SamplingConfig sampling, int batch) {
        this.model = model;
        this.batch = batch;
        sampler = new PictureSampler(
                new ModelNetwork(model, diffusion).on(Tape.plain()),
                guide.map(weaker -> new ModelNetwork(weaker, diffusion).on(Tape.plain())),
                diffusion,
                sampling,
                new PictureSampler.Shape(
                        model.config().channels(),
                        model.config().height(),
                        model.config().width(),
                        model.config().numClasses(),
                        model.config().nullClass(),
                        model.precision().storage(),
                        model.device()));
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
    void draw(long[] seeds, long[] labels, Sink sink, IntConsumer steps) {
        int done = 0;
        int total = sampler.sampling().count(sampler.diffusion());
        for (int first = 0; first < seeds.length; first += batch) {
            int end = Math.min(first + batch, seeds.length);
            long[] some = Arrays.copyOfRange(seeds, first, end);
            long[] their = labels.length == 0 ? labels : Arrays.copyOfRange(labels, first, end);
            int before = done;
            Sampler.Progress progress = (step, of, x) ->
                    steps.accept(before + (int) ((long) step * total / of) * some.length); // some count otherwise
            try (Scope scope = Scope.open()) {
                Tensor x = sampler.draw(some, their, progress);
                byte[] all = Tensors.rgbBytes(x);
                int length = all.length / some.length;
                for (int i = 0; i < some.length; i++) {
                    sink.picture(
                            first + i,
                            some[i],
                            their.length == 0 ? -1 : their[i],
                            Arrays.copyOfRange(all, i * length, (i + 1) * length));
                }
            }
            done += total * some.length;
        }
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
        int side = Math.max(model.config().width(), model.config().height());
        int enlarge = side >= 64 ? 1 : side >= 40 ? 2 : 3;
        return ImageGrid.of(pictures, model.config().width(), model.config().height(), columns, enlarge);
    }

    /** All pictures of a request in memory. */
    List<byte[]> list(long[] seeds, long[] labels) {
        List<byte[]> pictures = new ArrayList<>();
        draw(seeds, labels, (index, seed, label, rgb) -> pictures.add(rgb), done -> {});
        return pictures;
    }

    /** The settings, as they go into a PNG's text. */
    Map<String, String> settings() {
        SamplingConfig s = sampler.sampling();
        Map<String, String> text = new LinkedHashMap<>();
        text.put("Software", "mezzotint " + Version.number());
        text.put("solver", s.solver().label());
        if (!s.followsSchedule(sampler.diffusion())) {
            text.put("grid", Yaml.toJson(s.grid()));
        }
        text.put("eta", Double.toString(s.eta()));
        text.put("steps", s.steps());
        text.put("guidance", Double.toString(s.guidance()));
        if (s.guidance() != 1) {
            text.put("guidance schedule", Yaml.toJson(s.guidanceSchedule()));
        }
        text.put("clip", Boolean.toString(s.clip()));
        return text;
    }
}
