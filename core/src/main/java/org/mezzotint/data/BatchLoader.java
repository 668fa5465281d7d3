package org.mezzotint.data;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.mezzotint.io.InputException;

/**
 * An endless stream of batches, prefetched by threads and counted in pictures.
 *
 * <p>Picture n of the stream is {@code order_e[n mod size]} with epoch {@code e = n / size}. The order of an epoch depends on
 * (seed, e) alone, the augmentation of picture n on (seed, n) alone: the stream is the same to the last bit for any number
 * of threads, any batch size and any start.
 *
 * <p>{@link #next}, {@link #nextImage}, {@link #skipped} and {@link #skippedNames} belong to one thread; {@link #close} may
 * be called from any.
 */
public final class BatchLoader implements AutoCloseable {
    /** What to do with a picture that cannot be read. */
    public enum OnBroken {
        /** {@link BatchLoader#next} throws the {@link InputException}. */
        FAIL,
        /** The next readable picture of the same epoch's order takes its place. */
        SKIP
    }

    /**
     * One batch, owned by the receiver.
     *
     * @param pixels N·C·H·W numbers in [-1, 1], with augmentation a little beyond
     * @param labels N labels, all 0 when the data set has none
     * @param indices N indices into the data set
     * @param augmentation N·9 numbers, the {@link GeometricAugmentation.Warp#condition} of each picture; empty without
     *     augmentation
     * @param firstImage the number in the stream of the first picture
     */
    @SuppressWarnings("ArrayRecordComponent") // a carrier of pixels, never compared
    public record Batch(float[] pixels, long[] labels, int[] indices, float[] augmentation, long firstImage) {}

    private static final int MAX_SKIPPED_NAMES = 20;
    private static final int CACHED_EPOCHS = 4;
    private static final int CLOSE_SECONDS = 5;
    private static final long ORDER = 1;
    private static final long AUGMENT = 2;
    private static final long WARP = 3;

    private final Dataset dataset;
    private final int size;
    private final int batchSize;
    private final int pictureLength;
    private final long seed;
    private final OnBroken policy;
    private final Optional<GeometricAugmentation> augmentation;
    private final ExecutorService threads;
    private final Queue<Future<Loaded>> ahead = new ConcurrentLinkedQueue<>();
    private final Map<Integer, String> broken = new ConcurrentHashMap<>();
    private final Map<Long, int[]> orders = new LinkedHashMap<>();
    private final Set<String> skippedNames = new LinkedHashSet<>();
    private long nextImage;
    private long nextToLoad;
    private long skipped;
    private volatile boolean closed;

    /** A batch with what was skipped on the way to it. */
    private record Loaded(Batch batch, long skipped, Set<String> skippedNames) {}

    /**
     * Starts the threads, which read ahead at once. Pictures stay as the data set gives them.
     *
     * @param dataset where pictures come from; it stays open when the loader closes
     * @param batchSize N, at least 1; may exceed the data set's size
     * @param seed another seed gives another order and other flips
     * @param firstImage number of the first picture, at least 0: where an earlier loader's {@link #nextImage} stood
     * @param threads how many threads read, at least 1
     * @param policy what to do with broken pictures
     * @throws IllegalArgumentException if a value is out of range or the data set is empty
     */
    public BatchLoader(Dataset dataset, int batchSize, long seed, long firstImage, int threads, OnBroken policy) {
        this(dataset, batchSize, seed, firstImage, threads, policy, 0);
    }

    /**
     * Starts the threads, which read and warp ahead at once.
     *
     * @param dataset where pictures come from; it stays open when the loader closes
     * @param batchSize N, at least 1; may exceed the data set's size
     * @param seed another seed gives another order and other augmentation
     * @param firstImage number of the first picture, at least 0: where an earlier loader's {@link #nextImage} stood
     * @param threads how many threads read, at least 1
     * @param policy what to do with broken pictures
     * @param augmentation probability of each transformation of {@link GeometricAugmentation}; 0 for no augmentation
     * @throws IllegalArgumentException if a value is out of range or the data set is empty
     */
    public BatchLoader(
            Dataset dataset,
            int batchSize,
            long seed,
            long firstImage,
            int threads,
            OnBroken policy,
            double augmentation) {
        checkAtLeast("batchSize", batchSize, 1);
        checkAtLeast("firstImage", firstImage, 0);
        checkAtLeast("threads", threads, 1);
        checkAtLeast("dataset.size()", dataset.size(), 1);
        this.dataset = dataset;
        this.size = dataset.size();
        this.batchSize = batchSize;
        this.pictureLength = dataset.channels() * dataset.height() * dataset.width();
        if ((long) pictureLength * batchSize > Integer.MAX_VALUE - 8) {
            throw new IllegalArgumentException("batchSize is too large for one array: " + batchSize + " pictures of "
                    + pictureLength + " numbers");
        }
        this.seed = seed;
        this.policy = policy;
        this.augmentation = augmentation == 0 ? Optional.empty() : Optional.of(new GeometricAugmentation(augmentation));
        this.nextImage = firstImage;
        this.nextToLoad = firstImage;
        AtomicInteger count = new AtomicInteger();
        this.threads = Executors.newFixedThreadPool(threads, task -> {
            Thread thread = new Thread(task, "mezzotint-loader-" + count.incrementAndGet());
            thread.setDaemon(true);
            return thread;
        });
        for (int i = 0; i < threads + 1; i++) {
            submit();
        }
    }

    /**
     * The next batch, (N, C, H, W), waiting for it if need be.
     *
     * @return the batch
     * @throws InputException if a picture is broken and the policy is to fail, or if all pictures are broken; calling again
     *     throws again
     * @throws IllegalStateException if the loader is closed, or the calling thread was interrupted
     */
    public Batch next() {
        Loaded loaded = await();
        ahead.remove();
        submit();
        nextImage += batchSize;
        skipped += loaded.skipped;
        for (String name : loaded.skippedNames) {
            if (skippedNames.size() < MAX_SKIPPED_NAMES) {
                skippedNames.add(name);
            }
        }
        return loaded.batch;
    }

