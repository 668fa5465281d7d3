package org.mezzotint.text;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.io.InputException;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * Encodes all captions of a data set into a folder, shard by shard, so that training need not run the encoder.
 *
 * <p>Within a shard captions are encoded in the order of their lengths, those of one batch filled up to the longest of it: so
 * hardly anything is computed for nothing. Which captions share a batch follows from the plan and the number of tokens at once;
 * it changes the last bits of results.
 */
public final class CaptionEncoding {
    private CaptionEncoding() {}

    /** Told how far the work is. */
    public interface Listener {
        /**
         * After each batch.
         *
         * @param pictures done; those of a shard count together when its last batch is done
         * @param tokens encoded since this call began
         */
        void done(long pictures, long tokens);

        /**
         * A caption had more tokens than the plan allows.
         *
         * @param picture whose caption it is
         * @param lost its end, which is not encoded
         */
        void cut(int picture, String lost);
    }

    /**
     * Encodes what is not there yet.
     *
     * @param folder of the encoded captions
     * @param plan of the same captions, tokenizer and encoder
     * @param captions of a picture, at least one
     * @param tokenizer fits the encoder
     * @param encoder encodes
     * @param tokensAtOnce the most tokens of a batch; a longer caption is a batch of its own
     * @param listener is told what is done
     * @param stop asked after each shard
     * @return the finished set; empty if it was stopped before
     * @throws InputException if the tokenizer does not fit, a picture has no caption, or a file cannot be written
     */
    public static Optional<CaptionSet> run(
            Path folder,
            CaptionSet.Plan plan,
            IntFunction<List<String>> captions,
            T5Tokenizer tokenizer,
            T5Encoder encoder,
            int tokensAtOnce,
            Listener listener,
            BooleanSupplier stop) {
        tokenizer.requireFits(encoder.config());
        CaptionSetWriter writer = CaptionSetWriter.open(folder, plan);
        try (NoGradGuard noGrad = new NoGradGuard();
                Scope scope = Scope.open()) {
            writer.writeEmpty(encoder.encode(List.of(tokenizer.encode(""))).squeeze(0));
        }
        long tokens = 0;
        for (int shard = writer.next(); shard < plan.shards(); shard = writer.next()) {
            if (stop.getAsBoolean()) {
                return Optional.empty();
            }
            Shard one = new Shard(plan, shard, captions, tokenizer, listener);
            try (NoGradGuard noGrad = new NoGradGuard();
                    Scope scope = Scope.open()) {
                Tensor hidden = one.encode(encoder, tokensAtOnce, tokens, listener);
                writer.write(shard, hidden, one.rows, one.captions, one.cut);
            }
            tokens += one.tokens();
            listener.done((long) shard * plan.shardSize() + plan.size(shard), tokens);
        }
        return Optional.of(writer.finish());
    }

    /** The captions of one shard. */
    private static final class Shard {
        private final CaptionSet.Plan plan;
        private final int number;
        private final List<int[]> ids = new ArrayList<>();
        private final long[] captions;
        private final long[] rows;
        private long cut;

        Shard(
                CaptionSet.Plan plan,
                int number,
                IntFunction<List<String>> source,
                T5Tokenizer tokenizer,
                Listener listener) {
            this.plan = plan;
            this.number = number;
            captions = new long[plan.size(number) + 1];
            for (int i = 0; i < plan.size(number); i++) {
                int picture = number * plan.shardSize() + i;
                List<String> texts = source.apply(picture);
                if (texts.isEmpty()) {
                    throw new InputException("picture " + picture + " has no caption");
                }
                for (String text : texts) {
                    T5Tokenizer.Tokens tokens = tokenizer.encode(text, plan.maxTokens());
                    ids.add(tokens.ids());
                    if (tokens.cut()) {
                        cut++;
                        listener.cut(picture, tokens.lost());
                    }
                }
                captions[i + 1] = ids.size();
            }
            rows = new long[ids.size() + 1];
            for (int c = 0; c < ids.size(); c++) {
                rows[c + 1] = rows[c] + ids.get(c).length;
            }
            long bytes = tokens() * plan.width() * plan.type().bytes();
            if (bytes > CaptionSet.LARGEST_SHARD) {
                throw new InputException("a shard must keep within " + (CaptionSet.LARGEST_SHARD >> 20) + " MiB, shard "
                        + number + " has " + (bytes >> 20) + ": encode fewer than " + plan.shardSize()
                        + " pictures a shard, into another folder");
            }
        }

        long tokens() {
            return rows[rows.length - 1];
        }

        /** (tokens, D) in the order of the captions. */
        Tensor encode(T5Encoder encoder, int tokensAtOnce, long before, Listener listener) {
            if (encoder.config().width() != plan.width()) {
                throw new IllegalArgumentException(
                        "plan.width must be the encoder's " + encoder.config().width() + ", got " + plan.width());
            }
            Tensor hidden = Tensors.empty(plan.type().scalar(), tokens(), plan.width());
            List<Integer> order = IntStream.range(0, ids.size())
                    .boxed()
                    .sorted(Comparator.comparingInt((Integer c) -> ids.get(c).length))
                    .toList();
            long done = before;
            for (int first = 0; first < order.size(); ) {
                int end = first + 1;
                while (end < order.size()
                        && (long) (end + 1 - first) * ids.get(order.get(end)).length <= tokensAtOnce) {
                    end++;
                }
                done += encode(encoder, order.subList(first, end), hidden);
                listener.done((long) number * plan.shardSize(), done);
                first = end;
            }
            return hidden;
        }

        private long encode(T5Encoder encoder, List<Integer> batch, Tensor hidden) {
            long tokens = 0;
            try (Scope scope = Scope.open()) {
                Tensor states = encoder.encode(batch.stream().map(ids::get).toList()); // (N, T, D)
                for (int n = 0; n < batch.size(); n++) {
                    int c = batch.get(n);
                    int length = ids.get(c).length;
                    hidden.narrow(0, rows[c], length).copy_(states.select(0, n).narrow(0, 0, length));
                    tokens += length;
                }
            }
            return tokens;
        }
    }
}
