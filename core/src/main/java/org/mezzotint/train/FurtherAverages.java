package org.mezzotint.train;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.io.Safetensors;
import org.mezzotint.tensor.Ops;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.TensorList;

/** The averages of {@link Ema.PostHoc} but the first, which is the state's own. Each starts as a copy of the weights. */
final class FurtherAverages implements AutoCloseable {
    static final String FILE = "averages.safetensors";

    private final Ema.PostHoc rule;
    private final Scope scope;
    private final List<Map<String, Tensor>> averages = new ArrayList<>();
    private final List<TensorList> lists = new ArrayList<>();

    /**
     * Copies the weights.
     *
     * @param rule says how many there are
     * @param weights that training changes, by name; every average has their names and shapes
     */
    FurtherAverages(Ema.PostHoc rule, Map<String, Tensor> weights) {
        this.rule = rule;
        scope = Scope.owner();
        for (int i = 1; i < rule.sigmaRels().size(); i++) {
            Map<String, Tensor> average = new LinkedHashMap<>();
            weights.forEach((name, weight) -> average.put(name, weight.detach().clone()));
            averages.add(average);
            lists.add(new TensorList(new ArrayList<>(average.values())));
        }
        scope.leave();
    }

    /** One update of each from the weights, in the order of their names. */
    void update(TensorList weights, long update) {
        for (int i = 0; i < lists.size(); i++) {
            Ops.foreachLerp(lists.get(i), weights, 1 - rule.decay(i + 1, update));
        }
    }

    /** The averages by name, in the order of the rule's lengths from the second on. */
    List<Map<String, Tensor>> all() {
        return averages;
    }

    private static String name(int i, String parameter) {
        return "ema" + (i + 1) + "." + parameter;
    }

    void write(Path folder) {
        if (averages.isEmpty()) {
            return;
        }
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        for (int i = 0; i < averages.size(); i++) {
            int at = i;
            averages.get(i).forEach((parameter, tensor) -> tensors.put(name(at, parameter), tensor));
        }
        Safetensors.write(folder.resolve(FILE), tensors, Map.of("format", "mezzotint-averages"));
    }

    void read(Path folder) {
        if (averages.isEmpty()) {
            return;
        }
        try (Safetensors file = Safetensors.open(folder.resolve(FILE));
                NoGradGuard noGrad = new NoGradGuard()) {
            for (int i = 0; i < averages.size(); i++) {
                int at = i;
                averages.get(i).forEach((parameter, tensor) -> copy(file, name(at, parameter), tensor));
            }
        }
    }

    private static void copy(Safetensors file, String name, Tensor into) {
        try (Scope each = Scope.open()) {
            if (!file.contains(name) || !Arrays.equals(file.shape(name), into.shape())) {
                throw new CheckpointException(
                        "the averages lack " + name + " in shape " + Arrays.toString(into.shape()));
            }
            into.copy_(file.tensor(name));
        }
    }

    @Override
    public void close() {
        lists.forEach(TensorList::close);
        scope.close();
    }
}
