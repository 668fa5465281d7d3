package org.mezzotint.models;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.mezzotint.models.HDiTConfig.Attention;
import org.mezzotint.models.HDiTConfig.Design;
import org.mezzotint.models.HDiTConfig.FeedForward;
import org.mezzotint.models.HDiTConfig.Global;
import org.mezzotint.models.HDiTConfig.Level;
import org.mezzotint.models.HDiTConfig.Mapping;
import org.mezzotint.models.HDiTConfig.Neighborhood;
import org.mezzotint.models.HDiTConfig.Norm;
import org.mezzotint.models.HDiTConfig.Position;
import org.mezzotint.models.HDiTConfig.ShiftedWindow;
import org.mezzotint.models.HDiTConfig.Similarity;
import org.mezzotint.models.HDiTConfig.Skip;

/**
 * The published configurations of HDiT (arXiv:2401.11605v1, tables 1, 2, 6, 7 and 8), for RGB pictures.
 *
 * <p>Each belongs to one size. {@link #named} also gives it for other ones: levels like the outermost are put in front, one
 * a doubling, or taken away, so that the innermost level keeps its number of tokens (section 3.1).
 */
public final class NamedHDiT {
    private static final int HEAD = 64;
    private static final Attention EVERYWHERE = new Global(HEAD);
    private static final Attention NEIGHBORHOOD = new Neighborhood(HEAD, 7);
    private static final int IMAGENET = 1000;

    /** Table 7's; the parameter counts of all others fit this width 256 with hidden width 768 only. */
    private static final Mapping ABLATION_MAPPING = new Mapping(768, 1, 2304, 0);

    private static final Mapping MAPPING = new Mapping(256, 2, 768, 0);

    private static final Map<String, HDiTConfig> ALL = new LinkedHashMap<>();

    static {
        ALL.put("hdit-ffhq-1024", config(1024, 4, ffhq(), MAPPING, 0, Design.paper()));
        ALL.put("hdit-imagenet-256", config(256, 4, hourglass(1536, 2, 2, 16), MAPPING, IMAGENET, Design.paper()));
        sweep("s", 1024, 8);
        sweep("m", 1280, 12);
        sweep("l", 1536, 16);
        ablation();
    }

    private NamedHDiT() {}

    /**
     * The names.
     *
     * @return such as {@code hdit-imagenet-256}, in the paper's order
     */
    public static Set<String> names() {
        return Collections.unmodifiableSet(ALL.keySet());
    }

    /**
     * A published configuration.
     *
     * @param name one of {@link #names()}
     * @param size side of the picture, a power of two times the published one; 0 for the published one itself
     * @return the configuration
     * @throws IllegalArgumentException for an unknown name or a size that does not fit
     */
    public static HDiTConfig named(String name, int size) {
        HDiTConfig published = ALL.get(name.toLowerCase(Locale.ROOT));
        if (published == null) {
            throw new IllegalArgumentException(
                    "model must be one of " + String.join(", ", ALL.keySet()) + ", got " + name);
        }
        return size == 0 ? published : adapt(published, size);
    }

    /** Section 3.1: one more level for each doubling of the side, like the outermost one. */
    private static HDiTConfig adapt(HDiTConfig published, int size) {
        List<Level> levels = new ArrayList<>(published.levels());
        int side = published.height();
        while (side < size) {
            levels.add(0, published.levels().get(0));
            side *= 2;
        }
        while (side > size && side % 2 == 0 && levels.size() > 1) {
            levels.remove(0);
            side /= 2;
        }
        if (side != size) {
            throw new IllegalArgumentException("size must be " + published.height()
                    + " doubled, or halved while more than one level is left, got " + size);
        }
        return config(
                size, published.patchHeight(), levels, published.mapping(), published.numClasses(), published.design());
    }

    private static HDiTConfig config(
            int size, int patch, List<Level> levels, Mapping mapping, int numClasses, Design design) {
        return new HDiTConfig(size, size, 3, patch, patch, levels, mapping, numClasses, 0, design);
    }

    private static Level level(int width, int depth, Attention attention, int hiddenRatio, double dropout) {
        return new Level(width, depth, hiddenRatio * width, attention, dropout);
    }

