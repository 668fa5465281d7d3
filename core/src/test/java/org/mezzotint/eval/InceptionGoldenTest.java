package org.mezzotint.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.data.PictureFiles.Picture;
import org.mezzotint.golden.Golden;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.tensor.Devices;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Shapes;
import org.mezzotint.tensor.Tensors;

class InceptionGoldenTest {
    private static final Scope WEIGHTS = Scope.owner();
    private static final Map<String, Tensor> STATE = new LinkedHashMap<>();
    private static Inception exact;
    private static Inception fast;

    /** The weights of the recipe in weights-recipe.json, under pytorch-fid's names. */
    @BeforeAll
    static void makeWeights() throws IOException {
        for (JsonNode entry : names("pytorch-fid")) {
            String name = entry.get("name").textValue();
            STATE.put(name, InceptionWeights.tensor(name, shape(entry)));
        }
        WEIGHTS.leave();
        exact = network(ScalarType.Double);
        fast = network(ScalarType.Float);
    }

    @AfterAll
    static void free() {
        exact.close();
        fast.close();
        WEIGHTS.close();
    }

    private static JsonNode names(String form) throws IOException {
        return new ObjectMapper()
                .readTree(Golden.path("inception/state-dict-" + form + ".json").toFile())
                .get("tensors");
    }

    private static long[] shape(JsonNode entry) {
        long[] shape = new long[entry.get("shape").size()];
        for (int i = 0; i < shape.length; i++) {
            shape[i] = entry.get("shape").get(i).longValue();
        }
        return shape;
    }

    private static Inception network(ScalarType type) {
        return Inception.of("recipe", STATE.keySet(), STATE::get, ResizeMode.TENSORFLOW, type, Devices.cpu());
    }

