package org.mezzotint.io;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.mezzotint.io.PickleReader.Dict;
import org.mezzotint.io.PickleReader.Items;

/**
 * The names that pickles of PyTorch may use, and what each becomes: an inert value. Everything else is refused by name.
 *
 * <p>In a TorchScript archive (one with a {@code code/} folder), classes named {@code __torch__.…} become the map of their
 * attributes. Their code is never looked at.
 */
final class TorchNames implements PickleReader.Names {
    private static final int MOST_DIMENSIONS = 64;
    private static final String SCRIPT_CLASS = "__torch__.";

    private static final Map<String, Name> ALLOWED = allowed();

    private final String source;
    private final boolean script;
    private final Map<String, Storage> storages = new LinkedHashMap<>();

    /** What an allowed name is good for. */
    private enum Use {
        /** Called without arguments: an empty dict. Its state (such as {@code _metadata}) is ignored. */
        ORDERED_DICT,
        /** (storage, offset, size, stride): a tensor. */
        TENSOR_V1,
        /** (storage, offset, size, stride, requires_grad, hooks[, metadata]). */
        TENSOR_V2,
        /** (storage, offset, size, stride, requires_grad, hooks, dtype[, metadata]). */
        TENSOR_V3,
        /** (tensor, requires_grad, hooks): the tensor. */
        PARAMETER,
        /** A class of storages, good in a persistent id only. */
        STORAGE,
        /** A value, for instance of a configuration. */
        DTYPE,
        /** (sizes): the tuple. */
        SIZE,
        /** (kind[, index]): a text. */
        DEVICE,
        /** A class whose objects become the map of their attributes. */
        ATTRIBUTES,
        /** TorchScript's typed lists: (list). */
        LIST,
        /** TorchScript's note of a type: (value, text). */
        TAGGED
    }

    /**
     * An allowed name.
     *
     * @param name dotted
     * @param use what it is good for
     * @param type of a storage or dtype; null of other names and for storages without a type
     */
    private record Name(String name, Use use, TorchType type) {
        @Override
        public String toString() {
            return name;
        }
    }

    /**
     * A storage that the pickle refers to.
     *
     * @param type of its elements, or null if it does not say
     * @param key its name in the file
     * @param count of elements; of bytes without a type
     */
    record Storage(TorchType type, String key, long count) {
        /** Bytes. */
        long bytes() {
            return Math.multiplyExact(count, type == null ? 1 : type.bytes());
        }
    }

    /**
     * A tensor: a view of a storage that lies within the bounds that the storage states.
     *
     * @param storage its numbers
     * @param type of its elements
     * @param offset of the first element, in elements
     * @param size lengths
     * @param stride steps in elements
     */
    record View(Storage storage, TorchType type, long offset, long[] size, long[] stride) {
        /** Elements from the first to the last one, both included. */
        long span() {
            long last = 0;
            for (int i = 0; i < size.length; i++) {
                if (size[i] == 0) {
                    return 0;
                }
                last += (size[i] - 1) * stride[i];
            }
            return last + 1;
        }

        /** Bytes of a plain copy. */
        long bytes() {
            long bytes = type.bytes();
            for (long length : size) {
                bytes *= length;
            }
            return bytes;
        }
    }

    /**
     * Starts a reading.
     *
     * @param source of the pickle, for messages
     * @param script whether the archive is TorchScript's
     */
    TorchNames(String source, boolean script) {
        this.source = source;
        this.script = script;
    }

    /** The storages that were referred to so far, by key. */
    Map<String, Storage> storages() {
        return storages;
    }

