package org.mezzotint.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.mezzotint.diffusion.DiffusionConfig;
import org.mezzotint.diffusion.GuidanceSchedule;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.diffusion.ScheduledDiffusion;
import org.mezzotint.diffusion.SigmaGrid;
import org.mezzotint.golden.Golden;
import org.mezzotint.golden.GoldenDiffiT;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.RelativePositions;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.sample.Guidance;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** The latent DiffiT against the authors' code. */
class DiffiTGoldenTest {
    @ParameterizedTest
    @EnumSource(names = {"FLOAT64", "FLOAT32"})
    void forwardEqualsTheReference(Precision precision) {
        try (Golden golden = Golden.open("diffit/forward");
                Scope scope = Scope.open();
                DiffiT diffit = GoldenDiffiT.load(golden, precision)) {
            Tensor y = diffit.forward(
                    golden.get("in.x", precision.storage()),
                    golden.get("in.t"),
                    Conditioning.classes(golden.get("in.y")),
                    Tape.plain());
            Golden.assertClose(
                    "y",
                    Tensors.doubles(y),
                    golden.expected("out.y", precision.storage()),
                    golden.tolerance(precision.storage()));
        }
    }

    @Test
    void packedLinearsGiveTheSamePictures() {
        try (Golden golden = Golden.open("diffit/forward");
                Scope scope = Scope.open();
                DiffiT diffit = GoldenDiffiT.load(golden, Precision.FLOAT32);
                NoGradGuard noGrad = new NoGradGuard()) {
            diffit.pack(4);
            Tensor y = diffit.forward(
                    golden.get("in.x"), golden.get("in.t"), Conditioning.classes(golden.get("in.y")), Tape.plain());
            Golden.assertClose("packed", Tensors.doubles(y), golden.doubles("out.y"), 2e-5);
        }
    }

    @Test
    void bfloat16StaysNearTheReference() {
        try (Golden golden = Golden.open("diffit/forward");
                Scope scope = Scope.open();
                DiffiT diffit = GoldenDiffiT.load(golden, Precision.BFLOAT16)) {
            Tensor y = diffit.forward(
                    golden.get("in.x"), golden.get("in.t"), Conditioning.classes(golden.get("in.y")), Tape.plain());
            assertThat(Tensors.type(y)).isEqualTo(ScalarType.Float);
            double[] expected = golden.doubles("out.y");
            double[] actual = Tensors.doubles(y);
            double error = 0;
            double power = 0;
            for (int i = 0; i < expected.length; i++) {
                error += Math.pow(actual[i] - expected[i], 2);
                power += expected[i] * expected[i];
            }
            assertThat(Math.sqrt(error / power)).isGreaterThan(0).isLessThan(0.02);
        }
    }

    @ParameterizedTest
    @CsvSource({"FLOAT64, false", "FLOAT64, true", "FLOAT32, false", "FLOAT32, true"})
    void gradientsEqualTheReference(Precision precision, boolean checkpointing) {
        try (Golden golden = Golden.open("diffit/gradients");
                Scope scope = Scope.open();
                DiffiT diffit = GoldenDiffiT.load(golden, precision);
                Tape tape = checkpointing ? Tape.checkpointing(0) : Tape.plain()) {
            Tensor x = golden.get("in.x", precision.storage()).clone().requires_grad_(true);
            Tensor y = diffit.forward(x, golden.get("in.t"), Conditioning.classes(golden.get("in.y")), tape);
            tape.backward(y.mul(golden.get("in.cotangent", precision.storage())).sum());
            // the stored gradients carry the reference's float32 timestep table, which shows in t_embedder
            double tolerance = precision == Precision.FLOAT64 ? 1e-6 : golden.tolerance(ScalarType.Float);
            diffit.trainable()
                    .forEach((name, parameter) -> Golden.assertClose(
                            name, Tensors.doubles(parameter.grad()), golden.doubles("grad." + name), tolerance));
            Golden.assertClose("x", Tensors.doubles(x.grad()), golden.doubles("gradin.x"), tolerance);
        }
    }

