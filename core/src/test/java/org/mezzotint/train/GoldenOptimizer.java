package org.mezzotint.train;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.golden.Golden;
import org.mezzotint.models.Model;
import org.mezzotint.tensor.Ops;
import org.mezzotint.tensor.TensorList;
import org.mezzotint.tensor.Tensors;

/** Optimiser, clipping and average of a golden trajectory, as its configuration says; made in an open scope. */
final class GoldenOptimizer implements AutoCloseable {
    private final Model model;
    private final Ema ema;
    private final double clip;
    private final double learningRate;
    private final AdamW optimizer;
    private final Map<String, Tensor> average = new LinkedHashMap<>();
    private final TensorList averages;
    private final TensorList weights;

    GoldenOptimizer(Model model, JsonNode config, Ema ema) {
        this.model = model;
        this.ema = ema;
        clip = config.get("clip").asDouble();
        learningRate = config.get("lr").asDouble();
        List<Tensor> plain = new ArrayList<>();
        model.trainable().forEach((key, parameter) -> {
            average.put(key, parameter.detach().clone());
            plain.add(parameter.detach());
        });
        averages = new TensorList(List.copyOf(average.values()));
        weights = new TensorList(plain);
        optimizer = new AdamW(
                model.trainable(),
                model::tuning,
                config.get("betas").get(0).asDouble(),
                config.get("betas").get(1).asDouble(),
                config.get("weight_decay").asDouble(),
                1e-8);
    }

    /** One update from a loss; returns the gradients' norm before clipping, NaN where the case does not clip. */
    double step(Tensor loss) {
        optimizer.zeroGradients();
        loss.backward();
        double norm = Double.NaN;
        if (clip > 0) {
            TensorVector parameters = new TensorVector();
            model.trainable().values().forEach(parameters::push_back);
            norm = torch.clip_grad_norm_(parameters, clip);
        }
        long done = optimizer.steps();
        optimizer.step(learningRate);
        Ops.foreachLerp(averages, weights, 1 - ema.decay(done));
        return norm;
    }

    /** Compares parameters and average with {@code out.param.*} and {@code out.ema.*}. */
    void assertEnd(Golden golden, String suffix, double tolerance) {
        model.trainable().forEach((key, parameter) -> {
            Golden.assertClose(key, Tensors.doubles(parameter), golden.doubles("out.param." + key + suffix), tolerance);
            Golden.assertClose(
                    "ema " + key,
                    Tensors.doubles(average.get(key)),
                    golden.doubles("out.ema." + key + suffix),
                    tolerance);
        });
    }

    @Override
    public void close() {
        optimizer.close();
        averages.close();
        weights.close();
    }
}
