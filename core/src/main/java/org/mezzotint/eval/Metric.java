package org.mezzotint.eval;

import java.util.Arrays;
import java.util.EnumSet;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;

/** What can be measured of a set of pictures. */
public enum Metric {
    /** The Fréchet distance of the features; FID with {@link Inception}'s. */
    FID(FeatureExtractor.FEATURES, true),
    /** The Fréchet distance of the spatial features. */
    SFID(FeatureExtractor.SPATIAL, true),
    /** The kernel distance of the features. */
    KID(FeatureExtractor.FEATURES, true),
    /** The Inception Score, which needs no reference. */
    IS(FeatureExtractor.LOGITS, false),
    /** Precision, recall, density and coverage of the features. */
    PR(FeatureExtractor.FEATURES, true);

    private final String output;
    private final boolean needsReference;

    Metric(String output, boolean needsReference) {
        this.output = output;
        this.needsReference = needsReference;
    }

    /**
     * Which output of the extractor it works on.
     *
     * @return its name
     */
    public String output() {
        return output;
    }

    /**
     * Whether there must be a reference set.
     *
     * @return false for the Inception Score
     */
    public boolean needsReference() {
        return needsReference;
    }

    /**
     * The name in commands and results.
     *
     * @return such as {@code sfid}
     */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    /**
     * Reads labels that commas separate.
     *
     * @param labels such as {@code fid,is}
     * @return at least one
     * @throws IllegalArgumentException if one is unknown
     */
    public static Set<Metric> parse(String labels) {
        EnumSet<Metric> metrics = EnumSet.noneOf(Metric.class);
        for (String label : labels.split(",", -1)) {
            metrics.add(Arrays.stream(values())
                    .filter(metric -> metric.label().equals(label.strip()))
                    .findFirst()
                    .orElseThrow(() -> new IllegalArgumentException("metrics must be out of "
                            + Arrays.stream(values()).map(Metric::label).collect(Collectors.joining(", ")) + ", got "
                            + label)));
        }
        return metrics;
    }
}
