package org.mezzotint.train;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.mezzotint.diffusion.Preconditioning;
import org.mezzotint.diffusion.SigmaLoss;
import org.mezzotint.diffusion.SigmaWeighting;
import org.mezzotint.golden.Golden;
import org.mezzotint.golden.GoldenHDiT;
import org.mezzotint.models.HDiT;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** Whole optimiser trajectories of HDiT: preconditioned loss, parameter groups, clipping, warm-up of the average. */
class HDiTTrainGoldenTest {
    @ParameterizedTest
    @CsvSource({
        "hdit-soft-min-snr, FLOAT64, 1e-8", "hdit-karras-windows, FLOAT64, 1e-8",
        "hdit-soft-min-snr, FLOAT32, 2e-3", "hdit-karras-windows, FLOAT32, 2e-3"
    })
    void trainingFollowsTheReference(String name, Precision precision, double tolerance) {
        try (Golden golden = Golden.open("train/" + name);
                Scope scope = Scope.open();
                HDiT hdit = GoldenHDiT.load(golden, precision)) {
            JsonNode config = golden.config();
            JsonNode model = config.get("config").get("model");
            ScalarType type = precision.storage();
            double sigmaData = model.get("sigma_data").asDouble();
            SigmaLoss loss = new SigmaLoss(
                    new Preconditioning(sigmaData),
                    model.get("loss_weighting").asText().equals("karras")
                            ? new SigmaWeighting.Edm()
                            : new SigmaWeighting.SoftMinSnr(1 / (sigmaData * sigmaData)),
                    1);
            Ema ema = new Ema.Warmup(1, config.get("ema_power").asDouble(), 0, 0.9999, 0);
            int steps = config.get("steps").asInt();
            double[] losses = new double[steps];
            double[] norms = new double[steps];
            double[] decays = new double[steps];
            try (GoldenOptimizer optimizer = new GoldenOptimizer(hdit, config, ema)) {
                for (int step = 0; step < steps; step++) {
                    Conditioning cond = Conditioning.of(Map.of(
                            Conditioning.CLASS,
                            golden.get("in.y").select(0, step),
                            HDiT.AUGMENTATION,
                            golden.get("in.aug", type).select(0, step)));
                    Tensor mean = loss.losses(
                                    (x, sigma, c) -> hdit.forward(x, sigma, c, Tape.plain()),
                                    golden.get("in.x0", type).select(0, step),
                                    Tensors.doubles(golden.get("in.sigma").select(0, step)),
                                    golden.get("in.noise", type).select(0, step),
                                    cond)
                            .mean();
                    losses[step] = mean.item_double();
                    norms[step] = optimizer.step(mean);
                    decays[step] = ema.decay(step);
                }
                optimizer.assertEnd(golden, "", tolerance);
            }
            Golden.assertClose("decays", decays, golden.doubles("out.ema_decays"), 1e-10);
            Golden.assertClose("losses", losses, golden.doubles("out.losses"), tolerance);
            Golden.assertClose("norms", norms, golden.doubles("out.grad_norms"), tolerance);
        }
    }
}
