package org.mezzotint.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.mezzotint.io.InputException;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class LatentSetTest {
    private static final int COUNT = 5;
    private static final int CHANNELS = 2;
    private static final int HEIGHT = 3;
    private static final int WIDTH = 4;
    private static final LatentSpace SPACE = LatentSpace.scaled("a".repeat(64), 8, 0.5);

    @TempDir
    private Path folder;

    private static LatentSet.Plan plan(LatentSet.Kind kind, boolean flips, LatentSet.Type type) {
        return new LatentSet.Plan(
                1, SPACE, kind, 0, flips, type, CHANNELS, HEIGHT, WIDTH, COUNT, 2, List.of("cat", "dog"), "source");
    }

    private static Tensor normal(int n, long seed) {
        Tensor tensor = Tensors.of(new float[n * CHANNELS * HEIGHT * WIDTH], n, CHANNELS, HEIGHT, WIDTH);
        try (Rng rng = new Rng(seed)) {
            rng.fillNormal(tensor);
        }
        return tensor;
    }

    /** Pictures of a shard: mean = noise of seed 10 + shard, log variance constant. */
    private static LatentSetWriter.Part part(int n, long seed, double logVariance) {
        Tensor mean = normal(n, seed);
        return new LatentSetWriter.Part(mean, torch.full_like(mean, Scalars.of(logVariance)));
    }

    private LatentSet write(Path where, LatentSet.Plan plan, double logVariance) {
        try (Scope scope = Scope.open()) {
            LatentSetWriter writer = LatentSetWriter.open(where, plan);
            for (int shard = writer.next(); shard < plan.shards(); shard = writer.next()) {
                int n = plan.size(shard);
                long[] labels = new long[n];
                labels[0] = 1;
                writer.write(
                        shard,
                        part(n, 10 + shard, logVariance),
                        plan.flips() ? part(n, 20 + shard, logVariance) : null,
                        labels);
            }
            return writer.finish();
        }
    }

    private static float[] read(Dataset latents, int index, long seed) {
        float[] into = new float[CHANNELS * HEIGHT * WIDTH];
        latents.read(index, new SplittableRandom(seed), into, 0);
        return into;
    }

    @Test
    void meansComeBackShiftedAndScaled() {
        write(folder, plan(LatentSet.Kind.MOMENTS, false, LatentSet.Type.FLOAT32), -3);
        try (Scope scope = Scope.open();
                Dataset latents = LatentDataset.open(
                        folder, LatentSet.Scaling.AUTOENCODER, false, LatentDataset.Posterior.MEAN)) {
            assertThat(latents.size()).isEqualTo(COUNT);
            assertThat(latents.classNames()).containsExactly("cat", "dog");
            assertThat(latents.label(2)).isEqualTo(1);
            assertThat(latents.label(3)).isZero();
            assertThat(latents.latents()).isEqualTo(Optional.of(SPACE));
            float[] stored = Tensors.floats(normal(2, 11).select(0, 1)); // picture 3 is the second of shard 1
            float[] seen = read(latents, 3, 0);
            for (int i = 0; i < seen.length; i++) {
                assertThat(seen[i]).isCloseTo(0.5f * stored[i], within(1e-6f));
            }
        }
    }

    @Test
    void samplesFollowTheStoredDistribution() {
        write(folder, plan(LatentSet.Kind.MOMENTS, false, LatentSet.Type.FLOAT32), Math.log(0.09));
        try (Scope scope = Scope.open();
                Dataset latents = LatentDataset.open(
                        folder, LatentSet.Scaling.AUTOENCODER, false, LatentDataset.Posterior.SAMPLE)) {
            float[] mean = Tensors.floats(normal(2, 10).select(0, 0));
            double sum = 0;
            double squares = 0;
            int n = 2000;
            for (int i = 0; i < n; i++) {
                double deviation = read(latents, 0, i)[5] / 0.5 - mean[5];
                sum += deviation;
                squares += deviation * deviation;
            }
            assertThat(sum / n).isCloseTo(0, within(0.03)); // 4.5 standard errors
            assertThat(Math.sqrt(squares / n)).isCloseTo(0.3, within(0.02));
        }
    }

    @Test
    void flippedLatentsAreTakenHalfOfTheTime() {
        write(folder, plan(LatentSet.Kind.MOMENTS, true, LatentSet.Type.FLOAT32), -30);
        try (Scope scope = Scope.open();
                Dataset latents =
                        LatentDataset.open(folder, LatentSet.Scaling.AUTOENCODER, true, LatentDataset.Posterior.MEAN)) {
            float plain = 0.5f * Tensors.floats(normal(2, 10).select(0, 0))[0];
            float mirrored = 0.5f * Tensors.floats(normal(2, 20).select(0, 0))[0];
            int flips = 0;
            for (int i = 0; i < 400; i++) {
                float value = read(latents, 0, i)[0];
                assertThat(value == plain || value == mirrored).isTrue();
                flips += value == mirrored ? 1 : 0;
            }
            assertThat(flips).isBetween(160, 240);
        }
    }

    @Test
    void statisticsGiveEachChannelMeanZeroAndDeviationOne() {
        LatentSet set = write(folder, plan(LatentSet.Kind.MOMENTS, false, LatentSet.Type.FLOAT32), Math.log(0.25));
        try (Scope scope = Scope.open()) {
            double[] all = Tensors.doubles(
                    torch.cat(new org.bytedeco.pytorch.TensorVector(normal(2, 10), normal(2, 11), normal(1, 12)), 0)
                            .transpose(0, 1)
                            .contiguous());
            int each = all.length / CHANNELS;
            for (int c = 0; c < CHANNELS; c++) {
                double mean = 0;
                double squares = 0;
                for (int i = c * each; i < (c + 1) * each; i++) {
                    mean += all[i] / each;
                    squares += all[i] * all[i] / each;
                }
                assertThat(set.mean().get(c)).isCloseTo(mean, within(1e-9));
                assertThat(set.deviation().get(c)).isCloseTo(Math.sqrt(squares - mean * mean + 0.25), within(1e-6));
                LatentSpace space = set.space(LatentSet.Scaling.STATISTICS);
                assertThat(space.shift(c)).isEqualTo(set.mean().get(c));
                assertThat(space.scale(c)).isCloseTo(1 / set.deviation().get(c), within(1e-12));
            }
        }
    }

    @Test
    void decodingUndoesTheScale() {
        LatentSpace space = new LatentSpace("", 8, List.of(0.5, -1.0), List.of(2.0, 4.0));
        try (Scope scope = Scope.open()) {
            Tensor latents = normal(2, 3);
            Tensor seen = space.ofLatents(latents);
            double[] first = Tensors.doubles(latents.select(0, 0));
            double[] z = Tensors.doubles(seen.select(0, 0));
            assertThat(z[0]).isCloseTo((first[0] - 0.5) * 2, within(1e-6));
            assertThat(z[HEIGHT * WIDTH]).isCloseTo((first[HEIGHT * WIDTH] + 1) * 4, within(1e-6));
            assertThat(space.latents(seen).allclose(latents, 1e-6, 1e-6, false)).isTrue();
        }
    }

    @Test
    void encodingGoesOnWhereItWasKilled() throws IOException {
        LatentSet.Plan plan = plan(LatentSet.Kind.MOMENTS, true, LatentSet.Type.FLOAT32);
        Path whole = folder.resolve("whole");
        write(whole, plan, -2);
        Path killed = folder.resolve("killed");
        try (Scope scope = Scope.open()) {
            LatentSetWriter.open(killed, plan).write(0, part(2, 10, -2), part(2, 20, -2), new long[] {1, 0});
        }
        Files.writeString(killed.resolve(".000001.safetensors.half.tmp"), "half a shard");
        assertThatThrownBy(() -> LatentSet.read(killed))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("not finished");
        write(killed, plan, -2);
        for (String name : List.of("000000", "000001", "000002")) {
            assertThat(killed.resolve(name + ".safetensors"))
                    .hasSameBinaryContentAs(whole.resolve(name + ".safetensors"));
        }
        assertThat(killed.resolve("latents.json")).hasSameTextualContentAs(whole.resolve("latents.json"));
        assertThat(killed.toFile().list()).hasSize(4);
    }

    @Test
    void anotherPlanIsNotGoneOnWith() {
        LatentSetWriter.open(folder.resolve("l"), plan(LatentSet.Kind.MOMENTS, true, LatentSet.Type.FLOAT32));
        assertThatThrownBy(() -> LatentSetWriter.open(
                        folder.resolve("l"), plan(LatentSet.Kind.MOMENTS, false, LatentSet.Type.FLOAT32)))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("begun otherwise");
    }

    @Test
    void shardsOfUnknownOriginAreNotAdopted() throws IOException {
        LatentSet.Plan plan = plan(LatentSet.Kind.SAMPLES, false, LatentSet.Type.FLOAT32);
        write(folder.resolve("l"), plan, 0);
        Files.delete(folder.resolve("l/latents.json"));
        assertThatThrownBy(() -> LatentSetWriter.open(folder.resolve("l"), plan))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("not what they are");
    }

    @Test
    void finishedLatentsAreNotOverwritten() {
        LatentSet.Plan plan = plan(LatentSet.Kind.SAMPLES, false, LatentSet.Type.FLOAT32);
        write(folder.resolve("l"), plan, 0);
        assertThatThrownBy(() -> LatentSetWriter.open(folder.resolve("l"), plan))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("already holds latents");
    }

    @Test
    void latentsThatAreNotFiniteAreRefused() {
        LatentSet.Plan plan = plan(LatentSet.Kind.SAMPLES, false, LatentSet.Type.FLOAT16);
        try (Scope scope = Scope.open()) {
            LatentSetWriter writer = LatentSetWriter.open(folder, plan);
            Tensor large = normal(2, 1).mul(Scalars.of(1e6)); // beyond float16
            assertThatThrownBy(() -> writer.write(
                            0, new LatentSetWriter.Part(large, Tensors.of(new double[0])), null, new long[2]))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("pictures 0 to 1 is not finite");
            assertThat(writer.next()).isZero();
        }
    }

    @Test
    void whatTheSetLacksCannotBeAskedFor() {
        write(folder, plan(LatentSet.Kind.SAMPLES, false, LatentSet.Type.FLOAT32), 0);
        assertThatThrownBy(() ->
                        LatentDataset.open(folder, LatentSet.Scaling.AUTOENCODER, true, LatentDataset.Posterior.SAMPLE))
                .hasMessageContaining("encode with --flip");
        assertThatThrownBy(() ->
                        LatentDataset.open(folder, LatentSet.Scaling.AUTOENCODER, false, LatentDataset.Posterior.MEAN))
                .hasMessageContaining("holds samples");
        assertThatThrownBy(() -> LatentDataset.open(
                        folder.resolve("none"), LatentSet.Scaling.AUTOENCODER, false, LatentDataset.Posterior.MEAN))
                .hasMessageContaining("holds no latents");
    }
}
