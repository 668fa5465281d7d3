package org.mezzotint.app.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import org.mezzotint.data.PictureSet;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.eval.Evaluation;
import org.mezzotint.eval.EvaluationResult;
import org.mezzotint.eval.FeatureExtractor;
import org.mezzotint.eval.FeatureFile;
import org.mezzotint.eval.FeatureSet;
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
                "folder or zip of pictures, tar shards, npz with arr_0 (uint8, N×H×W×3), a file of features",
                "made elsewhere (npz or safetensors with one array N×D), or a model, of which pictures are drawn",
                "first: a run's folder, a bundle or a folder of diffusers"
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
            description = {
                "how the pictures were drawn, to stand in the result; for a model the solver to draw with, as",
                "'sample --solver' takes it (default: the protocol's, or the model's own)"
            })
    private String sampler = EvaluationResult.NOT_STATED;

    @Option(names = "--steps", paramLabel = "TEXT", description = "in how many steps, likewise")
    private String steps = EvaluationResult.NOT_STATED;

    @Option(names = "--guidance", paramLabel = "TEXT", description = "with which guidance, likewise")
    private String guidance = EvaluationResult.NOT_STATED;

    @Option(
            names = "--seed",
            paramLabel = "TEXT",
            description =
                    "from which seeds, likewise; for a model a picture each, such as 0-9999 (default: as many as the"
                            + " protocol wants, from 0)")
    private String seed = EvaluationResult.NOT_STATED;

    @Option(names = "--autoencoder", paramLabel = "PATH", description = Autoencoders.DESCRIPTION)
    private Path autoencoder;

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
        if (kind == ExtractorOptions.Kind.MODEL) {
            return measureModel(asked, evaluation, usual);
        }
        if (autoencoder != null) {
            throw new IllegalArgumentException("--autoencoder is for models of latents, got " + autoencoder);
        }
        Drawn drawn = new Drawn(pictures.toString(), sampler, steps, guidance, seed, List.of());
        try (Scope scope = Scope.open();
                Network network = new Network(usual);
                FeatureSet generated = kind == ExtractorOptions.Kind.FEATURES
                        ? FeatureFile.open(pictures)
                        : extractor.extract(pictures, network.open(), evaluation.outputs(), json);
                Known known = known(evaluation, network)) {
            Map<String, Double> values = evaluation.measure(generated, known.reference, stage -> {});
            return result(asked, drawn, generated, known, values);
        }
    }

    /** What is known of how pictures were drawn; {@code kept} are what the protocol says of that and was followed. */
    private record Drawn(
            String source, String sampler, String steps, String guidance, String seed, List<String> kept) {}

    private EvaluationResult measureModel(Optional<Protocol> asked, Evaluation evaluation, ResizeMode usual) {
        String seeds = !seed.equals(EvaluationResult.NOT_STATED)
                ? seed
                : "0-"
                        + (asked.map(Protocol::pictures)
                                        .orElseThrow(() -> new IllegalArgumentException(
                                                "say which pictures to draw of the model with --seed, such as 0-9999,"
                                                        + " or give a --protocol"))
                                - 1);
        Map<String, String> given = new LinkedHashMap<>();
        given("--solver", sampler, given);
        given("--steps", steps, given);
        given("--guidance", guidance, given);
        try (Scope scope = Scope.open();
                Network network = new Network(usual);
                Known known = known(evaluation, network);
                ModelSource source = ModelSource.open(pictures, null)) {
            network.open(); // hours of drawing wait for no missing file
            SamplingConfig sampling = ModelPictures.sampling(source, asked, given);
            ModelPictures.Request request = new ModelPictures.Request(
                    sampling,
                    seeds,
                    extractor.batch(),
                    Optional.ofNullable(autoencoder),
                    extractor.device(),
                    extractor.drawingFolder(pictures));
            List<String> kept = new ArrayList<>();
            asked.filter(p -> !given.containsKey("--solver")).ifPresent(p -> kept.add(p.sampler()));
            asked.filter(p -> !given.containsKey("--steps") && !p.name().equals(Protocol.HDIT.name()))
                    .ifPresent(p ->
                            kept.add(p.steps())); // HDiT's count two network calls each, which is the solver's affair
            Drawn drawn = new Drawn(
                    source.path().toString(),
                    sampling.solver().label(),
                    sampling.steps(),
                    Double.toString(sampling.guidance()),
                    seeds,
                    kept);
            try (ModelPictures set = draw(source, request);
                    FeatureSet generated = extractor.extract(
                            set,
                            "of the model",
                            network.open(),
                            evaluation.outputs(),
                            Optional.of(request.cache()),
                            json)) {
                Map<String, Double> values = evaluation.measure(generated, known.reference, stage -> {});
                return result(asked, drawn, generated, known, values);
            }
        }
    }

    private static void given(String option, String text, Map<String, String> given) {
        if (!text.equals(EvaluationResult.NOT_STATED)) {
            given.put(option, text);
        }
    }

    private ModelPictures draw(ModelSource source, ModelPictures.Request request) {
        if (json) {
            return ModelPictures.draw(source, request, done -> {});
        }
        int count = Sizes.ranges("--seed", request.seeds()).length;
        try (Progress progress = new Progress("draw", "pictures", 0, count)) {
            return ModelPictures.draw(source, request, done -> progress.show(done, "of the model"));
        }
    }

    /** Opens the network and brings the reference's vectors into the cache: a mistake shows before hours of work. */
    void prepare() {
        try (Scope scope = Scope.open();
                Network network = new Network(ResizeMode.TENSORFLOW)) {
            network.open();
            known(Evaluation.of(Metric.parse(metrics)), network).close();
        }
    }

    /** Pictures in memory against the reference; nothing of them is kept. For a run that measures itself. */
    EvaluationResult measure(PictureSet drawn, String source, SamplingConfig sampling, String seeds) {
        Evaluation evaluation = Evaluation.of(Metric.parse(metrics));
        try (Scope scope = Scope.open();
                Network network = new Network(ResizeMode.TENSORFLOW);
                Known known = known(evaluation, network);
                FeatureSet generated = extractor.extract(
                        drawn, "of " + source, network.open(), evaluation.outputs(), Optional.empty(), true)) {
            Map<String, Double> values = evaluation.measure(generated, known.reference, stage -> {});
            Drawn how = new Drawn(
                    source,
                    sampling.solver().label(),
                    sampling.steps(),
                    Double.toString(sampling.guidance()),
                    seeds,
                    List.of());
            return result(Optional.empty(), how, generated, known, values);
        }
    }

    /** The network, made when it is needed first: features need none. */
    private final class Network implements AutoCloseable {
        private final ResizeMode usual;
        private FeatureExtractor opened;

        Network(ResizeMode usual) {
            this.usual = usual;
        }

        FeatureExtractor open() {
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
        if (kind == ExtractorOptions.Kind.MODEL) {
            throw new InputException(
                    "--reference must be pictures, features or statistics, " + reference + " is a model");
        }
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
            Optional<Protocol> asked, Drawn drawn, FeatureSet generated, Known known, Map<String, Double> values) {
        List<String> differences = asked.map(p -> p.differences(
                        generated.size(),
                        generated.preprocessing(),
                        drawn.kept.contains(p.sampler()) ? p.sampler() : drawn.sampler,
                        drawn.kept.contains(p.steps()) ? p.steps() : drawn.steps))
                .orElse(List.of());
        return new EvaluationResult(
                values,
                asked.map(Protocol::name).orElse("none"),
                differences,
                new EvaluationResult.Facts(
                        generated.size(),
                        drawn.source,
                        known.name,
                        known.pictures,
                        generated.extractor(),
                        generated.preprocessing(),
                        drawn.sampler,
                        drawn.steps,
                        drawn.guidance,
                        drawn.seed,
                        metricSeed));
    }
}
