package org.mezzotint.text;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.tensor.Ops;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Shapes;
import org.mezzotint.tensor.Tensors;

/**
 * T5's encoder: token ids to hidden states (arXiv:1910.10683v4, section 2.1, and v1.1 of its released weights).
 *
 * <pre>
 *   x = E[ids]                                       no scale by √D
 *   x = x + Wo · attention(norm(x))   per block      softmax(q·kᵀ + B)·v: no 1/√d; B from the table of block 0, for all blocks
 *   x = x + feedForward(norm(x))                     wo(gelu(wi_0 x) · wi_1 x), or wo(relu(wi x)) in the first T5
 *   y = norm(x)                                      norm(x) = w·x / √(mean(x²) + ε), no mean taken away, no bias anywhere
 * </pre>
 *
 * <p>The residual stream, norms and attention run in the precision's storage type; with {@link Precision#BFLOAT16} the
 * matrix products of the layers run in bfloat16. Nothing runs in half precision, in which T5's residual stream overflows;
 * files in it are read all the same.
 *
 * <p>Left out: dropout, gradients, and the decoder, whose tensors a file may have.
 */
public final class T5Encoder implements AutoCloseable {
    /** T5 was trained on 512; its positions are relative, so that longer texts work. */
    public static final int MOST_TOKENS = 4096;

    /** The number of rows that packed layers are laid out for. */
    private static final long ROWS = 512;

    /** How an encoder holds the weights of its layers. */
    public enum Holding {
        /**
         * In the memory map of the file, in its number type: next to no memory of our own, so that an XXL encoder runs on a
         * small machine. A weight of another type than the computation's is converted whenever its turn comes.
         */
        MAPPED,
        /** Converted once, and laid out for oneDNN on the CPU in float32 and bfloat16: faster, and takes the memory. */
        LOADED
    }

    private final Path folder;
    private final T5Config config;
    private final Precision precision;
    private final Device device;
    private final Scope scope;
    private final Tensor embedding; // (V, D), in the file's type
    private final Tensor positions; // (buckets, h)
    private final Tensor finalNorm; // (D,)
    private final List<Block> blocks = new ArrayList<>();

    /** One layer y = W·x, as a plain weight of any type or packed. */
    private record Projection(Tensor weight, boolean packed) {}

    /** {@code wi} is the gated half or the only input; {@code gate} is null in the first T5. */
    private record Block(
            Tensor attentionNorm,
            Projection q,
            Projection k,
            Projection v,
            Projection o,
            Tensor feedForwardNorm,
            Projection wi,
            Projection gate,
            Projection wo) {}

    private T5Encoder(Path folder, T5Config config, Precision precision, Device device, Holding holding) {
        this.folder = folder;
        this.config = config;
        this.precision = precision;
        scope = Scope.owner();
        try (T5Weights weights = T5Weights.open(folder, config)) {
            this.device = new Device(device.is_cpu() ? "cpu" : device.str().getString());
            embedding = device.is_cpu() ? weights.tensor(T5Config.EMBEDDING) : moved(weights, T5Config.EMBEDDING);
            positions = stored(weights, T5Config.POSITIONS);
            finalNorm = stored(weights, T5Config.FINAL_NORM);
            boolean gated = config.feedForward() == T5Config.FeedForward.GATED_GELU;
            for (int i = 0; i < config.depth(); i++) {
                blocks.add(new Block(
                        stored(weights, T5Config.norm(i, 0)),
                        projection(weights, T5Config.attention(i, "q"), holding),
                        projection(weights, T5Config.attention(i, "k"), holding),
                        projection(weights, T5Config.attention(i, "v"), holding),
                        projection(weights, T5Config.attention(i, "o"), holding),
                        stored(weights, T5Config.norm(i, 1)),
                        projection(weights, T5Config.feedForward(i, gated ? "wi_0" : "wi"), holding),
                        gated ? projection(weights, T5Config.feedForward(i, "wi_1"), holding) : null,
                        projection(weights, T5Config.feedForward(i, "wo"), holding)));
            }
        } catch (RuntimeException e) {
            scope.close();
            throw e;
        }
        scope.leave();
    }

    /**
     * Opens the encoder of a Hugging Face folder: {@code config.json} and weights ({@code model.safetensors}, the index of
     * several, or {@code pytorch_model.bin}), of an encoder alone or of a whole T5.
     *
     * <p>A file that this process may not write cannot be mapped as libtorch needs it: its weights are read into memory.
     *
     * @param folder of one model
     * @param precision float32, float64 for comparisons, or bfloat16 where the processor is fast in it
     * @param device where to compute
     * @param holding how weights are held
     * @return owned by the caller
     * @throws org.mezzotint.io.InputException if the configuration cannot be followed or the weights do not fit it
     */
    public static T5Encoder open(Path folder, Precision precision, Device device, Holding holding) {
        return new T5Encoder(folder, config(folder), precision, device, holding);
    }

