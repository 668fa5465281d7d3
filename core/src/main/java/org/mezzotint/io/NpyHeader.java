package org.mezzotint.io;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * What stands in front of the numbers of a numpy array: the magic bytes, a version (1 to 3), a length and a Python dict
 * {@code {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }}, of which only literals are read.
 *
 * @param element how a number is written
 * @param bigEndian its byte order
 * @param fortran whether the first index runs fastest
 * @param shape lengths
 * @param length bytes up to the numbers
 */
record NpyHeader(Element element, boolean bigEndian, boolean fortran, long[] shape, int length) {
    private static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};
    private static final int LONGEST = 1 << 16;
    private static final int MOST_DIMENSIONS = 64;
    private static final Pattern TOKEN =
            Pattern.compile("\\s*(?:([{}(),:])|'([^'\\\\]*)'|\"([^\"\\\\]*)\"|(True|False)|(\\d{1,19})L?)");

    /** The kinds of numbers, and what each becomes: unsigned ones the next wider signed type, which libtorch calculates with. */
    enum Element {
        F2(2, ScalarType.Half, 2),
        F4(4, ScalarType.Float, 4),
        F8(8, ScalarType.Double, 8),
        I1(1, ScalarType.Char, 1),
        I2(2, ScalarType.Short, 2),
        I4(4, ScalarType.Int, 4),
        I8(8, ScalarType.Long, 8),
        U1(1, ScalarType.Byte, 1),
        U2(2, ScalarType.Int, 4),
        U4(4, ScalarType.Long, 8),
        B1(1, ScalarType.Bool, 1);

        private final int bytes;
        private final ScalarType scalar;
        private final int tensorBytes;

        Element(int bytes, ScalarType scalar, int tensorBytes) {
            this.bytes = bytes;
            this.scalar = scalar;
            this.tensorBytes = tensorBytes;
        }

        /** Bytes of a number in the file. */
        int bytes() {
            return bytes;
        }

        /** Its type as a tensor. */
        ScalarType scalar() {
            return scalar;
        }

        /** Bytes of a number in the tensor. */
        int tensorBytes() {
            return tensorBytes;
        }
    }

    /** Bytes of the numbers in the file. */
    long dataBytes() {
        long bytes = element.bytes;
        for (long size : shape) {
            bytes *= size;
        }
        return bytes;
    }

    /**
     * Reads a header.
     *
     * @param in at the magic bytes; afterwards at the first number
     * @param available bytes of header and numbers together
     * @throws IOException whose message says what is wrong
     */
    static NpyHeader read(InputStream in, long available) throws IOException {
        byte[] start = exactly(in, 8);
        if (!Arrays.equals(start, 0, 6, MAGIC, 0, 6)) {
            throw new IOException("it is not a numpy array: the magic bytes are wrong");
        }
        int version = start[6] & 0xFF;
        if (version < 1 || version > 3 || start[7] != 0) {
            throw new IOException(
                    "the version of a numpy array must be 1.0, 2.0 or 3.0, got " + version + "." + (start[7] & 0xFF));
        }
        int lengthBytes = version == 1 ? 2 : 4;
        ByteBuffer size =
                ByteBuffer.wrap(Arrays.copyOf(exactly(in, lengthBytes), 4)).order(ByteOrder.LITTLE_ENDIAN);
        long length = size.getInt(0) & 0xFFFFFFFFL;
        if (length > LONGEST || length > available - 8 - lengthBytes) {
            throw new IOException("its header of " + length + " bytes is longer than "
                    + Math.min(LONGEST, Math.max(0, available - 8 - lengthBytes)) + " bytes");
        }
        String dict = new String(exactly(in, (int) length), StandardCharsets.UTF_8);
        return parse(dict, 8 + lengthBytes + (int) length, available);
    }

    private static byte[] exactly(InputStream in, int bytes) throws IOException {
        byte[] read = in.readNBytes(bytes);
        if (read.length < bytes) {
            throw new EOFException("its header is cut");
        }
        return read;
    }

    private static NpyHeader parse(String dict, int length, long available) throws IOException {
        Map<String, List<String>> fields = fields(dict);
        if (!fields.keySet().equals(Set.of("descr", "fortran_order", "shape"))) {
            throw new IOException(
                    "its header must have descr, fortran_order and shape, got " + InputException.oneLine(dict));
        }
        String type = single(fields, "descr", dict);
        char order = type.isEmpty() ? ' ' : type.charAt(0);
        String name = type.substring(Math.min(1, type.length())).toUpperCase(Locale.ROOT);
        Element element = null;
        for (Element each : Element.values()) {
            if (each.name().equals(name) && (order != '|' || each.bytes == 1)) {
                element = each;
            }
        }
        if (element == null || "<>|=".indexOf(order) < 0) {
            throw new IOException("its number type must be one of " + Arrays.toString(Element.values())
                    + " with < or >, got '" + InputException.oneLine(type) + "'");
        }
        String fortran = single(fields, "fortran_order", dict);
        if (!fortran.equals("True") && !fortran.equals("False")) {
            throw new IOException("fortran_order must be True or False, got " + InputException.oneLine(fortran));
        }
        long[] shape = shape(fields.get("shape"), dict);
        long bytes = element.bytes;
        boolean empty = false;
        try {
            for (long each : shape) {
                empty |= each == 0;
                bytes = Math.multiplyExact(bytes, Math.max(1, each));
            }
        } catch (ArithmeticException e) {
            throw new IOException("its shape " + Arrays.toString(shape) + " has more than 2^63-1 bytes", e);
        }
        if ((empty ? 0 : bytes) != available - length) {
            throw new IOException("its shape " + Arrays.toString(shape) + " needs " + (empty ? 0 : bytes) + " bytes, "
                    + (available - length) + " are there");
        }
        return new NpyHeader(element, order == '>', fortran.equals("True"), shape, length);
    }

    private static String single(Map<String, List<String>> fields, String key, String dict) throws IOException {
        List<String> value = fields.get(key);
        if (value.size() != 1) {
            throw damaged(dict);
        }
        return value.get(0);
    }

    /** ( ), (3,), (3, 4) or (3, 4,). */
    private static long[] shape(List<String> tokens, String dict) throws IOException {
        int last = tokens.size() - 1;
        if (last < 1 || !tokens.get(0).equals("(") || !tokens.get(last).equals(")")) {
            throw new IOException("its shape must be a tuple, got " + InputException.oneLine(dict));
        }
        List<Long> sizes = new ArrayList<>();
        for (int i = 1; i < last; i++) {
            String token = tokens.get(i);
            boolean comma = i % 2 == 0;
            if (comma != token.equals(",") || (!comma && !Character.isDigit(token.charAt(0)))) {
                throw damaged(dict);
            }
            if (!comma) {
                try {
                    sizes.add(Long.parseLong(token));
                } catch (NumberFormatException e) {
                    throw new IOException("its shape has the length " + token, e);
                }
            }
        }
        if (sizes.size() > MOST_DIMENSIONS || (sizes.size() == 1 && last == 2)) {
            throw damaged(dict);
        }
        return sizes.stream().mapToLong(Long::longValue).toArray();
    }

    /** Key to the tokens of its value. */
    private static Map<String, List<String>> fields(String dict) throws IOException {
        Matcher matcher = TOKEN.matcher(dict);
        Map<String, List<String>> fields = new LinkedHashMap<>();
        int at = 0;
        int depth = 0;
        boolean done = false;
        String key = null;
        List<String> value = null;
        while (!done) {
            if (!matcher.find() || matcher.start() != at) {
                throw damaged(dict);
            }
            at = matcher.end();
            String sign = matcher.group(1);
            String text = matcher.group(2) != null ? matcher.group(2) : matcher.group(3);
            String token = sign != null
                    ? sign
                    : text != null ? text : matcher.group(4) != null ? matcher.group(4) : matcher.group(5);
            if (depth == 0) {
                if (!"{".equals(sign)) {
                    throw damaged(dict);
                }
                depth = 1;
            } else if (value == null && "}".equals(sign)) {
                done = true;
            } else if (value == null) {
                if (text == null
                        || fields.containsKey(text)
                        || !matcher.find()
                        || matcher.start() != at
                        || !":".equals(matcher.group(1))) {
                    throw damaged(dict);
                }
                at = matcher.end();
                key = text;
                value = new ArrayList<>();
            } else if (depth == 1 && (",".equals(sign) || "}".equals(sign))) {
                if (value.isEmpty()) {
                    throw damaged(dict);
                }
                fields.put(key, value);
                value = null;
                done = sign.equals("}");
            } else {
                depth += "(".equals(sign) ? 1 : ")".equals(sign) ? -1 : 0;
                if (depth < 1 || depth > 2 || "{".equals(sign) || "}".equals(sign) || ":".equals(sign)) {
                    throw damaged(dict);
                }
                value.add(token);
            }
        }
        if (!dict.substring(at).isBlank()) {
            throw damaged(dict);
        }
        return fields;
    }

    private static IOException damaged(String dict) {
        return new IOException("its header is not a dict of plain literals: " + InputException.oneLine(dict));
    }
}
