package org.mezzotint.autoencoders;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * How work for an autoencoder is cut to bound its memory: pictures into overlapping tiles, batches into slices.
 *
 * <p>Tiles lie at even distances. Where they overlap they are blended by weights that rise linearly from one edge of the
 * overlap to the other, so there are no seams. A tile does not see the rest of its picture: norms and attention over the
 * whole picture become norms and attention over the tile, and colours may drift a little. A picture that one tile covers
 * gives exactly the result without tiles. Slices change nothing but the memory.
 *
 * @param tilePixels side of a tile in the picture, a multiple of the autoencoder's factor unless it covers the picture
 * @param overlapPixels least overlap of neighbouring tiles, a multiple of the factor, at most half a tile
 * @param batch most pictures at once
 */
public record Pieces(int tilePixels, int overlapPixels, int batch) {
    /** Checks every rule that does not depend on the autoencoder. */
    public Pieces {
        if (tilePixels < 1) {
            throw new IllegalArgumentException("tilePixels must be at least 1, got " + tilePixels);
        }
        if (overlapPixels < 0 || overlapPixels > tilePixels / 2) {
            throw new IllegalArgumentException(
                    "overlapPixels must be from 0 to half of tilePixels " + tilePixels + ", got " + overlapPixels);
        }
        if (batch < 1) {
            throw new IllegalArgumentException("batch must be at least 1, got " + batch);
        }
    }

    /**
     * Whole pictures, so many at once.
     *
     * @param batch most pictures at once
     * @return without tiles
     */
    public static Pieces slices(int batch) {
        return new Pieces(Integer.MAX_VALUE, 0, batch);
    }

    /**
     * Tiles of one picture at a time.
     *
     * @param tilePixels side of a tile in the picture
     * @param overlapPixels least overlap of neighbouring tiles
     * @return for large pictures
     */
    public static Pieces tiles(int tilePixels, int overlapPixels) {
        return new Pieces(tilePixels, overlapPixels, 1);
    }

    /**
     * Pictures (N, C, H, W) to latents (N, c, H/f, W/f), piece by piece.
     *
     * @param autoencoder that encodes
     * @param x pictures in [-1, 1]
     * @return its posterior; means and logarithms of variances are blended alike
     */
    Posterior encode(Autoencoder autoencoder, Tensor x) {
        AutoencoderConfig config = autoencoder.config();
        config.checkPictures(x, autoencoder.precision());
        int f = config.downFactor();
        boolean[] gaussian = new boolean[1];
        try (Scope scope = Scope.open()) {
            Tensor joined = run(x, f, 1, f, tile -> {
                Posterior posterior = autoencoder.encode(tile);
                if (posterior instanceof Posterior.Gaussian g) {
                    gaussian[0] = true;
                    return torch.cat(new TensorVector(g.mean(), g.logVariance()), 1);
                }
                return posterior.mean();
            });
            if (!gaussian[0]) {
                return new Posterior.Point(scope.keep(joined));
            }
            Posterior.Gaussian posterior = Posterior.Gaussian.of(joined);
            scope.keep(posterior.mean());
            scope.keep(posterior.logVariance());
            return posterior;
        }
    }

    /**
     * Latents (N, c, h, w) to pictures (N, C, f·h, f·w), piece by piece.
     *
     * @param autoencoder that decodes
     * @param z latents that are not scaled
     * @return pictures, about [-1, 1]
     */
    Tensor decode(Autoencoder autoencoder, Tensor z) {
        AutoencoderConfig config = autoencoder.config();
        config.checkLatents(z, autoencoder.precision());
        int f = config.downFactor();
        try (Scope scope = Scope.open()) {
            return scope.keep(run(z, 1, f, f, autoencoder::decode));
        }
    }

    /**
     * @param in pixels of the input in a cell of the latent
     * @param out pixels of the result in a cell of the latent
     */
    private Tensor run(Tensor input, int in, int out, int factor, UnaryOperator<Tensor> network) {
        List<Span> rows = spans("height", input.size(2) / in, factor);
        List<Span> columns = spans("width", input.size(3) / in, factor);
        List<Tensor> slices = new ArrayList<>();
        for (long first = 0; first < input.size(0); first += batch) {
            try (Scope scope = Scope.open()) {
                Tensor slice = input.narrow(0, first, Math.min(batch, input.size(0) - first));
                boolean whole = rows.size() == 1 && columns.size() == 1;
                slices.add(scope.keep(whole ? network.apply(slice) : blend(slice, in, out, rows, columns, network)));
            }
        }
        return slices.size() == 1 ? slices.get(0) : torch.cat(new TensorVector(slices.toArray(Tensor[]::new)), 0);
    }

