package org.mezzotint.autoencoders;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;
import org.mezzotint.io.InputException;
import org.mezzotint.io.NearestName;

/**
 * The {@code config.json} of a diffusers autoencoder, read strictly: a key that we do not know, a value that our networks
 * cannot follow and a missing key are errors that name it. Keys that were added over the years may be absent; then what
 * diffusers does without them applies, such as {@code scaling_factor} 0.18215.
 */
public final class DiffusersConfig {
    private static final int LONGEST = 1 << 20;
    private static final double OLD_SCALE = 0.18215;
    private static final String KL = "AutoencoderKL";
    private static final String TINY = "AutoencoderTiny";
    private static final String CLASS_NAME = "_class_name";
    private static final String DOWN = "DownEncoderBlock2D";
    private static final String UP = "UpDecoderBlock2D";

    /** These change no number of the network: where the file is from, and hints for those who call it. */
    private static final List<String> IGNORED =
            List.of("_diffusers_version", "_name_or_path", "_commit_hash", "sample_size", "force_upcast");

    private static final ObjectMapper JSON = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private final String source;
    private final ObjectNode tree;
    private final Set<String> known = new LinkedHashSet<>(IGNORED);

    private DiffusersConfig(String source, ObjectNode tree) {
        this.source = source;
        this.tree = tree;
    }

    /**
     * Reads a file.
     *
     * @param file config.json
     * @return the autoencoder's configuration
     * @throws InputException naming the file, the key and the value
     */
    public static AutoencoderConfig read(Path file) {
        try {
            if (Files.size(file) > LONGEST) {
                throw new InputException(file + ": must have at most " + LONGEST + " bytes, got " + Files.size(file));
            }
            return parse(Files.readString(file), file.toString());
        } catch (IOException e) {
            throw new InputException("cannot read " + file + ": " + InputException.reason(e), e);
        }
    }

    /**
     * Reads a text.
     *
     * @param json of the file
     * @param source where it is from, for messages
     * @return the autoencoder's configuration
     * @throws InputException naming the source, the key and the value
     */
    public static AutoencoderConfig parse(String json, String source) {
        JsonNode tree;
        try {
            tree = JSON.readTree(json);
        } catch (JsonProcessingException e) {
            throw new InputException(
                    source + ": not valid JSON: " + e.getOriginalMessage().replaceAll("\\s+", " "), e);
        }
        if (!(tree instanceof ObjectNode object)) {
            throw new InputException(source + ": must be a JSON object");
        }
        DiffusersConfig config = new DiffusersConfig(source, object);
        String kind = config.text(CLASS_NAME, null);
        try {
            return switch (kind) {
                case KL -> config.kl();
                case TINY -> config.tiny();
                default -> throw config.refuse(CLASS_NAME, "must be " + KL + " or " + TINY, kind);
            };
        } catch (IllegalArgumentException e) {
            throw new InputException(source + ": " + e.getMessage(), e);
        }
    }

    private AutoencoderKLConfig kl() {
        List<Integer> widths = integers("block_out_channels");
        equal("act_fn", text("act_fn", "silu"), "silu");
        allEqual("down_block_types", texts("down_block_types"), DOWN, widths.size());
        allEqual("up_block_types", texts("up_block_types"), UP, widths.size());
        AutoencoderKLConfig config = new AutoencoderKLConfig(
                channels(),
                integer("latent_channels", null),
                widths,
                integer("layers_per_block", null),
                integer("norm_num_groups", 32),
                bool("mid_block_add_attention", true),
                bool("use_quant_conv", true),
                bool("use_post_quant_conv", true),
                latents(OLD_SCALE));
        refuseUnknown();
        return config;
    }

    private TinyAutoencoderConfig tiny() {
        known.addAll(List.of("block_out_channels", "latent_magnitude", "latent_shift")); // for others' use only
        List<Integer> encoderWidths = integers("encoder_block_out_channels");
        List<Integer> decoderWidths = integers("decoder_block_out_channels");
        List<Integer> encoderBlocks = integers("num_encoder_blocks");
        List<Integer> decoderBlocks = integers("num_decoder_blocks");
        Set<Integer> widths = new TreeSet<>(encoderWidths);
        widths.addAll(decoderWidths);
        if (widths.size() != 1 || encoderWidths.size() != encoderBlocks.size()) {
            throw refuse("encoder_block_out_channels", "must be one width for every level of both sides", widths);
        }
        equal("act_fn", text("act_fn", "relu"), "relu");
        equal("upsample_fn", text("upsample_fn", "nearest"), "nearest");
        equal("upsampling_scaling_factor", Integer.toString(integer("upsampling_scaling_factor", 2)), "2");
        TinyAutoencoderConfig config = new TinyAutoencoderConfig(
                channels(),
                integer("latent_channels", null),
                encoderWidths.get(0),
                encoderBlocks,
                decoderBlocks,
                false,
                latents(1));
        refuseUnknown();
        return config;
    }

    private int channels() {
        int in = integer("in_channels", 3);
        equal("out_channels", Integer.toString(integer("out_channels", 3)), Integer.toString(in));
        return in;
    }

    private LatentScale latents(double scale) {
        return new LatentScale(
                number("scaling_factor", scale),
                number("shift_factor", 0),
                numbers("latents_mean"),
                numbers("latents_std"));
    }

    /** The value of a key; null stands for an absent one, as in diffusers. */
    private JsonNode find(String key) {
        known.add(key);
        JsonNode node = tree.get(key);
        return node == null || node.isNull() ? null : node;
    }

    private JsonNode require(String key) {
        JsonNode node = find(key);
        if (node == null) {
            throw new InputException(source + ": " + key + " is missing");
        }
        return node;
    }

