package org.mezzotint.models.layers;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.golden.Golden;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** Norm, rotary positions and windows against the original implementation. */
class HDiTLayersGoldenTest {
    private static final List<ScalarType> TYPES = List.of(ScalarType.Double, ScalarType.Float);

    private static Tensor input(Golden golden, String name, ScalarType type) {
        return golden.get("in." + name, type).clone().requires_grad_(true);
    }

    private static void same(Golden golden, ScalarType type, String name, Tensor actual) {
        Golden.assertCloseToLargest(
                name + " " + type, Tensors.doubles(actual), golden.doubles(name), golden.tolerance(type));
    }

    @Test
    void rmsNormEqualsTheReference() {
        for (ScalarType type : TYPES) {
            try (Golden golden = Golden.open("hdit/unit-rms-norm");
                    Scope scope = Scope.open()) {
                Tensor x = input(golden, "x", type);
                Tensor scale = input(golden, "scale", type);
                Tensor y = RmsNorm.normalize(x, scale);
                same(golden, type, "out.y", y);
                y.mul(golden.get("in.cotangent_y", type)).sum().backward();
                same(golden, type, "grad.in.x", new Tensor(x.grad()));
                same(golden, type, "grad.in.scale", new Tensor(scale.grad()));
            }
        }
    }

    @Test
    void cosineSimilarityEqualsTheReference() {
        for (ScalarType type : TYPES) {
            try (Golden golden = Golden.open("hdit/unit-cosine-sim");
                    Scope scope = Scope.open()) {
                Tensor q = input(golden, "q", type);
                Tensor k = input(golden, "k", type);
                Tensor scale = input(golden, "scale", type);
                Tensor root = scale.sqrt().view(3, 1, 1); // heads before tokens here
                Tensor scaledQ = q.mul(root.mul(RmsNorm.inverseNorm(q, 1)));
                Tensor scaledK = k.mul(root.mul(RmsNorm.inverseNorm(k, 1)));
                same(golden, type, "out.q", scaledQ);
                same(golden, type, "out.k", scaledK);
                scaledQ.mul(golden.get("in.cotangent_q", type))
                        .sum()
                        .add(scaledK.mul(golden.get("in.cotangent_k", type)).sum())
                        .backward();
                same(golden, type, "grad.in.q", new Tensor(q.grad()));
                same(golden, type, "grad.in.k", new Tensor(k.grad()));
                same(golden, type, "grad.in.scale", new Tensor(scale.grad()));
            }
        }
    }

    @Test
    void positionsEqualTheReference() {
        try (Golden golden = Golden.open("hdit/unit-axial-pos")) {
            for (JsonNode grid : golden.config().get("grids")) {
                int rows = grid.get(0).asInt();
                int columns = grid.get(1).asInt();
                String size = rows + "x" + columns;
                Golden.assertClose(size, AxialRope.positions(rows, columns), golden.doubles("out.pos." + size), 1e-12);
                if (golden.has("out.down." + size)) {
                    Golden.assertClose(
                            "half of " + size,
                            AxialRope.positions(rows / 2, columns / 2),
                            golden.doubles("out.down." + size),
                            1e-12);
                }
            }
        }
    }

