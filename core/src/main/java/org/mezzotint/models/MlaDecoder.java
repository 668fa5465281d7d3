package org.mezzotint.models;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.models.layers.Conv2d;
import org.mezzotint.models.layers.Conv2d.Reach;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.Layer;
import org.mezzotint.models.layers.Linear.Weights;

/**
 * The decoder of a plain vision transformer in rows A and B of DiffiT's table 4: multi-level feature aggregation, SETR-MLA
 * (arXiv:2012.15840v3, section 3.3). Each level is brought to few channels, meets the next deeper one from the top down, passes
 * a convolution and is drawn to the finest map; there all levels lie side by side and pass a last convolution.
 *
 * <p>Differs from SETR: half of the finest width instead of a quarter of 1024 channels, Swish instead of batch norm and ReLU,
 * one convolution behind the sum instead of two, because the networks here are small and normalise before the head.
 */
final class MlaDecoder extends Layer {
    private final List<Conv2d> reduce = new ArrayList<>();
    private final List<Conv2d> mix = new ArrayList<>();
    private final Conv2d fuse;

    /**
     * Makes the layer.
     *
     * @param init fills the parameters
     * @param widths of the levels, from the finest or first to the coarsest or last
     * @param out channels of the result
     */
    MlaDecoder(Init init, List<Integer> widths, int out) {
        int m = width(out);
        for (int i = 0; i < widths.size(); i++) {
            reduce.add(child("reduce." + i, new Conv2d(init, widths.get(i), m, Reach.POINT, Weights.UNIFORM_FAN_IN)));
        }
        for (int i = 0; i < widths.size(); i++) {
            mix.add(child("mix." + i, new Conv2d(init, m, m, Reach.SAME, Weights.UNIFORM_FAN_IN)));
        }
        fuse = child("fuse", new Conv2d(init, (long) widths.size() * m, out, Reach.SAME, Weights.UNIFORM_FAN_IN));
    }

    /** Channels of a level on its way. */
    static int width(long out) {
        return Math.toIntExact(Math.max(1, out / 2));
    }

    /**
     * Puts the levels together.
     *
     * @param levels (N, D_i, H_i, W_i), the first with the finest map
     * @return (N, out, H_0, W_0)
     */
    Tensor forward(List<Tensor> levels) {
        long rows = levels.get(0).size(2);
        long columns = levels.get(0).size(3);
        TensorVector drawn = new TensorVector();
        Tensor sum = null;
        for (int i = levels.size() - 1; i >= 0; i--) {
            Tensor level = reduce.get(i).forward(levels.get(i));
            sum = sum == null ? level : level.add(resized(sum, level.size(2), level.size(3))); // (N, m, H_i, W_i)
            drawn.push_back(resized(torch.silu(mix.get(i).forward(sum)), rows, columns)); // (N, m, H_0, W_0)
        }
        return fuse.forward(torch.cat(drawn, 1));
    }

    private static Tensor resized(Tensor x, long rows, long columns) {
        return x.size(2) == rows && x.size(3) == columns
                ? x
                : torch.upsample_bilinear2d(
                        x, new long[] {rows, columns}, false, new DoubleOptional(), new DoubleOptional());
    }
}
