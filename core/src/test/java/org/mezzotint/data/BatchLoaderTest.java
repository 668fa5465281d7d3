package org.mezzotint.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.mezzotint.data.BatchLoader.Batch;
import org.mezzotint.data.BatchLoader.OnBroken;
import org.mezzotint.io.InputException;

class BatchLoaderTest {
    private static final ShapesDataset SHAPES = new ShapesDataset(50, 8, 8, 1);
    private static final int LENGTH = 3 * 8 * 8;

    @TempDir
    Path temp;

    /** Pictures one after the other, as one array a picture: pixels, label, index. */
    private static List<List<Object>> stream(Dataset dataset, int batchSize, long first, int threads, int pictures) {
        return stream(new BatchLoader(dataset, batchSize, 3, first, threads, OnBroken.SKIP), batchSize, pictures);
    }

    private static List<List<Object>> stream(BatchLoader opened, int batchSize, int pictures) {
        List<List<Object>> stream = new ArrayList<>();
        try (BatchLoader loader = opened) {
            while (stream.size() < pictures) {
                Batch batch = loader.next();
                int length = batch.pixels().length / batchSize;
                for (int i = 0; i < batchSize; i++) {
                    float[] pixels = Arrays.copyOfRange(batch.pixels(), i * length, (i + 1) * length);
                    stream.add(List.of(Arrays.hashCode(pixels), batch.labels()[i], batch.indices()[i]));
                }
            }
        }
        return stream.subList(0, pictures);
    }

    private Dataset flippedPictures() {
        Map<String, byte[]> files = TestPictures.twoClasses();
        return ImageFolder.open(
                TestPictures.folder(temp.resolve("p"), files),
                PictureOptions.rgb(7, 9).withFlip(true));
    }

    @Test
    void streamIsTheSameForAnyThreadsAndBatchSize() {
        try (Dataset dataset = flippedPictures()) {
            List<List<Object>> expected = stream(dataset, 1, 0, 1, 60);
            assertThat(new HashSet<>(expected)).as("both flips occur").hasSize(10);
            for (int threads : new int[] {1, 2, 5}) {
                for (int batchSize : new int[] {1, 3, 5, 16}) {
                    assertThat(stream(dataset, batchSize, 0, threads, 60)).isEqualTo(expected);
                }
            }
        }
    }

    @Test
    void loaderOpenedLaterContinuesExactly() {
        try (Dataset dataset = flippedPictures()) {
            List<List<Object>> expected = stream(dataset, 4, 0, 2, 60);
            for (int first : new int[] {1, 4, 5, 23}) {
                assertThat(stream(dataset, 3, first, 2, 60 - first)).isEqualTo(expected.subList(first, 60));
            }
        }
    }

    @Test
    void warpedStreamIsTheSameForAnyThreadsBatchSizeAndStart() {
        List<List<Object>> plain = stream(SHAPES, 4, 0, 1, 60);
        List<List<Object>> expected = stream(warping(4, 0, 1, 0.5), 4, 60);
        assertThat(expected).isNotEqualTo(plain);
        for (int threads : new int[] {1, 2, 5}) {
            for (int batchSize : new int[] {1, 3, 16}) {
                for (int first : new int[] {0, 1, 23}) {
                    assertThat(stream(warping(batchSize, first, threads, 0.5), batchSize, 60 - first))
                            .isEqualTo(expected.subList(first, 60));
                }
            }
        }
    }

    private static BatchLoader warping(int batchSize, long first, int threads, double augmentation) {
        return new BatchLoader(SHAPES, batchSize, 3, first, threads, OnBroken.FAIL, augmentation);
    }

    @Test
    void batchSaysHowEachOfItsPicturesIsWarped() {
        try (BatchLoader loader = warping(100, 0, 1, 1e-12)) { // so seldom a warp that the mirror alone is left
            Batch batch = loader.next();
            assertThat(batch.augmentation()).hasSize(100 * 9);
            int mirrored = 0;
            for (int i = 0; i < 100; i++) {
                float[] told = Arrays.copyOfRange(batch.augmentation(), i * 9, (i + 1) * 9);
                boolean mirror = told[0] == 1;
                mirrored += mirror ? 1 : 0;
                for (int k = 1; k < 9; k++) {
                    assertThat(told[k]).isZero();
                }
                float[] expected = TestPictures.read(SHAPES, batch.indices()[i]);
                for (int k = 0; k < LENGTH; k++) {
                    assertThat(batch.pixels()[i * LENGTH + k]).isEqualTo(expected[mirror ? k - k % 8 + 7 - k % 8 : k]);
                }
            }
            assertThat(mirrored).isBetween(30, 70);
        }
        try (BatchLoader loader = warping(10, 0, 1, 1)) {
            float[] told = loader.next().augmentation();
            assertThat(Arrays.copyOfRange(told, 2, 9)).doesNotContain(0);
            assertThat(Arrays.copyOfRange(told, 9, 18)).isNotEqualTo(Arrays.copyOfRange(told, 0, 9));
        }
    }

