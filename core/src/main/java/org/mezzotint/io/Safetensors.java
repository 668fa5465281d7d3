package org.mezzotint.io;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.io.OutputStream;
import java.io.StringWriter;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Named tensors in a safetensors file, read without copying and checked as strictly as the reference reader does, or
 * more. The number types are F64, F32, F16, BF16, I64, I32, I16, I8, U64, U32, U16, U8, F8_E4M3, F8_E5M2 and BOOL; others
 * are refused by name.
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
public final class Safetensors implements TensorFile {
    private static final int CHUNK = 1 << 20;

    private final TensorBytes bytes;
    private final SafetensorsHeader header;

    private Safetensors(TensorBytes bytes, SafetensorsHeader header) {
        this.bytes = bytes;
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
        TensorBytes bytes = TensorBytes.open(path);
        try {
            Safetensors file = new Safetensors(bytes, SafetensorsHeader.read(path, bytes.channel()));
            bytes = null;
            return file;
        } catch (IOException e) {
            throw new CheckpointException(InputException.message("read", path, e), e);
        } finally {
            if (bytes != null) {
                bytes.close();
            }
        }
    }

    @Override
    public String source() {
        return bytes.path().toString();
    }

    /**
     * The free-form texts of the header.
     *
     * @return key to value, in the file's order; empty if there are none
     */
    @Override
    public Map<String, String> metadata() {
        return header.metadata();
    }

    /**
     * The names of all tensors.
     *
     * @return the names in the order of their data in the file
     */
    @Override
    public Set<String> names() {
        return Collections.unmodifiableSet(header.entries().keySet());
    }

    @Override
    public boolean contains(String name) {
        return header.entries().containsKey(name);
    }

    @Override
    public long[] shape(String name) {
        return entry(name).sizes();
    }

    @Override
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
    @Override
    public Tensor tensor(String name) {
        SafetensorsHeader.Entry entry = entry(name);
        long position = header.dataStart() + entry.begin();
        try {
            if (entry.type() == SafetensorsHeader.Type.BOOL) {
                bytes.checkBooleans(name, position, entry.end() - entry.begin());
            }
            return bytes.tensor(entry.type().scalar(), entry.type().bytes(), position, entry.sizes());
        } catch (IOException e) {
            throw new CheckpointException(InputException.message("read", bytes.path(), e), e);
        }
    }

    @Override
    public boolean read(String name, Tensor target) {
        SafetensorsHeader.Entry entry = entry(name);
        if (entry.type() == SafetensorsHeader.Type.BOOL) {
            return false;
        }
        try {
            return bytes.read(target, entry.type().scalar(), header.dataStart() + entry.begin(), null);
        } catch (IOException e) {
            throw new CheckpointException(InputException.message("read", bytes.path(), e), e);
        }
    }

    /** Bytes of a tensor. */
    long bytes(String name) {
        return entry(name).end() - entry(name).begin();
    }

    private SafetensorsHeader.Entry entry(String name) {
        SafetensorsHeader.Entry entry = header.entries().get(name);
        if (entry == null) {
            throw TensorCheck.absent(this, name);
        }
        return entry;
    }

    @Override
    public void close() {
        bytes.close();
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
