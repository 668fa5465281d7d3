package org.mezzotint.io;

import java.io.EOFException;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.Inflater;
import java.util.zip.InflaterInputStream;
import java.util.zip.ZipException;

/**
 * The entries of a zip file that holds tensors. Libraries do not serve here: {@code java.util.zip} does not tell where an
 * entry's bytes lie, which a memory map needs, and neither it nor commons-compress refuses double names and overlapping
 * entries or bounds what a directory of millions of entries costs.
 *
 * <p>The directory at the end of the file is the truth: sizes and checksums in front of the data may be absent, for writers
 * that stream put them behind ("data descriptors"). Entries must be stored or deflated, not encrypted, have different names
 * and lie apart from each other before the directory. A checksum of 0 means that the writer did not compute it.
 */
final class ZipDirectory {
    private static final int MOST_ENTRIES = 100_000;
    private static final int STORED = 0;
    private static final int DEFLATED = 8;
    private static final int END = 0x06054b50;
    private static final int END_BYTES = 22;
    private static final int END64_LOCATOR = 0x07064b50;
    private static final int END64_LOCATOR_BYTES = 20;
    private static final int END64 = 0x06064b50;
    private static final int END64_BYTES = 56;
    private static final int CENTRAL = 0x02014b50;
    private static final int CENTRAL_BYTES = 46;
    private static final int LOCAL = 0x04034b50;
    private static final int LOCAL_BYTES = 30;
    private static final int LONGEST_COMMENT = 0xFFFF;
    private static final long SEE_64 = 0xFFFFFFFFL;

    private final TensorBytes file;
    private final Map<String, Entry> entries = new LinkedHashMap<>();
    /** For the header in front of an entry. */
    private ByteBuffer local = ByteBuffer.allocate(0);

    /**
     * An entry.
     *
     * @param name its path in the archive
     * @param crc checksum of the data, 0 if not computed
     * @param header where the header before the data starts
     * @param position where the data start
     * @param packed bytes in the file
     * @param bytes bytes of the data, equal to {@code packed} if they are stored as they are
     * @param stored whether they are
     */
    record Entry(String name, long crc, long header, long position, long packed, long bytes, boolean stored) {}

    private ZipDirectory(TensorBytes file) {
        this.file = file;
    }

    /** Reads and checks the directory. */
    static ZipDirectory read(TensorBytes file) throws IOException {
        ZipDirectory directory = new ZipDirectory(file);
        directory.read();
        return directory;
    }

    /** Name to entry, in the directory's order. Folders are left out. */
    Map<String, Entry> entries() {
        return entries;
    }

    private void read() throws IOException {
        int tail = (int) Math.min(file.size(), END_BYTES + LONGEST_COMMENT);
        long tailStart = file.size() - tail;
        ByteBuffer last = bytes(tailStart, tail);
        int end = tail - END_BYTES;
        while (end >= 0 && !(last.getInt(end) == END && end + END_BYTES + (last.getShort(end + 20) & 0xFFFF) == tail)) {
            end--;
        }
        if (end < 0) {
            throw new ZipException("the zip directory is missing; the file was cut or is still being written");
        }
        long count = last.getShort(end + 10) & 0xFFFF;
        long length = last.getInt(end + 12) & SEE_64;
        long start = last.getInt(end + 16) & SEE_64;
        long limit = tailStart + end;
        if (count == 0xFFFF || length == SEE_64 || start == SEE_64) {
            ByteBuffer end64 = end64(limit);
            limit = end64.getLong(0);
            count = end64.getLong(8 + 32);
            length = end64.getLong(8 + 40);
            start = end64.getLong(8 + 48);
        }
        if (count < 0 || count > MOST_ENTRIES) {
            throw new ZipException("a zip directory must have at most " + MOST_ENTRIES + " entries, got "
                    + Long.toUnsignedString(count));
        }
        if (start < 0
                || length < count * CENTRAL_BYTES
                || start > limit
                || length > limit - start
                || length > Integer.MAX_VALUE) {
            throw new ZipException("the zip directory of " + count + " entries, " + Long.toUnsignedString(length)
                    + " bytes at " + Long.toUnsignedString(start) + " does not lie in the file");
        }
        ByteBuffer directory = bytes(start, (int) length);
        List<Entry> inOrder = new ArrayList<>();
        for (long i = 0; i < count; i++) {
            inOrder.add(entry(directory, start));
        }
        if (directory.hasRemaining()) {
            throw new ZipException(
                    "the zip directory has " + directory.remaining() + " bytes more than its " + count + " entries");
        }
        checkApart(inOrder);
        for (Entry entry : inOrder) {
            if (!entry.name.endsWith("/") && entries.put(entry.name, entry) != null) {
                throw new ZipException("the entry " + quoted(entry.name) + " is there twice");
            }
        }
    }

