package org.mezzotint.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.random.RandomGenerator;
import org.mezzotint.data.PictureSource.Entry;
import org.mezzotint.io.InputException;

/** What a folder and a zip of pictures share: which files are pictures, their order and labels, and reading one of them. */
final class LabelledPictures {
    private static final String LABEL_FILE = "dataset.json";
    private static final int MAX_LABEL = 999_999;

    private final PictureSource source;
    private final PictureOptions options;
    private final List<Entry> pictures;
    private final List<String> classNames;
    private final int[] labels;

    private LabelledPictures(
            PictureSource source, PictureOptions options, List<Entry> pictures, List<String> classNames, int[] labels) {
        this.source = source;
        this.options = options;
        this.pictures = pictures;
        this.classNames = classNames;
        this.labels = labels;
    }

    static LabelledPictures open(PictureSource source, PictureOptions options) {
        List<Entry> pictures = source.entries().stream()
                .filter(entry -> PictureFiles.isPictureName(entry.name()))
                .sorted(Comparator.comparing(Entry::name))
                .toList();
        if (pictures.isEmpty()) {
            throw new InputException("no pictures (" + String.join(" ", new TreeSet<>(PictureFiles.EXTENSIONS))
                    + ") in " + source.root() + " or its sub-folders");
        }
        Optional<Entry> labelFile = source.entries().stream()
                .filter(entry -> entry.name().equals(LABEL_FILE))
                .findAny();
        return labelFile.isPresent()
                ? withLabelFile(source, options, pictures, labelFile.get())
                : withClassFolders(source, options, pictures);
    }

    /** Class = position of the top folder's name among the sorted ones, as torchvision's ImageFolder. */
    private static LabelledPictures withClassFolders(
            PictureSource source, PictureOptions options, List<Entry> pictures) {
        TreeSet<String> folders = new TreeSet<>();
        pictures.forEach(picture -> folders.add(picture.topFolder()));
        boolean inRoot = folders.remove("");
        if (inRoot && !folders.isEmpty()) {
            throw new InputException(source.root() + ": pictures lie both beside and inside sub-folders (such as "
                    + firstInRoot(pictures) + " and " + folders.first()
                    + "/): put all into class folders, or all into one folder");
        }
        Map<String, Integer> labelOf = new HashMap<>();
        folders.forEach(folder -> labelOf.put(folder, labelOf.size()));
        int[] labels = pictures.stream()
                .mapToInt(picture -> labelOf.getOrDefault(picture.topFolder(), 0))
                .toArray();
        return new LabelledPictures(source, options, pictures, List.copyOf(folders), labels);
    }

    private static String firstInRoot(List<Entry> pictures) {
        return pictures.stream()
                .map(Entry::name)
                .filter(name -> !name.contains("/"))
                .findFirst()
                .orElseThrow();
    }

    /** EDM's {@code dataset.json}: {"labels": [["00000/img00000000.png", 6], …]}, or null for no labels. */
    private static LabelledPictures withLabelFile(
            PictureSource source, PictureOptions options, List<Entry> pictures, Entry labelFile) {
        String path = source.root() + "/" + LABEL_FILE;
        JsonNode list = labelList(source, labelFile, path);
        int[] labels = new int[pictures.size()];
        if (list.isNull()) {
            return new LabelledPictures(source, options, pictures, List.of(), labels);
        }
        Map<String, Integer> labelOf = labels(list, path);
        int max = 0;
        for (int i = 0; i < labels.length; i++) {
            String name = pictures.get(i).name();
            Integer label = labelOf.get(name);
            if (label == null) {
                throw new InputException(path + ": no label for " + name);
            }
            labels[i] = label;
            max = Math.max(max, label);
        }
        List<String> classNames = new ArrayList<>();
        for (int label = 0; label <= max; label++) {
            classNames.add(Integer.toString(label));
        }
        return new LabelledPictures(source, options, pictures, List.copyOf(classNames), labels);
    }

    private static JsonNode labelList(PictureSource source, Entry labelFile, String path) {
        try {
            JsonNode root = new ObjectMapper().readTree(source.read(labelFile));
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

    private static Map<String, Integer> labels(JsonNode list, String path) {
        Map<String, Integer> labelOf = new HashMap<>();
        for (JsonNode pair : list) {
            JsonNode name = pair.path(0);
            JsonNode label = pair.path(1);
            boolean usable = label.isIntegralNumber() && label.canConvertToInt() && label.intValue() >= 0;
            if (!pair.isArray() || pair.size() != 2 || !name.isTextual() || !usable || label.intValue() > MAX_LABEL) {
                throw new InputException(path + ": a label must be [path, whole number 0 to " + MAX_LABEL + "], got "
                        + shortened(pair.toString()));
            }
            Integer earlier = labelOf.put(name.textValue(), label.intValue());
            if (earlier != null && earlier != label.intValue()) {
                throw new InputException(
                        path + ": two labels for " + name.textValue() + ": " + earlier + " and " + label);
            }
        }
        return labelOf;
    }

    private static String shortened(String text) {
        return text.length() <= 100 ? text : text.substring(0, 100) + "…";
    }

    PictureOptions options() {
        return options;
    }

    int size() {
        return labels.length;
    }

    List<String> classNames() {
        return classNames;
    }

    long label(int index) {
        return labels[index];
    }

    String name(int index) {
        return source.root() + "/" + pictures.get(index).name();
    }

    void read(int index, RandomGenerator random, float[] into, int offset) {
        options.fit(decode(index), random, into, offset);
    }

    private PictureFiles.Picture decode(int index) {
        Entry picture = pictures.get(index);
        try {
            return PictureFiles.decode(name(index), source.read(picture), options.maxPixels());
        } catch (IOException e) {
            throw new InputException(name(index) + ": cannot be read: " + PictureSource.reason(e), e);
        }
    }

    String fingerprint() {
        Fingerprint fingerprint = new Fingerprint(source.kind())
                .add(options.channels())
                .add(options.height())
                .add(options.width())
                .add(classNames)
                .add(pictures.size());
        for (int i = 0; i < labels.length; i++) {
            Entry picture = pictures.get(i);
            fingerprint
                    .add(picture.name())
                    .add(picture.bytes())
                    .add(picture.checksum())
                    .add(labels[i]);
        }
        return fingerprint.hex();
    }
}
