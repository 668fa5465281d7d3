package org.mezzotint.eval;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.LongConsumer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.data.Dataset;
import org.mezzotint.io.InputException;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * Finds the training pictures that are nearest to drawn ones, in pixels, and says which were copied.
 *
 * <p>A picture x̂ counts as a copy of its nearest training picture x if d(x̂, x) is below half of the mean distance to its 50
 * nearest ones (arXiv:2301.13188, section 4.2, with α = 0.5 and n = 50): pictures with much empty space are near to many.
 */
public final class NearestPictures {
    private static final int CROWD = 50;
    private static final double ALPHA = 0.5;
    private static final long BLOCK_BYTES = 64L << 20;
    private static final long MOST_BYTES = 1L << 30;

    private NearestPictures() {}

    /**
     * A training picture.
     *
     * @param index in the data set
     * @param mirrored whether it is its mirror image that is near
     * @param distance root of the mean squared difference of pixels in [−1, 1]
     */
    public record Neighbour(int index, boolean mirrored, double distance) {}

    /**
     * What is near to one drawn picture.
     *
     * @param nearest training pictures, the nearest first
     * @param ratio d(x̂, x) over α times the mean distance to the 50 nearest (all, where there are fewer)
     */
    public record Found(List<Neighbour> nearest, double ratio) {
        /**
         * Whether the picture counts as a copy.
         *
         * @return true for a ratio below 1
         */
        public boolean isCopy() {
            return ratio < 1;
        }
    }

    /**
     * Searches all training pictures.
     *
     * @param drawn N pictures of C·H·W numbers in [−1, 1] each, as the data set gives them
     * @param training pictures of the same size, at least two
     * @param mirrored whether mirror images of training pictures count too
     * @param keep how many neighbours are named
     * @param progress is told how many training pictures are done
     * @return one for each drawn picture
     * @throws InputException if the drawn pictures need more than a gigabyte, or there are too few to compare with
     */
    public static List<Found> find(
            List<float[]> drawn, Dataset training, boolean mirrored, int keep, LongConsumer progress) {
        int length = training.channels() * training.height() * training.width();
        if ((long) drawn.size() * length * Double.BYTES > MOST_BYTES) {
            throw new InputException("drawn pictures must fit into " + (MOST_BYTES >> 20) + " MiB of float64, got "
                    + drawn.size() + " of " + length + " numbers: take fewer");
        }
        if (training.size() < 2) {
            throw new InputException("a search needs at least 2 training pictures, got " + training.size());
        }
        int crowd = Math.max(keep, CROWD);
        List<Nearest> best = new ArrayList<>();
        drawn.forEach(picture -> best.add(new Nearest(crowd)));
        try (Scope scope = Scope.open()) {
            Tensor samples = matrix(drawn, length); // (N, D)
            Tensor norms = samples.square().sum(1L).unsqueeze(1); // (N, 1)
            int block = (int) Math.max(1, BLOCK_BYTES / Double.BYTES / Math.max(length, drawn.size()));
            for (int first = 0; first < training.size(); first += block) {
                int n = Math.min(block, training.size() - first);
                try (Scope each = Scope.open()) {
                    Tensor pictures = read(training, first, n);
                    add(best, distances(samples, norms, pictures.view(n, length)), first, n, false);
                    if (mirrored) {
                        Tensor flipped = pictures.flip(3).reshape(n, length);
                        add(best, distances(samples, norms, flipped), first, n, true);
                    }
                }
                progress.accept((long) first + n);
            }
        }
        return best.stream().map(nearest -> nearest.found(keep, length)).toList();
    }

    private static Tensor matrix(List<float[]> pictures, int length) {
        Tensor all = Tensors.empty(ScalarType.Double, pictures.size(), length);
        for (int i = 0; i < pictures.size(); i++) {
            try (Scope scope = Scope.open()) {
                all.select(0, i).copy_(Tensors.of(pictures.get(i), length));
            }
        }
        return all;
    }

    private static Tensor read(Dataset training, int first, int n) {
        return Tensors.of(training.read(first, n), n, training.channels(), training.height(), training.width())
                .to(ScalarType.Double);
    }

    /** ‖s‖² + ‖t‖² − 2·s·t, (N, n). */
    private static double[] distances(Tensor samples, Tensor norms, Tensor pictures) {
        Tensor squares = pictures.square().sum(1L).unsqueeze(0);
        Tensor products = torch.matmul(samples, pictures.t());
        return Tensors.doubles(
                norms.add(squares).sub(products.mul(Scalars.of(2))).clamp_min(Scalars.of(0)));
    }

    private static void add(List<Nearest> best, double[] squared, int first, int n, boolean mirrored) {
        for (int i = 0; i < best.size(); i++) {
            for (int j = 0; j < n; j++) {
                best.get(i).offer(squared[i * n + j], first + j, mirrored);
            }
        }
    }

    /** The smallest so far, in order. */
    private static final class Nearest {
        private final double[] squared;
        private final int[] index;
        private final boolean[] mirrored;
        private int count;

        Nearest(int capacity) {
            squared = new double[capacity];
            index = new int[capacity];
            mirrored = new boolean[capacity];
        }

        void offer(double distance, int picture, boolean isMirrored) {
            if (count == squared.length && distance >= squared[count - 1]) {
                return;
            }
            int at = Arrays.binarySearch(squared, 0, count, distance);
            at = at < 0 ? -at - 1 : at;
            int moved = Math.min(count, squared.length - 1) - at;
            System.arraycopy(squared, at, squared, at + 1, moved);
            System.arraycopy(index, at, index, at + 1, moved);
            System.arraycopy(mirrored, at, mirrored, at + 1, moved);
            squared[at] = distance;
            index[at] = picture;
            mirrored[at] = isMirrored;
            count = Math.min(count + 1, squared.length);
        }

        Found found(int keep, int length) {
            List<Neighbour> nearest = new ArrayList<>();
            double sum = 0;
            int crowd = Math.min(count, CROWD);
            for (int i = 0; i < count; i++) {
                double distance = Math.sqrt(squared[i] / length);
                if (i < keep) {
                    nearest.add(new Neighbour(index[i], mirrored[i], distance));
                }
                if (i < crowd) {
                    sum += distance;
                }
            }
            double mean = sum / crowd;
            return new Found(nearest, mean == 0 ? 0 : nearest.get(0).distance() / (ALPHA * mean));
        }
    }
}
