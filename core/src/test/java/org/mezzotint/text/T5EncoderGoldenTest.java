package org.mezzotint.text;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.mezzotint.golden.Golden;
import org.mezzotint.tensor.Devices;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** The encoder against transformers' and an independent one in float64. */
class T5EncoderGoldenTest {
    static final Path TINY = Golden.path("text/t5-tiny/config.json").getParent();

    @ParameterizedTest
    @CsvSource({"float64, mapped, 1e-10", "float64, loaded, 1e-10", "float32, mapped, 1e-4", "float32, loaded, 1e-4"})
    void hiddenStatesAreThoseOfTheReference(String precision, String holding, double tolerance) {
        Precision numbers = Precision.parse(precision);
        try (Scope scope = Scope.open();
                Golden golden = Golden.open("text/t5-encoder");
                T5Encoder encoder = open(numbers, holding)) {
            for (String name : List.of("masked", "unmasked", "long")) {
                Tensor ids = golden.get("in." + name + ".input_ids");
                Tensor mask = name.equals("masked") ? golden.get("in.masked.attention_mask") : null;
                Tensor states = encoder.forward(ids, mask);
                assertThat(Tensors.type(states)).isEqualTo(numbers.storage());
                double[] values = Tensors.doubles(states);
                Golden.assertClose(name, values, golden.doubles("out." + name + ".last_hidden_state"), tolerance);
                String published = "out." + name + ".transformers_last_hidden_state";
                if (golden.has(published)) {
                    Golden.assertClose(published, values, golden.doubles(published), Math.max(1e-5, tolerance));
                }
            }
        }
    }

    private static T5Encoder open(Precision precision, String holding) {
        return T5Encoder.open(
                TINY,
                precision,
                Devices.cpu(),
                holding.equals("mapped") ? T5Encoder.Holding.MAPPED : T5Encoder.Holding.LOADED);
    }

    /** bfloat16 has three digits: errors stay near a hundredth of the largest state. */
    @ParameterizedTest
    @CsvSource({"mapped", "loaded"})
    void bfloat16StaysNear(String holding) {
        try (Scope scope = Scope.open();
                Golden golden = Golden.open("text/t5-encoder");
                T5Encoder encoder = open(Precision.BFLOAT16, holding)) {
            Tensor states = encoder.forward(golden.get("in.masked.input_ids"), golden.get("in.masked.attention_mask"));
            assertThat(Tensors.type(states)).isEqualTo(ScalarType.Float);
            Golden.assertCloseToLargest(
                    "bfloat16", Tensors.doubles(states), golden.doubles("out.masked.last_hidden_state"), 0.05);
        }
    }

    @Test
    void textsOfSeveralLengthsAreFilledUpAndMasked() {
        try (Scope scope = Scope.open();
                Golden golden = Golden.open("text/t5-encoder");
                T5Encoder encoder = open(Precision.FLOAT64, "mapped")) {
            int[] lengths = {13, 9, 2, 20};
            long[] ids = golden.longs("in.masked.input_ids");
            List<int[]> texts = new ArrayList<>();
            for (int n = 0; n < lengths.length; n++) {
                texts.add(new int[lengths[n]]);
                for (int i = 0; i < lengths[n]; i++) {
                    texts.get(n)[i] = (int) ids[20 * n + i];
                }
            }
            Tensor states = encoder.encode(texts);
            Tensor expected = golden.get("out.masked.last_hidden_state");
            for (int n = 0; n < lengths.length; n++) {
                Tensor alone = encoder.encode(List.of(texts.get(n))).squeeze(0);
                double[] reference = Tensors.doubles(expected.select(0, n).narrow(0, 0, lengths[n]));
                Golden.assertClose(
                        "together", Tensors.doubles(states.select(0, n).narrow(0, 0, lengths[n])), reference, 1e-10);
                Golden.assertClose("alone", Tensors.doubles(alone), reference, 1e-10);
            }
        }
    }

    @Test
    void relativePositionsFallIntoTheBucketsOfTheReference() {
        try (Scope scope = Scope.open();
                Golden golden = Golden.open("text/t5-encoder")) {
            long[] relative = golden.longs("in.relative_position");
            long[] expected = golden.longs("out.bucket");
            assertThat(relative).hasSize(601);
            for (int i = 0; i < relative.length; i++) {
                assertThat(T5Encoder.bucket((int) relative[i], 32, 128))
                        .as("distance " + relative[i])
                        .isEqualTo((int) expected[i]);
            }
        }
    }

    @Test
    void namesAndShapesOfXxlAreThePublishedOnes() throws IOException {
        JsonNode golden = new ObjectMapper()
                .readTree(
                        Golden.path("text/state-dict-t5-v1_1-xxl-encoder.json").toFile());
        Map<String, String> published = new LinkedHashMap<>();
        golden.path("tensors")
                .forEach(each -> published.put(
                        each.path("name").textValue(),
                        each.path("shape").toString().replace(",", ", ")));
        Map<String, String> ours = new LinkedHashMap<>();
        T5Config xxl = T5Config.named("t5-v1_1-XXL");
        xxl.tensors().forEach((name, shape) -> {
            ours.put(name, java.util.Arrays.toString(shape));
            if (name.equals(T5Config.EMBEDDING)) {
                ours.put(T5Config.TIED, java.util.Arrays.toString(shape));
            }
        });
        assertThat(List.copyOf(ours.entrySet())).isEqualTo(List.copyOf(published.entrySet()));
        assertThat(xxl.parameters()).isEqualTo(golden.path("parameters").longValue());
    }
}
