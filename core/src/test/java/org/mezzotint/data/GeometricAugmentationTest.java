package org.mezzotint.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.ToDoubleFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.mezzotint.data.GeometricAugmentation.Warp;

class GeometricAugmentationTest {
    private static final Warp IDENTITY = new Warp(false, false, 0, 0, 0, 0, 0, 0);

    private static float[] noise(int length) {
        SplittableRandom random = new SplittableRandom(5);
        float[] picture = new float[length];
        for (int i = 0; i < length; i++) {
            picture[i] = (float) (2 * random.nextDouble() - 1);
        }
        return picture;
    }

    /** From where pixel (c, y, x) of a result comes. */
    private interface From {
        int index(int c, int y, int x);
    }

    private static float[] moved(float[] picture, int channels, int height, int width, From from) {
        float[] moved = new float[picture.length];
        for (int c = 0, i = 0; c < channels; c++) {
            for (int y = 0; y < height; y++) {
                for (int x = 0; x < width; x++, i++) {
                    moved[i] = picture[from.index(c, y, x)];
                }
            }
        }
        return moved;
    }

    @ParameterizedTest
    @CsvSource({"3, 8, 8", "1, 7, 10", "3, 9, 4", "1, 1, 5", "3, 1, 1"})
    void noWarpAndBothMirrorsAreExact(int c, int h, int w) {
        float[] picture = noise(c * h * w);
        assertThat(IDENTITY.apply(picture, c, h, w)).isEqualTo(picture);
        assertThat(IDENTITY.condition()).containsOnly(0);
        assertThat(new Warp(true, false, 0, 0, 0, 0, 0, 0).apply(picture, c, h, w))
                .isEqualTo(moved(picture, c, h, w, (k, y, x) -> (k * h + y) * w + w - 1 - x));
        assertThat(new Warp(false, true, 0, 0, 0, 0, 0, 0).apply(picture, c, h, w))
                .isEqualTo(moved(picture, c, h, w, (k, y, x) -> (k * h + h - 1 - y) * w + x));
    }

    @Test
    void aShiftByWholePixelsMovesTheMirroredContinuationIn() {
        float[] picture = noise(2 * 8 * 16);
        // of 8 rows and 16 columns: 3 eighths of the height are 3 pixels right, half an eighth of the width is 1 pixel
        // down
        float[] shifted = new Warp(false, false, 0, 0, 0, 0, 3, 0.5).apply(picture, 2, 8, 16);
        assertThat(shifted)
                .isEqualTo(moved(picture, 2, 8, 16, (c, y, x) -> (c * 8 + Math.abs(y - 1)) * 16 + Math.abs(x - 3)));
    }

    @Test
    void aShiftOfManyPicturesStillFindsItsWay() {
        float[] picture = noise(8 * 8);
        int period = 2 * 7;
        Warp far = new Warp(false, false, 0, 0, 0, 0, 1000 * period + 2, -1000 * period);
        assertThat(far.apply(picture, 1, 8, 8))
                .isEqualTo(moved(picture, 1, 8, 8, (c, y, x) -> y * 8 + Math.abs(x - 2)));
    }

    @Test
    void aQuarterTurnIsCounterClockwise() {
        float[] picture = noise(9 * 9);
        float[] turned = new Warp(false, false, 0, Math.PI / 2, 0, 0, 0, 0).apply(picture, 1, 9, 9);
        // what was right is up: pixel (x, y) comes from (8 − y, x)
        float[] expected = moved(picture, 1, 9, 9, (c, y, x) -> x * 9 + 8 - y);
        assertThat(turned).containsExactly(expected, within(1e-6f));
    }

    @Test
    void stretchingDoublesAlongItsDirectionAndHalvesAcross() {
        // 2^(0.2·5) = 2 towards the y axis
        double[] matrix = new Warp(false, false, 0, 0, Math.PI / 2, 5, 0, 0).matrix(5, 5);
        assertThat(matrix).containsExactly(new double[] {0.5, 0, 1, 0, 2, -2, 0, 0, 1}, within(1e-12));
        double[] scaled = new Warp(false, false, -5, 0, 0, 0, 0, 0).matrix(5, 7);
        assertThat(scaled).containsExactly(new double[] {0.5, 0, 1.5, 0, 0.5, 1, 0, 0, 1}, within(1e-12));
    }

    private static int row(int pixel, int width) {
        return pixel / width;
    }

    /** Cubic convolution reproduces a ramp, so that a warped ramp shows where each pixel came from. */
    @Test
    void everyPixelComesFromWhereTheMatrixSays() {
        int h = 20;
        int w = 31;
        float[] ramps = new float[2 * h * w];
        for (int i = 0; i < h * w; i++) {
            ramps[i] = i % w;
            ramps[h * w + i] = row(i, w);
        }
        Warp enlarging = new Warp(true, false, 8, 2.1, -0.6, 0.9, 0.4, -0.3); // shows the middle only
        double[] m = enlarging.matrix(h, w);
        float[] from = enlarging.apply(ramps, 2, h, w);
        for (int i = 0; i < h * w; i++) {
            double x = from[i];
            double y = from[h * w + i];
            assertThat(m[0] * x + m[1] * y + m[2]).isCloseTo(i % w, within(1e-4));
            assertThat(m[3] * x + m[4] * y + m[5]).isCloseTo(row(i, w), within(1e-4));
        }
    }

