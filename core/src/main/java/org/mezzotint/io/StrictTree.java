package org.mezzotint.io;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLParser;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/**
 * Reads one document into a tree and refuses what a config must not have: null, a key twice, tags, aliases, a second
 * document, numbers that two YAML readers understand differently.
 */
final class StrictTree {
    private static final String MISSING = "a value is missing (null)";
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
    private static final Pattern WHOLE = Pattern.compile("[-+]?(0|[1-9][0-9_]*)");
    /** Also what YAML 1.1 calls a text for want of a point or a sign: 1e-4, 1.0e5. */
    private static final Pattern REAL = Pattern.compile("[-+]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][-+]?[0-9]+)?");

    private static final Pattern NUMERIC = Pattern.compile(
            "[-+]?(\\.?[0-9][0-9_]*\\.?[0-9_]*([eE][-+]?[0-9]+)?|0[xX][0-9a-fA-F_]+|0[ob][0-7_]+|\\.(?i:inf|nan))");

    private final JsonParser parser;
    private final String text;
    private final String source;
    private final List<String> path = new ArrayList<>();
    /** Where {@link #quoted} looked last: an index, and the same in code points, which the parser counts. */
    private int at;

    private int atPoint;

    private StrictTree(JsonParser parser, String text, String source) {
        this.parser = parser;
        this.text = text;
        this.source = source;
    }

    static JsonNode parse(ObjectMapper mapper, String text, String source) {
        if (text.length() > Yaml.LONGEST) {
            throw new InputException(
                    source + ": a config must have at most " + Yaml.LONGEST + " characters, got " + text.length());
        }
        try (JsonParser parser = mapper.getFactory().createParser(text)) {
            StrictTree reader = new StrictTree(parser, text, source);
            if (parser.nextToken() == null) {
                throw new InputException(source + ": there is nothing in it");
            }
            JsonNode tree = reader.value();
            if (parser.nextToken() != null) {
                throw new InputException(source + ": there must be one document, a second one starts at line "
                        + parser.currentTokenLocation().getLineNr());
            }
            return tree;
        } catch (JsonProcessingException e) {
            String line =
                    e.getLocation() == null ? "" : "line " + e.getLocation().getLineNr() + ": ";
            throw new InputException(
                    source + ": " + line + "not valid: " + InputException.oneLine(e.getOriginalMessage()), e);
        } catch (IOException e) {
            throw new IllegalStateException("reading a string cannot fail", e);
        }
    }

    /** The tree with the value at a dotted path replaced; every step of the path must be there. */
    static JsonNode replace(ObjectMapper mapper, JsonNode tree, String source, String dotted, String text) {
        JsonNode value = parse(mapper, text, "override " + dotted + "=" + InputException.oneLine(text));
        List<String> steps = List.of(dotted.split("\\.", -1));
        JsonNode node = tree;
        for (int i = 0; i < steps.size(); i++) {
            String step = steps.get(i);
            List<String> valid = keys(node);
            if (!valid.contains(step)) {
                String at = String.join(".", steps.subList(0, i + 1));
                String hint = valid.isEmpty() ? "the value there has no keys" : NearestName.hint(step, valid);
                throw new InputException(source + ": " + at + ": no such key to override, " + hint);
            }
            if (i < steps.size() - 1) {
                node = child(node, step);
            } else if (node instanceof ObjectNode object) {
                object.set(step, value);
            } else if (node instanceof ArrayNode array) {
                array.set(Integer.parseInt(step), value);
            }
        }
        return tree;
    }

    private static List<String> keys(JsonNode node) {
        List<String> keys = new ArrayList<>();
        node.fieldNames().forEachRemaining(keys::add);
        for (int i = 0; node.isArray() && i < node.size(); i++) {
            keys.add(Integer.toString(i));
        }
        return keys;
    }

    private static JsonNode child(JsonNode node, String step) {
        return node.isArray() ? node.get(Integer.parseInt(step)) : node.get(step);
    }

    /** Whether some YAML reader could take the text for a number. */
    static boolean looksNumeric(String value) {
        return NUMERIC.matcher(value).matches();
    }

    private JsonNode value() throws IOException {
        if (parser instanceof YAMLParser yaml) {
            if (yaml.isCurrentAlias()) {
                throw refused("aliases are not supported, write the value out, got *" + parser.getText());
            }
            if (yaml.getTypeId() != null) {
                throw refused("tags are not supported, got !" + yaml.getTypeId());
            }
        }
        return switch (parser.currentToken()) {
            case START_OBJECT -> object();
            case START_ARRAY -> array();
            case VALUE_STRING -> string();
            case VALUE_NUMBER_INT -> whole();
            case VALUE_NUMBER_FLOAT -> real();
            case VALUE_TRUE, VALUE_FALSE -> NODES.booleanNode(parser.getBooleanValue());
            case VALUE_NULL -> throw refused(MISSING);
            default ->
                throw refused("a value must be an object, a list, a text, a number or a boolean, got "
                        + parser.currentToken());
        };
    }

    private JsonNode object() throws IOException {
        ObjectNode object = NODES.objectNode();
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String key = parser.currentName();
            path.add(key);
            if (object.has(key)) {
                throw refused("the key is there twice");
            }
            parser.nextToken();
            object.set(key, value());
            path.remove(path.size() - 1);
        }
        return object;
    }

    private JsonNode array() throws IOException {
        ArrayNode array = NODES.arrayNode();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            path.add(Integer.toString(array.size()));
            array.add(value());
            path.remove(path.size() - 1);
        }
        return array;
    }

    private JsonNode whole() throws IOException {
        if (!WHOLE.matcher(parser.getText()).matches()) {
            throw refused("whole numbers must be plain decimals without leading zeros, got " + parser.getText());
        }
        return switch (parser.getNumberType()) {
            case INT -> NODES.numberNode(parser.getIntValue());
            case LONG -> NODES.numberNode(parser.getLongValue());
            default -> NODES.numberNode(parser.getBigIntegerValue());
        };
    }

    private JsonNode real() throws IOException {
        return real(parser.getText());
    }

    private JsonNode real(String written) {
        if (!REAL.matcher(written).matches() || !Double.isFinite(Double.parseDouble(written))) {
            throw refused("a number must be finite and in plain decimals, got " + written);
        }
        return NODES.numberNode(Double.parseDouble(written));
    }

    private JsonNode string() throws IOException {
        String value = parser.getText();
        if (parser instanceof YAMLParser && (value.isEmpty() || looksNumeric(value)) && !quoted()) {
            if (value.isEmpty()) {
                throw refused(MISSING);
            } else if (REAL.matcher(value).matches()) {
                return real(value);
            }
        }
        return NODES.textNode(value);
    }

    /** Whether the scalar just read starts with a quote or is a block; the parser itself does not tell. */
    private boolean quoted() {
        int point = (int) parser.currentTokenLocation().getCharOffset();
        at = text.offsetByCodePoints(at, point - atPoint);
        atPoint = point;
        char first = at < text.length() ? text.charAt(at) : '\n';
        return first == '"' || first == '\'' || first == '|' || first == '>';
    }

    private InputException refused(String what) {
        String where = path.isEmpty() ? "" : InputException.oneLine(String.join(".", path)) + ": ";
        return new InputException(source + ": " + where + InputException.oneLine(what));
    }
}
