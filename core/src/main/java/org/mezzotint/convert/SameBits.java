package org.mezzotint.convert;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.tensor.Tensors;

/** Compares tensors as bits: NaN equals itself, 0 does not equal −0. */
final class SameBits {
    private SameBits() {}

    /** Whether two tensors have the same shape, number type and bits. */
    static boolean of(Tensor a, Tensor b) {
        return Tensors.type(a) == Tensors.type(b)
                && java.util.Arrays.equals(a.shape(), b.shape())
                && bits(a).equal(bits(b));
    }

    private static Tensor bits(Tensor tensor) {
        Tensor plain = tensor.detach().cpu().contiguous();
        ScalarType whole =
                switch ((int) plain.element_size()) {
                    case 8 -> ScalarType.Long;
                    case 4 -> ScalarType.Int;
                    case 2 -> ScalarType.Short;
                    default -> ScalarType.Byte;
                };
        return plain.view(whole);
    }
}
