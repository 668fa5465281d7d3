package org.mezzotint.data;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.IntStream;

/** What is known of each picture of a collection beside its pixels: a class or a vector, and perhaps a caption. */
final class PictureLabels {
    /** The largest label: so that one wrong number does not make a list of a billion class names. */
    static final int MAX_LABEL = 999_999;

    private static final String[] NO_CAPTIONS = new String[0];
    private static final float[][] NO_VECTORS = new float[0][];

    private final List<String> classNames;
    private final int[] classes;
    private final float[][] vectors;
    private final String[] captions;

    private PictureLabels(List<String> classNames, int[] classes, float[][] vectors, String[] captions) {
        this.classNames = List.copyOf(classNames);
        this.classes = classes;
        this.vectors = vectors;
        this.captions = captions;
    }

    static PictureLabels none(int pictures) {
        return new PictureLabels(List.of(), new int[pictures], NO_VECTORS, NO_CAPTIONS);
    }

    /** Classes by number: there are as many as the largest number says, whether or not each of them occurs. */
    static PictureLabels numbered(int[] classes) {
        int max = Arrays.stream(classes).max().orElse(-1);
        List<String> names =
                IntStream.rangeClosed(0, max).mapToObj(Integer::toString).toList();
        return new PictureLabels(names, classes, NO_VECTORS, NO_CAPTIONS);
    }

    /** Classes by name: the number of one is its position among the sorted names, as in torchvision's ImageFolder. */
    static PictureLabels named(List<String> nameOfPicture) {
        Map<String, Integer> number = new TreeMap<>();
        new TreeSet<>(nameOfPicture).forEach(name -> number.put(name, number.size()));
        int[] classes = nameOfPicture.stream().mapToInt(number::get).toArray();
        return new PictureLabels(List.copyOf(number.keySet()), classes, NO_VECTORS, NO_CAPTIONS);
    }

    /** A vector a picture, all of one length. */
    static PictureLabels vectors(float[][] vectors) {
        return new PictureLabels(List.of(), new int[vectors.length], vectors, NO_CAPTIONS);
    }

    /** The same with captions; null for a picture without one. */
    PictureLabels withCaptions(String[] captions) {
        return new PictureLabels(classNames, classes, vectors, captions);
    }

    List<String> classNames() {
        return classNames;
    }

    int classOf(int index) {
        return classes[index];
    }

    /** Length of {@link #vector}: the number of classes, or what the vectors have; 0 without labels. */
    int width() {
        return vectors.length > 0 ? vectors[0].length : classNames.size();
    }

    /** One-hot for a class. */
    float[] vector(int index) {
        if (vectors.length > 0) {
            return vectors[index].clone();
        }
        float[] oneHot = new float[classNames.size()];
        if (oneHot.length > 0) {
            oneHot[classes[index]] = 1;
        }
        return oneHot;
    }

    Optional<String> caption(int index) {
        return captions.length == 0 ? Optional.empty() : Optional.ofNullable(captions[index]);
    }

    void addTo(Fingerprint fingerprint, int index) {
        fingerprint.add(classes[index]);
        if (vectors.length > 0) {
            for (float value : vectors[index]) {
                fingerprint.add(Float.floatToIntBits(value));
            }
        }
        caption(index).ifPresent(fingerprint::add);
    }
}
