package org.mezzotint.app.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.io.Safetensors;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** FID's network with random weights: its numbers mean nothing, but they are numbers. */
final class RandomInception {
    private RandomInception() {}

    static Path write(Path file) throws IOException {
        JsonNode names = new ObjectMapper()
                .readTree(Path.of("../core/src/test/resources/golden/inception/state-dict-pytorch-fid.json")
                        .toFile())
                .get("tensors");
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1)) {
            Map<String, Tensor> state = new LinkedHashMap<>();
            for (JsonNode entry : names) {
                String name = entry.get("name").textValue();
                if (!name.endsWith("num_batches_tracked")) {
                    long[] shape = new long[entry.get("shape").size()];
                    for (int i = 0; i < shape.length; i++) {
                        shape[i] = entry.get("shape").get(i).longValue();
                    }
                    Tensor tensor = Tensors.empty(ScalarType.Float, shape);
                    if (name.endsWith("running_var") || name.endsWith("bn.weight")) {
                        tensor.fill_(Scalars.of(1));
                    } else if (shape.length == 1) {
                        tensor.zero_();
                    } else {
                        rng.fillNormal(tensor);
                        tensor.mul_(Scalars.of(Math.sqrt(2.0 * shape[0] / tensor.numel())));
                    }
                    state.put(name, tensor);
                }
            }
            Safetensors.write(file, state, Map.of());
        }
        return file;
    }
}
