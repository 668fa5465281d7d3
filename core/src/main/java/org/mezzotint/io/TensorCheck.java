package org.mezzotint.io;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/** Compares what a model needs with what a file has, before anything is loaded. */
public final class TensorCheck {
    /** Edit distances of long lists cost seconds; the first few names tell what is wrong. */
    private static final int HINTS = 20;

    private TensorCheck() {}

    /**
     * Lists all problems of a file: missing tensors with the nearest name that is left over, other shapes, and tensors that
     * nothing asks for.
     *
     * @param expected name to shape, in the order in which problems are listed
     * @param file what there is
     * @param ignored which other names of the file are fine
     * @return one text a problem, such as {@code missing fc1.weight (there is fc_1.weight)}; empty if the file fits
     */
    public static List<String> problems(Map<String, long[]> expected, TensorFile file, Predicate<String> ignored) {
        List<String> extra = new ArrayList<>();
        for (String name : file.names()) {
            if (!expected.containsKey(name) && !ignored.test(name)) {
                extra.add(name);
            }
        }
        List<String> problems = new ArrayList<>();
        int hints = 0;
        for (Map.Entry<String, long[]> each : expected.entrySet()) {
            String name = each.getKey();
            if (!file.contains(name)) {
                String near = hints++ < HINTS ? NearestName.of(name, extra) : null;
                problems.add("missing " + name + (near == null ? "" : " (there is " + near + ")"));
            } else if (!Arrays.equals(file.shape(name), each.getValue())) {
                problems.add(name + " is " + Arrays.toString(file.shape(name)) + ", not "
                        + Arrays.toString(each.getValue()));
            }
        }
        extra.forEach(name -> problems.add("extra " + name));
        return problems;
    }

    /**
     * Requires that a file has exactly what is expected, and says all that is wrong at once.
     *
     * @param rule what the file breaks, for the message, such as {@code does not fit its configuration}
     * @param expected name to shape
     * @param file what there is
     * @param ignored which other names of the file are fine
     * @throws CheckpointException {@code FILE RULE: problem; problem; …}
     */
    public static void require(String rule, Map<String, long[]> expected, TensorFile file, Predicate<String> ignored) {
        List<String> problems = problems(expected, file, ignored);
        if (!problems.isEmpty()) {
            throw new CheckpointException(file.source() + " " + rule + ": " + String.join("; ", problems));
        }
    }

    /** What to throw when somebody asks for a tensor that the file does not have. */
    static CheckpointException absent(TensorFile file, String name) {
        String near = NearestName.of(name, file.names());
        return new CheckpointException(file.source() + ": no tensor \"" + name + "\""
                + (near == null ? "" : ", did you mean \"" + near + "\"?"));
    }
}
