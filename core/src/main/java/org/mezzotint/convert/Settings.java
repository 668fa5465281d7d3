package org.mezzotint.convert;

import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.mezzotint.io.InputException;
import org.mezzotint.io.NearestName;

/** What the user says where a file does not: {@code heads=16}. Each must be asked for by someone. */
public final class Settings {
    private final Map<String, String> given;
    private final Set<String> asked = new LinkedHashSet<>();

    /**
     * Takes what was given.
     *
     * @param given name to text
     */
    public Settings(Map<String, String> given) {
        this.given = new LinkedHashMap<>(given);
    }

    /**
     * Nothing given.
     *
     * @return empty
     */
    public static Settings none() {
        return new Settings(Map.of());
    }

    /**
     * A whole number that only the user can know.
     *
     * @param name of the setting
     * @param why what the file lacks, for the message
     * @return at least 1
     * @throws InputException if it is not given or no such number
     */
    public int required(String name, String why) {
        asked.add(name);
        String text = given.get(name);
        if (text == null) {
            throw new InputException(why + ": say --set " + name + "=…");
        }
        return whole(name, text);
    }

    /**
     * A large whole number that only the user can know.
     *
     * @param name of the setting
     * @param why what the file lacks, for the message
     * @return at least 1
     * @throws InputException if it is not given or no such number
     */
    public long requiredLong(String name, String why) {
        asked.add(name);
        String text = given.get(name);
        if (text == null) {
            throw new InputException(why + ": say --set " + name + "=…");
        }
        if (!text.matches("[1-9][0-9]{0,14}")) {
            throw new InputException(
                    "--set " + name + " must be a whole number of at least 1 and at most 15 digits, got " + text);
        }
        return Long.parseLong(text);
    }

    /**
     * A yes or no that only the user can know.
     *
     * @param name of the setting
     * @param why what the file lacks, for the message
     * @return the answer
     * @throws InputException if it is not given, or neither true nor false
     */
    public boolean requiredFlag(String name, String why) {
        asked.add(name);
        String text = given.get(name);
        if (text == null) {
            throw new InputException(why + ": say --set " + name + "=true or --set " + name + "=false");
        }
        if (!text.equals("true") && !text.equals("false")) {
            throw new InputException("--set " + name + " must be true or false, got " + text);
        }
        return text.equals("true");
    }

    /**
     * A whole number that the file may say.
     *
     * @param name of the setting
     * @param usual where it is not given
     * @return at least 1
     */
    public int whole(String name, int usual) {
        asked.add(name);
        String text = given.get(name);
        return text == null ? usual : whole(name, text);
    }

    /**
     * A text that the file may say.
     *
     * @param <T> what it stands for
     * @param name of the setting
     * @param usual where it is not given
     * @param parse refuses wrong ones
     * @return its value
     */
    <T> T text(String name, T usual, Function<String, T> parse) {
        asked.add(name);
        String text = given.get(name);
        return text == null ? usual : parse.apply(text);
    }

    private static int whole(String name, String text) {
        if (!text.matches("[1-9][0-9]{0,8}")) {
            throw new InputException(
                    "--set " + name + " must be a whole number of at least 1 and at most 9 digits, got " + text);
        }
        return Integer.parseInt(text);
    }

    /**
     * Refuses settings that nobody asked for.
     *
     * @throws InputException naming the first and what it may have meant
     */
    public void finish() {
        for (String name : given.keySet()) {
            if (!asked.contains(name)) {
                throw new InputException(
                        "--set " + name + " has no use for this file, " + NearestName.hint(name, asked));
            }
        }
    }
}
