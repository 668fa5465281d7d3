package org.mezzotint.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.mezzotint.io.InputException;

/**
 * The {@code config.json} of a T5 in Hugging Face's form, read strictly: a key that we do not know, a value that the encoder
 * cannot follow and a missing size are errors that name them. Keys that older files lack have the value that transformers
 * gives them: {@code relative_attention_max_distance} 128, {@code feed_forward_proj} relu.
 */
final class T5ConfigFile {
    private static final String KIND = "model_type";
    private static final String PROJECTION = "feed_forward_proj";
    private static final String ACTIVATION = "dense_act_fn";
    private static final String GATED = "is_gated_act";

    /** These change no number of the encoder: the decoder's, training's, and where the file is from. */
    private static final List<String> IGNORED = List.of(
            "_name_or_path",
            "architectures",
            "bos_token_id",
            "chunk_size_feed_forward",
            "classifier_dropout",
            "decoder_start_token_id",
            "dropout_rate",
            "dtype",
            "eos_token_id",
            "gradient_checkpointing",
            "id2label",
            "initializer_factor",
            "is_decoder",
            "is_encoder_decoder",
            "label2id",
            "n_positions",
            "num_decoder_layers",
            "output_attentions",
            "output_hidden_states",
            "output_past",
            "pad_token_id",
            "problem_type",
            "return_dict",
            "scale_decoder_outputs",
            "task_specific_params",
            "tie_word_embeddings",
            "torch_dtype",
            "transformers_version",
            "use_cache");

    private final Path file;
    private final ObjectNode tree;
    private final Set<String> known = new LinkedHashSet<>(IGNORED);

    private T5ConfigFile(Path file) {
        this.file = file;
        this.tree = JsonFile.object(file);
    }

    static T5Config read(Path file) {
        T5ConfigFile config = new T5ConfigFile(file);
        config.equal(KIND, "t5");
        try {
            T5Config read = new T5Config(
                    config.integer("vocab_size", null),
                    config.integer("d_model", null),
                    config.integer("d_kv", null),
                    config.integer("d_ff", null),
                    config.integer("num_layers", null),
                    config.integer("num_heads", null),
                    config.integer("relative_attention_num_buckets", 32),
                    config.integer("relative_attention_max_distance", 128),
                    config.epsilon(),
                    config.feedForward());
            config.refuseUnknown();
            return read;
        } catch (IllegalArgumentException e) {
            throw new InputException(file + ": " + e.getMessage(), e);
        }
    }

    private T5Config.FeedForward feedForward() {
        String projection = text(PROJECTION, "relu");
        T5Config.FeedForward kind =
                switch (projection) {
                    case "relu" -> T5Config.FeedForward.RELU;
                    case "gated-gelu" -> T5Config.FeedForward.GATED_GELU;
                    default -> throw refuse(PROJECTION, "must be relu or gated-gelu", projection);
                };
        boolean gated = kind == T5Config.FeedForward.GATED_GELU;
        String activation = gated ? "gelu_new" : "relu"; // transformers reads gated-gelu as the tanh form
        if (!text(ACTIVATION, activation).equals(activation)) {
            throw refuse(
                    ACTIVATION,
                    "must be " + activation + " with " + PROJECTION + " " + projection,
                    tree.get(ACTIVATION));
        }
        JsonNode flag = get(GATED);
        if (flag != null && (!flag.isBoolean() || flag.booleanValue() != gated)) {
            throw refuse(GATED, "must be " + gated + " with " + PROJECTION + " " + projection, flag);
        }
        return kind;
    }

    private double epsilon() {
        String key = "layer_norm_epsilon";
        JsonNode value = get(key);
        if (value != null && !value.isNumber()) {
            throw refuse(key, "must be a number", value);
        }
        return value == null ? 1e-6 : value.doubleValue();
    }

    private void equal(String key, String expected) {
        String value = text(key, null);
        if (!value.equals(expected)) {
            throw refuse(key, "must be " + expected, value);
        }
    }

    private int integer(String key, Integer absent) {
        JsonNode value = get(key);
        if (value == null && absent != null) {
            return absent;
        }
        if (value == null) {
            throw new InputException(file + ": " + key + " is missing");
        }
        if (!value.isIntegralNumber() || !value.canConvertToInt()) {
            throw refuse(key, "must be a whole number", value);
        }
        return value.intValue();
    }

    private String text(String key, String absent) {
        JsonNode value = get(key);
        if (value == null && absent != null) {
            return absent;
        }
        if (value == null) {
            throw new InputException(file + ": " + key + " is missing");
        }
        if (!value.isTextual()) {
            throw refuse(key, "must be a text", value);
        }
        return value.textValue();
    }

    private JsonNode get(String key) {
        known.add(key);
        JsonNode value = tree.get(key);
        return value == null || value.isNull() ? null : value;
    }

    private void refuseUnknown() {
        List<String> unknown = new ArrayList<>();
        tree.fieldNames().forEachRemaining(key -> {
            if (!known.contains(key)) {
                unknown.add(key);
            }
        });
        if (!unknown.isEmpty()) {
            throw new InputException(
                    file + ": unknown keys that may change the encoder: " + String.join(", ", unknown));
        }
    }

    private InputException refuse(String key, String rule, Object value) {
        return new InputException(file + ": " + key + " " + rule + ", got " + value);
    }
}
