package org.mezzotint.diffusion;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.function.DoubleUnaryOperator;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.golden.Golden;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** Preconditioning, weightings, losses and densities against k-diffusion and EDM. */
class KarrasGoldenTest {
    private static final List<ScalarType> TYPES = List.of(ScalarType.Double, ScalarType.Float);

    private static void each(Golden golden, String name, double[] in, DoubleUnaryOperator formula) {
        double[] actual = java.util.Arrays.stream(in).map(formula).toArray();
        Golden.assertClose(name, actual, golden.doubles(name), 1e-10);
    }

    /** Of the error of the output, as the reference weights it. */
    private static DoubleUnaryOperator onOutput(SigmaWeighting weighting, Preconditioning frame) {
        return s -> weighting.weight(s, frame.sigmaData()) * frame.out(s) * frame.out(s);
    }

    private static void scalings(Golden golden, String suffix, double[] sigma, Preconditioning frame) {
        each(golden, "out.c_skip" + suffix, sigma, frame::skip);
        each(golden, "out.c_out" + suffix, sigma, frame::out);
        each(golden, "out.c_in" + suffix, sigma, frame::in);
    }

    @Test
    void scalingsAndWeightingsEqualTheReferences() {
        try (Golden golden = Golden.open("karras/scalings")) {
            double[] sigma = golden.doubles("in.sigma");
            for (JsonNode value : golden.config().get("sigma_data")) {
                Preconditioning frame = new Preconditioning(value.asDouble());
                String suffix = "." + value.asText();
                scalings(golden, suffix, sigma, frame);
                each(golden, "out.weight.karras" + suffix, sigma, onOutput(new SigmaWeighting.Edm(), frame));
                each(golden, "out.weight.snr" + suffix, sigma, onOutput(new SigmaWeighting.Snr(), frame));
                double gamma = 1 / (value.asDouble() * value.asDouble());
                each(
                        golden,
                        "out.weight.soft-min-snr" + suffix,
                        sigma,
                        onOutput(new SigmaWeighting.SoftMinSnr(gamma), frame));
            }
        }
        try (Golden golden = Golden.open("edm/precond")) {
            double[] sigma = golden.doubles("in.sigma");
            for (JsonNode value : golden.config().get("sigma_data")) {
                Preconditioning frame = new Preconditioning(value.asDouble());
                String suffix = "." + value.asText();
                scalings(golden, suffix, sigma, frame);
                each(golden, "out.weight" + suffix, sigma, s -> new SigmaWeighting.Edm().weight(s, value.asDouble()));
            }
        }
    }

    @Test
    void minSnrStopsAtItsLimit() {
        assertThat(new SigmaWeighting.MinSnr(5).weight(0.1, 0.5)).isEqualTo(5);
        assertThat(new SigmaWeighting.MinSnr(5).weight(2, 0.5)).isEqualTo(0.25);
        assertThat(new SigmaWeighting.Uniform().weight(2, 0.5)).isEqualTo(1);
    }

    @ParameterizedTest
    @CsvSource({"karras, 1", "snr, 1", "soft-min-snr, 1", "scales2, 2", "scales4, 4"})
    void lossesAndTheirGradientsEqualTheReferences(String name, int scales) {
        for (ScalarType type : TYPES) {
            try (Golden golden = Golden.open("karras/loss-" + name);
                    Scope scope = Scope.open()) {
                double sigmaData = golden.config().get("sigma_data").asDouble();
                Preconditioning frame = new Preconditioning(sigmaData);
                SigmaWeighting weighting =
                        switch (golden.config().get("weighting").asText()) {
                            case "karras" -> new SigmaWeighting.Edm();
                            case "snr" -> new SigmaWeighting.Snr();
                            default -> new SigmaWeighting.SoftMinSnr(1 / (sigmaData * sigmaData));
                        };
                Tensor output = golden.get("in.model_output", type).clone().requires_grad_(true);
                List<Tensor> seen = new ArrayList<>();
                Network stored = (x, sigma, cond) -> {
                    seen.add(x);
                    seen.add(sigma);
                    return output;
                };
                double[] sigma = golden.doubles("in.sigma");
                Tensor losses = new SigmaLoss(frame, weighting, scales)
                        .losses(
                                stored,
                                golden.get("in.input", type),
                                sigma,
                                golden.get("in.noise", type),
                                Conditioning.none());
                double tolerance = golden.tolerance(type);
                Golden.assertClose("losses", Tensors.doubles(losses), golden.doubles("out.losses"), tolerance);
                Golden.assertClose("x", Tensors.doubles(seen.get(0)), golden.doubles("out.inner_x"), tolerance);
                Golden.assertClose("sigma", Tensors.doubles(seen.get(1)), golden.doubles("out.inner_sigma"), tolerance);
                losses.mean().backward();
                Golden.assertClose(
                        "gradient", Tensors.doubles(output.grad()), golden.doubles("grad.in.model_output"), tolerance);
                Tensor denoised =
                        frame.around(stored, Conditioning.none()).denoise(golden.get("out.noised", type), sigma);
                Golden.assertClose("D", Tensors.doubles(denoised), golden.doubles("out.denoised"), tolerance);
            }
        }
    }

