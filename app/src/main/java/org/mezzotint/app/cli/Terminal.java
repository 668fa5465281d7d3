package org.mezzotint.app.cli;

/** What only the launcher knows. */
final class Terminal {
    private Terminal() {}

    /** Whether someone is watching; the JVM's own answer depends on its version. */
    static boolean present() {
        return Boolean.getBoolean("mezzotint.terminal");
    }

    /** How the tool was called. */
    static String command() {
        return System.getProperty("mezzotint.command", "mezzotint");
    }
}
