package org.mezzotint.data;

import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.random.RandomGenerator;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import java.util.zip.GZIPInputStream;
import org.mezzotint.io.InputException;

/**
 * The training pictures of MNIST, Fashion-MNIST, KMNIST and their like, from the files as published, held in memory.
 *
 * <p>The folder holds {@code train-images-idx3-ubyte} and {@code train-labels-idx1-ubyte}, each perhaps with a dot before
 * {@code idx} or with {@code .gz} behind it; where several are there, the file without {@code .gz} is read. The content
 * decides whether a file is unpacked. Classes are "0", "1", … up to the largest label. Gray pictures are read with one
 * channel, or three equal ones, and cropped and resized like those of {@link ImageFolder}.
 *
 * <p>An idx file is: two zero bytes, 8 for unsigned bytes, the number of dimensions; each dimension in four bytes, highest
 * first; the numbers, last dimension fastest. A file must hold those bytes and no more.
 */
public final class IdxDataset implements Dataset {
    private static final List<String> IMAGES = List.of("train-images-idx3-ubyte", "train-images.idx3-ubyte");
    private static final List<String> LABELS = List.of("train-labels-idx1-ubyte", "train-labels.idx1-ubyte");
    private static final int MAX_SIDE = 1 << 14;
    /** So that a small gz file cannot fill the memory. */
    private static final int MAX_BYTES = 512 << 20;
    /** The most that deflate shrinks anything. */
    private static final long MAX_RATIO = 1032;

    private final PictureOptions options;
    private final Idx images;
    private final Idx labels;
    private final List<String> classNames;

    private IdxDataset(PictureOptions options, Idx images, Idx labels) {
        this.options = options;
        this.images = images;
        this.labels = labels;
        int classes =
                1 + IntStream.range(0, size()).map(this::unsignedLabel).max().orElseThrow();
        this.classNames =
                IntStream.range(0, classes).mapToObj(Integer::toString).toList();
    }

    /**
     * Tells whether a folder holds the pictures of such a data set; {@link #open} then takes it, or says what is wrong.
     *
     * @param folder the folder
     * @return whether a file of one of the names of the pictures lies in it
     */
    static boolean isIn(Path folder) {
        return find(folder, IMAGES).isPresent();
    }

    /**
     * Reads both files.
     *
     * @param folder where they lie
     * @param options picture size, channels, flip and limit
     * @return the data set
     * @throws InputException if a file is missing, cannot be read, is no idx file of unsigned bytes, is shorter or longer
     *     than its header says, holds no pictures, one with a side above 16384, one above the limit of {@code options}, or
     *     more than 512 MiB in all, or if there are more labels than pictures or fewer
     */
    public static IdxDataset open(Path folder, PictureOptions options) {
        if (!Files.exists(folder)) {
            throw Datasets.notFound(folder);
        }
        Path imageFile = find(folder, IMAGES).orElseThrow(() -> missing(folder, "pictures", IMAGES));
        Path labelFile = find(folder, LABELS).orElseThrow(() -> missing(folder, "labels", LABELS));
        Idx labels = read(labelFile, 1, options.maxPixels());
        Idx images = read(imageFile, 3, options.maxPixels());
        if (labels.count() != images.count()) {
            throw new InputException(labelFile + ": needs as many labels as there are pictures in " + imageFile + ", "
                    + images.count() + ", got " + labels.count());
        }
        return new IdxDataset(options, images, labels);
    }

    private static Optional<Path> find(Path folder, List<String> names) {
        return Stream.of("", ".gz")
                .flatMap(ending -> names.stream().map(name -> folder.resolve(name + ending)))
                .filter(Files::isRegularFile)
                .findFirst();
    }

    private static InputException missing(Path folder, String what, List<String> names) {
        return new InputException(
                folder + ": the file of the " + what + " is missing: " + String.join(" or ", names) + ", plain or .gz");
    }

    /**
     * A file's content.
     *
     * @param path where it was
     * @param sizes the dimensions: (N, H, W) for pictures, (N) for labels
     * @param values as many as the product of the sizes
     */
    @SuppressWarnings("ArrayRecordComponent") // a carrier of pixels, never compared
    private record Idx(Path path, int[] sizes, byte[] values) {
        int count() {
            return sizes[0];
        }
    }

    private static Idx read(Path path, int dimensions, long maxPixels) {
        try (InputStream file = new BufferedInputStream(Files.newInputStream(path))) {
            file.mark(2);
            boolean gz = file.read() == 0x1F && file.read() == 0x8B;
            file.reset();
            if (!gz) {
                return read(path, file, false, dimensions, maxPixels);
            }
            try (InputStream unpacked = new GZIPInputStream(file, 1 << 16)) {
                return read(path, unpacked, true, dimensions, maxPixels);
            }
        } catch (EOFException e) {
            throw new InputException(path + ": the gz file is cut short", e);
        } catch (IOException e) {
            throw new InputException(path + ": cannot be read: " + InputException.reason(e), e);
        }
    }

