package org.mezzotint.autoencoders;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.mezzotint.golden.Golden;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.PlainLayers;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class TinyAutoencoderTest {
    private Scope scope;
    private Rng rng;

    @BeforeEach
    void open() {
        scope = Scope.open();
        rng = new Rng(2);
    }

    @AfterEach
    void close() {
        rng.close();
        scope.close();
    }

    private static double[] numbers(Map<String, Tensor> state, String name) {
        return Tensors.doubles(state.get(name));
    }

    private static double[][][] conv(Map<String, Tensor> state, String name, double[][][] x, int stride) {
        long[] shape = state.get(name + ".weight").shape();
        double[] bias = state.containsKey(name + ".bias") ? numbers(state, name + ".bias") : null;
        int kernel = (int) shape[2];
        return PlainLayers.convolve(
                x, numbers(state, name + ".weight"), bias, (int) shape[0], kernel, stride, kernel / 2);
    }

    private static double[][][] block(Map<String, Tensor> state, String name, double[][][] input) {
        double[][][] x = input;
        if (state.containsKey(name + ".pool.1.weight")) {
            double[][][] pool = conv(state, name + ".pool.0", x, 1);
            pool = PlainLayers.groupNorm(
                    pool, 4, numbers(state, name + ".pool.1.weight"), numbers(state, name + ".pool.1.bias"), 1e-5);
            x = PlainLayers.sum(x, conv(state, name + ".pool.3", PlainLayers.relu(pool), 1));
        }
        double[][][] y = PlainLayers.relu(conv(state, name + ".conv.0", x, 1));
        y = PlainLayers.relu(conv(state, name + ".conv.2", y, 1));
        return PlainLayers.relu(PlainLayers.sum(x, conv(state, name + ".conv.4", y, 1)));
    }

    /** The layers of {@link TestAutoencoders#TINY}, one by one: blocks 1, 1, 2 inwards and 2, 1, 1 outwards. */
    private static double[][][] encode(Map<String, Tensor> state, double[][][] picture) {
        String layers = "encoder.layers.";
        double[][][] x = PlainLayers.map(picture, v -> (v + 1) / 2);
        x = conv(state, layers + 0, x, 1);
        x = block(state, layers + 1, x);
        x = conv(state, layers + 2, x, 2);
        x = block(state, layers + 3, x);
        x = conv(state, layers + 4, x, 2);
        x = block(state, layers + 5, x);
        x = block(state, layers + 6, x);
        return conv(state, layers + 7, x, 1);
    }

    private static double[][][] decode(Map<String, Tensor> state, double[][][] latent) {
        String layers = "decoder.layers.";
        double[][][] x = PlainLayers.map(latent, v -> 3 * Math.tanh(v / 3));
        x = PlainLayers.relu(conv(state, layers + 0, x, 1));
        x = block(state, layers + 2, x);
        x = block(state, layers + 3, x);
        x = conv(state, layers + 5, PlainLayers.doubled(x), 1);
        x = block(state, layers + 6, x);
        x = conv(state, layers + 8, PlainLayers.doubled(x), 1);
        x = block(state, layers + 9, x);
        return PlainLayers.map(conv(state, layers + 10, x, 1), v -> 2 * v - 1);
    }

    @ParameterizedTest
    @CsvSource({"FLOAT64, true, 1e-10", "FLOAT64, false, 1e-10", "FLOAT32, true, 1e-4"})
    void bothWaysEqualPlainLoops(Precision precision, boolean innerNorm, double tolerance) {
        TinyAutoencoderConfig config =
                new TinyAutoencoderConfig(3, 2, 4, List.of(1, 1, 2), List.of(2, 1, 1), innerNorm, LatentScale.NONE);
        try (Autoencoder tiny = TestAutoencoders.random(config, precision)) {
            assertThat(tiny.state().keySet().stream().filter(name -> name.contains("pool")))
                    .hasSize(innerNorm ? 16 : 0);
            Tensor x = rng.normal(precision.storage(), 2, 3, 8, 12);
            Tensor z = tiny.encode(x).mean();
            assertThat(z.shape()).containsExactly(2, 2, 2, 3);
            Tensor y = tiny.decode(z);
            assertThat(y.shape()).containsExactly(x.shape());
            for (int n = 0; n < 2; n++) {
                double[] latent = Tensors.doubles(z.select(0, n));
                Golden.assertCloseToLargest(
                        "encode",
                        latent,
                        PlainLayers.flat(
                                encode(tiny.state(), PlainLayers.cube(Tensors.doubles(x.select(0, n)), 3, 8, 12))),
                        tolerance);
                Golden.assertCloseToLargest(
                        "decode",
                        Tensors.doubles(y.select(0, n)),
                        PlainLayers.flat(decode(tiny.state(), PlainLayers.cube(latent, 2, 2, 3))),
                        tolerance);
            }
        }
    }

    @Test
    void withoutGradientsTheResultsAreTheSame() {
        try (TinyAutoencoder tiny = TestAutoencoders.tiny(Precision.FLOAT64)) {
            Tensor x = rng.normal(ScalarType.Double, 1, 3, 8, 4);
            Tensor z = tiny.encode(x).mean();
            Tensor y = tiny.decode(z);
            y.sum().backward();
            assertThat(tiny.trainable()).allSatisfy((name, p) -> {
                if (name.startsWith("decoder")) {
                    assertThat(new Tensor(p.grad()).defined()).as(name).isTrue();
                }
            });
            try (NoGradGuard noGrad = new NoGradGuard()) {
                assertThat(Tensors.doubles(tiny.encode(x).mean())).containsExactly(Tensors.doubles(z));
                assertThat(Tensors.doubles(tiny.decode(z))).containsExactly(Tensors.doubles(y));
            }
        }
    }

    /** Counts taken from the tensors of the published files taef2_encoder.pth and taef2_decoder.pth. */
    @Test
    void thePublishedShapesHaveTheirPublishedSizes() {
        assertThat(parameters(TinyAutoencoderConfig.taesd(4), "encoder.")).isEqualTo(1_222_532);
        assertThat(parameters(TinyAutoencoderConfig.taesd(4), "decoder.")).isEqualTo(1_222_531);
        assertThat(TinyAutoencoderConfig.taef2().downFactor()).isEqualTo(8);
        assertThat(parameters(TinyAutoencoderConfig.taef2(), "encoder."))
                .isEqualTo(parameters(TinyAutoencoderConfig.taesd(32), "encoder.") + 3 * (2 * 64 * 256 + 2 * 256));
    }

    private static long parameters(TinyAutoencoderConfig config, String prefix) {
        try (Init init = Init.shapesOnly();
                TinyAutoencoder shapes = config.create(init)) {
            return shapes.state().entrySet().stream()
                    .filter(entry -> entry.getKey().startsWith(prefix))
                    .mapToLong(entry -> entry.getValue().numel())
                    .sum();
        }
    }

    /** Each convolution once, with the pixels of the map that it makes, for {@link TestAutoencoders#TINY} at 8 × 16. */
    @Test
    void macsAreTheSumOverTheLayers() {
        long w = 9 * 4 * 4; // one 3×3 convolution of width 4
        long pool = 2 * 4 * 16;
        assertThat(TestAutoencoders.TINY.encodeMacs(8, 16))
                .isEqualTo(128 * (9 * 3 * 4 + 3 * w) + 32 * (w + 3 * w) + 8 * (w + 2 * (3 * w + pool) + 9 * 4 * 2));
        assertThat(TestAutoencoders.TINY.decodeMacs(8, 16))
                .isEqualTo(8 * (9 * 2 * 4 + 2 * (3 * w + pool)) + 32 * (w + 3 * w) + 128 * (w + 3 * w + 9 * 4 * 3));
    }

    @Test
    void impossibleConfigurationsAreRefused() {
        assertThatThrownBy(() -> new TinyAutoencoderConfig(3, 2, 4, List.of(1, 1), List.of(1), false, LatentScale.NONE))
                .hasMessage("encoderBlocks and decoderBlocks must have as many levels, got 2 and 1");
        assertThatThrownBy(() -> new TinyAutoencoderConfig(3, 2, 4, List.of(0), List.of(1), false, LatentScale.NONE))
                .hasMessage("encoderBlocks must be at least 1, got 0");
        assertThatThrownBy(() -> new TinyAutoencoderConfig(3, 2, 4, List.of(), List.of(), false, LatentScale.NONE))
                .hasMessage("encoderBlocks must name 1 to 16 levels, got 0");
    }
}
