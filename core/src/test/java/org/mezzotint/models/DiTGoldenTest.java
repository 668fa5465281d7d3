package org.mezzotint.models;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.golden.Golden;
import org.mezzotint.golden.GoldenDiT;
import org.mezzotint.models.layers.Embedding;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.PatchEmbed;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.models.layers.TimestepEmbedder;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class DiTGoldenTest {
    @ParameterizedTest
    @CsvSource({
        "dit/forward-p2-sigma, FLOAT64", "dit/forward-p2-sigma, FLOAT32",
        "dit/forward-p4-nosigma, FLOAT64", "dit/forward-p4-nosigma, FLOAT32",
        "dit/forward-p8-nodropout, FLOAT64", "dit/forward-p8-nodropout, FLOAT32"
    })
    void forwardEqualsTheReference(String name, Precision precision) {
        try (Golden golden = Golden.open(name);
                Scope scope = Scope.open();
                DiT dit = GoldenDiT.load(golden, precision)) {
            Tensor y = dit.forward(
                    golden.get("in.x", precision.storage()),
                    golden.get("in.t"),
                    Conditioning.classes(golden.get("in.y")),
                    Tape.plain());
            Golden.assertClose(
                    name,
                    Tensors.doubles(y),
                    golden.expected("out.y", precision.storage()),
                    golden.tolerance(precision.storage()));
        }
    }

    @Test
    void packedLinearsGiveTheSamePictures() {
        try (Golden golden = Golden.open("dit/forward-p2-sigma");
                Scope scope = Scope.open();
                DiT dit = GoldenDiT.load(golden, Precision.FLOAT32);
                org.bytedeco.pytorch.NoGradGuard noGrad = new org.bytedeco.pytorch.NoGradGuard()) {
            dit.pack(4);
            Tensor y = dit.forward(
                    golden.get("in.x"), golden.get("in.t"), Conditioning.classes(golden.get("in.y")), Tape.plain());
            Golden.assertClose("packed", Tensors.doubles(y), golden.doubles("out.y"), 2e-5);
        }
    }

    @Test
    void bfloat16StaysNearTheReference() {
        try (Golden golden = Golden.open("dit/forward-p2-sigma");
                Scope scope = Scope.open();
                DiT dit = GoldenDiT.load(golden, Precision.BFLOAT16)) {
            Tensor y = dit.forward(
                    golden.get("in.x"), golden.get("in.t"), Conditioning.classes(golden.get("in.y")), Tape.plain());
            assertThat(Tensors.type(y)).isEqualTo(ScalarType.Float);
            double[] expected = golden.doubles("out.y");
            double[] actual = Tensors.doubles(y);
            double error = 0;
            double power = 0;
            for (int i = 0; i < expected.length; i++) {
                error += Math.pow(actual[i] - expected[i], 2);
                power += expected[i] * expected[i];
            }
            assertThat(Math.sqrt(error / power)).isGreaterThan(0).isLessThan(0.02);
        }
    }

    @ParameterizedTest
    @CsvSource({"FLOAT64, false", "FLOAT64, true", "FLOAT32, false", "FLOAT32, true"})
    void gradientsEqualTheReference(Precision precision, boolean checkpointing) {
        try (Golden golden = Golden.open("dit/gradients");
                Scope scope = Scope.open();
                DiT dit = GoldenDiT.load(golden, precision);
                Tape tape = checkpointing ? Tape.checkpointing(0) : Tape.plain()) {
            Tensor x = golden.get("in.x", precision.storage()).clone().requires_grad_(true);
            Tensor y = dit.forward(x, golden.get("in.t"), Conditioning.classes(golden.get("in.y")), tape);
            tape.backward(y.mul(golden.get("in.cotangent", precision.storage())).sum());
            // the stored gradients carry the reference's float32 timestep table: 1e-6 in t_embedder
            double tolerance = precision == Precision.FLOAT64 ? 2e-6 : golden.tolerance(ScalarType.Float);
            for (Map.Entry<String, Tensor> p : dit.trainable().entrySet()) {
                Golden.assertClose(
                        p.getKey(),
                        Tensors.doubles(p.getValue().grad()),
                        golden.doubles("grad." + p.getKey()),
                        tolerance);
            }
            Golden.assertClose("x", Tensors.doubles(x.grad()), golden.doubles("gradin.x"), tolerance);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"S-8", "S-4", "S-2", "B-8", "B-4", "B-2", "L-8", "L-4", "L-2", "XL-8", "XL-4", "XL-2"})
    void namesShapesAndOrderEqualTheReference(String name) throws IOException {
        check(name, 32, "DiT-" + name + "-256.json");
    }

    @Test
    void namesShapesAndOrderAt512EqualTheReference() throws IOException {
        check("XL-2", 64, "DiT-XL-2-512.json");
    }

    private static void check(String name, int latent, String file) throws IOException {
        JsonNode golden =
                new ObjectMapper().readTree(Golden.path("dit-params/" + file).toFile());
        DiTConfig config = DiTConfig.named("dit-" + name.replace('-', '/'), latent);
        List<String> expected = new ArrayList<>();
        golden.get("state_dict").forEach(entry -> expected.add(entry.get(0).asText() + entry.get(1)));
        try (Init init = Init.shapesOnly();
                DiT dit = new DiT(config, init)) {
            List<String> actual = new ArrayList<>();
            dit.state()
                    .forEach((key, tensor) -> actual.add(
                            key + java.util.Arrays.toString(tensor.shape()).replace(" ", "")));
            assertThat(actual).isEqualTo(expected);
        }
        assertThat(config.cost().parameters())
                .isEqualTo(golden.get("trainable_parameters").asLong());
    }

    @Test
    void timestepFeaturesEqualTheReference() {
        try (Golden golden = Golden.open("dit/timestep-embedding");
                Scope scope = Scope.open()) {
            for (JsonNode table : golden.config().get("tables")) {
                int dim = table.get(0).asInt();
                int period = table.get(1).asInt();
                for (String input : List.of("t", "tfrac")) {
                    Golden.assertClose(
                            input + " " + table,
                            Tensors.doubles(TimestepEmbedder.embedding(golden.get("in." + input), dim, period, 0)),
                            golden.doubles("out." + input + ".dim" + dim + ".period" + period + ".f64"),
                            1e-9);
                }
            }
        }
    }

    @Test
    void positionsEqualTheReference() {
        try (Golden golden = Golden.open("dit/pos-embed");
                Scope scope = Scope.open()) {
            for (JsonNode table : golden.config().get("tables")) {
                int dim = table.get(0).asInt();
                int grid = table.get(1).asInt();
                double[] all = PatchEmbed.sinCosPositions(dim, grid, grid);
                double[] expected = golden.doubles("out.dim" + dim + ".grid" + grid);
                double[] actual = all;
                if (!table.get(2).isNull()) {
                    actual = new double[expected.length];
                    for (int i = 0; i < table.get(2).size(); i++) {
                        System.arraycopy(all, table.get(2).get(i).asInt() * dim, actual, i * dim, dim);
                    }
                }
                Golden.assertClose(table.toString(), actual, expected, 1e-9);
            }
        }
    }

    @Test
    void labelsAreLookedUpAsInTheReference() {
        try (Golden golden = Golden.open("dit/label-embedder");
                Scope scope = Scope.open();
                Init init = Init.blank(Precision.FLOAT64, new Device("cpu"))) {
            Embedding embedder = new Embedding(init, 7, 5, 0.02);
            try (org.bytedeco.pytorch.NoGradGuard noGrad = new org.bytedeco.pytorch.NoGradGuard()) {
                embedder.state().get("weight").copy_(golden.get("param.embedding_table.weight"));
            }
            Golden.assertClose(
                    "eval",
                    Tensors.doubles(embedder.forward(golden.get("in.labels"))),
                    golden.doubles("out.eval"),
                    1e-12);
            Golden.assertClose(
                    "dropped",
                    Tensors.doubles(embedder.forward(golden.get("out.ids_forced"))),
                    golden.doubles("out.forced"),
                    1e-12);
        }
    }
}