    /** The position of the 64-bit end record, then the record. */
    private ByteBuffer end64(long end) throws IOException {
        if (end < END64_LOCATOR_BYTES + END64_BYTES) {
            throw new ZipException("the 64-bit zip directory is missing");
        }
        ByteBuffer locator = bytes(end - END64_LOCATOR_BYTES, END64_LOCATOR_BYTES);
        long at = locator.getLong(8);
        if (locator.getInt(0) != END64_LOCATOR || at < 0 || at > end - END64_LOCATOR_BYTES - END64_BYTES) {
            throw new ZipException("the 64-bit zip directory is missing");
        }
        ByteBuffer record = bytes(at, END64_BYTES);
        if (record.getInt(0) != END64) {
            throw new ZipException("the 64-bit zip directory is missing");
        }
        return ByteBuffer.allocate(8 + END64_BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(at)
                .put(record)
                .flip();
    }

    private Entry entry(ByteBuffer directory, long directoryStart) throws IOException {
        if (directory.remaining() < CENTRAL_BYTES || directory.getInt(directory.position()) != CENTRAL) {
            throw new ZipException("the zip directory is damaged at byte " + (directoryStart + directory.position()));
        }
        int at = directory.position();
        int flags = directory.getShort(at + 8);
        int method = directory.getShort(at + 10);
        long crc = directory.getInt(at + 16) & SEE_64;
        long packed = directory.getInt(at + 20) & SEE_64;
        long bytes = directory.getInt(at + 24) & SEE_64;
        int nameLength = directory.getShort(at + 28) & 0xFFFF;
        int extraLength = directory.getShort(at + 30) & 0xFFFF;
        int commentLength = directory.getShort(at + 32) & 0xFFFF;
        long header = directory.getInt(at + 42) & SEE_64;
        if (directory.remaining() < CENTRAL_BYTES + nameLength + extraLength + commentLength) {
            throw new ZipException("the zip directory is cut at byte " + (directoryStart + at));
        }
        byte[] name = new byte[nameLength];
        directory.position(at + CENTRAL_BYTES).get(name);
        String text = new String(name, StandardCharsets.UTF_8);
        if (bytes == SEE_64 || packed == SEE_64 || header == SEE_64) {
            ByteBuffer wide =
                    field64(directory.slice(directory.position(), extraLength).order(ByteOrder.LITTLE_ENDIAN));
            bytes = bytes == SEE_64 ? next(wide, text) : bytes;
            packed = packed == SEE_64 ? next(wide, text) : packed;
            header = header == SEE_64 ? next(wide, text) : header;
        }
        directory.position(directory.position() + extraLength + commentLength);
        if ((flags & 1) != 0 || (method != STORED && method != DEFLATED)) {
            throw new ZipException(
                    "the entry " + quoted(text) + " must be stored or deflated and not encrypted, got method " + method
                            + ((flags & 1) != 0 ? ", encrypted" : ""));
        }
        if (packed < 0 || bytes < 0 || (method == STORED && packed != bytes)) {
            throw new ZipException("the entry " + quoted(text) + " has the sizes " + packed + " and " + bytes);
        }
        if (header < 0 || header > directoryStart - LOCAL_BYTES - nameLength) {
            throw new ZipException("the entry " + quoted(text) + " starts at byte " + Long.toUnsignedString(header)
                    + ", behind the last one that it could");
        }
        if (local.capacity() < LOCAL_BYTES + nameLength) {
            local = ByteBuffer.allocate(LOCAL_BYTES + 2 * nameLength).order(ByteOrder.LITTLE_ENDIAN);
        }
        TensorBytes.readFully(file.channel(), local.clear().limit(LOCAL_BYTES + nameLength), header);
        if (local.getInt(0) != LOCAL
                || (local.getShort(26) & 0xFFFF) != nameLength
                || !Arrays.equals(local.array(), LOCAL_BYTES, LOCAL_BYTES + nameLength, name, 0, nameLength)) {
            throw new ZipException("the entry " + quoted(text) + " is not where the zip directory says, at " + header);
        }
        long position = header + LOCAL_BYTES + nameLength + (local.getShort(28) & 0xFFFF);
        if (position > directoryStart || packed > directoryStart - position) {
            throw new ZipException("the entry " + quoted(text) + " of " + packed + " bytes does not fit in the file");
        }
        return new Entry(text, crc, header, position, packed, bytes, method == STORED);
    }

    /** The extra field with id 1, or an empty buffer. */
    private static ByteBuffer field64(ByteBuffer extra) {
        while (extra.remaining() >= 4) {
            int id = extra.getShort() & 0xFFFF;
            int length = Math.min(extra.getShort() & 0xFFFF, extra.remaining());
            if (id == 1) {
                return extra.slice(extra.position(), length).order(ByteOrder.LITTLE_ENDIAN);
            }
            extra.position(extra.position() + length);
        }
        return extra.position(extra.limit());
    }

    private static long next(ByteBuffer wide, String name) throws ZipException {
        if (wide.remaining() < 8) {
            throw new ZipException("the entry " + quoted(name) + " lacks its 64-bit sizes");
        }
        return wide.getLong();
    }

    private static void checkApart(List<Entry> entries) throws ZipException {
        List<Entry> sorted = new ArrayList<>(entries);
        sorted.sort(Comparator.comparingLong(Entry::header));
        for (int i = 1; i < sorted.size(); i++) {
            Entry before = sorted.get(i - 1);
            if (before.position + before.packed > sorted.get(i).header) {
                throw new ZipException(
                        "the entries " + quoted(before.name) + " and " + quoted(sorted.get(i).name) + " overlap");
            }
        }
    }

    private ByteBuffer bytes(long position, int length) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
        TensorBytes.readFully(file.channel(), buffer, position);
        return buffer.flip();
    }