    @Test
    void frequenciesEqualTheReference() {
        try (Golden golden = Golden.open("hdit/unit-rope-freqs")) {
            for (JsonNode pair : golden.config().get("d_head_heads")) {
                int width = pair.get(0).asInt();
                int heads = pair.get(1).asInt();
                Golden.assertClose(
                        pair.toString(),
                        AxialRope.frequencies(heads, width / 8),
                        golden.doubles("out.freqs.d" + width + ".h" + heads),
                        1e-12);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"d16-h2-3x4", "d32-h1-4x4", "d64-h3-2x6"})
    void rotationsAndTheirGradientsEqualTheReference(String name) {
        for (Precision precision : List.of(Precision.FLOAT64, Precision.FLOAT32)) {
            ScalarType type = precision.storage();
            try (Golden golden = Golden.open("hdit/unit-rope-" + name);
                    Scope scope = Scope.open();
                    Init init = Init.random(0, precision, new Device("cpu"))) {
                int width = golden.config().get("d_head").asInt();
                int heads = golden.config().get("heads").asInt();
                int rows = golden.config().get("grid").get(0).asInt();
                int columns = golden.config().get("grid").get(1).asInt();
                AxialRope rope = new AxialRope(init, heads, width / 2);
                Tensor positions = init.fixed(type, AxialRope.positions(rows, columns), rows, columns, 2);
                Tensor given = input(golden, "x", type); // (2, h, L, d)
                Tensor x = given.transpose(1, 2).reshape(2, rows, columns, heads, width);
                Tensor y = rope.at(positions).apply(x).flatten(1, 2).transpose(1, 2);
                same(golden, type, "out.y", y);
                y.mul(golden.get("in.cotangent_y", type)).sum().backward();
                same(golden, type, "grad.in.x", new Tensor(given.grad()));
            }
        }
    }

    /** Each window of the golden case against full attention over tokens with the golden mask. */
    @Test
    void shiftedWindowsSeeWhatTheReferencesSee() {
        try (Golden golden = Golden.open("hdit/unit-window-masks")) {
            JsonNode cases = golden.config().get("args");
            for (int i = 0; i < cases.size(); i++) {
                int down = cases.get(i).get(0).asInt();
                int across = cases.get(i).get(1).asInt();
                int window = cases.get(i).get(2).asInt();
                int shift = cases.get(i).get(4).asInt();
                try (Scope scope = Scope.open();
                        Rng rng = new Rng(3);
                        NoGradGuard noGrad = new NoGradGuard();
                        Init init = Init.blank(Precision.FLOAT64, new Device("cpu"))) {
                    long[] shape = {2, (long) down * window, (long) across * window, 3, 8};
                    Tensor q = rng.normal(ScalarType.Double, shape);
                    Tensor k = rng.normal(ScalarType.Double, shape);
                    Tensor v = rng.normal(ScalarType.Double, shape);
                    Tensor bias = golden.get("out.mask." + i, ScalarType.Double)
                            .log()
                            .view(1, (long) down * across, 1, (long) window * window, (long) window * window);
                    Tensor y = torch.softmax(
                                    windows(q, window, shift)
                                            .matmul(windows(k, window, shift).transpose(-1, -2))
                                            .add(bias),
                                    -1)
                            .matmul(windows(v, window, shift)); // (2, windows, h, w², d)
                    Tensor actual = new ShiftedWindowAttention(init, down * window, across * window, window, shift)
                            .attend(q, k, v, 1);
                    Golden.assertClose(
                            "case " + i, Tensors.doubles(windows(actual, window, shift)), Tensors.doubles(y), 1e-12);
                }
            }
        }
    }

    private static Tensor windows(Tensor map, long window, int shift) {
        long[] s = map.shape();
        return torch.roll(map, new long[] {shift, shift}, 1, 2)
                .view(s[0], s[1] / window, window, s[2] / window, window, s[3], s[4])
                .permute(0, 1, 3, 5, 2, 4, 6)
                .reshape(s[0], s[1] / window * (s[2] / window), s[3], window * window, s[4]);
    }

    @Test
    void theWindowsOfTheReferenceAreThoseOfThisTest() {
        try (Golden golden = Golden.open("hdit/unit-window-partition");
                Scope scope = Scope.open()) {
            Tensor x = golden.get("in.x"); // (2, 3, 8, 12, 2): all but the last three are batch
            Tensor windows = windows(x.view(6, 8, 12, 1, 2), 4, 2);
            assertThat(Tensors.doubles(windows)).containsExactly(golden.doubles("out.windows"));
        }
    }
}
