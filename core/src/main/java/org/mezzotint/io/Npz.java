package org.mezzotint.io;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import java.util.zip.Deflater;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;

/** Writes pictures and statistics in the layout that evaluators of the field read: numpy arrays in a zip file. */
public final class Npz {
    private Npz() {}

    /**
     * Starts a file with {@code arr_0}, the pictures, as uint8 of shape (count, height, width, 3).
     *
     * @param target the file; its folder must exist, and it appears when the writer is closed
     * @param count how many pictures will be added, at least 0
     * @param height pixels, at least 1
     * @param width pixels, at least 1
     * @return the writer
     * @throws InputException if the file cannot be written
     */
    public static ImageWriter images(Path target, int count, int height, int width) {
        if (count < 0 || height < 1 || width < 1) {
            throw new IllegalArgumentException("count must be at least 0 and height and width at least 1, got " + count
                    + ", " + height + " and " + width);
        }
        return new ImageWriter(target, count, height, width);
    }

    /**
     * Writes arrays of numbers, {@code numpy.savez}'s layout, which appear complete or not at all.
     *
     * @param target the file; its folder must exist
     * @param arrays name to tensor of float64, float32, int64 or uint8, of any shape
     * @throws IllegalArgumentException if a tensor is of another type
     * @throws InputException if the file cannot be written
     */
    public static void write(Path target, Map<String, Tensor> arrays) {
        arrays.forEach((name, tensor) -> type(name, tensor));
        AtomicFiles.write(target, out -> {
            ZipOutputStream zip = new ZipOutputStream(out);
            zip.setLevel(Deflater.NO_COMPRESSION);
            for (Map.Entry<String, Tensor> array : arrays.entrySet()) {
                Tensor tensor = array.getValue();
                String shape = LongStream.of(tensor.shape())
                        .mapToObj(side -> side + ",")
                        .collect(Collectors.joining(" "));
                startArray(zip, array.getKey(), type(array.getKey(), tensor), shape);
                writeData(zip, tensor);
                zip.closeEntry();
            }
            zip.finish();
        });
    }

    private static String type(String name, Tensor tensor) {
        return switch (tensor.scalar_type().intern()) {
            case Double -> "<f8";
            case Float -> "<f4";
            case Long -> "<i8";
            case Byte -> "|u1";
            default ->
                throw new IllegalArgumentException("array " + name
                        + " must be float64, float32, int64 or uint8, got "
                        + tensor.scalar_type().intern());
        };
    }

    private static void writeData(OutputStream out, Tensor tensor) throws IOException {
        byte[] chunk = new byte[1 << 16];
        try (PointerScope scope = new PointerScope()) {
            Tensor plain = tensor.detach().cpu().contiguous();
            long bytes = plain.nbytes();
            BytePointer data = new BytePointer(plain.data_ptr()).capacity(bytes);
            for (long done = 0; done < bytes; ) {
                int part = (int) Math.min(bytes - done, chunk.length);
                data.position(done).get(chunk, 0, part);
                out.write(chunk, 0, part);
                done += part;
            }
        }
    }

    private static void startArray(ZipOutputStream zip, String name, String type, String shape) throws IOException {
        ZipEntry entry = new ZipEntry(name + ".npy");
        // A fixed time: equal content gives equal files.
        entry.setTimeLocal(LocalDateTime.of(1980, 1, 1, 0, 0));
        zip.putNextEntry(entry);
        writeHeader(zip, "{'descr': '" + type + "', 'fortran_order': False, 'shape': (" + shape + "), }");
    }

    /** Takes one picture after another. Closing it finishes the file; it belongs to one thread. */
    public static final class ImageWriter implements AutoCloseable {
        private final Path target;
        private final int count;
        private final int pictureBytes;
        private final AtomicFiles.Pending pending;
        private final ZipOutputStream zip;
        private int added;
        private long[] labels;
        private boolean broken;
        private boolean closed;

