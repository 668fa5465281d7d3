package org.mezzotint.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.mezzotint.golden.Golden;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Safetensors;
import org.mezzotint.io.TorchFile;
import org.mezzotint.tensor.Devices;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class T5EncoderTest {
    private static final Path TINY = T5EncoderGoldenTest.TINY;
    private static final List<int[]> TEXTS = List.of(new int[] {5, 9, 100, 3, 1}, new int[] {7, 1});

    @TempDir
    private Path folder;

    private static T5Encoder open(Path folder) {
        return T5Encoder.open(folder, Precision.FLOAT64, Devices.cpu(), T5Encoder.Holding.MAPPED);
    }

    private static double[] states(Path folder) {
        try (Scope scope = Scope.open();
                T5Encoder encoder = open(folder)) {
            return Tensors.doubles(encoder.encode(TEXTS));
        }
    }

    /** Copies the tiny encoder with changed tensors. */
    private void copy(Consumer<Map<String, Tensor>> change) throws IOException {
        Files.writeString(folder.resolve("config.json"), Files.readString(TINY.resolve("config.json")));
        try (Scope scope = Scope.open()) {
            Map<String, Tensor> tensors = tensors();
            change.accept(tensors);
            Files.deleteIfExists(folder.resolve("model.safetensors"));
            Safetensors.write(folder.resolve("model.safetensors"), tensors, Map.of("format", "pt"));
        }
    }

    private static Map<String, Tensor> tensors() {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        try (Safetensors file = Safetensors.open(TINY.resolve("model.safetensors"))) {
            file.names().forEach(name -> tensors.put(name, file.tensor(name)));
        }
        return tensors;
    }

    private void config(String old, String changed) throws IOException {
        String json = Files.readString(TINY.resolve("config.json"));
        assertThat(json).contains(old);
        Files.writeString(folder.resolve("config.json"), json.replace(old, changed));
    }

    @Test
    void aWholeT5GivesItsEncoder() throws IOException {
        copy(tensors -> {
            tensors.put("decoder.embed_tokens.weight", Tensors.of(1.0));
            tensors.put("decoder.block.0.layer.0.SelfAttention.q.weight", Tensors.of(1.0));
            tensors.put("lm_head.weight", Tensors.of(2.0));
            tensors.put(T5Config.TIED, tensors.get(T5Config.EMBEDDING).clone());
        });
        assertThat(states(folder)).isEqualTo(states(TINY));
        copy(tensors -> tensors.put(T5Config.TIED, tensors.remove(T5Config.EMBEDDING)));
        assertThat(states(folder)).isEqualTo(states(TINY));
    }

    @Test
    void shardsAndPyTorchFilesAreReadToo() throws IOException {
        double[] expected = states(TINY);
        Files.copy(TINY.resolve("config.json"), folder.resolve("config.json"));
        try (Scope scope = Scope.open()) {
            TorchFile.write(folder.resolve("pytorch_model.bin"), tensors());
        }
        assertThat(states(folder)).isEqualTo(expected);
        StringBuilder index = new StringBuilder();
        try (Scope scope = Scope.open()) {
            Map<String, Map<String, Tensor>> shards = new LinkedHashMap<>();
            tensors().forEach((name, tensor) -> {
                String shard = "model-0000" + (name.contains("block.1") ? 2 : 1) + "-of-00002.safetensors";
                shards.computeIfAbsent(shard, key -> new LinkedHashMap<>()).put(name, tensor);
                index.append(index.isEmpty() ? "" : ", ").append("\"" + name + "\": \"" + shard + "\"");
            });
            shards.forEach((name, shard) -> Safetensors.write(folder.resolve(name), shard, Map.of()));
        }
        Files.delete(folder.resolve("pytorch_model.bin"));
        Files.writeString(folder.resolve("model.safetensors.index.json"), "{\"weight_map\": {" + index + "}}");
        assertThat(states(folder)).isEqualTo(expected);
        Files.delete(folder.resolve("model.safetensors.index.json"));
        assertThatThrownBy(() -> open(folder))
                .isInstanceOf(CheckpointException.class)
                .hasMessage(
                        folder
                                + " has no weights: none of model.safetensors, model.safetensors.index.json, pytorch_model.bin");
    }

    @Test
    void filesInHalfPrecisionAreComputedInAWiderOne() throws IOException {
        for (ScalarType type : List.of(ScalarType.Half, ScalarType.BFloat16)) {
            copy(tensors -> tensors.replaceAll((name, tensor) -> tensor.to(type)));
            double[] rounded = states(folder);
            Golden.assertCloseToLargest("rounded", rounded, states(TINY), 0.05);
            assertThat(rounded).isNotEqualTo(states(TINY));
            try (Scope scope = Scope.open();
                    T5Encoder loaded =
                            T5Encoder.open(folder, Precision.FLOAT32, Devices.cpu(), T5Encoder.Holding.LOADED)) {
                Golden.assertClose("loaded", Tensors.doubles(loaded.encode(TEXTS)), rounded, 1e-4);
            }
        }
    }

    @Test
    void allThatDoesNotFitIsNamedAtOnce() throws IOException {
        copy(tensors -> {
            tensors.remove(T5Config.FINAL_NORM);
            tensors.put(T5Config.POSITIONS, Tensors.of(1.0, 2.0));
            tensors.put("encoder.block.2.layer.0.layer_norm.weight", Tensors.of(1.0));
            tensors.put(T5Config.norm(0, 0), Tensors.of(new long[32]));
        });
        assertThatThrownBy(() -> open(folder))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("missing " + T5Config.FINAL_NORM)
                .hasMessageContaining(T5Config.POSITIONS + " is [2], not [32, 4]")
                .hasMessageContaining("is of type Long, not a floating type")
                .hasMessageContaining("extra encoder.block.2.layer.0.layer_norm.weight");
        copy(tensors ->
                tensors.put(T5Config.TIED, tensors.get(T5Config.EMBEDDING).add(new org.bytedeco.pytorch.Scalar(1.0))));
        assertThatThrownBy(() -> open(folder))
                .hasMessageEndingWith("shared.weight and encoder.embed_tokens.weight differ, they are one tensor");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "\"t5\"|\"umt5\"|model_type must be t5, got umt5",
                "\"gated-gelu\"|\"gated-silu\"|feed_forward_proj must be relu or gated-gelu, got gated-silu",
                "\"gelu_new\"|\"gelu\"|dense_act_fn must be gelu_new with feed_forward_proj gated-gelu, got \"gelu\"",
                "\"is_gated_act\": true|\"is_gated_act\": false|is_gated_act must be true with feed_forward_proj gated-gelu",
                "\"d_kv\": 8|\"d_kv\": \"8\"|d_kv must be a whole number, got \"8\"",
                "\"d_ff\": 64|\"d_ff\": 0|hidden must be 1 to 16777216, got 0",
                "\"num_heads\": 4|\"heads\": 4|num_heads is missing",
                "\"use_cache\"|\"use_rope\"|unknown keys that may change the encoder: use_rope",
                "\"vocab_size\": 128|\"vocab_size\": 128}|not valid JSON"
            })
    void aConfigurationThatCannotBeFollowedIsRefusedByName(String old, String changed, String message)
            throws IOException {
        config(old, changed);
        assertThatThrownBy(() -> T5Encoder.config(folder))
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith(folder.resolve("config.json") + ": ")
                .hasMessageContaining(message);
    }

    @Test
    void badIdsAndMasksAreRefused() {
        try (Scope scope = Scope.open();
                T5Encoder encoder = open(TINY)) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> encoder.encode(List.of(new int[] {3, 128})))
                    .withMessage("ids must be 0 to 127, got 128");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> encoder.encode(List.of(new int[] {-1, 128})))
                    .withMessage("ids must be 0 to 127, got -1");
            assertThatIllegalArgumentException().isThrownBy(() -> encoder.encode(List.of()));
            assertThatIllegalArgumentException().isThrownBy(() -> encoder.encode(List.of(new int[0])));
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> encoder.encode(List.of(new int[] {1}, new int[0])))
                    .withMessage("mask must leave at least one token of every row");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> encoder.encode(List.of(new int[T5Encoder.MOST_TOKENS + 1])))
                    .withMessage("a text must have at most 4096 tokens, got 4097");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> encoder.forward(Tensors.of(1L, 2L), null))
                    .withMessageContaining("ids");
        }
    }

    @Test
    void theIdentityChangesWithAnyNumberAndNothingElse() throws IOException {
        String tiny = identity(TINY);
        assertThat(tiny).matches("[0-9a-f]{64}");
        copy(tensors -> tensors.put(T5Config.TIED, tensors.remove(T5Config.EMBEDDING)));
        assertThat(identity(folder)).isEqualTo(tiny);
        copy(tensors -> {
            Tensor flat = tensors.get(T5Config.feedForward(1, "wo")).view(-1);
            Tensor first = flat.narrow(0, 7, 1).clone();
            flat.narrow(0, 7, 1).copy_(flat.narrow(0, 8, 1)); // two numbers change places
            flat.narrow(0, 8, 1).copy_(first);
        });
        assertThat(identity(folder)).isNotEqualTo(tiny);
        copy(tensors -> tensors.replaceAll((name, tensor) -> tensor.to(ScalarType.BFloat16)));
        assertThat(identity(folder)).isNotEqualTo(tiny);
        copy(tensors -> {});
        assertThat(identity(folder)).isEqualTo(tiny);
        config("\"relative_attention_max_distance\": 128", "\"relative_attention_max_distance\": 64");
        assertThat(identity(folder)).isNotEqualTo(tiny);
    }

    private static String identity(Path folder) {
        try (T5Encoder encoder = open(folder)) {
            return encoder.identity();
        }
    }

    @Test
    void nothingIsLeftBehind() {
        try (T5Encoder loaded = T5Encoder.open(TINY, Precision.FLOAT32, Devices.cpu(), T5Encoder.Holding.LOADED)) {
            long early = 0;
            for (int i = 0; i < 30; i++) {
                try (Scope scope = Scope.open()) {
                    assertThat(loaded.encode(TEXTS).dim()).isEqualTo(3);
                }
                early = i == 5 ? Pointer.totalCount() : early;
            }
            assertThat(Pointer.totalCount()).isLessThanOrEqualTo(early);
        }
        long before = Pointer.totalCount();
        for (T5Encoder.Holding holding : T5Encoder.Holding.values()) {
            try (Scope scope = Scope.open()) {
                T5Encoder encoder = T5Encoder.open(TINY, Precision.FLOAT32, Devices.cpu(), holding);
                encoder.close();
                encoder.close();
            }
        }
        assertThat(Pointer.totalCount()).isLessThanOrEqualTo(before);
    }

    /** Against loops in double, with odd sizes: heads · headWidth is not the width, the buckets are few. */
    @ParameterizedTest
    @EnumSource(T5Config.FeedForward.class)
    void theFormulasHoldInLoops(T5Config.FeedForward kind) throws IOException {
        T5Config config = new T5Config(11, 7, 3, 5, 3, 2, 10, 12, 1e-3, kind);
        boolean gated = kind == T5Config.FeedForward.GATED_GELU;
        Files.writeString(
                folder.resolve("config.json"), """
                {"model_type": "t5", "vocab_size": 11, "d_model": 7, "d_kv": 3, "d_ff": 5, "num_layers": 3, "num_heads": 2,
                 "relative_attention_num_buckets": 10, "relative_attention_max_distance": 12, "layer_norm_epsilon": 1e-3
                 %s}
                """.formatted(gated ? ", \"feed_forward_proj\": \"gated-gelu\"" : ""));
        Map<String, double[]> weights = new LinkedHashMap<>();
        try (Scope scope = Scope.open();
                Rng rng = new Rng(4)) {
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            config.tensors().forEach((name, shape) -> {
                tensors.put(name, rng.normal(ScalarType.Double, shape));
                weights.put(name, Tensors.doubles(tensors.get(name)));
            });
            Safetensors.write(folder.resolve("model.safetensors"), tensors, Map.of());
        }
        int[] ids = {3, 10, 0, 1, 7, 7, 2, 9, 4, 5, 1, 6, 8, 3, 1, 1};
        double[] expected = new Loops(config, weights).encode(ids);
        assertThat(T5Encoder.config(folder)).isEqualTo(config);
        try (Scope scope = Scope.open();
                T5Encoder encoder = open(folder)) {
            Golden.assertClose("loops", Tensors.doubles(encoder.encode(List.of(ids))), expected, 1e-10);
        }
    }

    private record Loops(T5Config config, Map<String, double[]> weights) {
        double[] encode(int[] ids) {
            int d = config.width();
            int t = ids.length;
            double[] x = new double[t * d];
            for (int i = 0; i < t; i++) {
                System.arraycopy(weights.get(T5Config.EMBEDDING), ids[i] * d, x, i * d, d);
            }
            for (int b = 0; b < config.depth(); b++) {
                add(x, attention(b, norm(x, T5Config.norm(b, 0))));
                add(x, feedForward(b, norm(x, T5Config.norm(b, 1))));
            }
            return norm(x, T5Config.FINAL_NORM);
        }

        private static void add(double[] x, double[] y) {
            for (int i = 0; i < x.length; i++) {
                x[i] += y[i];
            }
        }

        private double[] norm(double[] x, String name) {
            int d = config.width();
            double[] y = new double[x.length];
            for (int i = 0; i < x.length; i += d) {
                double sum = 0;
                for (int c = 0; c < d; c++) {
                    sum += x[i + c] * x[i + c] / d;
                }
                for (int c = 0; c < d; c++) {
                    y[i + c] = x[i + c] / Math.sqrt(sum + config.epsilon()) * weights.get(name)[c];
                }
            }
            return y;
        }

        private double[] linear(double[] x, String name, int in) {
            double[] w = weights.get(name);
            int out = w.length / in;
            double[] y = new double[x.length / in * out];
            for (int i = 0; i < x.length / in; i++) {
                for (int o = 0; o < out; o++) {
                    for (int c = 0; c < in; c++) {
                        y[i * out + o] += w[o * in + c] * x[i * in + c];
                    }
                }
            }
            return y;
        }

        private double[] attention(int block, double[] x) {
            int inner = config.heads() * config.headWidth();
            double[] q = linear(x, T5Config.attention(block, "q"), config.width());
            double[] k = linear(x, T5Config.attention(block, "k"), config.width());
            double[] v = linear(x, T5Config.attention(block, "v"), config.width());
            int t = q.length / inner;
            double[] y = new double[q.length];
            for (int h = 0; h < config.heads(); h++) {
                for (int i = 0; i < t; i++) {
                    double[] weight = new double[t];
                    double sum = 0;
                    for (int j = 0; j < t; j++) {
                        double logit = weights.get(T5Config.POSITIONS)[bucket(j - i) * config.heads() + h];
                        for (int c = 0; c < config.headWidth(); c++) {
                            int at = h * config.headWidth() + c;
                            logit += q[i * inner + at] * k[j * inner + at];
                        }
                        weight[j] = Math.exp(logit);
                        sum += weight[j];
                    }
                    for (int j = 0; j < t; j++) {
                        for (int c = 0; c < config.headWidth(); c++) {
                            int at = h * config.headWidth() + c;
                            y[i * inner + at] += weight[j] / sum * v[j * inner + at];
                        }
                    }
                }
            }
            return linear(y, T5Config.attention(block, "o"), inner);
        }

        /** Ten buckets, largest distance 12: five a side, two of them exact, then from 2, 3.64 and 6.6 on. */
        private static int bucket(int relative) {
            int distance = Math.abs(relative);
            int bucket = distance < 2 ? distance : distance < 4 ? 2 : distance < 7 ? 3 : 4;
            return bucket + (relative > 0 ? 5 : 0);
        }

        private double[] feedForward(int block, double[] x) {
            boolean gated = config.feedForward() == T5Config.FeedForward.GATED_GELU;
            double[] hidden = linear(x, T5Config.feedForward(block, gated ? "wi_0" : "wi"), config.width());
            for (int i = 0; i < hidden.length; i++) {
                double u = hidden[i];
                hidden[i] = gated
                        ? u * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (u + 0.044715 * u * u * u))) / 2
                        : Math.max(0, u);
            }
            if (gated) {
                double[] gate = linear(x, T5Config.feedForward(block, "wi_1"), config.width());
                for (int i = 0; i < hidden.length; i++) {
                    hidden[i] *= gate[i];
                }
            }
            return linear(hidden, T5Config.feedForward(block, "wo"), config.hidden());
        }
    }
}
