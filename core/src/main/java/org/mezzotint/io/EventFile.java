package org.mezzotint.io;

import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.zip.CRC32C;

/**
 * A log of numbers and pictures over steps that TensorBoard shows. A file is a row of records: length, checksum,
 * protobuf {@code Event}, checksum. A process that dies leaves a partial last record, which readers ignore.
 *
 * <p>An event file belongs to one thread. Tags group by slashes: {@code train/loss}. Steps are what the caller counts
 * (here: images) and lie in [0, 2^63).
 */
public final class EventFile implements AutoCloseable {
    // Field numbers of tensorflow/core/util/event.proto and framework/summary.proto.
    private static final int EVENT_WALL_TIME = 1;
    private static final int EVENT_STEP = 2;
    private static final int EVENT_FILE_VERSION = 3;
    private static final int EVENT_SUMMARY = 5;
    private static final int EVENT_SESSION_LOG = 7;
    private static final int SESSION_LOG_STATUS = 1;
    private static final int SESSION_LOG_START = 1;
    private static final int SUMMARY_VALUE = 1;
    private static final int VALUE_TAG = 1;
    private static final int VALUE_SIMPLE = 2;
    private static final int VALUE_IMAGE = 4;
    private static final int IMAGE_HEIGHT = 1;
    private static final int IMAGE_WIDTH = 2;
    private static final int IMAGE_COLORSPACE = 3;
    private static final int IMAGE_PNG = 4;
    private static final int RGB = 3;

    private final Path path;
    private final OutputStream out;
    private boolean closed;

    private EventFile(Path path, OutputStream out) {
        this.path = path;
        this.out = out;
    }

    /**
     * Starts a new file {@code events.out.tfevents.SECONDS.mezzotint.N} in a folder.
     *
     * @param directory the folder, which must exist
     * @param now the time of the first record and in the name
     * @return the open file
     * @throws InputException if it cannot be made
     */
    public static EventFile open(Path directory, Instant now) {
        for (int n = 0; ; n++) {
            Path path = directory.resolve("events.out.tfevents." + now.getEpochSecond() + ".mezzotint." + n);
            try {
                OutputStream out = Files.newOutputStream(path, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
                EventFile file = new EventFile(path, new BufferedOutputStream(out));
                file.record(event(0, now).text(EVENT_FILE_VERSION, "brain.Event:2"));
                file.flush();
                return file;
            } catch (FileAlreadyExistsException e) {
                // A second file within one second: the next number.
            } catch (IOException e) {
                throw new InputException(InputException.message("write", path, e), e);
            }
        }
    }

    /**
     * Adds a number; it is stored as a float.
     *
     * @param tag its name
     * @param step at least 0
     * @param value any number; NaN and infinities are kept
     * @param wallTime when it was measured
     * @throws InputException if the file cannot be written
     */
    public void scalar(String tag, long step, double value, Instant wallTime) {
        Message simple = new Message().text(VALUE_TAG, tag).floating(VALUE_SIMPLE, (float) value);
        record(event(step, wallTime).message(EVENT_SUMMARY, new Message().message(SUMMARY_VALUE, simple)));
    }

    /**
     * Adds an RGB picture.
     *
     * @param tag its name
     * @param step at least 0
     * @param png the bytes of a PNG file
     * @param width pixels, at least 1
     * @param height pixels, at least 1
     * @param wallTime when it was made
     * @throws InputException if the file cannot be written
     */
    public void image(String tag, long step, byte[] png, int width, int height, Instant wallTime) {
        if (width < 1 || height < 1) {
            throw new IllegalArgumentException("width and height must be at least 1, got " + width + " and " + height);
        }
        Message image = new Message()
                .number(IMAGE_HEIGHT, height)
                .number(IMAGE_WIDTH, width)
                .number(IMAGE_COLORSPACE, RGB)
                .bytes(IMAGE_PNG, png);
        Message value = new Message().text(VALUE_TAG, tag).message(VALUE_IMAGE, image);
        record(event(step, wallTime).message(EVENT_SUMMARY, new Message().message(SUMMARY_VALUE, value)));
    }

    /**
     * Says that the run starts again from a step: TensorBoard then drops what older files of the folder have from that
     * step on.
     *
     * @param step the first step that will be logged again, at least 0
     * @param wallTime when it restarted
     * @throws InputException if the file cannot be written
     */
    public void restartAt(long step, Instant wallTime) {
        Message start = new Message().number(SESSION_LOG_STATUS, SESSION_LOG_START);
        record(event(step, wallTime).message(EVENT_SESSION_LOG, start));
    }

    /**
     * Hands everything to the operating system, so that a running TensorBoard sees it.
     *
     * @throws InputException if the file cannot be written
     */
    public void flush() {
        try {
            out.flush();
        } catch (IOException e) {
            throw new InputException(InputException.message("write", path, e), e);
        }
    }

    /**
     * Writes the rest and closes the file. A second call does nothing.
     *
     * @throws InputException if the file cannot be written
     */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        try {
            out.close();
        } catch (IOException e) {
            throw new InputException(InputException.message("write", path, e), e);
        }
    }

    private static Message event(long step, Instant wallTime) {
        if (step < 0) {
            throw new IllegalArgumentException("step must be at least 0, got " + step);
        }
        Message event = new Message().doubling(EVENT_WALL_TIME, wallTime.getEpochSecond() + wallTime.getNano() * 1e-9);
        // The default of a field is not written.
        return step == 0 ? event : event.number(EVENT_STEP, step);
    }

    private void record(Message event) {
        if (closed) {
            throw new IllegalStateException(path + " is closed");
        }
        byte[] data = event.toBytes();
        byte[] length = littleEndian(8).putLong(data.length).array();
        try {
            out.write(length);
            out.write(littleEndian(4).putInt(maskedCrc(length)).array());
            out.write(data);
            out.write(littleEndian(4).putInt(maskedCrc(data)).array());
        } catch (IOException e) {
            throw new InputException(InputException.message("write", path, e), e);
        }
    }

    /** masked = rotate-right(crc, 15) + 0xa282ead8 mod 2^32; checksums of data that hold checksums stay useful. */
    static int maskedCrc(byte[] data) {
        CRC32C crc = new CRC32C();
        crc.update(data);
        return Integer.rotateRight((int) crc.getValue(), 15) + 0xa282ead8;
    }

    private static ByteBuffer littleEndian(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** A protobuf message: fields, each a key (number × 8 + wire type) and a value. */
    private static final class Message {
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

        Message number(int field, long value) {
            varint(field * 8L);
            varint(value);
            return this;
        }

        Message doubling(int field, double value) {
            varint(field * 8L + 1);
            bytes.writeBytes(littleEndian(8).putDouble(value).array());
            return this;
        }

        Message floating(int field, float value) {
            varint(field * 8L + 5);
            bytes.writeBytes(littleEndian(4).putFloat(value).array());
            return this;
        }

        Message bytes(int field, byte[] value) {
            varint(field * 8L + 2);
            varint(value.length);
            bytes.writeBytes(value);
            return this;
        }

        Message text(int field, String value) {
            return bytes(field, value.getBytes(StandardCharsets.UTF_8));
        }

        Message message(int field, Message value) {
            return bytes(field, value.toBytes());
        }

        byte[] toBytes() {
            return bytes.toByteArray();
        }

        /** Seven bits a byte, lowest first; the top bit says that more follow. */
        private void varint(long value) {
            long rest = value;
            while ((rest & ~0x7FL) != 0) {
                bytes.write((int) ((rest & 0x7F) | 0x80));
                rest >>>= 7;
            }
            bytes.write((int) rest);
        }
    }
}