    /**
     * The shape of the encoder in a Hugging Face folder.
     *
     * @param folder with config.json
     * @return the shape
     * @throws org.mezzotint.io.InputException if the file cannot be followed
     */
    public static T5Config config(Path folder) {
        return T5ConfigFile.read(folder.resolve("config.json"));
    }

    private Tensor moved(T5Weights weights, String name) {
        try (Scope inner = Scope.open()) {
            Tensor tensor = weights.tensor(name);
            return inner.keep(tensor.to(device, Tensors.type(tensor)));
        }
    }

    private Tensor stored(T5Weights weights, String name) {
        try (Scope inner = Scope.open()) {
            return inner.keep(weights.tensor(name).to(device, precision.storage()));
        }
    }

    private Projection projection(T5Weights weights, String name, Holding holding) {
        if (holding == Holding.MAPPED) {
            return new Projection(weights.tensor(name), false);
        }
        boolean packed = device.is_cpu() && precision != Precision.FLOAT64;
        try (Scope inner = Scope.open();
                NoGradGuard noGrad = new NoGradGuard()) {
            Tensor weight = weights.tensor(name).to(device, precision.compute());
            return new Projection(inner.keep(packed ? Ops.packLinearWeight(weight, ROWS) : weight), packed);
        }
    }

    /**
     * The shape of this encoder.
     *
     * @return as its file says
     */
    public T5Config config() {
        return config;
    }

    /**
     * In what it computes.
     *
     * @return as given
     */
    public Precision precision() {
        return precision;
    }

    /**
     * Identifies configuration and weights; reads all of them.
     *
     * @return 64 hexadecimal digits, the same for every precision; of a file in another number type it is another
     */
    public String identity() {
        return T5Identity.of(folder, config);
    }

    /**
     * Hidden states (N, T, D) of texts, of which shorter ones are filled up behind their end.
     *
     * @param texts N lists of at least one id each
     * @return (N, T, D) in the caller's scope, T the length of the longest; what stands behind a shorter text's end is of no use
     */
    public Tensor encode(List<int[]> texts) {
        if (texts.isEmpty()) {
            throw new IllegalArgumentException("texts must be at least one, got none");
        }
        int longest = texts.stream().mapToInt(ids -> ids.length).max().orElse(0);
        boolean equal = true;
        long[] ids = new long[texts.size() * longest];
        long[] mask = new long[ids.length];
        for (int n = 0; n < texts.size(); n++) {
            int[] text = texts.get(n);
            equal &= text.length == longest;
            for (int i = 0; i < text.length; i++) {
                ids[n * longest + i] = text[i];
                mask[n * longest + i] = 1;
            }
        }
        try (Scope inner = Scope.open()) {
            Tensor table = Tensors.of(ids).view(texts.size(), longest);
            return inner.keep(forward(table, equal ? null : Tensors.of(mask).view(texts.size(), longest)));
        }
    }

    /**
     * Hidden states (N, T, D) of token ids (N, T).
     *
     * @param ids (N, T), int64, below the number of embeddings
     * @param mask (N, T), zero where no text is: those keys are hidden from every token, their own rows are computed all the
     *     same; null to hide nothing
     * @return (N, T, D) of the precision's storage type, in the caller's scope
     * @throws IllegalArgumentException for an id without an embedding, or a row of the mask that hides all
     */
    public Tensor forward(Tensor ids, Tensor mask) {
        Shapes.check("ids", ids, Shapes.ANY, Shapes.ANY);
        long n = ids.size(0);
        long t = ids.size(1);
        if (n < 1 || t < 1) {
            throw new IllegalArgumentException("ids must hold at least one token, got " + Shapes.toString(n, t));
        }
        if (t > MOST_TOKENS) {
            throw new IllegalArgumentException("a text must have at most " + MOST_TOKENS + " tokens, got " + t);
        }
        try (NoGradGuard noGrad = new NoGradGuard();
                Scope inner = Scope.open()) {
            checkIds(ids);
            Tensor bias = positionBias((int) t); // (1, h, T, T)
            if (mask != null) {
                bias = masked(bias, Shapes.check("mask", mask, n, t));
            }
            Tensor x = embed(ids); // (N, T, D)
            for (Block block : blocks) {
                Tensor next = block(block, x, bias);
                x.close();
                x = next;
            }
            return inner.keep(norm(x, finalNorm));
        }
    }

    private void checkIds(Tensor ids) {
        long least = ids.min().item_long();
        long most = ids.max().item_long();
        if (least < 0 || most >= config.vocabSize()) {
            throw new IllegalArgumentException(
                    "ids must be 0 to " + (config.vocabSize() - 1) + ", got " + (least < 0 ? least : most));
        }
    }

    private Tensor embed(Tensor ids) {
        try (Scope inner = Scope.open()) {
            Tensor rows =
                    embedding.index_select(0, ids.to(device, ScalarType.Long).reshape(-1));
            return inner.keep(rows.to(precision.storage()).view(ids.size(0), ids.size(1), config.width()));
        }
    }

