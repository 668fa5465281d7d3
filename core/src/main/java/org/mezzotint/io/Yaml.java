package org.mezzotint.io;

import com.fasterxml.jackson.annotation.JsonAutoDetect.Visibility;
import com.fasterxml.jackson.annotation.PropertyAccessor;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MapperFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.cfg.CoercionAction;
import com.fasterxml.jackson.databind.cfg.CoercionInputShape;
import com.fasterxml.jackson.databind.cfg.MapperConfig;
import com.fasterxml.jackson.databind.introspect.AnnotatedClass;
import com.fasterxml.jackson.databind.introspect.JacksonAnnotationIntrospector;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.type.LogicalType;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import com.fasterxml.jackson.dataformat.yaml.YAMLGenerator;
import com.fasterxml.jackson.dataformat.yaml.YAMLParser;
import com.fasterxml.jackson.dataformat.yaml.util.StringQuotingChecker;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;

/**
 * Configs as YAML or JSON, bound to records and strict both ways: every component is a key and every key a component;
 * nothing is null, nothing is converted except whole numbers to doubles, and nothing is there twice. Enum constants are
 * written in lower case with dashes ({@code LEARNED_RANGE} is {@code learned-range}) unless they have a
 * {@code JsonProperty}. Closed families are sealed interfaces with {@code JsonTypeInfo(use = NAME, property = "type")}
 * and {@code JsonSubTypes}.
 *
 * <p>Errors are an {@link InputException} of one line with the source, the dotted path and the value, for example
 * {@code run.yaml: train.batchsize: unknown key, did you mean "batchSize"?}. Aliases, tags and a second
 * document in one text are refused. A text has at most 4,194,304 characters, a file as many bytes, 32 levels of nesting.
 */
public final class Yaml {
    static final int LONGEST = 1 << 22;
    static final int DEEPEST = 32;

    private static final StreamReadConstraints LIMITS = StreamReadConstraints.builder()
            .maxNestingDepth(DEEPEST)
            .maxStringLength(LONGEST)
            .maxNumberLength(400)
            .build();

    private static final ObjectMapper YAML = strict(JsonMapper.builder(YAMLFactory.builder()
            .streamReadConstraints(LIMITS)
            .enable(YAMLParser.Feature.PARSE_BOOLEAN_LIKE_WORDS_AS_STRINGS)
            .disable(YAMLGenerator.Feature.WRITE_DOC_START_MARKER)
            .disable(YAMLGenerator.Feature.USE_NATIVE_TYPE_ID)
            .disable(YAMLGenerator.Feature.SPLIT_LINES)
            .enable(YAMLGenerator.Feature.MINIMIZE_QUOTES)
            .enable(YAMLGenerator.Feature.ALWAYS_QUOTE_NUMBERS_AS_STRINGS)
            .stringQuotingChecker(new NumbersQuoted())
            .build()));

    private static final ObjectMapper JSON = strict(JsonMapper.builder(
            JsonFactory.builder().streamReadConstraints(LIMITS).build()));

    private Yaml() {}

    /**
     * Reads a record from a YAML file.
     *
     * @param <T> the record or sealed interface
     * @param file the file, UTF-8
     * @param type its class
     * @return the value
     * @throws InputException if the file cannot be read or does not fit
     */
    public static <T> T read(Path file, Class<T> type) {
        try {
            if (Files.size(file) > LONGEST) {
                throw new InputException(
                        file + ": a config must have at most " + LONGEST + " bytes, got " + Files.size(file));
            }
            return parse(Files.readString(file), file.toString(), type);
        } catch (IOException e) {
            throw new InputException(InputException.message("read", file, e), e);
        }
    }

    /**
     * Reads a record from a YAML text.
     *
     * @param <T> the record or sealed interface
     * @param text the YAML
     * @param source where it is from, for messages
     * @param type its class
     * @return the value
     * @throws InputException if it does not fit
     */
    public static <T> T parse(String text, String source, Class<T> type) {
        return parse(text, source, Map.of(), type);
    }

