package org.mezzotint.data;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.mezzotint.io.InputException;

/**
 * Writes out the braces of a path: {@code train-{000..002}.tar} is three paths, {@code {a,b}-{0..1}.tar} is four.
 *
 * <p>Braces hold ranges of whole numbers, names, or both with commas between, and may be nested. As in bash, the numbers of a
 * range get leading zeros where one of its ends has some.
 */
final class ShardPattern {
    private static final int MAX_SHARDS = 100_000;
    private static final Pattern RANGE = Pattern.compile("([0-9]{1,9})\\.\\.([0-9]{1,9})");

    private final String pattern;

    private ShardPattern(String pattern) {
        this.pattern = pattern;
    }

    /** Whether a path has braces to write out. */
    static boolean isPattern(Path path) {
        return path.toString().indexOf('{') >= 0;
    }

    /**
     * All paths that a pattern stands for, in its order.
     *
     * @throws InputException if the braces are not as they must be, or there are more than 100,000 paths
     */
    static List<Path> expand(Path pattern) {
        return new ShardPattern(pattern.toString())
                .expand(pattern.toString()).stream().map(Path::of).toList();
    }

    private List<String> expand(String text) {
        int open = text.indexOf('{');
        String head = open < 0 ? text : text.substring(0, open);
        if (head.indexOf('}') >= 0) {
            throw refused("a } must follow a {, got " + text);
        }
        if (open < 0) {
            return List.of(text);
        }
        int close = closing(text, open);
        List<String> middles = alternatives(text.substring(open + 1, close));
        List<String> tails = expand(text.substring(close + 1));
        checkCount((long) middles.size() * tails.size());
        List<String> all = new ArrayList<>();
        middles.forEach(middle -> tails.forEach(tail -> all.add(head + middle + tail)));
        return all;
    }

    private int closing(String text, int open) {
        int depth = 0;
        for (int i = open; i < text.length(); i++) {
            depth += text.charAt(i) == '{' ? 1 : text.charAt(i) == '}' ? -1 : 0;
            if (depth == 0) {
                return i;
            }
        }
        throw refused("a { must be closed, got " + text);
    }

    private List<String> alternatives(String body) {
        List<String> parts = parts(body);
        List<String> all = new ArrayList<>();
        for (String part : parts) {
            Matcher range = RANGE.matcher(part);
            if (range.matches()) {
                all.addAll(numbers(range.group(1), range.group(2)));
            } else if (parts.size() > 1 && (part.contains("{") || !part.contains(".."))) {
                all.addAll(expand(part));
            } else {
                throw refused(
                        "braces must hold a range such as 000..146 or names with commas between, got {" + body + "}");
            }
            checkCount(all.size());
        }
        return all;
    }

    /** Cut at the commas that are in no inner braces. */
    private static List<String> parts(String body) {
        List<String> parts = new ArrayList<>();
        int depth = 0;
        int from = 0;
        for (int i = 0; i < body.length(); i++) {
            char c = body.charAt(i);
            depth += c == '{' ? 1 : c == '}' ? -1 : 0;
            if (c == ',' && depth == 0) {
                parts.add(body.substring(from, i));
                from = i + 1;
            }
        }
        parts.add(body.substring(from));
        return parts;
    }

    private List<String> numbers(String first, String last) {
        int from = Integer.parseInt(first);
        int to = Integer.parseInt(last);
        if (from > to) {
            throw refused("a range must rise, got {" + first + ".." + last + "}");
        }
        checkCount(1L + to - from);
        boolean padded = hasLeadingZero(first) || hasLeadingZero(last);
        int width = padded ? Math.max(first.length(), last.length()) : 1;
        List<String> all = new ArrayList<>();
        for (int number = from; number <= to; number++) {
            String digits = Integer.toString(number);
            all.add("0".repeat(Math.max(0, width - digits.length())) + digits);
        }
        return all;
    }

    private static boolean hasLeadingZero(String number) {
        return number.length() > 1 && number.charAt(0) == '0';
    }

    private void checkCount(long count) {
        if (count > MAX_SHARDS) {
            throw refused("at most " + MAX_SHARDS + " files, got " + count + " or more");
        }
    }

    private InputException refused(String what) {
        return new InputException(pattern + ": " + what);
    }
}
