package org.mezzotint.sample;

import java.util.Arrays;
import java.util.function.DoubleUnaryOperator;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.diffusion.DiffusionConfig;
import org.mezzotint.diffusion.Network;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.diffusion.SigmaTimes;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Shapes;
import org.mezzotint.tensor.Tensors;

/**
 * Guidance: away from one prediction through another, y = y_bad + w·(y_good − y_bad), by a factor that may depend on the noise
 * level. Where w is 1 for the whole batch, only the good prediction is made.
 *
 * @param weight w at a time of the network
 * @param guidedChannels the first so many output channels are guided; the others, such as a variance code, stay those of the good
 *     prediction. The DiT code guides 3 of the 4 latent channels ({@code first-three}), others all of them.
 */
public record Guidance(DoubleUnaryOperator weight, int guidedChannels) {
    /** Checks the rule. */
    public Guidance {
        if (guidedChannels < 1) {
            throw new IllegalArgumentException("guidedChannels must be at least 1, got " + guidedChannels);
        }
    }

    /**
     * The same factor at all noise levels.
     *
     * @param scale 1 is no guidance, 0 the bad prediction
     * @param guidedChannels as {@link #guidedChannels}
     * @return the guidance
     */
    public static Guidance constant(double scale, int guidedChannels) {
        if (!(scale >= 0)) {
            throw new IllegalArgumentException("guidance scale must not be negative, got " + scale);
        }
        return new Guidance(time -> scale, guidedChannels);
    }

    /**
     * What the settings ask for.
     *
     * @param sampling with scale, schedule and channels
     * @param diffusion whose times the network is told
     * @param channels of a picture
     * @return the guidance
     */
    public static Guidance of(SamplingConfig sampling, DiffusionConfig diffusion, int channels) {
        SigmaTimes times = diffusion.times();
        return new Guidance(
                time -> sampling.guidanceSchedule()
                        .weight(sampling.guidance(), times.sigma(time), diffusion.fraction(time)),
                sampling.guidedChannels().count(channels));
    }

    /**
     * Classifier-free guidance (arXiv:2207.12598): the bad prediction is that without a condition. Both are made as one batch.
     *
     * @param network whose output's first channels are the prediction
     * @param toNull turns a batch's inputs into those of "no condition"
     * @return the guided network
     */
    public Network classifierFree(Network network, UnaryOperator<Conditioning> toNull) {
        return guided(network, (x, t, cond) -> {
            long n = x.size(0);
            Tensor both = network.evaluate(
                    torch.cat(new TensorVector(x, x), 0),
                    torch.cat(new TensorVector(t, t), 0),
                    cond.concat(toNull.apply(cond))); // (2N, C', H, W)
            return new Tensor[] {both.narrow(0, 0, n), both.narrow(0, n, n)};
        });
    }

    /**
     * Autoguidance (arXiv:2406.02507): the bad prediction is that of a weaker model of the same task, smaller or less trained.
     *
     * @param network whose output's first channels are the prediction
     * @param weaker with the same inputs and outputs
     * @return the guided network
     */
    public Network auto(Network network, Network weaker) {
        return guided(
                network, (x, t, cond) -> new Tensor[] {network.evaluate(x, t, cond), weaker.evaluate(x, t, cond)});
    }

    /** The good prediction and the bad one. */
    private interface Pair {
        Tensor[] evaluate(Tensor x, Tensor t, Conditioning cond);
    }

    private Network guided(Network network, Pair pair) {
        return (x, t, cond) -> {
            double[] weights = Arrays.stream(Tensors.doubles(t)).map(weight).toArray();
            if (Arrays.stream(weights).allMatch(w -> w == 1)) {
                return network.evaluate(x, t, cond);
            }
            try (Scope scope = Scope.open()) {
                Tensor[] predictions = pair.evaluate(x, t, cond);
                return scope.keep(blend(predictions[0], predictions[1], Blend.column(weights, x)));
            }
        };
    }

    private Tensor blend(Tensor good, Tensor bad, Tensor weights) {
        long channels = good.size(1);
        if (guidedChannels > channels) {
            throw new IllegalArgumentException("guidedChannels must be at most the " + channels
                    + " channels of the network's output, got " + guidedChannels);
        }
        Tensor c = good.narrow(1, 0, guidedChannels);
        Tensor u = bad.narrow(1, 0, guidedChannels);
        Tensor guided = u.add(c.sub(u).mul(weights));
        return guidedChannels == channels
                ? guided
                : torch.cat(new TensorVector(guided, good.narrow(1, guidedChannels, channels - guidedChannels)), 1);
    }

    /**
     * Replaces every label by the null class.
     *
     * @param numClasses the null class's label
     * @return for {@link #classifierFree}
     */
    public static UnaryOperator<Conditioning> nullClass(int numClasses) {
        return cond -> {
            Tensor labels = Shapes.check(Conditioning.CLASS, cond.get(Conditioning.CLASS), Shapes.ANY);
            long[] nulls = new long[Math.toIntExact(labels.size(0))];
            Arrays.fill(nulls, numClasses);
            return Conditioning.classes(labels.device(), nulls);
        };
    }
}
