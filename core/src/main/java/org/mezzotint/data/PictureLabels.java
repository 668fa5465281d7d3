package org.mezzotint.data;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.IntStream;

/** What is known of each picture of a collection beside its pixels: a class or a vector, and perhaps captions. */
final class PictureLabels {
    /** The largest label: so that one wrong number does not make a list of a billion class names. */
    static final int MAX_LABEL = 999_999;

    private static final float[][] NO_VECTORS = new float[0][];

    private final List<String> classNames;
    private final int[] classes;
    private final float[][] vectors;
    private final List<List<String>> captions;

    private PictureLabels(List<String> classNames, int[] classes, float[][] vectors, List<List<String>> captions) {
        this.classNames = List.copyOf(classNames);
        this.classes = classes;
        this.vectors = vectors;
        this.captions = captions;
    }

    static PictureLabels none(int pictures) {
        return new PictureLabels(List.of(), new int[pictures], NO_VECTORS, List.of());
    }

    /** Classes by number: there are as many as the largest number says, whether or not each of them occurs. */
    static PictureLabels numbered(int[] classes) {
        int max = Arrays.stream(classes).max().orElse(-1);
        List<String> names =
                IntStream.rangeClosed(0, max).mapToObj(Integer::toString).toList();
        return new PictureLabels(names, classes, NO_VECTORS, List.of());
    }

    /** Classes by name: the number of one is its position among the sorted names, as in torchvision's ImageFolder. */
    static PictureLabels named(List<String> nameOfPicture) {
        Map<String, Integer> number = new TreeMap<>();
        new TreeSet<>(nameOfPicture).forEach(name -> number.put(name, number.size()));
        int[] classes = nameOfPicture.stream().mapToInt(number::get).toArray();
        return new PictureLabels(List.copyOf(number.keySet()), classes, NO_VECTORS, List.of());
    }

    /** A vector a picture, all of one length. */
    static PictureLabels vectors(float[][] vectors) {
        return new PictureLabels(List.of(), new int[vectors.length], vectors, List.of());
    }

    /** The same with the captions of every picture, none for some; or without any. */
    PictureLabels withCaptions(List<List<String>> captions) {
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

    boolean hasCaptions() {
        return !captions.isEmpty();
    }

    List<String> captions(int index) {
        return captions.isEmpty() ? List.of() : captions.get(index);
    }

    void addTo(Fingerprint fingerprint, int index) {
        fingerprint.add(classes[index]);
        if (vectors.length > 0) {
            for (float value : vectors[index]) {
                fingerprint.add(Float.floatToIntBits(value));
            }
        }
        captions(index).forEach(fingerprint::add);
    }
}
