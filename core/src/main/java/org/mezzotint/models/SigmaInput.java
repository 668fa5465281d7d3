package org.mezzotint.models;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** What a network that is told the noise level σ sees of it: ln(σ)/4 (arXiv:2206.00364v2, table 1). */
final class SigmaInput {
    private SigmaInput() {}

    /**
     * ln(σ)/4.
     *
     * @param sigma (N,), above 0 and finite, which is checked on the CPU: elsewhere the check would wait for the device
     * @return (N,) float64
     */
    static Tensor of(Tensor sigma) {
        if (sigma.device().is_cpu()) {
            for (double level : Tensors.doubles(sigma)) {
                if (!(level > 0 && level < Double.POSITIVE_INFINITY)) {
                    throw new IllegalArgumentException("sigma must be above 0 and finite, got " + level);
                }
            }
        }
        try (Scope scope = Scope.open()) {
            return scope.keep(sigma.to(ScalarType.Double).log().div(Scalars.of(4)));
        }
    }
}
