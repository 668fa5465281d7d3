package org.mezzotint.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.mezzotint.data.Dataset;
import org.mezzotint.data.PictureFiles.Picture;
import org.mezzotint.data.PictureSet;
import org.mezzotint.data.ShapesDataset;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Safetensors;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class OwnExtractorTest {
    @TempDir
    private Path folder;

    private static OwnExtractor trained(long seed, long images) {
        try (Dataset shapes = new ShapesDataset(300, 32, 32, 2, 2, 7)) {
            return new OwnExtractorTraining(seed, images, 16, 3e-3).train(shapes, done -> {});
        }
    }

    /** Shapes as 8-bit pictures; every {@code blackEvery}-th is black. */
    private static List<Picture> pictures(long seed, int count, int blackEvery) {
        List<Picture> pictures = new ArrayList<>();
        try (Dataset shapes = new ShapesDataset(count, 32, 32, 2, 2, seed)) {
            for (int i = 0; i < count; i++) {
                float[] numbers = shapes.read(i, 1);
                byte[] rgb = new byte[3 * 1024];
                for (int p = 0; p < 1024; p++) {
                    for (int c = 0; c < 3; c++) {
                        rgb[3 * p + c] =
                                (byte) (i % blackEvery == 0 ? 0 : Math.round((numbers[c * 1024 + p] + 1) * 127.5f));
                    }
                }
                pictures.add(new Picture(32, 32, rgb));
            }
        }
        return pictures;
    }

    private record Set8(List<Picture> pictures, String fingerprint) implements PictureSet {
        @Override
        public int size() {
            return pictures.size();
        }

        @Override
        public Picture read(int index) {
            return pictures.get(index);
        }

        @Override
        public void close() {}
    }

    @Test
    void aHundredStepsTellMoreShapesApartThanChance() {
        try (OwnExtractor network = trained(1, 1600);
                Dataset others = new ShapesDataset(200, 32, 32, 2, 2, 8)) {
            assertThat(OwnExtractorTraining.accuracy(network, others)).isGreaterThan(0.45);
        }
    }

    @Test
    void aSeedGivesOneNetworkAndAnotherSeedAnother() {
        try (OwnExtractor one = trained(1, 48);
                OwnExtractor same = trained(1, 48);
                OwnExtractor other = trained(2, 48)) {
            assertThat(one.id())
                    .startsWith("own-classifier ")
                    .isEqualTo(same.id())
                    .isNotEqualTo(other.id());
            assertThat(OwnExtractor.made(one.id())).isTrue();
            assertThat(OwnExtractor.made("inception 0123")).isFalse();
        }
    }

    @Test
    void aFileGivesTheSameVectors() {
        Path file = folder.resolve("own.safetensors");
        List<Picture> pictures = pictures(3, 5, 100);
        try (Scope scope = Scope.open();
                OwnExtractor network = trained(1, 48)) {
            network.write(file, Map.of("seed", "1"));
            assertThat(OwnExtractor.isIn(file)).isTrue();
            try (OwnExtractor read = OwnExtractor.open(file, new Device("cpu"))) {
                assertThat(read.id()).isEqualTo(network.id());
                assertThat(read.dims()).isEqualTo(Map.of("features", 128, "logits", 4));
                Map<String, Tensor> ours = network.extract(pictures, Set.of("features", "logits"));
                Map<String, Tensor> theirs = read.extract(pictures, Set.of("features", "logits"));
                assertThat(ours.get("features").shape()).containsExactly(5, 128);
                assertThat(ours.get("logits").shape()).containsExactly(5, 4);
                ours.forEach((name, tensor) ->
                        assertThat(Tensors.floats(theirs.get(name))).containsExactly(Tensors.floats(tensor)));
            }
        }
    }

    /** A picture of another size is resized; of the same size it reaches the network as it is. */
    @Test
    void picturesOfAnySizeCanBeMeasured() {
        try (Scope scope = Scope.open();
                OwnExtractor network = trained(1, 48)) {
            byte[] gray = new byte[3 * 7 * 90];
            java.util.Arrays.fill(gray, (byte) 200);
            byte[] plain = new byte[3 * 32 * 32];
            java.util.Arrays.fill(plain, (byte) 200);
            float[] resized = Tensors.floats(network.extract(List.of(new Picture(7, 90, gray)), Set.of("features"))
                    .get("features"));
            float[] same = Tensors.floats(network.extract(List.of(new Picture(32, 32, plain)), Set.of("features"))
                    .get("features"));
            for (int i = 0; i < same.length; i++) {
                assertThat(resized[i]).isCloseTo(same[i], within(1e-4f));
            }
        }
    }

    @Test
    void whatItMeasuresIsNeverCalledFid() {
        try (Scope scope = Scope.open();
                OwnExtractor network = trained(1, 160);
                FeatureSet reference = features(network, pictures(3, 300, 1000), "a");
                FeatureSet near = features(network, pictures(4, 300, 1000), "b");
                FeatureSet far = features(network, pictures(5, 300, 3), "c")) {
            Evaluation evaluation = Evaluation.of(Metric.parse("fid,kid,is,pr"));
            Evaluation.Reference known = new Evaluation.Reference(Optional.empty(), Optional.of(reference));
            Map<String, Double> good = evaluation.measure(near, known, stage -> {});
            Map<String, Double> bad = evaluation.measure(far, known, stage -> {});
            assertThat(good.keySet())
                    .containsExactlyInAnyOrder(
                            "own-fd",
                            "own-kd",
                            "own-kd_deviation",
                            "own-is",
                            "own-is_deviation",
                            "own-precision",
                            "own-recall",
                            "own-density",
                            "own-coverage");
            assertThat(bad.get("own-fd")).isGreaterThan(5 * good.get("own-fd"));
            assertThat(bad.get("own-kd")).isGreaterThan(good.get("own-kd"));
            assertThatThrownBy(() -> features(network, pictures(3, 3, 9), "d", "spatial"))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("has no output 'spatial'");
        }
    }

    private static FeatureSet features(OwnExtractor network, List<Picture> pictures, String fingerprint) {
        return features(network, pictures, fingerprint, "features", "logits");
    }

    private static FeatureSet features(
            OwnExtractor network, List<Picture> pictures, String fingerprint, String... outputs) {
        return Extraction.run(
                new Set8(pictures, fingerprint), network, Set.of(outputs), 50, Optional.empty(), done -> {});
    }

    @Test
    void badInputIsRefusedInOneLine() {
        try (Dataset one = new ShapesDataset(10, 32, 32, 1, 1, 7);
                Dataset small = new ShapesDataset(10, 16, 32, 2, 2, 7)) {
            OwnExtractorTraining training = new OwnExtractorTraining(0, 16, 16, 1e-3);
            assertThatThrownBy(() -> training.train(one, done -> {}))
                    .isInstanceOf(InputException.class)
                    .hasMessage("an extractor is trained to tell at least 2 classes apart, the data set has 1");
            assertThatThrownBy(() -> training.train(small, done -> {}))
                    .isInstanceOf(InputException.class)
                    .hasMessage("an extractor is trained on pictures of 3×32×32, got 3×16×32");
        }
        assertThatThrownBy(() -> new OwnExtractorTraining(0, 0, 16, 1e-3))
                .hasMessage("images and batchSize must be at least 1, got 0 and 16");
        Path file = folder.resolve("other.safetensors");
        Path lacking = folder.resolve("lacking.safetensors");
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1)) {
            Safetensors.write(file, Map.of("x", rng.normal(ScalarType.Float, 2)), Map.of());
            Safetensors.write(
                    lacking,
                    Map.of("classifier.bias", rng.normal(ScalarType.Float, 2)),
                    Map.of("format", "mezzotint-extractor", "format_version", "1"));
        }
        assertThat(OwnExtractor.isIn(file)).isFalse();
        assertThatThrownBy(() -> OwnExtractor.open(file, new Device("cpu")))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("is no extractor of format 1");
        assertThatThrownBy(() -> OwnExtractor.open(lacking, new Device("cpu")))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("missing conv.0.weight");
    }
}
