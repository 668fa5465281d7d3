package org.mezzotint.train;

import java.util.Arrays;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.data.Dataset;
import org.mezzotint.diffusion.DiffusionConfig;
import org.mezzotint.diffusion.SigmaDenoiser;
import org.mezzotint.models.Model;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * How well a model guesses clean pictures: the mean squared error of x_0, unweighted, at sixteen log SNRs from −9 to 9 in even
 * steps, with fixed noise. Models of any kind of training compare by it, which their losses do not.
 */
public final class DenoisingError {
    private static final int LEVELS = 16;
    private static final double LOWEST = -9;
    private static final double STEP = 1.2;

    /**
     * The errors.
     *
     * @param mean over all levels and pictures
     * @param levels mean over the pictures at each level, from the noisiest
     */
    public record Result(double mean, double[] levels) {}

    private final Dataset pictures;
    private final int count;
    private final int batchSize;

    /**
     * Prepares the measurement.
     *
     * @param pictures held out of training, opened without random flips
     * @param count the first so many of them are used, at every level
     * @param batchSize pictures at once; does not change the result beyond rounding
     */
    public DenoisingError(Dataset pictures, int count, int batchSize) {
        if (count < 1 || count > pictures.size()) {
            throw new IllegalArgumentException(
                    "count must be 1 to the " + pictures.size() + " held-out pictures, got " + count);
        }
        this.pictures = pictures;
        this.count = count;
        this.batchSize = batchSize;
    }

    /**
     * The log SNRs.
     *
     * @return rising from the noisiest
     */
    public static double[] logSnrs() {
        double[] values = new double[LEVELS];
        Arrays.setAll(values, i -> LOWEST + STEP * i);
        return values;
    }

    /**
     * Evaluates a model.
     *
     * @param model not changed
     * @param diffusion what it was trained to do
     * @return the errors
     */
    public Result evaluate(Model model, DiffusionConfig diffusion) {
        double[] sums = new double[LEVELS];
        try (NoGradGuard noGrad = new NoGradGuard()) {
            for (int first = 0; first < count; first += batchSize) {
                add(model, diffusion, first, Math.min(batchSize, count - first), sums);
            }
        }
        double[] levels = Arrays.stream(sums).map(sum -> sum / count).toArray();
        return new Result(Arrays.stream(levels).average().orElseThrow(), levels);
    }

    private void add(Model model, DiffusionConfig diffusion, int first, int n, double[] sums) {
        try (Scope scope = Scope.open()) {
            Batches.HeldOut batch = Batches.HeldOut.read(pictures, first, n, model);
            Tensor x0 = batch.x0();
            SigmaDenoiser denoiser = diffusion.denoiser(
                    new ModelNetwork(model, diffusion).on(Tape.plain()), Batches.labels(batch.labels(), model));
            double[] logSnrs = logSnrs();
            for (int level = 0; level < LEVELS; level++) {
                double sigma = Math.exp(-logSnrs[level] / 2);
                try (Scope inner = Scope.open()) {
                    Tensor noise = Batches.toDevice(
                            Batches.noise(level, first, n, pictures.channels(), pictures.height(), pictures.width()),
                            model);
                    Tensor guess = denoiser.denoise(x0.add(noise.mul(Scalars.of(sigma))), sigma);
                    for (double error :
                            Tensors.doubles(guess.sub(x0).square().flatten(1, 3).mean(1L))) {
                        sums[level] += error;
                    }
                }
            }
        }
    }
}