    @Test
    void recipeGivesTheStatedWeights() throws IOException {
        JsonNode recipe = new ObjectMapper()
                .readTree(Golden.path("inception/weights-recipe.json").toFile());
        for (JsonNode entry : recipe.get("tensors")) {
            float[] values = Tensors.floats(STATE.get(entry.get("name").textValue()));
            for (int i = 0; i < 4; i++) {
                String bits = entry.get("first4_bits").get(i).textValue();
                assertThat(Float.floatToIntBits(values[i])).isEqualTo(Integer.parseUnsignedInt(bits.substring(2), 16));
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "direct-299,PYTORCH,Double",
        "bilinear-resize,PYTORCH,Double",
        "tf1-resize,TENSORFLOW,Double",
        "bilinear-resize,PYTORCH,Float",
        "tf1-resize,TENSORFLOW,Float"
    })
    void outputsAndStagesAreThoseOfPytorchFidAndTorchFidelity(String name, ResizeMode mode, ScalarType type) {
        double tolerance = type == ScalarType.Double ? 1e-9 : 1e-4;
        try (Scope scope = Scope.open();
                Golden golden = Golden.open("inception/" + name)) {
            Inception inception = type == ScalarType.Double ? exact : fast;
            Tensor input = mode.input(pictures(golden.get("in.image_u8")), type, Devices.cpu());
            close(golden, "input_row150", input.select(2, 150), tolerance);
            List<String> seen = new ArrayList<>();
            Inception.Outputs outputs = inception.forward(input, (stage, y) -> {
                seen.add(stage);
                stage(golden, stage, y.to(ScalarType.Double).contiguous(), tolerance);
            });
            assertThat(seen).hasSize(16);
            close(golden, "pool3", outputs.pool3(), tolerance);
            close(golden, "sfid_nhwc", outputs.spatial(), tolerance);
            close(golden, "logits", inception.logits(outputs.pool3(), true), tolerance);
            close(golden, "logits_unbiased", inception.logits(outputs.pool3(), false), tolerance);
        }
    }

    private static void stage(Golden golden, String name, Tensor y, double tolerance) {
        long n = y.size(0);
        Tensor flat = y.view(n, -1);
        close(golden, "stage." + name + ".sum", flat.sum(1), tolerance);
        close(golden, "stage." + name + ".sumsq", flat.mul(flat).sum(1), tolerance);
        close(golden, "stage." + name + ".first8", flat.narrow(1, 0, 8), tolerance);
        Tensor corner = y.select(3, y.size(3) - 1).select(2, y.size(2) - 1).narrow(1, 0, 4);
        close(golden, "stage." + name + ".corner", corner, tolerance);
    }

    private static void close(Golden golden, String name, Tensor actual, double tolerance) {
        Golden.assertCloseToLargest(
                name, Tensors.doubles(actual.contiguous()), golden.doubles("out." + name), tolerance);
    }

    /** (N, 3, H, W) bytes. */
    private static List<Picture> pictures(Tensor nchw) {
        List<Picture> pictures = new ArrayList<>();
        for (int i = 0; i < nchw.size(0); i++) {
            long[] values = Tensors.longs(nchw.select(0, i).permute(1, 2, 0).contiguous());
            byte[] rgb = new byte[values.length];
            for (int j = 0; j < rgb.length; j++) {
                rgb[j] = (byte) values[j];
            }
            pictures.add(new Picture((int) nchw.size(3), (int) nchw.size(2), rgb));
        }
        return pictures;
    }

    @Test
    void extractsWhatIsWantedInFloat32() {
        try (Scope scope = Scope.open();
                Golden golden = Golden.open("inception/tf1-resize")) {
            assertThat(fast.dims())
                    .containsExactly(
                            Map.entry("features", 2048), Map.entry("spatial", 2023), Map.entry("logits", 1008));
            Map<String, Tensor> outputs =
                    fast.extract(pictures(golden.get("in.image_u8")), Set.of("features", "logits"));
            assertThat(outputs).containsOnlyKeys("features", "logits");
            close(golden, "pool3", outputs.get("features"), 1e-4);
            close(golden, "logits_unbiased", outputs.get("logits"), 1e-4);
            assertThat(fast.preprocessing()).isEqualTo("tensorflow");
            assertThat(fast.id()).matches("inception-2015-12-05:[0-9a-f]{16}").isEqualTo(exact.id());
        }
    }

    /** Tensors of the right shape and any content, by the names of a form. */
    private static Map<String, Tensor> blank(String form) throws IOException {
        Map<String, Tensor> blank = new LinkedHashMap<>();
        for (JsonNode entry : names(form)) {
            blank.put(entry.get("name").textValue(), Tensors.empty(ScalarType.Float, shape(entry)));
        }
        return blank;
    }

    private static Map<String, Tensor> read(Map<String, Tensor> file) {
        Map<String, long[]> shapes = new LinkedHashMap<>();
        STATE.forEach((name, tensor) -> {
            if (name.endsWith(".conv.weight")) {
                shapes.put(name.replace(".conv.weight", ""), Shapes.of(tensor));
            }
        });
        return InceptionNames.read("file", file.keySet(), file::get, shapes);
    }

    @ParameterizedTest
    @ValueSource(strings = {"pytorch-fid", "torch-fidelity", "pytorch-fid-wrapper"})
    void everyNameOfEveryFormIsUnderstood(String form) throws IOException {
        try (Scope scope = Scope.open()) {
            Map<String, Tensor> file = blank(form);
            Map<String, Tensor> read = read(file);
            // The forms list their tensors in the same order.
            List<String> ours = STATE.keySet().stream()
                    .filter(name -> !form.endsWith("wrapper") || !name.startsWith("fc."))
                    .toList();
            List<String> theirs = List.copyOf(file.keySet());
            assertThat(theirs).hasSameSizeAs(ours);
            for (int i = 0; i < ours.size(); i++) {
                if (!ours.get(i).endsWith("num_batches_tracked")) {
                    assertThat(read.get(ours.get(i)).data_ptr().address())
                            .as(ours.get(i) + " is " + theirs.get(i))
                            .isEqualTo(file.get(theirs.get(i)).data_ptr().address());
                }
            }
            assertThat(read).hasSize(form.endsWith("wrapper") ? 470 : 472);
        }
    }

    @Test
    void countersOfTrainingMayBeAbsent() throws IOException {
        try (Scope scope = Scope.open()) {
            Map<String, Tensor> file = blank("pytorch-fid");
            file.keySet().removeIf(name -> name.endsWith("num_batches_tracked"));
            assertThat(read(file)).hasSize(472);
        }
    }

    /** The TorchScript file's modules carry the names of TensorFlow's graph: node, then what it is here. */
    private static final List<String> NODES = List.of(
            "conv_2 Conv2d_2b_3x3",
            "conv_4 Conv2d_4a_3x3",
            "mixed.conv Mixed_5b.branch1x1",
            "mixed.tower.conv_1 Mixed_5b.branch5x5_2",
            "mixed_1.tower_1.conv_2 Mixed_5c.branch3x3dbl_3",
            "mixed_2.tower_2.conv Mixed_5d.branch_pool",
            "mixed_3.conv Mixed_6a.branch3x3",
            "mixed_3.tower.conv_2 Mixed_6a.branch3x3dbl_3",
            "mixed_4.tower.conv_1 Mixed_6b.branch7x7_2",
            "mixed_6.conv Mixed_6d.branch1x1",
            "mixed_7.tower_1.conv_4 Mixed_6e.branch7x7dbl_5",
            "mixed_8.tower.conv_1 Mixed_7a.branch3x3_2",
            "mixed_8.tower_1.conv_3 Mixed_7a.branch7x7x3_4",
            "mixed_9.tower_mixed_conv_1 Mixed_7b.branch3x3_2b",
            "mixed_10.tower_1_mixed_conv Mixed_7c.branch3x3dbl_3a",
            "mixed_10.tower_2_conv Mixed_7c.branch_pool");

    @Test
    void namesOfTheTorchScriptFileAreUnderstood() {
        try (Scope scope = Scope.open()) {
            Map<String, Tensor> file = torchScript();
            assertThat(file).hasSize(94 * 4 + 2);
            Map<String, Tensor> read = read(file);
            assertThat(read).hasSize(472);
            for (String line : NODES) {
                String[] pair = line.split(" ", 2);
                for (String leaf : List.of("conv.weight weight", "bn.bias beta", "bn.running_var var")) {
                    String[] leaves = leaf.split(" ", 2);
                    assertThat(read.get(pair[1] + "." + leaves[0]).data_ptr().address())
                            .as(line)
                            .isEqualTo(file.get("layers." + pair[0] + "." + leaves[1])
                                    .data_ptr()
                                    .address());
                }
            }
            assertThat(Tensors.floats(read.get("Mixed_5b.branch1x1.bn.weight")))
                    .hasSize(64)
                    .containsOnly(1f);
        }
    }

    /** All modules of the TorchScript file with their shapes, written down from the graph's structure. */
    private static Map<String, Tensor> torchScript() {
        Map<String, long[]> convolutions = new LinkedHashMap<>();
        add(convolutions, "conv", 32, 3, 3, 3);
        add(convolutions, "conv_1", 32, 32, 3, 3);
        add(convolutions, "conv_2", 64, 32, 3, 3);
        add(convolutions, "conv_3", 80, 64, 1, 1);
        add(convolutions, "conv_4", 192, 80, 3, 3);
        int[] inputs = {192, 256, 288};
        for (int i = 0; i < 3; i++) {
            String mixed = i == 0 ? "mixed." : "mixed_" + i + ".";
            add(convolutions, mixed + "conv", 64, inputs[i], 1, 1);
            add(convolutions, mixed + "tower.conv", 48, inputs[i], 1, 1);
            add(convolutions, mixed + "tower.conv_1", 64, 48, 5, 5);
            add(convolutions, mixed + "tower_1.conv", 64, inputs[i], 1, 1);
            add(convolutions, mixed + "tower_1.conv_1", 96, 64, 3, 3);
            add(convolutions, mixed + "tower_1.conv_2", 96, 96, 3, 3);
            add(convolutions, mixed + "tower_2.conv", i == 0 ? 32 : 64, inputs[i], 1, 1);
        }
        add(convolutions, "mixed_3.conv", 384, 288, 3, 3);
        add(convolutions, "mixed_3.tower.conv", 64, 288, 1, 1);
        add(convolutions, "mixed_3.tower.conv_1", 96, 64, 3, 3);
        add(convolutions, "mixed_3.tower.conv_2", 96, 96, 3, 3);
        int[] widths = {128, 160, 160, 192};
        for (int i = 0; i < 4; i++) {
            String mixed = "mixed_" + (i + 4) + ".";
            int w = widths[i];
            add(convolutions, mixed + "conv", 192, 768, 1, 1);
            add(convolutions, mixed + "tower.conv", w, 768, 1, 1);
            add(convolutions, mixed + "tower.conv_1", w, w, 1, 7);
            add(convolutions, mixed + "tower.conv_2", 192, w, 7, 1);
            add(convolutions, mixed + "tower_1.conv", w, 768, 1, 1);
            add(convolutions, mixed + "tower_1.conv_1", w, w, 7, 1);
            add(convolutions, mixed + "tower_1.conv_2", w, w, 1, 7);
            add(convolutions, mixed + "tower_1.conv_3", w, w, 7, 1);
            add(convolutions, mixed + "tower_1.conv_4", 192, w, 1, 7);
            add(convolutions, mixed + "tower_2.conv", 192, 768, 1, 1);
        }
        add(convolutions, "mixed_8.tower.conv", 192, 768, 1, 1);
        add(convolutions, "mixed_8.tower.conv_1", 320, 192, 3, 3);
        add(convolutions, "mixed_8.tower_1.conv", 192, 768, 1, 1);
        add(convolutions, "mixed_8.tower_1.conv_1", 192, 192, 1, 7);
        add(convolutions, "mixed_8.tower_1.conv_2", 192, 192, 7, 1);
        add(convolutions, "mixed_8.tower_1.conv_3", 192, 192, 3, 3);
        for (int i = 9; i <= 10; i++) {
            String mixed = "mixed_" + i + ".";
            int in = i == 9 ? 1280 : 2048;
            add(convolutions, mixed + "conv", 320, in, 1, 1);
            add(convolutions, mixed + "tower_conv", 384, in, 1, 1);
            add(convolutions, mixed + "tower_mixed_conv", 384, 384, 1, 3);
            add(convolutions, mixed + "tower_mixed_conv_1", 384, 384, 3, 1);
            add(convolutions, mixed + "tower_1_conv", 448, in, 1, 1);
            add(convolutions, mixed + "tower_1_conv_1", 384, 448, 3, 3);
            add(convolutions, mixed + "tower_1_mixed_conv", 384, 384, 1, 3);
            add(convolutions, mixed + "tower_1_mixed_conv_1", 384, 384, 3, 1);
            add(convolutions, mixed + "tower_2_conv", 192, in, 1, 1);
        }
        Map<String, Tensor> file = new LinkedHashMap<>();
        convolutions.forEach((name, shape) -> {
            file.put("layers." + name + ".weight", Tensors.empty(ScalarType.Float, shape));
            for (String leaf : List.of("beta", "mean", "var")) {
                file.put("layers." + name + "." + leaf, Tensors.empty(ScalarType.Float, shape[0]));
            }
        });
        file.put("output.weight", Tensors.empty(ScalarType.Float, 1008, 2048));
        file.put("output.bias", Tensors.empty(ScalarType.Float, 1008));
        return file;
    }

    private static void add(Map<String, long[]> convolutions, String name, long... shape) {
        convolutions.put(name, shape);
    }

    @Test
    void everyProblemIsNamedAtOnce() throws IOException {
        try (Scope scope = Scope.open()) {
            Map<String, Tensor> file = blank("torch-fidelity");
            file.remove("Mixed_6c.branch7x7_2.conv.weight");
            file.remove("fc.bias");
            file.put("AuxLogits.fc.weight", Tensors.empty(ScalarType.Float, 2, 2));
            file.put("Conv2d_2a_3x3.bn.bias", Tensors.empty(ScalarType.Float, 31));
            assertThatThrownBy(() -> read(file))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessage(
                            "file: does not fit the FID Inception network: missing Mixed_6c.branch7x7_2.conv.weight, "
                                    + "fc.bias; extra AuxLogits.fc.weight; Conv2d_2a_3x3.bn.bias must have shape (32,), got (31,)");
            assertThatThrownBy(() -> read(Map.of("blocks.0.attn.qkv.weight", Tensors.of(1.0))))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("not the FID Inception network");
            assertThatThrownBy(() -> read(Map.of()))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("the file holds nothing");
        }
    }

    @Test
    void withoutTheClassifierThereIsNoInceptionScore() {
        Map<String, Tensor> trunk = new LinkedHashMap<>(STATE);
        trunk.keySet().removeIf(name -> name.startsWith("fc."));
        try (Scope scope = Scope.open();
                Inception inception = Inception.of(
                        "trunk", trunk.keySet(), trunk::get, ResizeMode.CLEAN, ScalarType.Float, Devices.cpu())) {
            assertThat(inception.dims()).containsOnlyKeys("features", "spatial");
            Picture picture = new Picture(2, 2, new byte[12]);
            assertThatThrownBy(() -> inception.extract(List.of(picture), Set.of("logits")))
                    .hasMessageContaining("the Inception Score needs the classifier (fc.weight)");
        }
    }

    /** The recipe: FNV-1a of the name, splitmix64 of the index. */
    static final class InceptionWeights {
        private InceptionWeights() {}

        static Tensor tensor(String name, long... shape) {
            if (name.endsWith("num_batches_tracked")) {
                return Tensors.of(new long[] {0}).squeeze();
            }
            float[] values = new float[Math.toIntExact(Shapes.count(shape))];
            long seed = 0xcbf29ce484222325L;
            for (byte b : name.getBytes(StandardCharsets.UTF_8)) {
                seed = (seed ^ (b & 0xFF)) * 0x100000001b3L;
            }
            double fan = shape.length == 4 ? shape[1] * shape[2] * shape[3] : 0;
            for (int i = 0; i < values.length; i++) {
                long z = seed + (i + 1) * 0x9E3779B97F4A7C15L;
                z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
                z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
                z ^= z >>> 31;
                double u = (z >>> 11) * 0x1.0p-53;
                double s = 2 * u - 1;
                values[i] = (float) value(name, fan, u, s);
            }
            return Tensors.of(values, shape);
        }

        private static double value(String name, double fan, double u, double s) {
            if (name.endsWith("conv.weight")) {
                return s * Math.sqrt(6 / fan);
            } else if (name.endsWith("bn.weight")) {
                return 1 + 0.25 * s;
            } else if (name.endsWith("running_var")) {
                return 1 + 0.5 * u;
            } else if (name.equals("fc.weight")) {
                return s * Math.sqrt(3 / 2048.0);
            }
            return 0.1 * s; // bn.bias, bn.running_mean, fc.bias
        }
    }
}