    private static String quoted(String name) {
        return "\"" + InputException.oneLine(name) + "\"";
    }

    /** The data of an entry. Reading to the end checks their length and checksum. */
    InputStream open(Entry entry) {
        InputStream packed = new Range(file, entry.position, entry.packed);
        if (entry.stored) {
            return new Checked(packed, entry);
        }
        Inflater inflater = new Inflater(true);
        return new Checked(new InflaterInputStream(packed, inflater, 1 << 14), entry) {
            @Override
            public void close() throws IOException {
                inflater.end();
                super.close();
            }
        };
    }

    /** A stored range of the file without any check. */
    static InputStream range(TensorBytes file, Entry entry) {
        return new Range(file, entry.position, entry.packed);
    }

    /** Requires that the data have the entry's checksum. */
    void checkCrc(Entry entry) throws IOException {
        if (!entry.stored) {
            try (InputStream in = open(entry)) {
                in.transferTo(OutputStream.nullOutputStream());
            }
        } else if (entry.crc != 0) {
            checkCrc(entry, file.crc(entry.position, entry.bytes));
        }
    }

    /** Requires that a checksum is an entry's. */
    static void checkCrc(Entry entry, long crc) throws ZipException {
        if (entry.crc != 0 && crc != entry.crc) {
            throw new ZipException("the entry " + quoted(entry.name) + " is damaged: its CRC-32 must be "
                    + Long.toHexString(entry.crc) + ", got " + Long.toHexString(crc));
        }
    }

    /** A range of the file. */
    private static final class Range extends InputStream {
        private final TensorBytes file;
        private long at;
        private final long end;

        Range(TensorBytes file, long position, long bytes) {
            this.file = file;
            at = position;
            end = position + bytes;
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xFF;
        }

        @Override
        public int read(byte[] into, int offset, int length) throws IOException {
            if (length == 0) {
                return 0;
            }
            int part = (int) Math.min(length, end - at);
            if (part <= 0) {
                return -1;
            }
            int read = file.channel().read(ByteBuffer.wrap(into, offset, part), at);
            if (read < 0) {
                throw new EOFException("the file ends at byte " + at);
            }
            at += read;
            return read;
        }
    }

    /** Counts and sums up what passes. */
    private static class Checked extends FilterInputStream {
        private final Entry entry;
        private final CRC32 crc = new CRC32();
        private long count;

        Checked(InputStream in, Entry entry) {
            super(in);
            this.entry = entry;
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xFF;
        }

        @Override
        public int read(byte[] into, int offset, int length) throws IOException {
            int read = super.read(into, offset, length);
            if (read > 0) {
                crc.update(into, offset, read);
                count += read;
            }
            if (count > entry.bytes || (read < 0 && count < entry.bytes)) {
                throw new ZipException("the entry " + quoted(entry.name) + " must have " + entry.bytes + " bytes, got "
                        + (read < 0 ? "" + count : "more"));
            }
            if (read < 0) {
                checkCrc(entry, crc.getValue());
            }
            return read;
        }

        @Override
        public long skip(long n) throws IOException {
            long left = n;
            byte[] chunk = new byte[(int) Math.min(1 << 14, Math.max(n, 1))];
            while (left > 0) {
                int read = read(chunk, 0, (int) Math.min(left, chunk.length));
                if (read < 0) {
                    break;
                }
                left -= read;
            }
            return n - left;
        }

        @Override
        public boolean markSupported() {
            return false;
        }
    }
}
