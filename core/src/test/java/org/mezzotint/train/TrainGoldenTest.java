package org.mezzotint.train;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.diffusion.DiffusionLoss;
import org.mezzotint.diffusion.Objective;
import org.mezzotint.diffusion.ScheduledDiffusion;
import org.mezzotint.golden.Golden;
import org.mezzotint.golden.GoldenDiT;
import org.mezzotint.models.DiT;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Ops;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.TensorList;
import org.mezzotint.tensor.Tensors;

class TrainGoldenTest {
    /** total, mse, vb of one batch, as batch means. */
    private interface Loss {
        Tensor[] of(DiT dit, Tensor x0, int[] t, Tensor noise, Conditioning labels);
    }

    @ParameterizedTest
    @ValueSource(strings = {"dit-adamw-ema", "dit-adamw-decay-clip"})
    void twelveStepsInFloat64FollowTheReference(String name) {
        // the stored trajectory carries the reference's coefficients, which it rounds to float32
        follow(name, Precision.FLOAT64, new RoundedLoss()::of, 1e-8);
    }

    @ParameterizedTest
    @ValueSource(strings = {"dit-adamw-ema", "dit-adamw-decay-clip"})
    void twelveStepsWithExactCoefficientsStayWithinTheirRounding(String name) {
        follow(name, Precision.FLOAT64, TrainGoldenTest::ours, 1e-5);
    }

    @ParameterizedTest
    @ValueSource(strings = {"dit-adamw-ema", "dit-adamw-decay-clip"})
    void twelveStepsInFloat32StayWithinTheStatedTolerance(String name) {
        try (Golden golden = Golden.open("train/" + name)) {
            follow(name, Precision.FLOAT32, TrainGoldenTest::ours, golden.tolerance(ScalarType.Float));
        }
    }

    private static Tensor[] ours(DiT dit, Tensor x0, int[] t, Tensor noise, Conditioning labels) {
        DiffusionLoss loss = new DiffusionLoss(ScheduledDiffusion.dit());
        double[] u = new double[t.length];
        for (int i = 0; i < t.length; i++) {
            u[i] = (t[i] + 0.5) / 1000;
        }
        Objective.Terms terms = loss.terms(
                (x, time, cond) -> dit.forward(x, time, cond, Tape.plain()), x0, loss.levels(u), noise, labels);
        return new Tensor[] {
            terms.total().mean(), terms.mse().mean(), terms.vlb().mean()
        };
    }

    private static void follow(String name, Precision precision, Loss loss, double tolerance) {
        try (Golden golden = Golden.open("train/" + name);
                Scope scope = Scope.open();
                DiT dit = GoldenDiT.load(golden, precision)) {
            JsonNode config = golden.config();
            ScalarType type = precision.storage();
            Ema ema = new Ema.Constant(config.get("ema_decay").asDouble());
            double[] expectedLosses = golden.doubles("out.losses.f64");
            double[] losses = new double[expectedLosses.length];
            try (GoldenOptimizer optimizer = new GoldenOptimizer(dit, config, ema)) {
                long[] allT = golden.longs("in.t");
                int n = Math.toIntExact(golden.get("in.t").size(1));
                for (int step = 0; step < config.get("steps").asInt(); step++) {
                    int[] t = new int[n];
                    for (int i = 0; i < n; i++) {
                        t[i] = Math.toIntExact(allT[step * n + i]);
                    }
                    Tensor[] terms = loss.of(
                            dit,
                            golden.get("in.x0", type).select(0, step),
                            t,
                            golden.get("in.noise", type).select(0, step),
                            Conditioning.classes(golden.get("in.y").select(0, step)));
                    for (int k = 0; k < 3; k++) {
                        losses[step * 3 + k] = terms[k].item_double();
                    }
                    optimizer.step(terms[0]);
                }
                optimizer.assertEnd(golden, ".f64", tolerance);
            }
            Golden.assertClose("losses", losses, expectedLosses, tolerance);
        }
    }

    /** MSE + VLB written down a second time, with every coefficient rounded to float32 as the reference does. */
    private static final class RoundedLoss {
        private final double[] beta = new double[1000];
        private final double[] acp = new double[1000];

        RoundedLoss() {
            double product = 1;
            for (int i = 0; i < 1000; i++) {
                beta[i] = 0.0001 + i * (0.02 - 0.0001) / 999;
                product *= 1 - beta[i];
                acp[i] = product;
            }
        }

        private interface Table {
            double at(int t);
        }

        private static Tensor column(int[] t, Table table) {
            double[] values = new double[t.length];
            for (int i = 0; i < t.length; i++) {
                values[i] = (float) table.at(t[i]);
            }
            return Tensors.of(values).view(-1, 1, 1, 1);
        }

        private double before(int t) {
            return t == 0 ? 1 : acp[t - 1];
        }

        private double posteriorLog(int t) {
            int i = Math.max(t, 1);
            return Math.log(beta[i] * (1 - acp[i - 1]) / (1 - acp[i]));
        }

