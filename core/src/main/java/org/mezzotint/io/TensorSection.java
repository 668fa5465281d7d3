package org.mezzotint.io;

import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** The tensors of another file whose names start with a prefix, under what follows it. */
record TensorSection(TensorFile file, String name, Set<String> names) implements TensorFile {
    static TensorSection of(TensorFile file, String name) {
        Set<String> names = new LinkedHashSet<>();
        Set<String> sections = new LinkedHashSet<>();
        for (String each : file.names()) {
            if (each.startsWith(name + ".")) {
                names.add(each.substring(name.length() + 1));
            }
            sections.add(each.substring(0, Math.max(0, each.indexOf('.'))));
        }
        if (names.isEmpty()) {
            sections.remove("");
            throw new CheckpointException(file.source() + ": no tensors below \"" + name + "\", "
                    + InputException.oneLine(NearestName.hint(name, sections)));
        }
        return new TensorSection(file, name, Collections.unmodifiableSet(names));
    }

    @Override
    public String source() {
        return file.source() + " (" + name + ")";
    }

    @Override
    public boolean contains(String each) {
        return names.contains(each);
    }

    @Override
    public long[] shape(String each) {
        return file.shape(name + "." + each);
    }

    @Override
    public ScalarType type(String each) {
        return file.type(name + "." + each);
    }

    @Override
    public Tensor tensor(String each) {
        return file.tensor(name + "." + each);
    }

    @Override
    public boolean read(String each, Tensor target) {
        return file.read(name + "." + each, target);
    }

    @Override
    public Map<String, String> metadata() {
        return file.metadata();
    }

    @Override
    public void close() {
        // The file belongs to whoever opened it.
    }
}
