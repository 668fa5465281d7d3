package org.mezzotint.text;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.io.Yaml;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * Which encoder gave an embedding: SHA-256 over its configuration as JSON and, of each tensor in state-dict order, name,
 * number type, shape and two sums a piece of 2²⁰ 16-bit words, Σ wᵢ and Σ (2i + 1)·wᵢ.
 *
 * <p>The sums run at the speed of memory, where hashing the nine gigabytes of an XXL encoder takes minutes on a JVM without
 * its optimising compiler. They tell any accidental difference; they do not withstand somebody who makes two files alike on
 * purpose.
 */
final class T5Identity {
    private static final long PIECE = 1L << 20;

    private T5Identity() {}

    /** Reads all weights of the folder. */
    static String of(Path folder, T5Config config) {
        MessageDigest hash = T5Tokenizer.sha256();
        text(hash, Yaml.toJson(config));
        try (T5Weights weights = T5Weights.open(folder, config);
                Scope scope = Scope.open()) {
            Tensor places =
                    Tensors.of(LongStream.range(0, PIECE).map(i -> 2 * i + 1).toArray());
            config.tensors().forEach((name, shape) -> {
                text(hash, name);
                text(hash, Arrays.toString(shape));
                try (Scope each = Scope.open()) {
                    Tensor tensor = weights.tensor(name);
                    text(hash, Tensors.type(tensor).toString());
                    sums(hash, tensor.contiguous().view(-1).view(ScalarType.Short), places);
                }
            });
        }
        return HexFormat.of().formatHex(hash.digest());
    }

    private static void sums(MessageDigest hash, Tensor words, Tensor places) {
        ByteBuffer bytes = ByteBuffer.allocate(2 * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (long done = 0; done < words.numel(); done += PIECE) {
            try (Scope scope = Scope.open()) {
                Tensor piece = words.narrow(0, done, Math.min(PIECE, words.numel() - done))
                        .to(ScalarType.Long);
                bytes.putLong(0, piece.sum().item_long());
                bytes.putLong(
                        Long.BYTES,
                        piece.mul_(places.narrow(0, 0, piece.numel())).sum().item_long());
                hash.update(bytes.array());
            }
        }
    }

    private static void text(MessageDigest hash, String text) {
        hash.update(text.getBytes(StandardCharsets.UTF_8));
        hash.update((byte) 0);
    }
}
