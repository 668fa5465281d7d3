package org.mezzotint.io;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.io.StringWriter;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Named tensors in a safetensors file, read without copying and checked as strictly as the reference reader does, or
 * more. The number types are F64, F32, F16, BF16, I64, I32, I16, I8, U8, F8_E4M3
 * and BOOL; others are refused by name.
 *
 * <pre>{@code
 *   try (Scope scope = Scope.open(); Safetensors file = Safetensors.open(path)) {
 *       Tensor weight = file.tensor("blocks.0.attn.qkv.weight");
 *   }
 * }</pre>
 *
 * <p>Tensors are private copy-on-write maps of the file: writing to one does not change the file. While tensors live
 * the file may be replaced or removed, but it must not be shortened in place.
 */
public final class Safetensors implements AutoCloseable {
    private static final int CHUNK = 1 << 20;
    /** Below this a map costs more than a copy. */
    private static final long SMALLEST_MAP = 4096;

    private final Path path;
    private final FileChannel channel;
    private final boolean writable;
    private final SafetensorsHeader header;

    private Safetensors(Path path, FileChannel channel, boolean writable, SafetensorsHeader header) {
        this.path = path;
        this.channel = channel;
        this.writable = writable;
        this.header = header;
    }

    /**
     * Opens a file and checks its header: every name, shape, type and byte range.
     *
     * @param path the file
     * @return the open file
     * @throws CheckpointException if it cannot be read or breaks a rule of the format
     */
    public static Safetensors open(Path path) {
        // A copy-on-write map wants a channel that may write; a file that we may only read is copied instead of mapped.
        boolean writable = Files.isRegularFile(path) && Files.isWritable(path);
        FileChannel channel = null;
        try {
            channel = writable
                    ? FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE)
                    : FileChannel.open(path, StandardOpenOption.READ);
            Safetensors file = new Safetensors(path, channel, writable, SafetensorsHeader.read(path, channel));
            channel = null;
            return file;
        } catch (IOException e) {
            throw new CheckpointException(InputException.message("read", path, e), e);
        } finally {
            closeQuietly(channel);
        }
    }

    /**
     * The free-form texts of the header.
     *
     * @return key to value, in the file's order; empty if there are none
     */
    public Map<String, String> metadata() {
        return header.metadata();
    }

    /**
     * The names of all tensors.
     *
     * @return the names in the order of their data in the file
     */
    public Set<String> names() {
        return Collections.unmodifiableSet(header.entries().keySet());
    }

    /**
     * Whether there is such a tensor.
     *
     * @param name the name
     * @return true if {@link #tensor} can give it
     */
    public boolean contains(String name) {
        return header.entries().containsKey(name);
    }

    /**
     * The shape of a tensor.
     *
     * @param name the name
     * @return its sizes; empty for a single number
     * @throws CheckpointException if there is no such tensor
     */
    public long[] shape(String name) {
        return entry(name).sizes();
    }

    /**
     * The number type of a tensor.
     *
     * @param name the name
     * @return its type
     * @throws CheckpointException if there is no such tensor
     */
    public ScalarType type(String name) {
        return entry(name).type().scalar();
    }

    /**
     * Gives a tensor of {@link #shape} and {@link #type} on the CPU. It belongs to the caller's scope and outlives this
     * reader. Large aligned tensors up to 2 GiB are memory maps; small, misaligned or larger ones, and those of a file
     * that may only be read, are copies.
     *
     * @param name the name
     * @return a new tensor
     * @throws CheckpointException if there is no such tensor or its data cannot be read
     */
    public Tensor tensor(String name) {
        SafetensorsHeader.Entry entry = entry(name);
        long position = header.dataStart() + entry.begin();
        long bytes = entry.end() - entry.begin();
        try {
            // A private map of a file that became shorter would lengthen it again.
            if (channel.size() != header.fileSize()) {
                throw new CheckpointException(path + ": the file changed while it was open, it had " + header.fileSize()
                        + " bytes and has " + channel.size());
            }
            boolean map = writable && bytes >= SMALLEST_MAP && bytes <= Integer.MAX_VALUE;
            map &= position % entry.type().bytes() == 0;
            if (entry.type() == SafetensorsHeader.Type.BOOL) {
                checkBooleans(name, position, bytes);
            }
            return map ? mapped(entry, position, bytes) : copied(entry, position, bytes);
        } catch (IOException e) {
            throw new CheckpointException(InputException.message("read", path, e), e);
        }
    }

    private Tensor mapped(SafetensorsHeader.Entry entry, long position, long bytes) throws IOException {
        MappedByteBuffer map = channel.map(MapMode.PRIVATE, position, bytes);
        try (BytePointer data = new BytePointer(map);
                TensorOptions options = new TensorOptions(entry.type().scalar())) {
            LiveMaps.keep(data, map);
            return torch.from_blob(data, entry.sizes(), LiveMaps.RELEASE, options);
        }
    }

    private Tensor copied(SafetensorsHeader.Entry entry, long position, long bytes) throws IOException {
        Tensor tensor;
        try (TensorOptions options = new TensorOptions(entry.type().scalar());
                MemoryFormatOptional anyFormat = new MemoryFormatOptional()) {
            tensor = torch.empty(entry.sizes(), options, anyFormat);
        }
        Pointer data = tensor.data_ptr();
        for (long done = 0; done < bytes; ) {
            int part = (int) Math.min(bytes - done, 1 << 30);
            ByteBuffer buffer =
                    new BytePointer(data).getPointer(done).capacity(part).asByteBuffer();
            readFully(channel, buffer, position + done);
            done += part;
        }
        return tensor;
    }

    /** A bool that is neither 0 nor 1 is undefined behaviour in C++. */
    private void checkBooleans(String name, long position, long bytes) throws IOException {
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

    private SafetensorsHeader.Entry entry(String name) {
        SafetensorsHeader.Entry entry = header.entries().get(name);
        if (entry == null) {
            String near = NearestName.of(name, header.entries().keySet());
            throw new CheckpointException(
                    path + ": no tensor \"" + name + "\"" + (near == null ? "" : ", did you mean \"" + near + "\"?"));
        }
        return entry;
    }

    /** Closes the file. Tensors that it gave stay valid. */
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

    /**
     * Writes tensors of any shape, device and stride to a file, which appears complete or not at all. Data lie in the
     * order of their number types' size, largest first, and within a size in the map's order, so that every tensor is
     * aligned.
     *
     * @param target the file; its folder must exist
     * @param tensors name to tensor
     * @param metadata free-form texts; may be empty
     * @throws IllegalArgumentException if a name or a number type cannot be stored
     * @throws InputException if the file cannot be written
     */
    public static void write(Path target, Map<String, Tensor> tensors, Map<String, String> metadata) {
        List<Plan> plans = new ArrayList<>();
        tensors.forEach((name, tensor) -> plans.add(Plan.of(name, tensor)));
        plans.sort(Comparator.comparingInt((Plan plan) -> plan.type().bytes()).reversed());
        byte[] head = headerBytes(plans, metadata);
        if (head.length > SafetensorsHeader.LIMIT) {
            throw new IllegalArgumentException("names and metadata must fit in " + SafetensorsHeader.LIMIT
                    + " bytes of header, got " + head.length);
        }
        AtomicFiles.write(target, out -> {
            out.write(ByteBuffer.allocate(8)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putLong(head.length)
                    .array());
            out.write(head);
            byte[] chunk = new byte[CHUNK];
            for (Plan plan : plans) {
                writeData(out, plan.tensor(), chunk);
            }
        });
    }

    private static byte[] headerBytes(List<Plan> plans, Map<String, String> metadata) {
        StringWriter text = new StringWriter();
        try (JsonGenerator json = SafetensorsHeader.JSON.createGenerator(text)) {
            json.writeStartObject();
            if (!metadata.isEmpty()) {
                json.writeObjectFieldStart(SafetensorsHeader.METADATA);
                for (Map.Entry<String, String> item : metadata.entrySet()) {
                    SafetensorsHeader.checkText("metadata key", item.getKey());
                    SafetensorsHeader.checkText("metadata value of \"" + item.getKey() + "\"", item.getValue());
                    json.writeStringField(item.getKey(), item.getValue());
                }
                json.writeEndObject();
            }
            long begin = 0;
            for (Plan plan : plans) {
                json.writeObjectFieldStart(plan.name());
                json.writeStringField("dtype", plan.type().name());
                json.writeFieldName("shape");
                long[] shape = plan.tensor().shape();
                json.writeArray(shape, 0, shape.length);
                json.writeFieldName("data_offsets");
                long end = begin + plan.tensor().numel() * plan.type().bytes();
                json.writeArray(new long[] {begin, end}, 0, 2);
                json.writeEndObject();
                begin = end;
            }
            json.writeEndObject();
        } catch (IOException e) {
            throw new IllegalStateException("writing to a string cannot fail", e);
        }
        byte[] bare = text.toString().getBytes(StandardCharsets.UTF_8);
        byte[] padded = new byte[Math.addExact(bare.length, 7) / 8 * 8];
        Arrays.fill(padded, (byte) ' ');
        System.arraycopy(bare, 0, padded, 0, bare.length);
        return padded;
    }

    private static void writeData(OutputStream out, Tensor tensor, byte[] chunk) throws IOException {
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

    /** One tensor to write. */
    private record Plan(String name, Tensor tensor, SafetensorsHeader.Type type) {
        static Plan of(String name, Tensor tensor) {
            SafetensorsHeader.checkText("tensor name", name);
            if (name.equals(SafetensorsHeader.METADATA)) {
                throw new IllegalArgumentException("tensor name must not be " + SafetensorsHeader.METADATA);
            }
            if (tensor == null || tensor.isNull() || !tensor.defined()) {
                throw new IllegalArgumentException("tensor \"" + name + "\" must be defined");
            }
            ScalarType scalar = tensor.scalar_type().intern();
            SafetensorsHeader.Type type = SafetensorsHeader.Type.of(scalar);
            if (type == null) {
                throw new IllegalArgumentException("tensor \"" + name + "\" must have a number type out of "
                        + List.of(SafetensorsHeader.Type.values()) + ", got " + scalar);
            }
            return new Plan(name, tensor, type);
        }
    }
}
