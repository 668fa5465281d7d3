package org.mezzotint.autoencoders;

import java.util.Locale;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scope;

/** An autoencoder gave NaN or infinity. The message says where, how many, and what to try. */
public final class NonFiniteException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private NonFiniteException(String message) {
        super(message);
    }

    /** Gives the result back if all of it is finite. */
    static Tensor check(String step, Tensor result, Tensor input, Precision precision) {
        try (Scope scope = Scope.open()) {
            Tensor finite = result.isfinite();
            if (finite.all().item_bool()) {
                return result;
            }
            long count = finite.logical_not().sum().item_long();
            String size = count + " of " + result.numel() + " numbers";
            throw new NonFiniteException(step + " gave NaN or infinity in " + size + ": " + hint(input, precision));
        }
    }

    private static String hint(Tensor input, Precision precision) {
        if (!input.isfinite().all().item_bool()) {
            return "its input has such numbers already";
        }
        double largest = input.abs().max().item_double();
        String reach = String.format(Locale.ROOT, "its input reaches ±%.3g", largest);
        if (precision == Precision.BFLOAT16) {
            return reach + "; run the autoencoder in precision float32";
        }
        return reach + "; pictures lie in [-1, 1] and latents must be scaled back first (LatentScale.denormalize). If"
                + " the input is right, try precision " + (precision == Precision.FLOAT32 ? "float64" : "float32")
                + ", or look for damaged weights";
    }
}