        private ImageWriter(Path target, int count, int height, int width) {
            this.target = target;
            this.count = count;
            this.pictureBytes = Math.multiplyExact(Math.multiplyExact(height, width), 3);
            AtomicFiles.Pending opened = null;
            try {
                opened = AtomicFiles.Pending.open(target);
                pending = opened;
                zip = new ZipOutputStream(pending.out());
                // Generated pictures hardly shrink, and readers then run at the speed of the disk.
                zip.setLevel(Deflater.NO_COMPRESSION);
                startArray(zip, "arr_0", "|u1", count + ", " + height + ", " + width + ", 3");
            } catch (IOException e) {
                throw failed(opened, e);
            }
        }

        /**
         * Adds the next picture.
         *
         * @param rgbHwc height × width × 3 bytes, red first, rows from the top
         * @throws IllegalArgumentException if it has another number of bytes
         * @throws IllegalStateException if all pictures have been added
         * @throws InputException if the file cannot be written
         */
        public void add(byte[] rgbHwc) {
            if (rgbHwc.length != pictureBytes) {
                throw new IllegalArgumentException(
                        "a picture must have " + pictureBytes + " bytes, got " + rgbHwc.length);
            }
            if (closed || added == count) {
                throw new IllegalStateException(
                        closed ? target + " is closed" : target + " was announced with " + count + " pictures");
            }
            try {
                zip.write(rgbHwc);
                added++;
            } catch (IOException e) {
                broken = true;
                throw failed(pending, e);
            }
        }

        /**
         * Gives {@code arr_1}, the class of each picture, as int64 of shape (count). Without this call there is none.
         *
         * @param classes one number per picture
         * @throws IllegalArgumentException if their number is not the announced count
         */
        public void labels(long[] classes) {
            if (classes.length != count) {
                throw new IllegalArgumentException("there must be " + count + " labels, got " + classes.length);
            }
            labels = classes.clone();
        }

        /**
         * Finishes the file. A second call does nothing.
         *
         * @throws IllegalStateException if fewer pictures were added than announced; no file appears
         * @throws InputException if the file cannot be written
         */
        @Override
        public void close() {
            if (closed) {
                return;
            }
            closed = true;
            try (pending) {
                if (broken) {
                    return;
                }
                if (added != count) {
                    throw new IllegalStateException(
                            target + " was announced with " + count + " pictures, got " + added);
                }
                zip.closeEntry();
                if (labels != null) {
                    startArray(zip, "arr_1", "<i8", count + ",");
                    ByteBuffer bytes = ByteBuffer.allocate(8 << 10).order(ByteOrder.LITTLE_ENDIAN);
                    for (int i = 0; i < count; i++) {
                        bytes.putLong(labels[i]);
                        if (!bytes.hasRemaining() || i == count - 1) {
                            zip.write(bytes.array(), 0, bytes.position());
                            bytes.clear();
                        }
                    }
                    zip.closeEntry();
                }
                zip.finish();
                pending.commit();
            } catch (IOException e) {
                throw failed(null, e);
            }
        }

        private InputException failed(AtomicFiles.Pending opened, IOException e) {
            InputException failure = new InputException(InputException.message("write", target, e), e);
            try {
                if (opened != null) {
                    opened.close();
                }
            } catch (IOException again) {
                failure.addSuppressed(again);
            }
            return failure;
        }
    }

    /** Version 1.0: magic, length, a Python dict padded with spaces so that the data start at a multiple of 64. */
    private static void writeHeader(OutputStream out, String dict) throws IOException {
        int length = (10 + dict.length() + 1 + 63) / 64 * 64 - 10;
        ByteBuffer header = ByteBuffer.allocate(10 + length).order(ByteOrder.LITTLE_ENDIAN);
        header.put((byte) 0x93)
                .put("NUMPY".getBytes(StandardCharsets.US_ASCII))
                .put((byte) 1)
                .put((byte) 0);
        header.putShort((short) length).put(dict.getBytes(StandardCharsets.US_ASCII));
        while (header.remaining() > 1) {
            header.put((byte) ' ');
        }
        out.write(header.put((byte) '\n').array());
    }
}
