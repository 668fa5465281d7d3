package org.mezzotint.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.mezzotint.data.PictureSource.Entry;
import org.mezzotint.io.InputException;

/**
 * EDM's {@code dataset.json}: {@code {"labels": [["00000/img00000000.png", 6], …]}} with classes, or with lists of numbers in
 * place of the 6, or null for no labels. Labels are found by name; one of a picture that is not there counts for nothing.
 */
final class EdmLabels {
    static final String FILE = "dataset.json";

    /** Names as EDM's dataset tool gives them: the folders are parts of a number, not classes. */
    private static final Pattern TOOL_NAME = Pattern.compile("[0-9]{5}/img[0-9]{8}\\.[A-Za-z]+");

    private final String path;

    private EdmLabels(String path) {
        this.path = path;
    }

    /** Whether EDM's dataset tool named the pictures. */
    static boolean namedByTool(List<Entry> pictures) {
        return pictures.stream()
                .allMatch(picture -> TOOL_NAME.matcher(picture.name()).matches());
    }

    /**
     * Reads the file.
     *
     * @throws InputException if it is broken, or a picture has no label
     */
    static PictureLabels read(PictureSource source, Entry file, List<Entry> pictures) {
        EdmLabels reader = new EdmLabels(source.root() + "/" + FILE);
        JsonNode list = reader.list(source, file);
        return list.isNull() ? PictureLabels.none(pictures.size()) : reader.labels(list, pictures);
    }

    private JsonNode list(PictureSource source, Entry file) {
        try {
            JsonNode root = new ObjectMapper().readTree(source.read(file));
            JsonNode list = root.get("labels");
            if (list == null || !(list.isArray() || list.isNull())) {
                throw new InputException(path + ": needs \"labels\": a list of [path, label], or null");
            }
            return list;
        } catch (JsonProcessingException e) {
            throw new InputException(path + ": not valid JSON: " + e.getOriginalMessage(), e);
        } catch (IOException e) {
            throw new InputException(path + ": cannot be read: " + PictureSource.reason(e), e);
        }
    }

    private PictureLabels labels(JsonNode list, List<Entry> pictures) {
        Map<String, JsonNode> labelOf = byName(list);
        JsonNode[] labels = new JsonNode[pictures.size()];
        for (int i = 0; i < labels.length; i++) {
            String name = pictures.get(i).name();
            labels[i] = labelOf.get(name);
            if (labels[i] == null) {
                throw new InputException(path + ": no label for " + name);
            }
            checkAlike(labels[0], labels[i], name);
        }
        return labels[0].isArray()
                ? PictureLabels.vectors(
                        Arrays.stream(labels).map(EdmLabels::vector).toArray(float[][]::new))
                : PictureLabels.numbered(
                        Arrays.stream(labels).mapToInt(JsonNode::intValue).toArray());
    }

    private Map<String, JsonNode> byName(JsonNode list) {
        Map<String, JsonNode> labelOf = new HashMap<>();
        for (JsonNode pair : list) {
            JsonNode name = pair.path(0);
            JsonNode label = pair.path(1);
            if (!pair.isArray() || pair.size() != 2 || !name.isTextual() || !(isClass(label) || isVector(label))) {
                throw new InputException(path + ": a label must be [path, whole number 0 to " + PictureLabels.MAX_LABEL
                        + " or list of numbers], got " + shortened(pair.toString()));
            }
            JsonNode earlier = labelOf.put(name.textValue(), label);
            if (earlier != null && !earlier.equals(label)) {
                throw new InputException(path + ": two labels for " + name.textValue() + ": "
                        + shortened(earlier.toString()) + " and " + shortened(label.toString()));
            }
        }
        return labelOf;
    }

    private static boolean isClass(JsonNode label) {
        return label.isIntegralNumber()
                && label.canConvertToInt()
                && label.intValue() >= 0
                && label.intValue() <= PictureLabels.MAX_LABEL;
    }

    private static boolean isVector(JsonNode label) {
        if (!label.isArray() || label.isEmpty()) {
            return false;
        }
        for (JsonNode value : label) {
            if (!value.isNumber() || !Float.isFinite(value.floatValue())) {
                return false;
            }
        }
        return true;
    }

    private void checkAlike(JsonNode first, JsonNode label, String name) {
        if (first.isArray() != label.isArray() || first.size() != label.size()) {
            throw new InputException(path + ": labels must be all classes or all lists of equally many numbers, got "
                    + shortened(first.toString()) + " and for " + name + " " + shortened(label.toString()));
        }
    }

    private static float[] vector(JsonNode label) {
        float[] vector = new float[label.size()];
        for (int i = 0; i < vector.length; i++) {
            vector[i] = label.get(i).floatValue();
        }
        return vector;
    }

    private static String shortened(String text) {
        return text.length() <= 100 ? text : text.substring(0, 100) + "…";
    }
}
