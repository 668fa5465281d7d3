package org.mezzotint.io;

import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;

/** A file, or what is in it, cannot be used. The message is one line that names the file, the rule and the value. */
public class InputException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes an exception.
     *
     * @param message one line for the user
     */
    public InputException(String message) {
        super(unbroken(message));
    }

    /**
     * Makes an exception with a cause, which is for the log only.
     *
     * @param message one line for the user
     * @param cause what happened below
     */
    public InputException(String message, Throwable cause) {
        super(unbroken(message), cause);
    }

    /** Names of files and of entries in archives may hold line breaks. */
    private static String unbroken(String message) {
        return message.replace('\n', ' ').replace('\r', ' ');
    }

    /**
     * {@code cannot VERB PATH: reason}.
     *
     * @param verb such as read or write
     * @param path the file or folder
     * @param e what happened
     * @return one line for the user
     */
    public static String message(String verb, Path path, IOException e) {
        return "cannot " + verb + " " + path + ": " + reason(e);
    }

    /**
     * Says in words what the class of an exception says in Java.
     *
     * @param e what happened
     * @return such as {@code permission denied}, for the end of a message that names the file
     */
    public static String reason(IOException e) {
        if (e instanceof NoSuchFileException) {
            return "no such file or folder";
        } else if (e instanceof AccessDeniedException) {
            return "permission denied";
        } else if (e instanceof FileAlreadyExistsException || e instanceof DirectoryNotEmptyException) {
            return "it exists already";
        } else if (e instanceof NotDirectoryException) {
            return "it is not a folder";
        } else if (e instanceof CharacterCodingException) {
            return "it is not UTF-8 text";
        } else if (e instanceof FileSystemException system && system.getReason() != null) {
            return oneLine(system.getReason());
        }
        return e.getMessage() == null ? e.getClass().getSimpleName() : oneLine(e.getMessage());
    }

    /** The text with line breaks and runs of white space as one space, cut after 200 characters. */
    static String oneLine(String text) {
        String line = text.replaceAll("\\s+", " ").strip();
        return line.length() <= 200 ? line : line.substring(0, 200) + "…";
    }
}