    @Test
    void batchHoldsThePicturesItNames() {
        try (BatchLoader loader = new BatchLoader(SHAPES, 6, 1, 12, 2, OnBroken.FAIL)) {
            assertThat(loader.nextImage()).isEqualTo(12);
            Batch batch = loader.next();
            assertThat(batch.firstImage()).isEqualTo(12);
            assertThat(batch.pixels()).hasSize(6 * LENGTH);
            assertThat(loader.nextImage()).isEqualTo(18);
            for (int i = 0; i < 6; i++) {
                int index = batch.indices()[i];
                assertThat(batch.labels()[i]).isEqualTo(SHAPES.label(index));
                assertThat(Arrays.copyOfRange(batch.pixels(), i * LENGTH, (i + 1) * LENGTH))
                        .isEqualTo(TestPictures.read(SHAPES, index));
            }
            assertThat(batch.augmentation()).isEmpty();
            assertThat(loader.next().firstImage()).isEqualTo(18);
            assertThat(loader.skipped()).isZero();
        }
    }

    private static List<Integer> indices(long seed, long first, int pictures) {
        try (BatchLoader loader = new BatchLoader(SHAPES, pictures, seed, first, 1, OnBroken.FAIL)) {
            return Arrays.stream(loader.next().indices()).boxed().toList();
        }
    }

    @Test
    void everyEpochShowsEveryPictureOnceInAnotherOrder() {
        Set<List<Integer>> orders = new HashSet<>();
        for (int epoch = 0; epoch < 5; epoch++) {
            List<Integer> order = indices(7, 50L * epoch, 50);
            assertThat(new HashSet<>(order)).hasSize(50);
            orders.add(order);
        }
        orders.add(indices(8, 0, 50));
        assertThat(orders).hasSize(6);
    }

    @Test
    void orderIsEvenlyShuffled() {
        int[] first = new int[50];
        for (int seed = 0; seed < 2000; seed++) {
            first[indices(seed, 0, 1).get(0)]++;
        }
        assertThat(Arrays.stream(first).min().orElseThrow()).isGreaterThan(15);
        assertThat(Arrays.stream(first).max().orElseThrow()).isLessThan(75);
    }

    @Test
    void orderStaysAsItIsSoThatOldRunsResume() {
        assertThat(indices(0, 0, 8)).containsExactly(33, 12, 16, 29, 20, 31, 49, 0);
    }

    @Test
    void batchMayBeLargerThanTheDataSet() {
        Dataset three = new Subset(SHAPES, 1, 2, 3);
        try (BatchLoader loader = new BatchLoader(three, 10, 1, 0, 3, OnBroken.FAIL)) {
            int[] seen = new int[3];
            for (int i = 0; i < 3; i++) {
                for (int index : loader.next().indices()) {
                    seen[index]++;
                }
            }
            assertThat(seen).containsExactly(10, 10, 10);
        }
    }

    private Dataset withBroken(int broken, int good) {
        Map<String, byte[]> files = new LinkedHashMap<>();
        for (int i = 0; i < good; i++) {
            files.put("good" + i + ".png", TestPictures.png(9, 7, i));
        }
        for (int i = 0; i < broken; i++) {
            files.put("broken" + i + ".png", new byte[] {1, 2, 3});
        }
        return ImageFolder.open(TestPictures.folder(temp.resolve("pictures"), files), PictureOptions.rgb(7, 9));
    }

    @Test
    void failPolicyThrowsTheErrorOfTheFileAgainAndAgain() {
        try (Dataset dataset = withBroken(1, 4);
                BatchLoader loader = new BatchLoader(dataset, 5, 1, 0, 2, OnBroken.FAIL)) {
            for (int i = 0; i < 2; i++) {
                assertThatExceptionOfType(InputException.class)
                        .isThrownBy(loader::next)
                        .withMessageEndingWith("broken0.png: not a JPEG, PNG, WebP, BMP or GIF picture");
            }
            assertThat(loader.nextImage()).isZero();
        }
    }

    @Test
    void skipPolicyPutsTheNextPictureInItsPlaceAndCounts() {
        try (Dataset dataset = withBroken(2, 4)) {
            List<List<Object>> expected = stream(dataset, 1, 0, 1, 48);
            assertThat(stream(dataset, 7, 0, 4, 48)).isEqualTo(expected);
            assertThat(stream(dataset, 5, 9, 2, 39)).isEqualTo(expected.subList(9, 48));
            assertThat(expected)
                    .noneMatch(picture -> dataset.name((Integer) picture.get(2)).contains("broken"));
            try (BatchLoader loader = new BatchLoader(dataset, 6, 3, 0, 3, OnBroken.SKIP)) {
                loader.next();
                assertThat(loader.skipped()).isEqualTo(2);
                loader.next();
                assertThat(loader.skipped()).isEqualTo(4);
                assertThat(loader.skippedNames()).hasSize(2).allMatch(name -> name.contains("/broken"));
            }
        }
    }

