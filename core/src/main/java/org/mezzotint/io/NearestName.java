package org.mezzotint.io;

import java.util.Collection;
import java.util.Locale;

/** Finds the name that a user most likely meant. */
public final class NearestName {
    private NearestName() {}

    /**
     * The valid name with the smallest edit distance, if that is at most 2 or a third of the given name's length.
     *
     * @return null if none is near
     */
    static String of(String given, Collection<String> valid) {
        String best = null;
        int bestDistance = Math.max(2, given.length() / 3) + 1;
        for (String name : valid) {
            // Names that differ by more than this in length cannot win: spares the table for long lists.
            if (Math.abs(name.length() - given.length()) < bestDistance && given.length() < 1000) {
                int distance = distance(given.toLowerCase(Locale.ROOT), name.toLowerCase(Locale.ROOT));
                if (distance < bestDistance && distance < name.length()) {
                    best = name;
                    bestDistance = distance;
                }
            }
        }
        return best;
    }

    /**
     * The end of a message about an unknown name.
     *
     * @param given what was typed
     * @param valid what there is
     * @return {@code did you mean "x"?}, or the list of all names
     */
    public static String hint(String given, Collection<String> valid) {
        if (valid.isEmpty()) {
            return "there are none";
        }
        String near = of(given, valid);
        return near == null ? "valid are " + String.join(", ", valid) : "did you mean \"" + near + "\"?";
    }

    /** Levenshtein's distance: the fewest letters to insert, remove or replace. */
    private static int distance(String a, String b) {
        int[] row = new int[b.length() + 1];
        for (int j = 0; j <= b.length(); j++) {
            row[j] = j;
        }
        for (int i = 1; i <= a.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.length(); j++) {
                int replace = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(replace, Math.min(row[j], row[j - 1]) + 1);
            }
        }
        return row[b.length()];
    }
}
