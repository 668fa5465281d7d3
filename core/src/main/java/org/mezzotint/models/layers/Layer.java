package org.mezzotint.models.layers;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.bytedeco.pytorch.Tensor;

/**
 * A part of a network: parameters and child layers by name. The names of {@link #state()} are those of a PyTorch state
 * dict, in its order: a layer's own tensors first, then its children's in the order of registration.
 */
public abstract class Layer {
    private final Map<String, Tensor> own = new LinkedHashMap<>();
    private final Set<String> frozen = new LinkedHashSet<>();
    private final Map<String, Layer> children = new LinkedHashMap<>();

    /** For subclasses. */
    protected Layer() {}

    /**
     * Registers a trainable tensor.
     *
     * @param name last part of its name
     * @param value initial content
     * @return {@code value}, which now requires gradients
     */
    protected final Tensor parameter(String name, Tensor value) {
        value.requires_grad_(true);
        own.put(name, value);
        return value;
    }

    /**
     * Registers a tensor that is saved but not trained.
     *
     * @param name last part of its name
     * @param value content
     * @return {@code value}
     */
    protected final Tensor frozen(String name, Tensor value) {
        own.put(name, value);
        frozen.add(name);
        return value;
    }

    /**
     * Registers a child.
     *
     * @param <L> type of the child
     * @param name prefix of the child's names, may contain dots
     * @param layer the child
     * @return {@code layer}
     */
    protected final <L extends Layer> L child(String name, L layer) {
        children.put(name, layer);
        return layer;
    }

    /**
     * Every tensor by its full name, in state-dict order.
     *
     * @return unmodifiable; the tensors are this layer's own, not copies
     */
    public final Map<String, Tensor> state() {
        Map<String, Tensor> all = new LinkedHashMap<>();
        collect("", all, true);
        return Collections.unmodifiableMap(all);
    }

    /**
     * The tensors that an optimiser changes, by their full name, in state-dict order.
     *
     * @return unmodifiable
     */
    public final Map<String, Tensor> trainable() {
        Map<String, Tensor> all = new LinkedHashMap<>();
        collect("", all, false);
        return Collections.unmodifiableMap(all);
    }

    private void collect(String prefix, Map<String, Tensor> into, boolean withFrozen) {
        own.forEach((name, tensor) -> {
            if (withFrozen || !frozen.contains(name)) {
                into.put(prefix + name, tensor);
            }
        });
        children.forEach((name, layer) -> layer.collect(prefix + name + ".", into, withFrozen));
    }

    /**
     * {@link Linear#pack Packs} every linear layer of this one and below it.
     *
     * @param rows the number of rows that their inputs will usually have
     */
    public final void packLinears(long rows) {
        walk(layer -> {
            if (layer instanceof Linear linear) {
                linear.pack(rows);
            }
        });
    }

    /** {@link Linear#unpack Unpacks} every linear layer of this one and below it. */
    public final void unpackLinears() {
        walk(layer -> {
            if (layer instanceof Linear linear) {
                linear.unpack();
            }
        });
    }

    /** {@link Conv2d#unpack Unpacks} every convolution of this layer and below it. */
    public final void unpackConvolutions() {
        walk(layer -> {
            if (layer instanceof Conv2d conv) {
                conv.unpack();
            }
        });
    }

    /**
     * Visits this layer and all below it.
     *
     * @param visitor called once a layer, parents first
     */
    public final void walk(Consumer<Layer> visitor) {
        visitor.accept(this);
        children.values().forEach(layer -> layer.walk(visitor));
    }
}
