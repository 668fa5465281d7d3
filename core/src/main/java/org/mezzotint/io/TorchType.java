package org.mezzotint.io;

import org.bytedeco.pytorch.global.torch.ScalarType;

/** The number types of PyTorch files, with the names that pickles give them. */
enum TorchType {
    FLOAT64(ScalarType.Double, 8, "DoubleStorage", "float64"),
    FLOAT32(ScalarType.Float, 4, "FloatStorage", "float32"),
    FLOAT16(ScalarType.Half, 2, "HalfStorage", "float16"),
    BFLOAT16(ScalarType.BFloat16, 2, "BFloat16Storage", "bfloat16"),
    INT64(ScalarType.Long, 8, "LongStorage", "int64"),
    INT32(ScalarType.Int, 4, "IntStorage", "int32"),
    INT16(ScalarType.Short, 2, "ShortStorage", "int16"),
    INT8(ScalarType.Char, 1, "CharStorage", "int8"),
    UINT8(ScalarType.Byte, 1, "ByteStorage", "uint8"),
    BOOL(ScalarType.Bool, 1, "BoolStorage", "bool"),
    // Younger than typed storages: their bytes are an UntypedStorage, and the tensor names the type.
    UINT64(ScalarType.UInt64, 8, "", "uint64"),
    UINT32(ScalarType.UInt32, 4, "", "uint32"),
    UINT16(ScalarType.UInt16, 2, "", "uint16"),
    FLOAT8_E4M3FN(ScalarType.Float8_e4m3fn, 1, "", "float8_e4m3fn"),
    FLOAT8_E5M2(ScalarType.Float8_e5m2, 1, "", "float8_e5m2");

    private final ScalarType scalar;
    private final int bytes;
    private final String storage;
    private final String dtype;

    TorchType(ScalarType scalar, int bytes, String storage, String dtype) {
        this.scalar = scalar;
        this.bytes = bytes;
        this.storage = storage;
        this.dtype = dtype;
    }

    ScalarType scalar() {
        return scalar;
    }

    int bytes() {
        return bytes;
    }

    /** The class of its storages in the module {@code torch}; empty if they are untyped. */
    String storage() {
        return storage;
    }

    /** Its name in the module {@code torch}. */
    String dtype() {
        return dtype;
    }

    /** The type of a libtorch type, or null. */
    static TorchType of(ScalarType scalar) {
        for (TorchType type : values()) {
            if (type.scalar == scalar) {
                return type;
            }
        }
        return null;
    }
}
