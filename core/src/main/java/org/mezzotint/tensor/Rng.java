package org.mezzotint.tensor;

import org.bytedeco.pytorch.Generator;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * A stream of random numbers with the bits of {@code torch.Generator().manual_seed(seed)} on the CPU.
 *
 * <p>Streams are made per picture, not per batch: {@link #mix} turns a run's seed and a picture's number into the seed of
 * that picture's stream, so neither the batch size nor the number of threads or processes changes a picture. There is no
 * state to save: the stream of picture n can be made again at any time. Not safe for use by several threads.
 */
public final class Rng implements AutoCloseable {
    private final Generator generator;
    private final GeneratorOptional optional;

    /**
     * Starts a stream.
     *
     * @param seed any value; as in PyTorch only its low 32 bits select the stream
     */
    public Rng(long seed) {
        Scope scope = Scope.owner();
        generator = torch.make_generator_cpu(seed);
        optional = new GeneratorOptional(generator);
        scope.leave();
        owned = scope;
    }

    private final Scope owned;

    /**
     * Starts this stream again from another seed.
     *
     * @param seed any value
     * @return this
     */
    public Rng reseed(long seed) {
        generator.set_current_seed(seed);
        return this;
    }

    /**
     * Standard normal numbers (shape as given) on the CPU.
     *
     * @param type Float or Double; the two types have different streams
     * @param shape lengths
     * @return a new tensor
     */
    public Tensor normal(ScalarType type, long... shape) {
        try (Scope scope = Scope.open()) {
            return scope.keep(torch.randn(shape, optional, new TensorOptions(type)));
        }
    }

    /**
     * Fills a CPU tensor with standard normal numbers.
     *
     * @param tensor overwritten
     */
    public void fillNormal(Tensor tensor) {
        try (Scope scope = Scope.open()) {
            tensor.normal_(0, 1, optional);
        }
    }

    /**
     * Fills a CPU tensor with uniform numbers.
     *
     * @param tensor overwritten
     * @param from lower bound, included
     * @param to upper bound, excluded
     */
    public void fillUniform(Tensor tensor, double from, double to) {
        try (Scope scope = Scope.open()) {
            tensor.uniform_(from, to, optional);
        }
    }

    /**
     * The seed of a stream inside a stream: a hash (splitmix64) of a seed and the path below it.
     *
     * @param seed of the whole, for example of a run
     * @param path what the stream is for and which picture it belongs to
     * @return a seed whose low 32 bits are as well mixed as its high ones
     */
    public static long mix(long seed, long... path) {
        long hash = scramble(seed);
        for (long step : path) {
            hash = scramble(hash ^ scramble(step + 0x632be59bd9b4e019L));
        }
        return hash;
    }

    private static long scramble(long z) {
        z += 0x9e3779b97f4a7c15L;
        z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
        z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
        return z ^ (z >>> 31);
    }

    /**
     * A number in [0, 1) from a hashed seed: for one draw a picture, where a whole stream would be wasted.
     *
     * @param hash a result of {@link #mix}
     * @return the top 53 bits as a fraction
     */
    public static double unit(long hash) {
        return (hash >>> 11) * 0x1.0p-53;
    }

    @Override
    public void close() {
        owned.close();
    }
}
