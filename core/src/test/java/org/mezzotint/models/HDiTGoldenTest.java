package org.mezzotint.models;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.golden.Golden;
import org.mezzotint.golden.GoldenHDiT;
import org.mezzotint.models.HDiTConfig.Attention;
import org.mezzotint.models.layers.FourierFeatures;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.Layer;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class HDiTGoldenTest {
    private static final List<String> MODELS = List.of(
            "conditioned",
            "global-1level",
            "natten5-3-3level",
            "natten7-2level",
            "natten7-3level",
            "none-attention",
            "nonsquare",
            "nonsquare-patch",
            "shifted-2level");

    static List<String> models() {
        return MODELS;
    }

    private static Conditioning cond(Golden golden, ScalarType type) {
        Map<String, Tensor> inputs = new LinkedHashMap<>();
        if (golden.has("in.class_cond")) {
            inputs.put(Conditioning.CLASS, golden.get("in.class_cond"));
        }
        if (golden.has("in.aug_cond")) {
            inputs.put(HDiT.AUGMENTATION, golden.get("in.aug_cond", type));
        }
        if (golden.has("in.mapping_cond")) {
            inputs.put(HDiT.EXTRA, golden.get("in.mapping_cond", type));
        }
        return Conditioning.of(inputs);
    }

    private static Tensor forward(HDiT hdit, Golden golden, Tensor x, Tape tape) {
        ScalarType type = hdit.precision().storage();
        return hdit.forward(x, golden.get("in.sigma", type), cond(golden, type), tape);
    }

    @ParameterizedTest
    @org.junit.jupiter.params.provider.MethodSource("models")
    void forwardEqualsTheReference(String name) {
        for (Precision precision : List.of(Precision.FLOAT64, Precision.FLOAT32)) {
            for (boolean gradients : new boolean[] {true, false}) { // the two gather windows in different ways
                try (Golden golden = Golden.open("hdit/model-" + name);
                        Scope scope = Scope.open();
                        HDiT hdit = GoldenHDiT.load(golden, precision);
                        NoGradGuard noGrad = gradients ? null : new NoGradGuard()) {
                    Tensor y = forward(hdit, golden, golden.get("in.x", precision.storage()), Tape.plain());
                    Golden.assertCloseToLargest(
                            name + " " + precision,
                            Tensors.doubles(y),
                            golden.doubles("out.y"),
                            golden.tolerance(precision.storage()));
                }
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "global-1level, FLOAT64, false", "global-1level, FLOAT64, true", "global-1level, FLOAT32, false",
        "natten7-2level, FLOAT64, false", "natten7-2level, FLOAT64, true", "natten7-2level, FLOAT32, true"
    })
    void gradientsEqualTheReference(String name, Precision precision, boolean checkpointing) {
        try (Golden golden = Golden.open("hdit/model-" + name);
                Scope scope = Scope.open();
                HDiT hdit = GoldenHDiT.load(golden, precision);
                Tape tape = checkpointing ? Tape.checkpointing(0) : Tape.plain()) {
            Tensor x = golden.get("in.x", precision.storage()).clone().requires_grad_(true);
            Tensor y = forward(hdit, golden, x, tape);
            tape.backward(y.mul(golden.get("in.cotangent", precision.storage())).sum());
            double tolerance = golden.tolerance(precision.storage());
            for (Map.Entry<String, Tensor> p : hdit.trainable().entrySet()) {
                Golden.assertCloseToLargest(
                        p.getKey(),
                        Tensors.doubles(p.getValue().grad()),
                        golden.doubles("grad." + p.getKey()),
                        tolerance);
            }
        }
    }

    /** One level on a map of the block's own size, with patches of one pixel. */
    private static HDiTConfig around(JsonNode args, long[] x, Attention attention) {
        return new HDiTConfig(
                (int) x[1],
                (int) x[2],
                1,
                1,
                1,
                List.of(new HDiTConfig.Level(
                        args.get("d_model").asInt(), 1, args.path("d_ff").asInt(1), attention, 0)),
                new HDiTConfig.Mapping(args.get("cond_features").asInt(), 1, 1, 0),
                0,
                0,
                HDiTConfig.Design.paper());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "feed-forward",
                "neighborhood",
                "self-attention",
                "self-attention-d64",
                "shifted-window-0",
                "shifted-window-2"
            })
    void blocksAndTheirGradientsEqualTheReference(String name) {
        for (Precision precision : List.of(Precision.FLOAT64, Precision.FLOAT32)) {
            try (Golden golden = Golden.open("hdit/block-" + name);
                    Scope scope = Scope.open();
                    Init init = Init.blank(precision, new Device("cpu"))) {
                ScalarType type = precision.storage();
                JsonNode args = golden.config().get("args");
                Tensor x = golden.get("in.x", type).clone().requires_grad_(true);
                Tensor cond = golden.get("in.cond", type).clone().requires_grad_(true);
                int headWidth = args.path("d_head").asInt(0);
                Attention attention = headWidth == 0
                        ? new HDiTConfig.None()
                        : args.has("kernel_size")
                                ? new HDiTConfig.Neighborhood(
                                        headWidth, args.get("kernel_size").asInt())
                                : args.has("window_size")
                                        ? new HDiTConfig.ShiftedWindow(
                                                headWidth,
                                                args.get("window_size").asInt())
                                        : new HDiTConfig.Global(headWidth);
                HDiTConfig config = around(args, x.shape(), attention);
                Layer block;
                Tensor y;
                if (headWidth == 0) {
                    HDiT.FeedForwardBlock feedForward =
                            new HDiT.FeedForwardBlock(config, config.levels().get(0), init);
                    block = feedForward;
                    GoldenHDiT.fill(block, golden);
                    y = feedForward.forward(x, cond, Tape.plain());
                } else {
                    int index = args.path("window_shift").asInt(0) == 0 ? 0 : 1;
                    HDiT.Grid grid = new HDiT.Grid(config, 0, init);
                    grid.positions.copy_(golden.get("in.pos")); // rounded to float32
                    HDiT.SelfAttention selfAttention = new HDiT.SelfAttention(config, grid, index, "self_attn", init);
                    block = selfAttention;
                    GoldenHDiT.fill(block, golden);
                    y = selfAttention.forward(x, cond, Tape.plain());
                }
                double tolerance = golden.tolerance(type);
                Golden.assertCloseToLargest("y", Tensors.doubles(y), golden.doubles("out.y"), tolerance);
                if (!golden.has("in.cotangent")) {
                    continue;
                }
                y.mul(golden.get("in.cotangent", type)).sum().backward();
                Map<String, Tensor> gradients = new LinkedHashMap<>(block.trainable());
                gradients.put("in.x", x);
                gradients.put("in.cond", cond);
                gradients.forEach((key, tensor) -> Golden.assertCloseToLargest(
                        name + " " + precision + " grad." + key,
                        Tensors.doubles(tensor.grad()),
                        golden.doubles("grad." + key),
                        tolerance));
            }
        }
    }

    /** A layer of one tensor input, with all gradients. */
    private static void check(String name, Function<Init, Layer> make, Apply apply) {
        for (Precision precision : List.of(Precision.FLOAT64, Precision.FLOAT32)) {
            try (Golden golden = Golden.open(name);
                    Scope scope = Scope.open();
                    Init init = Init.blank(precision, new Device("cpu"))) {
                ScalarType type = precision.storage();
                Layer layer = make.apply(init);
                GoldenHDiT.fill(layer, golden);
                Map<String, Tensor> inputs = new LinkedHashMap<>();
                for (String input : List.of("x", "cond", "skip")) {
                    if (golden.has("in." + input)) {
                        inputs.put(
                                input, golden.get("in." + input, type).clone().requires_grad_(true));
                    }
                }
                Tensor y = apply.apply(layer, inputs);
                double tolerance = golden.tolerance(type);
                Golden.assertCloseToLargest("y", Tensors.doubles(y), golden.doubles("out.y"), tolerance);
                y.to(type).mul(golden.get("in.cotangent", type)).sum().backward();
                Map<String, Tensor> gradients = new LinkedHashMap<>(layer.trainable());
                inputs.forEach((input, tensor) -> gradients.put("in." + input, tensor));
                gradients.forEach((key, tensor) -> Golden.assertCloseToLargest(
                        name + " " + precision + " grad." + key,
                        Tensors.doubles(tensor.grad()),
                        golden.doubles("grad." + key),
                        tolerance));
            }
        }
    }

    private interface Apply {
        Tensor apply(Layer layer, Map<String, Tensor> inputs);
    }

    @Test
    void mappingNetworkEqualsTheReference() {
        check(
                "hdit/unit-mapping-network",
                init -> new HDiT.Mapping(init, new HDiTConfig.Mapping(20, 2, 28, 0)),
                (layer, in) -> ((HDiT.Mapping) layer).forward(in.get("x"), Tape.plain()));
    }

    @Test
    void fourierFeaturesEqualTheReference() {
        check(
                "hdit/unit-fourier-features",
                init -> new FourierFeatures(init, 9, 16, 1),
                (layer, in) -> ((FourierFeatures) layer).forward(in.get("x")));
    }

    @Test
    void tokenMergeEqualsTheReference() {
        try (Golden golden = Golden.open("hdit/unit-token-merge")) {
            JsonNode config = golden.config();
            check(
                    "hdit/unit-token-merge",
                    init -> new HDiT.TokenMerge(
                            init,
                            config.get("patch").get(0).asInt(),
                            config.get("patch").get(1).asInt(),
                            config.get("in").asInt(),
                            config.get("out").asInt()),
                    (layer, in) -> ((HDiT.TokenMerge) layer).forward(in.get("x")));
        }
    }

    @Test
    void tokenSplitEqualsTheReference() {
        check(
                "hdit/unit-token-split",
                init -> new HDiT.TokenSplit(init, 12, 5, HDiTConfig.Skip.LERP),
                (layer, in) -> ((HDiT.TokenSplit) layer).forward(in.get("x"), in.get("skip")));
    }

    @ParameterizedTest
    @EnumSource(
            value = Precision.class,
            names = {"FLOAT32", "FLOAT64"})
    void splittingAtTheEndEqualsTheReference(Precision precision) {
        try (Golden golden = Golden.open("hdit/unit-token-split-without-skip");
                Scope scope = Scope.open()) {
            ScalarType type = precision.storage();
            JsonNode config = golden.config();
            Tensor projected = org.bytedeco.pytorch.global.torch.linear(
                    golden.get("in.x", type), golden.get("param.proj.weight", type));
            Tensor y = HDiT.split(
                    projected,
                    config.get("patch").get(0).asInt(),
                    config.get("patch").get(1).asInt());
            Golden.assertCloseToLargest("y", Tensors.doubles(y), golden.doubles("out.y"), golden.tolerance(type));
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "cifar10_transformer",
                "mnist_transformer",
                "oxford_flowers",
                "oxford_flowers_shifted_window",
                "paper_ablation_e_imagenet128",
                "paper_ffhq1024_85m",
                "paper_imagenet256_557m"
            })
    void namesShapesGroupsAndCostEqualTheReference(String name) throws IOException {
        JsonNode golden = new ObjectMapper()
                .readTree(Golden.path("hdit-params/" + name + ".json").toFile());
        HDiTConfig config = GoldenHDiT.config(golden.get("config"));
        Map<String, String> shapes = new LinkedHashMap<>();
        golden.get("params").forEach(p -> shapes.put(p.get(0).asText(), p.get(1).toString()));
        golden.get("buffers")
                .forEach(p -> shapes.put(p.get(0).asText(), p.get(1).toString()));
        List<String> expected = new ArrayList<>();
        golden.get("state_dict_order").forEach(key -> expected.add(key.asText() + shapes.get(key.asText())));
        try (Init init = Init.shapesOnly();
                HDiT hdit = new HDiT(config, init)) {
            List<String> actual = new ArrayList<>();
            hdit.state()
                    .forEach((key, tensor) ->
                            actual.add(key + Arrays.toString(tensor.shape()).replace(" ", "")));
            assertThat(actual).isEqualTo(expected);
            for (JsonNode group : golden.get("param_groups")) {
                for (JsonNode parameter : group.get("params")) {
                    Model.Tuning tuning = hdit.tuning(parameter.asText());
                    assertThat(tuning.learningRateScale())
                            .as(parameter.asText())
                            .isEqualTo(group.get("lr_over_base").asDouble());
                    assertThat(tuning.weightDecay())
                            .as(parameter.asText())
                            .isEqualTo(group.get("uses_optimizer_weight_decay").asBoolean());
                }
            }
        }
        assertThat(config.cost().parameters())
                .isEqualTo(golden.get("total_params").asLong());
        assertThat(config.cost().macs())
                .isEqualTo(golden.get("macs_forward_batch1").asLong());
    }
}
