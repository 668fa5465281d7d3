package org.mezzotint.data;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Locale;
import java.util.Optional;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.mezzotint.io.InputException;

/**
 * The plain files in a tar, met one after the other from any header on; nothing is unpacked to disk.
 *
 * <p>Each header, with the long name that may precede it, is read on its own by commons-compress, so that reading can begin
 * at any of them. A PAX header meant for the whole archive therefore counts for the next file only; what tools put there
 * (comments, times) is not read. Folders, links and devices are passed over. A wrong checksum, a header of more than 1 MiB and
 * a file that would end behind the end of the tar are errors; a missing end marker is none.
 *
 * <p>It belongs to one thread.
 */
final class TarShard implements AutoCloseable {
    private static final int BLOCK = 512;
    private static final int MAX_HEADER_BYTES = 1 << 20;
    private static final int WINDOW = 4096;

    private final Path path;
    private final FileChannel channel;
    private final long size;
    private final byte[] window = new byte[WINDOW];
    private long windowStart;
    private int windowLength;
    private long position;

    /**
     * One plain file.
     *
     * @param name as the tar has it, without {@code ./} in front
     * @param start where its header begins; long names belong to it
     * @param offset where its content begins
     * @param bytes length of its content
     */
    record Member(String name, long start, long offset, long bytes) {}

    private TarShard(Path path, FileChannel channel, long position) throws IOException {
        this.path = path;
        this.channel = channel;
        this.position = position;
        this.size = channel.size();
        checkPlain();
    }

    /** Opens a tar at its first header. */
    static TarShard open(Path path) {
        return open(path, 0);
    }

    /**
     * Opens a tar at the header of a member.
     *
     * @throws InputException if it is missing, unreadable, empty or packed
     */
    static TarShard open(Path path, long start) {
        FileChannel channel = null;
        try {
            channel = FileChannel.open(path, StandardOpenOption.READ);
            TarShard tar = new TarShard(path, channel, start);
            channel = null;
            return tar;
        } catch (NoSuchFileException e) {
            throw Datasets.notFound(path);
        } catch (IOException e) {
            throw new InputException(path + ": cannot be read: " + InputException.reason(e), e);
        } finally {
            close(channel);
        }
    }

