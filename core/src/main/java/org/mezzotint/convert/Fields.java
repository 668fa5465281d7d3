package org.mezzotint.convert;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.mezzotint.io.InputException;

/**
 * The fields of a foreign configuration by dotted name, list positions as numbers. A field that nobody asks for is an error:
 * it may change the model in a way that we do not know.
 */
final class Fields {
    private static final JsonMapper JSON = JsonMapper.builder(JsonFactory.builder()
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNestingDepth(32)
                            .maxStringLength(1 << 20)
                            .maxNumberLength(100)
                            .build())
                    .build())
            .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS) // diffusers writes -Infinity
            .enable(DeserializationFeature.FAIL_ON_READING_DUP_TREE_KEY)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private final String where;
    private final Map<String, Object> values;
    private final Set<String> used = new LinkedHashSet<>();

    /**
     * Takes scalars: Long, Double, Boolean, String, null, or an empty list or map.
     *
     * @param where the file, for messages
     * @param values by dotted name
     */
    Fields(String where, Map<String, Object> values) {
        this.where = where;
        this.values = values;
    }

    /** The fields of a JSON text. */
    static Fields ofJson(String where, String json) {
        Map<String, Object> values = new LinkedHashMap<>();
        try {
            JsonNode root = JSON.readTree(json);
            if (!root.isObject()) {
                throw new InputException(where + ": the configuration must be a JSON object");
            }
            flatten("", root, values);
        } catch (JsonProcessingException e) {
            throw new InputException(where + ": not a JSON text: " + e.getOriginalMessage(), e);
        }
        return new Fields(where, values);
    }

    private static void flatten(String prefix, JsonNode node, Map<String, Object> into) {
        String dot = prefix.isEmpty() ? "" : prefix + ".";
        if (node.isObject() && !node.isEmpty()) {
            node.properties().forEach(field -> flatten(dot + field.getKey(), field.getValue(), into));
        } else if (node.isArray() && !node.isEmpty()) {
            for (int i = 0; i < node.size(); i++) {
                flatten(dot + i, node.get(i), into);
            }
        } else if (node.isIntegralNumber() && node.canConvertToLong()) {
            into.put(prefix, node.longValue());
        } else if (node.isNumber()) {
            into.put(prefix, node.doubleValue());
        } else if (node.isBoolean()) {
            into.put(prefix, node.booleanValue());
        } else if (node.isTextual()) {
            into.put(prefix, node.textValue());
        } else {
            into.put(prefix, node.isNull() ? null : node.isObject() ? Map.of() : List.of());
        }
    }

    /** Whether there is such a field, with a value. */
    boolean has(String name) {
        return values.get(name) != null;
    }

    /** How many elements a list has; 0 where there is none. */
    int count(String name) {
        int n = 0;
        while (hasBelow(name + "." + n)) {
            n++;
        }
        used.add(name); // the empty list itself
        return n;
    }

    /** Whether there is a field of that name or below it. */
    boolean hasBelow(String name) {
        return values.containsKey(name) || values.keySet().stream().anyMatch(each -> each.startsWith(name + "."));
    }

    int integer(String name) {
        Object value = need(name);
        if (value instanceof Long number && number == number.intValue()) {
            return number.intValue();
        }
        throw wrong(name, "a whole number", value);
    }

    int integer(String name, int usual) {
        return absent(name) ? usual : integer(name);
    }

    double number(String name) {
        Object value = need(name);
        if (value instanceof Long || value instanceof Double) {
            return ((Number) value).doubleValue();
        }
        throw wrong(name, "a number", value);
    }

    double number(String name, double usual) {
        return absent(name) ? usual : number(name);
    }

    String text(String name) {
        Object value = need(name);
        if (value instanceof String text) {
            return text;
        }
        throw wrong(name, "a text", value);
    }

    String text(String name, String usual) {
        return absent(name) ? usual : text(name);
    }

    boolean flag(String name, boolean usual) {
        if (absent(name)) {
            return usual;
        }
        if (values.get(name) instanceof Boolean flag) {
            return flag;
        }
        throw wrong(name, "true or false", values.get(name));
    }

    /** A list of whole numbers. */
    List<Integer> integers(String name) {
        List<Integer> all = new ArrayList<>();
        for (int i = 0; i < count(name); i++) {
            all.add(integer(name + "." + i));
        }
        return all;
    }

    /** Refuses any value of a field but these; it may also be absent. */
    void only(String name, Object... allowed) {
        used.add(name);
        if (!values.containsKey(name)) {
            return;
        }
        Object value = values.get(name);
        for (Object each : allowed) {
            if (same(each, value)) {
                return;
            }
        }
        throw new InputException(where + ": " + name + " must be "
                + (allowed.length == 1 ? String.valueOf(allowed[0]) : "one of " + List.of(texts(allowed)))
                + " for this conversion, got " + value);
    }

    private static boolean same(Object a, Object b) {
        if (a instanceof Number x && b instanceof Number y) {
            return x.doubleValue() == y.doubleValue();
        }
        return Objects.equals(a, b);
    }

    private static Object[] texts(Object[] values) {
        Object[] texts = new Object[values.length];
        for (int i = 0; i < values.length; i++) {
            texts[i] = String.valueOf(values[i]);
        }
        return texts;
    }

    /** Fields that do not change what the model computes. */
    void ignore(String... names) {
        Collections.addAll(used, names);
    }

    /** A whole section that does not change what the model computes. */
    void ignoreBelow(String prefix) {
        values.keySet().stream()
                .filter(name -> name.equals(prefix) || name.startsWith(prefix + "."))
                .forEach(used::add);
    }

    /**
     * Refuses fields that nobody asked for.
     *
     * @throws InputException naming them all
     */
    void finish() {
        Collection<String> unknown = new ArrayList<>(values.keySet());
        unknown.removeAll(used);
        if (!unknown.isEmpty()) {
            throw new InputException(where + ": unknown configuration keys, whose effect is not known here: "
                    + String.join(", ", unknown));
        }
    }

    String where() {
        return where;
    }

    private boolean absent(String name) {
        used.add(name);
        return values.get(name) == null;
    }

    private Object need(String name) {
        used.add(name);
        Object value = values.get(name);
        if (value == null) {
            throw new InputException(where + ": the configuration lacks " + name);
        }
        return value;
    }

    private InputException wrong(String name, String kind, Object value) {
        return new InputException(where + ": " + name + " must be " + kind + ", got " + value);
    }
}