    private static Idx read(Path path, InputStream in, boolean gz, int dimensions, long maxPixels) throws IOException {
        byte[] header = in.readNBytes(Integer.BYTES * (1 + dimensions));
        long[] sizes = sizes(path, header, dimensions);
        checkSizes(path, sizes, maxPixels);
        long count = Arrays.stream(sizes).reduce(1, (a, b) -> a * b);
        long promised = header.length + count;
        if (promised > MAX_BYTES) {
            throw new InputException(path + ": too large: " + promised + " bytes, its header says " + text(sizes)
                    + ", the limit is " + MAX_BYTES);
        }
        long bytes = Files.size(path);
        // Before the array is made: a short file must not ask for much memory.
        if (gz && promised > MAX_RATIO * bytes) {
            throw wrongLength(path, sizes, promised, "a gz file too short for them, " + bytes);
        } else if (!gz && promised != bytes) {
            throw wrongLength(path, sizes, promised, Long.toString(bytes));
        }
        byte[] values = new byte[(int) count];
        int got = in.readNBytes(values, 0, values.length);
        if (got < values.length) {
            throw wrongLength(path, sizes, promised, Integer.toString(header.length + got));
        } else if (in.read() >= 0) {
            throw wrongLength(path, sizes, promised, "more");
        }
        if (gz) {
            checkTrailer(path, header, values);
        }
        return new Idx(path, Arrays.stream(sizes).mapToInt(Math::toIntExact).toArray(), values);
    }

    private static long[] sizes(Path path, byte[] header, int dimensions) {
        if (header.length < Integer.BYTES * (1 + dimensions)) {
            throw new InputException(path + ": an idx file starts with " + Integer.BYTES * (1 + dimensions)
                    + " bytes of header, got " + header.length + " bytes");
        }
        ByteBuffer numbers = ByteBuffer.wrap(header);
        int magic = numbers.getInt();
        int expected = 0x0800 + dimensions;
        if (magic != expected) {
            throw new InputException(String.format(
                    "%s: must start with %08x, an idx file of unsigned bytes in %d dimension%s, got %08x",
                    path, expected, dimensions, dimensions == 1 ? "" : "s", magic));
        }
        return IntStream.range(0, dimensions)
                .mapToLong(d -> Integer.toUnsignedLong(numbers.getInt()))
                .toArray();
    }

    private static void checkSizes(Path path, long[] sizes, long maxPixels) {
        if (sizes[0] == 0) {
            throw new InputException(path + ": it is empty, its header says " + text(sizes));
        }
        if (sizes.length == 1) {
            return;
        }
        long h = sizes[1];
        long w = sizes[2];
        if (Math.min(h, w) < 1 || Math.max(h, w) > MAX_SIDE) {
            throw new InputException(
                    path + ": sides of pictures must be 1 to " + MAX_SIDE + ", its header says " + text(sizes));
        }
        if (h * w > maxPixels) {
            throw new InputException(path + ": " + PictureFiles.tooManyPixels(w, h, maxPixels));
        }
    }

    /** A gz file ends with the CRC-32 and the length of its content; the JDK passes over anything that follows. */
    private static void checkTrailer(Path path, byte[] header, byte[] values) throws IOException {
        CRC32 crc = new CRC32();
        crc.update(header);
        crc.update(values);
        int length = header.length + values.length;
        byte[] trailer = ByteBuffer.allocate(2 * Integer.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt((int) crc.getValue())
                .putInt(length)
                .array();
        byte[] end = new byte[trailer.length];
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "r")) {
            file.seek(file.length() - end.length);
            file.readFully(end);
        }
        if (!Arrays.equals(end, trailer)) {
            throw new InputException(path + ": must be one gz stream with nothing behind it, got more");
        }
    }

    private static InputException wrongLength(Path path, long[] sizes, long promised, String got) {
        return new InputException(
                path + ": must hold " + promised + " bytes, its header says " + text(sizes) + ", got " + got);
    }

    private static String text(long[] sizes) {
        return Arrays.stream(sizes).mapToObj(Long::toString).collect(Collectors.joining("×"));
    }

    @Override
    public int size() {
        return images.count();
    }

    @Override
    public int channels() {
        return options.channels();
    }

    @Override
    public int height() {
        return options.height();
    }

    @Override
    public int width() {
        return options.width();
    }

    @Override
    public List<String> classNames() {
        return classNames;
    }

    @Override
    public long label(int index) {
        return unsignedLabel(index);
    }

    private int unsignedLabel(int index) {
        return labels.values[index] & 0xFF;
    }

    @Override
    public void read(int index, RandomGenerator random, float[] into, int offset) {
        Objects.checkIndex(index, size());
        int h = images.sizes[1];
        int w = images.sizes[2];
        byte[] rgb = new byte[3 * h * w];
        for (int p = 0, from = index * h * w; p < h * w; p++) {
            Arrays.fill(rgb, 3 * p, 3 * p + 3, images.values[from + p]);
        }
        options.fit(new PictureFiles.Picture(w, h, rgb), random, into, offset);
    }

    /** The file, and the place of the picture in it, counted from 0. */
    @Override
    public String name(int index) {
        return images.path + ", picture " + Objects.checkIndex(index, size());
    }

    /** Follows from the content, every pixel and label; packed and unpacked files, wherever they lie, give the same. */
    @Override
    public String fingerprint() {
        Fingerprint fingerprint = new Fingerprint("idx")
                .add(options.channels())
                .add(options.height())
                .add(options.width())
                .add(classNames);
        for (int size : images.sizes) {
            fingerprint.add(size);
        }
        return fingerprint.add(images.values).add(labels.values).hex();
    }

    /** Nothing to release: the files are closed once they are read. */
    @Override
    public void close() {}
}
