package org.mezzotint.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.mezzotint.autoencoders.Autoencoder;
import org.mezzotint.autoencoders.LatentScale;
import org.mezzotint.autoencoders.TinyAutoencoderConfig;
import org.mezzotint.data.LatentSet;
import org.mezzotint.data.ShapesDataset;
import org.mezzotint.models.layers.Init;
import org.mezzotint.tensor.Devices;
import org.mezzotint.tensor.Precision;

class LatentEncodingTest {
    private static final TinyAutoencoderConfig TINY =
            new TinyAutoencoderConfig(3, 2, 4, List.of(1, 1, 2), List.of(2, 1, 1), true, LatentScale.NONE);

    @TempDir
    private Path folder;

    private static Optional<LatentSet> encode(Path folder, BooleanSupplier stop) {
        try (Init init = Init.random(1, Precision.FLOAT32, Devices.cpu());
                Autoencoder encoder = TINY.create(init);
                ShapesDataset pictures = new ShapesDataset(7, 8, 8, 3)) {
            LatentSet.Plan plan = new LatentSet.Plan(
                    LatentSet.VERSION,
                    LatentEncoding.space(encoder),
                    LatentSet.Kind.SAMPLES,
                    0,
                    true,
                    LatentSet.Type.FLOAT32,
                    2,
                    2,
                    2,
                    pictures.size(),
                    4,
                    pictures.classNames(),
                    pictures.fingerprint());
            return LatentEncoding.run(folder, plan, pictures, encoder, 2, done -> {}, stop);
        }
    }

    /** Stopped between two batches of a shard, again and again: what comes out is what one go gives. */
    @Test
    void stoppingAnywhereChangesNothing() throws IOException {
        Path whole = folder.resolve("whole");
        assertThat(encode(whole, () -> false)).isPresent();
        Path parts = folder.resolve("parts");
        for (int batches = 0; batches < 2; batches++) {
            AtomicInteger left = new AtomicInteger(batches);
            assertThat(encode(parts, () -> left.getAndDecrement() == 0)).isEmpty();
            assertThat(shards(parts)).isEmpty();
        }
        AtomicInteger left = new AtomicInteger(3);
        assertThat(encode(parts, () -> left.getAndDecrement() == 0)).isEmpty();
        assertThat(shards(parts)).hasSize(1);
        assertThat(encode(parts, () -> false)).isPresent();
        assertThat(shards(parts)).hasSize(2);
        for (Path shard : shards(whole)) {
            assertThat(parts.resolve(shard.getFileName())).hasSameBinaryContentAs(shard);
        }
    }

    private static List<Path> shards(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> file.toString().endsWith(".safetensors"))
                    .sorted()
                    .toList();
        }
    }
}
