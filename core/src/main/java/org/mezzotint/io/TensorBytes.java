package org.mezzotint.io;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.zip.CRC32;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** An open file whose bytes become tensors: mapped where that is possible, else copied. */
final class TensorBytes implements AutoCloseable {
    private static final int CHUNK = 1 << 20;
    private static final int CACHED = 1 << 18;
    /** Below this a map costs more than a copy. */
    private static final long SMALLEST_MAP = 4096;

    private final Path path;
    private final FileChannel channel;
    private final boolean writable;
    private final long size;

    private TensorBytes(Path path, FileChannel channel, boolean writable, long size) {
        this.path = path;
        this.channel = channel;
        this.writable = writable;
        this.size = size;
    }

    static TensorBytes open(Path path) {
        if (Files.isDirectory(path)) {
            throw new CheckpointException("cannot read " + path + ": it is a folder");
        }
        // A copy-on-write map wants a channel that may write; a file that we may only read is copied instead of mapped.
        boolean writable = Files.isRegularFile(path) && Files.isWritable(path);
        FileChannel channel = null;
        try {
            channel = writable
                    ? FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE)
                    : FileChannel.open(path, StandardOpenOption.READ);
            TensorBytes bytes = new TensorBytes(path, channel, writable, channel.size());
            channel = null;
            return bytes;
        } catch (IOException e) {
            throw new CheckpointException(InputException.message("read", path, e), e);
        } finally {
            closeQuietly(channel);
        }
    }

    Path path() {
        return path;
    }

    FileChannel channel() {
        return channel;
    }

    /** Bytes of the file when it was opened. */
    long size() {
        return size;
    }

    /** What a reader of this file may take in all for what the file says, whatever it says. */
    long mostMemory() {
        return 4 * size + (64L << 20);
    }

    /** Looks at a checksum. */
    @FunctionalInterface
    interface CrcCheck {
        /** Throws if it is not the right one. */
        void check(long crc) throws IOException;
    }

    /** The numbers from a position on, as a new contiguous tensor of a shape; it belongs to the caller's scope. */
    Tensor tensor(ScalarType type, int itemBytes, long position, long... shape) throws IOException {
        return tensor(type, itemBytes, position, null, shape);
    }

    /** The same, with a look at the checksum of its bytes, unless {@code check} is null. Pages are then loaded once for both. */
    Tensor tensor(ScalarType type, int itemBytes, long position, CrcCheck check, long... shape) throws IOException {
        long bytes = itemBytes;
        for (long length : shape) {
            bytes = Math.multiplyExact(bytes, length);
        }
        // A private map of a file that became shorter would lengthen it again.
        if (channel.size() != size) {
            throw new CheckpointException(
                    path + ": the file changed while it was open, it had " + size + " bytes and has " + channel.size());
        }
        boolean map = writable && bytes >= SMALLEST_MAP && bytes <= Integer.MAX_VALUE && position % itemBytes == 0;
        return map ? mapped(type, position, bytes, check, shape) : copied(type, position, bytes, check, shape);
    }

    /** A private map of a file that became shorter would lengthen it again. */
    private void checkSize() throws IOException {
        if (channel.size() != size) {
            throw new CheckpointException(
                    path + ": the file changed while it was open, it had " + size + " bytes and has " + channel.size());
        }
    }

    /**
     * Fills the memory of a tensor from a position on, if it is contiguous, on the CPU and of the type of the numbers.
     *
     * @return false if it is not, and nothing was done
     */
    boolean read(Tensor target, ScalarType type, long position, CrcCheck check) throws IOException {
        if (Tensors.type(target) != type || !target.is_contiguous() || !target.is_cpu()) {
            return false;
        }
        checkSize();
        CRC32 crc = new CRC32();
        try (Scope scope = Scope.open()) {
            long bytes = target.nbytes();
            Pointer data = target.data_ptr();
            for (long done = 0; done < bytes; ) {
                int part = (int) Math.min(bytes - done, 1 << 30);
                ByteBuffer buffer =
                        new BytePointer(data).getPointer(done).capacity(part).asByteBuffer();
                for (int start = 0; start < part; start = buffer.limit()) {
                    // The checksum finds the numbers in the processor's cache. On a second thread it took longer.
                    buffer.limit(check == null ? part : Math.min(part, start + CACHED));
                    readFully(channel, buffer, position + done + start);
                    if (check != null) {
                        crc.update(buffer.position(start));
                    }
                }
                done += part;
            }
        }
        if (check != null) {
            check.check(crc.getValue());
        }
        return true;
    }

    private Tensor mapped(ScalarType type, long position, long bytes, CrcCheck check, long... shape)
            throws IOException {
        MappedByteBuffer map = channel.map(MapMode.PRIVATE, position, bytes);
        if (check != null) {
            CRC32 crc = new CRC32();
            crc.update(map.duplicate());
            check.check(crc.getValue());
        }
        try (BytePointer data = new BytePointer(map);
                TensorOptions options = new TensorOptions(type)) {
            LiveMaps.keep(data, map);
            return torch.from_blob(data, shape, LiveMaps.RELEASE, options);
        }
    }

    private Tensor copied(ScalarType type, long position, long bytes, CrcCheck check, long... shape)
            throws IOException {
        Tensor tensor = Tensors.empty(type, shape);
        CRC32 crc = new CRC32();
        try (Scope scope = Scope.open()) {
            Pointer data = tensor.data_ptr();
            for (long done = 0; done < bytes; ) {
                int part = (int) Math.min(bytes - done, 1 << 30);
                ByteBuffer buffer =
                        new BytePointer(data).getPointer(done).capacity(part).asByteBuffer();
                readFully(channel, buffer, position + done);
                if (check != null) {
                    crc.update(buffer.flip());
                }
                done += part;
            }
        }
        if (check != null) {
            check.check(crc.getValue());
        }
        return tensor;
    }

    /** A new contiguous tensor of a shape from the next bytes of a stream; it belongs to the caller's scope. */
    static Tensor tensor(ScalarType type, InputStream in, long... shape) throws IOException {
        Tensor tensor = Tensors.empty(type, shape);
        byte[] chunk = new byte[1 << 16];
        try (Scope scope = Scope.open()) {
            long bytes = tensor.nbytes();
            BytePointer data = new BytePointer(tensor.data_ptr()).capacity(bytes);
            for (long done = 0; done < bytes; ) {
                int part = (int) Math.min(bytes - done, chunk.length);
                if (in.readNBytes(chunk, 0, part) < part) {
                    throw new EOFException("the data end after " + done + " of " + bytes + " bytes");
                }
                data.position(done).put(chunk, 0, part);
                done += part;
            }
        }
        return tensor;
    }

    /** A bool that is neither 0 nor 1 is undefined behaviour in C++. */
    void checkBooleans(String name, long position, long bytes) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate((int) Math.min(bytes, CHUNK));
        for (long done = 0; done < bytes; done += buffer.limit()) {
            buffer.clear().limit((int) Math.min(bytes - done, CHUNK));
            readFully(channel, buffer, position + done);
            for (int i = 0; i < buffer.limit(); i++) {
                if ((buffer.get(i) & 0xFE) != 0) {
                    throw new CheckpointException(path + ": tensor \"" + name + "\": a BOOL must be 0 or 1, got "
                            + (buffer.get(i) & 0xFF) + " at index " + (done + i));
                }
            }
        }
    }

    /** The CRC-32 of a range, without copying it into Java's heap. */
    long crc(long position, long bytes) throws IOException {
        CRC32 crc = new CRC32();
        ByteBuffer small = ByteBuffer.allocate((int) Math.min(bytes, bytes < CHUNK ? CHUNK : 0));
        for (long done = 0; done < bytes; ) {
            int part = (int) Math.min(bytes - done, 1 << 30);
            if (bytes < CHUNK) {
                readFully(channel, small, position);
                crc.update(small.flip());
            } else {
                crc.update(channel.map(MapMode.READ_ONLY, position + done, part));
            }
            done += part;
        }
        return crc.getValue();
    }

    @Override
    public void close() {
        closeQuietly(channel);
    }

    static void readFully(FileChannel channel, ByteBuffer buffer, long position) throws IOException {
        long at = position;
        while (buffer.hasRemaining()) {
            int read = channel.read(buffer, at);
            if (read < 0) {
                throw new EOFException("the file ends at byte " + at);
            }
            at += read;
        }
    }

    private static void closeQuietly(FileChannel channel) {
        try {
            if (channel != null) {
                channel.close();
            }
        } catch (IOException e) {
            // Nothing was written, nothing is lost.
        }
    }
}
