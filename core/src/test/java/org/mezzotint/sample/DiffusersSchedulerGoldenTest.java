package org.mezzotint.sample;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.mezzotint.convert.DiffusersScheduler;
import org.mezzotint.diffusion.Denoiser;
import org.mezzotint.diffusion.Network;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.diffusion.SigmaGrid;
import org.mezzotint.diffusion.SigmaTimes;
import org.mezzotint.golden.Golden;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** Schedulers of diffusers on stored network outputs: every state, and the times that the network is told. */
class DiffusersSchedulerGoldenTest {
    @ParameterizedTest
    @CsvSource({
        "ddim, Double",
        "ddim, Float",
        "ddim-eta, Double",
        "ddim-eta, Float",
        "ddpm, Double",
        "ddpm, Float",
        "ddpm-learned-range, Double",
        "ddpm-learned-range, Float"
    })
    void chainsFollowTheReference(String name, ScalarType type) {
        try (Golden golden = Golden.open("diffusers/scheduler-" + name);
                Scope scope = Scope.open()) {
            DiffusersScheduler.Settings read = settings(golden);
            SamplingConfig sampling = read.sampling();
            List<Double> told = new ArrayList<>();
            Denoiser denoiser = new Denoiser(
                    stored(golden, type, told),
                    Conditioning.none(),
                    read.diffusion().schedule().chain(sampling.steps()),
                    read.diffusion().parameterization(),
                    read.diffusion().variance(),
                    sampling.clip());
            double eta = golden.config().path("eta").asDouble(0);
            Sampler sampler = sampling.solver() == SamplingConfig.Solver.DDPM ? new Ddpm() : new Ddim(eta);
            List<double[]> states = new ArrayList<>();
            sampler.sample(
                    denoiser,
                    golden.get("in.sample", type),
                    (step, like) -> golden.get("in.noise", type).select(0, step),
                    (done, total, x) -> states.add(Tensors.doubles(x)));
            check(golden, type, told, states);
        }
    }

    @ParameterizedTest
    @CsvSource({"euler, Double", "euler, Float", "dpmpp-2m, Double", "dpmpp-2m, Float"})
    void solversOverLevelsFollowTheReference(String name, ScalarType type) {
        try (Golden golden = Golden.open("diffusers/scheduler-" + name);
                Scope scope = Scope.open()) {
            DiffusersScheduler.Settings read = settings(golden);
            double[] sigmas = read.sampling().sigmas(read.diffusion());
            Golden.assertClose("sigmas", sigmas, golden.expected("out.sigmas", type), golden.tolerance(type));
            SigmaTimes times = read.diffusion().times();
            SigmaGrid.Timesteps grid = (SigmaGrid.Timesteps) read.sampling().grid();
            List<Double> told = new ArrayList<>();
            Network network = stored(golden, type, told);
            Network linear = (x, t, cond) -> network.evaluate(
                    x,
                    Tensors.of(Arrays.stream(Tensors.doubles(t))
                            .map(each -> grid.told(each, times))
                            .toArray()),
                    cond);
            boolean euler = name.equals("euler");
            List<double[]> states = new ArrayList<>();
            // DPM++ keeps its states variance-preserving and starts there; Euler's start is noise times the first
            // level.
            double start = euler ? sigmas[0] : Math.hypot(1, sigmas[0]);
            (euler ? new Euler(Churn.NONE) : new DpmPp2M())
                    .sample(
                            read.diffusion().denoiser(linear, Conditioning.none()),
                            golden.get("in.sample", type).mul(Scalars.of(start)),
                            sigmas,
                            (draw, sigma, next, like, first) -> like.mul(Scalars.of(0)),
                            (done, total, x) -> states.add(
                                    Tensors.doubles(euler ? x : x.mul(Scalars.of(1 / Math.hypot(1, sigmas[done]))))));
            check(golden, type, told, states);
        }
    }

    private static DiffusersScheduler.Settings settings(Golden golden) {
        ObjectNode json = golden.config().get("config").deepCopy();
        json.put("_class_name", golden.config().get("class").asText());
        boolean learned = json.path("variance_type").asText().equals("learned_range");
        return DiffusersScheduler.read(
                "scheduler", json.toString(), golden.config().get("steps").asInt(), 1, learned);
    }

    private static Network stored(Golden golden, ScalarType type, List<Double> told) {
        return (x, t, cond) -> {
            told.add(Tensors.doubles(t)[0]);
            return golden.get("in.model_outputs", type).select(0, told.size() - 1);
        };
    }

    private static void check(Golden golden, ScalarType type, List<Double> told, List<double[]> states) {
        double[] times = told.stream().mapToDouble(Double::doubleValue).toArray();
        Golden.assertClose(
                "timesteps", times, golden.expected("out.timesteps", type), type == ScalarType.Double ? 1e-9 : 1e-6);
        double[] all = states.stream().flatMapToDouble(Arrays::stream).toArray();
        assertThat(states).hasSize(10);
        Golden.assertClose("states", all, golden.expected("out.samples", type), golden.tolerance(type));
    }
}
