package org.mezzotint.data;

import java.io.IOException;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeSet;
import java.util.random.RandomGenerator;
import org.mezzotint.data.PictureSource.Entry;
import org.mezzotint.io.InputException;

/** What a folder and a zip of pictures share: which files are pictures, their order and labels, and reading one of them. */
final class LabelledPictures {
    private static final String TEXT = ".txt";

    private final PictureSource source;
    private final PictureOptions options;
    private final List<Entry> pictures;
    private final PictureLabels labels;
    /** The text beside each picture, null for none; empty if the labels' file has the captions, or nobody. */
    private final Entry[] texts;
    /** Whether all must be of one size, as EDM's dataset tool makes them. */
    private final boolean oneSize;

    private int[] size = new int[0];

    private LabelledPictures(
            PictureSource source,
            PictureOptions options,
            List<Entry> pictures,
            PictureLabels labels,
            Entry[] texts,
            boolean oneSize) {
        this.source = source;
        this.texts = texts;
        this.options = options;
        this.pictures = pictures;
        this.labels = labels;
        this.oneSize = oneSize;
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
        boolean byTool = EdmLabels.namedByTool(pictures);
        PictureLabels labels = labels(source, pictures, byTool);
        return new LabelledPictures(source, options, pictures, labels, texts(source, pictures, labels), byTool);
    }

    private static Entry[] texts(PictureSource source, List<Entry> pictures, PictureLabels labels) {
        Map<String, Entry> byStem = new HashMap<>();
        source.entries().stream()
                .filter(entry -> entry.name().endsWith(TEXT))
                .forEach(entry -> byStem.put(stem(entry), entry));
        Entry[] texts = pictures.stream().map(each -> byStem.get(stem(each))).toArray(Entry[]::new);
        Optional<Entry> first = Arrays.stream(texts).filter(Objects::nonNull).findFirst();
        if (first.isPresent() && labels.hasCaptions()) {
            throw new InputException(source.root() + ": captions may come from the metadata or lie beside the pictures,"
                    + " got both, such as " + first.get().name());
        }
        return first.isPresent() ? texts : new Entry[0];
    }

    private static String stem(Entry entry) {
        return entry.name().substring(0, entry.name().lastIndexOf('.'));
    }

    /** From the one file that says so, else from the folders. */
    private static PictureLabels labels(PictureSource source, List<Entry> pictures, boolean byTool) {
        List<Entry> files = source.entries().stream()
                .filter(entry -> entry.name().equals(EdmLabels.FILE) || MetadataTable.isTable(entry.name()))
                .sorted(Comparator.comparing(Entry::name))
                .toList();
        if (files.size() > 1) {
            throw new InputException(source.root() + ": one file may give the labels, got "
                    + files.get(0).name() + " and " + files.get(1).name());
        }
        if (files.isEmpty()) {
            return byTool ? PictureLabels.none(pictures.size()) : byFolder(source, pictures);
        }
        Entry file = files.get(0);
        if (file.name().contains("/")) {
            throw new InputException(source.root() + ": " + file.name()
                    + " must lie in the top folder: give its own folder as the data set");
        }
        return file.name().equals(EdmLabels.FILE)
                ? EdmLabels.read(source, file, pictures)
                : MetadataTable.read(source, file, pictures);
    }

    /** Class = position of the top folder's name among the sorted ones, as torchvision's ImageFolder. */
    private static PictureLabels byFolder(PictureSource source, List<Entry> pictures) {
        TreeSet<String> folders = new TreeSet<>();
        pictures.forEach(picture -> folders.add(picture.topFolder()));
        boolean inRoot = folders.remove("");
        if (inRoot && !folders.isEmpty()) {
            throw new InputException(source.root() + ": pictures lie both beside and inside sub-folders (such as "
                    + firstInRoot(pictures) + " and " + folders.first()
                    + "/): put all into class folders, or all into one folder");
        }
        return inRoot
                ? PictureLabels.none(pictures.size())
                : PictureLabels.named(pictures.stream().map(Entry::topFolder).toList());
    }

    private static String firstInRoot(List<Entry> pictures) {
        return pictures.stream()
                .filter(picture -> picture.topFolder().isEmpty())
                .map(Entry::name)
                .findFirst()
                .orElseThrow();
    }

    PictureOptions options() {
        return options;
    }

    int size() {
        return pictures.size();
    }

    PictureLabels labels() {
        return labels;
    }

    long label(int index) {
        return labels.classOf(index);
    }

    float[] labelVector(int index) {
        return labels.vector(Objects.checkIndex(index, size()));
    }

    List<String> captions(int index) {
        Objects.checkIndex(index, size());
        if (texts.length == 0) {
            return labels.captions(index);
        }
        return texts[index] == null ? List.of() : lines(texts[index]);
    }

    private List<String> lines(Entry text) {
        String path = source.root() + "/" + text.name();
        try {
            if (text.bytes() > Captions.LONGEST) {
                throw new IOException("captions must have at most " + Captions.LONGEST + " bytes, got " + text.bytes());
            }
            return Captions.decode(source.read(text), path)
                    .lines()
                    .filter(line -> !line.isBlank())
                    .toList();
        } catch (IOException e) {
            throw new InputException(path + ": cannot be read: " + PictureSource.reason(e), e);
        }
    }

    String name(int index) {
        return source.root() + "/" + pictures.get(index).name();
    }

    void read(int index, RandomGenerator random, float[] into, int offset) {
        PictureFiles.Picture picture = decode(index);
        if (oneSize) {
            checkSize(index, picture);
        }
        options.fit(picture, random, into, offset);
    }

    private PictureFiles.Picture decode(int index) {
        Entry picture = pictures.get(index);
        try {
            return PictureFiles.decode(name(index), source.read(picture), options.maxPixels());
        } catch (IOException e) {
            throw new InputException(name(index) + ": cannot be read: " + PictureSource.reason(e), e);
        }
    }

    private void checkSize(int index, PictureFiles.Picture picture) {
        int[] first = firstSize();
        if (picture.height() != first[0] || picture.width() != first[1]) {
            throw new InputException(name(index) + ": the pictures of EDM's dataset tool must be of one size, "
                    + first[1] + "×" + first[0] + " as the first one, got " + picture.width() + "×" + picture.height());
        }
    }

    /** Height and width of the first picture that can be read. */
    private synchronized int[] firstSize() {
        for (int i = 0; size.length == 0; i++) {
            try {
                PictureFiles.Picture picture = decode(i); // one can be read: the caller has it
                size = new int[] {picture.height(), picture.width()};
            } catch (InputException e) {
                // it is reported when it is its turn
            }
        }
        return size;
    }

    String fingerprint() {
        Fingerprint fingerprint = new Fingerprint(source.kind())
                .add(options.channels())
                .add(options.height())
                .add(options.width())
                .add(labels.classNames())
                .add(pictures.size());
        for (int i = 0; i < pictures.size(); i++) {
            Entry picture = pictures.get(i);
            fingerprint.add(picture.name()).add(picture.bytes()).add(picture.checksum());
            labels.addTo(fingerprint, i);
            if (texts.length > 0 && texts[i] != null) {
                fingerprint.add(texts[i].name()).add(texts[i].bytes()).add(texts[i].checksum());
            }
        }
        return fingerprint.hex();
    }
}
