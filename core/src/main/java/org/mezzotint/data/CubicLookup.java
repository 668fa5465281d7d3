package org.mezzotint.data;

import org.mezzotint.data.Transforms.Filter;

/** Rows of a warped picture, looked up in the original by cubic convolution in float64. */
final class CubicLookup {
    private static final int TAPS = 4;

    private final float[] picture; // (C, H, W)
    private final int channels;
    private final int height;
    private final int width;
    private final double[] matrix;
    private final double determinant;

    /** Warps (C, H, W) by a matrix (3, 3) that takes points (column, row, 1) of the original to the result. */
    CubicLookup(float[] picture, int channels, int height, int width, double[] matrix) {
        this.picture = picture;
        this.channels = channels;
        this.height = height;
        this.width = width;
        this.matrix = matrix;
        determinant = matrix[0] * matrix[4] - matrix[1] * matrix[3];
    }

    /** Row y of the result, (C, W). */
    double[] row(int y) {
        double[] row = new double[channels * width];
        Taps columns = new Taps();
        Taps rows = new Taps();
        double dy = y - matrix[5];
        for (int x = 0; x < width; x++) {
            double dx = x - matrix[2];
            columns.around((matrix[4] * dx - matrix[1] * dy) / determinant, width);
            rows.around((matrix[0] * dy - matrix[3] * dx) / determinant, height);
            for (int c = 0; c < channels; c++) {
                row[c * width + x] = sum(c * height, rows, columns);
            }
        }
        return row;
    }

    private double sum(int firstRow, Taps rows, Taps columns) {
        double sum = 0;
        for (int j = 0; j < TAPS; j++) {
            int start = (firstRow + rows.at[j]) * width;
            double line = 0;
            for (int i = 0; i < TAPS; i++) {
                line += columns.weight[i] * picture[start + columns.at[i]];
            }
            sum += rows.weight[j] * line;
        }
        return sum;
    }

    /** The four pixels nearest to a place on one axis, and what each counts. */
    private static final class Taps {
        final int[] at = new int[TAPS];
        final double[] weight = new double[TAPS];

        void around(double place, int length) {
            double first = Math.floor(place) - 1;
            for (int i = 0; i < TAPS; i++) {
                at[i] = reflected((long) first + i, length);
                weight[i] = Filter.BICUBIC.at(place - first - i);
            }
        }

        /** … 2 1 0 1 2 … n−2 n−1 n−2 … */
        private static int reflected(long i, int length) {
            if (length == 1) {
                return 0;
            }
            int last = length - 1;
            int folded = (int) Math.floorMod(i, 2L * last);
            return folded > last ? 2 * last - folded : folded;
        }
    }
}
