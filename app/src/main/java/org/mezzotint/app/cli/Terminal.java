package org.mezzotint.app.cli;

/** Whether someone is watching. The launcher knows; the JVM's own answer depends on its version. */
final class Terminal {
    private Terminal() {}

    static boolean present() {
        return Boolean.getBoolean("mezzotint.terminal");
    }
}
