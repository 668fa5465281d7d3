package org.mezzotint.app.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Numbers as people write and read them on a command line. */
final class Sizes {
    private static final long MOST_IN_RANGE = 10_000_000;

    private Sizes() {}

    /** Reads {@code 400000}, {@code 400k} or {@code 1.5M}. */
    static long count(String option, String text) {
        if (!text.matches("[0-9]{1,12}(\\.[0-9]{1,6})?[kKmM]?")) {
            throw new IllegalArgumentException(option + " must be a number such as 400000, 400k or 1.5M, got " + text);
        }
        char last = Character.toLowerCase(text.charAt(text.length() - 1));
        double factor = last == 'k' ? 1e3 : last == 'm' ? 1e6 : 1;
        double value = Double.parseDouble(factor == 1 ? text : text.substring(0, text.length() - 1)) * factor;
        if (value < 1 || value != Math.rint(value)) {
            throw new IllegalArgumentException(option + " must be a whole number of at least 1, got " + text);
        }
        return (long) value;
    }

    /** Reads {@code 0-9,12,20-22}. */
    static long[] ranges(String option, String text) {
        List<Long> values = new ArrayList<>();
        for (String part : text.split(",", -1)) {
            if (!part.matches("[0-9]{1,18}(-[0-9]{1,18})?")) {
                throw new IllegalArgumentException(option + " must be numbers and ranges such as 0-9,12, got " + text);
            }
            String[] ends = part.split("-", -1);
            long from = Long.parseLong(ends[0]);
            long to = Long.parseLong(ends[ends.length - 1]);
            if (to < from || to - from >= MOST_IN_RANGE || values.size() + (to - from) >= MOST_IN_RANGE) {
                throw new IllegalArgumentException(option + " must have ranges that rise and hold at most "
                        + MOST_IN_RANGE + " numbers, got " + text);
            }
            for (long value = from; value <= to; value++) {
                values.add(value);
            }
        }
        return values.stream().mapToLong(Long::longValue).toArray();
    }

    /** {@code 4m 05s} or {@code 2h 03m}. */
    static String duration(double seconds) {
        long s = Math.round(seconds);
        return s < 3600
                ? String.format(Locale.ROOT, "%dm %02ds", s / 60, s % 60)
                : String.format(Locale.ROOT, "%dh %02dm", s / 3600, s % 3600 / 60);
    }

    /** {@code 1.34 GB} or {@code 512 MB}. */
    static String bytes(long bytes) {
        return bytes >= 1_000_000_000
                ? String.format(Locale.ROOT, "%.2f GB", bytes / 1e9)
                : String.format(Locale.ROOT, "%.0f MB", bytes / 1e6);
    }
}
