package org.mezzotint.models.layers;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Shapes;
import org.mezzotint.tensor.Tensors;

/**
 * Which entry of a table of relative positions belongs to a query and a key of one window: {@code index[i, j] =
 * (rᵢ − rⱼ + R − 1) · (2C − 1) + (cᵢ − cⱼ + C − 1)} for tokens in row-major order.
 *
 * <p>Letters: R × C window, T = R·C tokens, M = (2R − 1)·(2C − 1) entries, h heads. Layers with windows of one size share
 * one object: at 32 × 32 tokens the index takes 8 MB.
 */
public final class RelativePositions {
    /** Tokens of the largest window: its index takes 128 MB. */
    public static final int MAX_TOKENS = 4096;

    /** Name of the learned table (M, h) in state dicts. */
    public static final String TABLE = "relative_position_bias_table";

    /** Name of the index (T, T) in state dicts. */
    public static final String INDEX = "relative_position_index";

    private final int rows;
    private final int columns;
    private final Tensor index; // (T, T) int64

    /**
     * Makes the index.
     *
     * @param init places it
     * @param rows R
     * @param columns C
     */
    public RelativePositions(Init init, int rows, int columns) {
        if (rows < 1 || columns < 1) {
            throw new IllegalArgumentException("a window's sides must be at least 1, got " + rows + " and " + columns);
        }
        if ((long) rows * columns > MAX_TOKENS) {
            throw new IllegalArgumentException("a window of relative positions must have at most " + MAX_TOKENS
                    + " tokens, got " + rows + "x" + columns);
        }
        this.rows = rows;
        this.columns = columns;
        index = init.indices(index(rows, columns)).view(tokens(), tokens());
    }

    /**
     * The index as numbers.
     *
     * @param rows R
     * @param columns C
     * @return T·T entries, queries slowest
     */
    public static long[] index(int rows, int columns) {
        int tokens = rows * columns;
        long[] index = new long[tokens * tokens];
        for (int i = 0; i < tokens; i++) {
            for (int j = 0; j < tokens; j++) {
                int down = i / columns - j / columns + rows - 1;
                int across = i % columns - j % columns + columns - 1;
                index[i * tokens + j] = (long) down * (2L * columns - 1) + across;
            }
        }
        return index;
    }

    /**
     * Rows of a window.
     *
     * @return R
     */
    public int rows() {
        return rows;
    }

    /**
     * Columns of a window.
     *
     * @return C
     */
    public int columns() {
        return columns;
    }

    /**
     * Tokens of a window.
     *
     * @return T
     */
    public int tokens() {
        return rows * columns;
    }

    /**
     * Entries of a table.
     *
     * @return M
     */
    public int entries() {
        return (2 * rows - 1) * (2 * columns - 1);
    }

    /**
     * The index as the tensor that state dicts store.
     *
     * @return (T, T) int64, this object's own
     */
    public Tensor index() {
        return index;
    }

    /**
     * The bias of every query and key.
     *
     * @param table (M, h)
     * @return (h, T, T)
     */
    public Tensor expand(Tensor table) {
        Shapes.check("table", table, entries(), Shapes.ANY);
        long h = table.size(1);
        long t = tokens();
        // For a query, the entries of the keys are a window of the table turned by half: no gather, and a backward
        // pass that adds windows, five times as fast as that of an embedding.
        return table.t()
                .reshape(h, 2L * rows - 1, 2L * columns - 1)
                .flip(1, 2)
                .unfold(1, rows, 1)
                .unfold(2, columns, 1) // (h, R, C, R, C), queries from the last to the first
                .flip(1, 2)
                .reshape(h, t, t);
    }

    /**
     * The bias of some queries over a whole map that is cut into windows, row by row from its top left corner.
     *
     * @param table (M, h)
     * @param height of the map in tokens
     * @param width of the map in tokens
     * @param queries tokens of the map in row-major order
     * @return (h, Q, height · width), −∞ at keys of other windows
     */
    public Tensor expand(Tensor table, int height, int width, long[] queries) {
        Shapes.check("table", table, entries(), Shapes.ANY);
        int keys = height * width;
        long[] places = new long[queries.length * keys];
        for (int i = 0; i < queries.length; i++) {
            int row = (int) (queries[i] / width);
            int column = (int) (queries[i] % width);
            for (int j = 0; j < keys; j++) {
                boolean together = row / rows == j / width / rows && column / columns == j % width / columns;
                int down = row % rows - j / width % rows + rows - 1;
                int across = column % columns - j % width % columns + columns - 1;
                places[i * keys + j] = together ? (long) down * (2L * columns - 1) + across : entries();
            }
        }
        try (Scope scope = Scope.open()) {
            Tensor outside = torch.full(
                    new long[] {1, table.size(1)},
                    Scalars.of(Double.NEGATIVE_INFINITY),
                    Tensors.options(Tensors.type(table), table.device()));
            Tensor index = Tensors.of(places).to(table.device(), ScalarType.Long);
            Tensor bias = torch.cat(new TensorVector(table, outside), 0).index_select(0, index); // (Q·T, h)
            return scope.keep(bias.view(queries.length, keys, table.size(1))
                    .permute(2, 0, 1)
                    .contiguous());
        }
    }
}
