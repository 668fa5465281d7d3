package org.mezzotint.sample;

import java.util.Arrays;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.tensor.Scope;

/** All random numbers of a batch of pictures: those of the start and those of the steps, whichever solver asks. */
public sealed interface NoiseSource extends Sampler.StepNoise, AutoCloseable {
    /**
     * The starting noise (N, C, H, W), to be drawn first.
     *
     * @param type Float or Double; they have different streams
     * @param channels C
     * @param height H
     * @param width W
     * @return on the CPU
     */
    Tensor initial(ScalarType type, long channels, long height, long width);

    /**
     * Independent numbers for the steps of solvers that count in σ.
     *
     * @return the source
     */
    SigmaSampler.StepNoise independent();

    /**
     * Increments of one Brownian path a picture, as {@link SigmaNoise#brownian} says.
     *
     * @param sigmaMin lowest level above 0
     * @param sigmaMax highest level
     * @return the source
     */
    SigmaSampler.StepNoise brownian(double sigmaMin, double sigmaMax);

    @Override
    void close();

    /**
     * One stream a picture.
     *
     * @param seeds one a picture
     * @return to be closed
     */
    static NoiseSource of(long... seeds) {
        return new OfSeeds(seeds.clone(), new SeededNoise(seeds));
    }

    /**
     * Pictures on the way from one seed to another. Each draw is cos(πf/2)·first + sin(πf/2)·second, which has the variance of
     * either, so that every picture on the way is as likely as the ends.
     *
     * @param from the seed at fraction 0
     * @param to the seed at fraction 1
     * @param fractions f, one a picture, 0 to 1
     * @return to be closed
     */
    static NoiseSource between(long from, long to, double... fractions) {
        return new Between(from, to, fractions);
    }

    /** One stream a picture. */
    record OfSeeds(long[] seeds, SeededNoise steps) implements NoiseSource {
        @Override
        public Tensor initial(ScalarType type, long channels, long height, long width) {
            return steps.initial(type, channels, height, width);
        }

        @Override
        public Tensor draw(int step, Tensor like) {
            return steps.draw(step, like);
        }

        @Override
        public SigmaSampler.StepNoise independent() {
            return SigmaNoise.independent(seeds);
        }

        @Override
        public SigmaSampler.StepNoise brownian(double sigmaMin, double sigmaMax) {
            return SigmaNoise.brownian(sigmaMin, sigmaMax, seeds);
        }

        @Override
        public void close() {
            steps.close();
        }
    }

    /** Two streams a picture, mixed. */
    final class Between implements NoiseSource {
        private final NoiseSource first;
        private final NoiseSource second;
        private final double[] shareOfFirst;
        private final double[] shareOfSecond;

        Between(long from, long to, double[] fractions) {
            int n = fractions.length;
            shareOfFirst = new double[n];
            shareOfSecond = new double[n];
            long[] froms = new long[n];
            long[] tos = new long[n];
            for (int i = 0; i < n; i++) {
                double f = fractions[i];
                if (!(f >= 0 && f <= 1)) {
                    throw new IllegalArgumentException("fractions must be 0 to 1, got " + f);
                }
                shareOfFirst[i] = f == 1 ? 0 : Math.cos(Math.PI / 2 * f);
                shareOfSecond[i] = Math.sin(Math.PI / 2 * f);
                froms[i] = from;
                tos[i] = to;
            }
            first = NoiseSource.of(froms);
            second = NoiseSource.of(tos);
        }

        private Tensor mix(Tensor a, Tensor b, int from) {
            return a.mul(part(shareOfFirst, from, a)).add(b.mul(part(shareOfSecond, from, b)));
        }

        private static Tensor part(double[] shares, int from, Tensor like) {
            return Blend.column(Arrays.copyOfRange(shares, from, from + Math.toIntExact(like.size(0))), like);
        }

        @Override
        public Tensor initial(ScalarType type, long channels, long height, long width) {
            try (Scope scope = Scope.open()) {
                return scope.keep(mix(
                        first.initial(type, channels, height, width),
                        second.initial(type, channels, height, width),
                        0));
            }
        }

        @Override
        public Tensor draw(int step, Tensor like) {
            try (Scope scope = Scope.open()) {
                return scope.keep(mix(first.draw(step, like), second.draw(step, like), 0));
            }
        }

        @Override
        public SigmaSampler.StepNoise independent() {
            return mixed(first.independent(), second.independent());
        }

        @Override
        public SigmaSampler.StepNoise brownian(double sigmaMin, double sigmaMax) {
            return mixed(first.brownian(sigmaMin, sigmaMax), second.brownian(sigmaMin, sigmaMax));
        }

        private SigmaSampler.StepNoise mixed(SigmaSampler.StepNoise a, SigmaSampler.StepNoise b) {
            return (draw, sigma, next, like, from) -> {
                try (Scope scope = Scope.open()) {
                    return scope.keep(
                            mix(a.draw(draw, sigma, next, like, from), b.draw(draw, sigma, next, like, from), from));
                }
            };
        }

        @Override
        public void close() {
            first.close();
            second.close();
        }
    }
}
