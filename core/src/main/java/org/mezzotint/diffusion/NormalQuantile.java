package org.mezzotint.diffusion;

import org.bytedeco.pytorch.global.torch;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** The inverse of the standard normal distribution function. */
final class NormalQuantile {
    private NormalQuantile() {}

    /** Φ⁻¹(u), of a number in [0, 1) squeezed away from 0 and 1, so that the result is finite. */
    static double at(double u) {
        try (Scope scope = Scope.open()) {
            return Tensors.doubles(torch.special_ndtri(Tensors.of(u * (1 - 2e-7) + 1e-7)))[0];
        }
    }
}
