package org.mezzotint.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.golden.Golden;
import org.mezzotint.golden.GoldenDiffusion;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class DiffusionGoldenTest {
    @ParameterizedTest
    @ValueSource(strings = {"linear-100", "linear-1000", "linear-1000-respaced-250", "squaredcos-1000"})
    void everyCoefficientOfAScheduleEqualsTheReference(String name) {
        try (Golden golden = Golden.open("diffusion/schedule-" + name);
                Scope scope = Scope.open()) {
            DiffusionChain chain = GoldenDiffusion.chain(golden);
            relative(golden, "betas", chain.betas());
            relative(golden, "alphas_cumprod", chain.alphaBar());
            relative(golden, "alphas_cumprod_prev", chain.alphaBarPrev());
            relative(golden, "alphas_cumprod_next", chain.alphaBarNext());
            relative(golden, "posterior_variance", chain.posteriorVariance());
            relative(golden, "posterior_log_variance_clipped", chain.posteriorLogVarianceClipped());
            relative(golden, "posterior_mean_coef1", chain.posteriorMeanCoef1());
            relative(golden, "posterior_mean_coef2", chain.posteriorMeanCoef2());
            double[] alpha = chain.alphaBar();
            double[] oneMinus = chain.oneMinusAlphaBar();
            relative(golden, "sqrt_alphas_cumprod", map(alpha, Math::sqrt));
            relative(golden, "sqrt_one_minus_alphas_cumprod", map(oneMinus, Math::sqrt));
            relative(golden, "log_one_minus_alphas_cumprod", map(oneMinus, Math::log));
            relative(golden, "sqrt_recip_alphas_cumprod", map(alpha, a -> Math.sqrt(1 / a)));
            assertThat(Arrays.stream(chain.times()).mapToLong(t -> (long) t).toArray())
                    .isEqualTo(golden.longs("out.timestep_map"));
        }
    }

    private static double[] map(double[] values, java.util.function.DoubleUnaryOperator f) {
        return Arrays.stream(values).map(f).toArray();
    }

    private static void relative(Golden golden, String name, double[] actual) {
        double[] expected = golden.doubles("out." + name);
        assertThat(actual).as(name).hasSameSizeAs(expected);
        for (int i = 0; i < expected.length; i++) {
            assertThat(Math.abs(actual[i] - expected[i]))
                    .as("%s[%d]: got %s, expected %s", name, i, actual[i], expected[i])
                    .isLessThanOrEqualTo(1e-12 * Math.abs(expected[i]) + 1e-300);
        }
    }

    @Test
    void respacingKeepsTheReferencesStepsAndRefusesWhatItRefuses() {
        try (Golden golden = Golden.open("diffusion/respacing");
                Scope scope = Scope.open()) {
            JsonNode requests = golden.config().get("requests");
            for (int i = 0; i < requests.size(); i++) {
                NoiseSchedule schedule =
                        new NoiseSchedule.Linear(requests.get(i).get(0).asInt());
                DiffusionChain chain = schedule.chain(requests.get(i).get(1).asText());
                assertThat(Arrays.stream(chain.times()).mapToLong(t -> (long) t).toArray())
                        .as(requests.get(i).toString())
                        .isEqualTo(golden.longs("out.map" + i));
                Golden.assertClose("betas", chain.betas(), golden.doubles("out.betas" + i), 1e-12);
                Golden.assertClose("alphaBar", chain.alphaBar(), golden.doubles("out.alphas_cumprod" + i), 1e-12);
            }
            for (JsonNode error : golden.config().get("errors")) {
                NoiseSchedule schedule = new NoiseSchedule.Linear(error.get(0).asInt());
                assertThatThrownBy(() -> schedule.chain(error.get(1).asText()))
                        .as(error.toString())
                        .isInstanceOf(IllegalArgumentException.class);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "fixed-large, Double", "fixed-large, Float",
        "fixed-small-xstart, Double", "fixed-small-xstart, Float",
        "learned-1000, Double", "learned-1000, Float",
        "learned-50-clip, Double", "learned-50-clip, Float"
    })
    void aStepsDistributionsEqualTheReference(String name, ScalarType type) {
        try (Golden golden = Golden.open("diffusion/steps-" + name);
                Scope scope = Scope.open()) {
            DiffusionChain chain = GoldenDiffusion.chain(golden);
            int[] t = golden.ints("in.t");
            Tensor x = golden.get("in.x", type);
            Tensor x0 = golden.get("in.x_start", type);
            Tensor noise = golden.get("in.noise", type);
            check(golden, "out.q_sample", type, chain.qSample(x0, t, noise));
            check(golden, "out.q_posterior_mean", type, chain.qPosteriorMean(x0, x, t));
            Denoiser.Prediction p = GoldenDiffusion.denoiser(golden, chain, null, Conditioning.none())
                    .interpret(golden.get("in.model_output", type), x, t);
            check(golden, "out.p_pred_xstart", type, p.x0());
            check(golden, "out.p_mean", type, p.mean());
            check(golden, "out.p_log_variance", type, p.logVariance().expand_as(x));
            if (!name.startsWith("fixed-small")) { // there the reference's variance of the last step, unused, is 0
                check(golden, "out.p_variance", type, p.logVariance().exp().expand_as(x));
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "default, Double", "default, Float", "fixed, Double", "fixed, Float",
        "kl, Double", "kl, Float", "rescaled-100, Double", "rescaled-100, Float"
    })
    void lossesAndTheirGradientsEqualTheReference(String name, ScalarType type) {
        try (Golden golden = Golden.open("diffusion/loss-" + name);
                Scope scope = Scope.open()) {
            DiffusionChain chain = GoldenDiffusion.chain(golden);
            DiffusionLoss loss = new DiffusionLoss(GoldenDiffusion.config(golden), chain);
            int[] t = golden.ints("in.t");
            double[] u = new double[t.length];
            for (int i = 0; i < t.length; i++) {
                u[i] = (t[i] + 0.5) / chain.steps();
            }
            Tensor output = golden.get("in.model_output", type).clone().requires_grad_(true);
            Tensor noise = golden.get("in.noise", type);
            double[][] fed = new double[1][];
            Objective.Terms terms = loss.terms(
                    (x, time, cond) -> {
                        fed[0] = Tensors.doubles(time);
                        check(golden, "out.x_t", type, x);
                        return output;
                    },
                    golden.get("in.x_start", type),
                    loss.levels(u),
                    noise,
                    Conditioning.none());
            check(golden, "out.loss", type, terms.total());
            if (golden.has("out.mse")) {
                check(golden, "out.mse", type, terms.mse());
            }
            if (golden.has("out.vb")) {
                check(golden, "out.vb", type, terms.vlb());
            }
            assertThat(Arrays.stream(fed[0]).mapToLong(v -> (long) v).toArray())
                    .isEqualTo(golden.longs("out.network_t"));
            terms.total().mul(golden.get("in.cotangent", type)).sum().backward();
            // grad.* follow the reference as published, with coefficients rounded to float32
            double tolerance = Math.max(golden.tolerance(ScalarType.Float), 1e-5);
            Golden.assertClose(
                    "gradient", Tensors.doubles(output.grad()), golden.doubles("grad.model_output"), tolerance);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"Double", "Float"})
    void bitsPerDimensionEqualTheReference(String typeName) {
        ScalarType type = ScalarType.valueOf(typeName);
        try (Golden golden = Golden.open("diffusion/bpd-loop-8");
                Scope scope = Scope.open()) {
            DiffusionChain chain = GoldenDiffusion.chain(golden);
            int[] call = {0};
            Network stored = (x, t, cond) -> golden.get("in.model_output", type).select(0, call[0]++);
            Denoiser denoiser = GoldenDiffusion.denoiser(golden, chain, stored, Conditioning.none());
            BitsPerDimension bits =
                    BitsPerDimension.of(denoiser, golden.get("in.x_start", type), t -> golden.get("in.noise", type)
                            .select(0, chain.steps() - 1 - t));
            check(golden, "out.vb", type, bits.vlb());
            check(golden, "out.xstart_mse", type, bits.xStartMse());
            check(golden, "out.mse", type, bits.mse());
            check(golden, "out.prior_bpd", type, bits.prior());
            check(golden, "out.total_bpd", type, bits.total());
        }
    }

    private static void check(Golden golden, String name, ScalarType type, Tensor actual) {
        Golden.assertClose(name, Tensors.doubles(actual), golden.expected(name, type), golden.tolerance(type));
    }
}
