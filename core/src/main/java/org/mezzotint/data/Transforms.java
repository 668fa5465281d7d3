package org.mezzotint.data;

import java.util.Arrays;

/**
 * Crops and resizes 8-bit RGB pictures with the very bytes of Pillow up to version 12.
 *
 * <p>A picture is a {@code byte[3·w·h]}: rows from the top, pixels from the left, red, green, blue, each 0 to 255.
 */
public final class Transforms {
    private static final int C = 3;
    /** Fixed-point bits of a weight: 32 minus 8 for the pixel minus 2 for overshoot (Pillow, Resample.c). */
    private static final int PRECISION_BITS = 22;

    private Transforms() {}

    /** Pillow's resampling filters; all but NEAREST are widened when a picture shrinks, which is what prevents aliasing. */
    public enum Filter {
        /** The nearest pixel. */
        NEAREST(0),
        /** The mean of a half-open box. */
        BOX(0.5),
        /** A triangle. */
        BILINEAR(1),
        /** Cubic convolution with a = -1/2. */
        BICUBIC(2),
        /** A sinc windowed by a sinc over three lobes. */
        LANCZOS(3);

        private final double support;

        Filter(double support) {
            this.support = support;
        }

        /** What a pixel at a distance counts. */
        double at(double x) {
            return switch (this) {
                case NEAREST -> throw new IllegalStateException("nearest has no kernel");
                case BOX -> x > -0.5 && x <= 0.5 ? 1 : 0;
                case BILINEAR -> Math.max(0, 1 - Math.abs(x));
                case BICUBIC -> bicubic(Math.abs(x));
                case LANCZOS -> x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0;
            };
        }

        private static double bicubic(double x) {
            double a = -0.5;
            if (x < 1) {
                return ((a + 2) * x - (a + 3)) * x * x + 1;
            }
            return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
        }

        private static double sinc(double x) {
            double y = x * Math.PI;
            return y == 0 ? 1 : StrictMath.sin(y) / y;
        }
    }

    /**
     * Resizes (h, w, 3) to (toH, toW, 3) as {@code Image.resize((toW, toH), filter)} does: horizontal pass first, rounded and
     * clipped to 8 bits before the vertical pass. A picture that has the size already is returned as it is.
     *
     * @param rgb the picture, 3·w·h bytes
     * @param w its width
     * @param h its height
     * @param toW new width
     * @param toH new height
     * @param filter the filter
     * @return the picture, 3·toW·toH bytes
     */
    public static byte[] resizePil(byte[] rgb, int w, int h, int toW, int toH, Filter filter) {
        check(rgb, w, h, toW, toH);
        if (w == toW && h == toH) {
            return rgb;
        }
        return filter == Filter.NEAREST
                ? nearest(rgb, w, h, toW, toH)
                : resample(rgb, w, h, toW, toH, new Window(0, 0, toW, toH), filter);
    }

    /**
     * Crops and resizes (h, w, 3) to (toH, toW, 3) by the rule of ADM and DiT: while both sides are at least twice the target,
     * halve with BOX; scale with BICUBIC so that the picture just covers the target, sides rounded half to even; cut the
     * centre, offsets rounded down. Smaller pictures are enlarged. A picture that has the size already is returned as it is.
     *
     * @param rgb the picture, 3·w·h bytes
     * @param w its width
     * @param h its height
     * @param toW new width
     * @param toH new height
     * @return the picture, 3·toW·toH bytes
     */
    public static byte[] centerCrop(byte[] rgb, int w, int h, int toW, int toH) {
        check(rgb, w, h, toW, toH);
        if (w == toW && h == toH) {
            return rgb;
        }
        while (w >= 2L * toW && h >= 2L * toH) {
            rgb = resizePil(rgb, w, h, w / 2, h / 2, Filter.BOX);
            w /= 2;
            h /= 2;
        }
        double scale = Math.max((double) toW / w, (double) toH / h);
        // A very long picture may be scaled to billions of pixels: only the ones inside the crop are computed.
        long scaledW = Math.max(toW, (long) Math.rint(w * scale));
        long scaledH = Math.max(toH, (long) Math.rint(h * scale));
        Window window = new Window((scaledW - toW) / 2, (scaledH - toH) / 2, toW, toH);
        return resample(rgb, w, h, scaledW, scaledH, window, Filter.BICUBIC);
    }

    /**
     * Crops and resizes (h, w, 3) to (toH, toW, 3) by the rule of EDM's {@code dataset_tool --transform=center-crop}: cut the
     * largest centred square, then LANCZOS.
     *
     * @param rgb the picture, 3·w·h bytes
     * @param w its width
     * @param h its height
     * @param toW new width
     * @param toH new height
     * @return the picture, 3·toW·toH bytes
     */
    public static byte[] centerCropEdm(byte[] rgb, int w, int h, int toW, int toH) {
        check(rgb, w, h, toW, toH);
        int side = Math.min(w, h);
        byte[] square = cut(rgb, w, new Window((w - side) / 2, (h - side) / 2, side, side));
        return resizePil(square, side, side, toW, toH, Filter.LANCZOS);
    }

    /** A part of a picture, in pixels. */
    private record Window(long x, long y, int w, int h) {}