    @Test
    void lossesUnderALearnedUncertaintyEqualTheReferences() {
        for (ScalarType type : TYPES) {
            try (Golden golden = Golden.open("karras/loss-variance");
                    Scope scope = Scope.open()) {
                Preconditioning frame =
                        new Preconditioning(golden.config().get("sigma_data").asDouble());
                Tensor output = golden.get("in.model_output", type).clone().requires_grad_(true);
                Tensor u = golden.get("in.logvar", type).clone().requires_grad_(true);
                Tensor losses = SigmaWeighting.LearnedUncertainty.weighed(
                        new SigmaLoss(frame, new SigmaWeighting.LearnedUncertainty(1), 1)
                                .losses(
                                        (x, sigma, cond) -> output,
                                        golden.get("in.input", type),
                                        golden.doubles("in.sigma"),
                                        golden.get("in.noise", type),
                                        Conditioning.none()),
                        u);
                double tolerance = golden.tolerance(type);
                Golden.assertClose("losses", Tensors.doubles(losses), golden.doubles("out.losses"), tolerance);
                losses.mean().backward();
                Golden.assertClose(
                        "gradient", Tensors.doubles(output.grad()), golden.doubles("grad.in.model_output"), tolerance);
                Golden.assertClose(
                        "gradient of u", Tensors.doubles(u.grad()), golden.doubles("grad.in.logvar"), tolerance);
            }
        }
    }

    /** The "simple" loss is the error of ε, (D − x_0)²/σ²: in this frame {@link SigmaWeighting.Snr} and nothing else. */
    @Test
    void theErrorOfEpsAndItsGradientEqualTheReferencesSimpleLoss() {
        for (ScalarType type : TYPES) {
            try (Golden golden = Golden.open("karras/loss-simple");
                    Scope scope = Scope.open()) {
                Preconditioning frame =
                        new Preconditioning(golden.config().get("sigma_data").asDouble());
                Tensor output = golden.get("in.model_output", type).clone().requires_grad_(true);
                List<Tensor> seen = new ArrayList<>();
                Tensor losses = new SigmaLoss(frame, new SigmaWeighting.Snr(), 1)
                        .losses(
                                (x, sigma, cond) -> {
                                    seen.add(x);
                                    return output;
                                },
                                golden.get("in.input", type),
                                golden.doubles("in.sigma"),
                                golden.get("in.noise", type),
                                Conditioning.none());
                double tolerance = golden.tolerance(type);
                Golden.assertClose("losses", Tensors.doubles(losses), golden.doubles("out.losses"), tolerance);
                Golden.assertClose("x", Tensors.doubles(seen.get(0)), golden.doubles("out.inner_x"), tolerance);
                losses.mean().backward();
                Golden.assertClose(
                        "gradient", Tensors.doubles(output.grad()), golden.doubles("grad.in.model_output"), tolerance);
            }
        }
    }

    @Test
    void edmsTrainingLossEqualsThePapers() {
        for (ScalarType type : TYPES) {
            try (Golden golden = Golden.open("edm/training-loss");
                    Scope scope = Scope.open()) {
                Tensor output = golden.get("in.F", type).clone().requires_grad_(true);
                double[] sigma = golden.doubles("out.sigma");
                Tensor losses = new SigmaLoss(
                                new Preconditioning(
                                        golden.config().get("sigma_data").asDouble()),
                                new SigmaWeighting.Edm(),
                                1)
                        .losses(
                                (x, s, cond) -> output,
                                golden.get("in.y", type),
                                sigma,
                                golden.get("in.noise", type),
                                Conditioning.none());
                double tolerance = golden.tolerance(type);
                Golden.assertClose("losses", Tensors.doubles(losses), golden.doubles("out.loss"), tolerance);
                losses.mean().backward();
                Golden.assertClose("gradient", Tensors.doubles(output.grad()), golden.doubles("grad.in.F"), tolerance);
            }
        }
    }

    @Test
    void theCosineTransformAndItsWeightsEqualTheReferences() {
        try (Golden golden = Golden.open("karras/dct");
                Scope scope = Scope.open()) {
            for (String name : List.of("a", "b")) {
                Tensor x = golden.get("in." + name, ScalarType.Double);
                Golden.assertClose(name, Tensors.doubles(Dct.transform(x)), golden.doubles("out." + name), 1e-10);
            }
        }
        try (Golden golden = Golden.open("karras/freq-weights")) {
            JsonNode args = golden.config().get("args");
            for (int i = 0; i < args.size(); i++) {
                JsonNode shape = args.get(i).get(0);
                int scales = args.get(i).get(1).asInt();
                double[] expected = golden.doubles("out.w." + i);
                if (shape.size() == 2) {
                    double[] actual = Dct.frequencyWeights(
                            shape.get(0).asInt(), shape.get(1).asInt(), scales);
                    Golden.assertClose(shape.toString(), actual, expected, 1e-10);
                } else {
                    double limit = scales == 0 ? Double.POSITIVE_INFINITY : scales;
                    for (int k = 0; k < expected.length; k++) {
                        double actual = Dct.weight(k, expected.length, limit);
                        Golden.assertClose(shape + " " + k, new double[] {actual}, new double[] {expected[k]}, 1e-10);
                    }
                }
            }
        }
    }

