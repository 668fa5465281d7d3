package org.mezzotint.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.Locale;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.eval.KernelDistance.Estimator;
import org.mezzotint.golden.Golden;
import org.mezzotint.io.InputException;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class KernelDistanceGoldenTest {
    private static long[][] rows(Golden golden, String name) {
        Tensor indices = golden.get(name);
        long[][] rows = new long[(int) indices.size(0)][];
        for (int i = 0; i < rows.length; i++) {
            rows[i] = Tensors.longs(indices.select(0, i));
        }
        return rows;
    }

    /** The mean of the kernel within the first set, which tolerances are relative to. */
    private static double scale(Tensor x) {
        Tensor wide = x.to(ScalarType.Double);
        double largest = 0;
        for (double product : Tensors.doubles(wide.matmul(wide.t()))) {
            largest += Math.pow(product / x.size(1) + 1, 3);
        }
        return Math.max(1, largest / x.size(0) / x.size(0));
    }

    @ParameterizedTest
    @ValueSource(strings = {"kid-equal-n", "kid-unequal-n"})
    void estimatesAreThoseOfTorchFidelity(String name) {
        try (Scope scope = Scope.open();
                Golden golden = Golden.open("metrics/" + name)) {
            Tensor x = golden.get("in.features1");
            Tensor y = golden.get("in.features2");
            double tolerance = 1e-11 * scale(x);
            long[][] fromX = rows(golden, "in.subset_index1");
            long[][] fromY = rows(golden, "in.subset_index2");
            for (Estimator estimator : Estimator.values()) {
                String label = estimator.name().toLowerCase(Locale.ROOT);
                KernelDistance.Result result = KernelDistance.subsets(x, y, fromX, fromY, estimator);
                assertThat(result.estimates())
                        .containsExactly(golden.doubles("out.subset_mmd2_" + label), within(tolerance));
                assertThat(result.mean()).isCloseTo(golden.doubles("out.subset_mean_" + label)[0], within(tolerance));
                assertThat(result.deviation())
                        .isCloseTo(golden.doubles("out.subset_std_" + label)[0], within(tolerance));
            }
            assertThat(KernelDistance.between(x, y, Estimator.UNBIASED))
                    .isCloseTo(golden.doubles("out.kid_full_unbiased")[0], within(tolerance));
        }
    }

    @Test
    void blocksAddUpToTheWholeAndDiagonalsAreLeftOut() {
        int n = 2100; // more than one block
        int m = 2050;
        try (Scope scope = Scope.open();
                Rng rng = new Rng(5)) {
            Tensor x = rng.normal(ScalarType.Double, n, 2);
            Tensor y = rng.normal(ScalarType.Double, m, 2);
            double xx = mean(x, x, true, n * (n - 1.0));
            double yy = mean(y, y, true, m * (m - 1.0));
            double expected = xx + yy - 2 * mean(x, y, false, (double) n * m);
            assertThat(KernelDistance.between(x, y, Estimator.UNBIASED)).isCloseTo(expected, within(1e-10));
        }
    }

    /** The kernel over all pairs, without equal indices if the sets are one. */
    private static double mean(Tensor x, Tensor y, boolean same, double pairs) {
        double[] a = Tensors.doubles(x);
        double[] b = Tensors.doubles(y);
        double sum = 0;
        for (int i = 0; i < a.length; i += 2) {
            for (int j = 0; j < b.length; j += 2) {
                double k = (a[i] * b[j] + a[i + 1] * b[j + 1]) / 2 + 1;
                sum += same && i == j ? 0 : k * k * k;
            }
        }
        return sum / pairs;
    }

    @Test
    void subsetsFollowTheSeed() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(6)) {
            Tensor x = rng.normal(ScalarType.Float, 50, 4);
            Tensor y = rng.normal(ScalarType.Float, 60, 4);
            KernelDistance.Result first = KernelDistance.subsets(x, y, 3, 20, 2020);
            assertThat(first.estimates())
                    .containsExactly(KernelDistance.subsets(x, y, 3, 20, 2020).estimates());
            assertThat(first.estimates())
                    .doesNotContain(KernelDistance.subsets(x, y, 3, 20, 2021).estimates());
            assertThatThrownBy(() -> KernelDistance.subsets(x, y, 3, 51, 0))
                    .isInstanceOf(InputException.class)
                    .hasMessageStartingWith("subsets of 51 pictures need at least as many in each set, got 50 and 60");
            assertThatThrownBy(() -> KernelDistance.between(x, y, Estimator.U_STATISTIC))
                    .hasMessage("the U-statistic needs sets of equal size, got 50 and 60");
        }
    }

    /** {@code numpy.random.RandomState(2020).choice(120, 40, replace=False)}, then 89, then 120 again. */
    @Test
    void randomStateIsNumPys() {
        NumpyRandom random = new NumpyRandom(2020);
        assertThat(random.choice(120, 40)).startsWith(88, 85, 40, 53, 45, 54, 44, 17);
        assertThat(random.choice(89, 40)).startsWith(27, 15, 66, 18, 35, 76, 30, 2);
        assertThat(random.choice(120, 40)).startsWith(95, 102, 1, 90, 46, 62, 44, 98);
        long[] all = random.permutation(1000);
        Arrays.sort(all);
        assertThat(all[999]).isEqualTo(999);
        assertThatThrownBy(() -> new NumpyRandom(-1)).hasMessage("seed must be 0 to 4294967295, got -1");
    }
}
