package org.mezzotint.data;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.mezzotint.data.ShapesOracle.Verdict;

class ShapesOracleTest {
    private static final int PICTURES = 500;

    private static double accuracy(ShapesDataset dataset, double noise) {
        SplittableRandom random = new SplittableRandom(9);
        int right = 0;
        for (int i = 0; i < dataset.size(); i++) {
            float[] picture = TestPictures.read(dataset, i);
            for (int p = 0; p < picture.length; p++) {
                picture[p] += (float) (noise * random.nextGaussian());
            }
            Verdict verdict = ShapesOracle.judge(picture, 0, dataset.height(), dataset.width());
            right += verdict.is(dataset.classNames().get((int) dataset.label(i))) ? 1 : 0;
        }
        return right / (double) dataset.size();
    }

    @ParameterizedTest
    @CsvSource({"2000, 24, 24", "2000, 32, 32", "500, 24, 40"})
    void isRightOnRealPictures(int pictures, int height, int width) {
        assertThat(accuracy(new ShapesDataset(pictures, height, width, 1), 0)).isGreaterThanOrEqualTo(0.995);
    }

    @ParameterizedTest
    @CsvSource({"24, 0.05", "32, 0.05", "32, 0.15"})
    void isRightUnderMildNoise(int side, double noise) {
        assertThat(accuracy(new ShapesDataset(PICTURES, side, side, 2), noise)).isGreaterThanOrEqualTo(0.99);
    }

    @ParameterizedTest
    @CsvSource({"24", "32"})
    void knowsAllShapesAndColours(int side) {
        ShapesDataset all =
                new ShapesDataset(PICTURES, side, side, ShapesDataset.MAX_SHAPES, ShapesDataset.MAX_COLOURS, 3);
        assertThat(accuracy(all, 0.05)).isGreaterThanOrEqualTo(0.99);
    }

    /** What a young diffusion model draws: soft edges, dull colours, a background that is not quite black. */
    @ParameterizedTest
    @CsvSource({"24", "32"})
    void isRightOnSoftDullPictures(int side) {
        ShapesDataset dataset = new ShapesDataset(PICTURES, side, side, 4);
        SplittableRandom random = new SplittableRandom(3);
        int right = 0;
        for (int i = 0; i < dataset.size(); i++) {
            float[] sharp = TestPictures.read(dataset, i);
            float[] soft = new float[sharp.length];
            for (int p = 0; p < soft.length; p++) {
                int row = p / side % side;
                int column = p % side;
                int neighbours = 0;
                for (int dy = -1; dy <= 1; dy++) {
                    for (int dx = -1; dx <= 1; dx++) {
                        boolean inside = row + dy >= 0 && row + dy < side && column + dx >= 0 && column + dx < side;
                        soft[p] += inside ? sharp[p + dy * side + dx] : 0;
                        neighbours += inside ? 1 : 0;
                    }
                }
                soft[p] = (float) (0.85 * soft[p] / neighbours + 0.05 * random.nextGaussian());
            }
            right += ShapesOracle.judge(soft, 0, side, side)
                            .is(dataset.classNames().get((int) dataset.label(i)))
                    ? 1
                    : 0;
        }
        assertThat(right).isGreaterThanOrEqualTo(PICTURES * 97 / 100);
    }

    @Test
    void bytesAreJudgedAlike() {
        ShapesDataset dataset = new ShapesDataset(90, 24, 24, 4);
        for (int i = 0; i < dataset.size(); i++) {
            float[] chw = TestPictures.read(dataset, i);
            byte[] hwc = new byte[chw.length];
            for (int p = 0; p < 24 * 24; p++) {
                for (int c = 0; c < 3; c++) {
                    hwc[3 * p + c] = (byte) Math.round((chw[c * 24 * 24 + p] + 1) * 127.5f);
                }
            }
            assertThat(ShapesOracle.judge(hwc, 24, 24)).isEqualTo(ShapesOracle.judge(chw, 0, 24, 24));
        }
    }

