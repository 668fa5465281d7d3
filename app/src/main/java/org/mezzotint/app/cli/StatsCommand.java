package org.mezzotint.app.cli;

import java.nio.file.Path;
import java.util.Optional;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import org.mezzotint.eval.FeatureExtractor;
import org.mezzotint.eval.FeatureFile;
import org.mezzotint.eval.FeatureSet;
import org.mezzotint.eval.Moments;
import org.mezzotint.eval.ReferenceStats;
import org.mezzotint.eval.ResizeMode;
import org.mezzotint.io.InputException;
import org.mezzotint.tensor.Scope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Writes the statistics of a reference set. */
@Command(
        name = "stats",
        mixinStandardHelpOptions = true,
        description = {
            "Write the mean and covariance of a reference set, to be given to 'evaluate --reference': npz with mu and sigma as",
            "EDM and pytorch-fid read it, and with mu_s and sigma_s for sFID as ADM does."
        })
final class StatsCommand implements Callable<Integer> {
    @Parameters(
            index = "0",
            paramLabel = "PICTURES",
            description =
                    "folder or zip of pictures, tar shards, npz with arr_0 (uint8, N×H×W×3), or a file of features")
    private Path pictures;

    @Parameters(index = "1", paramLabel = "OUT", description = "the npz file to write")
    private Path out;

    @Mixin
    private ExtractorOptions extractor;

    @Override
    public Integer call() {
        PictureOutput.checkFile(out);
        ExtractorOptions.Kind kind = ExtractorOptions.kind(pictures);
        if (kind == ExtractorOptions.Kind.STATISTICS) {
            throw new InputException(pictures + " holds statistics already");
        }
        if (kind == ExtractorOptions.Kind.MODEL) {
            throw new InputException(pictures + " is a model: statistics are made of pictures, draw them with sample");
        }
        try (Scope scope = Scope.open();
                FeatureSet features =
                        kind == ExtractorOptions.Kind.FEATURES ? FeatureFile.open(pictures) : extracted()) {
            boolean spatial = features.dims().containsKey(FeatureExtractor.SPATIAL);
            Optional<Moments> second =
                    spatial ? Optional.of(features.moments(FeatureExtractor.SPATIAL)) : Optional.empty();
            ReferenceStats stats = new ReferenceStats(features.moments(FeatureExtractor.FEATURES), second);
            stats.write(out);
            System.out.println("wrote " + out + ": " + stats.id() + ", " + features.size() + " pictures, extractor "
                    + features.extractor() + ", resize " + features.preprocessing());
        }
        return 0;
    }

    private FeatureSet extracted() {
        try (FeatureExtractor network = extractor.network(ResizeMode.TENSORFLOW)) {
            TreeSet<String> outputs = new TreeSet<>();
            outputs.add(FeatureExtractor.FEATURES);
            outputs.add(FeatureExtractor.SPATIAL);
            outputs.retainAll(network.dims().keySet());
            return extractor.extract(pictures, network, outputs, false);
        }
    }
}
