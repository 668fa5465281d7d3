package org.mezzotint.sample;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.diffusion.Network;
import org.mezzotint.diffusion.SigmaDenoiser;
import org.mezzotint.diffusion.SigmaGrid;
import org.mezzotint.golden.Golden;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** The solvers against k-diffusion and EDM: results, every network evaluation, and the noises they ask for. */
class SigmaSamplerGoldenTest {
    /** Records every evaluation of D(x, σ) = (s²·x + σ²·μ)/(s² + σ²), exact for normally distributed pictures. */
    private static final class Recorder implements SigmaDenoiser {
        final Tensor mean;
        final Tensor variance;
        final List<double[]> x = new ArrayList<>();
        final List<double[]> denoised = new ArrayList<>();
        final List<Double> sigmas = new ArrayList<>();

        Recorder(Golden golden, ScalarType type) {
            mean = golden.get("in.mu", type);
            variance = golden.get("in.s", type).square();
        }

        @Override
        public Tensor denoise(Tensor state, double[] sigma) {
            Tensor noise =
                    Tensors.of(sigma).square().view(sigma.length, 1, 1, 1).to(state.device(), Tensors.type(state));
            Tensor result = variance.mul(state).add(noise.mul(mean)).div(variance.add(noise));
            x.add(Tensors.doubles(state));
            denoised.add(Tensors.doubles(result));
            sigmas.add(sigma[0]);
            return result;
        }
    }

    private static Churn churn(JsonNode args) {
        return new Churn(
                args.path("s_churn").asDouble(0),
                args.path("s_tmin").asDouble(0),
                args.path("s_tmax").asDouble(Double.POSITIVE_INFINITY),
                args.path("s_noise").asDouble(1));
    }

    private static SigmaSampler sampler(String function, JsonNode args) {
        double eta = args.path("eta").asDouble(1);
        double scale = args.path("s_noise").asDouble(1);
        return switch (function) {
            case "sample_euler" -> new Euler(churn(args));
            case "sample_heun" -> new Heun(churn(args));
            case "sample_dpm_2" -> new Dpm2(churn(args));
            case "sample_euler_ancestral" -> new EulerAncestral(eta, scale);
            case "sample_dpm_2_ancestral" -> new Dpm2Ancestral(eta, scale);
            case "sample_dpmpp_2s_ancestral" -> new DpmPp2SAncestral(eta, scale);
            case "sample_dpmpp_sde" -> new DpmPpSde(eta, scale, args.path("r").asDouble(0.5));
            case "sample_dpmpp_2m" -> new DpmPp2M();
            case "sample_dpmpp_2m_sde" ->
                new DpmPp2MSde(
                        eta,
                        scale,
                        args.path("solver_type").asText("midpoint").equals("heun")
                                ? DpmPp2MSde.Correction.HEUN
                                : DpmPp2MSde.Correction.MIDPOINT);
            case "sample_dpmpp_3m_sde" -> new DpmPp3MSde(eta, scale);
            case "sample_lms" -> new Lms(args.path("order").asInt(4));
            default -> throw new IllegalArgumentException(function);
        };
    }

    private static void compare(Golden golden, String variant, Recorder seen, Tensor x, double tolerance) {
        String out = "out." + variant + ".";
        Golden.assertClose(variant + " x_0", Tensors.doubles(x), golden.doubles(out + "x_0"), tolerance);
        Golden.assertClose(variant + " sigmas", array(seen.sigmas), golden.doubles(out + "model_sigma"), tolerance);
        Golden.assertClose(variant + " x", flat(seen.x), golden.doubles(out + "model_x"), tolerance);
        Golden.assertClose(variant + " denoised", flat(seen.denoised), golden.doubles(out + "denoised"), tolerance);
    }

    private static double[] array(List<Double> values) {
        return values.stream().mapToDouble(Double::doubleValue).toArray();
    }

