package org.mezzotint.models.layers;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.tensor.Shapes;

/**
 * Neighbourhood attention (arXiv:2204.07143v5; arXiv:2401.11605v1, section 3.2.3): every token of a map attends to the k × k
 * tokens around it. At a border the window is shifted inwards, so that it always holds k² tokens.
 *
 * <p>The map is cut into tiles of about 8 × 8 queries. All queries of a tile look at one window of keys, the union of their
 * neighbourhoods, with a bias of −∞ on what lies outside of a query's own: dense products, no scatter, gradients that do
 * not depend on the order of threads. Work and memory are linear in the number of tokens: one row of tiles is worked on
 * at a time, and the biases, which differ at the borders only, are made once.
 *
 * <p>Letters: N batch, H × W map, h heads, d head width, t tile side (rows tH, columns tW), s window side, k kernel.
 */
public final class NeighborhoodAttention implements MapAttention {
    private static final int TILE = 8;

    private final Axis rows;
    private final Axis columns;
    private final Tensor rowWindows; // (rows.count · sH,) rows of the map, tile after tile
    private final Tensor columnWindows; // (columns.count · sW,)
    private final Tensor rowQueries; // (rows.count · tH,) with repeats at the end; null if the tiles fit
    private final Tensor columnQueries; // (columns.count · tW,) or null
    private final List<Tensor> biases = new ArrayList<>(); // one a row of tiles: (columns.count, 1, tH·tW, sH·sW)

    /**
     * Prepares windows and biases for maps of one size.
     *
     * @param init places the tables
     * @param height H
     * @param width W
     * @param kernel k, odd, at most H and W
     */
    public NeighborhoodAttention(Init init, int height, int width, int kernel) {
        if (kernel < 1 || kernel % 2 == 0) {
            throw new IllegalArgumentException("kernel must be odd, got " + kernel);
        }
        if (kernel > height || kernel > width) {
            throw new IllegalArgumentException("kernel must be at most the map's height and width, got " + kernel
                    + " for " + height + "x" + width);
        }
        rows = new Axis(height, kernel);
        columns = new Axis(width, kernel);
        rowWindows = init.indices(rows.windows());
        columnWindows = init.indices(columns.windows());
        rowQueries = rows.fits() ? null : init.indices(rows.queries());
        columnQueries = columns.fits() ? null : init.indices(columns.queries());
        Map<String, Tensor> shared = new HashMap<>(); // rows of tiles away from the border have the same bias
        for (int i = 0; i < rows.count; i++) {
            boolean[][] seen = rows.seen(i);
            biases.add(shared.computeIfAbsent(Arrays.deepToString(seen), key -> bias(init, seen)));
        }
    }

    private Tensor bias(Init init, boolean[][] rowSeen) {
        int queries = rows.tile * columns.tile;
        int keys = rows.window * columns.window;
        double[] bias = new double[columns.count * queries * keys];
        int at = 0;
        for (int j = 0; j < columns.count; j++) {
            boolean[][] columnSeen = columns.seen(j);
            for (boolean[] row : rowSeen) {
                for (boolean[] column : columnSeen) {
                    for (boolean keyRow : row) {
                        for (boolean keyColumn : column) {
                            bias[at++] = keyRow && keyColumn ? 0 : Double.NEGATIVE_INFINITY;
                        }
                    }
                }
            }
        }
        return init.fixed(init.precision().compute(), bias, columns.count, 1, queries, keys);
    }

