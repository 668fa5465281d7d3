package org.mezzotint.golden;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.models.HDiT;
import org.mezzotint.models.HDiTConfig;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.Layer;
import org.mezzotint.tensor.Precision;

/** An HDiT with the configuration and the parameters of a golden case. */
public final class GoldenHDiT {
    private GoldenHDiT() {}

    /** From the reference's own configuration file, with its defaults. */
    public static HDiTConfig config(JsonNode reference) {
        JsonNode model = reference.get("model");
        List<HDiTConfig.Level> levels = new ArrayList<>();
        int count = model.get("widths").size();
        for (int i = 0; i < count; i++) {
            int width = model.get("widths").get(i).asInt();
            JsonNode attention = model.path("self_attns").path(i);
            JsonNode dropout = model.path("dropout_rate");
            levels.add(new HDiTConfig.Level(
                    width,
                    model.get("depths").get(i).asInt(),
                    model.path("d_ffs").path(i).asInt(3 * width),
                    attention(attention, i == count - 1),
                    dropout.isArray() ? dropout.get(i).asDouble() : dropout.asDouble(0)));
        }
        int mapping = model.path("mapping_width").asInt(256);
        return new HDiTConfig(
                model.get("input_size").get(0).asInt(),
                model.get("input_size").get(1).asInt(),
                model.get("input_channels").asInt(),
                model.get("patch_size").get(0).asInt(),
                model.get("patch_size").get(1).asInt(),
                levels,
                new HDiTConfig.Mapping(
                        mapping,
                        model.path("mapping_depth").asInt(2),
                        model.path("mapping_d_ff").asInt(3 * mapping),
                        model.path("mapping_dropout_rate").asDouble(0)),
                reference.path("dataset").path("num_classes").asInt(0),
                model.path("mapping_cond_dim").asInt(0),
                HDiTConfig.Design.paper());
    }

    private static HDiTConfig.Attention attention(JsonNode node, boolean innermost) {
        int headWidth = node.path("d_head").asInt(64);
        return switch (node.path("type").asText(innermost ? "global" : "neighborhood")) {
            case "global" -> new HDiTConfig.Global(headWidth);
            case "neighborhood" ->
                new HDiTConfig.Neighborhood(headWidth, node.path("kernel_size").asInt(7));
            case "shifted-window" ->
                new HDiTConfig.ShiftedWindow(headWidth, node.get("window_size").asInt());
            default -> new HDiTConfig.None();
        };
    }

    public static HDiT load(Golden golden, Precision precision) {
        try (Init init = Init.blank(precision, new Device("cpu"))) {
            HDiT hdit = new HDiT(config(golden.config().get("config")), init);
            fill(hdit, golden);
            return hdit;
        }
    }

    /** Copies all {@code param.*} of a case, which must be exactly the layer's tensors. */
    public static void fill(Layer layer, Golden golden) {
        Map<String, Tensor> state = layer.state();
        Map<String, Tensor> given = golden.group("param.");
        if (!state.keySet().equals(given.keySet())) {
            throw new AssertionError("parameters differ: " + state.keySet() + " and " + given.keySet());
        }
        try (NoGradGuard noGrad = new NoGradGuard()) {
            given.forEach((name, value) -> state.get(name).copy_(value));
        }
    }
}
