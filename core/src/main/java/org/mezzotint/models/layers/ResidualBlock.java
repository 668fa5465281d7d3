package org.mezzotint.models.layers;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.models.layers.Conv2d.Reach;
import org.mezzotint.models.layers.Linear.Weights;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;

/**
 * The residual block of simple diffusion (arXiv:2301.11093, appendix B), at one width:
 *
 * <pre>
 *   h = norm(x)                     or, with a skip s, (norm(x) + norm'(s))/√2
 *   h = conv3×3(swish(h))
 *   h = norm''(h) · (1 + scale) + shift,   scale and shift linear in the embedding
 *   y = x + conv3×3(dropout(swish(h))),    the last convolution starts at zero
 * </pre>
 *
 * <p>The order is that of reimplementations that cite the paper. The kind of norm is not known; group norm is our choice, as
 * is the zero from which scale and shift start.
 */
public final class ResidualBlock extends Layer {
    private static final double EPSILON = 1e-6;
    private static final double HALF_POWER = 1 / Math.sqrt(2);

    private final GroupNorm norm1;
    private final GroupNorm skipNorm; // null without a skip
    private final Conv2d conv1;
    private final Linear modulation;
    private final GroupNorm norm2;
    private final Conv2d conv2;
    private final double dropout;

    /**
     * Makes the layer.
     *
     * @param init fills the parameters
     * @param width C, a multiple of the number of groups
     * @param embedding width E of the conditioning vector
     * @param groups of the norms
     * @param skipped whether a skip joins
     * @param dropout share of activations that training sets to zero
     */
    public ResidualBlock(Init init, long width, long embedding, long groups, boolean skipped, double dropout) {
        norm1 = child("norm1", new GroupNorm(init, groups, width, EPSILON));
        skipNorm = skipped ? child("skip_norm", new GroupNorm(init, groups, width, EPSILON)) : null;
        conv1 = child("conv1", new Conv2d(init, width, width, Reach.SAME, Weights.XAVIER_UNIFORM));
        modulation = child("modulation", new Linear(init, embedding, 2 * width, Weights.ZERO));
        norm2 = child("norm2", new GroupNorm(init, groups, width, EPSILON));
        conv2 = child("conv2", new Conv2d(init, width, width, Reach.SAME, Weights.ZERO));
        this.dropout = dropout;
    }

    /**
     * Applies the layer.
     *
     * @param input x, (N, C, H, W)
     * @param skip (N, C, H, W), or null for a block without one
     * @param c (N, E) conditioning vector
     * @param tape of the pass
     * @return (N, C, H, W)
     */
    public Tensor forward(Tensor input, Tensor skip, Tensor c, Tape tape) {
        if ((skip == null) != (skipNorm == null)) {
            throw new IllegalArgumentException(
                    skip == null ? "this block needs a skip, got none" : "this block takes no skip, got one");
        }
        // a view of its own: the block's gradients of x are summed before they meet those of a skip, with checkpointing
        // and
        // without
        Tensor x = input.view(input.shape());
        Tensor h;
        try (Scope half = Scope.open()) { // frees its maps before the second half makes its own
            h = half.keep(first(x, skip));
        }
        TensorVector parts = modulation
                .forward(c)
                .to(h.scalar_type())
                .unsqueeze(2)
                .unsqueeze(3)
                .chunk(2, 1); // scale and shift, (N, C, 1, 1)
        h = torch.addcmul(parts.get(1), norm2.forward(h), parts.get(0).add(Scalars.of(1)));
        Tensor y = conv2.forward(tape.dropout(swish(h), dropout));
        if (y.requires_grad()) {
            return x.add(y);
        }
        y.add_(x);
        return y;
    }

    /** Of a tensor that nobody else has: in place where no backward pass will ask for it. */
    private static Tensor swish(Tensor fresh) {
        if (fresh.requires_grad()) {
            return torch.silu(fresh);
        }
        torch.silu_(fresh);
        return fresh;
    }

    /**
     * {@link Conv2d#pack Packs} the convolutions and the projection.
     *
     * @param n the number of pictures that will usually be evaluated at once
     * @param height of their maps
     * @param width of their maps
     */
    public void pack(long n, long height, long width) {
        conv1.pack(n, height, width);
        conv2.pack(n, height, width);
        modulation.pack(n);
    }

    private Tensor first(Tensor x, Tensor skip) {
        Tensor h = norm1.forward(x);
        if (skip != null) {
            h = h.add(skipNorm.forward(skip)).mul(Scalars.of(HALF_POWER));
        }
        return conv1.forward(swish(h));
    }

    /**
     * Multiply-accumulates of one picture.
     *
     * @param cells of the map, H·W
     * @param width C
     * @param embedding E
     * @return of the convolutions and the projection
     */
    public static long macs(long cells, long width, long embedding) {
        return 2 * 9 * width * width * cells + 2 * width * embedding;
    }

    /**
     * How many maps of the size of its input a block keeps for the backward pass: what enters both swishes, both
     * convolutions and the second norm, the product with the scale, and the result; a mask with dropout.
     *
     * @param dropping whether it drops
     * @return 7 or 8
     */
    public static int keptMaps(boolean dropping) {
        return dropping ? 8 : 7;
    }
}
