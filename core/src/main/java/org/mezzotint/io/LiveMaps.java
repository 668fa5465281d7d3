package org.mezzotint.io;

import java.nio.MappedByteBuffer;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.PointerConsumer;

/** Keeps each memory map while a tensor uses it: libtorch holds the address only. Any thread may close the tensor. */
final class LiveMaps {
    /** The deleter for {@code from_blob}. One for all tensors: JavaCPP has room for ten callbacks per class. */
    static final PointerConsumer RELEASE = create();

    private static final Map<Long, MappedByteBuffer> KEPT = new ConcurrentHashMap<>();

    private LiveMaps() {}

    static void keep(Pointer data, MappedByteBuffer map) {
        KEPT.put(data.address(), map);
    }

    /** How many maps are in use. */
    static int count() {
        return KEPT.size();
    }

    private static PointerConsumer create() {
        PointerConsumer release = new Release();
        // The scope of whoever comes first must not free what all later tensors need.
        release.retainReference();
        return release;
    }

    private static final class Release extends PointerConsumer {
        Release() {
            super();
        }

        @Override
        public void call(Pointer data) {
            KEPT.remove(data.address());
        }
    }
}
