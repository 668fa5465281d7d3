package org.mezzotint.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Locale;

/** What a file is, by its first bytes. */
enum FileKind {
    SAFETENSORS,
    INDEX,
    ZIP,
    TORCH_LEGACY,
    PICKLE,
    NPY;

    /** The first pickle of a legacy PyTorch file: the number 0x1950a86a20f9469cfc6c. */
    static final byte[] LEGACY_MAGIC = {
        (byte) 0x80,
        2,
        (byte) 0x8a,
        10,
        0x6c,
        (byte) 0xfc,
        (byte) 0x9c,
        0x46,
        (byte) 0xf9,
        0x20,
        0x6a,
        (byte) 0xa8,
        0x50,
        0x19,
        '.'
    };

    private static final byte[] NPY_MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};
    private static final int SNIFFED = 512;

    static FileKind of(Path path) {
        try (TensorBytes file = TensorBytes.open(path)) {
            ByteBuffer head =
                    ByteBuffer.allocate((int) Math.min(file.size(), SNIFFED)).order(ByteOrder.LITTLE_ENDIAN);
            TensorBytes.readFully(file.channel(), head, 0);
            return of(path, file.size(), head.array());
        } catch (IOException e) {
            throw new CheckpointException(InputException.message("read", path, e), e);
        }
    }

    private static FileKind of(Path path, long size, byte[] head) {
        String text = new String(head, StandardCharsets.ISO_8859_1);
        String start = text.stripLeading().toLowerCase(Locale.ROOT);
        if (size == 0) {
            throw new CheckpointException(path + ": the file is empty");
        } else if (text.startsWith("version https://git-lfs")) {
            throw new CheckpointException(path + ": this is a Git LFS pointer, not the weights; fetch the file itself");
        } else if (start.startsWith("<")) {
            throw new CheckpointException(
                    path + ": this is a page of HTML or XML, not the weights; download the file again");
        } else if (text.startsWith("PK\003\004") || text.startsWith("PK\005\006")) {
            return ZIP;
        } else if (starts(head, LEGACY_MAGIC)) {
            return TORCH_LEGACY;
        } else if (starts(head, NPY_MAGIC)) {
            return NPY;
        } else if (head.length > 8 && head[8] == '{' && headerFits(head, size)) {
            return SAFETENSORS;
        } else if (start.startsWith("{")) {
            return INDEX;
        } else if (head.length > 2 && (head[0] & 0xFF) == 0x80 && head[1] >= 2 && head[1] <= 5) {
            return PICKLE;
        } else if (path.toString().toLowerCase(Locale.ROOT).endsWith(".safetensors")) {
            return SAFETENSORS;
        } else if (text.startsWith("ustar", 257)) {
            throw new CheckpointException(path + ": this is a tar archive, not a file of tensors; unpack it");
        }
        throw new CheckpointException(path + ": this is neither safetensors, PyTorch, npz nor npy, it starts with "
                + HexFormat.of().formatHex(head, 0, Math.min(8, head.length)));
    }

    private static boolean starts(byte[] head, byte[] magic) {
        return head.length >= magic.length && Arrays.equals(head, 0, magic.length, magic, 0, magic.length);
    }

    private static boolean headerFits(byte[] head, long size) {
        long length = ByteBuffer.wrap(head).order(ByteOrder.LITTLE_ENDIAN).getLong(0);
        return length > 0 && length <= size - 8;
    }

    TensorFile open(Path path) {
        return switch (this) {
            case SAFETENSORS -> Safetensors.open(path);
            case INDEX -> ShardedSafetensors.open(path);
            case NPY -> NpzFile.open(path);
            case ZIP -> NpzFile.isNpz(path) ? NpzFile.open(path) : TorchFile.open(path);
            case TORCH_LEGACY, PICKLE -> TorchFile.open(path);
        };
    }
}
