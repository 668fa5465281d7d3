package org.mezzotint.golden;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.models.DiT;
import org.mezzotint.models.DiTConfig;
import org.mezzotint.models.layers.Init;
import org.mezzotint.tensor.Precision;

/** A DiT with the configuration and the parameters of a golden case. */
public final class GoldenDiT {
    private GoldenDiT() {}

    public static DiTConfig config(JsonNode model) {
        return new DiTConfig(
                model.get("input_size").asInt(),
                model.get("input_size").asInt(),
                model.get("in_channels").asInt(),
                model.get("patch_size").asInt(),
                model.get("hidden_size").asInt(),
                model.get("depth").asInt(),
                model.get("num_heads").asInt(),
                model.path("mlp_ratio").asDouble(4),
                model.get("num_classes").asInt(),
                model.path("class_dropout_prob").asDouble(0.1) > 0,
                model.get("learn_sigma").asBoolean(),
                DiTConfig.Conditioning.ADALN_ZERO,
                DiTConfig.Convention.paper());
    }

    public static DiT load(Golden golden, Precision precision) {
        try (Init init = Init.blank(precision, new Device("cpu"));
                NoGradGuard noGrad = new NoGradGuard()) {
            DiT dit = new DiT(config(golden.config().get("model")), init);
            Map<String, Tensor> state = dit.state();
            Map<String, Tensor> given = golden.group("param.");
            if (!state.keySet().equals(given.keySet())) {
                throw new AssertionError("parameters differ: " + state.keySet() + " and " + given.keySet());
            }
            given.forEach((name, value) -> state.get(name).copy_(value));
            return dit;
        }
    }
}