    private static double[] flat(List<double[]> parts) {
        return parts.stream().flatMapToDouble(java.util.Arrays::stream).toArray();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "euler",
                "heun",
                "dpm_2",
                "euler_ancestral",
                "dpm_2_ancestral",
                "dpmpp_2s_ancestral",
                "dpmpp_sde",
                "dpmpp_2m",
                "dpmpp_2m_sde",
                "dpmpp_3m_sde",
                "lms"
            })
    void everyStepEqualsTheReferences(String name) {
        for (ScalarType type : List.of(ScalarType.Double, ScalarType.Float)) {
            try (Golden golden = Golden.open("ksampling/" + name);
                    Scope scope = Scope.open()) {
                double[] sigmas = golden.doubles("in.sigmas");
                Tensor noises = golden.get("in.noises", type);
                for (JsonNode variant : golden.config().get("variants")) {
                    String key = variant.get("name").asText();
                    Recorder seen = new Recorder(golden, type);
                    List<Double> asked = new ArrayList<>();
                    SigmaSampler.StepNoise noise = (draw, sigma, next, like, first) -> {
                        asked.add(sigma);
                        asked.add(next);
                        return noises.select(0, draw);
                    };
                    Tensor x = sampler(golden.config().get("function").asText(), variant.get("args"))
                            .sample(seen, golden.get("in.x_T", type), sigmas, noise, Sampler.Progress.NONE);
                    compare(golden, name + " " + type, key, seen, x, golden.tolerance(type));
                    String levels = "out." + key + ".noise_sigmas";
                    if (golden.has(levels) && !asked.isEmpty()) {
                        Golden.assertClose(key + " noises", array(asked), golden.doubles(levels), 1e-10);
                    }
                }
            }
        }
    }

    private static void compare(Golden golden, String what, String variant, Recorder seen, Tensor x, double tolerance) {
        try {
            compare(golden, variant, seen, x, tolerance);
        } catch (AssertionError e) {
            throw new AssertionError(what + ": " + e.getMessage(), e);
        }
    }

    @Test
    void dpmFastEqualsTheReference() {
        for (ScalarType type : List.of(ScalarType.Double, ScalarType.Float)) {
            try (Golden golden = Golden.open("ksampling/dpm_fast");
                    Scope scope = Scope.open()) {
                Tensor noises = golden.get("in.noises", type);
                for (JsonNode variant : golden.config().get("variants")) {
                    JsonNode args = variant.get("args");
                    Recorder seen = new Recorder(golden, type);
                    Tensor x = new DpmFast(
                                    args.path("eta").asDouble(0),
                                    args.path("s_noise").asDouble(1))
                            .sample(
                                    seen,
                                    golden.get("in.x_T", type),
                                    golden.config().get("sigma_max").asDouble(),
                                    golden.config().get("sigma_min").asDouble(),
                                    args.get("n").asInt(),
                                    (draw, sigma, next, like, first) -> noises.select(0, draw),
                                    Sampler.Progress.NONE);
                    compare(golden, "dpm_fast", variant.get("name").asText(), seen, x, golden.tolerance(type));
                }
            }
        }
    }

    private static DpmAdaptive adaptive(JsonNode args, boolean shared) {
        return new DpmAdaptive(
                args.path("order").asInt(3),
                args.path("rtol").asDouble(0.05),
                args.path("atol").asDouble(0.0078),
                args.path("h_init").asDouble(0.05),
                args.path("pcoeff").asDouble(0),
                args.path("icoeff").asDouble(1),
                args.path("dcoeff").asDouble(0),
                args.path("accept_safety").asDouble(0.81),
                args.path("eta").asDouble(0),
                args.path("s_noise").asDouble(1),
                shared);
    }

    @Test
    void dpmAdaptiveTakesTheReferencesSteps() {
        try (Golden golden = Golden.open("ksampling/dpm_adaptive");
                Scope scope = Scope.open()) {
            Tensor noises = golden.get("in.noises", ScalarType.Double);
            double first = golden.config().get("sigma_max").asDouble();
            double last = golden.config().get("sigma_min").asDouble();
            for (JsonNode variant : golden.config().get("variants")) {
                String key = variant.get("name").asText();
                Recorder seen = new Recorder(golden, ScalarType.Double);
                DpmAdaptive.Counts[] counts = new DpmAdaptive.Counts[1];
                Tensor x = adaptive(variant.get("args"), true)
                        .sample(
                                seen,
                                golden.get("in.x_T", ScalarType.Double),
                                first,
                                last,
                                (draw, sigma, next, like, at) -> noises.select(0, draw),
                                Sampler.Progress.NONE,
                                counts);
                compare(golden, "dpm_adaptive", key, seen, x, 1e-10);
                assertThat(counts[0].accepted()).containsExactly(golden.ints("out." + key + ".n_accept"));
                assertThat(counts[0].rejected()).containsExactly(golden.ints("out." + key + ".n_reject"));
            }
        }
    }

    @Test
    void aPictureOfDpmAdaptiveDoesNotDependOnItsBatch() {
        try (Golden golden = Golden.open("ksampling/dpm_adaptive");
                Scope scope = Scope.open()) {
            Tensor noises = golden.get("in.noises", ScalarType.Double);
            Tensor start = golden.get("in.x_T", ScalarType.Double);
            double[] sigmas = {20, 0.02, 0};
            DpmAdaptive solver = adaptive(golden.config().get("variants").get(4).get("args"), false); // with noise
            SigmaSampler.StepNoise noise =
                    (draw, sigma, next, like, at) -> noises.select(0, draw).narrow(0, at, like.size(0));
            Tensor together =
                    solver.sample(new Recorder(golden, ScalarType.Double), start, sigmas, noise, Sampler.Progress.NONE);
            for (int i = 0; i < 2; i++) {
                int picture = i;
                Tensor alone = solver.sample(
                        new Recorder(golden, ScalarType.Double),
                        start.narrow(0, i, 1),
                        sigmas,
                        (draw, sigma, next, like, at) -> noises.select(0, draw).narrow(0, picture, 1),
                        Sampler.Progress.NONE);
                assertThat(Tensors.doubles(together.select(0, i))).containsExactly(Tensors.doubles(alone));
            }
        }
    }

    @Test
    void heunEqualsEdmsAlgorithm() {
        for (ScalarType type : List.of(ScalarType.Double, ScalarType.Float)) {
            try (Golden golden = Golden.open("edm/heun");
                    Scope scope = Scope.open()) {
                Tensor eps = golden.get("in.eps", type);
                for (JsonNode variant : golden.config().get("variants")) {
                    String key = variant.get("name").asText();
                    JsonNode args = variant.get("args");
                    double[] sigmas = new SigmaGrid.Karras(
                                    args.get("sigma_min").asDouble(),
                                    args.get("sigma_max").asDouble(),
                                    args.get("rho").asDouble())
                            .sigmas(args.get("n").asInt());
                    Golden.assertClose(key + " t", sigmas, golden.doubles("out." + key + ".t"), 1e-10);
                    JsonNode most = args.get("S_max");
                    Churn churn = new Churn(
                            args.get("S_churn").asDouble(),
                            args.get("S_min").asDouble(),
                            most.isNull() ? Double.POSITIVE_INFINITY : most.asDouble(),
                            args.get("S_noise").asDouble());
                    Tensor start = golden.get("in.n", type).mul(Scalars.of(sigmas[0]));
                    Tensor x = new Heun(churn)
                            .sample(
                                    new Recorder(golden, type),
                                    start,
                                    sigmas,
                                    (draw, sigma, next, like, first) -> eps.select(0, draw),
                                    Sampler.Progress.NONE);
                    Golden.assertClose(
                            key, Tensors.doubles(x), golden.doubles("out." + key + ".x_0"), golden.tolerance(type));
                }
            }
        }
    }

    @Test
    void multistepCoefficientsEqualTheReferences() {
        try (Golden golden = Golden.open("ksampling/lms-coefficients")) {
            double[] sigmas = golden.doubles("in.sigmas");
            double[] expected = golden.doubles("out.coeffs");
            for (int i = 0; i < sigmas.length - 1; i++) {
                for (int j = 0; j < Math.min(i + 1, 4); j++) {
                    double actual = Lms.coefficient(sigmas, i, Math.min(i + 1, 4), j);
                    Golden.assertClose(i + ", " + j, new double[] {actual}, new double[] {expected[i * 4 + j]}, 1e-10);
                }
            }
        }
    }

    @Test
    void ancestralStepsEqualTheReferences() {
        try (Golden golden = Golden.open("ksampling/ancestral-step")) {
            double[] pairs = golden.doubles("in.pairs");
            for (JsonNode eta : golden.config().get("etas")) {
                double[] expected = golden.doubles("out.eta" + eta.asText());
                for (int i = 0; i < pairs.length; i += 2) {
                    Ancestral step = Ancestral.step(pairs[i], pairs[i + 1], eta.asDouble());
                    Golden.assertClose(
                            "eta " + eta,
                            new double[] {step.down(), step.up()},
                            new double[] {expected[i], expected[i + 1]},
                            1e-10);
                }
            }
        }
    }

    @Test
    void gridsEqualTheReferences() {
        try (Golden golden = Golden.open("karras/sigma-grids")) {
            for (JsonNode grid : golden.config().get("grids")) {
                JsonNode args = grid.get("args");
                double min = args.path("sigma_min").asDouble();
                double max = args.path("sigma_max").asDouble();
                SigmaGrid.Formula ours =
                        switch (grid.get("function").asText()) {
                            case "get_sigmas_karras" ->
                                new SigmaGrid.Karras(min, max, args.path("rho").asDouble(7));
                            case "get_sigmas_exponential" -> new SigmaGrid.Exponential(min, max);
                            case "get_sigmas_polyexponential" ->
                                new SigmaGrid.Polyexponential(
                                        min, max, args.path("rho").asDouble(1));
                            default ->
                                new SigmaGrid.Vp(
                                        args.path("beta_d").asDouble(19.9),
                                        args.path("beta_min").asDouble(0.1),
                                        args.path("eps_s").asDouble(1e-3));
                        };
                String name = grid.get("name").asText();
                Golden.assertClose(name, ours.sigmas(args.get("n").asInt()), golden.doubles("out." + name), 1e-10);
            }
        }
    }

    /** Row y of in.mu and in.s, the last one the null class; the network is D itself, called in its own terms. */
    private static Network byClass(Golden golden, ScalarType type, int[] batches) {
        return (x, t, cond) -> {
            Tensor labels = cond.get(Conditioning.CLASS);
            Tensor mean = golden.get("in.mu", type).index_select(0, labels);
            Tensor variance = golden.get("in.s", type).index_select(0, labels).square();
            Tensor noise = t.square().view(-1, 1, 1, 1).to(x.device(), Tensors.type(x));
            batches[0] = Math.toIntExact(x.size(0));
            return variance.mul(x).add(noise.mul(mean)).div(variance.add(noise));
        };
    }

    @Test
    void guidanceEqualsTheReferences() {
        for (ScalarType type : List.of(ScalarType.Double, ScalarType.Float)) {
            try (Golden golden = Golden.open("ksampling/guidance");
                    Scope scope = Scope.open()) {
                Conditioning cond = Conditioning.classes(golden.longs("in.class_cond"));
                int nullClass = Math.toIntExact(golden.get("in.mu", type).size(0)) - 1;
                double[] sigmas = golden.doubles("in.sigmas");
                for (JsonNode each : golden.config().get("scales")) {
                    double scale = each.asDouble();
                    String out = "out.s" + scale + ".";
                    int[] batches = new int[1];
                    Network guided = Guidance.constant(scale, 1)
                            .classifierFree(byClass(golden, type, batches), Guidance.nullClass(nullClass));
                    SigmaDenoiser denoiser = (x, sigma) -> guided.evaluate(x, Tensors.of(sigma), cond);
                    Golden.assertClose(
                            out + "denoised",
                            Tensors.doubles(denoiser.denoise(golden.get("in.x", type), golden.doubles("in.sigma"))),
                            golden.doubles(out + "denoised"),
                            golden.tolerance(type));
                    assertThat(batches[0]).isEqualTo((int) golden.longs(out + "model_batch")[0]);
                    Tensor drawn = new DpmPp2MSde(0, 1, DpmPp2MSde.Correction.HEUN)
                            .sample(
                                    denoiser,
                                    golden.get("in.x_T", type),
                                    sigmas,
                                    SigmaNoise.independent(0, 1, 2, 3),
                                    Sampler.Progress.NONE);
                    Golden.assertClose(
                            out + "x_0", Tensors.doubles(drawn), golden.doubles(out + "x_0"), golden.tolerance(type));
                }
            }
        }
    }

    /**
     * The reference's error norm is taken over the whole batch, ours over each picture, so steps and errors differ a little;
     * the true densities show that ours are as exact.
     */
    @Test
    void theLogLikelihoodEqualsTheReferences() {
        try (Golden golden = Golden.open("ksampling/log_likelihood");
                Scope scope = Scope.open()) {
            Tensor probe = golden.get("in.probe_bits", ScalarType.Double)
                    .mul(Scalars.of(2))
                    .sub(Scalars.of(1));
            double[] exact = golden.doubles("out.exact.ll");
            for (JsonNode variant : golden.config().get("variants")) {
                String key = variant.get("name").asText();
                JsonNode args = variant.get("args");
                double tolerance = args.path("atol").asDouble(1e-4);
                LogLikelihood.Result ours = new LogLikelihood(
                                golden.config().get("sigma_min").asDouble(),
                                golden.config().get("sigma_max").asDouble(),
                                tolerance,
                                args.path("rtol").asDouble(1e-4),
                                1)
                        .evaluate(
                                new Recorder(golden, ScalarType.Double),
                                golden.get("in.x", ScalarType.Double),
                                List.of(probe),
                                share -> {});
                boolean tight = tolerance < 1e-6;
                double[] theirs = golden.doubles("out." + key + ".ll");
                Golden.assertClose(key, ours.nats(), theirs, tight ? 1e-6 : 2e-3);
                Golden.assertClose(key + " and truth", ours.nats(), exact, tight ? 1e-7 : 1e-3);
                long evaluations = golden.longs("out." + key + ".fevals")[0];
                assertThat((double) ours.evaluations()).isBetween(0.8 * evaluations, 1.2 * evaluations);
            }
        }
    }
}
