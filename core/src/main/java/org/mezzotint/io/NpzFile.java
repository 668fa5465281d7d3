package org.mezzotint.io;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * The arrays of a numpy file: the members of an {@code .npz} without {@code .npy}, or the one array of an {@code .npy}, which
 * is called {@code arr_0} here as there. {@link Npz} writes them.
 *
 * <p>Floats of 16, 32 and 64 bits, signed integers, bool and uint8 keep their type; uint16 becomes int32 and uint32 int64.
 * Either byte order and Fortran order are read. Objects (which are pickles), texts and structures are refused. In an npz each
 * array is looked at when it is asked for: one that cannot be read does not spoil the others.
 */
public final class NpzFile implements TensorFile {
    private static final String SUFFIX = ".npy";
    private static final String ONLY = "arr_0";
    private static final int CHUNK = 1 << 16;

    private final TensorBytes file;
    private final ZipDirectory zip;
    private final Map<String, ZipDirectory.Entry> entries;
    private final Map<String, NpyHeader> headers = new HashMap<>();
    private final long mostBytes;

    private NpzFile(TensorBytes file, ZipDirectory zip, Map<String, ZipDirectory.Entry> entries, long mostBytes) {
        this.file = file;
        this.zip = zip;
        this.entries = entries;
        this.mostBytes = mostBytes;
    }

    /**
     * Opens a file whose arrays may have {@code 2 × file + 32 MiB} each when they are unpacked.
     *
     * @param path an npz or npy file
     * @return the open file
     * @throws CheckpointException if it cannot be read or is neither
     */
    public static NpzFile open(Path path) {
        return open(path, -1);
    }

    /**
     * Opens a file.
     *
     * @param path an npz or npy file
     * @param mostBytes that an array may have when it is unpacked
     * @return the open file
     * @throws CheckpointException if it cannot be read or is neither
     */
    public static NpzFile openUpTo(Path path, long mostBytes) {
        if (mostBytes < 0) {
            throw new IllegalArgumentException("mostBytes must be at least 0, got " + mostBytes);
        }
        return open(path, mostBytes);
    }

    /** Negative stands for the default. */
    private static NpzFile open(Path path, long mostBytes) {
        FileKind kind = FileKind.of(path);
        if (kind != FileKind.ZIP && kind != FileKind.NPY) {
            throw new CheckpointException(path + ": this is neither npz nor npy, it looks like " + kind);
        }
        TensorBytes file = TensorBytes.open(path);
        try {
            ZipDirectory zip = kind == FileKind.ZIP ? ZipDirectory.read(file) : null;
            Map<String, ZipDirectory.Entry> entries = new LinkedHashMap<>();
            if (zip == null) {
                entries.put(ONLY, new ZipDirectory.Entry(ONLY, 0, 0, 0, file.size(), file.size(), true));
            } else {
                zip.entries().forEach((name, entry) -> {
                    if (name.endsWith(SUFFIX)) {
                        entries.put(name.substring(0, name.length() - SUFFIX.length()), entry);
                    }
                });
            }
            NpzFile npz = new NpzFile(file, zip, entries, mostBytes < 0 ? file.mostMemory() / 2 : mostBytes);
            if (zip == null) {
                npz.header(ONLY);
            } else if (entries.isEmpty()) {
                throw new CheckpointException(path + ": no member ends in " + SUFFIX + "; a zip, but not an npz file");
            }
            file = null;
            return npz;
        } catch (IOException e) {
            throw new CheckpointException(InputException.message("read", path, e), e);
        } finally {
            if (file != null) {
                file.close();
            }
        }
    }

    private NpyHeader header(String name) {
        NpyHeader header = headers.get(name);
        if (header == null) {
            ZipDirectory.Entry entry = entry(name);
            try (InputStream in = stream(entry)) {
                header = NpyHeader.read(in, entry.bytes());
            } catch (IOException e) {
                throw damaged(name, e);
            }
            headers.put(name, header);
        }
        return header;
    }

    private InputStream stream(ZipDirectory.Entry entry) {
        return zip == null ? ZipDirectory.range(file, entry) : zip.open(entry);
    }

    private ZipDirectory.Entry entry(String name) {
        ZipDirectory.Entry entry = entries.get(name);
        if (entry == null) {
            throw new CheckpointException(source() + ": no array \"" + name + "\", "
                    + InputException.oneLine(NearestName.hint(name, entries.keySet())));
        }
        if (entry.bytes() > mostBytes) {
            throw new CheckpointException(source() + ": array \"" + InputException.oneLine(name)
                    + "\" must have at most " + mostBytes + " bytes, got " + entry.bytes());
        }
        return entry;
    }

