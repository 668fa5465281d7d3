package org.mezzotint.sample;

import java.util.Arrays;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.diffusion.Network;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Shapes;
import org.mezzotint.tensor.Tensors;

/** Classifier-free guidance (arXiv:2207.12598): ε = ε_null + s·(ε_cond − ε_null). */
public final class Guidance {
    private Guidance() {}

    /**
     * A guided network: each evaluation runs the conditional and the null batch as one.
     *
     * @param network whose output's first channels are the prediction
     * @param scale s: 1 is no guidance and returns {@code network}, 0 ignores the condition
     * @param toNull turns a batch's inputs into those of "no condition"
     * @param guidedChannels the first so many output channels are guided; the others, such as a variance code, stay the
     *     conditional ones. The DiT code guides 3 of the 4 latent channels ({@code first-three}), others all of them.
     * @return the guided network
     */
    public static Network classifierFree(
            Network network, double scale, UnaryOperator<Conditioning> toNull, int guidedChannels) {
        if (!(scale >= 0)) {
            throw new IllegalArgumentException("guidance scale must not be negative, got " + scale);
        }
        if (guidedChannels < 1) {
            throw new IllegalArgumentException("guidedChannels must be at least 1, got " + guidedChannels);
        }
        if (scale == 1) {
            return network;
        }
        return (x, t, cond) -> {
            try (Scope scope = Scope.open()) {
                long n = x.size(0);
                Tensor both = network.evaluate(
                        torch.cat(new TensorVector(x, x), 0),
                        torch.cat(new TensorVector(t, t), 0),
                        cond.concat(toNull.apply(cond))); // (2N, C', H, W)
                long channels = both.size(1);
                if (guidedChannels > channels) {
                    throw new IllegalArgumentException("guidedChannels must be at most the " + channels
                            + " channels of the network's output, got " + guidedChannels);
                }
                Tensor conditional = both.narrow(0, 0, n);
                Tensor c = conditional.narrow(1, 0, guidedChannels);
                Tensor u = both.narrow(0, n, n).narrow(1, 0, guidedChannels);
                Tensor guided = u.add(c.sub(u).mul(Scalars.of(scale)));
                if (guidedChannels == channels) {
                    return scope.keep(guided);
                }
                Tensor rest = conditional.narrow(1, guidedChannels, channels - guidedChannels);
                return scope.keep(torch.cat(new TensorVector(guided, rest), 1));
            }
        };
    }

    /**
     * Replaces every label by the null class.
     *
     * @param numClasses the null class's label
     * @return for {@link #classifierFree}
     */
    public static UnaryOperator<Conditioning> nullClass(int numClasses) {
        return cond -> {
            Tensor labels = Shapes.check(Conditioning.CLASS, cond.get(Conditioning.CLASS), Shapes.ANY);
            long[] nulls = new long[Math.toIntExact(labels.size(0))];
            Arrays.fill(nulls, numClasses);
            return Conditioning.classes(Tensors.of(nulls).to(labels.device(), labels.scalar_type()));
        };
    }
}
