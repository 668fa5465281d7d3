package org.mezzotint.eval;

import java.util.Collections;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.io.InputException;
import org.mezzotint.tensor.Scope;

/**
 * Measures vectors of generated pictures against a reference.
 *
 * @param metrics which
 * @param kidSubsets number of random subsets of the kernel distance; 100 is usual
 * @param kidSubsetSize pictures in each, 1,000 is usual; with fewer pictures all of them are taken
 * @param scoreParts parts of the Inception Score; 10 is usual
 * @param shuffleScore whether the Inception Score shuffles the pictures first, as torch-fidelity does and ADM does not
 * @param seed of the subsets and the shuffle, as NumPy's {@code RandomState} takes it; torch-fidelity's is 2020
 */
public record Evaluation(
        Set<Metric> metrics, int kidSubsets, int kidSubsetSize, int scoreParts, boolean shuffleScore, long seed) {
    /** Checks the values. */
    public Evaluation {
        if (metrics.isEmpty()) {
            throw new IllegalArgumentException("metrics must not be empty");
        }
        if (kidSubsets < 1 || kidSubsetSize < 2 || scoreParts < 1) {
            throw new IllegalArgumentException(
                    "kidSubsets and scoreParts must be at least 1 and kidSubsetSize at least 2," + " got " + kidSubsets
                            + ", " + scoreParts + " and " + kidSubsetSize);
        }
        metrics = Collections.unmodifiableSet(EnumSet.copyOf(metrics));
    }

    /**
     * With the usual settings: 100 subsets of 1,000, ten parts in the given order, seed 2020.
     *
     * @param metrics at least one
     * @return the evaluation
     */
    public static Evaluation of(Set<Metric> metrics) {
        return new Evaluation(metrics, 100, 1000, 10, false, 2020);
    }

    /**
     * A reference: statistics, vectors, or both. Statistics are what Fréchet distances use, if they are there.
     *
     * @param stats of a file, if there is one
     * @param features of the reference pictures, if they are at hand
     */
    public record Reference(Optional<ReferenceStats> stats, Optional<FeatureSet> features) {
        /** No reference: for the Inception Score. */
        public static final Reference NONE = new Reference(Optional.empty(), Optional.empty());
    }

    /**
     * The outputs of an extractor that the generated pictures need.
     *
     * @return in the order of their names
     */
    public Set<String> outputs() {
        Set<String> outputs = new TreeSet<>();
        metrics.forEach(metric -> outputs.add(metric.output()));
        return outputs;
    }

    /**
     * The outputs that the reference pictures need besides given statistics.
     *
     * @param stats what a file gives already
     * @return empty if no vectors of the reference are needed
     */
    public Set<String> referenceOutputs(Optional<ReferenceStats> stats) {
        Set<String> outputs = new TreeSet<>();
        for (Metric metric : metrics) {
            boolean given = (metric == Metric.FID && stats.isPresent())
                    || (metric == Metric.SFID
                            && stats.flatMap(ReferenceStats::spatial).isPresent());
            if (metric.needsReference() && !given) {
                outputs.add(metric.output());
            }
        }
        return outputs;
    }

    /**
     * Measures.
     *
     * @param generated vectors with {@link #outputs}
     * @param reference with what the metrics need
     * @param stage hears what is being computed
     * @return value by name: {@code fid}, {@code sfid}, {@code kid}, {@code kid_deviation}, {@code is}, {@code is_deviation},
     *     {@code precision}, {@code recall}, {@code density}, {@code coverage}; with an {@link OwnExtractor} {@code own-fd},
     *     {@code own-kd} and so on
     * @throws InputException if the reference lacks something, the sets do not fit, or they are too small
     */
    public Map<String, Double> measure(FeatureSet generated, Reference reference, Consumer<String> stage) {
        Map<String, Double> values = new LinkedHashMap<>();
        for (Metric metric : metrics) {
            stage.accept(metric.label());
            try (Scope scope = Scope.open()) {
                switch (metric) {
                    case FID -> values.put("fid", frechet(metric, generated, reference));
                    case SFID -> values.put("sfid", frechet(metric, generated, reference));
                    case KID -> kid(values, generated, reference);
                    case IS -> score(values, generated);
                    case PR -> precisionRecall(values, generated, reference);
                }
            }
        }
        return OwnExtractor.made(generated.extractor()) ? OwnExtractor.renamed(values) : values;
    }

    private static double frechet(Metric metric, FeatureSet generated, Reference reference) {
        Optional<Moments> given = metric == Metric.FID
                ? reference.stats.map(ReferenceStats::features)
                : reference.stats.flatMap(ReferenceStats::spatial);
        Moments ours = generated.moments(metric.output());
        return FrechetDistance.between(
                ours, given.orElseGet(() -> features(metric, reference).moments(metric.output())));
    }

    private static FeatureSet features(Metric metric, Reference reference) {
        return reference.features.orElseThrow(() -> new InputException(metric.label()
                + " needs the pictures or the features of the reference"
                + (reference.stats.isPresent() ? ", a file of statistics has only means and covariances" : "")));
    }

    private void kid(Map<String, Double> values, FeatureSet generated, Reference reference) {
        Tensor x = generated.all(FeatureExtractor.FEATURES);
        Tensor y = features(Metric.KID, reference).all(FeatureExtractor.FEATURES);
        int size = (int) Math.min(kidSubsetSize, Math.min(x.size(0), y.size(0)));
        KernelDistance.Result result = KernelDistance.subsets(x, y, kidSubsets, size, seed);
        values.put("kid", result.mean());
        values.put("kid_deviation", result.deviation());
    }

    private void score(Map<String, Double> values, FeatureSet generated) {
        Tensor logits = generated.all(FeatureExtractor.LOGITS);
        InceptionScore score = shuffleScore
                ? InceptionScore.shuffled(logits, scoreParts, seed)
                : InceptionScore.of(logits, scoreParts);
        values.put("is", score.mean());
        values.put("is_deviation", score.deviation());
    }

    private static void precisionRecall(Map<String, Double> values, FeatureSet generated, Reference reference) {
        List<PrecisionRecall> results = PrecisionRecall.measure(
                features(Metric.PR, reference).all(FeatureExtractor.FEATURES),
                generated.all(FeatureExtractor.FEATURES),
                PrecisionRecall.PRECISION_RECALL,
                PrecisionRecall.DENSITY_COVERAGE);
        values.put("precision", results.get(0).precision());
        values.put("recall", results.get(0).recall());
        values.put("density", results.get(1).density());
        values.put("coverage", results.get(1).coverage());
    }
}