    @Test
    void everyNumberOfAWarpChangesThePictureAndWhatTheNetworkIsTold() {
        Warp base = new Warp(false, false, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6);
        float[] picture = noise(8 * 8);
        for (Warp other : List.of(
                new Warp(true, false, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6),
                new Warp(false, true, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6),
                new Warp(false, false, 0, 0.2, 0.3, 0.4, 0.5, 0.6),
                new Warp(false, false, 0.1, 0, 0.3, 0.4, 0.5, 0.6),
                new Warp(false, false, 0.1, 0.2, 0, 0.4, 0.5, 0.6),
                new Warp(false, false, 0.1, 0.2, 0.3, 0, 0.5, 0.6),
                new Warp(false, false, 0.1, 0.2, 0.3, 0.4, 0, 0.6),
                new Warp(false, false, 0.1, 0.2, 0.3, 0.4, 0.5, 0))) {
            assertThat(other.apply(picture, 1, 8, 8)).as(other.toString()).isNotEqualTo(base.apply(picture, 1, 8, 8));
            assertThat(other.condition()).as(other.toString()).isNotEqualTo(base.condition());
        }
    }

    private static double[] drawn(double probability, ToDoubleFunction<Warp> number) {
        GeometricAugmentation augmentation = new GeometricAugmentation(probability);
        SplittableRandom random = new SplittableRandom(3);
        double[] values = new double[20_000];
        Arrays.setAll(values, i -> number.applyAsDouble(augmentation.draw(random)));
        return values;
    }

    private static double share(double... values) {
        return Arrays.stream(values).filter(value -> value != 0).count() / (double) values.length;
    }

    @Test
    void theMirrorComesEverySecondTimeAndTheOthersWithTheirProbability() {
        for (double p : new double[] {0.12, 1}) {
            assertThat(share(drawn(p, warp -> warp.mirrored() ? 1 : 0))).isCloseTo(0.5, within(0.015));
            assertThat(share(drawn(p, warp -> warp.upsideDown() ? 1 : 0))).isCloseTo(p / 2, within(0.015));
            List<ToDoubleFunction<Warp>> others =
                    List.of(Warp::scale, Warp::rotation, Warp::stretch, Warp::stretchAngle, Warp::shiftX, Warp::shiftY);
            others.forEach(number -> assertThat(share(drawn(p, number))).isCloseTo(p, within(0.015)));
        }
    }

    private static void hasMoments(ToDoubleFunction<Warp> number, double deviation) {
        double[] values = drawn(1, number);
        assertThat(Arrays.stream(values).average().orElseThrow()).isCloseTo(0, within(0.03 * deviation));
        double square = Arrays.stream(values).map(v -> v * v).average().orElseThrow();
        assertThat(Math.sqrt(square)).isCloseTo(deviation, within(0.02 * deviation));
    }

    @Test
    void sizesAreNormalAndAnglesUniform() {
        List<ToDoubleFunction<Warp>> normal = List.of(Warp::scale, Warp::stretch, Warp::shiftX, Warp::shiftY);
        normal.forEach(number -> hasMoments(number, 1));
        List<ToDoubleFunction<Warp>> uniform = List.of(Warp::rotation, Warp::stretchAngle);
        uniform.forEach(number -> {
            hasMoments(number, Math.PI / Math.sqrt(3));
            assertThat(Arrays.stream(drawn(1, number)).map(Math::abs).max().orElseThrow())
                    .isBetween(3.14, Math.PI);
        });
    }

    @Test
    void drawsStayAsTheyAreSoThatOldRunsResume() {
        assertThat(new GeometricAugmentation(0.5).draw(new SplittableRandom(7)))
                .isEqualTo(new Warp(
                        true,
                        false,
                        0,
                        -1.5743681776354226,
                        -1.0802257065193972,
                        0.14201766185530537,
                        -0.17818654592383887,
                        -0.31036885951204146));
    }

    @Test
    void valuesOutOfRangeAreRefused() {
        for (double p : new double[] {0, 1.5, Double.NaN}) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> new GeometricAugmentation(p))
                    .withMessage("probability must be above 0 and at most 1, got " + p);
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new Warp(false, false, 1, 2, 3, Double.NaN, 5, 6))
                .withMessage(
                        "the numbers of a warp must be finite, got scale 1.0, rotation 2.0, stretch NaN at 3.0, shift"
                                + " 5.0 and 6.0");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> IDENTITY.apply(new float[5], 1, 2, 3))
                .withMessage("picture must hold 1·2·3 numbers, got 5");
    }
}
