package org.mezzotint.app.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import org.mezzotint.data.PictureSet;
import org.mezzotint.eval.Evaluation;
import org.mezzotint.eval.EvaluationResult;
import org.mezzotint.eval.FeatureFile;
import org.mezzotint.eval.FeatureSet;
import org.mezzotint.eval.Inception;
import org.mezzotint.eval.Metric;
import org.mezzotint.eval.Protocol;
import org.mezzotint.eval.ReferenceStats;
import org.mezzotint.eval.ResizeMode;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Yaml;
import org.mezzotint.tensor.Scope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Measures how close pictures come to a reference. */
@Command(
        name = "evaluate",
        mixinStandardHelpOptions = true,
        description = {
            "Measure how close generated pictures come to a reference: FID, sFID, KID, Inception Score, precision, recall,",
            "density and coverage. Every result says how it was measured: numbers compare only if all of that agrees."
        })
final class EvaluateCommand implements Callable<Integer> {
    @Parameters(
            index = "0",
            paramLabel = "PICTURES",
            description = {
                "folder or zip of pictures, npz with arr_0 (uint8, N×H×W×3), or a file of features",
                "made elsewhere (npz or safetensors with one array N×D)"
            })
    private Path pictures;

    @Option(
            names = "--reference",
            paramLabel = "REF",
            description = "the same, or statistics (npz with mu and sigma); not needed for the Inception Score alone")
    private Path reference;

    @Option(
            names = "--metrics",
            paramLabel = "LIST",
            description = "out of fid, sfid, kid, is, pr, with commas (default: the protocol's, or fid)")
    private String metrics;

    @Option(
            names = "--protocol",
            paramLabel = "NAME",
            description = {
                "measure as a paper did: dit, hdit, diffit-edm or simple-diffusion;",
                "the result says in what it departs from it"
            })
    private String protocol;

    @Mixin
    private ExtractorOptions extractor;

    @Option(names = "--kid-subsets", paramLabel = "N", defaultValue = "100", description = "of KID (default: 100)")
    private int kidSubsets;

    @Option(
            names = "--kid-subset-size",
            paramLabel = "N",
            defaultValue = "1000",
            description = "pictures in each, at most as many as there are (default: 1000)")
    private int kidSubsetSize;

    @Option(names = "--is-splits", paramLabel = "N", defaultValue = "10", description = "of IS (default: 10)")
    private int scoreParts;

    @Option(names = "--is-shuffle", description = "shuffle before splitting, as torch-fidelity does and ADM does not")
    private boolean shuffleScore;

    @Option(
            names = "--metric-seed",
            paramLabel = "N",
            defaultValue = "2020",
            description = "of KID's subsets and IS's shuffle (default: 2020, torch-fidelity's)")
    private long metricSeed;

    @Option(
            names = "--sampler",
            paramLabel = "TEXT",
            description = "how the pictures were drawn, to stand in the result")
    private String sampler = EvaluationResult.NOT_STATED;

    @Option(names = "--steps", paramLabel = "TEXT", description = "in how many steps, likewise")
    private String steps = EvaluationResult.NOT_STATED;

    @Option(names = "--guidance", paramLabel = "TEXT", description = "with which guidance, likewise")
    private String guidance = EvaluationResult.NOT_STATED;

    @Option(names = "--seed", paramLabel = "TEXT", description = "from which seeds, likewise")
    private String seed = EvaluationResult.NOT_STATED;

    @Option(names = "--json", description = "print one JSON object and nothing else")
    private boolean json;

    /** A reference, what messages call it and how many pictures it has. */
    private record Known(Evaluation.Reference reference, String name, long pictures) implements AutoCloseable {
        @Override
        public void close() {
            reference.features().ifPresent(FeatureSet::close);
        }
    }

    @Override
    public Integer call() {
        EvaluationResult result = measure();
        System.out.print(json ? Yaml.toJson(result) + "\n" : result.text());
        System.out.flush();
        return 0;
    }

