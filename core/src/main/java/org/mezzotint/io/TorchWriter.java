package org.mezzotint.io;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** Writes the zip format of {@code torch.save}: a pickle of protocol 2, and one stored, aligned entry a tensor. */
final class TorchWriter {
    private static final String FOLDER = "archive/";
    private static final int ALIGNMENT = 64;
    private static final int LOCAL_HEADER = 30;
    private static final int DEEPEST = 100;
    private static final int CHUNK = 1 << 20;

    private final ByteArrayOutputStream pickle = new ByteArrayOutputStream();
    private final List<Tensor> storages = new ArrayList<>();

    private TorchWriter() {}

    static void write(Path target, Map<?, ?> tree) {
        TorchWriter writer = new TorchWriter();
        writer.pickle.write(0x80);
        writer.pickle.write(2);
        writer.value("", tree, 0);
        writer.pickle.write('.');
        AtomicFiles.write(target, writer::archive);
    }

    // The pickle

    private void value(String path, Object value, int depth) {
        if (depth > DEEPEST) {
            throw new IllegalArgumentException(path + " must not be nested more than " + DEEPEST + " levels deep");
        }
        if (value == null) {
            pickle.write('N');
        } else if (value instanceof Boolean truth) {
            pickle.write(truth ? 0x88 : 0x89);
        } else if (value instanceof String text) {
            text(path, text);
        } else if (value instanceof Integer || value instanceof Long) {
            whole(((Number) value).longValue());
        } else if (value instanceof BigInteger number) {
            whole(path, number);
        } else if (value instanceof Double number) {
            pickle.write('G');
            pickle.writeBytes(ByteBuffer.allocate(8).putDouble(number).array());
        } else if (value instanceof Tensor tensor) {
            tensor(path, tensor);
        } else if (value instanceof List<?> list) {
            pickle.write(']');
            pickle.write('(');
            for (int i = 0; i < list.size(); i++) {
                value(below(path, i), list.get(i), depth + 1);
            }
            pickle.write('e');
        } else if (value instanceof Map<?, ?> map) {
            map(path, map, depth);
        } else {
            throw new IllegalArgumentException("\"" + path
                    + "\" must be a tensor, number, text, boolean, null, list or map, got a "
                    + value.getClass().getName());
        }
    }

    private void map(String path, Map<?, ?> map, int depth) {
        boolean state = !map.isEmpty() && map.values().stream().allMatch(Tensor.class::isInstance);
        if (state) {
            orderedDict();
        } else {
            pickle.write('}');
        }
        pickle.write('(');
        map.forEach((key, value) -> {
            if (!(key instanceof String || key instanceof Integer || key instanceof Long)) {
                throw new IllegalArgumentException(
                        "a key below \"" + path + "\" must be a String, Integer or Long, got " + key);
            }
            value(below(path, key), key, depth + 1);
            value(below(path, key), value, depth + 1);
        });
        pickle.write('u');
    }

    private void tensor(String path, Tensor tensor) {
        TorchType type = tensor.isNull() || !tensor.defined() ? null : TorchType.of(Tensors.type(tensor));
        if (type == null) {
            throw new IllegalArgumentException("tensor \"" + path + "\" must be defined and have a number type out of "
                    + List.of(TorchType.values()) + ", got "
                    + (tensor.isNull() || !tensor.defined() ? "none" : Tensors.type(tensor)));
        }
        boolean typed = !type.storage().isEmpty();
        global("torch._utils", typed ? "_rebuild_tensor_v2" : "_rebuild_tensor_v3");
        pickle.write('(');
        pickle.write('(');
        text(path, "storage");
        global(typed ? "torch" : "torch.storage", typed ? type.storage() : "UntypedStorage");
        text(path, Integer.toString(storages.size()));
        text(path, "cpu");
        whole(typed ? tensor.numel() : tensor.numel() * type.bytes());
        pickle.write('t');
        pickle.write('Q');
        whole(0);
        long[] size = tensor.shape();
        long[] stride = new long[size.length];
        long step = 1;
        for (int i = size.length - 1; i >= 0; i--) {
            stride[i] = step;
            step *= Math.max(1, size[i]);
        }
        tuple(size);
        tuple(stride);
        pickle.write(0x89);
        orderedDict();
        if (!typed) {
            global("torch", type.dtype());
        }
        pickle.write('t');
        pickle.write('R');
        storages.add(tensor);
    }

    private void orderedDict() {
        global("collections", "OrderedDict");
        pickle.write(')');
        pickle.write('R');
    }

    private void tuple(long... values) {
        pickle.write('(');
        for (long value : values) {
            whole(value);
        }
        pickle.write('t');
    }

    private void global(String module, String name) {
        pickle.writeBytes(("c" + module + "\n" + name + "\n").getBytes(StandardCharsets.US_ASCII));
    }

