package org.mezzotint.app.cli;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Yaml;
import org.mezzotint.train.TrainConfig;

/** Reads recipes: a file, or one of those built in under the same name. */
final class Recipes {
    private static final long MOST_BYTES = 1 << 20;

    private Recipes() {}

    static TrainConfig read(String name, List<String> settings) {
        return read(name, pairs(settings, "key=value, such as training.batchSize=32"));
    }

    /** What --set gives; {@code form} says in a message what each must look like. */
    static Map<String, String> pairs(List<String> settings, String form) {
        Map<String, String> pairs = new LinkedHashMap<>();
        for (String setting : settings) {
            int equals = setting.indexOf('=');
            if (equals < 1) {
                throw new IllegalArgumentException("--set must be " + form + ", got " + setting);
            }
            pairs.put(setting.substring(0, equals), setting.substring(equals + 1));
        }
        return pairs;
    }

    /** With some entries replaced: dotted path to YAML text. */
    static TrainConfig read(String name, Map<String, String> overrides) {
        return Yaml.parse(text(name), name, overrides, TrainConfig.class);
    }

    private static String text(String name) {
        Path file = Path.of(name);
        try {
            if (Files.isRegularFile(file)) {
                if (Files.size(file) > MOST_BYTES) {
                    throw new InputException(name + " is too large for a recipe: " + Files.size(file)
                            + " bytes, the limit is " + MOST_BYTES);
                }
                return Files.readString(file);
            }
            String resource = "/" + (name.startsWith("configs/") ? name : "configs/" + name);
            try (InputStream in = Recipes.class.getResourceAsStream(resource)) {
                if (in != null && resource.endsWith(".yaml")) {
                    return new String(in.readAllBytes(), StandardCharsets.UTF_8);
                }
            }
        } catch (IOException e) {
            throw new InputException("cannot read " + name + ": " + e.getMessage(), e);
        }
        throw new InputException("recipe not found: " + name);
    }
}
