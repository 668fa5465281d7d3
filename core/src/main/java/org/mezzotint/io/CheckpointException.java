package org.mezzotint.io;

/** A weight file or a checkpoint cannot be used. The message is one line: the file, the rule and the value. */
public final class CheckpointException extends InputException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes an exception.
     *
     * @param message one line for the user
     */
    public CheckpointException(String message) {
        super(message);
    }

    /**
     * Makes an exception with a cause, which is for the log only.
     *
     * @param message one line for the user
     * @param cause what happened below
     */
    public CheckpointException(String message, Throwable cause) {
        super(message, cause);
    }
}