    /** Whether a file is to be read as a tar: it says so inside, or by its name while it is no zip. */
    static boolean isTar(Path path) {
        byte[] head = new byte[BLOCK];
        int length;
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            length = channel.read(ByteBuffer.wrap(head), 0);
        } catch (IOException e) {
            throw new InputException(path + ": cannot be read: " + InputException.reason(e), e);
        }
        boolean zip = length >= 2 && head[0] == 'P' && head[1] == 'K';
        String name = path.toString().toLowerCase(Locale.ROOT);
        return !zip
                && (TarArchiveInputStream.matches(head, Math.max(0, length))
                        || name.endsWith(".tar")
                        || name.endsWith(".tar.gz")
                        || name.endsWith(".tgz"));
    }

    private void checkPlain() throws IOException {
        if (size == 0) {
            throw new InputException(path + ": not a readable tar: the file is empty");
        }
        byte[] magic = new byte[2];
        if (copy(0, magic, 0, 2) == 2 && magic[0] == 0x1F && (magic[1] & 0xFF) == 0x8B) {
            throw new InputException(
                    path + ": the tar must not be packed, because pictures are read from any place in it:"
                            + " unpack it with gunzip");
        }
    }

    /** The length of the tar. */
    long size() {
        return size;
    }

    /**
     * The next plain file, or nothing at the end.
     *
     * @throws InputException if the tar is damaged or cut short
     */
    Optional<Member> next() {
        try {
            while (!atEnd()) {
                long start = position;
                HeaderStream in = new HeaderStream(start);
                TarArchiveEntry entry = header(in, start);
                long bytes = hasContent(entry) ? entry.getSize() : 0;
                if (bytes < 0 || bytes > size - in.at) {
                    throw damaged("cut short: " + entry.getName() + " at byte " + in.at + " must have " + bytes
                            + " bytes, the file ends after " + (size - in.at));
                }
                position = (in.at + bytes + BLOCK - 1) / BLOCK * BLOCK;
                if (isPlainFile(entry)) {
                    return Optional.of(new Member(withoutDot(entry.getName()), start, in.at, bytes));
                }
            }
            return Optional.empty();
        } catch (IOException e) {
            throw damaged("cannot be read: " + InputException.reason(e), e);
        }
    }

    /** Behind the last block, or at a block of zeros, which ends a tar. */
    private boolean atEnd() throws IOException {
        if (position >= size) {
            return true;
        }
        byte[] block = new byte[BLOCK];
        int length = new HeaderStream(position).readNBytes(block, 0, BLOCK);
        if (length < BLOCK) {
            throw damaged("cut short: the header at byte " + position + " must have " + BLOCK
                    + " bytes, the file ends after " + length);
        }
        for (byte value : block) {
            if (value != 0) {
                return false;
            }
        }
        return true;
    }

    private TarArchiveEntry header(HeaderStream in, long start) {
        TarArchiveEntry entry;
        try {
            // not closed: it owns nothing but the view on the channel
            entry = new TarArchiveInputStream(in, "UTF-8").getNextEntry();
        } catch (IOException | RuntimeException e) {
            // Broken headers make commons-compress throw unchecked exceptions too.
            throw damaged("not a readable tar: the header at byte " + start + " is damaged", e);
        }
        if (entry == null) {
            throw damaged("cut short: nothing follows the header at byte " + start);
        }
        if (!entry.isCheckSumOK()) {
            throw damaged("not a readable tar: the header at byte " + start + " has a wrong checksum");
        }
        if (entry.isSparse()) {
            throw damaged("sparse files in a tar are not supported, got " + entry.getName());
        }
        return entry;
    }

    /** Links, folders and devices have none, whatever their header says. */
    private static boolean hasContent(TarArchiveEntry entry) {
        return !(entry.isDirectory()
                || entry.isLink()
                || entry.isSymbolicLink()
                || entry.isCharacterDevice()
                || entry.isBlockDevice()
                || entry.isFIFO());
    }

    private static boolean isPlainFile(TarArchiveEntry entry) {
        return hasContent(entry) && entry.isFile();
    }

    private static String withoutDot(String name) {
        String rest = name;
        while (rest.startsWith("./")) {
            rest = rest.substring(2);
        }
        return rest;
    }

    /**
     * The content of a file.
     *
     * @throws InputException if it has more than 256 MiB or the tar became shorter
     */
    byte[] read(Member member) {
        if (member.bytes() > PictureSource.MAX_FILE_BYTES) {
            throw damaged(member.name() + " is too large: " + member.bytes() + " bytes, the limit is "
                    + PictureSource.MAX_FILE_BYTES);
        }
        ByteBuffer content = ByteBuffer.allocate((int) member.bytes());
        try {
            while (content.hasRemaining()) {
                if (channel.read(content, member.offset() + content.position()) < 0) {
                    throw damaged("cut short: " + member.name() + " has lost its end since the tar was opened");
                }
            }
        } catch (IOException e) {
            throw damaged(member.name() + " cannot be read: " + InputException.reason(e), e);
        }
        return content.array();
    }

    private InputException damaged(String what) {
        return new InputException(path + ": " + what);
    }

    private InputException damaged(String what, Exception cause) {
        return new InputException(path + ": " + what, cause);
    }

    @Override
    public void close() {
        close(channel);
    }

    private static void close(FileChannel channel) {
        try {
            if (channel != null) {
                channel.close();
            }
        } catch (IOException e) {
            // Nothing was written, nothing is lost.
        }
    }

    /** Copies up to {@code length} bytes from a place in the file; returns how many, 0 at its end. */
    private int copy(long from, byte[] into, int offset, int length) throws IOException {
        if (from < windowStart || from >= windowStart + windowLength) {
            windowLength = Math.max(0, channel.read(ByteBuffer.wrap(window), from));
            windowStart = from;
        }
        int inWindow = (int) (from - windowStart);
        int count = Math.min(length, windowLength - inWindow);
        System.arraycopy(window, inWindow, into, offset, count);
        return count;
    }

    /** The bytes of one header, with the long names before it: they end after 1 MiB, so that a name cannot fill the memory. */
    private final class HeaderStream extends InputStream {
        private final long end;
        private long at;

        HeaderStream(long start) {
            at = start;
            end = Math.min(size, start + MAX_HEADER_BYTES);
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xFF;
        }

        @Override
        public int read(byte[] into, int offset, int length) throws IOException {
            int wanted = (int) Math.min(length, end - at);
            int count = wanted <= 0 ? 0 : copy(at, into, offset, wanted);
            at += count;
            return count == 0 && length > 0 ? -1 : count;
        }

        @Override
        public long skip(long count) {
            long skipped = Math.max(0, Math.min(count, end - at));
            at += skipped;
            return skipped;
        }
    }
}