    private Loaded await() {
        try {
            Future<Loaded> head = ahead.peek();
            if (closed || head == null) {
                throw new IllegalStateException("the loader is closed");
            }
            return head.get();
        } catch (CancellationException e) {
            throw new IllegalStateException("the loader is closed", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while waiting for a batch", e);
        } catch (ExecutionException e) {
            if (!closed && e.getCause() instanceof InputException input) {
                throw new InputException(input.getMessage(), input);
            }
            throw new IllegalStateException(closed ? "the loader is closed" : "a loader thread failed", e.getCause());
        }
    }

    /**
     * The number of the first picture of the batch that {@link #next} gives next: open a loader there to continue.
     *
     * @return pictures delivered so far plus the constructor's {@code firstImage}
     */
    public long nextImage() {
        return nextImage;
    }

    /**
     * How many pictures of the delivered batches stand in for broken ones.
     *
     * @return 0 or more; always 0 with {@link OnBroken#FAIL}
     */
    public long skipped() {
        return skipped;
    }

    /**
     * The broken pictures met so far, each once, with the reason.
     *
     * @return at most 20 messages
     */
    public List<String> skippedNames() {
        return List.copyOf(skippedNames);
    }

    /** Stops the threads; calling it again does nothing. A thread waiting in {@link #next} gets an error. */
    @Override
    public void close() {
        closed = true;
        threads.shutdownNow();
        ahead.forEach(future -> future.cancel(true));
        try {
            // A thread ends after the picture it is reading; then the data set may be closed too.
            threads.awaitTermination(CLOSE_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void submit() {
        long first = nextToLoad;
        try {
            ahead.add(threads.submit(() -> load(first)));
            nextToLoad += batchSize;
        } catch (RejectedExecutionException e) {
            if (!closed) {
                throw e;
            }
        }
    }

    private Loaded load(long first) throws InterruptedException {
        float[] pixels = new float[pictureLength * batchSize];
        int[] indices = new int[batchSize];
        long[] labels = new long[batchSize];
        float[] warps = new float[augmentation.isPresent() ? GeometricAugmentation.CONDITION_LENGTH * batchSize : 0];
        Set<String> messages = new LinkedHashSet<>();
        long replaced = 0;
        for (int i = 0; i < batchSize; i++) {
            if (Thread.interrupted()) {
                throw new InterruptedException("the loader is closed");
            }
            int wanted = order((first + i) / size)[(int) ((first + i) % size)];
            indices[i] = read(first + i, pixels, i * pictureLength, messages);
            labels[i] = dataset.label(indices[i]);
            replaced += indices[i] == wanted ? 0 : 1;
            if (augmentation.isPresent()) {
                warp(augmentation.get(), first + i, pixels, warps, i);
            }
        }
        return new Loaded(new Batch(pixels, labels, indices, warps, first), replaced, messages);
    }

    /** Warps picture i of a batch, which is number {@code image} of the stream, and notes how. */
    private void warp(GeometricAugmentation augmentation, long image, float[] pixels, float[] warps, int i) {
        GeometricAugmentation.Warp warp = augmentation.draw(new SplittableRandom(Seeds.mix(seed, WARP, image)));
        float[] original = Arrays.copyOfRange(pixels, i * pictureLength, (i + 1) * pictureLength);
        float[] warped = warp.apply(original, dataset.channels(), dataset.height(), dataset.width());
        System.arraycopy(warped, 0, pixels, i * pictureLength, pictureLength);
        double[] condition = warp.condition();
        for (int k = 0; k < condition.length; k++) {
            warps[i * condition.length + k] = (float) condition[k];
        }
    }

    /** Reads picture {@code image} of the stream, or under SKIP what stands in for it; returns the index that was read. */
    private int read(long image, float[] pixels, int offset, Set<String> messages) {
        int[] order = order(image / size);
        int start = (int) (image % size);
        for (int step = 0; step < size; step++) {
            int index = order[(int) (((long) start + step) % size)];
            String known = broken.get(index);
            if (known != null) {
                messages.add(known);
                continue;
            }
            try {
                dataset.read(index, new SplittableRandom(Seeds.mix(seed, AUGMENT, image)), pixels, offset);
                return index;
            } catch (InputException e) {
                if (policy == OnBroken.FAIL) {
                    throw e;
                }
                broken.put(index, e.getMessage());
                messages.add(e.getMessage());
            }
        }
        throw new InputException(
                "none of the " + size + " pictures can be read, the last one: " + dataset.name(order[start]));
    }

    /** The indices of an epoch in shuffled order (Fisher–Yates); the last few epochs are kept. */
    private int[] order(long epoch) {
        synchronized (orders) {
            int[] known = orders.get(epoch);
            if (known != null) {
                return known;
            }
            if (orders.size() == CACHED_EPOCHS) {
                orders.remove(orders.keySet().iterator().next());
            }
            int[] order = shuffled(epoch);
            orders.put(epoch, order);
            return order;
        }
    }

    private int[] shuffled(long epoch) {
        int[] order = new int[size];
        for (int i = 0; i < size; i++) {
            int j = (int) Long.remainderUnsigned(Seeds.mix(seed, ORDER, epoch, i), i + 1);
            order[i] = order[j];
            order[j] = i;
        }
        return order;
    }

    private static void checkAtLeast(String name, long value, long min) {
        if (value < min) {
            throw new IllegalArgumentException(name + " must be at least " + min + ", got " + value);
        }
    }
}
