package org.mezzotint.data;

import java.util.random.RandomGenerator;

/**
 * Augmentation that does not leak: pictures are warped at random and the network is told how, so that it draws upright
 * ones when told of no warp (arXiv:2206.00364, appendix F.2).
 *
 * <p>One picture in two is mirrored left to right. Turning upside down (again one picture in two), scaling, rotating,
 * stretching and shifting come with a probability each. A picture is warped once, by the product of all. Order,
 * interpolation and border are those of the code that trained the models of arXiv:2401.11605.
 *
 * @param probability of each transformation but the mirror, above 0 and at most 1; HDiT for FFHQ took 0.12
 */
public record GeometricAugmentation(double probability) {
    /** How many numbers tell the network of a warp. */
    public static final int CONDITION_LENGTH = 9;

    /** Uniform numbers of a picture: flip?, scale?, rotate?, angle, stretch?, angle, shift? */
    private static final int UNIFORM = 7;

    /** Normal numbers of a picture: scale, stretch, two shifts. */
    private static final int NORMAL = 4;

    /** Checks the probability. */
    public GeometricAugmentation {
        if (!(probability > 0 && probability <= 1)) {
            throw new IllegalArgumentException("probability must be above 0 and at most 1, got " + probability);
        }
    }

    /**
     * Draws the warp of one picture. The same count of numbers is drawn for any probability.
     *
     * @param random the picture's own stream
     * @return a warp, often the identity or the mirror
     */
    public Warp draw(RandomGenerator random) {
        boolean[] bits = {random.nextBoolean(), random.nextBoolean()};
        double[] u = new double[UNIFORM];
        for (int i = 0; i < UNIFORM; i++) {
            u[i] = random.nextDouble();
        }
        double[] n = new double[NORMAL];
        for (int i = 0; i < NORMAL; i++) {
            n[i] = random.nextGaussian();
        }
        return warp(bits, u, n);
    }

    /** The warp that follows from two random bits, seven uniform and four normal numbers. */
    Warp warp(boolean[] bits, double[] u, double[] n) {
        boolean rotate = u[2] < probability;
        boolean stretch = u[4] < probability;
        boolean shift = u[6] < probability;
        return new Warp(
                bits[0],
                bits[1] && u[0] < probability,
                u[1] < probability ? n[0] : 0,
                rotate ? angle(u[3]) : 0,
                stretch ? angle(u[5]) : 0,
                stretch ? n[1] : 0,
                shift ? n[2] : 0,
                shift ? n[3] : 0);
    }

    private static double angle(double u) {
        return u * 2 * Math.PI - Math.PI;
    }

    /**
     * One warp of a picture around its centre: a0 to a7 of the paper. All zero is the identity.
     *
     * @param mirrored a0: whether left and right are exchanged
     * @param upsideDown a1: whether up and down are exchanged
     * @param scale a2: enlarges 2^(0.2·a2) times
     * @param rotation a3: angle, counter-clockwise as one looks at the picture
     * @param stretchAngle a4: angle from the x axis towards the y axis, which points down
     * @param stretch a5: stretches 2^(0.2·a5) times along that direction and shrinks as much across it
     * @param shiftX a6: eighths of the picture's height to the right
     * @param shiftY a7: eighths of the picture's width down
     */
    public record Warp(
            boolean mirrored,
            boolean upsideDown,
            double scale,
            double rotation,
            double stretchAngle,
            double stretch,
            double shiftX,
            double shiftY) {
        /** Checks that the numbers are finite. */
        public Warp {
            if (!Double.isFinite(scale + rotation + stretchAngle + stretch + shiftX + shiftY)) {
                throw new IllegalArgumentException("the numbers of a warp must be finite, got scale " + scale
                        + ", rotation " + rotation + ", stretch " + stretch + " at " + stretchAngle + ", shift "
                        + shiftX
                        + " and " + shiftY);
            }
        }

        /**
         * What the network is told: [a0, a1, a2, cos a3 − 1, sin a3, a5 cos a4, a5 sin a4, a6, a7].
         *
         * @return (9,), all 0 for the identity
         */
        public double[] condition() {
            return new double[] {
                mirrored ? 1 : 0,
                upsideDown ? 1 : 0,
                scale,
                StrictMath.cos(rotation) - 1,
                StrictMath.sin(rotation),
                stretch * StrictMath.cos(stretchAngle),
                stretch * StrictMath.sin(stretchAngle),
                shiftX,
                shiftY
            };
        }

        /**
         * Where a pixel goes: {@code L·(p + s − c) + c} with c the picture's centre, s the shift and L = flips · scale ·
         * rotation · stretch. A point is (column, row, 1), pixel centres are whole numbers.
         *
         * <p>s is (a6·H/8, a7·W/8): one would expect W/8 and H/8, but the code of arXiv:2401.11605 has the sides exchanged.
         * Square pictures do not notice.
         *
         * @param height H
         * @param width W
         * @return (3, 3) row by row
         */
        public double[] matrix(int height, int width) {
            double along = power(stretch);
            double across = 1 / along;
            double u = StrictMath.cos(stretchAngle);
            double v = StrictMath.sin(stretchAngle);
            double xx = along * u * u + across * v * v;
            double xy = (along - across) * u * v;
            double yy = along * v * v + across * u * u;
            double cos = power(scale) * StrictMath.cos(rotation);
            double sin = power(scale) * StrictMath.sin(rotation);
            double flipX = mirrored ? -1 : 1;
            double flipY = upsideDown ? -1 : 1;
            double a = flipX * (cos * xx + sin * xy);
            double b = flipX * (cos * xy + sin * yy);
            double c = flipY * (cos * xy - sin * xx);
            double d = flipY * (cos * yy - sin * xy);
            double centreX = (width - 1) / 2.0;
            double centreY = (height - 1) / 2.0;
            double x = shiftX * height / 8 - centreX;
            double y = shiftY * width / 8 - centreY;
            return new double[] {a, b, a * x + b * y + centreX, c, d, c * x + d * y + centreY, 0, 0, 1};
        }

        private static double power(double a) {
            return StrictMath.pow(2, 0.2 * a);
        }

        /**
         * Warps a picture (C, H, W): each pixel of the result is looked up where it came from, by cubic convolution with
         * a = −1/2; outside, the picture is continued by its mirror image without a second border pixel. Nothing is clipped:
         * numbers in [−1, 1] can come out a little beyond.
         *
         * @param picture C·H·W numbers
         * @param channels C
         * @param height H
         * @param width W
         * @return C·H·W numbers
         */
        public float[] apply(float[] picture, int channels, int height, int width) {
            if (picture.length != (long) channels * height * width) {
                throw new IllegalArgumentException("picture must hold " + channels + "·" + height + "·" + width
                        + " numbers, got " + picture.length);
            }
            CubicLookup lookup = new CubicLookup(picture, channels, height, width, matrix(height, width));
            float[] warped = new float[picture.length];
            for (int y = 0; y < height; y++) {
                double[] row = lookup.row(y); // (C, W)
                for (int i = 0; i < row.length; i++) {
                    warped[(i / width * height + y) * width + i % width] = (float) row[i];
                }
            }
            return warped;
        }
    }
}
