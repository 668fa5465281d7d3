package org.mezzotint.eval;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.io.InputException;
import org.mezzotint.tensor.Scope;

/**
 * Vectors of a set of pictures, by output of the extractor that made them: from a {@link FeatureFile} or an {@link
 * Extraction}. It belongs to one thread.
 */
public interface FeatureSet extends AutoCloseable {
    /**
     * The number of pictures.
     *
     * @return N, at least 1
     */
    long size();

    /**
     * What there is.
     *
     * @return output to number of dimensions
     */
    Map<String, Integer> dims();

    /**
     * What made the vectors.
     *
     * @return the extractor's id, or the file that they came from
     */
    String extractor();

    /**
     * How pictures were prepared for the extractor.
     *
     * @return its name, or {@code not stated}
     */
    String preprocessing();

    /**
     * Gives all vectors of an output in order, in blocks (n, D) that are freed when the consumer returns.
     *
     * @param output out of {@link #dims}
     * @param consumer receives each block
     */
    void forEachBlock(String output, Consumer<Tensor> consumer);

    /** Frees the vectors; calling it again does nothing. */
    @Override
    void close();

    /**
     * All vectors of an output, (N, D).
     *
     * @param output out of {@link #dims}
     * @return in the caller's scope
     */
    default Tensor all(String output) {
        check(output);
        try (Scope scope = Scope.open()) {
            List<Tensor> blocks = new ArrayList<>();
            forEachBlock(output, block -> blocks.add(scope.hold(new Tensor(block))));
            return scope.keep(
                    blocks.size() == 1 ? blocks.get(0) : torch.cat(new TensorVector(blocks.toArray(Tensor[]::new)), 0));
        }
    }

    /**
     * Mean and covariance of an output.
     *
     * @param output out of {@link #dims}
     * @return in the caller's scope
     */
    default Moments moments(String output) {
        check(output);
        try (FeatureStats stats = new FeatureStats(dims().get(output))) {
            forEachBlock(output, stats::add);
            return stats.moments();
        }
    }

    /**
     * Requires an output to be there.
     *
     * @param output its name
     * @throws InputException naming what there is
     */
    default void check(String output) {
        if (!dims().containsKey(output)) {
            throw new InputException("the features of " + extractor() + " have no '" + output + "', only "
                    + String.join(", ", dims().keySet()));
        }
    }
}