    private static Map<String, Name> allowed() {
        Map<String, Name> names = new HashMap<>();
        add(names, "collections.OrderedDict", Use.ORDERED_DICT, null);
        add(names, "torch._utils._rebuild_tensor", Use.TENSOR_V1, null);
        add(names, "torch._utils._rebuild_tensor_v2", Use.TENSOR_V2, null);
        add(names, "torch._utils._rebuild_tensor_v3", Use.TENSOR_V3, null);
        add(names, "torch._utils._rebuild_parameter", Use.PARAMETER, null);
        add(names, "torch.storage.UntypedStorage", Use.STORAGE, null);
        add(names, "torch.Size", Use.SIZE, null);
        add(names, "torch.device", Use.DEVICE, null);
        add(names, "argparse.Namespace", Use.ATTRIBUTES, null);
        for (TorchType type : TorchType.values()) {
            add(names, "torch." + type.dtype(), Use.DTYPE, type);
            if (!type.storage().isEmpty()) {
                add(names, "torch." + type.storage(), Use.STORAGE, type);
            }
        }
        for (String list : List.of("intlist", "doublelist", "boollist", "tensorlist")) {
            add(names, "torch.jit._pickle.build_" + list, Use.LIST, null);
        }
        add(names, "torch.jit._pickle.restore_type_tag", Use.TAGGED, null);
        return Map.copyOf(names);
    }

    private static void add(Map<String, Name> names, String name, Use use, TorchType type) {
        names.put(name, new Name(name, use, type));
    }

    @Override
    public Object global(String name) {
        Name allowed = ALLOWED.get(name);
        if (allowed != null) {
            return allowed;
        }
        if (script && name.startsWith(SCRIPT_CLASS)) {
            return new Name(name, Use.ATTRIBUTES, null);
        }
        String hint = name.startsWith("torch.nn.")
                ? "; it holds a whole model: save its state_dict() instead"
                : name.startsWith(SCRIPT_CLASS) ? "; only TorchScript archives may" : "";
        throw new CheckpointException(source + ": the pickle uses \"" + InputException.oneLine(name)
                + "\", which is not on the list of names for data; nothing of it was run" + hint);
    }

    @Override
    public Object call(Object function, List<Object> arguments) {
        if (!(function instanceof Name name)) {
            throw refused("something that is not a function is called");
        }
        int count = arguments.size();
        switch (name.use) {
            case ORDERED_DICT -> {
                if (count == 0) {
                    return new Dict("");
                }
            }
            case TENSOR_V1 -> {
                if (count == 4) {
                    return view(arguments, null);
                }
            }
            case TENSOR_V2 -> {
                if (count == 6 || count == 7) {
                    return view(arguments, null);
                }
            }
            case TENSOR_V3 -> {
                if ((count == 7 || count == 8) && arguments.get(6) instanceof Name type && type.use == Use.DTYPE) {
                    return view(arguments, type.type);
                }
            }
            case PARAMETER -> {
                if (count == 3 && arguments.get(0) instanceof View view) {
                    return view;
                }
            }
            case SIZE -> {
                if (count == 1 && arguments.get(0) instanceof Items sizes) {
                    return sizes;
                }
            }
            case DEVICE -> {
                if (count >= 1 && count <= 2 && arguments.get(0) instanceof String kind) {
                    return count == 1 ? kind : kind + ":" + (arguments.get(1) instanceof Long index ? index : "?");
                }
            }
            case LIST -> {
                if (script && count == 1 && arguments.get(0) instanceof Items list) {
                    return list;
                }
            }
            case TAGGED -> {
                if (script && count == 2) {
                    return arguments.get(0);
                }
            }
            default -> throw refused("\"" + name + "\" is a name, not a function");
        }
        throw refused("\"" + name + "\" is called with the wrong arguments");
    }

    @Override
    public Object create(Object type, List<Object> arguments) {
        if (type instanceof Name name && arguments.isEmpty()) {
            if (name.use == Use.ATTRIBUTES) {
                return new Dict(name.name);
            } else if (name.use == Use.ORDERED_DICT) {
                return new Dict("");
            }
        }
        throw refused("objects of " + (type instanceof Name name ? "\"" + name + "\"" : "what is no class")
                + " cannot be made");
    }

    @Override
    public void build(Object target, Object state) {
        if (!(target instanceof Dict object) || !(state instanceof Dict attributes)) {
            String type = target instanceof Dict object ? object.type() : "";
            throw refused("the state of " + (type.isEmpty() ? "a value" : "\"" + InputException.oneLine(type) + "\"")
                    + " must be a dict of attributes");
        }
        // A state dict's own attributes (_metadata: version numbers of modules) are no data.
        if (!object.type().isEmpty()) {
            object.items().putAll(attributes.items());
        }
    }

