package org.mezzotint.models;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.mezzotint.models.Downsampling.None;
import org.mezzotint.models.Downsampling.Patch;
import org.mezzotint.models.Downsampling.Wavelet;
import org.mezzotint.models.UViTConfig.Transformer;

/**
 * The configurations of simple diffusion (arXiv:2301.11093, appendix B and tables 3, 4 and 5), for RGB pictures of ImageNet's
 * 1000 classes.
 *
 * <p>Where the numbers come from. The authors' text could not be read and they published no code.
 *
 * <ul>
 *   <li>Second-hand, from one detailed review of the appendix: base channels, embedding width, multipliers, blocks, heads,
 *       attention at 16 and 8, dropout of the U-Net (that it starts at 16 a later paper confirms), dropout of the U-ViT at
 *       512, the first layers, and which rows the tables have.
 *   <li>Derived: the U-ViT's counts. With these numbers it has 2.45 G parameters and 533 G multiply-accumulates at 128 × 128
 *       cells, where other papers quote 2 G or 2.5 G and 555 G; 32 groups of norms change no count.
 *   <li>Ours: 32 groups; the U-ViT's dropout at 128 and 256, as at 512; that a table's row changes what its table names and
 *       nothing else; {@code simple-unet-256-wavelet-1}, the 128-pixel network behind one level of wavelets, which has no row in
 *       the paper.
 * </ul>
 */
public final class NamedSimpleDiffusion {
    private static final int BASE = 128;
    private static final int EMBEDDING = 1024;
    private static final int HEADS = 4;
    private static final int GROUPS = 32;
    private static final int IMAGENET = 1000;
    private static final double DROPOUT = 0.1;
    private static final int DROPOUT_FROM = 16;
    private static final int BLOCKS_AT_16 = 12;
    private static final int[] MULTIPLIERS_128 = {1, 2, 4, 8, 8};

    private static final Map<String, ModelConfig> ALL = new LinkedHashMap<>();

    static {
        ALL.put("simple-unet-128", unet128(DROPOUT, DROPOUT_FROM, BLOCKS_AT_16));
        ALL.put(
                "simple-unet-256",
                unet(256, new None(), DROPOUT, DROPOUT_FROM, new int[] {1, 1, 2, 4, 8, 8}, 1, 2, 2, 4, 12, 4));
        ALL.put(
                "simple-unet-256-wavelet-1",
                unet(256, new Wavelet(1), DROPOUT, DROPOUT_FROM, MULTIPLIERS_128, 3, 4, 4, 12, 4));
        ALL.put(
                "simple-unet-512-none",
                unet(512, new None(), DROPOUT, DROPOUT_FROM, new int[] {1, 1, 1, 2, 4, 8, 8}, 1, 1, 2, 2, 4, 12, 4));
        ALL.put("simple-unet-512-wavelet-1", half512(new Wavelet(1)));
        ALL.put("simple-unet-512-wavelet-2", quarter512(new Wavelet(2)));
        ALL.put("simple-unet-512-patch-2", half512(new Patch(2)));
        ALL.put("simple-unet-512-patch-4", quarter512(new Patch(4)));
        ALL.put("simple-unet-128-dropout-none", unet128(0, 0, BLOCKS_AT_16));
        for (int from : new int[] {128, 64, 32}) {
            ALL.put("simple-unet-128-dropout-" + from, unet128(DROPOUT, from, BLOCKS_AT_16));
        }
        for (int blocks : new int[] {2, 4, 8}) {
            ALL.put("simple-unet-128-blocks-" + blocks, unet128(DROPOUT, DROPOUT_FROM, blocks));
        }
        ALL.put("uvit-128", uvit(128, new None()));
        ALL.put("uvit-256", uvit(256, new Wavelet(1)));
        ALL.put("uvit-512", uvit(512, new Wavelet(2)));
    }

    private NamedSimpleDiffusion() {}

    /**
     * The names.
     *
     * @return such as {@code simple-unet-128} and {@code uvit-256}
     */
    public static Set<String> names() {
        return Collections.unmodifiableSet(ALL.keySet());
    }

    /**
     * A configuration of the paper.
     *
     * @param name one of {@link #names()}
     * @return the configuration, of the size that the name says
     * @throws IllegalArgumentException for an unknown name
     */
    public static ModelConfig named(String name) {
        ModelConfig config = ALL.get(name.toLowerCase(Locale.ROOT));
        if (config == null) {
            throw new IllegalArgumentException(
                    "model must be one of " + String.join(", ", ALL.keySet()) + ", got " + name);
        }
        return config;
    }

    /** Table 5, one half: the largest map has 256 × 256 cells. */
    private static ModelConfig half512(Downsampling downsampling) {
        return unet(
                512, downsampling, DROPOUT, DROPOUT_FROM, new int[] {1, 2, 2, 4, 8, 8}, 2, 2, 2, 4, BLOCKS_AT_16, 4);
    }

    /** Table 5, one quarter, of which the wavelet became the paper's 512-pixel model. */
    private static ModelConfig quarter512(Downsampling downsampling) {
        return unet(512, downsampling, DROPOUT, DROPOUT_FROM, new int[] {2, 3, 4, 8, 8}, 3, 3, 4, BLOCKS_AT_16, 4);
    }

    /** Tables 3 and 4. */
    private static ModelConfig unet128(double dropout, int dropoutFrom, int blocksAt16) {
        return unet(128, new None(), dropout, dropoutFrom, MULTIPLIERS_128, 3, 4, 4, blocksAt16, 4);
    }

    private static ModelConfig unet(
            int size, Downsampling downsampling, double dropout, int dropoutFrom, int[] multipliers, int... blocks) {
        List<ResidualLevel> levels = new ArrayList<>();
        for (int i = 0; i < blocks.length; i++) {
            levels.add(new ResidualLevel(multipliers[i], blocks[i]));
        }
        return new SimpleDiffusionUNetConfig(
                size,
                size,
                3,
                downsampling,
                BASE,
                EMBEDDING,
                levels,
                List.of(16, 8),
                HEADS,
                dropout,
                dropoutFrom,
                GROUPS,
                IMAGENET);
    }

    /** One network for all sizes, behind first layers that bring each to 128 × 128 cells. */
    private static ModelConfig uvit(int size, Downsampling downsampling) {
        return new UViTConfig(
                size,
                size,
                3,
                downsampling,
                BASE,
                EMBEDDING,
                List.of(new ResidualLevel(1, 2), new ResidualLevel(2, 2), new ResidualLevel(4, 2)),
                new Transformer(16, 36, HEADS, 0.2),
                GROUPS,
                IMAGENET);
    }
}
