package org.mezzotint.autoencoders;

import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.tensor.Scope;

/**
 * Hands a picture from layer to layer and frees each result when the next one is there: at full size a single one takes
 * 34 MB for 256 × 256 pixels and 128 channels. With gradients the tape keeps what it needs beyond that.
 */
final class Relay {
    private Tensor current;
    private boolean owned;

    /** Starts from a tensor of the caller's, which stays alive. */
    Relay(Tensor start) {
        current = start;
    }

    /** Applies a layer. One that works in place returns its argument, and must not come first. */
    @SuppressWarnings("ReferenceEquality") // whether it is the same handle, not whether the numbers agree
    Relay then(UnaryOperator<Tensor> layer) {
        Tensor next;
        try (Scope scope = Scope.open()) {
            next = layer.apply(current);
            if (next == current) {
                return this; // changed in place
            }
            scope.keep(next);
        }
        if (owned) {
            current.close();
        }
        current = next;
        owned = true;
        return this;
    }

    /** The last layer's result, in the scope that is open. */
    Tensor result() {
        return current;
    }
}
