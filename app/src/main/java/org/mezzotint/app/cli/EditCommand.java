package org.mezzotint.app.cli;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.data.PictureFiles;
import org.mezzotint.data.PictureOptions;
import org.mezzotint.diffusion.DiffusionConfig;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.io.InputException;
import org.mezzotint.models.ModelConfig;
import org.mezzotint.sample.NoiseSource;
import org.mezzotint.sample.PictureEdit;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Draws variations of a picture, or paints a part of it anew. */
@Command(
        name = "edit",
        mixinStandardHelpOptions = true,
        description = {
            "Draw variations of a picture, one a seed, or paint a part of it anew (--mask).",
            "The picture and the mask must have the model's size."
        })
final class EditCommand implements Callable<Integer>, DrawOptions.Task {
    private static final int RGB = 3;
    private static final int WHITE = 255;

    @Mixin
    private DrawOptions options;

    @Option(names = "--picture", paramLabel = "FILE", required = true, description = "PNG, JPEG, WebP, BMP or GIF")
    private Path picture;

    @Option(
            names = "--strength",
            paramLabel = "X",
            description =
                    "share of the steps that are taken, above 0 (hardly changed) to 1 (default: 0.6, with --mask 1)")
    private Double strength;

    @Option(
            names = "--mask",
            paramLabel = "FILE",
            description = "white where the picture may change, black where it stays")
    private Path mask;

    @Option(
            names = "--seeds",
            paramLabel = "RANGES",
            defaultValue = "0-3",
            description = "such as 0-99,200 (default: 0-3)")
    private String seeds;

    @Override
    public Integer call() {
        if (!(strength() > 0 && strength() <= 1)) {
            throw new IllegalArgumentException("--strength must be above 0 and at most 1, got " + strength());
        }
        if (mask == null && strength() == 1) {
            throw new IllegalArgumentException("--strength 1 without --mask ignores the picture: use 'sample'");
        }
        return options.run(this);
    }

    private double strength() {
        return strength != null ? strength : mask == null ? 0.6 : 1;
    }

    @Override
    public long[] names() {
        return Sizes.ranges("--seeds", seeds);
    }

    @Override
    public Map<String, String> settings() {
        Map<String, String> settings = new LinkedHashMap<>();
        settings.put("picture", picture.toString());
        settings.put("strength", Double.toString(strength()));
        if (mask != null) {
            settings.put("mask", mask.toString());
        }
        return settings;
    }

    @Override
    public Pictures.Source source(ModelConfig config, Decoder decoder) {
        int factor = decoder.factor();
        PictureFiles.Picture clean = read(picture, config, factor);
        Optional<PictureFiles.Picture> where = Optional.ofNullable(mask).map(file -> read(file, config, factor));
        long[] all = names();
        return (sampler, first, count, labels, watch) -> {
            try (Scope scope = Scope.open();
                    NoiseSource noise = NoiseSource.of(Arrays.copyOfRange(all, first, first + count))) {
                Tensor x0 = decoder.encode(tensor(clean, config.channels() == 1 ? 1 : RGB, 2, -1));
                PictureEdit edit = new PictureEdit(
                        x0,
                        strength(),
                        where.map(gray ->
                                torch.adaptive_avg_pool2d(tensor(gray, 1, 1, 0), config.height(), config.width())));
                return scope.keep(sampler.edit(edit, noise, count, labels, watch));
            }
        };
    }

    @Override
    public void check(SamplingConfig sampling, DiffusionConfig diffusion) {
        int steps = sampling.count(diffusion);
        if (sampling.solver() == SamplingConfig.Solver.DPM_FAST && PictureEdit.stepsTaken(strength(), steps) < 2) {
            throw new IllegalArgumentException(
                    "--strength " + strength() + " of " + steps + " steps leaves 1, dpm-fast needs 2");
        }
    }

    private static PictureFiles.Picture read(Path file, ModelConfig config, int factor) {
        PictureFiles.Picture read = PictureFiles.read(file, PictureOptions.DEFAULT_MAX_PIXELS);
        int width = config.width() * factor;
        int height = config.height() * factor;
        if (read.width() != width || read.height() != height) {
            throw new InputException(file + " must have the model's size of " + width + "×" + height + ", it has "
                    + read.width() + "×" + read.height());
        }
        return read;
    }

    /** (1, C, H, W) of factor·value/255 + offset; one channel is the mean of three. */
    private static Tensor tensor(PictureFiles.Picture picture, int channels, double factor, double offset) {
        int size = picture.width() * picture.height();
        double[] values = new double[channels * size];
        for (int i = 0; i < size; i++) {
            for (int c = 0; c < channels; c++) {
                double value = channels == 1
                        ? (at(picture, i, 0) + at(picture, i, 1) + at(picture, i, 2)) / 3.0
                        : at(picture, i, c);
                values[c * size + i] = factor * value / WHITE + offset;
            }
        }
        return Tensors.of(values).view(1, channels, picture.height(), picture.width());
    }

    private static int at(PictureFiles.Picture picture, int pixel, int channel) {
        return picture.rgb()[3 * pixel + channel] & WHITE;
    }
}
