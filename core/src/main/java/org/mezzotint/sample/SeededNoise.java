package org.mezzotint.sample;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * One random stream for each picture of a batch: the picture of a seed is the same in any batch. The stream has the bits
 * of {@code torch.Generator().manual_seed(seed)}, first the starting noise (C, H, W), then that of each step.
 */
public final class SeededNoise implements Sampler.StepNoise, AutoCloseable {
    private final List<Rng> streams = new ArrayList<>();

    /**
     * Starts the streams.
     *
     * @param seeds one a picture
     */
    public SeededNoise(long... seeds) {
        for (long seed : seeds) {
            streams.add(new Rng(seed));
        }
    }

    /**
     * The starting noise (N, C, H, W), to be drawn first.
     *
     * @param type Float or Double; they have different streams
     * @param channels C
     * @param height H
     * @param width W
     * @return on the CPU
     */
    public Tensor initial(ScalarType type, long channels, long height, long width) {
        Tensor noise = Tensors.empty(type, streams.size(), channels, height, width);
        fill(noise);
        return noise;
    }

    @Override
    public Tensor draw(int step, Tensor like) {
        if (like.size(0) != streams.size()) {
            throw new IllegalArgumentException(
                    "the batch must have one picture a seed, got " + like.size(0) + " and " + streams.size());
        }
        try (Scope scope = Scope.open()) {
            Tensor noise = Tensors.empty(like.scalar_type(), like.shape());
            fill(noise);
            return scope.keep(like.device().is_cpu() ? noise : noise.to(like.device(), like.scalar_type()));
        }
    }

    private void fill(Tensor noise) {
        try (Scope scope = Scope.open()) {
            for (int i = 0; i < streams.size(); i++) {
                streams.get(i).fillNormal(noise.select(0, i));
            }
        }
    }

    @Override
    public void close() {
        streams.forEach(Rng::close);
    }
}
