package org.mezzotint.sample;

import org.bytedeco.pytorch.Tensor;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** Random numbers for {@link SigmaSampler}, from streams of their own for each picture. */
public final class SigmaNoise {
    private static final long DRAW = 0x64726177L;
    private static final long TREE = 0x74726565L;
    private static final int DEPTH = 20;

    private SigmaNoise() {}

    /** Fills (C, H, W) of picture {@code index} with numbers for going from one level to another. */
    private interface Filler {
        void fill(Tensor picture, long seed, int draw, double sigma, double next);
    }

    private static SigmaSampler.StepNoise each(long[] seeds, Filler filler) {
        return (draw, sigma, next, like, first) -> {
            if (first + like.size(0) > seeds.length) {
                throw new IllegalArgumentException(
                        "the batch must have one picture a seed, got " + like.size(0) + " and " + seeds.length);
            }
            try (Scope scope = Scope.open()) {
                Tensor noise = Tensors.empty(Tensors.type(like), like.shape());
                for (int i = 0; i < like.size(0); i++) {
                    filler.fill(noise.select(0, i), seeds[first + i], draw, sigma, next);
                }
                return scope.keep(like.device().is_cpu() ? noise : noise.to(like.device(), Tensors.type(like)));
            }
        };
    }

    /**
     * Independent numbers for each draw.
     *
     * @param seeds one a picture
     * @return the source
     */
    public static SigmaSampler.StepNoise independent(long... seeds) {
        return each(seeds.clone(), (picture, seed, draw, sigma, next) -> {
            try (Rng rng = new Rng(Rng.mix(seed, DRAW, draw))) {
                rng.fillNormal(picture);
            }
        });
    }

    /**
     * Increments of one Brownian path a picture, so that runs with different numbers of steps see the same path and give
     * similar pictures: (W(ln σ_next) − W(ln σ))/√|ln σ_next − ln σ|. The path is a virtual tree (arXiv:2001.01328, section 4):
     * values between two known ones follow from numbers that depend on the seed and the place alone.
     *
     * @param sigmaMin lowest level above 0
     * @param sigmaMax highest level
     * @param seeds one a picture
     * @return the source
     */
    public static SigmaSampler.StepNoise brownian(double sigmaMin, double sigmaMax, long... seeds) {
        if (!(sigmaMin > 0 && sigmaMin < sigmaMax)) {
            throw new IllegalArgumentException(
                    "sigmaMin must be above 0 and below sigmaMax, got " + sigmaMin + " and " + sigmaMax);
        }
        double low = Math.log(sigmaMin);
        double high = Math.log(sigmaMax);
        return each(seeds.clone(), (picture, seed, draw, sigma, next) -> {
            double from = inside(Math.log(sigma), low, high);
            double to = inside(Math.log(next), low, high);
            Tensor start = path(picture, seed, from, low, high);
            Tensor end = path(picture, seed, to, low, high);
            picture.copy_(end.sub(start).div(Scalars.of(Math.sqrt(Math.abs(to - from)))));
        });
    }

    private static double inside(double t, double low, double high) {
        return Math.max(low, Math.min(t, high));
    }

    /** W(t), W(low) = 0. */
    private static Tensor path(Tensor like, long seed, double t, double low, double high) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(seed)) {
            double a = low;
            double b = high;
            Tensor wa = Tensors.empty(Tensors.type(like), like.shape()).zero_();
            Tensor wb = normal(rng, like, Rng.mix(seed, TREE, 0)).mul(Scalars.of(Math.sqrt(b - a)));
            long node = 1;
            for (int depth = 0; depth < DEPTH && t != a && t != b; depth++) {
                double middle = (a + b) / 2;
                Tensor w = normal(rng, like, Rng.mix(seed, TREE, node))
                        .mul(Scalars.of(Math.sqrt(b - a) / 2))
                        .add(wa.add(wb).div(Scalars.of(2)));
                boolean left = t <= middle;
                node = 2 * node + (left ? 0 : 1);
                if (left) {
                    b = middle;
                    wb = w;
                } else {
                    a = middle;
                    wa = w;
                }
            }
            double share = (t - a) / (b - a); // far below any step: linear
            return scope.keep(wa.add(wb.sub(wa).mul(Scalars.of(share))));
        }
    }

    private static Tensor normal(Rng rng, Tensor like, long seed) {
        Tensor normal = Tensors.empty(Tensors.type(like), like.shape());
        rng.reseed(seed).fillNormal(normal);
        return normal;
    }
}
