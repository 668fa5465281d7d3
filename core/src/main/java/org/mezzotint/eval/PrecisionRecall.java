package org.mezzotint.eval;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.T_TensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.io.InputException;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * How much of one set of vectors lies in the manifold of another, the union of balls that reach to each vector's k-th
 * nearest neighbour: precision and recall (arXiv:1904.06991), density and coverage (arXiv:2002.09797).
 *
 * <p>All comparisons are those of exact distances Σ (a − b)² in float64, so that ties and duplicates count as they should;
 * memory holds both sets, a centred copy of each, and a block of distances.
 *
 * @param setting which balls
 * @param precision share of generated vectors inside the real manifold
 * @param recall share of real vectors inside the generated manifold
 * @param density mean number of real balls around a generated vector, divided by k; may exceed 1
 * @param coverage share of real balls that hold a generated vector
 */
public record PrecisionRecall(Setting setting, double precision, double recall, double density, double coverage) {
    /** Precision and recall as the paper, ADM and torch-fidelity define them: 3 neighbours, borders belong to balls. */
    public static final Setting PRECISION_RECALL = new Setting(3, false);

    /** Density and coverage as their paper's code (prdc) defines them: 5 neighbours, borders do not belong to balls. */
    public static final Setting DENSITY_COVERAGE = new Setting(5, true);

    private static final int ROWS = 1024;
    private static final int COLUMNS = 2048;
    /** Candidates beyond the k-th neighbour that are kept, so that nearly tied ones can be told apart exactly. */
    private static final int SPARE = 8;

    /**
     * Which balls make a manifold.
     *
     * @param k a ball reaches to the k-th nearest other vector, at least 1
     * @param strict whether vectors on a ball's border are outside
     */
    public record Setting(int k, boolean strict) {
        /** Checks k. */
        public Setting {
            if (k < 1) {
                throw new IllegalArgumentException("k must be at least 1, got " + k);
            }
        }
    }

    /**
     * Measures under several settings at once, which shares the distances.
     *
     * @param real vectors (N, D)
     * @param generated vectors (M, D)
     * @param settings at least one
     * @return one result a setting, in their order
     * @throws InputException if a set has too few vectors for a k, or vectors that are not finite
     */
    public static List<PrecisionRecall> measure(Tensor real, Tensor generated, Setting... settings) {
        int[] ks = Arrays.stream(settings).mapToInt(Setting::k).toArray();
        double[][] realRadii = squaredRadii(real, ks);
        double[][] generatedRadii = squaredRadii(generated, ks);
        try (Scope scope = Scope.open();
                NoGradGuard noGradient = new NoGradGuard()) {
            ExactDistances distances = ExactDistances.between(real, generated);
            List<Balls> ofReal = new ArrayList<>();
            List<Balls> ofGenerated = new ArrayList<>();
            for (int s = 0; s < settings.length; s++) {
                ofReal.add(new Balls(distances, realRadii[s], settings[s].strict, true));
                ofGenerated.add(new Balls(distances, generatedRadii[s], settings[s].strict, false));
            }
            for (int column = 0; column < distances.columns(); column += COLUMNS) {
                for (int row = 0; row < distances.rows(); row += ROWS) {
                    try (Scope inner = Scope.open()) {
                        Tensor block = distances.block(
                                row,
                                Math.min(ROWS, distances.rows() - row),
                                column,
                                Math.min(COLUMNS, distances.columns() - column));
                        for (int s = 0; s < settings.length; s++) {
                            ofReal.get(s).count(block, row, column);
                            ofGenerated.get(s).count(block, row, column);
                        }
                    }
                }
            }
            List<PrecisionRecall> results = new ArrayList<>();
            for (int s = 0; s < settings.length; s++) {
                Balls balls = ofReal.get(s);
                results.add(new PrecisionRecall(
                        settings[s],
                        share(balls.around),
                        share(ofGenerated.get(s).around),
                        Arrays.stream(balls.around).average().orElseThrow() / settings[s].k,
                        share(balls.held)));
            }
            return results;
        }
    }

    /** The share of numbers above 0. */
    private static double share(long... counts) {
        return (double) Arrays.stream(counts).filter(count -> count > 0).count() / counts.length;
    }

    /** The balls around the rows or the columns of the distances, and what they hold of the other. */
    private static final class Balls {
        private final ExactDistances distances;
        private final double[] squaredRadii;
        private final boolean strict;
        private final boolean onRows;
        /** Number of balls around each vector of the other set. */
        final long[] around;
        /** Number of the other set's vectors in each ball. */
        final long[] held;

        Balls(ExactDistances distances, double[] squaredRadii, boolean strict, boolean onRows) {
            this.distances = distances;
            this.squaredRadii = squaredRadii;
            this.strict = strict;
            this.onRows = onRows;
            around = new long[onRows ? distances.columns() : distances.rows()];
            held = new long[squaredRadii.length];
        }

        void count(Tensor block, int row, int column) {
            int first = onRows ? row : column;
            int balls = Math.toIntExact(block.size(onRows ? 0 : 1));
            float[] surely = new float[balls];
            float[] perhaps = new float[balls];
            for (int i = 0; i < balls; i++) {
                double radius = distances.scaled(squaredRadii[first + i]);
                double error = onRows ? distances.rowError(first + i) : distances.columnError(first + i);
                error += 0x1.0p-22 * radius; // the borders are rounded to float32
                surely[i] = (float) (radius - error);
                perhaps[i] = (float) (radius + error);
            }
            long[] shape = onRows ? new long[] {balls, 1} : new long[] {1, balls};
            try (Scope scope = Scope.open()) {
                Tensor inside = block.lt(Tensors.of(surely, shape));
                Tensor maybe = block.le(Tensors.of(perhaps, shape));
                Tensor perColumn = inside.sum(0);
                Tensor perRow = inside.sum(1);
                add(onRows ? perColumn : perRow, around, onRows ? column : row);
                add(onRows ? perRow : perColumn, held, first);
                if (maybe.sum().item_long() > perRow.sum().item_long()) {
                    decide(maybe.logical_xor(inside).nonzero(), row, column);
                }
            }
        }

