package org.mezzotint.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MappingIterator;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.csv.CsvMapper;
import com.fasterxml.jackson.dataformat.csv.CsvParser;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.mezzotint.data.PictureSource.Entry;
import org.mezzotint.io.InputException;

/**
 * {@code metadata.csv} or {@code metadata.jsonl} beside pictures, as Hugging Face's imagefolder has them: a row a picture with
 * {@code file_name}, and perhaps {@code text} or {@code caption} (a text; in JSON also a list of texts) and {@code label} (its
 * class, a number or a name). Other columns are not used.
 */
final class MetadataTable {
    static final String CSV = "metadata.csv";
    static final String JSONL = "metadata.jsonl";

    private static final String NAME = "file_name";
    private static final List<String> CAPTION = List.of("text", "caption");
    private static final String LABEL = "label";
    private static final ObjectMapper JSON = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private final String path;

    private MetadataTable(String path) {
        this.path = path;
    }

    /**
     * One picture's row.
     *
     * @param line where it begins, from 1
     * @param fields by column
     */
    private record Row(int line, ObjectNode fields) {}

    /** Whether a file of a collection, wherever it lies in it, is such a table. */
    static boolean isTable(String name) {
        String last = name.substring(name.lastIndexOf('/') + 1);
        return last.equals(CSV) || last.equals(JSONL);
    }

    /**
     * Reads the table.
     *
     * @throws InputException naming the line, if a row is broken or its picture is not there; or a picture has no row
     */
    static PictureLabels read(PictureSource source, Entry file, List<Entry> pictures) {
        MetadataTable table = new MetadataTable(source.root() + "/" + file.name());
        String text = table.text(source, file);
        List<Row> rows = file.name().equals(CSV) ? table.csv(text) : table.jsonl(text);
        return table.labels(rows, pictures);
    }

    private String text(PictureSource source, Entry file) {
        try {
            return Captions.decode(source.read(file), path);
        } catch (IOException e) {
            throw new InputException(path + ": cannot be read: " + PictureSource.reason(e), e);
        }
    }

    /** RFC 4180: quotes, doubled quotes and line breaks within them. */
    private List<Row> csv(String text) {
        List<Row> rows = new ArrayList<>();
        List<String> columns = List.of();
        int line = 1;
        try (MappingIterator<String[]> records = CsvMapper.builder()
                .enable(CsvParser.Feature.WRAP_AS_ARRAY)
                .build()
                .readerFor(String[].class)
                .readValues(text)) {
            while (records.hasNext()) {
                String[] fields = records.next();
                boolean blank = fields.length == 0 || (fields.length == 1 && fields[0].isBlank());
                if (columns.isEmpty()) {
                    columns = columns(fields);
                } else if (!blank) {
                    rows.add(new Row(line, row(columns, fields, line)));
                }
                line += 1
                        + (int) Arrays.stream(fields)
                                .mapToLong(field ->
                                        field.chars().filter(c -> c == '\n').count())
                                .sum();
            }
        } catch (IOException | RuntimeException e) {
            if (e instanceof InputException input) {
                throw input;
            }
            throw new InputException(path + ": line " + line + ": not valid CSV", e); // hasNext throws unchecked
        }
        return rows;
    }

    private List<String> columns(String[] fields) {
        List<String> columns = List.of(fields);
        if (!columns.contains(NAME)) {
            throw new InputException(
                    path + ": line 1: must name a column " + NAME + ", got " + String.join(", ", columns));
        }
        if (new HashSet<>(columns).size() < columns.size()) {
            throw new InputException(path + ": line 1: no column may come twice, got " + String.join(", ", columns));
        }
        return columns;
    }

    private ObjectNode row(List<String> columns, String[] fields, int line) {
        if (fields.length != columns.size()) {
            throw refused(line, "must have " + columns.size() + " fields as line 1 has, got " + fields.length);
        }
        ObjectNode row = JsonNodeFactory.instance.objectNode();
        for (int i = 0; i < fields.length; i++) {
            row.put(columns.get(i), fields[i]);
        }
        if (row.path(LABEL).asText("").isEmpty()) {
            row.remove(LABEL);
        }
        return row;
    }