    private CheckpointException damaged(String name, IOException e) {
        return new CheckpointException(
                source() + ": array \"" + InputException.oneLine(name) + "\": " + InputException.reason(e), e);
    }

    @Override
    public String source() {
        return file.path().toString();
    }

    @Override
    public Set<String> names() {
        return Collections.unmodifiableSet(entries.keySet());
    }

    @Override
    public boolean contains(String name) {
        return entries.containsKey(name);
    }

    @Override
    public long[] shape(String name) {
        return header(name).shape().clone();
    }

    @Override
    public ScalarType type(String name) {
        return header(name).element().scalar();
    }

    /**
     * None: the format has no free-form texts.
     *
     * @return an empty map
     */
    @Override
    public Map<String, String> metadata() {
        return Map.of();
    }

    /**
     * Gives an array of {@link #shape} and {@link #type} as a tensor on the CPU, contiguous unless it is stored in Fortran
     * order. It is a copy, belongs to the caller's scope and outlives this reader.
     *
     * @param name of the array
     * @return a new tensor
     * @throws CheckpointException if there is no such array or it cannot be read
     */
    @Override
    public Tensor tensor(String name) {
        NpyHeader header = header(name);
        try (InputStream in = stream(entry(name));
                Scope scope = Scope.open()) {
            in.skipNBytes(header.length());
            if (!header.fortran()) {
                return scope.keep(numbers(header, in, header.shape()));
            }
            int n = header.shape().length;
            long[] reversed = new long[n];
            long[] order = new long[n];
            for (int i = 0; i < n; i++) {
                reversed[i] = header.shape()[n - 1 - i];
                order[n - 1 - i] = i;
            }
            return scope.keep(numbers(header, in, reversed).permute(order));
        } catch (IOException e) {
            throw damaged(name, e);
        }
    }

    private static Tensor numbers(NpyHeader header, InputStream in, long... shape) throws IOException {
        NpyHeader.Element element = header.element();
        Tensor tensor = Tensors.empty(element.scalar(), shape);
        int perChunk = CHUNK / element.bytes();
        byte[] read = new byte[perChunk * element.bytes()];
        byte[] put = new byte[perChunk * element.tensorBytes()];
        ByteBuffer from =
                ByteBuffer.wrap(read).order(header.bigEndian() ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN);
        ByteBuffer to = ByteBuffer.wrap(put).order(ByteOrder.nativeOrder());
        BytePointer data = new BytePointer(tensor.data_ptr()).capacity(tensor.nbytes());
        long position = 0;
        for (long left = tensor.numel(); left > 0; ) {
            int count = (int) Math.min(left, perChunk);
            if (in.readNBytes(read, 0, count * element.bytes()) < count * element.bytes()) {
                throw new EOFException("its numbers are cut");
            }
            convert(element, from.clear(), to.clear(), count);
            data.position(position).put(put, 0, to.position());
            position += to.position();
            left -= count;
        }
        if (in.read() >= 0) {
            throw new IOException("more follows than its numbers");
        }
        return tensor;
    }

    private static void convert(NpyHeader.Element element, ByteBuffer from, ByteBuffer to, int count)
            throws IOException {
        for (int i = 0; i < count; i++) {
            switch (element) {
                case F2, I2 -> to.putShort(from.getShort());
                case F4, I4 -> to.putInt(from.getInt());
                case F8, I8 -> to.putLong(from.getLong());
                case I1, U1 -> to.put(from.get());
                case U2 -> to.putInt(from.getShort() & 0xFFFF);
                case U4 -> to.putLong(from.getInt() & 0xFFFFFFFFL);
                case B1 -> {
                    byte value = from.get();
                    if ((value & 0xFE) != 0) {
                        throw new IOException("a bool must be 0 or 1, got " + (value & 0xFF));
                    }
                    to.put(value);
                }
            }
        }
    }

    /** Whether a zip file holds numpy arrays and no pickle of PyTorch. */
    static boolean isNpz(Path path) {
        try (TensorBytes file = TensorBytes.open(path)) {
            List<String> names =
                    new ArrayList<>(ZipDirectory.read(file).entries().keySet());
            return names.stream().anyMatch(name -> name.endsWith(SUFFIX))
                    && names.stream().noneMatch(name -> name.endsWith("data.pkl"));
        } catch (IOException e) {
            throw new CheckpointException(InputException.message("read", path, e), e);
        }
    }

    @Override
    public void close() {
        file.close();
    }
}
