package org.mezzotint.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What every data set promises. */
abstract class DatasetContract {
    @TempDir
    Path temp;

    private Dataset dataset;

    /** The data set under test; calling it again opens the same content anew. */
    abstract Dataset open();

    /** The same kind with other content. */
    abstract Dataset openOther();

    @BeforeEach
    void openDataset() {
        dataset = open();
    }

    @AfterEach
    void closeDataset() {
        dataset.close();
    }

    @Test
    void samePictureComesFromAnyThread() {
        Set<String> results = ConcurrentHashMap.newKeySet();
        float[][] alone = IntStream.range(0, dataset.size())
                .mapToObj(index -> TestPictures.read(dataset, index))
                .toArray(float[][]::new);
        IntStream.range(0, 200).parallel().forEach(i -> {
            int index = i % dataset.size();
            boolean same = Arrays.equals(TestPictures.read(dataset, index), alone[index]);
            results.add(same ? "same" : "picture " + index + " differs");
        });
        assertThat(results).containsExactly("same");
    }

    @Test
    void picturesDiffer() {
        assertThat(TestPictures.read(dataset, 0)).isNotEqualTo(TestPictures.read(dataset, 1));
    }

    @Test
    void openingAgainGivesTheSame() {
        try (Dataset again = open()) {
            assertThat(again.size()).isEqualTo(dataset.size());
            assertThat(again.classNames()).isEqualTo(dataset.classNames());
            assertThat(again.fingerprint()).isEqualTo(dataset.fingerprint());
            for (int i = 0; i < dataset.size(); i++) {
                assertThat(again.name(i)).isEqualTo(dataset.name(i));
                assertThat(again.label(i)).isEqualTo(dataset.label(i));
                assertThat(TestPictures.read(again, i)).isEqualTo(TestPictures.read(dataset, i));
            }
        }
    }

    @Test
    void labelsAreIndicesOfClassNamesAndAllOccur() {
        Set<Long> seen = new HashSet<>();
        for (int i = 0; i < dataset.size(); i++) {
            seen.add(dataset.label(i));
        }
        assertThat(seen)
                .allMatch(label -> label >= 0 && label < dataset.classNames().size());
        assertThat(seen).hasSize(dataset.classNames().size());
    }

    @Test
    void valuesLieInMinusOneToOneAndUseTheRange() {
        float min = 1;
        float max = -1;
        for (int i = 0; i < dataset.size(); i++) {
            for (float value : TestPictures.read(dataset, i)) {
                assertThat(value).isBetween(-1f, 1f);
                min = Math.min(min, value);
                max = Math.max(max, value);
            }
        }
        assertThat(min).isLessThan(-0.9f);
        assertThat(max).isGreaterThan(0.9f);
    }

    @Test
    void writesExactlyItsPartOfTheArray() {
        int length = dataset.channels() * dataset.height() * dataset.width();
        float[] into = new float[length + 7];
        Arrays.fill(into, 42);
        dataset.read(0, new SplittableRandom(1), into, 3);
        assertThat(Arrays.copyOfRange(into, 3, 3 + length)).isEqualTo(TestPictures.read(dataset, 0));
        assertThat(into[2]).isEqualTo(42);
        assertThat(into[3 + length]).isEqualTo(42);
        assertThatThrownBy(() -> dataset.read(0, new SplittableRandom(1), into, 8))
                .isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void indexOutsideIsRefused() {
        float[] into = new float[dataset.channels() * dataset.height() * dataset.width()];
        for (int index : new int[] {-1, dataset.size()}) {
            assertThatThrownBy(() -> dataset.label(index)).isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> dataset.name(index)).isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> dataset.read(index, new SplittableRandom(1), into, 0))
                    .isInstanceOf(IndexOutOfBoundsException.class);
        }
    }

    @Test
    void fingerprintChangesWithTheContent() {
        try (Dataset other = openOther()) {
            assertThat(dataset.fingerprint()).matches("[0-9a-f]{64}");
            assertThat(other.fingerprint()).isNotEqualTo(dataset.fingerprint());
        }
    }

    @Test
    void closingTwiceIsHarmless() {
        dataset.close();
        dataset.close();
    }
}