    private List<Row> jsonl(String text) {
        List<Row> rows = new ArrayList<>();
        String[] lines = text.split("\n", -1);
        for (int i = 0; i < lines.length; i++) {
            if (lines[i].isBlank()) {
                continue;
            }
            try {
                if (!(JSON.readTree(lines[i]) instanceof ObjectNode object)) {
                    throw refused(i + 1, "must be a JSON object");
                }
                rows.add(new Row(i + 1, object));
            } catch (JsonProcessingException e) {
                throw new InputException(
                        path + ": line " + (i + 1) + ": not valid JSON: "
                                + e.getOriginalMessage().replaceAll("\\s+", " "),
                        e);
            }
        }
        return rows;
    }

    private PictureLabels labels(List<Row> rows, List<Entry> pictures) {
        Map<String, Integer> indexOf = new HashMap<>();
        pictures.forEach(picture -> indexOf.put(picture.name(), indexOf.size()));
        Row[] rowOf = new Row[pictures.size()];
        for (Row row : rows) {
            int index = picture(row, indexOf);
            if (rowOf[index] != null) {
                throw refused(
                        row.line(), "a second row for " + pictures.get(index).name());
            }
            rowOf[index] = row;
        }
        for (int i = 0; i < rowOf.length; i++) {
            if (rowOf[i] == null) {
                throw new InputException(
                        path + ": no row for " + pictures.get(i).name());
            }
        }
        return classes(rowOf).withCaptions(captions(rowOf));
    }

    private int picture(Row row, Map<String, Integer> indexOf) {
        JsonNode name = row.fields().path(NAME);
        if (!name.isTextual() || name.textValue().isEmpty()) {
            throw refused(row.line(), NAME + " must be a path, got " + name);
        }
        String file = name.textValue();
        if (file.startsWith("/") || Arrays.asList(file.split("/", -1)).contains("..")) {
            throw refused(row.line(), NAME + " must stay in the folder, got " + file);
        }
        Integer index = indexOf.get(file);
        if (index == null) {
            throw refused(row.line(), "there is no picture " + file);
        }
        return index;
    }

    /** None at all if no row has one. */
    private List<List<String>> captions(Row[] rows) {
        List<List<String>> captions = new ArrayList<>();
        for (Row row : rows) {
            List<String> given =
                    CAPTION.stream().filter(row.fields()::hasNonNull).toList();
            if (given.size() > 1) {
                throw refused(row.line(), String.join(" or ", CAPTION) + " may give the caption, got both");
            }
            captions.add(
                    given.isEmpty()
                            ? List.of()
                            : Captions.texts(
                                    row.fields().get(given.get(0)),
                                    path + ": line " + row.line() + ": " + given.get(0)));
        }
        return captions.stream().allMatch(List::isEmpty) ? List.of() : captions;
    }

    private PictureLabels classes(Row[] rows) {
        if (Stream.of(rows).allMatch(row -> label(row) == null)) {
            return PictureLabels.none(rows.length);
        }
        boolean names = !Stream.of(rows).allMatch(row -> number(label(row)) >= 0);
        List<String> name = new ArrayList<>();
        int[] number = new int[rows.length];
        for (int i = 0; i < rows.length; i++) {
            JsonNode label = label(rows[i]);
            if (label == null || (names && !label.isTextual())) {
                throw refused(
                        rows[i].line(),
                        LABEL + " must be a name in all rows, or a whole number 0 to " + PictureLabels.MAX_LABEL
                                + " in all, got " + (label == null ? "none" : label));
            }
            name.add(label.asText());
            number[i] = number(label);
        }
        return names ? PictureLabels.named(name) : PictureLabels.numbered(number);
    }

    private static JsonNode label(Row row) {
        JsonNode label = row.fields().get(LABEL);
        return label == null || label.isNull() ? null : label;
    }

    /** A class by number, also as the text of a CSV; else −1. */
    private static int number(JsonNode label) {
        boolean written = label != null
                && (label.isIntegralNumber() || label.isTextual())
                && label.asText().matches("[0-9]{1,6}");
        return written ? Integer.parseInt(label.asText()) : -1;
    }

    private InputException refused(int line, String what) {
        return new InputException(path + ": line " + line + ": " + what);
    }
}
