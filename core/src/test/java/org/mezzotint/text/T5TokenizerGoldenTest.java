package org.mezzotint.text;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.Arrays;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.golden.Golden;

/** Both forms of the golden tokenizer against SentencePiece and transformers, string by string. */
class T5TokenizerGoldenTest {
    private static JsonNode cases() throws IOException {
        return new ObjectMapper()
                .readTree(Golden.path("text/t5-tokenizer-cases.json").toFile());
    }

    private static int[] ints(JsonNode list) {
        int[] ints = new int[list.size()];
        for (int i = 0; i < ints.length; i++) {
            ints[i] = list.get(i).intValue();
        }
        return ints;
    }

    @ParameterizedTest
    @ValueSource(strings = {"tokenizer.json", "spiece.model"})
    void idsAreThoseOfTransformersAndOfSentencePiece(String file) throws IOException {
        T5Tokenizer tokenizer = T5Tokenizer.open(Golden.path("text/t5-tokenizer/" + file));
        JsonNode golden = cases();
        assertThat(golden.path("cases")).hasSizeGreaterThan(35);
        for (JsonNode each : golden.path("cases")) {
            String text = each.path("text").textValue();
            int[] ids = ints(each.path("hf_ids"));
            assertThat(tokenizer.encode(text)).as("parsed: " + text).isEqualTo(ids);
            assertThat(tokenizer.encodePlain(text)).as("plain: " + text).isEqualTo(ints(each.path("sp_ids_eos")));
            assertThat(tokenizer.decode(ids))
                    .as("decoded: " + text)
                    .isEqualTo(each.path("hf_decode_skip_special").textValue());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"tokenizer.json", "spiece.model"})
    void longTextsAreCutAsTransformersDoes(String file) throws IOException {
        T5Tokenizer tokenizer = T5Tokenizer.open(Golden.path("text/t5-tokenizer/" + file));
        JsonNode golden = cases();
        int most = golden.path("max_length").intValue();
        int cut = 0;
        for (JsonNode each : golden.path("cases")) {
            T5Tokenizer.Tokens tokens = tokenizer.encode(each.path("text").textValue(), most);
            int[] padded = Arrays.copyOf(tokens.ids(), most);
            Arrays.fill(padded, tokens.ids().length, most, tokenizer.pad());
            assertThat(padded).isEqualTo(ints(each.path("hf_padded_ids")));
            int length = Arrays.stream(ints(each.path("hf_padded_mask"))).sum();
            assertThat(tokens.ids()).hasSize(length);
            boolean longer = each.path("hf_ids").size() > most;
            assertThat(tokens.cut()).isEqualTo(longer);
            if (!longer) {
                assertThat(tokens.lost()).isEmpty();
            }
            cut += tokens.lost().isEmpty() ? 0 : 1;
        }
        assertThat(cut).isPositive();
    }

    @ParameterizedTest
    @ValueSource(strings = {"tokenizer.json", "spiece.model"})
    void sizeAndSentinelsCountTheExtraIds(String file) throws IOException {
        T5Tokenizer tokenizer = T5Tokenizer.open(Golden.path("text/t5-tokenizer/" + file));
        JsonNode golden = cases();
        assertThat(tokenizer.size()).isEqualTo(golden.path("hf_len").intValue());
        golden.path("extra_token_ids").properties().forEach(entry -> assertThat(tokenizer.encode(entry.getKey()))
                .containsExactly(entry.getValue().intValue(), 1));
    }
}
