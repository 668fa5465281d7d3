package org.mezzotint.models.layers;

import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Smaller maps by averaging, larger ones by repeating: what lies between the levels of a U-shaped network. */
public final class MapSize {
    private MapSize() {}

    /**
     * The means of squares of k × k cells, (N, C, H, W) to (N, C, H/k, W/k).
     *
     * @param x height and width multiples of k
     * @param k side of a square
     * @return with the channels as they lie in {@code x}
     */
    public static Tensor average(Tensor x, long k) {
        long[] square = {k, k};
        return torch.avg_pool2d(x, square, square, new long[] {0, 0}, false, true, new LongOptional());
    }

    /**
     * Each cell k × k times (nearest neighbour), (N, C, H, W) to (N, C, H·k, W·k).
     *
     * @param x any map
     * @param k how often a cell is repeated along a side
     * @return with the channels as they lie in {@code x}
     */
    public static Tensor repeat(Tensor x, long k) {
        return torch.upsample_nearest2d(x, k * x.size(2), k * x.size(3));
    }
}
