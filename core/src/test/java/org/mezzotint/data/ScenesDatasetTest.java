package org.mezzotint.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.mezzotint.data.ScenesDataset.Part;
import org.mezzotint.data.ScenesDataset.Relation;
import org.mezzotint.data.ScenesDataset.Scene;
import org.mezzotint.data.ScenesDataset.Thing;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Yaml;

class ScenesDatasetTest extends DatasetContract {
    private static final Map<String, float[]> COLOURS = Map.of(
            "red", new float[] {1, -1, -1},
            "green", new float[] {-1, 1, -1},
            "blue", new float[] {-1, -1, 1},
            "yellow", new float[] {1, 1, -1},
            "magenta", new float[] {1, -1, 1},
            "cyan", new float[] {-1, 1, 1});

    @Override
    Dataset open() {
        return new ScenesDataset(40, 32, 24, 5, Part.TRAIN);
    }

    @Override
    Dataset openOther() {
        return new ScenesDataset(40, 32, 24, 6, Part.TRAIN);
    }

    /** There are none. */
    @Override
    @Test
    void labelsAreIndicesOfClassNamesAndAllOccur() {
        try (Dataset scenes = open()) {
            assertThat(scenes.classNames()).isEmpty();
            assertThat(scenes.label(39)).isZero();
            assertThat(scenes.labelVector(0)).isEmpty();
        }
    }

    @Test
    void captionsAreSentences() {
        ScenesDataset scenes = new ScenesDataset(400, 16, 16, 1, Part.TRAIN);
        String thing = "a (small |large )?(red|green|blue|yellow|magenta|cyan) (circle|square|triangle|diamond|cross)";
        Set<String> relations = new HashSet<>();
        for (int i = 0; i < scenes.size(); i++) {
            String caption = scenes.captions(i).get(0);
            Scene scene = scenes.scene(i);
            if (i % 2 == 0) {
                assertThat(caption).matches(thing);
                assertThat(scene.things()).hasSize(1);
            } else {
                assertThat(caption).matches(thing + " (above|below|to the left of|to the right of) " + thing);
                assertThat(scene.things()).hasSize(2);
                relations.add(scene.relation().words());
            }
            for (Thing each : scene.things()) {
                assertThat(caption).contains(each.colour() + " " + each.shape());
            }
        }
        assertThat(relations).hasSize(4);
        assertThat(scenes.caption(0)).contains(scenes.scene(0).caption());
        assertThat(Captions.of(scenes).count()).isEqualTo(400);
        try (ShapesDataset shapes = new ShapesDataset(9, 8, 8, 1)) {
            assertThat(shapes.captions(1)).containsExactly("a green circle");
        }
    }

    @Test
    void thingsLieAsTheCaptionSaysAndDoNotTouch() {
        for (int[] sides : new int[][] {{32, 32}, {16, 40}, {40, 16}}) {
            ScenesDataset scenes = new ScenesDataset(300, sides[0], sides[1], 2, Part.HELD_OUT);
            double gap = 0.04 * Math.min(sides[0], sides[1]) - 1e-9;
            for (int i = 0; i < scenes.size(); i++) {
                Scene scene = scenes.scene(i);
                for (Thing thing : scene.things()) {
                    assertThat(thing.x()).isBetween(thing.extent() - 1e-9, sides[1] - thing.extent() + 1e-9);
                    assertThat(thing.y()).isBetween(thing.extent() - 1e-9, sides[0] - thing.extent() + 1e-9);
                }
                if (scene.things().size() == 2) {
                    Thing a = scene.things().get(0);
                    Thing b = scene.things().get(1);
                    double extents = a.extent() + b.extent();
                    double apart =
                            switch (scene.relation()) {
                                case ABOVE -> b.y() - a.y() - extents;
                                case BELOW -> a.y() - b.y() - extents;
                                case LEFT -> b.x() - a.x() - extents;
                                case RIGHT -> a.x() - b.x() - extents;
                            };
                    assertThat(apart).as(scene.toString()).isGreaterThanOrEqualTo(gap);
                    if (a.large() && !b.large()) {
                        assertThat(a.extent()).isGreaterThan(b.extent());
                    }
                }
            }
        }
    }

