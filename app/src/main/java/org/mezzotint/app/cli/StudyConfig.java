package org.mezzotint.app.cli;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A study: configurations trained with one budget, to be compared.
 *
 * @param budget of each row
 * @param pictures held-out pictures on which the rows are compared; at most the recipes' validation.images
 * @param samples pictures a row on the sheet of samples, of equal seeds
 * @param columns rows of the study side by side on the sheet: 1 puts each below the other, 3 shows nine as a square
 * @param rows in the order of the table
 */
record StudyConfig(Budget budget, int pictures, int samples, int columns, List<Row> rows) {
    /** When a row's training ends. */
    @JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
    @JsonSubTypes({
        @JsonSubTypes.Type(value = Images.class, name = "images"),
        @JsonSubTypes.Type(value = Minutes.class, name = "minutes")
    })
    sealed interface Budget {}

    /**
     * Pictures seen.
     *
     * @param images at least 1
     */
    record Images(long images) implements Budget {
        Images {
            if (images < 1) {
                throw new IllegalArgumentException("images must be at least 1, got " + images);
            }
        }
    }

    /**
     * Wall time of the training steps, evaluations not counted.
     *
     * @param minutes above 0
     */
    record Minutes(double minutes) implements Budget {
        Minutes {
            if (!(minutes > 0 && minutes < 1e6)) {
                throw new IllegalArgumentException("minutes must be above 0, got " + minutes);
            }
        }
    }

    /**
     * One configuration.
     *
     * @param name of the row, also of its folder: letters, digits, dash, dot and underscore
     * @param recipe a file beside the study's, or a built-in recipe
     * @param set entries of the recipe to replace, as {@code --set} takes them
     */
    record Row(String name, String recipe, Map<String, String> set) {
        Row {
            if (!name.matches("[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")) {
                throw new IllegalArgumentException(
                        "a row's name must be 1 to 64 letters, digits, dashes, dots or underscores, got '" + name
                                + "'");
            }
            set = Map.copyOf(set);
        }
    }

    StudyConfig {
        if (pictures < 1 || samples < 0) {
            throw new IllegalArgumentException(
                    "pictures must be at least 1 and samples not negative, got " + pictures + " and " + samples);
        }
        if (rows.isEmpty()) {
            throw new IllegalArgumentException("a study needs rows");
        }
        if (columns < 1 || columns > rows.size()) {
            throw new IllegalArgumentException(
                    "columns must be 1 to the number of rows, got " + columns + " for " + rows.size());
        }
        Set<String> names = new HashSet<>();
        for (Row row : rows) {
            if (!names.add(row.name())) {
                throw new IllegalArgumentException("two rows are called " + row.name());
            }
        }
        rows = List.copyOf(rows);
    }
}
