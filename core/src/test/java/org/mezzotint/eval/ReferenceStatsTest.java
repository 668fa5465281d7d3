package org.mezzotint.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.mezzotint.golden.Golden;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Npz;
import org.mezzotint.io.TensorFile;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class ReferenceStatsTest {
    @TempDir
    private Path folder;

    private static Moments moments(Tensor features) {
        try (FeatureStats stats = new FeatureStats(features.size(1))) {
            stats.add(features);
            return stats.moments();
        }
    }

    private static ReferenceStats read(String name) {
        return ReferenceStats.read(Golden.path("metrics/" + name + ".npz"));
    }

    @Test
    void filesOfEdmPytorchFidAndAdmGiveTheStatedDistances() {
        try (Scope scope = Scope.open();
                Golden golden = Golden.open("metrics/ref-stats-expected")) {
            Moments sample = moments(golden.get("in.features_sample"));
            Moments spatial = moments(golden.get("in.spatial_sample"));
            close(
                    golden,
                    "fd_vs_edm",
                    FrechetDistance.between(sample, read("ref-edm").features()));
            close(
                    golden,
                    "fd_vs_edm",
                    FrechetDistance.between(
                            sample, read("ref-pytorch-fid-compressed").features()));
            close(
                    golden,
                    "fd_vs_adm",
                    FrechetDistance.between(sample, read("ref-adm").features()));
            close(
                    golden,
                    "sfid_vs_adm",
                    FrechetDistance.between(spatial, read("ref-adm").spatial().orElseThrow()));
            assertThat(read("ref-edm").spatial()).isEmpty();
        }
    }

    private static void close(Golden golden, String name, double actual) {
        Golden.assertClose(name, new double[] {actual}, golden.doubles("out." + name), 1e-8);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "ref-bad-missing-sigma | statistics need mu and sigma, the file has mu",
                "ref-bad-dimension | sigma must be as wide and high as mu is long, got (31, 31) and (32,)",
                "ref-bad-nan | mu and sigma must be finite",
                "ref-bad-asymmetric | sigma must be symmetric, got entries"
            })
    void badFilesAreRefusedInOneLine(String name, String message) {
        try (Scope scope = Scope.open()) {
            assertThatThrownBy(() -> read(name))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining(name + ".npz: " + message)
                    .hasMessageNotContaining("\n");
        }
    }

    @Test
    void writtenStatisticsAreReadBackToTheBit() {
        try (Scope scope = Scope.open();
                Golden golden = Golden.open("metrics/ref-stats-expected")) {
            Moments features = moments(golden.get("in.features_sample"));
            Moments spatial = moments(golden.get("in.spatial_sample"));
            Path file = folder.resolve("stats.npz");
            for (Optional<Moments> second : List.of(Optional.<Moments>empty(), Optional.of(spatial))) {
                ReferenceStats written = new ReferenceStats(features, second);
                written.write(file);
                ReferenceStats back = ReferenceStats.read(file);
                assertThat(Tensors.doubles(back.features().covariance()))
                        .isEqualTo(Tensors.doubles(features.covariance()));
                assertThat(Tensors.doubles(back.features().mean())).isEqualTo(Tensors.doubles(features.mean()));
                assertThat(back.spatial().isPresent()).isEqualTo(second.isPresent());
                second.ifPresent(moments -> assertThat(
                                Tensors.doubles(back.spatial().orElseThrow().covariance()))
                        .isEqualTo(Tensors.doubles(moments.covariance())));
                assertThat(back.id()).isEqualTo(written.id()).matches("[0-9a-f]{16}");
            }
            assertThat(new ReferenceStats(spatial, Optional.empty()).id())
                    .isNotEqualTo(new ReferenceStats(features, Optional.empty()).id());
        }
    }

    @Test
    void tellsStatisticsFromFeatures() {
        try (Scope scope = Scope.open()) {
            Path file = folder.resolve("features.npz");
            Npz.write(file, Map.of("dino", Tensors.of(1.0, 2, 3, 4, 5, 6).view(3, 2)));
            try (TensorFile features = TensorFile.open(file);
                    TensorFile stats = TensorFile.open(Golden.path("metrics/ref-edm.npz"))) {
                assertThat(ReferenceStats.isIn(features)).isFalse();
                assertThat(FeatureFile.isIn(features)).isTrue();
                assertThat(ReferenceStats.isIn(stats)).isTrue();
                assertThat(FeatureFile.isIn(stats)).isFalse();
            }
        }
    }

    @Test
    void symmetryMayBeOffByRoundingOnly() {
        try (Scope scope = Scope.open()) {
            Path file = folder.resolve("rounded.npz");
            Tensor mu = Tensors.of(0.0, 0);
            Npz.write(
                    file,
                    Map.of("mu", mu, "sigma", Tensors.of(1, 0.5, 0.5 + 1e-7, 1).view(2, 2)));
            assertThat(ReferenceStats.read(file).features().dims()).isEqualTo(2);
            Npz.write(
                    file,
                    Map.of("mu", mu, "sigma", Tensors.of(1, 0.5, 0.5 + 1e-5, 1).view(2, 2)));
            assertThatThrownBy(() -> ReferenceStats.read(file)).hasMessageContaining("sigma must be symmetric");
        }
    }
}
