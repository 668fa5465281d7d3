package org.mezzotint.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.SplittableRandom;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.mezzotint.io.InputException;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class FeatureStatsTest {
    private static final int N = 137;
    private static final int D = 5;

    private static double[] values(double offset) {
        SplittableRandom random = new SplittableRandom(3);
        double[] values = new double[N * D];
        for (int i = 0; i < values.length; i++) {
            values[i] = offset + random.nextDouble() * (1 + i % D);
        }
        return values;
    }

    /** Two passes in plain loops. */
    private static double[] covariance(double... x) {
        double[] mean = mean(x);
        double[] covariance = new double[D * D];
        for (int i = 0; i < N; i++) {
            for (int a = 0; a < D; a++) {
                for (int b = 0; b < D; b++) {
                    covariance[a * D + b] += (x[i * D + a] - mean[a]) * (x[i * D + b] - mean[b]) / (N - 1);
                }
            }
        }
        return covariance;
    }

    private static double[] mean(double... x) {
        double[] mean = new double[D];
        for (int i = 0; i < x.length; i++) {
            mean[i % D] += x[i] / N;
        }
        return mean;
    }

    private static void same(Moments moments, double[] x, double tolerance) {
        assertThat(Tensors.doubles(moments.mean())).containsExactly(mean(x), within(tolerance));
        assertThat(Tensors.doubles(moments.covariance())).containsExactly(covariance(x), within(tolerance));
    }

    @Test
    void partsOfAnySizeGiveTheStatisticsOfTheWhole() {
        double[] x = values(0);
        try (Scope scope = Scope.open()) {
            Tensor all = Tensors.of(x).view(N, D);
            for (int part : new int[] {1, 7, 64, N}) {
                try (FeatureStats stats = new FeatureStats(D)) {
                    for (int from = 0; from < N; from += part) {
                        stats.add(all.narrow(0, from, Math.min(part, N - from)));
                    }
                    assertThat(stats.count()).isEqualTo(N);
                    same(stats.moments(), x, 1e-13);
                }
            }
        }
    }

    @Test
    void blocksOfManyRowsAreJoined() {
        try (Scope scope = Scope.open();
                FeatureStats stats = new FeatureStats(1)) {
            double[] x = new double[10_001];
            for (int i = 0; i < x.length; i++) {
                x[i] = i;
            }
            stats.add(Tensors.of(x).view(-1, 1));
            double n = x.length;
            assertThat(Tensors.doubles(stats.moments().covariance())[0])
                    .isCloseTo(n * (n + 1) / 12, within(1e-6)); // of 0 … n − 1, divided by n − 1
        }
    }

    @Test
    void mergingEqualsSeeingEverything() {
        double[] x = values(0);
        try (Scope scope = Scope.open();
                FeatureStats a = new FeatureStats(D);
                FeatureStats b = new FeatureStats(D);
                FeatureStats empty = new FeatureStats(D)) {
            Tensor all = Tensors.of(x).view(N, D);
            a.add(all.narrow(0, 0, 30));
            b.add(all.narrow(0, 30, N - 30));
            a.merge(b);
            a.merge(empty);
            same(a.moments(), x, 1e-13);
            empty.merge(a);
            same(empty.moments(), x, 1e-13);
            assertThat(b.count()).isEqualTo(N - 30);
        }
    }

    @Test
    void largeMeansDoNotSpoilSmallVariances() {
        double[] x = values(1e6);
        try (Scope scope = Scope.open();
                FeatureStats stats = new FeatureStats(D)) {
            Tensor all = Tensors.of(x).view(N, D);
            stats.add(all.narrow(0, 0, 50));
            stats.add(all.narrow(0, 50, N - 50));
            assertThat(Tensors.doubles(stats.moments().covariance())).containsExactly(covariance(x), within(1e-9));
        }
    }

    @Test
    void refusesWhatHasNoStatistics() {
        try (Scope scope = Scope.open();
                FeatureStats stats = new FeatureStats(2)) {
            stats.add(Tensors.of(1.0, 2.0).view(1, 2));
            assertThatThrownBy(stats::moments)
                    .isInstanceOf(InputException.class)
                    .hasMessage("a covariance needs at least 2 pictures, got 1");
            Tensor bad = Tensors.of(1, 2, 3, Double.NaN, 5, 6).view(3, 2);
            assertThatThrownBy(() -> stats.add(bad))
                    .isInstanceOf(InputException.class)
                    .hasMessage("features must be finite, those of picture 3 are not");
            assertThatThrownBy(() -> stats.add(Tensors.empty(ScalarType.Float, 3, 4)))
                    .hasMessageContaining("features must have shape (any, 2), got (3, 4)");
            assertThatIllegalArgumentException().isThrownBy(() -> new FeatureStats(0));
        }
    }

    @Test
    void nativeObjectsDoNotPileUp() {
        try (Scope scope = Scope.open();
                FeatureStats stats = new FeatureStats(4)) {
            Tensor part = Tensors.empty(ScalarType.Float, 9, 4).zero_();
            stats.add(part);
            long before = Pointer.totalCount();
            for (int i = 0; i < 50; i++) {
                stats.add(part);
            }
            assertThat(Pointer.totalCount()).isEqualTo(before);
        }
    }
}
