package org.mezzotint.app.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.convert.DiffusersFolder;
import org.mezzotint.data.PictureSet;
import org.mezzotint.eval.Extraction;
import org.mezzotint.eval.FeatureExtractor;
import org.mezzotint.eval.FeatureFile;
import org.mezzotint.eval.FeatureSet;
import org.mezzotint.eval.Inception;
import org.mezzotint.eval.OwnExtractor;
import org.mezzotint.eval.ReferenceStats;
import org.mezzotint.eval.ResizeMode;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Safetensors;
import org.mezzotint.io.TensorFile;
import org.mezzotint.train.RunDirectory;
import org.mezzotint.train.TrainState;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** How pictures become the vectors that are measured. */
final class ExtractorOptions {
    @Option(
            names = "--weights",
            paramLabel = "FILE",
            description = {
                "FID's Inception network: pytorch-fid's or torch-fidelity's state dict,",
                "or inception-2015-12-05.pt; or a network of one's own that 'extractor' trained;",
                "not needed for files of features"
            })
    private Path weights;

    @Option(
            names = "--resize",
            paramLabel = "MODE",
            description = {
                "how pictures are brought to 299×299: tensorflow (ADM, EDM, torch-fidelity), clean, clean-quantized",
                "(clean-fid), pytorch (pytorch-fid) or k-diffusion (default: the protocol's, or tensorflow)"
            })
    private String resize;

    @Option(names = "--batch", paramLabel = "N", defaultValue = "32", description = "pictures at once (default: 32)")
    private int batch;

    @Option(
            names = "--cache",
            paramLabel = "DIR",
            description = {
                "keep vectors in this folder: interrupted work goes on where it stopped,",
                "and a set that was seen before is not read again"
            })
    private Path cache;

    @Mixin
    private MachineOptions machine;

    /** What lies at a path. */
    enum Kind {
        PICTURES,
        /** A run, a bundle or a folder of diffusers: pictures that are drawn first. */
        MODEL,
        FEATURES,
        STATISTICS,
        /** As ADM's references: with {@code arr_0} beside {@code mu} and {@code sigma}. */
        STATISTICS_AND_PICTURES
    }

    static Kind kind(Path path) {
        if (PictureSet.isTar(path)) {
            return Kind.PICTURES;
        }
        if (!Files.exists(path)) {
            throw new InputException("no such file or folder: " + path);
        }
        if (isModel(path)) {
            return Kind.MODEL;
        }
        if (Files.isDirectory(path) || path.toString().toLowerCase(Locale.ROOT).endsWith(".zip")) {
            return Kind.PICTURES;
        }
        try (TensorFile file = TensorFile.open(path)) {
            boolean pictures = file.contains("arr_0") && file.shape("arr_0").length == 4;
            if (ReferenceStats.isIn(file)) {
                return pictures ? Kind.STATISTICS_AND_PICTURES : Kind.STATISTICS;
            }
            if (!pictures && !FeatureFile.isIn(file)) {
                throw new InputException(
                        path + " holds neither pictures (arr_0), nor features, nor statistics (mu, sigma)," + " only "
                                + String.join(", ", file.names()));
            }
            return pictures ? Kind.PICTURES : Kind.FEATURES;
        }
    }

    private static boolean isModel(Path path) {
        if (Files.isDirectory(path)) {
            return isRun(path) || Files.isRegularFile(path.resolve(TrainState.MODEL_FILE)) || DiffusersFolder.is(path);
        }
        if (!path.toString().toLowerCase(Locale.ROOT).endsWith(".safetensors")) {
            return false;
        }
        try (Safetensors file = Safetensors.open(path)) {
            return "mezzotint".equals(file.metadata().get("format"));
        }
    }

    private static boolean isRun(Path path) {
        return Files.isRegularFile(path.resolve(RunDirectory.CONFIG_FILE));
    }

    /** Where pictures of a model are drawn to: the cache, or for a run its own folder. */
    Path drawingFolder(Path model) {
        if (cache == null && !isRun(model)) {
            throw new IllegalArgumentException(
                    "--cache is needed for pictures of a model that is no run's folder: they are drawn into it");
        }
        return cache == null ? model.resolve("evaluation") : cache;
    }

    /** Where the network runs. */
    Device device() {
        return machine.open();
    }

    /** Pictures at once. */
    int batch() {
        if (batch < 1) {
            throw new IllegalArgumentException("--batch must be at least 1, got " + batch);
        }
        return batch;
    }

    ResizeMode resize(ResizeMode usual) {
        return resize == null ? usual : ResizeMode.parse(resize);
    }

    /** The network, on the chosen device. */
    FeatureExtractor network(ResizeMode usual) {
        Device device = machine.open();
        batch();
        if (weights == null) {
            throw new InputException(
                    "pictures need the weights of FID's Inception network: --weights FILE, where FILE is"
                            + " pt_inception-2015-12-05-6726825d.pth of pytorch-fid,"
                            + " weights-inception-2015-12-05-6726825d.pth of torch-fidelity or NVIDIA's inception-2015-12-05.pt,"
                            + " or a network of one's own that 'extractor' trained");
        }
        if (OwnExtractor.isIn(weights)) {
            if (resize != null) {
                throw new IllegalArgumentException(
                        "--resize is for FID's network, " + weights + " is one of one's own, got " + resize);
            }
            return OwnExtractor.open(weights, device);
        }
        return Inception.open(weights, resize(usual), ScalarType.Float, device);
    }

    /** Vectors of pictures; says how far it is unless it must be quiet. */
    FeatureSet extract(Path path, FeatureExtractor network, Set<String> outputs, boolean quiet) {
        try (PictureSet pictures = PictureSet.open(path)) {
            return extract(pictures, "of " + path.getFileName(), network, outputs, Optional.ofNullable(cache), quiet);
        }
    }

    /** The same of an open set, kept in another folder or none. */
    FeatureSet extract(
            PictureSet pictures,
            String words,
            FeatureExtractor network,
            Set<String> outputs,
            Optional<Path> kept,
            boolean quiet) {
        if (quiet) {
            return Extraction.run(pictures, network, outputs, batch, kept, done -> {});
        }
        try (Progress progress = new Progress("features", "pictures", 0, pictures.size())) {
            return Extraction.run(pictures, network, outputs, batch, kept, done -> progress.show(done, words));
        }
    }
}
