package org.mezzotint.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashSet;
import java.util.Set;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;

/** The expected numbers come from torch 2.10 in Python: torch.Generator().manual_seed(seed), torch.randn(n). */
class RngTest {
    // below 16 elements libtorch draws one by one, from 16 on in blocks, and float64 differs from float32
    @Test
    void fourNumbersHaveTheBitsOfPyTorch() {
        float32(0, 4, 1.5409961f, -0.2934289f, -2.1787894f, 0.56843126f);
        float32(42, 4, 0.33669037f, 0.1288094f, 0.23446237f, 0.23033303f);
        float64(0, 4, 1.5409961082440433, -0.2934289057609464, -2.1787893820745574, 0.5684312772806678);
        float64(42, 4, 0.33669035438385886, 0.1288094051365897, 0.23446236336153173, 0.2303330279146119);
    }

    @Test
    void sixteenNumbersHaveTheBitsOfPyTorch() {
        float32(0, 16, -1.1258398f, -1.1523602f, 0.32227492f, -0.24727815f);
        float32(42, 16, 1.9269153f, 1.4872841f, -0.7521353f, 0.7624454f);
        float64(0, 16, -2.310411800234176, -0.3732508612577643, -1.2956271403277857, 0.3380174030507378);
        float64(42, 16, 0.2995562877502637, 0.24237779080894106, 0.17347640142361004, -1.4920727283504345);
    }

    @Test
    void aPicturesNumbersHaveTheBitsOfPyTorch() {
        float32(0, 3072, -1.1258398f, -1.1523602f, -0.7700525f, -0.8415489f);
        float32(42, 3072, 1.9269153f, 1.4872841f, -0.84967965f, -1.5831095f);
        float64(0, 3072, -2.310411800234176, -0.3732508612577643, 0.7398111353864188, -0.48821623244347184);
        float64(42, 3072, 0.2995562877502637, 0.24237779080894106, 2.8510918408680124, 0.6987110800208967);
    }

    @Test
    void onlyTheLow32BitsOfASeedSelectTheStreamAsInPyTorch() {
        long seed = (1L << 40) + 7; // the numbers are those of manual_seed(2**40 + 7)
        float32(seed, 4, -0.1467951f, 0.7861413f, 0.94682163f, -1.114344f);
        float64(seed, 16, 0.06626753966449943, 0.04699155524392409, -0.8067815436367963, -1.0492146121597965);
        float32(7, 4, -0.1467951f, 0.7861413f, 0.94682163f, -1.114344f);
    }

    @Test
    void theStreamGoesOnWhereTheLastDrawEnded() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(42)) {
            rng.normal(ScalarType.Float, 4);
            assertThat(Tensors.floats(rng.normal(ScalarType.Float, 4))[0]).isEqualTo(-1.1228564f);
            rng.reseed(42).normal(ScalarType.Float, 16);
            assertThat(Tensors.floats(rng.normal(ScalarType.Float, 4))[0]).isEqualTo(0.46165723f);
        }
    }

    @Test
    void fillingATensorDrawsTheSameNumbers() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(3)) {
            Tensor drawn = rng.normal(ScalarType.Double, 2, 3, 4);
            Tensor filled = Tensors.empty(ScalarType.Double, 2, 3, 4);
            rng.reseed(3).fillNormal(filled);
            assertThat(Tensors.doubles(filled)).containsExactly(Tensors.doubles(drawn));
        }
    }

    @Test
    void uniformNumbersHaveTheBitsOfPyTorch() {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(5)) {
            Tensor single = Tensors.empty(ScalarType.Float, 4);
            rng.fillUniform(single, -1, 2);
            assertThat(Tensors.floats(single)).containsExactly(1.4907556f, -0.62166727f, 1.722409f, 1.4597812f);
            Tensor precise = Tensors.empty(ScalarType.Double, 4);
            rng.reseed(5).fillUniform(precise, -1, 2);
            assertThat(Tensors.doubles(precise))
                    .containsExactly(
                            0.9260450198842822, -0.2207262544710541, 0.08248285828146273, -0.05460217555284841);
        }
    }

    @Test
    void mixedSeedsNeverChange() {
        assertThat(Rng.mix(0)).isEqualTo(0xe220a8397b1dcdafL); // splitmix64's first output
        assertThat(Rng.mix(42, 0)).isEqualTo(0x45fdaa92f22a7a13L);
        assertThat(Rng.mix(42, 1, 7)).isEqualTo(0x4a992fe5eb3dca71L);
        assertThat(Rng.mix(-1, 3)).isEqualTo(0xdeed98a2e70ffe43L);
        assertThat(Rng.unit(Rng.mix(42, 1, 7))).isEqualTo(2624697409562553L / 9007199254740992.0);
    }

    @Test
    void everyPictureOfEveryPurposeHasItsOwnStream() {
        Set<Integer> streams = new HashSet<>();
        for (long purpose = 0; purpose < 4; purpose++) {
            for (long picture = 0; picture < 500; picture++) {
                streams.add((int) Rng.mix(1, purpose, picture)); // the bits that select a stream
            }
        }
        assertThat(streams).hasSize(2000);
        assertThat(Rng.mix(1, 2, 3)).isNotEqualTo(Rng.mix(1, 3, 2)).isNotEqualTo(Rng.mix(1, 2));
        assertThat(Rng.mix(1, 2)).isNotEqualTo(Rng.mix(2, 1));
    }

    @Test
    void aPicturesStreamDoesNotDependOnThoseDrawnBesideIt() {
        try (Scope scope = Scope.open();
                Rng alone = new Rng(Rng.mix(9, 1));
                Rng one = new Rng(Rng.mix(9, 1));
                Rng two = new Rng(Rng.mix(9, 2))) {
            float[] expected = Tensors.floats(alone.normal(ScalarType.Float, 20));
            two.normal(ScalarType.Float, 33);
            Tensor first = one.normal(ScalarType.Float, 20);
            two.normal(ScalarType.Float, 20);
            assertThat(Tensors.floats(first)).containsExactly(expected);
            assertThat(Tensors.floats(one.normal(ScalarType.Float, 20)))
                    .containsExactly(Tensors.floats(alone.normal(ScalarType.Float, 20)));
        }
    }

    @Test
    void unitNumbersFillTheIntervalEvenly() {
        int[] bins = new int[16];
        for (int i = 0; i < 16_000; i++) {
            bins[(int) (16 * Rng.unit(Rng.mix(5, i)))]++;
        }
        for (int count : bins) {
            assertThat(count).isBetween(870, 1130); // four standard deviations of a bin
        }
        assertThat(Rng.unit(0)).isZero();
        assertThat(Rng.unit(-1)).isLessThan(1);
    }

    private static void float32(long seed, int n, float first, float second, float middle, float last) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(seed)) {
            float[] x = Tensors.floats(rng.normal(ScalarType.Float, n));
            assertThat(new float[] {x[0], x[1], x[n / 2], x[n - 1]}).containsExactly(first, second, middle, last);
        }
    }

    private static void float64(long seed, int n, double first, double second, double middle, double last) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(seed)) {
            double[] x = Tensors.doubles(rng.normal(ScalarType.Double, n));
            assertThat(new double[] {x[0], x[1], x[n / 2], x[n - 1]}).containsExactly(first, second, middle, last);
        }
    }
}
