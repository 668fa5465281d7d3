package org.mezzotint.eval;

import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.io.InputException;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Shapes;
import org.mezzotint.tensor.Tensors;

/**
 * Squared distances between two sets of vectors: all of them fast, by a matrix product in float32 with a bound on their
 * error, and single ones exactly, Σ (a − b)² in float64. Whoever compares distances asks for exact ones only where the bound
 * leaves a comparison open, so that ties are decided as if all were exact.
 *
 * <p>Lives in the caller's scope.
 */
final class ExactDistances {
    /** Half the distance of float32 numbers near 1. */
    private static final double UNIT = 0x1.0p-24;
    /** Rounding steps of one element besides those of the product of D numbers. */
    private static final int OTHER_STEPS = 24;

    private static final long BLOCK = 4096;

    private final Vectors a;
    private final Vectors b;
    private final Centred centredA;
    private final Centred centredB;
    /** 2^(2e): what turns squared distances of scaled vectors into real ones. */
    private final double scale;

    /** Vectors as stored, with single rows read into Java. */
    private static final class Vectors {
        final int count;
        final int dims;
        final Tensor stored;
        private final FloatPointer floats;
        private final DoublePointer doubles;
        private final float[] single;
        private final double[] row;
        private int at = -1;

        Vectors(Tensor features) {
            Shapes.check("features", features, Shapes.ANY, Shapes.ANY);
            count = Math.toIntExact(features.size(0));
            dims = Math.toIntExact(features.size(1));
            boolean wide = Tensors.type(features) == ScalarType.Double;
            stored = features.cpu()
                    .to(wide ? ScalarType.Double : ScalarType.Float)
                    .contiguous();
            floats = wide ? null : stored.data_ptr_float();
            doubles = wide ? stored.data_ptr_double() : null;
            single = new float[dims];
            row = new double[dims];
        }

        /** The row in float64; valid until the next call. */
        double[] row(int i) {
            if (i != at) {
                at = i;
                if (doubles != null) {
                    doubles.position((long) i * dims).get(row, 0, dims);
                } else {
                    floats.position((long) i * dims).get(single, 0, dims);
                    for (int d = 0; d < dims; d++) {
                        row[d] = single[d];
                    }
                }
            }
            return row;
        }
    }

    /** Vectors less a centre, divided by a power of two, in float32, and the norms of those. */
    @SuppressWarnings("ArrayRecordComponent") // a carrier, never compared
    private record Centred(Tensor vectors, Tensor squares, double[] norms, double largest) {}

    /** Between the vectors of one set. */
    static ExactDistances within(Tensor features) {
        return new ExactDistances(features, features, true);
    }

    /** Between the vectors of two sets: rows and columns. */
    static ExactDistances between(Tensor first, Tensor second) {
        return new ExactDistances(first, second, false);
    }

    private ExactDistances(Tensor first, Tensor second, boolean same) {
        a = new Vectors(first);
        b = new Vectors(second);
        if (a.dims != b.dims) {
            throw new InputException("both sets must have as many dimensions, got " + a.dims + " and " + b.dims
                    + ": their features are of different extractors");
        }
        if (a.count == 0 || b.count == 0) {
            throw new InputException("both sets must hold pictures, got " + a.count + " and " + b.count);
        }
        Tensor centre = mean(a.stored);
        double reach = Math.max(reach(a.stored, centre), reach(b.stored, centre));
        if (!Double.isFinite(reach)) {
            throw new InputException("features must be finite");
        }
        int exponent = reach == 0 ? 0 : Math.getExponent(reach) + 1;
        scale = Math.scalb(1.0, 2 * exponent);
        centredA = centred(a.stored, centre, exponent);
        centredB = same ? centredA : centred(b.stored, centre, exponent);
    }

    int rows() {
        return a.count;
    }

    int columns() {
        return b.count;
    }

