package org.mezzotint.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.mezzotint.io.Yaml;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class UncertaintyTest {
    static final String DIFFUSION =
            "{type: preconditioned, sigmaData: 0.5, sigmaMin: 0.01, sigmaMax: 80.0, density: {type: log-normal, mean: -1.2, std: 1.2},"
                    + " weighting: {type: learned-uncertainty, channels: 32}, scales: 1}";

    static final String SAMPLING =
            "{solver: heun, eta: 0.0, steps: \"5\", grid: {type: karras, sigmaMin: 0.01, sigmaMax: 80.0, rho: 7.0}, guidance: 1.5,"
                    + " guidanceSchedule: {type: constant}, guidedChannels: all, roundTimes: false, clip: false}";

    private static TrainConfig config(String... more) throws IOException {
        String recipe = new String(
                UncertaintyTest.class.getResourceAsStream("/recipes/tiny.yaml").readAllBytes(), StandardCharsets.UTF_8);
        Map<String, String> set = new LinkedHashMap<>(Map.of("diffusion", DIFFUSION, "sampling", SAMPLING));
        for (int i = 0; i < more.length; i += 2) {
            set.put(more[i], more[i + 1]);
        }
        return Yaml.parse(recipe, "tiny.yaml", set, TrainConfig.class);
    }

    /** ½·(L/e^u + u) is smallest at u = ln L, for each noise level by itself. */
    @Test
    void uncertaintyLearnsTheLossAtEachNoiseLevel() throws IOException {
        double[] logSnr = {8, 2, -4};
        double[] losses = {0.02, 0.3, 1.5};
        try (Uncertainty uncertainty =
                Uncertainty.of(config(), new Device("cpu")).orElseThrow()) {
            try (Scope scope = Scope.open()) {
                assertThat(Tensors.doubles(uncertainty.weigh(Tensors.of(losses), logSnr)))
                        .as("it starts with half the plain loss")
                        .containsExactly(0.01, 0.15, 0.75);
            }
            for (int step = 0; step < 400; step++) {
                try (Scope scope = Scope.open()) {
                    uncertainty.zeroGradients();
                    uncertainty.weigh(Tensors.of(losses), logSnr).mean().backward();
                    uncertainty.step(0.02);
                }
            }
            try (Scope scope = Scope.open()) {
                Tensor u = uncertainty.weigh(Tensors.of(new double[3]), logSnr);
                for (int i = 0; i < losses.length; i++) {
                    assertThat(2 * Tensors.doubles(u)[i]).isCloseTo(Math.log(losses[i]), within(1e-2));
                }
            }
        }
    }

    @Test
    void otherWeightingsHaveNone() throws IOException {
        assertThat(Uncertainty.of(config("diffusion.weighting", "{type: edm}"), new Device("cpu")))
                .isEmpty();
    }
}
