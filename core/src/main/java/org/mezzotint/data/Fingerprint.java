package org.mezzotint.data;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;

/** SHA-256 over a sequence of numbers, strings and bytes; the latter carry their length, so that no two sequences read alike. */
final class Fingerprint {
    private final MessageDigest digest;

    /** Starts with the kind of data set. */
    Fingerprint(String kind) {
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
        add("mezzotint data set 1").add(kind);
    }

    Fingerprint add(long value) {
        digest.update(ByteBuffer.allocate(Long.BYTES).putLong(0, value));
        return this;
    }

    Fingerprint add(String value) {
        return add(value.getBytes(StandardCharsets.UTF_8));
    }

    Fingerprint add(byte[] value) {
        add(value.length);
        digest.update(value);
        return this;
    }

    Fingerprint add(List<String> values) {
        add(values.size());
        values.forEach(this::add);
        return this;
    }

    /** 64 hexadecimal digits; the object is spent afterwards. */
    String hex() {
        return HexFormat.of().formatHex(digest.digest());
    }
}
