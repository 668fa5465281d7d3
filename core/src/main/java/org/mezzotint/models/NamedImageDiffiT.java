package org.mezzotint.models;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.mezzotint.models.ImageDiffiTConfig.Decoder;
import org.mezzotint.models.ImageDiffiTConfig.Design;
import org.mezzotint.models.ImageDiffiTConfig.Encoder;
import org.mezzotint.models.ImageDiffiTConfig.Stage;
import org.mezzotint.models.ImageDiffiTConfig.Time;
import org.mezzotint.models.ImageDiffiTConfig.TimeEmbedding;

/**
 * The published configurations of DiffiT in image space (arXiv:2312.02139v3, appendices H and I, tables 3, 4, 6, 7 and 8, figure
 * 8), for RGB pictures without classes, told how a picture was warped.
 *
 * <p>Appendix H.1 says four blocks a stage; appendix I.1 says 2, 2, 2 for CIFAR-10 and 1, 2, 2, 2 for FFHQ. The plain names are H.1's,
 * those of I.1 end in the numbers of blocks. EDM, whose training the paper takes over, has four blocks a resolution and 128
 * channels times 2, 2, 2 and 1, 2, 2, 2: I.1's numbers may be these, and FFHQ's published widths are. So we give CIFAR-10 256
 * channels throughout. What else the paper leaves open is in {@link ImageDiffiT}.
 *
 * <p>Our reading of table 4, on CIFAR-10: A, twelve transformer blocks of width 256 over 16 × 16 tokens of 2 × 2 pixels, each seeing
 * all, and the decoder of SETR-MLA; B, the encoder in three resolutions, of windowed transformer blocks; C, a decoder that mirrors
 * it; D, DiffiT's cells in the encoder; E, the full model, DiffiT's cells in both. Plain blocks get time once a stage.
 *
 * <p>Our reading of table 3: the token dimension is the width of a stage, of FFHQ's first one twice.
 */
public final class NamedImageDiffiT {
    private static final int CIFAR = 32;
    private static final int FFHQ = 64;
    private static final int TIME_WIDTH = 512;
    private static final Map<String, ImageDiffiTConfig> ALL = new LinkedHashMap<>();

    static {
        family("diffit-cifar10", CIFAR, 4, List.of(2, 2, 2));
        family("diffit-ffhq-64", FFHQ, 8, List.of(1, 2, 2, 2));
        ALL.put(
                "diffit-cifar10-a",
                config(
                        CIFAR,
                        2,
                        List.of(new Stage(256, 12)),
                        16,
                        TIME_WIDTH,
                        design(Encoder.PLAIN, Decoder.MLA, Time.STAGE)));
        row("b", Encoder.PLAIN, Decoder.MLA, Time.STAGE);
        row("c", Encoder.PLAIN, Decoder.PLAIN, Time.STAGE);
        row("d", Encoder.DIFFIT, Decoder.PLAIN, Time.TMSA);
        row("e", Encoder.DIFFIT, Decoder.DIFFIT, Time.TMSA);
        row("bias", Encoder.DIFFIT, Decoder.DIFFIT, Time.BIAS);
        row("mlp", Encoder.DIFFIT, Decoder.DIFFIT, Time.MLP);
    }

    private NamedImageDiffiT() {}

    /** What the paper varies on both data sets; the multipliers of the widths are the other reading of the numbers of blocks. */
    private static void family(String name, int size, int window, List<Integer> multipliers) {
        List<Integer> four = Collections.nCopies(multipliers.size(), 4);
        List<Stage> stages = stages(four, multipliers, 128);
        Design paper = Design.paper();
        ALL.put(name, config(size, 1, stages, window, TIME_WIDTH, paper));
        StringBuilder numbers = new StringBuilder();
        multipliers.forEach(numbers::append);
        ALL.put(
                name + "-" + numbers,
                config(size, 1, stages(multipliers, multipliers, 128), window, TIME_WIDTH, paper));
        ALL.put(name + "-token-256-time-256", config(size, 1, stages, window, 256, paper));
        ALL.put(
                name + "-token-512-time-512",
                config(size, 1, stages(four, multipliers, 256), window, TIME_WIDTH, paper));
        for (int other : List.of(2, 4, 8)) {
            ALL.put(name + "-window-" + other, config(size, 1, stages, other, TIME_WIDTH, paper));
        }
        ALL.put(
                name + "-separate",
                config(size, 1, stages, window, TIME_WIDTH, design(Encoder.DIFFIT, Decoder.DIFFIT, Time.TOKEN)));
        ALL.put(
                name + "-fourier",
                config(
                        size,
                        1,
                        stages,
                        window,
                        TIME_WIDTH,
                        new Design(Encoder.DIFFIT, Decoder.DIFFIT, Time.TMSA, TimeEmbedding.FOURIER)));
    }

    /** A row of table 4 or 6, on CIFAR-10. */
    private static void row(String name, Encoder encoder, Decoder decoder, Time time) {
        ALL.put(
                "diffit-cifar10-" + name,
                config(
                        CIFAR,
                        1,
                        stages(List.of(4, 4, 4), List.of(2, 2, 2), 128),
                        4,
                        TIME_WIDTH,
                        design(encoder, decoder, time)));
    }

    private static Design design(Encoder encoder, Decoder decoder, Time time) {
        return new Design(encoder, decoder, time, TimeEmbedding.POSITIONAL);
    }

    private static List<Stage> stages(List<Integer> blocks, List<Integer> multipliers, int width) {
        List<Stage> stages = new ArrayList<>();
        for (int i = 0; i < blocks.size(); i++) {
            stages.add(new Stage(width * multipliers.get(i), blocks.get(i)));
        }
        return stages;
    }

    private static ImageDiffiTConfig config(
            int size, int patch, List<Stage> stages, int window, int timeWidth, Design design) {
        return new ImageDiffiTConfig(size, size, 3, patch, stages, window, 32, 4, 32, timeWidth, 0, true, design);
    }

    /**
     * The names.
     *
     * @return such as {@code diffit-cifar10}
     */
    public static Set<String> names() {
        return Collections.unmodifiableSet(ALL.keySet());
    }

    /**
     * A published configuration.
     *
     * @param name one of {@link #names()}
     * @param size side of the picture; 0 for the published one
     * @return the configuration
     * @throws IllegalArgumentException for an unknown name or a size that the stages do not divide
     */
    public static ImageDiffiTConfig named(String name, int size) {
        ImageDiffiTConfig published = ALL.get(name.toLowerCase(Locale.ROOT));
        if (published == null) {
            throw new IllegalArgumentException(
                    "model must be one of " + String.join(", ", ALL.keySet()) + ", got " + name);
        }
        return size == 0 ? published : published.with(size, size, 0);
    }
}