    private Tensor masked(Tensor bias, Tensor mask) {
        Tensor shown = mask.to(device, ScalarType.Bool); // (N, T)
        if (!shown.any(1).all().item_bool()) {
            throw new IllegalArgumentException("mask must leave at least one token of every row");
        }
        return bias.masked_fill(
                shown.logical_not().view(shown.size(0), 1, 1, shown.size(1)),
                Scalars.of(Double.NEGATIVE_INFINITY)); // (N, h, T, T)
    }

    /** B[1, h, i, j] = table[bucket(j − i), h]. */
    private Tensor positionBias(int t) {
        try (Scope inner = Scope.open()) {
            long[] byDistance = new long[2 * t - 1];
            for (int i = 0; i < byDistance.length; i++) {
                byDistance[i] = bucket(i - (t - 1), config.buckets(), config.maxDistance());
            }
            long[] buckets = new long[t * t];
            for (int i = 0; i < t; i++) {
                System.arraycopy(byDistance, t - 1 - i, buckets, i * t, t);
            }
            Tensor rows = positions.index_select(0, Tensors.of(buckets).to(device, ScalarType.Long)); // (T·T, h)
            return inner.keep(rows.view(t, t, config.heads())
                    .permute(2, 0, 1)
                    .unsqueeze(0)
                    .contiguous());
        }
    }

    /**
     * The bucket of a relative position (arXiv:1910.10683v4, section 2.1). Half of the buckets are for keys behind the query;
     * of each half, half are exact distances and the rest widen with the logarithm up to the largest distance. The logarithm
     * is float32, as in the original: in double some distances fall into another bucket.
     *
     * @param relative place of the key less that of the query
     */
    static int bucket(int relative, int buckets, int maxDistance) {
        int side = buckets / 2;
        int exact = side / 2;
        int distance = Math.abs(relative);
        int bucket = distance;
        if (distance >= exact) {
            float widening = (float) Math.log((float) distance / exact);
            float share = widening / (float) Math.log((double) maxDistance / exact) * (side - exact);
            bucket = Math.min(exact + (int) share, side - 1);
        }
        return bucket + (relative > 0 ? side : 0);
    }

    private Tensor block(Block block, Tensor x, Tensor bias) {
        try (Scope inner = Scope.open()) {
            Tensor attended = x.add(attention(block, norm(x, block.attentionNorm), bias));
            return inner.keep(attended.add(feedForward(block, norm(attended, block.feedForwardNorm))));
        }
    }

    private Tensor attention(Block block, Tensor x, Tensor bias) {
        try (Scope inner = Scope.open()) {
            Tensor input = x.to(precision.compute());
            Tensor attended = torch.scaled_dot_product_attention(
                    heads(linear(block.q, input)),
                    heads(linear(block.k, input)),
                    heads(linear(block.v, input)),
                    new TensorOptional(bias),
                    0,
                    false,
                    new DoubleOptional(1),
                    false); // (N, h, T, d)
            Tensor joined = attended.transpose(1, 2)
                    .reshape(x.size(0), x.size(1), (long) config.heads() * config.headWidth()); // (N, T, h·d)
            return inner.keep(linear(block.o, joined.to(precision.compute())));
        }
    }

    private Tensor heads(Tensor x) {
        return x.to(precision.storage())
                .view(x.size(0), x.size(1), config.heads(), config.headWidth())
                .transpose(1, 2); // (N, h, T, d)
    }

    private Tensor feedForward(Block block, Tensor x) {
        try (Scope inner = Scope.open()) {
            Tensor input = x.to(precision.compute());
            Tensor hidden;
            if (block.gate == null) {
                hidden = linear(block.wi, input).relu_();
            } else {
                hidden = geluTanh(block.wi, input);
                hidden.mul_(linear(block.gate, input));
            }
            return inner.keep(linear(block.wo, hidden));
        }
    }

    private Tensor linear(Projection projection, Tensor x) {
        return projection.packed
                ? Ops.packedLinear(x, projection.weight, null, Ops.Activation.NONE)
                : plain(projection.weight, x);
    }

    private Tensor geluTanh(Projection projection, Tensor x) {
        return projection.packed
                ? Ops.packedLinear(x, projection.weight, null, Ops.Activation.GELU_TANH)
                : torch.gelu(plain(projection.weight, x), "tanh");
    }

    /** A converted weight goes as soon as it is used. */
    private Tensor plain(Tensor weight, Tensor x) {
        try (Scope inner = Scope.open()) {
            return inner.keep(torch.linear(x, weight.to(device, precision.compute())));
        }
    }

    /** {@code w·x / √(mean(x²) + ε)}. */
    private Tensor norm(Tensor x, Tensor weight) {
        try (Scope inner = Scope.open()) {
            Tensor square = x.square().mean(new long[] {-1}, true, new ScalarTypeOptional()); // (N, T, 1)
            return inner.keep(
                    x.mul(square.add_(Scalars.of(config.epsilon())).rsqrt_()).mul_(weight));
        }
    }

    @Override
    public void close() {
        scope.close();
    }
}