    private String text(String key, String absent) {
        JsonNode node = absent == null ? require(key) : find(key);
        return node == null
                ? absent
                : checked(key, node, JsonNode::isTextual, "a text").asText();
    }

    private int integer(String key, Integer absent) {
        JsonNode node = absent == null ? require(key) : find(key);
        return node == null
                ? absent
                : checked(key, node, JsonNode::isInt, "a whole number").asInt();
    }

    private boolean bool(String key, boolean absent) {
        JsonNode node = find(key);
        return node == null
                ? absent
                : checked(key, node, JsonNode::isBoolean, "true or false").asBoolean();
    }

    private double number(String key, double absent) {
        JsonNode node = find(key);
        return node == null
                ? absent
                : checked(key, node, JsonNode::isNumber, "a number").asDouble();
    }

    private List<Integer> integers(String key) {
        List<Integer> values = new ArrayList<>();
        checked(key, require(key), JsonNode::isArray, "a list")
                .forEach(each -> values.add(
                        checked(key, each, JsonNode::isInt, "whole numbers").asInt()));
        return values;
    }

    private List<String> texts(String key) {
        List<String> values = new ArrayList<>();
        checked(key, require(key), JsonNode::isArray, "a list")
                .forEach(each -> values.add(
                        checked(key, each, JsonNode::isTextual, "texts").asText()));
        return values;
    }

    private List<Double> numbers(String key) {
        List<Double> values = new ArrayList<>();
        JsonNode node = find(key);
        if (node != null) {
            checked(key, node, JsonNode::isArray, "a list")
                    .forEach(each -> values.add(
                            checked(key, each, JsonNode::isNumber, "numbers").asDouble()));
        }
        return values;
    }

    private JsonNode checked(String key, JsonNode node, Predicate<JsonNode> rule, String words) {
        if (!rule.test(node)) {
            throw refuse(key, "must be " + words, node);
        }
        return node;
    }

    private void equal(String key, String actual, String only) {
        if (!actual.equals(only)) {
            throw refuse(key, "must be " + only + ", nothing else is implemented", actual);
        }
    }

    private void allEqual(String key, List<String> actual, String only, int count) {
        if (!actual.equals(Collections.nCopies(count, only))) {
            throw refuse(key, "must be " + count + " times " + only + ", nothing else is implemented", actual);
        }
    }

    private InputException refuse(String key, String rule, Object value) {
        String text = value.toString();
        return new InputException(
                source + ": " + key + " " + rule + ", got " + (text.length() > 200 ? text.substring(0, 200) : text));
    }

    private void refuseUnknown() {
        tree.fieldNames().forEachRemaining(key -> {
            if (!known.contains(key)) {
                throw new InputException(source + ": " + key + ": unknown key, " + NearestName.hint(key, known));
            }
        });
    }

    /**
     * The same as a text that diffusers reads.
     *
     * @param config of the network
     * @return JSON, ending in a line break
     * @throws IllegalArgumentException if diffusers has no such network
     */
    public static String write(AutoencoderConfig config) {
        ObjectNode tree = JSON.createObjectNode();
        if (config instanceof AutoencoderKLConfig kl) {
            tree.put(CLASS_NAME, KL);
            tree.put("act_fn", "silu");
            list(tree.putArray("block_out_channels"), kl.widths());
            Collections.nCopies(kl.levels(), DOWN).forEach(tree.putArray("down_block_types")::add);
            Collections.nCopies(kl.levels(), UP).forEach(tree.putArray("up_block_types")::add);
            tree.put("layers_per_block", kl.blocksPerLevel());
            tree.put("norm_num_groups", kl.normGroups());
            tree.put("mid_block_add_attention", kl.midAttention());
            tree.put("use_quant_conv", kl.quantConv());
            tree.put("use_post_quant_conv", kl.postQuantConv());
            statistics(tree, "latents_mean", kl.latents().mean());
            statistics(tree, "latents_std", kl.latents().deviation());
        } else if (config instanceof TinyAutoencoderConfig tiny) {
            if (tiny.innerNorm()
                    || !tiny.latents().mean().isEmpty()
                    || !tiny.latents().deviation().isEmpty()) {
                throw new IllegalArgumentException("diffusers' " + TINY
                        + " has neither norms inside nor statistics of its latents, got innerNorm " + tiny.innerNorm()
                        + " and " + tiny.latents());
            }
            tree.put(CLASS_NAME, TINY);
            tree.put("act_fn", "relu");
            int levels = tiny.encoderBlocks().size();
            list(tree.putArray("encoder_block_out_channels"), Collections.nCopies(levels, tiny.width()));
            list(tree.putArray("decoder_block_out_channels"), Collections.nCopies(levels, tiny.width()));
            list(tree.putArray("num_encoder_blocks"), tiny.encoderBlocks());
            list(tree.putArray("num_decoder_blocks"), tiny.decoderBlocks());
            tree.put("upsample_fn", "nearest");
            tree.put("upsampling_scaling_factor", 2);
        }
        tree.put("in_channels", config.channels());
        tree.put("out_channels", config.channels());
        tree.put("latent_channels", config.latentChannels());
        tree.put("scaling_factor", config.latents().scale());
        tree.put("shift_factor", config.latents().shift());
        return tree.toPrettyString() + "\n";
    }

    private static void list(ArrayNode array, List<Integer> values) {
        values.forEach(array::add);
    }

    private static void statistics(ObjectNode tree, String key, List<Double> values) {
        if (values.isEmpty()) {
            tree.putNull(key);
        } else {
            values.forEach(tree.putArray(key)::add);
        }
    }
}
