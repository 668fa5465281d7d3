package org.mezzotint.tensor;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * What a network is conditioned on besides picture and time, by name. {@code class} is (N,) int64: a label, or the number
 * of classes for "no class". Each tensor's first dimension is the batch.
 *
 * <p>Immutable; it does not own its tensors.
 */
public final class Conditioning {
    /** The name of class labels. */
    public static final String CLASS = "class";

    private static final Conditioning NONE = new Conditioning(Map.of());
    private final Map<String, Tensor> inputs;

    private Conditioning(Map<String, Tensor> inputs) {
        this.inputs = inputs;
    }

    /**
     * No conditioning: an unconditional network.
     *
     * @return the empty set of inputs
     */
    public static Conditioning none() {
        return NONE;
    }

    /**
     * Class labels (N,).
     *
     * @param labels int64
     * @return inputs with the one name {@code class}
     */
    public static Conditioning classes(Tensor labels) {
        return of(Map.of(CLASS, Shapes.check("class", labels, Shapes.ANY)));
    }

    /**
     * Class labels, on the CPU.
     *
     * @param labels one a picture
     * @return inputs with the one name {@code class}, made in the current scope
     */
    public static Conditioning classes(long... labels) {
        return classes(Tensors.of(labels));
    }

    /**
     * Class labels, where a network lives.
     *
     * @param device of the network
     * @param labels one a picture
     * @return inputs with the one name {@code class}, made in the current scope
     */
    public static Conditioning classes(Device device, long... labels) {
        Tensor cpu = Tensors.of(labels);
        return classes(cpu.to(device, cpu.scalar_type()));
    }

    /**
     * Inputs by name.
     *
     * @param inputs each with the batch as its first dimension
     * @return an immutable copy
     */
    public static Conditioning of(Map<String, Tensor> inputs) {
        return new Conditioning(Collections.unmodifiableMap(new LinkedHashMap<>(inputs)));
    }

    /**
     * This with one input more.
     *
     * @param name of the input, not among the present ones
     * @param tensor with the batch as its first dimension
     * @return an immutable copy
     */
    public Conditioning with(String name, Tensor tensor) {
        if (inputs.containsKey(name)) {
            throw new IllegalArgumentException("the input '" + name + "' is there already");
        }
        Map<String, Tensor> more = new LinkedHashMap<>(inputs);
        more.put(name, tensor);
        return of(more);
    }

    /**
     * The names present.
     *
     * @return in no particular order
     */
    public Set<String> names() {
        return inputs.keySet();
    }

    /**
     * One input.
     *
     * @param name for example {@code class}
     * @return the tensor
     * @throws IllegalArgumentException if it is absent
     */
    public Tensor get(String name) {
        Tensor tensor = inputs.get(name);
        if (tensor == null) {
            throw new IllegalArgumentException("the network needs the input '" + name + "', got " + inputs.keySet());
        }
        return tensor;
    }

    /**
     * The batch of this followed by the batch of another with the same names.
     *
     * @param other appended
     * @return new tensors in the current scope
     */
    public Conditioning concat(Conditioning other) {
        if (!names().equals(other.names())) {
            throw new IllegalArgumentException(
                    "both halves must have the same inputs, got " + names() + " and " + other.names());
        }
        Map<String, Tensor> joined = new LinkedHashMap<>();
        inputs.forEach(
                (name, tensor) -> joined.put(name, torch.cat(new TensorVector(tensor, other.inputs.get(name)), 0)));
        return of(joined);
    }

    /**
     * A part of the batch.
     *
     * @param from first picture
     * @param count number of pictures
     * @return views in the current scope
     */
    public Conditioning slice(long from, long count) {
        Map<String, Tensor> part = new LinkedHashMap<>();
        inputs.forEach((name, tensor) -> part.put(name, tensor.narrow(0, from, count)));
        return of(part);
    }

    /**
     * All tensors.
     *
     * @return in no particular order
     */
    public List<Tensor> tensors() {
        return new ArrayList<>(inputs.values());
    }
}