    @Override
    public Object persistent(Object id) {
        if (!(id instanceof Items tuple)
                || !tuple.fixed()
                || tuple.items().size() < 5
                || tuple.items().size() > 6) {
            throw refused("a storage's id must be a tuple of 5 or 6 values");
        }
        List<Object> items = tuple.items();
        if (!"storage".equals(items.get(0))
                || !(items.get(1) instanceof Name name)
                || name.use != Use.STORAGE
                || !(items.get(2) instanceof String key)
                || !(items.get(3) instanceof String)
                || !(items.get(4) instanceof Long count)) {
            throw refused("a storage's id must be (\"storage\", class, key, place, count)");
        }
        if (items.size() == 6 && items.get(5) != null) {
            throw refused("storages that are views of storages are not supported; save the file with a newer PyTorch");
        }
        if (count < 0 || count > Long.MAX_VALUE / 16) {
            throw refused("storage \"" + InputException.oneLine(key) + "\" cannot have " + count + " elements");
        }
        Storage storage = new Storage(name.type, key, count);
        Storage before = storages.putIfAbsent(key, storage);
        if (before != null && before.bytes() != storage.bytes()) {
            throw refused("storage \"" + InputException.oneLine(key) + "\" has once " + before.bytes() + " and once "
                    + storage.bytes() + " bytes");
        }
        return storage;
    }

    private View view(List<Object> arguments, TorchType dtype) {
        if (!(arguments.get(0) instanceof Storage storage)
                || !(arguments.get(1) instanceof Long offset)
                || !(arguments.get(2) instanceof Items sizes)
                || !(arguments.get(3) instanceof Items strides)) {
            throw refused("a tensor needs a storage, an offset, sizes and strides");
        }
        TorchType type = dtype == null ? storage.type : dtype;
        if (type == null) {
            throw refused("a tensor of storage \"" + InputException.oneLine(storage.key) + "\" lacks a number type");
        }
        View view = new View(storage, type, offset, lengths("sizes", sizes), lengths("strides", strides));
        String what = "tensor with offset " + offset + ", sizes " + sizes.items() + " and strides " + strides.items();
        if (view.size.length != view.stride.length || offset < 0) {
            throw refused("a " + InputException.oneLine(what) + " is impossible");
        }
        try {
            long last = offset;
            long bytes = type.bytes();
            boolean empty = false;
            for (int i = 0; i < view.size.length; i++) {
                empty |= view.size[i] == 0;
                bytes = Math.multiplyExact(bytes, Math.max(1, view.size[i]));
                last = Math.addExact(last, Math.multiplyExact(Math.max(0, view.size[i] - 1), view.stride[i]));
            }
            if (!empty && last >= storage.bytes() / type.bytes()) {
                throw refused("a " + InputException.oneLine(what) + " does not fit in storage \""
                        + InputException.oneLine(storage.key) + "\" of " + storage.bytes() / type.bytes()
                        + " elements");
            }
        } catch (ArithmeticException e) {
            throw refused("a " + InputException.oneLine(what) + " has more than 2^63-1 bytes");
        }
        return view;
    }

    private long[] lengths(String what, Items items) {
        if (items.items().size() > MOST_DIMENSIONS) {
            throw refused("a tensor must have at most " + MOST_DIMENSIONS + " dimensions, got "
                    + items.items().size());
        }
        List<Long> lengths = new ArrayList<>();
        for (Object item : items.items()) {
            if (!(item instanceof Long length) || length < 0) {
                throw refused("the " + what + " of a tensor must be whole numbers from 0 to 2^63-1, got "
                        + (item instanceof Number ? item : "something else"));
            }
            lengths.add(length);
        }
        return lengths.stream().mapToLong(Long::longValue).toArray();
    }

    /** What a name or storage is as a value: dtypes belong to configurations, others mean nothing by themselves. */
    Object valueOf(Object leaf) {
        if (leaf instanceof Name name && name.use == Use.DTYPE) {
            return name.name;
        } else if (leaf instanceof Name || leaf instanceof Storage) {
            throw refused("the value " + leaf + " is neither a tensor nor a number, text, list or dict");
        }
        return leaf;
    }

    private CheckpointException refused(String what) {
        return new CheckpointException(source + ": the pickle is damaged: " + what);
    }
}
