package org.mezzotint.eval;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.data.PictureFiles.Picture;

/**
 * Turns pictures into the vectors that distances are measured on. {@link Inception} is the one of FID; any other network
 * serves too, under its own name.
 *
 * <p>An extractor gives one or more outputs by name: {@link #FEATURES}, and perhaps {@link #SPATIAL} and {@link #LOGITS}.
 * It belongs to one thread at a time.
 */
public interface FeatureExtractor extends AutoCloseable {
    /** The vectors of distances: FID, KID, precision and recall. */
    String FEATURES = "features";

    /** Vectors that keep where things are: sFID. */
    String SPATIAL = "spatial";

    /** Unnormalised log-probabilities of classes: the Inception Score. */
    String LOGITS = "logits";

    /**
     * Identifies the network and its weights: results of different ids must not be compared.
     *
     * @return a name and a hash
     */
    String id();

    /**
     * How pictures are brought to the network's size and range, which changes results as much as the weights do.
     *
     * @return a short name, such as {@code tensorflow}
     */
    String preprocessing();

    /**
     * What this extractor can give.
     *
     * @return output to number of dimensions D
     */
    Map<String, Integer> dims();

    /**
     * The vectors (N, D) of N pictures, float32 on the CPU, for each wanted output.
     *
     * @param pictures 8-bit RGB, of any sizes
     * @param wanted names out of {@link #dims}
     * @return output to tensor, in the caller's scope
     */
    Map<String, Tensor> extract(List<Picture> pictures, Set<String> wanted);

    /** Frees the network; calling it again does nothing. */
    @Override
    void close();
}