    private static Tensor mean(Tensor x) {
        try (Scope scope = Scope.open()) {
            Tensor total = Tensors.empty(ScalarType.Double, x.size(1)).zero_();
            for (long from = 0; from < x.size(0); from += BLOCK) {
                try (Scope inner = Scope.open()) {
                    total.add_(block(x, from).sum(0));
                }
            }
            return scope.keep(total.div(Scalars.of(x.size(0))));
        }
    }

    private static Tensor block(Tensor x, long from) {
        return x.narrow(0, from, Math.min(BLOCK, x.size(0) - from)).to(ScalarType.Double);
    }

    /** The largest distance from the centre. */
    private static double reach(Tensor x, Tensor centre) {
        double largest = 0;
        for (long from = 0; from < x.size(0); from += BLOCK) {
            try (Scope inner = Scope.open()) {
                Tensor apart = block(x, from).sub(centre);
                double reach = Math.sqrt(apart.mul(apart).sum(1).max().item_double());
                if (!Double.isFinite(reach)) {
                    return Double.NaN;
                }
                largest = Math.max(largest, reach);
            }
        }
        return largest;
    }

    private static Centred centred(Tensor x, Tensor centre, int exponent) {
        Tensor vectors = Tensors.empty(ScalarType.Float, x.size(0), x.size(1));
        double[] norms = new double[Math.toIntExact(x.size(0))];
        double largest = 0;
        for (long from = 0; from < x.size(0); from += BLOCK) {
            try (Scope inner = Scope.open()) {
                Tensor block = block(x, from)
                        .sub(centre)
                        .mul(Scalars.of(Math.scalb(1.0, -exponent)))
                        .to(ScalarType.Float);
                vectors.narrow(0, from, block.size(0)).copy_(block);
                Tensor wide = block.to(ScalarType.Double);
                double[] squares = Tensors.doubles(wide.mul(wide).sum(1));
                for (int i = 0; i < squares.length; i++) {
                    norms[(int) from + i] = Math.sqrt(squares[i]);
                    largest = Math.max(largest, norms[(int) from + i]);
                }
            }
        }
        double[] squares = new double[norms.length];
        for (int i = 0; i < norms.length; i++) {
            squares[i] = norms[i] * norms[i];
        }
        return new Centred(vectors, Tensors.of(squares).to(ScalarType.Float), norms, largest);
    }

    /** Approximate squared distances (rows, columns) of a block, divided by {@link #scale}, float32 in the caller's scope. */
    Tensor block(int row, int rows, int column, int columns) {
        try (Scope scope = Scope.open()) {
            Tensor x = centredA.vectors.narrow(0, row, rows);
            Tensor y = centredB.vectors.narrow(0, column, columns);
            Tensor product = torch.addmm(
                    centredB.squares.narrow(0, column, columns).view(1, columns),
                    x,
                    y.t(),
                    new Scalar(1.0),
                    new Scalar(-2.0));
            product.add_(centredA.squares.narrow(0, row, rows).view(rows, 1));
            return scope.keep(product);
        }
    }

    /** Turns a squared distance into the unit of {@link #block}. */
    double scaled(double squared) {
        return squared / scale;
    }

    /** How far an element of row i of {@link #block} may be from the scaled exact distance. */
    double rowError(int i) {
        return error(centredA.norms[i], centredB.largest);
    }

    /** The like for an element of column j. */
    double columnError(int j) {
        return error(centredB.norms[j], centredA.largest);
    }

    /** Each rounding step errs by at most UNIT times the sum of the terms' sizes, which is (|x| + |y|)². */
    private double error(double norm, double largest) {
        return (a.dims + OTHER_STEPS) * UNIT * (norm + largest) * (norm + largest);
    }

    /** Σ (aᵢ − bⱼ)² in float64, in the order of dimensions: exactly equal for equal differences. */
    double exact(int i, int j) {
        double[] x = a.row(i);
        double[] y = b.row(j);
        double sum = 0;
        for (int d = 0; d < x.length; d++) {
            double apart = x[d] - y[d];
            sum += apart * apart;
        }
        return sum;
    }
}