    private static Tensor blend(
            Tensor slice, int in, int out, List<Span> rows, List<Span> columns, UnaryOperator<Tensor> network) {
        Tensor sum = null;
        List<double[]> across = weights(columns, out);
        List<double[]> down = weights(rows, out);
        for (int i = 0; i < rows.size(); i++) {
            Span row = rows.get(i);
            for (int j = 0; j < columns.size(); j++) {
                Span column = columns.get(j);
                try (Scope scope = Scope.open()) {
                    Tensor tile = network.apply(slice.narrow(2, row.first() * in, row.length() * in)
                            .narrow(3, column.first() * in, column.length() * in));
                    if (sum == null) {
                        long height = last(rows) * out;
                        long width = last(columns) * out;
                        sum = scope.keep(torch.zeros(
                                new long[] {tile.size(0), tile.size(1), height, width},
                                Tensors.options(Tensors.type(tile), tile.device())));
                    }
                    Tensor weighted = tile.mul(like(down.get(i), tile).view(1, 1, -1, 1))
                            .mul(like(across.get(j), tile).view(1, 1, 1, -1));
                    sum.narrow(2, row.first() * out, row.length() * out)
                            .narrow(3, column.first() * out, column.length() * out)
                            .add_(weighted);
                }
            }
        }
        return sum;
    }

    private static Tensor like(double[] values, Tensor tile) {
        return Tensors.of(values).to(tile.device(), Tensors.type(tile));
    }

    private static long last(List<Span> spans) {
        return spans.get(spans.size() - 1).end();
    }

    /** Cells first … end − 1 of a latent's side. */
    record Span(long first, long end) {
        long length() {
            return end - first;
        }
    }

    /** The fewest tiles that cover a side and overlap enough, at even distances. */
    List<Span> spans(String side, long cells, int factor) {
        if (cells * factor <= tilePixels) {
            return List.of(new Span(0, cells));
        }
        if (tilePixels % factor != 0 || overlapPixels % factor != 0) {
            throw new IllegalArgumentException(
                    "tilePixels and overlapPixels must be multiples of the autoencoder's factor "
                            + factor + " for a " + side + " of " + cells * factor + " pixels, got " + tilePixels
                            + " and "
                            + overlapPixels);
        }
        long tile = tilePixels / factor;
        long step = tile - overlapPixels / factor;
        long gaps = (cells - tile + step - 1) / step;
        List<Span> spans = new ArrayList<>();
        for (long k = 0; k <= gaps; k++) {
            long first = (cells - tile) * k / gaps;
            spans.add(new Span(first, first + tile));
        }
        return spans;
    }

    /** A weight for each pixel of each tile; those of all tiles over one pixel add up to 1. */
    static List<double[]> weights(List<Span> spans, int out) {
        double[] total = new double[Math.toIntExact(last(spans) * out)];
        List<double[]> all = new ArrayList<>();
        for (int k = 0; k < spans.size(); k++) {
            Span span = spans.get(k);
            double before = k == 0 ? 0 : (spans.get(k - 1).end() - span.first()) * (double) out;
            double after =
                    k == spans.size() - 1 ? 0 : (span.end() - spans.get(k + 1).first()) * (double) out;
            double[] weights = new double[Math.toIntExact(span.length() * out)];
            for (int i = 0; i < weights.length; i++) {
                double rise = before == 0 ? 1 : Math.min(1, (i + 0.5) / before);
                double fall = after == 0 ? 1 : Math.min(1, (weights.length - i - 0.5) / after);
                weights[i] = Math.min(rise, fall);
                total[Math.toIntExact(span.first() * out) + i] += weights[i];
            }
            all.add(weights);
        }
        for (int k = 0; k < spans.size(); k++) {
            int first = Math.toIntExact(spans.get(k).first() * out);
            double[] weights = all.get(k);
            Arrays.setAll(weights, i -> weights[i] / total[first + i]);
        }
        return all;
    }
}
