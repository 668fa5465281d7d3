package org.mezzotint.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.eval.PrecisionRecall.Setting;
import org.mezzotint.golden.Golden;
import org.mezzotint.io.InputException;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class PrecisionRecallGoldenTest {
    private static final Setting[] ALL = {
        new Setting(3, false), new Setting(3, true), new Setting(5, false), new Setting(5, true)
    };

    @ParameterizedTest
    @ValueSource(strings = {"prdc-basic", "prdc-ties", "prdc-float16-overflow"})
    void fractionsAreExact(String name) {
        try (Scope scope = Scope.open();
                Golden golden = Golden.open("metrics/" + name)) {
            for (ScalarType type : new ScalarType[] {ScalarType.Float, ScalarType.Double}) {
                Tensor real = golden.get("in.real", type);
                Tensor fake = golden.get("in.fake", type);
                for (PrecisionRecall result : PrecisionRecall.measure(real, fake, ALL)) {
                    String key =
                            "out.k" + result.setting().k() + (result.setting().strict() ? ".strict." : ".nonstrict.");
                    assertThat(result.precision()).isEqualTo(golden.doubles(key + "precision")[0]);
                    assertThat(result.recall()).isEqualTo(golden.doubles(key + "recall")[0]);
                    Golden.assertClose(
                            key + "density", new double[] {result.density()}, golden.doubles(key + "density"), 1e-14);
                    assertThat(result.coverage()).isEqualTo(golden.doubles(key + "coverage")[0]);
                }
                for (int k : new int[] {3, 5}) {
                    Golden.assertClose(
                            "radii",
                            PrecisionRecall.radii(real, k),
                            golden.doubles("out.k" + k + ".radii_real"),
                            1e-12);
                    Golden.assertClose(
                            "radii",
                            PrecisionRecall.radii(fake, k),
                            golden.doubles("out.k" + k + ".radii_fake"),
                            1e-12);
                }
            }
        }
    }

    /** More vectors than a block has rows or columns, on a lattice full of ties and duplicates, far from the origin. */
    @Test
    void blocksAgreeWithPlainLoops() {
        int n = 1100;
        int m = 2060;
        float[] real = lattice(n, 1);
        float[] fake = lattice(m, 2);
        try (Scope scope = Scope.open()) {
            Setting strict = new Setting(2, true);
            Setting loose = new Setting(4, false);
            List<PrecisionRecall> results =
                    PrecisionRecall.measure(Tensors.of(real, n, 2), Tensors.of(fake, m, 2), strict, loose);
            assertThat(results).containsExactly(plain(real, fake, strict), plain(real, fake, loose));
            assertThat(results.get(0)).isNotEqualTo(results.get(1));
        }
    }

    private static float[] lattice(int n, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        float[] values = new float[2 * n];
        for (int i = 0; i < values.length; i++) {
            values[i] = 1000 + random.nextInt(120) + (seed == 1 ? 0 : 60);
        }
        return values;
    }

    private static PrecisionRecall plain(float[] real, float[] fake, Setting setting) {
        double[] realRadii = radii(real, setting.k());
        double[] fakeRadii = radii(fake, setting.k());
        int n = realRadii.length;
        int m = fakeRadii.length;
        long[] around = new long[m];
        boolean[] held = new boolean[n];
        boolean[] recalled = new boolean[n];
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < m; j++) {
                double d = squared(real, i, fake, j);
                boolean in = setting.strict() ? d < realRadii[i] : d <= realRadii[i];
                around[j] += in ? 1 : 0;
                held[i] |= in;
                recalled[i] |= setting.strict() ? d < fakeRadii[j] : d <= fakeRadii[j];
            }
        }
        return new PrecisionRecall(
                setting,
                (double) Arrays.stream(around).filter(a -> a > 0).count() / m,
                share(recalled),
                Arrays.stream(around).average().orElseThrow() / setting.k(),
                share(held));
    }

    private static double share(boolean... flags) {
        int count = 0;
        for (boolean flag : flags) {
            count += flag ? 1 : 0;
        }
        return (double) count / flags.length;
    }

    private static double[] radii(float[] x, int k) {
        double[] radii = new double[x.length / 2];
        for (int i = 0; i < radii.length; i++) {
            double[] distances = new double[radii.length];
            for (int j = 0; j < radii.length; j++) {
                distances[j] = squared(x, i, x, j);
            }
            Arrays.sort(distances);
            radii[i] = distances[k];
        }
        return radii;
    }

    private static double squared(float[] x, int i, float[] y, int j) {
        double a = (double) x[2 * i] - y[2 * j];
        double b = (double) x[2 * i + 1] - y[2 * j + 1];
        return a * a + b * b;
    }

    /** Vectors that differ by less than float32 products can tell. */
    @Test
    void distancesBelowTheRoundingOfProductsAreToldApart() {
        try (Scope scope = Scope.open()) {
            int n = 40;
            float[] values = new float[n];
            for (int i = 0; i < n; i++) {
                values[i] = 1 + i * i * 0x1.0p-23f; // gaps 1, 3, 5 … units in the last place
            }
            values[n - 1] = 5000;
            double[] radii = PrecisionRecall.radii(Tensors.of(values, n, 1), 1);
            assertThat(radii[0]).isEqualTo(0x1.0p-23);
            for (int i = 1; i < n - 1; i++) {
                assertThat(radii[i]).isEqualTo((2 * i - 1) * 0x1.0p-23);
            }
        }
    }

    @Test
    void collapsedSetHasNoRadiusAndNoRecall() {
        try (Scope scope = Scope.open()) {
            Tensor real = Tensors.of(lattice(60, 1), 60, 2);
            Tensor collapsed = real.narrow(0, 0, 1).expand(50, 2);
            PrecisionRecall result = PrecisionRecall.measure(real, collapsed, new Setting(3, true))
                    .get(0);
            assertThat(result.precision()).isEqualTo(1);
            assertThat(result.recall()).isZero();
            PrecisionRecall loose = PrecisionRecall.measure(real, collapsed, new Setting(3, false))
                    .get(0);
            assertThat(loose.recall()).as("the one real vector itself").isPositive();
        }
    }

    @Test
    void refusesTooFewVectorsOtherWidthsAndNaN() {
        try (Scope scope = Scope.open()) {
            Tensor few = Tensors.of(lattice(3, 1), 3, 2);
            Tensor many = Tensors.of(lattice(30, 1), 30, 2);
            assertThatThrownBy(() -> PrecisionRecall.measure(many, few, new Setting(3, true)))
                    .isInstanceOf(InputException.class)
                    .hasMessage("balls to the neighbour number 3 need more pictures than that in each set, got 3");
            assertThatThrownBy(
                            () -> PrecisionRecall.measure(many, Tensors.of(lattice(10, 1), 5, 4), new Setting(3, true)))
                    .isInstanceOf(InputException.class)
                    .hasMessageStartingWith("both sets must have as many dimensions, got 2 and 4");
            float[] bad = lattice(30, 1);
            bad[7] = Float.POSITIVE_INFINITY;
            assertThatThrownBy(() -> PrecisionRecall.radii(Tensors.of(bad, 30, 2), 3))
                    .isInstanceOf(InputException.class)
                    .hasMessage("features must be finite");
            assertThatThrownBy(() -> new Setting(0, true)).hasMessage("k must be at least 1, got 0");
        }
    }
}
