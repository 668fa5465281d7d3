package org.mezzotint.io;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * One model in several safetensors files with an index, {@code *.safetensors.index.json}, that says which tensor is where:
 * {@code {"metadata": {"total_size": 243200}, "weight_map": {"fc1.weight": "model-00001-of-00002.safetensors", …}}}.
 *
 * <p>Opening checks all of it: each file is there, in the folder of the index, and holds just the tensors that the index puts
 * into it; {@code total_size}, if stated, is the number of bytes of all tensors.
 */
public final class ShardedSafetensors implements TensorFile {
    private static final int LONGEST_INDEX = 32 << 20;
    private static final int MOST_SHARDS = 10_000;
    private static final String TOTAL = "total_size";

    private final Path index;
    private final Map<String, String> metadata;
    private final Map<String, Safetensors> places;
    private final List<Safetensors> shards;

    private ShardedSafetensors(
            Path index, Map<String, String> metadata, Map<String, Safetensors> places, List<Safetensors> shards) {
        this.index = index;
        this.metadata = metadata;
        this.places = places;
        this.shards = shards;
    }

    /**
     * Opens an index and all files that it names.
     *
     * @param index the JSON file
     * @return the open files as one
     * @throws CheckpointException if one cannot be read or does not fit the index
     */
    public static ShardedSafetensors open(Path index) {
        Index parsed = Index.read(index);
        Map<String, Safetensors> files = new LinkedHashMap<>();
        try {
            for (String shard : parsed.weightMap.values()) {
                if (!files.containsKey(shard)) {
                    if (files.size() == MOST_SHARDS) {
                        throw new CheckpointException(index + ": it names more than " + MOST_SHARDS + " files");
                    }
                    files.put(shard, Safetensors.open(resolve(index, shard)));
                }
            }
            Map<String, Safetensors> places = places(index, parsed, files);
            checkTotal(index, parsed, places);
            ShardedSafetensors all = new ShardedSafetensors(
                    index, parsed.metadata, Collections.unmodifiableMap(places), List.copyOf(files.values()));
            files.clear();
            return all;
        } finally {
            files.values().forEach(Safetensors::close);
        }
    }

    private static Path resolve(Path index, String shard) {
        try {
            Path name = Path.of(shard);
            if (shard.isEmpty()
                    || name.isAbsolute()
                    || name.getNameCount() != 1
                    || shard.contains("\\")
                    || shard.contains("/")
                    || shard.equals("..")
                    || shard.equals(".")) {
                throw new CheckpointException(index + ": a file must lie in the folder of the index, got \""
                        + InputException.oneLine(shard) + "\"");
            }
            Path file = index.resolveSibling(name);
            if (!Files.isRegularFile(file)) {
                throw new CheckpointException(
                        index + ": the file \"" + InputException.oneLine(shard) + "\" that it names is not there");
            }
            return file;
        } catch (InvalidPathException e) {
            throw new CheckpointException(
                    index + ": \"" + InputException.oneLine(shard) + "\" cannot be the name of a file", e);
        }
    }

    /** Name to file, in the order of the files and of the tensors in each. */
    private static Map<String, Safetensors> places(Path index, Index parsed, Map<String, Safetensors> files) {
        List<String> problems = new ArrayList<>();
        Map<String, Safetensors> places = new LinkedHashMap<>();
        files.forEach((shard, file) -> {
            for (String name : file.names()) {
                String mapped = parsed.weightMap.get(name);
                if (!shard.equals(mapped)) {
                    problems.add("extra " + name + " in " + shard
                            + (mapped == null ? "" : ", the index puts it into " + mapped));
                } else {
                    places.put(name, file);
                }
            }
        });
        parsed.weightMap.forEach((name, shard) -> {
            if (!places.containsKey(name)) {
                problems.add("missing " + name + " in " + shard);
            }
        });
        if (!problems.isEmpty()) {
            throw new CheckpointException(index + " does not fit its files: "
                    + String.join("; ", problems).replaceAll("\\s", " "));
        }
        return places;
    }

    private static void checkTotal(Path index, Index parsed, Map<String, Safetensors> places) {
        String stated = parsed.metadata.get(TOTAL);
        if (stated != null) {
            long total = 0;
            for (Map.Entry<String, Safetensors> place : places.entrySet()) {
                total += place.getValue().bytes(place.getKey());
            }
            if (!stated.equals(Long.toString(total))) {
                throw new CheckpointException(index + ": " + TOTAL + " must be the bytes of all tensors, " + total
                        + ", got " + InputException.oneLine(stated));
            }
        }
    }