    /** Widths double inwards, to {@code inner}; attention is local on all but the innermost level. */
    private static List<Level> hourglass(int inner, int... depths) {
        List<Level> levels = new ArrayList<>();
        for (int i = 0; i < depths.length; i++) {
            int fromInside = depths.length - 1 - i;
            levels.add(level(inner >> fromInside, depths[i], fromInside == 0 ? EVERYWHERE : NEIGHBORHOOD, 3, 0));
        }
        return levels;
    }

    /** Table 7, in the middle: the two innermost levels, of 32 × 32 and 16 × 16 tokens, see everything. */
    private static List<Level> ffhq() {
        return List.of(
                level(128, 2, NEIGHBORHOOD, 3, 0),
                level(256, 2, NEIGHBORHOOD, 3, 0),
                level(384, 2, NEIGHBORHOOD, 3, 0),
                level(768, 2, EVERYWHERE, 3, 0),
                level(1024, 2, EVERYWHERE, 3, 0.1));
    }

    /** Tables 6 and 8: one size with patches of 16, 8 and 4 for pictures of 256 pixels. */
    private static void sweep(String name, int width, int depth) {
        ALL.put("hdit-" + name + "/16", config(256, 16, hourglass(width, depth), MAPPING, IMAGENET, Design.paper()));
        ALL.put("hdit-" + name + "/8", config(256, 8, hourglass(width, 2, depth), MAPPING, IMAGENET, Design.paper()));
        ALL.put(
                "hdit-" + name + "/4",
                config(256, 4, hourglass(width, 2, 2, depth), MAPPING, IMAGENET, Design.paper()));
    }

    /**
     * Tables 1 and 2, at 128 pixels. Rows R1 and R2 are DiT-B/4 on pixels. R4 and R3, and D, E, E2 and E3, are the same
     * networks with other loss weightings.
     */
    private static void ablation() {
        Design start =
                new Design(Position.LEARNED, Similarity.COSINE, FeedForward.GELU, Norm.ADA_RMS_NORM, false, Skip.LERP);
        Design geglu =
                new Design(Position.LEARNED, Similarity.COSINE, FeedForward.GEGLU, Norm.ADA_RMS_NORM, false, Skip.LERP);
        row("r3", List.of(level(768, 12, EVERYWHERE, 4, 0)), start);
        row("r4", List.of(level(768, 12, EVERYWHERE, 4, 0)), start);
        row("a", two(EVERYWHERE, 4), start);
        row("b1", two(new ShiftedWindow(HEAD, 8), 4), start);
        row("b2", two(NEIGHBORHOOD, 4), start);
        row("c", two(NEIGHBORHOOD, 3), geglu);
        for (String name : List.of("d", "e", "e2", "e3")) {
            row(name, two(NEIGHBORHOOD, 3), Design.paper());
        }
        row("g", two(NEIGHBORHOOD, 3), paperWith(FeedForward.GEGLU, Norm.ADA_LN, false, Skip.LERP));
        row("h", two(NEIGHBORHOOD, 4), paperWith(FeedForward.GELU, Norm.ADA_LN, true, Skip.LERP));
        row(
                "e-concatenate",
                two(NEIGHBORHOOD, 3),
                paperWith(FeedForward.GEGLU, Norm.ADA_RMS_NORM, false, Skip.CONCATENATE));
        row("e-add", two(NEIGHBORHOOD, 3), paperWith(FeedForward.GEGLU, Norm.ADA_RMS_NORM, false, Skip.ADD));
    }

    private static Design paperWith(FeedForward feedForward, Norm norm, boolean outputGate, Skip skip) {
        return new Design(Position.AXIAL_ROPE, Similarity.COSINE, feedForward, norm, outputGate, skip);
    }

    /** 32 × 32 tokens outside, 16 × 16 inside. */
    private static List<Level> two(Attention outer, int hiddenRatio) {
        return List.of(level(384, 2, outer, hiddenRatio, 0), level(768, 11, EVERYWHERE, hiddenRatio, 0));
    }

    private static void row(String name, List<Level> levels, Design design) {
        ALL.put("hdit-ablation-" + name, config(128, 4, levels, ABLATION_MAPPING, IMAGENET, design));
    }
}
