package org.mezzotint.eval;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Numbers with all that has to be known before they may be compared: they are never printed without it.
 *
 * @param values by name
 * @param protocol the named protocol that was asked for, or {@code none}
 * @param differences in what the measurement departs from it
 * @param facts how it was measured
 */
public record EvaluationResult(Map<String, Double> values, String protocol, List<String> differences, Facts facts) {
    /** For what nobody said. */
    public static final String NOT_STATED = "not stated";

    /**
     * How something was measured.
     *
     * @param pictures number of generated pictures
     * @param source of the generated pictures
     * @param reference path and hash of the reference
     * @param referencePictures number of reference pictures; 0 if only their statistics are known
     * @param extractor the network and its hash
     * @param resize how pictures reached it
     * @param sampler how the pictures were drawn
     * @param steps how many steps
     * @param guidance its scale
     * @param seed of the pictures
     * @param metricSeed of the subsets of KID and of the shuffle of the Inception Score
     */
    public record Facts(
            long pictures,
            String source,
            String reference,
            long referencePictures,
            String extractor,
            String resize,
            String sampler,
            String steps,
            String guidance,
            String seed,
            long metricSeed) {}

    /** Keeps immutable copies. */
    public EvaluationResult {
        values = Collections.unmodifiableMap(new LinkedHashMap<>(values));
        differences = List.copyOf(differences);
    }

    /**
     * The result for people: one line a number, then how it was measured.
     *
     * @return lines that end with a line break
     */
    public String text() {
        StringBuilder text = new StringBuilder();
        values.forEach((name, value) -> text.append(String.format(Locale.ROOT, "%-14s %.6g%n", name, value)));
        text.append("pictures       ")
                .append(facts.pictures)
                .append(" of ")
                .append(facts.source)
                .append('\n');
        text.append("reference      ").append(facts.reference);
        if (facts.referencePictures > 0) {
            text.append(", ").append(facts.referencePictures).append(" pictures");
        }
        text.append('\n');
        text.append("extractor      ").append(facts.extractor).append('\n');
        text.append("resize         ").append(facts.resize).append('\n');
        text.append("sampler        ").append(facts.sampler).append('\n');
        text.append("steps          ").append(facts.steps).append('\n');
        text.append("guidance       ").append(facts.guidance).append('\n');
        text.append("seed           ").append(facts.seed).append('\n');
        text.append("protocol       ").append(protocol);
        if (!protocol.equals("none")) {
            text.append(differences.isEmpty() ? ", kept" : ", not kept: " + String.join("; ", differences));
        }
        return text.append('\n').toString();
    }
}
