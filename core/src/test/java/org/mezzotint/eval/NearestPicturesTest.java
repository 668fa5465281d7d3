package org.mezzotint.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.mezzotint.data.Dataset;
import org.mezzotint.data.ShapesDataset;
import org.mezzotint.data.Subset;

class NearestPicturesTest {
    private static final int SIDE = 16;
    private static final int LENGTH = 3 * SIDE * SIDE;

    private static float[] picture(Dataset data, int index) {
        float[] pixels = new float[LENGTH];
        data.read(index, new SplittableRandom(0), pixels, 0);
        return pixels;
    }

    private static float[] mirrored(float[] picture) {
        float[] result = new float[LENGTH];
        for (int row = 0; row < LENGTH / SIDE; row++) {
            for (int x = 0; x < SIDE; x++) {
                result[row * SIDE + x] = picture[row * SIDE + SIDE - 1 - x];
            }
        }
        return result;
    }

    private static double distance(float[] a, float[] b) {
        double sum = 0;
        for (int i = 0; i < LENGTH; i++) {
            sum += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
        }
        return Math.sqrt(sum / LENGTH);
    }

    @Test
    void neighboursAndRatioAreThoseOfAPlainSearch() {
        try (Dataset data = new ShapesDataset(130, SIDE, SIDE, 5, 4, 1)) {
            float[] drawn = new float[LENGTH];
            for (int i = 0; i < LENGTH; i++) {
                drawn[i] = 0.6f * picture(data, 7)[i] + 0.4f * picture(data, 90)[i];
            }
            List<double[]> all = new ArrayList<>();
            for (int i = 0; i < data.size(); i++) {
                all.add(new double[] {distance(drawn, picture(data, i)), i, 0});
                all.add(new double[] {distance(drawn, mirrored(picture(data, i))), i, 1});
            }
            all.sort((a, b) -> Double.compare(a[0], b[0]));
            NearestPictures.Found found = NearestPictures.find(List.of(drawn), data, true, 4, done -> {})
                    .get(0);
            assertThat(found.nearest()).hasSize(4);
            for (int i = 0; i < 4; i++) {
                assertThat(found.nearest().get(i).distance()).isCloseTo(all.get(i)[0], within(1e-9));
            }
            assertThat(found.nearest().get(0).index()).isEqualTo((int) all.get(0)[1]);
            double mean = all.stream()
                    .limit(50)
                    .mapToDouble(each -> each[0])
                    .average()
                    .orElseThrow();
            assertThat(found.ratio()).isCloseTo(all.get(0)[0] / (0.5 * mean), within(1e-9));
        }
    }

    @Test
    void aCopyIsFoundAlsoAsItsMirrorImage() {
        try (Dataset data = new ShapesDataset(60, SIDE, SIDE, 5, 4, 1)) {
            List<float[]> drawn = List.of(picture(data, 33), mirrored(picture(data, 12)));
            List<NearestPictures.Found> plain = NearestPictures.find(drawn, data, false, 1, done -> {});
            assertThat(plain.get(0).nearest().get(0).index()).isEqualTo(33);
            assertThat(plain.get(0).nearest().get(0).distance()).isCloseTo(0, within(1e-6));
            assertThat(plain.get(0).isCopy()).isTrue();
            List<NearestPictures.Found> both = NearestPictures.find(drawn, data, true, 1, done -> {});
            assertThat(both.get(1).nearest().get(0)).matches(each -> each.index() == 12 && each.distance() < 1e-6);
            assertThat(both.get(1).isCopy()).isTrue();
        }
    }

    @Test
    void newPicturesAreNotCopies() {
        try (Dataset data = new ShapesDataset(60, SIDE, SIDE, 5, 4, 1)) {
            float[] noise = new float[LENGTH];
            SplittableRandom random = new SplittableRandom(2);
            for (int i = 0; i < LENGTH; i++) {
                noise[i] = (float) random.nextDouble(-1, 1);
            }
            NearestPictures.Found found = NearestPictures.find(List.of(noise), data, false, 1, done -> {})
                    .get(0);
            assertThat(found.ratio()).isBetween(1.5, 2.0);
            assertThat(found.isCopy()).isFalse();
            int[] two = {0, 1};
            try (Subset few = new Subset(data, two)) {
                assertThat(NearestPictures.find(List.of(noise), few, false, 5, done -> {})
                                .get(0)
                                .nearest())
                        .hasSize(2);
            }
        }
    }
}
