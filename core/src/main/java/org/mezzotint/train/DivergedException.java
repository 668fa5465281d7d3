package org.mezzotint.train;

import java.nio.file.Path;
import java.util.Optional;

/** Training met a number that is not finite; nothing later than the last good checkpoint was kept. */
public final class DivergedException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /**
     * Says what happened.
     *
     * @param what the number, such as {@code loss}
     * @param step the optimiser step
     * @param value the number's value
     * @param lastGood the newest checkpoint, if there is one
     */
    public DivergedException(String what, long step, double value, Optional<Path> lastGood) {
        super("training diverged: " + what + " is " + value + " at step " + step + "; "
                + lastGood.map(path -> "the last good checkpoint is " + path).orElse("there is no checkpoint yet")
                + ". Try a lower learning rate, gradient clipping or float32.");
    }
}
