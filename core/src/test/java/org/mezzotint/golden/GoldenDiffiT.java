package org.mezzotint.golden;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.models.DiffiT;
import org.mezzotint.models.DiffiTConfig;
import org.mezzotint.models.layers.Init;
import org.mezzotint.tensor.Precision;

/** A latent DiffiT with the configuration and the parameters of a golden case. */
public final class GoldenDiffiT {
    private GoldenDiffiT() {}

    public static DiffiTConfig config(JsonNode model) {
        return new DiffiTConfig(
                model.get("input_size").asInt(),
                model.get("input_size").asInt(),
                model.get("in_channels").asInt(),
                model.get("patch_size").asInt(),
                model.get("hidden_size").asInt(),
                model.get("depth").asInt(),
                model.get("num_heads").asInt(),
                model.path("mlp_ratio").asDouble(4),
                model.get("num_classes").asInt(),
                true,
                model.path("learn_sigma").asBoolean(true),
                DiffiTConfig.Time.TMSA);
    }

    public static DiffiT load(Golden golden, Precision precision) {
        try (Init init = Init.blank(precision, new Device("cpu"));
                NoGradGuard noGrad = new NoGradGuard()) {
            DiffiT diffit = new DiffiT(config(golden.config().get("model")), init);
            Map<String, Tensor> state = diffit.state();
            Map<String, Tensor> given = golden.group("param.");
            if (!state.keySet().equals(given.keySet())) {
                throw new AssertionError("parameters differ: " + state.keySet() + " and " + given.keySet());
            }
            given.forEach((name, value) -> state.get(name).copy_(value));
            return diffit;
        }
    }
}
