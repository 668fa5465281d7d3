package org.mezzotint.sample;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.mezzotint.diffusion.Denoiser;
import org.mezzotint.diffusion.DiffusionChain;
import org.mezzotint.diffusion.Network;
import org.mezzotint.golden.Golden;
import org.mezzotint.golden.GoldenDiT;
import org.mezzotint.golden.GoldenDiffusion;
import org.mezzotint.models.DiT;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class SamplerGoldenTest {
    @ParameterizedTest
    @CsvSource({
        "fixed-large, Double", "fixed-large, Float",
        "fixed-small-xstart, Double", "fixed-small-xstart, Float",
        "learned-1000, Double", "learned-1000, Float",
        "learned-50-clip, Double", "learned-50-clip, Float"
    })
    void singleStepsEqualTheReference(String name, ScalarType type) {
        try (Golden golden = Golden.open("diffusion/steps-" + name);
                Scope scope = Scope.open()) {
            DiffusionChain chain = GoldenDiffusion.chain(golden);
            int[] t = golden.ints("in.t");
            Tensor x = golden.get("in.x", type);
            Tensor noise = golden.get("in.noise", type);
            Denoiser.Prediction p = GoldenDiffusion.denoiser(golden, chain, null, Conditioning.none())
                    .interpret(golden.get("in.model_output", type), x, t);
            check(golden, "out.p_sample", type, Ddpm.step(p, t, noise));
            check(golden, "out.ddim_eta0.0", type, new Ddim(0).step(chain, p, t, null));
            check(golden, "out.ddim_eta0.5", type, new Ddim(0.5).step(chain, p, t, noise));
            check(golden, "out.ddim_reverse", type, Ddim.inverseStep(chain, p, t));
        }
    }

    @ParameterizedTest
    @EnumSource(value = Precision.class, names = "BFLOAT16", mode = EnumSource.Mode.EXCLUDE)
    void wholeLoopsEqualTheReference(Precision precision) {
        run("diffusion/loop-10", precision, 1);
    }

    @ParameterizedTest
    @EnumSource(value = Precision.class, names = "BFLOAT16", mode = EnumSource.Mode.EXCLUDE)
    void wholeGuidedLoopsEqualTheReference(Precision precision) {
        run("diffusion/loop-10-cfg", precision, 4);
    }

    private static void run(String name, Precision precision, double scale) {
        try (Golden golden = Golden.open(name);
                Scope scope = Scope.open();
                DiT dit = GoldenDiT.load(golden, precision)) {
            ScalarType type = precision.storage();
            boolean guided = scale != 1;
            long n = guided
                    ? golden.get("in.x_T").size(0) / 2
                    : golden.get("in.x_T").size(0);
            List<Double> told = new ArrayList<>();
            Network network = (x, t, cond) -> {
                told.add(Tensors.doubles(t)[0]);
                return dit.forward(x, t, cond, Tape.plain());
            };
            Network used = Guidance.constant(scale, 3).classifierFree(network, Guidance.nullClass(10));
            Conditioning labels = Conditioning.classes(golden.get("in.y").narrow(0, 0, n));
            Denoiser denoiser = GoldenDiffusion.denoiser(golden, GoldenDiffusion.chain(golden), used, labels);
            Tensor start = golden.get("in.x_T", type).narrow(0, 0, n);
            Sampler.StepNoise stored =
                    (step, like) -> golden.get("in.noise", type).select(0, step).narrow(0, 0, n);
            // the reference's states carry its float32 coefficients where no .f64 form is stored
            double tolerance = golden.has("out.p_sample_loop.f64") || type == ScalarType.Float
                    ? golden.tolerance(type)
                    : golden.tolerance(ScalarType.Float);
            states(golden, "out.p_sample_loop", type, tolerance, new Ddpm(), denoiser, start, stored);
            assertThat(told.stream().mapToLong(Double::longValue).toArray()).isEqualTo(golden.longs("out.network_t"));
            states(golden, "out.ddim_loop_eta0.0", type, tolerance, new Ddim(0), denoiser, start, stored);
            Tensor end = new Ddim(0.5).sample(denoiser, start, stored, Sampler.Progress.NONE);
            double[] expected = golden.expected("out.ddim_loop_eta0.5", type);
            Golden.assertClose(
                    "eta 0.5",
                    Tensors.doubles(end),
                    java.util.Arrays.copyOf(expected, Math.toIntExact(end.numel())),
                    golden.tolerance(type));
        }
    }

    private static void states(
            Golden golden,
            String name,
            ScalarType type,
            double tolerance,
            Sampler sampler,
            Denoiser denoiser,
            Tensor start,
            Sampler.StepNoise noise) {
        double[] all = golden.expected(name, type);
        int whole = all.length / 10;
        List<double[]> seen = new ArrayList<>();
        sampler.sample(denoiser, start, noise, (done, total, x) -> seen.add(Tensors.doubles(x)));
        assertThat(seen).hasSize(10);
        for (int step = 0; step < 10; step++) {
            double[] expected = java.util.Arrays.copyOfRange(all, step * whole, step * whole + seen.get(step).length);
            Golden.assertClose(name + " after step " + step, seen.get(step), expected, tolerance);
        }
    }

    @ParameterizedTest
    @EnumSource(value = Precision.class, names = "BFLOAT16", mode = EnumSource.Mode.EXCLUDE)
    void guidanceOnThreeChannelsEqualsTheReference(Precision precision) {
        try (Golden golden = Golden.open("dit/forward-with-cfg");
                Scope scope = Scope.open();
                DiT dit = GoldenDiT.load(golden, precision);
                NoGradGuard noGrad = new NoGradGuard()) {
            ScalarType type = precision.storage();
            Tensor x = golden.get("in.x", type).narrow(0, 0, 2);
            Conditioning labels = Conditioning.classes(golden.get("in.y").narrow(0, 0, 2));
            Network network = (a, t, cond) -> dit.forward(a, t, cond, Tape.plain());
            double[] scales = {1.5, 4.0};
            for (int i = 0; i < scales.length; i++) {
                Tensor y = Guidance.constant(scales[i], 3)
                        .classifierFree(network, Guidance.nullClass(10))
                        .evaluate(x, golden.get("in.t").narrow(0, 0, 2), labels);
                double[] expected = golden.expected("out.y" + i, type);
                Golden.assertClose(
                        "scale " + scales[i],
                        Tensors.doubles(y),
                        java.util.Arrays.copyOf(expected, expected.length / 2),
                        golden.tolerance(type));
            }
        }
    }

    @Test
    void guidanceOnAllChannelsMovesEveryChannel() {
        try (Scope scope = Scope.open()) {
            Network labelsAsPictures = (x, t, cond) ->
                    cond.get("class").to(ScalarType.Float).view(-1, 1, 1, 1).expand(x.size(0), 4, 1, 1);
            Tensor x = Tensors.of(new float[] {0, 0, 0, 0}, 1, 4, 1, 1);
            Tensor t = Tensors.of(new double[] {0});
            Conditioning three = Conditioning.classes(3);
            Network all = Guidance.constant(2, 4).classifierFree(labelsAsPictures, Guidance.nullClass(10));
            Network some = Guidance.constant(2, 3).classifierFree(labelsAsPictures, Guidance.nullClass(10));
            assertThat(Tensors.doubles(all.evaluate(x, t, three))).containsExactly(-4, -4, -4, -4);
            assertThat(Tensors.doubles(some.evaluate(x, t, three))).containsExactly(-4, -4, -4, 3);
        }
    }

    private static void check(Golden golden, String name, ScalarType type, Tensor actual) {
        Golden.assertClose(name, Tensors.doubles(actual), golden.expected(name, type), golden.tolerance(type));
    }
}