    @Override
    public String source() {
        return index.toString();
    }

    @Override
    public Set<String> names() {
        return places.keySet();
    }

    @Override
    public boolean contains(String name) {
        return places.containsKey(name);
    }

    @Override
    public long[] shape(String name) {
        return file(name).shape(name);
    }

    @Override
    public ScalarType type(String name) {
        return file(name).type(name);
    }

    @Override
    public Tensor tensor(String name) {
        return file(name).tensor(name);
    }

    @Override
    public boolean read(String name, Tensor target) {
        return file(name).read(name, target);
    }

    /**
     * The texts and numbers below {@code metadata} in the index.
     *
     * @return key to value as written
     */
    @Override
    public Map<String, String> metadata() {
        return metadata;
    }

    private Safetensors file(String name) {
        Safetensors file = places.get(name);
        if (file == null) {
            throw TensorCheck.absent(this, name);
        }
        return file;
    }

    @Override
    public void close() {
        shards.forEach(Safetensors::close);
    }

    /** The JSON of the index. */
    private record Index(Map<String, String> metadata, Map<String, String> weightMap) {
        static Index read(Path path) {
            try {
                long size = Files.size(path);
                if (size > LONGEST_INDEX) {
                    throw new CheckpointException(
                            path + ": an index must have at most " + LONGEST_INDEX + " bytes, got " + size);
                }
                try (JsonParser json = SafetensorsHeader.JSON.createParser(Files.readString(path))) {
                    return parse(path, json);
                }
            } catch (JsonProcessingException e) {
                throw new CheckpointException(
                        path + ": the index is not valid JSON: " + InputException.oneLine(e.getOriginalMessage()), e);
            } catch (IOException e) {
                throw new CheckpointException(InputException.message("read", path, e), e);
            }
        }

        private static Index parse(Path path, JsonParser json) throws IOException {
            Map<String, String> metadata = null;
            Map<String, String> weightMap = null;
            if (json.nextToken() != JsonToken.START_OBJECT) {
                throw new CheckpointException(path + ": an index must be a JSON object");
            }
            while (json.nextToken() == JsonToken.FIELD_NAME) {
                String key = json.currentName();
                if (key.equals("metadata") && metadata == null) {
                    metadata = texts(path, json, key, true);
                } else if (key.equals("weight_map") && weightMap == null) {
                    weightMap = texts(path, json, key, false);
                } else {
                    throw new CheckpointException(
                            path + ": the fields of an index are metadata and weight_map, each once," + " got \""
                                    + InputException.oneLine(key) + "\"");
                }
            }
            if (json.currentToken() != JsonToken.END_OBJECT || json.nextToken() != null) {
                throw new CheckpointException(path + ": the index must end with its object");
            }
            if (weightMap == null) {
                throw new CheckpointException(path + ": weight_map is missing; this is not an index of safetensors");
            }
            return new Index(metadata == null ? Map.of() : Collections.unmodifiableMap(metadata), weightMap);
        }

        private static Map<String, String> texts(Path path, JsonParser json, String field, boolean numbers)
                throws IOException {
            Map<String, String> texts = new LinkedHashMap<>();
            if (json.nextToken() != JsonToken.START_OBJECT) {
                throw new CheckpointException(path + ": " + field + " must be an object");
            }
            while (json.nextToken() == JsonToken.FIELD_NAME) {
                String key = json.currentName();
                JsonToken value = json.nextToken();
                if (value != JsonToken.VALUE_STRING && !(numbers && value != null && value.isScalarValue())) {
                    throw new CheckpointException(path + ": " + field + " \"" + InputException.oneLine(key)
                            + "\" must be a text" + (numbers ? " or number" : ""));
                }
                if (texts.put(key, json.getText()) != null) {
                    throw new CheckpointException(
                            path + ": " + field + " has \"" + InputException.oneLine(key) + "\" twice");
                }
            }
            if (json.currentToken() != JsonToken.END_OBJECT) {
                throw new CheckpointException(path + ": " + field + " is cut");
            }
            return texts;
        }
    }
}
