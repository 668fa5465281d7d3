package org.mezzotint.text;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.mezzotint.io.InputException;

/**
 * SentencePiece's {@code precompiled_charsmap}: which sequences of characters stand for which others, such as NFKC's.
 *
 * <p>The bytes: the length of a table in bytes, the table, then the replacements, UTF-8 texts that end in a zero. The table is
 * a trie over the bytes of UTF-8 as a double array of 32-bit units:
 *
 * <pre>
 *   bits 0–7  label: the byte that leads here      bit 8     a value hangs below, at the unit's offset
 *   bit 9     the offset counts in 256s            bits 10–30 offset: XORed with a child's byte gives its place
 *   a value:  bit 31 is set, bits 0–30 say where in the replacements its text begins
 * </pre>
 */
final class CharsMap {
    private static final byte[] UNREADABLE = "\uFFFD".getBytes(StandardCharsets.UTF_8);

    private final String source;
    private final int[] units;
    private final byte[] replacements;

    private CharsMap(String source, int[] units, byte[] replacements) {
        this.source = source;
        this.units = units;
        this.replacements = replacements;
    }

    /**
     * Reads the bytes.
     *
     * @param bytes none for a map that changes nothing
     * @param source for messages
     * @throws InputException if the table does not fit into them
     */
    static CharsMap of(byte[] bytes, String source) {
        if (bytes.length == 0) {
            return new CharsMap(source, new int[0], new byte[0]);
        }
        ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        int length = bytes.length < Integer.BYTES ? -1 : buffer.getInt();
        if (length < Integer.BYTES || length % Integer.BYTES != 0 || length > buffer.remaining()) {
            throw damaged(source);
        }
        int[] units = new int[length / Integer.BYTES];
        buffer.asIntBuffer().get(units);
        return new CharsMap(source, units, Arrays.copyOfRange(bytes, Integer.BYTES + length, bytes.length));
    }

    private static InputException damaged(String source) {
        return new InputException(source + ": the map of characters (precompiled_charsmap) is damaged");
    }

    /** Replaces, from left to right, the longest sequence that the map knows; what it does not know stays. */
    String apply(String text) {
        byte[] in = utf8(text);
        ByteArrayOutputStream out = new ByteArrayOutputStream(in.length + 16);
        for (int at = 0; at < in.length; ) {
            long match = longest(in, at);
            if (match < 0) {
                int length = characterBytes(in[at]);
                out.write(in, at, length);
                at += length;
            } else {
                write((int) match, out);
                at += (int) (match >>> Integer.SIZE);
            }
        }
        return out.toString(StandardCharsets.UTF_8);
    }

    /** UTF-8, in which half a surrogate pair is the replacement character. */
    private static byte[] utf8(String text) {
        try {
            ByteBuffer bytes = StandardCharsets.UTF_8
                    .newEncoder()
                    .onMalformedInput(CodingErrorAction.REPLACE)
                    .replaceWith(UNREADABLE)
                    .encode(CharBuffer.wrap(text));
            byte[] copy = new byte[bytes.remaining()];
            bytes.get(copy);
            return copy;
        } catch (CharacterCodingException e) {
            throw new IllegalStateException("malformed input is replaced", e);
        }
    }

    /** The number of bytes of a character by its first one. */
    private static int characterBytes(byte first) {
        int bits = Integer.numberOfLeadingZeros(~(first << 24));
        return bits == 0 ? 1 : bits;
    }

    /** Length of the match in the upper 32 bits, place of its replacement in the lower ones; −1 for none. */
    private long longest(byte[] in, int begin) {
        long match = -1;
        if (units.length == 0) {
            return match;
        }
        int node = offset(units[0]);
        for (int at = begin; at < in.length; at++) {
            int label = in[at] & 0xFF;
            node ^= label;
            if (node >= units.length) {
                return match;
            }
            int unit = units[node];
            if ((unit & 0x8000_00FF) != label) {
                return match;
            }
            node ^= offset(unit);
            if ((unit & 0x100) != 0) {
                match = ((long) (at + 1 - begin) << Integer.SIZE) | value(node);
            }
        }
        return match;
    }

    private static int offset(int unit) {
        return ((unit >>> 10) & 0x1F_FFFF) << ((unit & 0x200) >>> 6);
    }

    private int value(int node) {
        int value = node < units.length ? units[node] & Integer.MAX_VALUE : Integer.MAX_VALUE;
        if (value > replacements.length) {
            throw damaged(source);
        }
        return value;
    }

    private void write(int begin, ByteArrayOutputStream out) {
        int end = begin;
        while (end < replacements.length && replacements[end] != 0) {
            end++;
        }
        out.write(replacements, begin, end - begin);
    }
}
