package org.mezzotint.convert;

import java.util.Map;
import java.util.Set;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.io.TensorFile;
import org.mezzotint.tensor.Tensors;

/** Tensors in memory where a file is expected. */
record MapTensors(String source, Map<String, Tensor> tensors) implements TensorFile {
    @Override
    public Set<String> names() {
        return tensors.keySet();
    }

    @Override
    public boolean contains(String name) {
        return tensors.containsKey(name);
    }

    @Override
    public long[] shape(String name) {
        return tensor(name).shape();
    }

    @Override
    public ScalarType type(String name) {
        return Tensors.type(tensor(name));
    }

    @Override
    public Tensor tensor(String name) {
        Tensor tensor = tensors.get(name);
        if (tensor == null) {
            throw new CheckpointException(source + ": no tensor " + name);
        }
        return tensor;
    }

    @Override
    public Map<String, String> metadata() {
        return Map.of();
    }

    @Override
    public void close() {
        // Memory belongs to the scope of whoever made it.
    }
}
