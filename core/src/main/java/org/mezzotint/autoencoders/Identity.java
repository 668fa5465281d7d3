package org.mezzotint.autoencoders;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.io.Yaml;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * SHA-256 over an autoencoder: its configuration as JSON, then each tensor in state-dict order as name, shape and float32
 * values, little endian, row-major. Texts end in a zero byte.
 */
final class Identity {
    private static final int CHUNK = 1 << 18;

    private Identity() {}

    static String of(Autoencoder autoencoder) {
        MessageDigest hash = sha256();
        text(hash, Yaml.toJson(autoencoder.config()));
        ByteBuffer bytes = ByteBuffer.allocate(4 * CHUNK).order(ByteOrder.LITTLE_ENDIAN);
        for (Map.Entry<String, Tensor> entry : autoencoder.state().entrySet()) {
            text(hash, entry.getKey());
            text(hash, Arrays.toString(entry.getValue().shape()));
            try (Scope scope = Scope.open()) {
                Tensor flat = entry.getValue().detach().contiguous().view(-1);
                for (long done = 0; done < flat.numel(); done += CHUNK) {
                    float[] values = Tensors.floats(flat.narrow(0, done, Math.min(CHUNK, flat.numel() - done)));
                    bytes.clear().asFloatBuffer().put(values);
                    hash.update(bytes.array(), 0, 4 * values.length);
                }
            }
        }
        return HexFormat.of().formatHex(hash.digest());
    }

    private static void text(MessageDigest hash, String text) {
        hash.update(text.getBytes(StandardCharsets.UTF_8));
        hash.update((byte) 0);
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}
