package org.mezzotint.app.bench;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.Network;
import org.mezzotint.diffusion.Preconditioning;
import org.mezzotint.diffusion.SigmaLoss;
import org.mezzotint.diffusion.SigmaWeighting;
import org.mezzotint.models.HDiTConfig;
import org.mezzotint.models.HDiTConfig.Design;
import org.mezzotint.models.HDiTConfig.Global;
import org.mezzotint.models.HDiTConfig.Level;
import org.mezzotint.models.HDiTConfig.Mapping;
import org.mezzotint.models.HDiTConfig.Neighborhood;
import org.mezzotint.sample.Churn;
import org.mezzotint.sample.Euler;
import org.mezzotint.sample.Sampler;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Scalars;

/**
 * HDiT with the soft-min-SNR loss, and Euler's method: small enough for a CPU, with one local level for each doubling of the
 * picture's side.
 *
 * @param name of the model
 * @param model its shape
 */
record HDiTTask(String name, HDiTConfig model) implements Task {
    static final int PATCH = 4;
    static final int WIDTH = 256;
    static final int DEPTH = 8;
    static final int HEAD = 64;

    private static final Level INNERMOST = new Level(WIDTH, DEPTH, 3 * WIDTH, new Global(HEAD), 0);
    private static final Level LOCAL = new Level(WIDTH / 2, 2, 3 * WIDTH / 2, new Neighborhood(HEAD, 7), 0);
    private static final int SMALLEST = 16 * PATCH;
    private static final Preconditioning FRAME = new Preconditioning(0.5);
    private static final SigmaLoss LOSS = new SigmaLoss(FRAME, new SigmaWeighting.SoftMinSnr(4), 1);
    private static final double[] STEP = {10, 9};

    static HDiTTask pixels(int size) {
        List<Level> levels = new ArrayList<>(List.of(INNERMOST));
        int side = SMALLEST;
        for (; side < size; side *= 2) {
            levels.add(0, LOCAL);
        }
        if (side != size) {
            throw new IllegalArgumentException(
                    "--size must be " + SMALLEST + ", doubled any number of times, got " + size);
        }
        return new HDiTTask(
                "hdit " + size,
                new HDiTConfig(
                        size,
                        size,
                        3,
                        PATCH,
                        PATCH,
                        levels,
                        new Mapping(WIDTH, 2, 3 * WIDTH, 0),
                        1000,
                        0,
                        Design.paper()));
    }

    @Override
    public Recipe recipe() {
        return new Recipe(5e-4, 0.95, 0.01);
    }

    /** At noise levels from 0.1 to below 10, evenly spaced in their logarithm. */
    @Override
    public Tensor losses(Network network, Tensor x0, Tensor noise, Conditioning cond) {
        double[] sigma = new double[(int) x0.size(0)];
        for (int i = 0; i < sigma.length; i++) {
            sigma[i] = 0.1 * Math.pow(100, (double) i / sigma.length);
        }
        return LOSS.losses(network, x0, sigma, noise, cond);
    }

    @Override
    public Tensor step(Network network, Tensor x, Tensor noise, Conditioning cond) {
        return new Euler(Churn.NONE)
                .sample(
                        FRAME.around(network, cond),
                        x.mul(Scalars.of(STEP[0])),
                        STEP,
                        (draw, sigma, next, like, first) -> noise,
                        Sampler.Progress.NONE);
    }
}