    private static SigmaDensity density(JsonNode model) {
        JsonNode d = model.get("sigma_sample_density");
        double sigmaData = model.get("sigma_data").asDouble();
        double lowest = model.get("sigma_min").asDouble();
        double highest = model.get("sigma_max").asDouble();
        int size = Math.max(
                model.get("input_size").get(0).asInt(),
                model.get("input_size").get(1).asInt());
        double mean = d.path("mean").asDouble(d.path("loc").asDouble());
        return switch (d.get("type").asText()) {
            case "lognormal" ->
                new SigmaDensity.LogNormal(
                        mean, d.path("std").asDouble(d.path("scale").asDouble()));
            case "loglogistic" ->
                new SigmaDensity.LogLogistic(
                        d.path("loc").asDouble(Math.log(sigmaData)),
                        d.path("scale").asDouble(0.5),
                        d.path("min_value").asDouble(0),
                        d.path("max_value").asDouble(Double.POSITIVE_INFINITY));
            case "loguniform" ->
                new SigmaDensity.LogUniform(
                        d.path("min_value").asDouble(lowest),
                        d.path("max_value").asDouble(highest));
            case "v-diffusion", "cosine" ->
                new SigmaDensity.VDiffusion(
                        sigmaData,
                        d.path("min_value").asDouble(1e-3),
                        d.path("max_value").asDouble(1e3));
            default ->
                new SigmaDensity.CosineInterpolated(
                        sigmaData,
                        d.path("image_d").asInt(size),
                        d.path("noise_d_low").asInt(32),
                        d.path("noise_d_high").asInt(size),
                        d.path("min_value").asDouble(Math.min(lowest, 1e-3)),
                        d.path("max_value").asDouble(Math.max(highest, 1e3)));
        };
    }

    @ParameterizedTest
    @ValueSource(strings = {"lognormal", "loglogistic", "loguniform", "v-diffusion", "cosine-interpolated"})
    void densitiesEqualTheReferences(String name) {
        try (Golden golden = Golden.open("karras/density-" + name)) {
            double[] u = golden.doubles("in.u");
            for (JsonNode variant : golden.config().get("variants")) {
                String key = "out.log_sigma." + variant.get("name").asText();
                SigmaDensity density = density(variant.get("model"));
                each(golden, key, u, v -> Math.log(density.sigma(v)));
            }
        }
    }

    /**
     * The reference draws a normal and a uniform number and lets the latter choose the side; here one uniform number does both.
     * The level of its (n, u) is ours at the u' with Φ(−|n|) on that side.
     */
    @Test
    void theSplitDensityHasTheReferencesSides() {
        try (Golden golden = Golden.open("karras/density-split-lognormal");
                Scope scope = Scope.open()) {
            double[] u = golden.doubles("in.u");
            double[] tail = Tensors.doubles(torch.special_ndtr(
                    golden.get("in.n", ScalarType.Double).abs().mul(Scalars.of(-1))));
            for (JsonNode variant : golden.config().get("variants")) {
                JsonNode d = variant.get("model").get("sigma_sample_density");
                double mean = d.path("mean").asDouble(d.path("loc").asDouble());
                double below = d.path("std_1").asDouble(d.path("scale_1").asDouble());
                double above = d.path("std_2").asDouble(d.path("scale_2").asDouble());
                double share = below / (below + above);
                SigmaDensity density = new SigmaDensity.SplitLogNormal(mean, below, above);
                double[] expected =
                        golden.doubles("out.log_sigma." + variant.get("name").asText());
                for (int i = 0; i < u.length; i++) {
                    double ours = u[i] < share ? 2 * tail[i] * share : share + (1 - 2 * tail[i]) * (1 - share);
                    Golden.assertClose(
                            "level " + i,
                            new double[] {Math.log(density.sigma(ours))},
                            new double[] {expected[i]},
                            2e-4); // numbers are squeezed away from 0 and 1 by 1e-7
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 4})
    void stratifiedLevelsEqualTheReferences(int groups) {
        try (Golden golden = Golden.open("karras/stratified-" + groups)) {
            double[] raw = golden.doubles("in.u");
            int size = raw.length / groups;
            double[] u = new double[raw.length];
            for (int i = 0; i < raw.length; i++) {
                u[i] = SigmaDensity.stratified(raw[i], i % size, size, i / size, groups);
            }
            Golden.assertClose("u", u, golden.doubles("out.u"), 1e-10);
            SigmaDensity density = density(golden.config().get("model"));
            each(golden, "out.sigma", u, density::sigma);
        }
    }
}