    @Test
    void aThingHasItsColourInItsMiddleAndTheRestIsBlack() {
        ScenesDataset scenes = new ScenesDataset(60, 33, 47, 3, Part.TRAIN);
        for (int i = 0; i < scenes.size(); i++) {
            float[] pixels = TestPictures.read(scenes, i);
            double black = 0;
            for (float value : pixels) {
                assertThat(value).isBetween(-1f, 1f);
                black += value == -1 ? 1.0 / pixels.length : 0;
            }
            assertThat(black).isBetween(0.4, 1.0);
            for (Thing thing : scenes.scene(i).things()) {
                for (int c = 0; c < 3; c++) {
                    float middle = pixels[(c * 33 + (int) thing.y()) * 47 + (int) thing.x()];
                    assertThat(middle)
                            .as(scenes.name(i))
                            .isCloseTo(COLOURS.get(thing.colour())[c], within(0.3f)); // a cross is thin
                }
            }
        }
    }

    @Test
    void heldOutCombinationsNeverOccurInTraining() {
        Set<List<String>> train = combinations(Part.TRAIN, 40_000);
        Set<List<String>> held = combinations(Part.HELD_OUT, 2_000);
        assertThat(held).doesNotContainAnyElementsOf(train);
        assertThat(train).filteredOn(each -> each.size() == 1).hasSize(27);
        assertThat(held).filteredOn(each -> each.size() == 1).hasSize(3);
        assertThat((double) held.stream().filter(each -> each.size() == 3).count() / 1800)
                .isCloseTo(0.1, within(0.03));
    }

    /** What is to be seen, whichever of the two the caption names first. */
    private static List<String> seen(String first, Relation relation, String second) {
        return switch (relation) {
            case ABOVE, LEFT -> List.of(first, relation.words(), second);
            case BELOW -> List.of(second, Relation.ABOVE.words(), first);
            case RIGHT -> List.of(second, Relation.LEFT.words(), first);
        };
    }

    private static Set<List<String>> combinations(Part part, int pictures) {
        ScenesDataset scenes = new ScenesDataset(pictures, 8, 8, 9, part);
        Set<List<String>> combinations = new HashSet<>();
        for (int i = 0; i < pictures; i++) {
            Scene scene = scenes.scene(i);
            List<String> kinds = scene.things().stream()
                    .map(thing -> thing.colour() + " " + thing.shape())
                    .toList();
            combinations.add(kinds.size() == 1 ? kinds : seen(kinds.get(0), scene.relation(), kinds.get(1)));
        }
        return combinations;
    }

    @Test
    void aRecipeMayAskForThem() {
        String yaml = "{type: scenes, size: 10, seed: 1, part: held-out, loaderThreads: 1}";
        DataConfig config = Yaml.parse(yaml, "test", DataConfig.class);
        assertThat(config).isEqualTo(new DataConfig.Scenes(10, 1, Part.HELD_OUT, 1));
        assertThat(config.unflipped()).isEqualTo(config);
        try (Dataset scenes = config.open(Optional.empty(), 16, 24, 3)) {
            assertThat(scenes.width()).isEqualTo(24);
            assertThat(scenes.caption(3)).isPresent();
        }
        assertThatIllegalArgumentException().isThrownBy(() -> config.open(Optional.of(Path.of("x")), 16, 16, 3));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> config.open(Optional.empty(), 16, 16, 4))
                .withMessage("scenes have 3 channels, the model has 4");
        assertThatThrownBy(() -> Yaml.parse(yaml.replace("size: 10", "size: 0"), "test", DataConfig.class))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("size must be 1 to");
    }
}