    /**
     * Reads a record from a YAML text after replacing some of its values.
     *
     * @param <T> the record or sealed interface
     * @param text the YAML
     * @param source where it is from, for messages
     * @param overrides dotted path, like {@code train.batchSize} or {@code stages.0.width}, to a YAML scalar or flow
     *     text; each path must be in the text
     * @param type its class
     * @return the value
     * @throws InputException if something does not fit
     */
    public static <T> T parse(String text, String source, Map<String, String> overrides, Class<T> type) {
        JsonNode tree = StrictTree.parse(YAML, text, source);
        for (Map.Entry<String, String> override : overrides.entrySet()) {
            tree = StrictTree.replace(YAML, tree, source, override.getKey(), override.getValue());
        }
        return bind(YAML, tree, source, type);
    }

    /**
     * Writes a record as YAML in block style, components in their order.
     *
     * @param value a record
     * @return the text, ending in a line break
     */
    public static String write(Object value) {
        return text(YAML, value);
    }

    /**
     * Writes a record as JSON on one line, for the headers of files.
     *
     * @param value a record
     * @return the text
     */
    public static String toJson(Object value) {
        return text(JSON, value);
    }

    /**
     * Reads a record from a JSON text, as strictly as from YAML.
     *
     * @param <T> the record or sealed interface
     * @param text the JSON
     * @param source where it is from, for messages
     * @param type its class
     * @return the value
     * @throws InputException if it does not fit
     */
    public static <T> T fromJson(String text, String source, Class<T> type) {
        return bind(JSON, StrictTree.parse(JSON, text, source), source, type);
    }

    private static String text(ObjectMapper mapper, Object value) {
        try {
            return mapper.writeValueAsString(value);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(
                    "cannot write a " + value.getClass().getSimpleName() + ": " + e.getOriginalMessage(), e);
        }
    }

    private static <T> T bind(ObjectMapper mapper, JsonNode tree, String source, Class<T> type) {
        try {
            return mapper.treeToValue(tree, type);
        } catch (JsonProcessingException e) {
            throw BindingErrors.explain(mapper, tree, source, e);
        }
    }

    private static ObjectMapper strict(JsonMapper.Builder builder) {
        return builder.enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
                .enable(DeserializationFeature.FAIL_ON_MISSING_CREATOR_PROPERTIES)
                .enable(DeserializationFeature.FAIL_ON_NULL_CREATOR_PROPERTIES)
                .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
                .enable(DeserializationFeature.FAIL_ON_NUMBERS_FOR_ENUMS)
                .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT)
                .disable(MapperFeature.ALLOW_COERCION_OF_SCALARS)
                .visibility(PropertyAccessor.GETTER, Visibility.NONE)
                .visibility(PropertyAccessor.IS_GETTER, Visibility.NONE)
                .visibility(PropertyAccessor.FIELD, Visibility.ANY)
                .annotationIntrospector(new DashedEnums())
                .withCoercionConfigDefaults(coercions -> coercions
                        .setCoercion(CoercionInputShape.EmptyString, CoercionAction.Fail)
                        .setCoercion(CoercionInputShape.EmptyArray, CoercionAction.Fail)
                        .setAcceptBlankAsEmpty(false))
                .withCoercionConfig(LogicalType.Textual, coercions -> coercions
                        .setCoercion(CoercionInputShape.Integer, CoercionAction.Fail)
                        .setCoercion(CoercionInputShape.Float, CoercionAction.Fail)
                        .setCoercion(CoercionInputShape.Boolean, CoercionAction.Fail))
                .build();
    }

    /** The name of each constant of an enum in files. */
    static String dashed(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    private static final class DashedEnums extends JacksonAnnotationIntrospector {
        private static final long serialVersionUID = 1L;

        @Override
        public String[] findEnumValues(
                MapperConfig<?> config, AnnotatedClass type, Enum<?>[] constants, String[] names) {
            super.findEnumValues(config, type, constants, names);
            for (int i = 0; i < constants.length; i++) {
                if (names[i] == null) {
                    names[i] = dashed(constants[i]);
                }
            }
            return names;
        }
    }

    /** Quotes what would come back as a number; Jackson's own check does not know exponents. */
    private static final class NumbersQuoted extends StringQuotingChecker.Default {
        private static final long serialVersionUID = 1L;

        @Override
        public boolean needToQuoteValue(String value) {
            return super.needToQuoteValue(value) || StrictTree.looksNumeric(value);
        }
    }
}
