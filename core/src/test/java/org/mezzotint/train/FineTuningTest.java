package org.mezzotint.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.mezzotint.data.Dataset;
import org.mezzotint.golden.Golden;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Yaml;
import org.mezzotint.models.Model;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.PatchEmbed;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class FineTuningTest {
    private static final String TABLE = "y_embedder.embedding_table.weight";

    @TempDir
    private Path folder;

    private static TrainConfig recipe(String... overrides) {
        return recipeOf("tiny.yaml", overrides);
    }

    private static TrainConfig recipeOf(String file, String... overrides) {
        Map<String, String> map = new LinkedHashMap<>();
        for (int i = 0; i < overrides.length; i += 2) {
            map.put(overrides[i], overrides[i + 1]);
        }
        String text;
        try {
            text = java.nio.file.Files.readString(
                    Golden.path("dit").getParent().resolveSibling("recipes").resolve(file));
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
        return Yaml.parse(text, "tiny", map, TrainConfig.class);
    }

    private static TrainState fresh(TrainConfig config) {
        return Trainer.start(config, "none", 1, new Device("cpu"));
    }

    /** A model with random weights everywhere, in the caller's scope. */
    private static FineTuning.Source trained(TrainConfig config, List<String> classes) {
        try (Init init = Init.random(9, Precision.FLOAT32, new Device("cpu"))) {
            Model model = config.model().create(init);
            Map<String, Tensor> weights = new LinkedHashMap<>();
            try (Rng rng = new Rng(4)) {
                model.state().forEach((name, tensor) -> {
                    Tensor copy = tensor.detach().clone();
                    if (!name.equals("pos_embed") && !name.endsWith("relative_position_index")) {
                        rng.fillNormal(copy);
                    }
                    weights.put(name, copy);
                });
            }
            model.close();
            return new FineTuning.Source(config.model(), config.diffusion(), weights, classes);
        }
    }

    private static float[] row(Tensor table, int row) {
        try (Scope scope = Scope.open()) {
            return Tensors.floats(table.detach().select(0, row));
        }
    }

    @Test
    void rowsGoToTheClassesOfTheSameName() {
        try (Scope scope = Scope.open();
                TrainState state = fresh(recipe("model.numClasses", "3"))) {
            FineTuning.Source source = trained(recipe(), List.of("cat", "dog", "cow", "emu"));
            float[] random = row(state.model().state().get(TABLE), 1);
            String said = FineTuning.begin(
                    state,
                    source,
                    FineTuning.ClassMap.of(source, List.of("emu", "yak", "chat"), Map.of("chat", "cat")));
            for (Model model : List.of(state.model(), state.average())) {
                Tensor table = model.state().get(TABLE);
                assertThat(row(table, 0)).isEqualTo(row(source.weights().get(TABLE), 3));
                assertThat(row(table, 1)).isEqualTo(random);
                assertThat(row(table, 2)).isEqualTo(row(source.weights().get(TABLE), 0));
                assertThat(row(table, 3)).isEqualTo(row(source.weights().get(TABLE), 4)); // no class
                assertThat(Tensors.floats(model.state().get("blocks.1.attn.qkv.weight")))
                        .isEqualTo(Tensors.floats(source.weights().get("blocks.1.attn.qkv.weight")));
            }
            assertThat(said).contains("2 of 3 classes known");
        }
    }

    @Test
    void classesWithoutNamesNeedAMapOrTheSameNumber() {
        try (Scope scope = Scope.open()) {
            FineTuning.Source source = trained(recipe(), List.of());
            assertThat(FineTuning.ClassMap.of(source, List.of("a", "b", "c", "d"), Map.of())
                            .rows())
                    .containsExactly(0, 1, 2, 3);
            assertThat(FineTuning.ClassMap.of(source, List.of("a", "b"), Map.of("b", "3"))
                            .rows())
                    .containsExactly(-1, 3);
            assertThatThrownBy(() -> FineTuning.ClassMap.of(source, List.of("a", "b"), Map.of()))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("give --class-map");
            assertThatThrownBy(() -> FineTuning.ClassMap.of(source, List.of("cat"), Map.of("cta", "3")))
                    .hasMessageContaining("did you mean \"cat\"?");
            assertThatThrownBy(() -> FineTuning.ClassMap.of(source, List.of("cat"), Map.of("cat", "4")))
                    .hasMessageContaining("0 to 3");
        }
    }

    @Test
    void positionsAreStretchedOverAnotherSize() {
        TrainConfig large = recipe("model.height", "16", "model.width", "12");
        try (Scope scope = Scope.open();
                TrainState state = fresh(large)) {
            FineTuning.Source source = trained(recipe(), List.of());
            FineTuning.begin(state, source, FineTuning.ClassMap.of(source, List.of("a", "b", "c", "d"), Map.of()));
            double[] table = Tensors.doubles(state.model().state().get("pos_embed"));
            // the middle of the large grid lies between the two middle rows of the small one
            double[] small = PatchEmbed.sinCosPositions(16, 4, 4);
            double[] expected = bicubic(small, 4, 16, 8, 6);
            for (int i = 0; i < expected.length; i++) {
                assertThat(table[i]).isCloseTo(expected[i], within(1e-6));
            }
        }
    }

    private static final String UVIT =
            "{type: uvit, height: 8, width: 8, channels: 3, downsampling: {type: none}, baseChannels: 4,"
                    + " embeddingWidth: 6, levels: [{multiplier: 1, blocks: 1}], transformer: {multiplier: 2, blocks: 1, numHeads: 2,"
                    + " dropout: 0.0}, groups: 2, numClasses: 4}";
    private static final String UNET =
            "{type: simple-unet, height: 8, width: 8, channels: 3, downsampling: {type: none},"
                    + " baseChannels: 4, embeddingWidth: 6, levels: [{multiplier: 1, blocks: 1}, {multiplier: 2, blocks: 1}],"
                    + " attentionResolutions: [8], numHeads: 2, dropout: 0.0, dropoutFrom: 0, groups: 2, numClasses: 4}";

    @Test
    void theNetworksOfSimpleDiffusionStartFromAnotherSizeToo() {
        TrainConfig uvit = recipe("model", UVIT);
        try (Scope scope = Scope.open();
                TrainState state =
                        fresh(recipe("model", UVIT.replace("height: 8, width: 8", "height: 16, width: 12")))) {
            FineTuning.Source source = trained(uvit, List.of());
            String said = FineTuning.begin(
                    state, source, FineTuning.ClassMap.of(source, List.of("a", "b", "c", "d"), Map.of()));
            assertThat(said).contains("positions resampled from 4×4 to 8×6");
            double[] expected = bicubic(Tensors.doubles(source.weights().get("positions")), 4, 8, 8, 6);
            double[] table = Tensors.doubles(state.model().state().get("positions"));
            for (int i = 0; i < expected.length; i++) {
                assertThat(table[i]).isCloseTo(expected[i], within(1e-6));
            }
        }
        String large = UNET.replace("height: 8, width: 8", "height: 16, width: 16");
        try (Scope scope = Scope.open();
                TrainState state = fresh(recipe("model", large.replace("[8]", "[16]")));
                TrainState otherwise =
                        fresh(recipe("model", large.replace("[8]", "[16]").replace("numHeads: 2", "numHeads: 4")))) {
            FineTuning.Source source = trained(recipe("model", UNET), List.of());
            FineTuning.ClassMap map = FineTuning.ClassMap.of(source, List.of("a", "b", "c", "d"), Map.of());
            assertThat(FineTuning.begin(state, source, map))
                    .isEqualTo("starting from trained weights, 4 of 4 classes known");
            assertThat(Tensors.floats(state.model().state().get("up.1.1.residual.skip_norm.weight")))
                    .isEqualTo(Tensors.floats(source.weights().get("up.1.1.residual.skip_norm.weight")));
            assertThatThrownBy(() -> FineTuning.begin(otherwise, source, map))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("in a way that no tensor shows");
        }
    }

    /** Separable cubic convolution with a = −3/4, half-pixel centres, borders repeated. */
    private static double[] bicubic(double[] table, int side, int d, int rows, int columns) {
        double[] result = new double[rows * columns * d];
        for (int r = 0; r < rows; r++) {
            for (int c = 0; c < columns; c++) {
                double y = (r + 0.5) * side / rows - 0.5;
                double x = (c + 0.5) * side / columns - 0.5;
                for (int k = 0; k < d; k++) {
                    double sum = 0;
                    for (int i = (int) Math.floor(y) - 1; i <= Math.floor(y) + 2; i++) {
                        for (int j = (int) Math.floor(x) - 1; j <= Math.floor(x) + 2; j++) {
                            int row = Math.max(0, Math.min(side - 1, i));
                            int column = Math.max(0, Math.min(side - 1, j));
                            sum += cubic(y - i) * cubic(x - j) * table[(row * side + column) * d + k];
                        }
                    }
                    result[(r * columns + c) * d + k] = sum;
                }
            }
        }
        return result;
    }

    private static double cubic(double distance) {
        double t = Math.abs(distance);
        double a = -0.75;
        return t <= 1 ? ((a + 2) * t - (a + 3)) * t * t + 1 : t < 2 ? a * (((t - 5) * t + 8) * t - 4) : 0;
    }

    @Test
    void whatNoTensorShowsIsComparedToo() {
        try (Scope scope = Scope.open();
                TrainState state = fresh(recipe("model.numHeads", "4"))) {
            FineTuning.Source heads = trained(recipe(), List.of());
            FineTuning.ClassMap map = FineTuning.ClassMap.of(heads, List.of("a", "b", "c", "d"), Map.of());
            assertThatThrownBy(() -> FineTuning.begin(state, heads, map))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("in a way that no tensor shows")
                    .hasMessageContaining("numHeads=2");
            FineTuning.Source eps =
                    trained(recipe("diffusion.parameterization", "eps", "model.numHeads", "4"), List.of());
            assertThatThrownBy(() -> FineTuning.begin(state, eps, map))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("something else");
        }
    }

    @Test
    void anotherDepthIsRefusedWithAllThatDoesNotFit() {
        try (Scope scope = Scope.open();
                TrainState state = fresh(recipe("model.depth", "3"))) {
            FineTuning.Source source = trained(recipe("model.mlpRatio", "4.0"), List.of());
            FineTuning.ClassMap map = FineTuning.ClassMap.of(source, List.of("a", "b", "c", "d"), Map.of());
            assertThatThrownBy(() -> FineTuning.begin(state, source, map))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("missing blocks.2.attn.qkv.weight")
                    .hasMessageContaining("blocks.0.mlp.fc1.weight is [64, 16], not [32, 16]");
        }
    }

    @Test
    void frozenParametersStayAsTheyAre() {
        TrainConfig config = recipe("training.frozen", "[\"blocks.0.*\", x_embedder.proj.bias]");
        try (Scope scope = Scope.open();
                Dataset shapes = config.data().open(Optional.empty(), 8, 8, 3);
                TrainState state = fresh(config)) {
            Map<String, float[]> before = new LinkedHashMap<>();
            state.model().state().forEach((name, tensor) -> before.put(name, Tensors.floats(tensor)));
            RunDirectory directory = RunDirectory.create(folder.resolve("run"), config);
            try (Trainer trainer = new Trainer(directory, state, shapes, Optional.empty(), List.of())) {
                trainer.run(() -> false);
            }
            state.model().state().forEach((name, tensor) -> {
                boolean same = java.util.Arrays.equals(Tensors.floats(tensor), before.get(name));
                boolean frozen = name.startsWith("blocks.0.") || name.equals("x_embedder.proj.bias");
                assertThat(same).as(name).isEqualTo(frozen || name.equals("pos_embed"));
            });
        }
    }

    @Test
    void aPatternThatNamesNothingIsRefused() {
        assertThatThrownBy(() -> fresh(recipe("training.frozen", "[\"block.0.*\"]")))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("block.0.* names no parameter");
        assertThatThrownBy(() -> fresh(recipe("training.frozen", "[\"*\"]")))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("leaves nothing to train");
    }

    /** Biases of relative positions are stretched over the new differences; a constant stays, the centre stays. */
    @Test
    void relativePositionsAreStretchedOverAnotherSize() {
        TrainConfig old = recipeOf("tiny-diffit.yaml");
        TrainConfig larger = recipeOf("tiny-diffit.yaml", "model.height", "12");
        String table = "blocks.0.attn.relative_position_bias_table";
        String index = "blocks.1.attn.relative_position_index";
        try (Scope scope = Scope.open();
                TrainState state = fresh(larger)) {
            FineTuning.Source from = trained(old, List.of());
            Tensor given = from.weights().get(table); // (7 · 7, 2)
            double[] values = new double[49 * 2];
            for (int i = 0; i < values.length; i++) {
                int down = i / 2 / 7 - 3;
                values[i] = i % 2 == 0 ? 3 : down; // head 0 constant, head 1 the difference of rows
            }
            given.copy_(Tensors.of(values).view(49, 2));
            long[] fresh = Tensors.longs(state.model().state().get(index));
            FineTuning.begin(state, from, FineTuning.ClassMap.of(from, List.of("a", "b", "c", "d"), Map.of()));
            double[] stretched = Tensors.doubles(state.model().state().get(table));
            assertThat(stretched).hasSize(11 * 7 * 2);
            for (int row = 0; row < 11; row++) {
                for (int column = 0; column < 7; column++) {
                    double[] pair = {stretched[(row * 7 + column) * 2], stretched[(row * 7 + column) * 2 + 1]};
                    assertThat(pair[0]).isCloseTo(3, within(1e-6));
                    double tolerance = row == 5 ? 1e-6 : row > 1 && row < 9 ? 0.06 : 0.5; // bicubic is not quite linear
                    assertThat(pair[1]).isCloseTo((row - 5) * 7 / 11.0, within(tolerance));
                }
            }
            assertThat(Tensors.longs(state.model().state().get(index))).containsExactly(fresh);
            assertThat(Tensors.floats(state.average().state().get(table)))
                    .containsExactly(Tensors.floats(state.model().state().get(table)));
        }
    }
}
