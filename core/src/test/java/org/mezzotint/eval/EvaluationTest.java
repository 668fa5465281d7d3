package org.mezzotint.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.mezzotint.eval.Evaluation.Reference;
import org.mezzotint.eval.EvaluationResult.Facts;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Npz;
import org.mezzotint.io.Safetensors;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class EvaluationTest {
    @TempDir
    private Path folder;

    private Path generated;
    private Path reference;

    @BeforeEach
    void makeFeatures() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(7)) {
            generated = folder.resolve("generated.safetensors");
            Safetensors.write(
                    generated,
                    Map.of(
                            "features", rng.normal(ScalarType.Float, 90, 6),
                            "spatial", rng.normal(ScalarType.Float, 90, 3),
                            "logits", rng.normal(ScalarType.Float, 90, 4)),
                    Map.of());
            reference = folder.resolve("reference.npz");
            Npz.write(
                    reference,
                    Map.of(
                            "features", rng.normal(ScalarType.Float, 70, 6).add(Scalars.of(0.5)),
                            "spatial", rng.normal(ScalarType.Float, 70, 3)));
        }
    }

    private static Reference of(FeatureSet features) {
        return new Reference(Optional.empty(), Optional.of(features));
    }

    @Test
    void everyMetricGivesItsNumbersFromFilesOfFeatures() {
        List<String> stages = new ArrayList<>();
        try (Scope scope = Scope.open();
                FeatureFile ours = FeatureFile.open(generated);
                FeatureFile theirs = FeatureFile.open(reference)) {
            Set<Metric> all = Metric.parse("fid,sfid,kid,is, pr");
            Evaluation evaluation = new Evaluation(all, 10, 1000, 10, false, 2020);
            Map<String, Double> values = evaluation.measure(ours, of(theirs), stages::add);
            assertThat(values)
                    .containsOnlyKeys(
                            "fid",
                            "sfid",
                            "kid",
                            "kid_deviation",
                            "is",
                            "is_deviation",
                            "precision",
                            "recall",
                            "density",
                            "coverage");
            assertThat(stages).containsExactly("fid", "sfid", "kid", "is", "pr");
            Tensor x = ours.all("features");
            Tensor y = theirs.all("features");
            assertThat(values.get("fid"))
                    .isEqualTo(FrechetDistance.between(ours.moments("features"), theirs.moments("features")));
            assertThat(values.get("sfid"))
                    .isEqualTo(FrechetDistance.between(ours.moments("spatial"), theirs.moments("spatial")));
            assertThat(values.get("kid"))
                    .as("subsets shrink to the smaller set")
                    .isEqualTo(KernelDistance.subsets(x, y, 10, 70, 2020).mean());
            assertThat(values.get("is"))
                    .isEqualTo(InceptionScore.of(ours.all("logits"), 10).mean());
            PrecisionRecall three = PrecisionRecall.measure(y, x, new PrecisionRecall.Setting(3, false))
                    .get(0);
            PrecisionRecall five = PrecisionRecall.measure(y, x, new PrecisionRecall.Setting(5, true))
                    .get(0);
            assertThat(values.get("precision")).isEqualTo(three.precision());
            assertThat(values.get("recall")).isEqualTo(three.recall());
            assertThat(values.get("density")).isEqualTo(five.density());
            assertThat(values.get("coverage")).isEqualTo(five.coverage());
        }
    }

    @Test
    void settingsChangeTheNumbers() {
        try (Scope scope = Scope.open();
                FeatureFile ours = FeatureFile.open(generated);
                FeatureFile theirs = FeatureFile.open(reference)) {
            Set<Metric> both = Set.of(Metric.KID, Metric.IS);
            Map<String, Double> usual =
                    new Evaluation(both, 5, 30, 10, false, 2020).measure(ours, of(theirs), stage -> {});
            List<Evaluation> others = List.of(
                    new Evaluation(both, 5, 20, 10, false, 2020),
                    new Evaluation(both, 6, 30, 9, true, 2020),
                    new Evaluation(both, 5, 30, 10, true, 1));
            for (Evaluation other : others) {
                Map<String, Double> values = other.measure(ours, of(theirs), stage -> {});
                assertThat(values.get("kid")).isNotEqualTo(usual.get("kid"));
                assertThat(values.get("is").equals(usual.get("is"))).isEqualTo(!other.shuffleScore());
            }
        }
    }

    @Test
    void statisticsServeFrechetDistancesOnly() {
        Path stats = folder.resolve("stats.npz");
        try (Scope scope = Scope.open();
                FeatureFile ours = FeatureFile.open(generated);
                FeatureFile theirs = FeatureFile.open(reference)) {
            new ReferenceStats(theirs.moments("features"), Optional.of(theirs.moments("spatial"))).write(stats);
            ReferenceStats read = ReferenceStats.read(stats);
            Evaluation frechet = Evaluation.of(Set.of(Metric.FID, Metric.SFID));
            Reference only = new Reference(Optional.of(read), Optional.empty());
            assertThat(frechet.measure(ours, only, stage -> {}))
                    .isEqualTo(frechet.measure(ours, of(theirs), stage -> {}));
            assertThat(frechet.referenceOutputs(Optional.of(read))).isEmpty();
            assertThat(frechet.referenceOutputs(Optional.empty())).containsExactly("features", "spatial");
            Evaluation kid = Evaluation.of(Set.of(Metric.KID));
            assertThat(kid.referenceOutputs(Optional.of(read))).containsExactly("features");
            assertThatThrownBy(() -> kid.measure(ours, only, stage -> {}))
                    .isInstanceOf(InputException.class)
                    .hasMessage("kid needs the pictures or the features of the reference, a file of statistics has only"
                            + " means and covariances");
            Evaluation score = Evaluation.of(Set.of(Metric.IS));
            assertThat(score.referenceOutputs(Optional.empty())).isEmpty();
            assertThat(score.measure(ours, Reference.NONE, stage -> {})).containsKey("is");
            assertThatThrownBy(() -> score.measure(theirs, Reference.NONE, stage -> {}))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("have no 'logits', only features, spatial");
        }
    }

    @Test
    void fileWithOneArrayOfAnyNameIsOneOfFeatures() {
        Path file = folder.resolve("dino.npz");
        try (Scope scope = Scope.open()) {
            Tensor matrix = Tensors.of(1.0, 2, 3, 4, 5, 7).view(3, 2);
            Npz.write(file, Map.of("dinov2_vits14", matrix, "labels", Tensors.of(1, 2, 3)));
            try (FeatureFile features = FeatureFile.open(file)) {
                assertThat(features.size()).isEqualTo(3);
                assertThat(Tensors.doubles(features.all("features"))).containsExactly(1, 2, 3, 4, 5, 7);
                assertThat(features.extractor()).isEqualTo(file.toString());
                assertThat(features.id()).matches("[0-9a-f]{16}");
                Path other = folder.resolve("other.npz");
                Npz.write(other, Map.of("x", matrix.to(ScalarType.Float)));
                try (FeatureFile same = FeatureFile.open(other)) {
                    assertThat(same.id()).isEqualTo(features.id());
                }
                Npz.write(other, Map.of("x", matrix.add(Scalars.of(1))));
                try (FeatureFile different = FeatureFile.open(other)) {
                    assertThat(different.id()).isNotEqualTo(features.id());
                }
            }
            Npz.write(file, Map.of("a", matrix, "b", matrix));
            assertThatThrownBy(() -> FeatureFile.open(file))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining(
                            "features are one array (N, D) of real numbers, or the arrays features, spatial,"
                                    + " logits; the file has ");
            Npz.write(file, Map.of("features", matrix, "logits", matrix.narrow(0, 0, 2)));
            assertThatThrownBy(() -> FeatureFile.open(file))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("all arrays must have as many rows");
        }
    }

    @Test
    void resultNeverComesWithoutItsProtocol() {
        Facts facts = new Facts(
                1000, "samples.npz", "ref.npz:0123", 0, "inception:4567", "clean", "ddim", "50", "1.5", "7", 2020);
        List<String> differences = Protocol.DIT.differences(1000, "clean", "ddim", "50");
        EvaluationResult result = new EvaluationResult(Map.of("fid", 12.5), "dit", differences, facts);
        assertThat(result.text())
                .contains("fid            12.5")
                .contains("1000 of samples.npz", "ref.npz:0123", "inception:4567", "clean", "ddim", "50", "1.5", "7")
                .contains("protocol       dit, not kept: 1000 pictures instead of 50000; resize mode clean instead of"
                        + " tensorflow; sampler ddim instead of DDPM; steps 50 instead of 250");
        assertThat(new EvaluationResult(Map.of(), "dit", List.of(), facts).text())
                .contains("protocol       dit, kept");
        assertThat(new EvaluationResult(Map.of(), "none", List.of(), facts).text())
                .endsWith("protocol       none\n");
    }

    @Test
    void protocolsAreFoundByName() {
        for (Protocol protocol : Protocol.ALL) {
            assertThat(Protocol.named(protocol.name())).isSameAs(protocol);
            assertThat(protocol.differences(
                            protocol.pictures(), protocol.resize().label(), protocol.sampler(), protocol.steps()))
                    .isEmpty();
        }
        assertThat(Protocol.ALL.stream().map(Protocol::name))
                .containsExactly("dit", "hdit", "diffit-edm", "simple-diffusion");
        assertThat(Protocol.SIMPLE_DIFFUSION.reference()).hasSize(2);
        assertThat(Protocol.DIT.differences(50_000, "tensorflow", "not stated", "not stated"))
                .isEmpty();
        assertThatThrownBy(() -> Protocol.named("adm"))
                .hasMessage("protocol must be one of dit, hdit, diffit-edm, simple-diffusion, got adm");
        assertThatThrownBy(() -> Metric.parse("fid,fdd"))
                .hasMessage("metrics must be out of fid, sfid, kid, is, pr, got fdd");
        assertThatThrownBy(() -> ResizeMode.parse("bilinear"))
                .hasMessage("resize mode must be one of tensorflow, clean, clean-quantized, pytorch, k-diffusion, got"
                        + " bilinear");
        assertThat(ResizeMode.parse("k-diffusion")).isEqualTo(ResizeMode.K_DIFFUSION);
        assertThatThrownBy(() -> new Evaluation(Set.of(Metric.FID), 0, 2, 1, false, 0))
                .hasMessageContaining("at least 1");
        assertThat(Evaluation.of(Set.of(Metric.IS, Metric.FID)).outputs()).containsExactly("features", "logits");
    }
}