    private void text(String path, String text) {
        if (!StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
            throw new IllegalArgumentException("the text of \"" + path + "\" must be Unicode");
        }
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        pickle.write('X');
        number(utf8.length);
        pickle.writeBytes(utf8);
    }

    private void whole(long value) {
        if (value == (int) value) {
            pickle.write('J');
            number((int) value);
        } else {
            whole("", BigInteger.valueOf(value));
        }
    }

    private void whole(String path, BigInteger value) {
        byte[] bytes = value.toByteArray();
        if (bytes.length > 255) {
            throw new IllegalArgumentException(
                    "the number \"" + path + "\" must have at most 255 bytes, got " + bytes.length);
        }
        pickle.write(0x8a);
        pickle.write(bytes.length);
        for (int i = bytes.length - 1; i >= 0; i--) {
            pickle.write(bytes[i]);
        }
    }

    private void number(int value) {
        pickle.writeBytes(ByteBuffer.allocate(4)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(value)
                .array());
    }

    private static String below(String path, Object key) {
        return path.isEmpty() ? key.toString() : path + "." + key;
    }

    // The archive

    private void archive(OutputStream out) throws IOException {
        Counted counted = new Counted(out);
        ZipOutputStream zip = new ZipOutputStream(counted);
        zip.setMethod(ZipOutputStream.STORED);
        entry(zip, counted, "data.pkl", pickle.toByteArray());
        entry(zip, counted, ".format_version", "1".getBytes(StandardCharsets.US_ASCII));
        entry(zip, counted, ".storage_alignment", Integer.toString(ALIGNMENT).getBytes(StandardCharsets.US_ASCII));
        entry(zip, counted, "byteorder", "little".getBytes(StandardCharsets.US_ASCII));
        for (int i = 0; i < storages.size(); i++) {
            storage(zip, counted, "data/" + i, storages.get(i));
        }
        entry(zip, counted, "version", "3\n".getBytes(StandardCharsets.US_ASCII));
        zip.finish();
    }

    private static void entry(ZipOutputStream zip, Counted counted, String name, byte[] data) throws IOException {
        CRC32 crc = new CRC32();
        crc.update(data);
        start(zip, counted, name, data.length, crc.getValue());
        zip.write(data);
        zip.closeEntry();
    }

    /** Two passes over the numbers: the checksum stands in front of them. */
    private static void storage(ZipOutputStream zip, Counted counted, String name, Tensor tensor) throws IOException {
        try (Scope scope = Scope.open()) {
            Tensor plain = tensor.detach().cpu().contiguous();
            CRC32 crc = new CRC32();
            data(plain, OutputStream.nullOutputStream(), crc);
            start(zip, counted, name, plain.nbytes(), crc.getValue());
            data(plain, zip, crc);
            zip.closeEntry();
        }
    }

    private static void data(Tensor plain, OutputStream out, CRC32 crc) throws IOException {
        long bytes = plain.nbytes();
        byte[] chunk = new byte[(int) Math.min(bytes, CHUNK)];
        BytePointer data = new BytePointer(plain.data_ptr()).capacity(bytes);
        for (long done = 0; done < bytes; ) {
            int part = (int) Math.min(bytes - done, chunk.length);
            data.position(done).get(chunk, 0, part);
            crc.update(chunk, 0, part);
            out.write(chunk, 0, part);
            done += part;
        }
    }

    private static void start(ZipOutputStream zip, Counted counted, String name, long bytes, long crc)
            throws IOException {
        ZipEntry entry = new ZipEntry(FOLDER + name);
        // A fixed time: equal tensors give equal files. For January 1980 Java would add a field with the time zone's
        // offset.
        entry.setTimeLocal(LocalDateTime.of(1980, 2, 1, 0, 0));
        entry.setSize(bytes);
        entry.setCompressedSize(bytes);
        entry.setCrc(crc);
        // Headers of large entries have 20 bytes of 64-bit sizes; 4 more start the padding, a field that PyTorch names
        // FB.
        long header = (long) LOCAL_HEADER + entry.getName().length() + (bytes >= 0xFFFFFFFFL ? 20 : 0) + 4;
        int padding = (int) ((ALIGNMENT - (counted.count + header) % ALIGNMENT) % ALIGNMENT);
        entry.setExtra(ByteBuffer.allocate(4 + padding)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put((byte) 'F')
                .put((byte) 'B')
                .putShort((short) padding)
                .array());
        zip.putNextEntry(entry);
    }

    /** Counts what is written. */
    private static final class Counted extends OutputStream {
        private final OutputStream out;
        private long count;

        Counted(OutputStream out) {
            this.out = out;
        }

        @Override
        public void write(int b) throws IOException {
            out.write(b);
            count++;
        }

        @Override
        public void write(byte[] bytes, int offset, int length) throws IOException {
            out.write(bytes, offset, length);
            count += length;
        }
    }
}