    /**
     * softmax(scale · q·kᵀ) · v over each query's neighbourhood.
     *
     * @param q (N, H, W, h, d)
     * @param k (N, H, W, h, d)
     * @param v (N, H, W, h, d)
     * @param scale of the products
     * @return (N, H, W, h, d)
     */
    @Override
    public Tensor attend(Tensor q, Tensor k, Tensor v, double scale) {
        long[] s = Shapes.of(Shapes.check("q", q, Shapes.ANY, rows.length, columns.length, Shapes.ANY, Shapes.ANY));
        Tensor queries = rowQueries == null ? q : q.index_select(1, rowQueries); // (N, count·tH, W, h, d)
        TensorVector queryRows = queries.split(rows.tile, 1);
        TensorVector keyRows = windowsOfRows(k);
        TensorVector valueRows = windowsOfRows(v);
        TensorVector outputs = new TensorVector();
        for (int i = 0; i < rows.count; i++) {
            Tensor tileQueries = columnQueries == null
                    ? queryRows.get(i)
                    : queryRows.get(i).index_select(2, columnQueries); // (N, tH, count·tW, h, d)
            Tensor y = Attention.attend(
                    tiles(tileQueries, rows.tile, columns.tile),
                    tiles(keyRows.get(i).index_select(2, columnWindows), rows.window, columns.window),
                    tiles(valueRows.get(i).index_select(2, columnWindows), rows.window, columns.window),
                    scale,
                    biases.get(i)); // (columns.count, N·h, tH·tW, d)
            Tensor row = y.view(columns.count, s[0], s[3], rows.tile, columns.tile, s[4])
                    .permute(1, 3, 0, 4, 2, 5)
                    .reshape(s[0], rows.tile, (long) columns.count * columns.tile, s[3], s[4]);
            outputs.push_back(first(row, 2, s[2])); // (N, tH, W, h, d)
        }
        return first(torch.cat(outputs, 1), 1, s[1]); // (N, H, W, h, d)
    }

    @Override
    public boolean sees(int query, int key) {
        return rows.near(query / columns.length, key / columns.length)
                && columns.near(query % columns.length, key % columns.length);
    }

    /** The first so many; a slice of all would cost a copy in the backward pass. */
    private static Tensor first(Tensor x, long dimension, long count) {
        return x.size(dimension) == count ? x : x.narrow(dimension, 0, count);
    }

    /**
     * The rows that each row of tiles looks at, rows.count × (N, sH, W, h, d). One gather and one split: the backward pass of
     * slices taken one by one would fill a whole map of zeros for each.
     */
    private TensorVector windowsOfRows(Tensor map) {
        if (map.requires_grad()) {
            return map.index_select(1, rowWindows).split(rows.window, 1);
        }
        TensorVector windows = new TensorVector();
        for (int i = 0; i < rows.count; i++) {
            windows.push_back(map.narrow(1, rows.start(i), rows.window));
        }
        return windows;
    }

    /** (N, a, count·b, h, d) → (count, N·h, a·b, d). */
    private Tensor tiles(Tensor map, long a, long b) {
        long[] s = map.shape();
        return map.view(s[0], a, columns.count, b, s[3], s[4])
                .permute(2, 0, 4, 1, 3, 5)
                .reshape(columns.count, s[0] * s[3], a * b, s[4]);
    }

    /** How one side of the map is cut. */
    private static final class Axis {
        final int length;
        final int kernel;
        final int count; // tiles
        final int tile; // queries of a tile
        final int window; // keys that a tile looks at

        Axis(int length, int kernel) {
            this.length = length;
            this.kernel = kernel;
            count = (length + TILE - 1) / TILE;
            tile = (length + count - 1) / count;
            window = Math.min(length, tile + kernel - 1);
        }

        boolean fits() {
            return count * tile == length;
        }

        private int clamp(int first, int size) {
            return Math.max(0, Math.min(first, length - size));
        }

        /** Whether a key is among the kernel's keys of a query. */
        boolean near(int query, int key) {
            int first = clamp(query - kernel / 2, kernel);
            return key >= first && key < first + kernel;
        }

        /** First key of a tile's window. */
        int start(int i) {
            return clamp(i * tile - kernel / 2, window);
        }

        /** The query at place a of tile i; places beyond the map repeat its last one. */
        int query(int i, int a) {
            return Math.min(i * tile + a, length - 1);
        }

        long[] queries() {
            long[] all = new long[count * tile];
            for (int p = 0; p < all.length; p++) {
                all[p] = query(p / tile, p % tile);
            }
            return all;
        }

        long[] windows() {
            long[] all = new long[count * window];
            for (int p = 0; p < all.length; p++) {
                all[p] = (long) start(p / window) + p % window;
            }
            return all;
        }

        /** Which keys of tile i's window each of its queries sees, [tile][window]. */
        boolean[][] seen(int i) {
            boolean[][] seen = new boolean[tile][window];
            for (int a = 0; a < tile; a++) {
                int first = clamp(query(i, a) - kernel / 2, kernel) - start(i);
                Arrays.fill(seen[a], first, first + kernel, true);
            }
            return seen;
        }
    }
}