    @Test
    void atMostTwentySkippedNamesAreKept() {
        try (Dataset dataset = withBroken(30, 1);
                BatchLoader loader = new BatchLoader(dataset, 31, 1, 0, 1, OnBroken.SKIP)) {
            assertThat(loader.next().indices()).containsOnly(30);
            assertThat(loader.skipped()).isEqualTo(30);
            assertThat(loader.skippedNames()).hasSize(20);
        }
    }

    @Test
    void nothingReadableIsAnError() {
        try (Dataset dataset = withBroken(3, 0);
                BatchLoader loader = new BatchLoader(dataset, 2, 1, 0, 1, OnBroken.SKIP)) {
            assertThatExceptionOfType(InputException.class)
                    .isThrownBy(loader::next)
                    .withMessageContaining("none of the 3 pictures can be read");
        }
    }

    /** Delegates to shapes, but reading waits or fails. */
    private static final class Odd implements Dataset {
        final CountDownLatch reading = new CountDownLatch(1);
        final CountDownLatch release = new CountDownLatch(1);
        final RuntimeException failure;

        Odd(RuntimeException failure) {
            this.failure = failure;
        }

        @Override
        public int size() {
            return 9;
        }

        @Override
        public int channels() {
            return 3;
        }

        @Override
        public int height() {
            return 8;
        }

        @Override
        public int width() {
            return 8;
        }

        @Override
        public List<String> classNames() {
            return List.of();
        }

        @Override
        public long label(int index) {
            return 0;
        }

        @Override
        public void read(int index, RandomGenerator random, float[] into, int offset) {
            reading.countDown();
            if (failure != null) {
                throw failure;
            }
            try {
                release.await();
            } catch (InterruptedException e) {
                throw new InputException("interrupted", e);
            }
        }

        @Override
        public String name(int index) {
            return "odd";
        }

        @Override
        public String fingerprint() {
            return "";
        }

        @Override
        public void close() {}
    }

    @Test
    void bugInADataSetIsNotTakenForABrokenPicture() {
        IllegalArgumentException bug = new IllegalArgumentException("bug");
        try (BatchLoader loader = new BatchLoader(new Odd(bug), 2, 1, 0, 1, OnBroken.SKIP)) {
            assertThatIllegalStateException()
                    .isThrownBy(loader::next)
                    .withMessage("a loader thread failed")
                    .withCause(bug);
        }
    }

    @Test
    void closingStopsTheThreadsAndWakesWhoeverWaits() throws InterruptedException {
        Odd slow = new Odd(null);
        BatchLoader loader = new BatchLoader(slow, 2, 1, 0, 3, OnBroken.FAIL);
        slow.reading.await();
        assertThat(loaderThreads()).isNotEmpty().allMatch(Thread::isDaemon);
        List<Throwable> thrown = new ArrayList<>();
        Thread waiting = new Thread(() -> {
            try {
                loader.next();
            } catch (IllegalStateException e) {
                thrown.add(e);
            }
        });
        waiting.start();
        Set<Thread> before = loaderThreads();
        Assertions.assertTimeout(Duration.ofSeconds(5), () -> {
            loader.close();
            loader.close();
            waiting.join();
            for (Thread thread : before) {
                thread.join();
            }
        });
        assertThat(thrown).hasSize(1).allMatch(e -> e.getMessage().equals("the loader is closed"));
        assertThatIllegalStateException().isThrownBy(loader::next).withMessage("the loader is closed");
    }

    private static Set<Thread> loaderThreads() {
        Set<Thread> threads = new HashSet<>(Thread.getAllStackTraces().keySet());
        threads.removeIf(thread -> !thread.getName().startsWith("mezzotint-loader-"));
        return threads;
    }

    @Test
    void refusesValuesOutOfRange() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new BatchLoader(SHAPES, 0, 1, 0, 1, OnBroken.FAIL))
                .withMessage("batchSize must be at least 1, got 0");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> warping(1, 0, 1, -0.5))
                .withMessage("probability must be above 0 and at most 1, got -0.5");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new BatchLoader(SHAPES, 1, 1, -1, 1, OnBroken.FAIL))
                .withMessage("firstImage must be at least 0, got -1");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new BatchLoader(SHAPES, 1, 1, 0, 0, OnBroken.FAIL))
                .withMessage("threads must be at least 1, got 0");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new BatchLoader(new Subset(SHAPES), 1, 1, 0, 1, OnBroken.FAIL))
                .withMessage("dataset.size() must be at least 1, got 0");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new BatchLoader(SHAPES, 1 << 24, 1, 0, 1, OnBroken.FAIL))
                .withMessageStartingWith("batchSize is too large for one array");
    }
}