    /** Table of the first half's guided predictions; t differs inside the batch. */
    @ParameterizedTest
    @CsvSource({"power, FLOAT64", "power, FLOAT32", "linear, FLOAT64", "linear, FLOAT32"})
    void guidanceEqualsTheReference(String kind, Precision precision) {
        ScalarType type = precision.storage();
        try (Golden golden = Golden.open("diffit/forward-with-cfg-" + kind);
                Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                DiffiT diffit = GoldenDiffiT.load(golden, precision)) {
            DiffusionConfig diffusion = ScheduledDiffusion.dit();
            long n = golden.get("in.x").size(0) / 2;
            int channels = diffit.config().channels();
            JsonNode all = golden.config().get("guidance");
            for (int i = 0; i < all.size(); i++) {
                SamplingConfig sampling = new SamplingConfig(
                        SamplingConfig.Solver.DDPM,
                        1,
                        "250",
                        new SigmaGrid.OfSchedule(),
                        all.get(i).get(0).asDouble(),
                        kind.equals("power")
                                ? new GuidanceSchedule.PowerCosine(
                                        all.get(i).get(2).asDouble())
                                : new GuidanceSchedule.Constant(),
                        SamplingConfig.GuidedChannels.FIRST_THREE,
                        false,
                        false);
                Guidance guidance = Guidance.of(sampling, diffusion, channels);
                Tensor t = golden.get("in.t").narrow(0, 0, n);
                double[] weights = golden.expected("out.w" + i, type);
                double[] times = Tensors.doubles(t);
                for (int k = 0; k < n; k++) {
                    assertThat(guidance.weight().applyAsDouble(times[k]))
                            .isCloseTo(weights[k], within(type == ScalarType.Double ? 1e-12 : 1e-6));
                }
                Tensor y = guidance.classifierFree(
                                (x, time, cond) -> diffit.forward(x, time, cond, Tape.plain()),
                                Guidance.nullClass(diffit.config().numClasses()))
                        .evaluate(
                                golden.get("in.x", type).narrow(0, 0, n),
                                t,
                                Conditioning.classes(golden.get("in.y").narrow(0, 0, n)));
                double[] expected = golden.expected("out.y" + i, type);
                Golden.assertClose(
                        kind + " " + i,
                        Tensors.doubles(y),
                        Arrays.copyOf(expected, expected.length / 2),
                        golden.tolerance(type));
            }
        }
    }

    @Test
    void relativePositionsEqualTheReference() {
        try (Golden golden = Golden.open("diffit/relative-position");
                Scope scope = Scope.open();
                Init init = Init.blank(Precision.FLOAT64, new Device("cpu"))) {
            for (JsonNode window : golden.config().get("windows")) {
                int w = window.get(0).asInt();
                RelativePositions positions = new RelativePositions(init, w, w);
                assertThat(Tensors.longs(positions.index())).containsExactly(golden.longs("out.index.w" + w));
                Tensor bias = positions.expand(golden.get("in.table.w" + w, ScalarType.Double));
                Golden.assertClose("bias " + w, Tensors.doubles(bias), golden.doubles("out.bias.w" + w), 1e-9);
                Golden.assertClose(
                        "softmax " + w,
                        Tensors.doubles(torch.softmax(bias, 2).select(2, 0)),
                        golden.doubles("out.softmax_col0.w" + w),
                        1e-9);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"256", "512"})
    void namesShapesAndOrderEqualTheReference(int size) throws IOException {
        JsonNode golden = new ObjectMapper()
                .readTree(Golden.path("diffit/params-Diffit-" + size + ".json").toFile());
        DiffiTConfig config = NamedDiffiT.named("diffit-" + size);
        List<String> expected = new ArrayList<>();
        golden.get("state_dict").forEach(entry -> expected.add(entry.get(0).asText() + entry.get(1)));
        List<String> buffers = new ArrayList<>();
        golden.get("int64_buffers").forEach(entry -> buffers.add(entry.asText()));
        try (Init init = Init.shapesOnly();
                DiffiT diffit = new DiffiT(config, init)) {
            List<String> actual = new ArrayList<>();
            List<String> integers = new ArrayList<>();
            diffit.state().forEach((key, tensor) -> {
                actual.add(key + Arrays.toString(tensor.shape()).replace(" ", ""));
                if (Tensors.type(tensor) == ScalarType.Long) {
                    integers.add(key);
                }
            });
            assertThat(actual).isEqualTo(expected);
            assertThat(integers).isEqualTo(buffers);
        }
        assertThat(config.cost().parameters())
                .isEqualTo(golden.get("trainable_parameters").asLong());
    }

    /** Table 9 of the paper: 561 M and 114 G, which fit 28 blocks only. */
    @ParameterizedTest
    @CsvSource({
        "diffit-256, 561035232, 114.28, 118.51",
        "diffit-512, 562382816, 456.78, 524.42",
        "diffit-256-depth-30, 600906752, 122.44, 126.97"
    })
    void parametersAndMultiplyAccumulatesAreThePapers(String name, long parameters, double without, double with) {
        DiffiTConfig config = NamedDiffiT.named(name);
        assertThat(config.cost().parameters()).isEqualTo(parameters);
        assertThat(config.macsWithoutAttentionProducts().getAsLong() / 1e9).isCloseTo(without, within(0.005));
        assertThat(config.cost().macs() / 1e9).isCloseTo(with, within(0.005));
    }
}
