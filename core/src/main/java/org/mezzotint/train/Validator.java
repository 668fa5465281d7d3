package org.mezzotint.train;

import java.util.Arrays;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.data.Dataset;
import org.mezzotint.diffusion.DiffusionConfig;
import org.mezzotint.diffusion.Network;
import org.mezzotint.diffusion.Objective;
import org.mezzotint.models.Model;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * The loss on held-out pictures with fixed noise and fixed levels, so that runs, seeds and implementations compare.
 *
 * <p>Picture i of n is noised at level u = (i + ½)/n, so the levels cover those of training evenly, with noise of seed
 * {@code mix(0, i)}; pictures are neither flipped nor warped and keep their labels. Nothing depends on the run's seed.
 */
public final class Validator {
    /** Edges of the log-SNR bins: below −10, ten of width 2, above 10. */
    private static final double[] EDGES = {-10, -8, -6, -4, -2, 0, 2, 4, 6, 8, 10};

    /**
     * Losses on the held-out pictures.
     *
     * @param loss mean of what is minimised
     * @param bins mean of it in each log-SNR bin, from the noisiest; NaN for an empty bin. Bin 0 holds λ below −10, bin i
     *     holds −12 + 2i ≤ λ &lt; −10 + 2i, the last λ of at least 10
     */
    public record Result(double loss, double[] bins) {}

    private final DiffusionConfig diffusion;
    private final Objective objective;
    private final Dataset pictures;
    private final int batchSize;

    /**
     * Prepares a validation.
     *
     * @param diffusion whose loss is evaluated
     * @param pictures held out of training, opened without random flips
     * @param batchSize pictures at once; does not change the result beyond rounding
     */
    public Validator(DiffusionConfig diffusion, Dataset pictures, int batchSize) {
        this.diffusion = diffusion;
        objective = diffusion.objective();
        this.pictures = pictures;
        this.batchSize = batchSize;
    }

    /**
     * The names of the bins, for column headers.
     *
     * @return from the noisiest
     */
    public static String[] binNames() {
        String[] names = new String[EDGES.length + 1];
        for (int i = 0; i < names.length; i++) {
            names[i] = i == 0
                    ? "logsnr_below_" + (int) EDGES[0]
                    : i == EDGES.length ? "logsnr_from_" + (int) EDGES[i - 1] : "logsnr_" + (int) EDGES[i - 1];
        }
        return names;
    }

    /**
     * The noise of all held-out pictures (n, C, H, W), for evaluating them elsewhere.
     *
     * @param n number of pictures
     * @param channels C
     * @param height H
     * @param width W
     * @return float32 on the CPU
     */
    public static Tensor noise(int n, int channels, int height, int width) {
        return Batches.noise(0, 0, n, channels, height, width);
    }

    /**
     * The uniform numbers that choose the pictures' levels.
     *
     * @param n number of pictures
     * @return (i + ½)/n
     */
    public static double[] levels(int n) {
        double[] u = new double[n];
        for (int i = 0; i < n; i++) {
            u[i] = (i + 0.5) / n;
        }
        return u;
    }

    /**
     * Evaluates a model.
     *
     * @param model not changed
     * @return the losses
     */
    public Result evaluate(Model model) {
        int n = pictures.size();
        Objective.Levels all = objective.levels(levels(n));
        double[] losses = new double[n];
        Network network = new ModelNetwork(model, diffusion).on(Tape.plain());
        try (NoGradGuard noGrad = new NoGradGuard()) {
            for (int first = 0; first < n; first += batchSize) {
                int count = Math.min(batchSize, n - first);
                try (Scope scope = Scope.open()) {
                    Batches.HeldOut batch = Batches.HeldOut.read(pictures, first, count, model);
                    Tensor noise =
                            Batches.noise(0, first, count, pictures.channels(), pictures.height(), pictures.width());
                    Objective.Terms terms = objective.terms(
                            network,
                            batch.x0(),
                            all.part(first, count),
                            Batches.toDevice(noise, model),
                            Batches.labels(batch.labels(), model));
                    System.arraycopy(Tensors.doubles(terms.total()), 0, losses, first, count);
                }
            }
        }
        return summarize(losses, all.logSnr());
    }

    static Result summarize(double[] losses, double[] logSnr) {
        double[] sums = new double[EDGES.length + 1];
        int[] counts = new int[EDGES.length + 1];
        for (int i = 0; i < losses.length; i++) {
            int bin = 0;
            while (bin < EDGES.length && logSnr[i] >= EDGES[bin]) {
                bin++;
            }
            sums[bin] += losses[i];
            counts[bin]++;
        }
        double[] bins = new double[sums.length];
        for (int i = 0; i < bins.length; i++) {
            bins[i] = counts[i] == 0 ? Double.NaN : sums[i] / counts[i];
        }
        return new Result(Arrays.stream(losses).average().orElse(Double.NaN), bins);
    }
}