        private static void add(Tensor counts, long[] to, int at) {
            long[] values = Tensors.longs(counts);
            for (int i = 0; i < values.length; i++) {
                to[at + i] += values[i];
            }
        }

        /** The pairs (K, 2) that the block leaves open. */
        private void decide(Tensor pairs, int row, int column) {
            long[] open = Tensors.longs(pairs);
            for (int p = 0; p < open.length; p += 2) {
                int i = row + (int) open[p];
                int j = column + (int) open[p + 1];
                int ball = onRows ? i : j;
                double squared = distances.exact(i, j);
                if (strict ? squared < squaredRadii[ball] : squared <= squaredRadii[ball]) {
                    around[onRows ? j : i]++;
                    held[ball]++;
                }
            }
        }
    }

    /**
     * The distance of each vector to its k-th nearest other one: element k of its sorted distances to all, itself included.
     *
     * @param features (N, D)
     * @param k 1 to N − 1
     * @return N radii
     */
    public static double[] radii(Tensor features, int k) {
        return Arrays.stream(squaredRadii(features, k)[0]).map(Math::sqrt).toArray();
    }

    /** Squared radii: one array a k. */
    private static double[][] squaredRadii(Tensor features, int... ks) {
        int largest = Arrays.stream(ks).max().orElseThrow();
        long n = features.size(0);
        if (largest >= n) {
            throw new InputException(
                    "balls to the neighbour number " + largest + " need more pictures than that in each set, got " + n);
        }
        double[][] radii = new double[ks.length][(int) n];
        try (Scope scope = Scope.open();
                NoGradGuard noGradient = new NoGradGuard()) {
            ExactDistances distances = ExactDistances.within(features);
            int kept = (int) Math.min(n, largest + 1L + SPARE);
            for (int row = 0; row < n; row += ROWS) {
                try (Scope inner = Scope.open()) {
                    int rows = Math.min(ROWS, (int) n - row);
                    Candidates candidates = Candidates.of(distances, row, rows, kept);
                    for (int i = 0; i < rows; i++) {
                        double[] squared = candidates.squaredRadii(distances, row, i, ks);
                        for (int s = 0; s < ks.length; s++) {
                            radii[s][row + i] = squared[s];
                        }
                    }
                }
            }
        }
        return radii;
    }

    /** The vectors with the smallest approximate distances to each of some rows: ascending, {@code kept} a row. */
    @SuppressWarnings("ArrayRecordComponent") // a carrier, never compared
    private record Candidates(float[] distances, long[] columns, int kept) {
        static Candidates of(ExactDistances distances, int row, int rows, int kept) {
            Tensor values = null;
            Tensor columns = null;
            for (int column = 0; column < distances.columns(); column += COLUMNS) {
                int width = Math.min(COLUMNS, distances.columns() - column);
                try (Scope scope = Scope.open()) {
                    T_TensorTensor_T nearest =
                            distances.block(row, rows, column, width).topk(Math.min(kept, width), 1, false, true);
                    Tensor near = new Tensor(nearest.get0());
                    Tensor where = new Tensor(nearest.get1()).add(Scalars.of(column));
                    if (values != null) {
                        Tensor both = torch.cat(new TensorVector(values, near), 1);
                        Tensor all = torch.cat(new TensorVector(columns, where), 1);
                        T_TensorTensor_T best = both.topk(Math.min(kept, both.size(1)), 1, false, true);
                        near = new Tensor(best.get0());
                        where = all.gather(1, new Tensor(best.get1()));
                    }
                    values = scope.keep(near);
                    columns = scope.keep(where);
                }
            }
            return new Candidates(Tensors.floats(values), Tensors.longs(columns), kept);
        }

        /** The exact squared distance to the k-th neighbour, for each k. */
        double[] squaredRadii(ExactDistances all, int row, int i, int... ks) {
            int largest = Arrays.stream(ks).max().orElseThrow();
            double error = all.rowError(row + i);
            // Whatever is truly among the k nearest is at most two errors behind the one that looks the k-th.
            double limit = (double) distances[i * kept + largest] + 2 * error;
            boolean complete = kept == all.columns() || distances[i * kept + kept - 1] > limit;
            int near = kept;
            while (distances[i * kept + near - 1] > limit) {
                near--;
            }
            double[] exact = new double[near];
            for (int c = 0; c < near; c++) {
                exact[c] = all.exact(row + i, (int) columns[i * kept + c]);
            }
            Arrays.sort(exact);
            // Without the full list a k-th distance of 0 is still right: there is none smaller.
            if (!complete && exact[largest] > 0) {
                exact = new double[all.columns()];
                for (int j = 0; j < exact.length; j++) {
                    exact[j] = all.exact(row + i, j);
                }
                Arrays.sort(exact);
            }
            double[] radii = new double[ks.length];
            for (int s = 0; s < ks.length; s++) {
                radii[s] = exact[ks[s]];
            }
            return radii;
        }
    }
}