        Tensor[] of(DiT dit, Tensor x0, int[] t, Tensor noise, Conditioning labels) {
            Tensor x = column(t, i -> Math.sqrt(acp[i]))
                    .mul(x0)
                    .add(column(t, i -> Math.sqrt(1 - acp[i])).mul(noise));
            double[] times = java.util.Arrays.stream(t).asDoubleStream().toArray();
            Tensor out = dit.forward(x, Tensors.of(times), labels, Tape.plain());
            long c = x0.size(1);
            Tensor eps = out.narrow(1, 0, c);
            Tensor error = noise.sub(eps);
            Tensor mse = error.mul(error).flatten(1, -1).mean(1);

            Tensor guess = column(t, i -> Math.sqrt(1 / acp[i]))
                    .mul(x)
                    .sub(column(t, i -> Math.sqrt(1 / acp[i] - 1)).mul(eps.detach()));
            Tensor c1 = column(t, i -> beta[i] * Math.sqrt(before(i)) / (1 - acp[i]));
            Tensor c2 = column(t, i -> (1 - before(i)) * Math.sqrt(1 - beta[i]) / (1 - acp[i]));
            Tensor mean = c1.mul(guess).add(c2.mul(x));
            Tensor trueMean = c1.mul(x0).add(c2.mul(x));
            Tensor low = column(t, this::posteriorLog);
            Tensor high = column(t, i -> Math.log(beta[i]));
            Tensor fraction = out.narrow(1, c, c).add(Scalars.of(1)).mul(Scalars.of(0.5));
            Tensor logVariance = low.add(fraction.mul(high.sub(low)));
            Tensor d = trueMean.sub(mean);
            Tensor kl = logVariance
                    .sub(low)
                    .sub(Scalars.of(1))
                    .add(low.sub(logVariance).exp())
                    .add(d.mul(d).mul(logVariance.neg().exp()))
                    .mul(Scalars.of(0.5));
            Tensor vb = kl.flatten(1, -1).mean(1).div(Scalars.of(Math.log(2)));
            for (int step : t) {
                if (step == 0) {
                    throw new AssertionError("this test's data has no t = 0");
                }
            }
            return new Tensor[] {mse.add(vb).mean(), mse.mean(), vb.mean()};
        }
    }

    @Test
    void emaDecaysEqualTheReference() {
        try (Golden golden = Golden.open("ema/ema-warmup")) {
            long[] steps = golden.longs("in.step");
            for (JsonNode variant : golden.config().get("variants")) {
                JsonNode args = variant.get("args");
                Ema ema = new Ema.Warmup(
                        args.path("inv_gamma").asDouble(1),
                        args.path("power").asDouble(1),
                        args.path("min_value").asDouble(0),
                        args.path("max_value").asDouble(1),
                        args.path("start_at").asLong(0));
                double[] decays =
                        java.util.Arrays.stream(steps).mapToDouble(ema::decay).toArray();
                String name = variant.get("name").asText();
                Golden.assertClose(name, decays, golden.doubles("out.decay." + name), 1e-10);
            }
        }
    }

    @Test
    void averagesEqualTheReference() {
        try (Golden golden = Golden.open("ema/ema-update");
                Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard()) {
            JsonNode args = golden.config().get("args");
            Ema ema = new Ema.Warmup(
                    1, args.get("power").asDouble(), 0, args.get("max_value").asDouble(), 0);
            Tensor average = golden.get("in.avg_w", ScalarType.Double).clone();
            Tensor lossAverage =
                    golden.get("in.loss", ScalarType.Double).select(0, 0).clone();
            int updates = Math.toIntExact(golden.get("in.w").size(0));
            double[] decays = golden.doubles("out.decay");
            double[] losses = golden.doubles("out.loss_average");
            for (int k = 0; k < updates; k++) {
                Tensor weights = golden.get("in.w", ScalarType.Double).select(0, k);
                Golden.assertClose("decay", new double[] {ema.decay(k)}, new double[] {decays[k]}, 1e-10);
                try (TensorList a = new TensorList(List.of(average, lossAverage));
                        TensorList b = new TensorList(List.of(
                                weights,
                                golden.get("in.loss", ScalarType.Double).select(0, k)))) {
                    Ops.foreachLerp(a, b, 1 - ema.decay(k));
                }
                Golden.assertClose(
                        "weights after update " + k,
                        Tensors.doubles(average),
                        Tensors.doubles(golden.get("out.w").select(0, k)),
                        1e-10);
                Golden.assertClose(
                        "loss after update " + k, Tensors.doubles(lossAverage), new double[] {losses[k]}, 1e-10);
            }
        }
    }

    @Test
    void learningRatesEqualTheReference() {
        try (Golden golden = Golden.open("ema/lr-schedules")) {
            long[] steps = golden.longs("in.step");
            for (JsonNode variant : golden.config().get("variants")) {
                JsonNode args = variant.get("args");
                double warmup = args.path("warmup").asDouble(0);
                double minRate = args.path("min_lr").asDouble(0);
                LrSchedule schedule =
                        switch (variant.get("class").asText()) {
                            case "ConstantLRWithWarmup" -> new LrSchedule.ConstantExpWarmup(warmup);
                            case "InverseLR" ->
                                new LrSchedule.Inverse(
                                        args.get("inv_gamma").asDouble(),
                                        args.get("power").asDouble(),
                                        warmup,
                                        minRate);
                            default ->
                                new LrSchedule.Exponential(
                                        args.get("num_steps").asDouble(),
                                        args.get("decay").asDouble(),
                                        warmup,
                                        minRate);
                        };
                double base = variant.get("base_lr").asDouble();
                double[] rates = new double[2 * steps.length];
                for (int i = 0; i < steps.length; i++) {
                    rates[2 * i] = schedule.rate(base, steps[i], 0, 0);
                    rates[2 * i + 1] = schedule.rate(base / 3, steps[i], 0, 0);
                }
                String name = variant.get("name").asText();
                Golden.assertClose(name, rates, golden.doubles("out.lr." + name), 1e-10);
            }
        }
    }
}