    /** What the command line asks for. */
    EvaluationResult measure() {
        Optional<Protocol> asked = Optional.ofNullable(protocol).map(Protocol::named);
        Set<Metric> wanted = metrics != null
                ? Metric.parse(metrics)
                : asked.map(Protocol::metrics).orElse(Set.of(Metric.FID));
        ResizeMode usual = asked.map(Protocol::resize).orElse(ResizeMode.TENSORFLOW);
        Evaluation evaluation = new Evaluation(wanted, kidSubsets, kidSubsetSize, scoreParts, shuffleScore, metricSeed);
        if (reference == null && wanted.stream().anyMatch(Metric::needsReference)) {
            throw new IllegalArgumentException("--reference is needed for all metrics but is");
        }
        ExtractorOptions.Kind kind = ExtractorOptions.kind(pictures);
        if (kind == ExtractorOptions.Kind.STATISTICS) {
            throw new InputException(pictures + " holds statistics: those are a reference, not generated pictures");
        }
        try (Scope scope = Scope.open();
                Network network = new Network(usual);
                FeatureSet generated = kind == ExtractorOptions.Kind.FEATURES
                        ? FeatureFile.open(pictures)
                        : extractor.extract(pictures, network.open(), evaluation.outputs(), json);
                Known known = known(evaluation, network)) {
            Map<String, Double> values = evaluation.measure(generated, known.reference, stage -> {});
            return result(asked, generated, known, values);
        }
    }

    /** The network, made when it is needed first: features need none. */
    private final class Network implements AutoCloseable {
        private final ResizeMode usual;
        private Inception opened;

        Network(ResizeMode usual) {
            this.usual = usual;
        }

        Inception open() {
            if (opened == null) {
                opened = extractor.network(usual);
            }
            return opened;
        }

        @Override
        public void close() {
            if (opened != null) {
                opened.close();
            }
        }
    }

    private Known known(Evaluation evaluation, Network network) {
        if (reference == null) {
            return new Known(Evaluation.Reference.NONE, "none", 0);
        }
        ExtractorOptions.Kind kind = ExtractorOptions.kind(reference);
        boolean statistics =
                kind == ExtractorOptions.Kind.STATISTICS || kind == ExtractorOptions.Kind.STATISTICS_AND_PICTURES;
        Optional<ReferenceStats> stats = statistics ? Optional.of(ReferenceStats.read(reference)) : Optional.empty();
        Set<String> outputs = evaluation.referenceOutputs(stats);
        if (kind == ExtractorOptions.Kind.FEATURES) {
            FeatureFile features = FeatureFile.open(reference);
            return new Known(
                    new Evaluation.Reference(Optional.empty(), Optional.of(features)),
                    reference + ":" + features.id(),
                    features.size());
        }
        if (kind == ExtractorOptions.Kind.STATISTICS || (statistics && outputs.isEmpty())) {
            return new Known(
                    new Evaluation.Reference(stats, Optional.empty()),
                    reference + ":" + stats.orElseThrow().id(),
                    0);
        }
        if (outputs.isEmpty()) {
            return new Known(Evaluation.Reference.NONE, "none", 0);
        }
        FeatureSet features = extractor.extract(reference, network.open(), outputs, json);
        String id = stats.map(ReferenceStats::id).orElseGet(() -> fingerprint(reference));
        return new Known(new Evaluation.Reference(stats, Optional.of(features)), reference + ":" + id, features.size());
    }

    private static String fingerprint(Path pictures) {
        try (PictureSet set = PictureSet.open(pictures)) {
            return set.fingerprint().substring(0, 16);
        }
    }

    private EvaluationResult result(
            Optional<Protocol> asked, FeatureSet generated, Known known, Map<String, Double> values) {
        List<String> differences = asked.map(
                        p -> p.differences(generated.size(), generated.preprocessing(), sampler, steps))
                .orElse(List.of());
        return new EvaluationResult(
                values,
                asked.map(Protocol::name).orElse("none"),
                differences,
                new EvaluationResult.Facts(
                        generated.size(),
                        pictures.toString(),
                        known.name,
                        known.pictures,
                        generated.extractor(),
                        generated.preprocessing(),
                        sampler,
                        steps,
                        guidance,
                        seed,
                        metricSeed));
    }
}