    /** The part {@code window} of the picture scaled to (toH, toW, 3); only the source rows it needs are read. */
    private static byte[] resample(byte[] rgb, int w, int h, long toW, long toH, Window window, Filter filter) {
        Weights vertical = toH == h ? null : new Weights(h, toH, window.y, window.h, filter);
        int top = vertical == null ? (int) window.y : vertical.first[0];
        int bottom = vertical == null ? top + window.h : vertical.end();
        byte[] rows = toW == w
                ? cut(rgb, w, new Window(window.x, top, window.w, bottom - top))
                : horizontal(rgb, w, top, bottom, new Weights(w, toW, window.x, window.w, filter));
        return vertical == null ? rows : vertical(rows, window.w, top, vertical);
    }

    private static byte[] horizontal(byte[] rgb, int w, int top, int bottom, Weights weights) {
        byte[] out = new byte[Math.multiplyExact(C * (bottom - top), weights.count)];
        for (int y = top, o = 0; y < bottom; y++) {
            int row = C * w * y;
            for (int x = 0; x < weights.count; x++) {
                int start = row + C * weights.first[x];
                for (int c = 0; c < C; c++) {
                    out[o++] = weights.sum(rgb, start + c, C, x);
                }
            }
        }
        return out;
    }

    private static byte[] vertical(byte[] rows, int w, int top, Weights weights) {
        int rowBytes = C * w;
        byte[] out = new byte[Math.multiplyExact(rowBytes, weights.count)];
        for (int y = 0, o = 0; y < weights.count; y++) {
            int start = rowBytes * (weights.first[y] - top);
            for (int b = 0; b < rowBytes; b++) {
                out[o++] = weights.sum(rows, start + b, rowBytes, y);
            }
        }
        return out;
    }

    /** The fixed-point weights of output pixels {@code from} to {@code from + count - 1} along one axis. */
    private static final class Weights {
        final int count;
        final int[] first;
        private final int[][] weights;

        Weights(int in, long out, long from, int count, Filter filter) {
            this.count = count;
            first = new int[count];
            weights = new int[count][];
            double scale = (double) in / out;
            double stretch = Math.max(scale, 1);
            double support = filter.support * stretch;
            for (int i = 0; i < count; i++) {
                double centre = (from + i + 0.5) * scale;
                int min = Math.max(0, (int) (centre - support + 0.5));
                int max = Math.min(in, (int) (centre + support + 0.5));
                first[i] = min;
                weights[i] = fixed(min, max - min, centre, 1 / stretch, filter);
            }
        }

        /** One past the last pixel that is read. */
        int end() {
            return first[count - 1] + weights[count - 1].length;
        }

        private static int[] fixed(int min, int length, double centre, double perPixel, Filter filter) {
            double[] k = new double[length];
            double total = 0;
            for (int j = 0; j < length; j++) {
                k[j] = filter.at((j + min - centre + 0.5) * perPixel);
                total += k[j];
            }
            int[] fixed = new int[length];
            for (int j = 0; j < length; j++) {
                double weight = (total == 0 ? k[j] : k[j] / total) * (1 << PRECISION_BITS);
                fixed[j] = (int) (weight < 0 ? weight - 0.5 : weight + 0.5);
            }
            return fixed;
        }

        byte sum(byte[] pixels, int start, int stride, int i) {
            int sum = 1 << (PRECISION_BITS - 1);
            int at = start;
            for (int weight : weights[i]) {
                sum += (pixels[at] & 0xFF) * weight;
                at += stride;
            }
            return (byte) Math.min(255, Math.max(0, sum >> PRECISION_BITS));
        }
    }

    private static byte[] nearest(byte[] rgb, int w, int h, int toW, int toH) {
        int[] xs = nearestPixels(w, toW);
        int[] ys = nearestPixels(h, toH);
        byte[] out = new byte[Math.multiplyExact(C * toW, toH)];
        for (int y = 0, o = 0; y < toH; y++) {
            for (int x = 0; x < toW; x++, o += C) {
                System.arraycopy(rgb, C * (w * ys[y] + xs[x]), out, o, C);
            }
        }
        return out;
    }

    /** Pillow adds the step again and again, so that a tie can fall one pixel lower than (i + 0.5)·in/out would. */
    private static int[] nearestPixels(int in, int out) {
        int[] pixels = new int[out];
        double step = (double) in / out;
        double x = step * 0.5;
        for (int i = 0; i < out; i++, x += step) {
            pixels[i] = Math.min(in - 1, (int) x);
        }
        return pixels;
    }

    private static byte[] cut(byte[] rgb, int w, Window window) {
        byte[] out = new byte[C * window.w * window.h];
        for (int y = 0; y < window.h; y++) {
            long from = C * (w * (window.y + y) + window.x);
            System.arraycopy(rgb, (int) from, out, C * window.w * y, C * window.w);
        }
        return out;
    }

    private static void check(byte[] rgb, int w, int h, int toW, int toH) {
        int[] sides = {w, h, toW, toH};
        if (Arrays.stream(sides).anyMatch(side -> side < 1)) {
            throw new IllegalArgumentException("sides must be at least 1, got " + Arrays.toString(sides));
        }
        if (rgb.length != (long) C * w * h) {
            throw new IllegalArgumentException(
                    "a " + w + "×" + h + " RGB picture has " + (long) C * w * h + " bytes, got " + rgb.length);
        }
    }
}
