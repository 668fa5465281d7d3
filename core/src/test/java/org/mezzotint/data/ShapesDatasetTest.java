package org.mezzotint.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ShapesDatasetTest extends DatasetContract {
    @Override
    Dataset open() {
        return new ShapesDataset(36, 16, 20, 7);
    }

    @Override
    Dataset openOther() {
        return new ShapesDataset(36, 16, 20, 8);
    }

    @Test
    void classesAreShapesTimesColours() {
        assertThat(open().classNames())
                .containsExactly(
                        "red circle",
                        "green circle",
                        "blue circle",
                        "red square",
                        "green square",
                        "blue square",
                        "red triangle",
                        "green triangle",
                        "blue triangle");
        assertThat(new ShapesDataset(1, 8, 8, 5, 6, 0).classNames())
                .hasSize(30)
                .contains("yellow cross", "cyan diamond");
        assertThat(new ShapesDataset(1, 8, 8, 1, 2, 0).classNames()).containsExactly("red circle", "green circle");
    }

    @Test
    void anotherSeedGivesOtherPictures() {
        assertThat(TestPictures.read(open(), 0)).isNotEqualTo(TestPictures.read(openOther(), 0));
    }

    @Test
    void pictureDoesNotDependOnHowManyThereAre() {
        Dataset longer = new ShapesDataset(1000, 16, 20, 7);
        assertThat(TestPictures.read(longer, 35)).isEqualTo(TestPictures.read(open(), 35));
    }

    @ParameterizedTest
    @CsvSource({"8, 8", "9, 31", "31, 9", "64, 64"})
    void shapeLiesWholeInsideThePictureOfAnySize(int height, int width) {
        Dataset dataset = new ShapesDataset(90, height, width, 5, 6, 1);
        for (int i = 0; i < dataset.size(); i++) {
            float[] picture = TestPictures.read(dataset, i);
            double area = 0;
            for (int p = 0; p < height * width; p++) {
                float r = picture[p];
                float g = picture[p + height * width];
                float b = picture[p + 2 * height * width];
                area += (Math.max(r, Math.max(g, b)) + 1) / 2.0;
            }
            double shorter = Math.min(height, width);
            // The smallest shape (triangle, diamond: 2·extent²) to the largest (square: 4·extent²), drawn coarsely.
            assertThat(area)
                    .isBetween(0.8 * 2 * 0.22 * 0.22 * shorter * shorter, 1.1 * 4 * 0.38 * 0.38 * shorter * shorter);
        }
    }

    @Test
    void circleHasTheAreaOfItsFormula() {
        // One class only; E[π·(e·H)²] for e uniform in [0.22, 0.38] is π·H²·(0.38³ - 0.22³) / (3·0.16).
        Dataset circles = new ShapesDataset(2000, 32, 32, 1, 1, 5);
        double area = 0;
        for (int i = 0; i < circles.size(); i++) {
            float[] picture = TestPictures.read(circles, i);
            for (int p = 0; p < 32 * 32; p++) {
                area += (picture[p] + 1) / 2 / circles.size();
            }
        }
        double expected = Math.PI * 32 * 32 * (Math.pow(0.38, 3) - Math.pow(0.22, 3)) / (3 * 0.16);
        assertThat(area).isBetween(0.97 * expected, 1.03 * expected);
    }

    @Test
    void refusesValuesOutOfRange() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new ShapesDataset(0, 8, 8, 1))
                .withMessage("size must be 1 to 2147483647, got 0");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new ShapesDataset(1, 7, 8, 1))
                .withMessageContaining("height");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new ShapesDataset(1, 8, 7, 1))
                .withMessageContaining("width");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new ShapesDataset(1, 8, 8, 6, 3, 1))
                .withMessage("shapes must be 1 to 5, got 6");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new ShapesDataset(1, 8, 8, 3, 7, 1))
                .withMessage("colours must be 1 to 6, got 7");
    }
}
