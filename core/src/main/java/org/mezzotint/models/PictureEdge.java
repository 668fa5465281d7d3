package org.mezzotint.models;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.models.layers.Conv2d;
import org.mezzotint.models.layers.Conv2d.Reach;
import org.mezzotint.models.layers.GroupNorm;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.Layer;
import org.mezzotint.models.layers.LeGallWavelet;
import org.mezzotint.models.layers.Linear.Weights;

/** The first and the last layer of simple diffusion's networks, as {@link Downsampling} says. */
final class PictureEdge {
    private static final double EPSILON = 1e-6;

    private PictureEdge() {}

    /** Pictures to the outermost level's map; channels last. */
    static final class Input extends Layer {
        private final Downsampling downsampling;
        private final Conv2d conv;

        Input(Init init, Downsampling downsampling, long channels, long width) {
            this.downsampling = downsampling;
            long f = downsampling.factor();
            conv = child(
                    "conv", new Conv2d(init, channels * f * f, width, reach(downsampling), Weights.XAVIER_UNIFORM));
        }

        void pack(long n, long height, long width) {
            conv.pack(n, height, width);
        }

        /** (N, C, H, W) → (N, D, H/f, W/f). */
        Tensor forward(Tensor x) {
            Tensor y = x; // (N, C·f·f, H/f, W/f)
            if (downsampling instanceof Downsampling.Wavelet wavelet) {
                y = LeGallWavelet.forward(x, wavelet.levels());
            } else if (downsampling instanceof Downsampling.Patch patch) {
                y = torch.pixel_unshuffle(x, patch.side());
            }
            return conv.forward(Conv2d.channelsLast(y));
        }
    }

    /** The outermost level's map to pictures: norm, swish, a convolution that starts at zero. */
    static final class Output extends Layer {
        private final Downsampling downsampling;
        private final GroupNorm norm;
        private final Conv2d conv;

        Output(Init init, Downsampling downsampling, long channels, long width, long groups) {
            this.downsampling = downsampling;
            long f = downsampling.factor();
            norm = child("norm", new GroupNorm(init, groups, width, EPSILON));
            conv = child("conv", new Conv2d(init, width, channels * f * f, reach(downsampling), Weights.ZERO));
        }

        void pack(long n, long height, long width) {
            conv.pack(n, height, width);
        }

        /** (N, D, H/f, W/f) → (N, C, H, W), contiguous. */
        Tensor forward(Tensor x) {
            Tensor y = conv.forward(torch.silu(norm.forward(x))); // (N, C·f·f, H/f, W/f)
            if (downsampling instanceof Downsampling.Wavelet wavelet) {
                y = LeGallWavelet.inverse(y, wavelet.levels());
            } else if (downsampling instanceof Downsampling.Patch patch) {
                y = torch.pixel_shuffle(y, patch.side());
            }
            return y.contiguous();
        }
    }

    /** A patch's convolution with kernel and stride d is one with kernel 1 over the patches' pixels as channels. */
    private static Reach reach(Downsampling downsampling) {
        return downsampling instanceof Downsampling.Patch ? Reach.POINT : Reach.SAME;
    }
}
