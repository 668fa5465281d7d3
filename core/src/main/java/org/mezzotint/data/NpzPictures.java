package org.mezzotint.data;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import org.mezzotint.io.InputException;

/**
 * The pictures of an npz file as ADM's tools write and read them: {@code arr_0}, uint8 of shape (N, H, W, 3). They are read
 * as a stream, picture by picture, so that a file of any size needs the memory of one.
 */
final class NpzPictures implements PictureSet {
    private static final String ARRAY = "arr_0.npy";
    private static final int MAX_HEADER = 1 << 16;
    private static final Pattern TYPE = Pattern.compile("['\"]descr['\"]\\s*:\\s*['\"]([^'\"]*)['\"]");
    private static final Pattern ORDER = Pattern.compile("['\"]fortran_order['\"]\\s*:\\s*(True|False)");
    private static final Pattern SHAPE = Pattern.compile("['\"]shape['\"]\\s*:\\s*\\(([0-9, L]*)\\)");

    private final Path path;
    private final ZipFile zip;
    private final ZipEntry entry;
    private final int count;
    private final int height;
    private final int width;
    private long headerBytes;
    private InputStream in;
    private int next;

    private NpzPictures(Path path, ZipFile zip) throws IOException {
        this.path = path;
        this.zip = zip;
        entry = zip.getEntry(ARRAY);
        rewind();
        long[] shape = header(in);
        if (shape.length != 4 || shape[3] != 3) {
            throw new InputException(path + ": arr_0 must be pictures of shape (N, H, W, 3), got " + text(shape));
        }
        long pixels = Math.multiplyExact(shape[1], shape[2]);
        if (shape[0] < 1 || shape[0] > Integer.MAX_VALUE || pixels < 1 || pixels > PictureOptions.DEFAULT_MAX_PIXELS) {
            throw new InputException(path + ": arr_0 must hold at least one picture and at most "
                    + PictureOptions.DEFAULT_MAX_PIXELS + " pixels a picture, got " + text(shape));
        }
        long bytes = Math.multiplyExact(Math.multiplyExact(shape[0], pixels), 3);
        if (entry.getSize() - headerBytes < bytes) {
            throw new InputException(path + ": arr_0 of shape " + text(shape) + " needs " + bytes + " bytes, got "
                    + (entry.getSize() - headerBytes));
        }
        count = (int) shape[0];
        height = (int) shape[1];
        width = (int) shape[2];
    }

    /** Whether the file is a zip with an array of that name. */
    static boolean isIn(Path path) {
        try (ZipFile zip = new ZipFile(path.toFile())) {
            return zip.getEntry(ARRAY) != null;
        } catch (IOException notZip) {
            return false;
        }
    }

    static NpzPictures open(Path path) {
        ZipFile zip = null;
        try {
            zip = new ZipFile(path.toFile());
            NpzPictures pictures = new NpzPictures(path, zip);
            zip = null;
            return pictures;
        } catch (IOException e) {
            throw new InputException("cannot read " + path + ": " + InputException.reason(e), e);
        } catch (ArithmeticException e) {
            throw new InputException(path + ": arr_0 has an impossible shape", e);
        } finally {
            closeQuietly(zip);
        }
    }

    private static void closeQuietly(ZipFile zip) {
        try {
            if (zip != null) {
                zip.close();
            }
        } catch (IOException e) {
            // Nothing was written, nothing is lost.
        }
    }

    private void rewind() throws IOException {
        in = new BufferedInputStream(zip.getInputStream(entry), 1 << 16);
        next = 0;
    }

    /** Reads the array's header up to its data: magic, version, length, a Python dict. */
    private long[] header(InputStream from) throws IOException {
        byte[] start = from.readNBytes(8);
        boolean magic = start.length == 8
                && (start[0] & 0xFF) == 0x93
                && new String(start, 1, 5, StandardCharsets.US_ASCII).equals("NUMPY");
        if (!magic || start[6] < 1 || start[6] > 3) {
            throw new InputException(path + ": arr_0 is not a numpy array");
        }
        byte[] size = from.readNBytes(start[6] == 1 ? 2 : 4);
        long length = 0;
        for (int i = size.length - 1; i >= 0; i--) {
            length = (length << 8) | (size[i] & 0xFF);
        }
        if (length > MAX_HEADER) {
            throw new InputException(
                    path + ": the header of arr_0 must have at most " + MAX_HEADER + " bytes, got " + length);
        }
        byte[] dict = from.readNBytes((int) length);
        if (dict.length < length) {
            throw new InputException(path + ": the file ends inside the header of arr_0");
        }
        headerBytes = start.length + size.length + length;
        String text = new String(dict, StandardCharsets.UTF_8);
        String type = field(TYPE, text);
        if (!type.matches("[|<>=]?u1")) {
            throw new InputException(path + ": arr_0 must be uint8, got " + type);
        }
        if (!field(ORDER, text).equals("False")) {
            throw new InputException(path + ": arr_0 must be in C order, got Fortran order");
        }
        String[] sides = field(SHAPE, text).replace("L", "").split(",", -1);
        return Arrays.stream(sides)
                .map(String::strip)
                .filter(side -> !side.isEmpty())
                .mapToLong(this::side)
                .toArray();
    }

    private long side(String digits) {
        if (!digits.matches("[0-9]{1,18}")) {
            throw new InputException(path + ": arr_0 has an impossible shape");
        }
        return Long.parseLong(digits);
    }

    private String field(Pattern pattern, String text) {
        Matcher matcher = pattern.matcher(text);
        if (!matcher.find()) {
            throw new InputException(path + ": the header of arr_0 is not that of a plain numpy array");
        }
        return matcher.group(1);
    }

    private static String text(long... shape) {
        return Arrays.toString(shape).replace('[', '(').replace(']', ')');
    }

    @Override
    public int size() {
        return count;
    }

    @Override
    public PictureFiles.Picture read(int index) {
        Objects.checkIndex(index, count);
        int bytes = 3 * width * height;
        try {
            if (index < next) {
                in.close();
                rewind();
                header(in);
            }
            in.skipNBytes((long) bytes * (index - next));
            byte[] rgb = in.readNBytes(bytes);
            if (rgb.length < bytes) {
                throw new InputException(path + ": the file ends inside picture " + index);
            }
            next = index + 1;
            return new PictureFiles.Picture(width, height, rgb);
        } catch (IOException e) {
            throw new InputException(path + ": picture " + index + " cannot be read: " + InputException.reason(e), e);
        }
    }

    @Override
    public String fingerprint() {
        return new Fingerprint("pictures of an npz")
                .add(count)
                .add(height)
                .add(width)
                .add(entry.getCrc())
                .hex();
    }

    @Override
    public void close() {
        closeQuietly(zip);
    }
}
