package org.mezzotint.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class SubsetTest extends DatasetContract {
    private final ShapesDataset base = new ShapesDataset(90, 8, 8, 1);

    @Override
    Dataset open() {
        return Subset.split(base, 45).validation();
    }

    @Override
    Dataset openOther() {
        return Subset.split(base, 45).train();
    }

    @Test
    void looksIntoTheOtherDataSet() {
        Dataset view = new Subset(base, 5, 80, 5);
        assertThat(view.size()).isEqualTo(3);
        assertThat(view.label(1)).isEqualTo(base.label(80));
        assertThat(view.name(1)).isEqualTo(base.name(80));
        assertThat(TestPictures.read(view, 2)).isEqualTo(TestPictures.read(base, 5));
        assertThat(view.fingerprint()).isNotEqualTo(new Subset(base, 5, 80).fingerprint());
    }

    @Test
    void indexThatDoesNotExistIsRefused() {
        assertThatThrownBy(() -> new Subset(base, 3, 90)).isInstanceOf(IndexOutOfBoundsException.class);
    }

    private static List<String> names(Dataset dataset) {
        List<String> names = new ArrayList<>();
        for (int i = 0; i < dataset.size(); i++) {
            names.add(dataset.name(i));
        }
        return names;
    }

    @Test
    void splitPartsShareNothingAndCoverEverything() {
        Subset.Split split = Subset.split(base, 20);
        assertThat(names(split.validation())).hasSize(20).doesNotContainAnyElementsOf(names(split.train()));
        assertThat(names(split.train())).hasSize(70);
        List<String> all = new ArrayList<>(names(split.train()));
        all.addAll(names(split.validation()));
        assertThat(all).containsExactlyInAnyOrderElementsOf(names(base));
    }

    @Test
    void largerPartContainsTheSmallerOne() {
        assertThat(names(Subset.split(base, 30).validation()))
                .containsAll(names(Subset.split(base, 10).validation()));
    }

    @Test
    void choiceIsSpreadAndNeverChanges() {
        assertThat(names(Subset.split(base, 5).validation()))
                .containsExactly(
                        "shapes[4] (green square)",
                        "shapes[9] (red circle)",
                        "shapes[27] (red circle)",
                        "shapes[44] (blue triangle)",
                        "shapes[70] (green triangle)");
    }

    @Test
    void nothingMayBeHeldBackButNotEverything() {
        assertThat(Subset.split(base, 0).validation().size()).isZero();
        assertThat(Subset.split(base, 0).train().size()).isEqualTo(90);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Subset.split(base, 90))
                .withMessage("validation must be 0 to 89 for 90 pictures, got 90");
    }
}