    @Test
    void noiseAndEmptyPicturesAreUnknown() {
        SplittableRandom random = new SplittableRandom(5);
        for (int i = 0; i < 200; i++) {
            float[] picture = new float[3 * 24 * 24];
            float level = (float) random.nextDouble(-1, 1);
            for (int p = 0; p < picture.length; p++) {
                picture[p] = i % 2 == 0 ? (float) random.nextDouble(-1, 1) : level;
            }
            Verdict verdict = ShapesOracle.judge(picture, 0, 24, 24);
            assertThat(verdict.colour()).isEmpty();
            assertThat(verdict.shape()).isEmpty();
        }
    }

    /** A red blob whose radius is 8·(1 + wobble·cos(lobes·angle)), stretched along x. */
    private static Verdict blob(double stretch, double wobble, int lobes) {
        int side = 32;
        float[] picture = new float[3 * side * side];
        Arrays.fill(picture, -1);
        for (int i = 0; i < side * side; i++) {
            double dx = (i % side + 0.5 - side / 2.0) / Math.sqrt(stretch);
            int row = i / side;
            double dy = (row + 0.5 - side / 2.0) * Math.sqrt(stretch);
            double radius = 8 * (1 + wobble * Math.cos(lobes * Math.atan2(dy, dx)));
            picture[i] = (float) (2 * Math.min(1, Math.max(0, radius - Math.hypot(dx, dy) + 0.5)) - 1);
        }
        return ShapesOracle.judge(picture, 0, side, side);
    }

    @Test
    void onlyANearlyRoundBlobIsACircle() {
        assertThat(blob(1, 0, 1).is("red circle")).isTrue();
        assertThat(blob(1.1, 0, 1).is("red circle")).isTrue();
        assertThat(blob(1.4, 0, 1).shape()).isEmpty();
        assertThat(blob(2, 0, 1).shape()).isEmpty();
        assertThat(blob(1, 0.35, 5).shape()).isEmpty();
        assertThat(blob(1, 0.4, 3).shape()).isEmpty();
        assertThat(blob(1, 0.3, 2).shape()).isEmpty();
    }

    @Test
    void blobThatIsAlmostACircleIsStillRefused() {
        assertThat(blob(1.3, 0, 1).shape()).isEmpty();
        assertThat(blob(1, 0.2, 2).shape()).isEmpty();
        assertThat(blob(1, 0.25, 3).shape()).isEmpty();
    }

    @Test
    void twoShapesInOnePictureAreUnknown() {
        ShapesDataset dataset = new ShapesDataset(9, 32, 32, 6);
        float[] one = TestPictures.read(dataset, 0);
        float[] two = new float[3 * 32 * 64];
        Arrays.fill(two, -1);
        for (int c = 0; c < 3; c++) {
            for (int y = 0; y < 32; y++) {
                for (int copy = 0; copy < 2; copy++) {
                    System.arraycopy(one, (c * 32 + y) * 32, two, (c * 32 + y) * 64 + 32 * copy, 32);
                }
            }
        }
        Verdict verdict = ShapesOracle.judge(two, 0, 32, 64);
        assertThat(verdict.colour()).hasValue("red");
        assertThat(verdict.shape()).isEmpty();
    }

    @Test
    void twoColoursInOneShapeAreUnknown() {
        ShapesDataset dataset = new ShapesDataset(9, 32, 32, 6);
        float[] picture = TestPictures.read(dataset, 0);
        for (int y = 0; y < 32; y++) {
            for (int x = 0; x < 32; x += 2) {
                int i = y * 32 + x;
                float red = picture[i];
                picture[i] = picture[32 * 32 + i];
                picture[32 * 32 + i] = red;
            }
        }
        assertThat(ShapesOracle.judge(picture, 0, 32, 32).colour()).isEmpty();
    }
}
