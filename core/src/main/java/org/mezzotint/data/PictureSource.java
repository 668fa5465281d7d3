package org.mezzotint.data;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.util.List;

/** Where the files of a picture collection lie: a folder or a zip. Safe for use by several threads. */
interface PictureSource {
    /** Files larger than this are refused, so that a small zip cannot fill the memory. */
    int MAX_FILE_BYTES = 256 << 20;

    /**
     * One file.
     *
     * @param name path below the root, parts separated by '/'
     * @param bytes size
     * @param checksum CRC-32 where it is known without reading, else 0
     */
    record Entry(String name, long bytes, long checksum) {
        /** The first folder of the path, or the empty string for a file in the root. */
        String topFolder() {
            return name.substring(0, Math.max(0, name.indexOf('/')));
        }
    }

    /** "folder" or "zip". */
    String kind();

    /** The path of the folder or zip, for messages. */
    String root();

    /** All files except hidden ones, in no particular order. */
    List<Entry> entries();

    /** The bytes of one file, at most {@link #MAX_FILE_BYTES}. */
    byte[] read(Entry entry) throws IOException;

    /** Whether some part of the path starts with a dot, or is what macOS adds to zips. */
    static boolean isHidden(String name) {
        return name.startsWith(".") || name.contains("/.") || name.startsWith("__MACOSX/");
    }

    /** Why a file cannot be read; some exceptions of the JDK carry nothing but the path. */
    static String reason(IOException e) {
        if (e instanceof NoSuchFileException) {
            return "no such file";
        }
        return e instanceof AccessDeniedException ? "permission denied" : e.getMessage();
    }

    /** The refusal of a file above the limit. */
    static IOException tooLarge() {
        return new IOException("the file is larger than " + (MAX_FILE_BYTES >> 20) + " MiB");
    }
}
