package org.mezzotint.io;

import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.mezzotint.io.PickleReader.Dict;
import org.mezzotint.io.PickleReader.Items;

/**
 * Gives the leaves of what a pickle holds dotted names: keys of dicts, attributes and positions in lists. It walks without
 * recursion and knows its limits: parts that are shared may be many times as many when they are walked.
 */
final class TorchTree {
    private static final int DEEPEST = 200;
    private static final int LONGEST_NAME = 4096;
    private static final int MOST_NAMES = 200_000;
    private static final long MOST_LETTERS = 8L << 20;

    private final String source;
    private final TorchNames meaning;
    private final long mostVisits;
    private long visits;
    private int names;
    private long letters;

    /** A container that is being walked, and where. */
    private static final class Level {
        final Object container;
        final Iterator<?> children;
        /** Key of the child that is being looked at; unused in lists. */
        Object key;
        /** Number of children looked at. */
        int count;

        Level(Object container, Iterator<?> children) {
            this.container = container;
            this.children = children;
        }

        Object next() {
            Object child = children.next();
            count++;
            if (child instanceof Map.Entry<?, ?> entry) {
                key = entry.getKey();
                return entry.getValue();
            }
            return child;
        }

        String step() {
            if (container instanceof Items) {
                return Integer.toString(count - 1);
            } else if (key == null) {
                return "None";
            } else if (key instanceof Boolean truth) {
                return truth ? "True" : "False";
            }
            return key.toString();
        }
    }

    /** Takes the leaves. */
    private interface Leaves {
        /** Whether the leaf is wanted; only then its name is made. */
        boolean wants(Object leaf);

        void take(String name, Object leaf);
    }

    /**
     * Starts a walk.
     *
     * @param source of the pickle, for messages
     * @param meaning of the names that are left in the tree
     * @param pickleBytes its length: the most values that it can hold without sharing
     */
    TorchTree(String source, TorchNames meaning, long pickleBytes) {
        this.source = source;
        this.meaning = meaning;
        mostVisits = pickleBytes + 1000;
    }

    /** Name to tensor, in the order of the pickle. */
    Map<String, TorchNames.View> tensors(Object root) {
        Map<String, TorchNames.View> tensors = new LinkedHashMap<>();
        walk(root, new Leaves() {
            @Override
            public boolean wants(Object leaf) {
                meaning.valueOf(leaf);
                return leaf instanceof TorchNames.View;
            }

            @Override
            public void take(String name, Object leaf) {
                if (tensors.put(name, (TorchNames.View) leaf) != null) {
                    throw twice(name);
                }
            }
        });
        return tensors;
    }

    /** Name to what is neither tensor nor container, or an empty container. */
    Map<String, Object> values(Object root) {
        Map<String, Object> values = new LinkedHashMap<>();
        walk(root, new Leaves() {
            @Override
            public boolean wants(Object leaf) {
                return !(leaf instanceof TorchNames.View);
            }

            @Override
            public void take(String name, Object leaf) {
                if (values.containsKey(name)) {
                    throw twice(name);
                }
                values.put(name, value(leaf));
            }
        });
        return values;
    }

    private Object value(Object leaf) {
        if (leaf instanceof Dict) {
            return Map.of();
        } else if (leaf instanceof Items) {
            return List.of();
        }
        return meaning.valueOf(leaf);
    }

    private void walk(Object root, Leaves leaves) {
        List<Level> path = new ArrayList<>();
        Set<Object> onPath = Collections.newSetFromMap(new IdentityHashMap<>());
        visits = 0;
        names = 0;
        letters = 0;
        visit(root, path, onPath, leaves);
        while (!path.isEmpty()) {
            Level level = path.get(path.size() - 1);
            if (level.children.hasNext()) {
                visit(level.next(), path, onPath, leaves);
            } else {
                path.remove(path.size() - 1);
                onPath.remove(level.container);
            }
        }
    }

    private void visit(Object value, List<Level> path, Set<Object> onPath, Leaves leaves) {
        if (++visits > mostVisits) {
            throw refused("its values share parts so often that they are more than its bytes");
        }
        Iterator<?> children = Collections.emptyIterator();
        if (value instanceof Items list) {
            children = list.items().iterator();
        } else if (value instanceof Dict dict) {
            children = dict.items().entrySet().iterator();
        }
        if (children.hasNext()) {
            if (path.size() == DEEPEST) {
                throw refused("its values are nested more than " + DEEPEST + " levels deep");
            }
            if (!onPath.add(value)) {
                throw refused("the value " + quoted(name(path)) + " contains itself");
            }
            path.add(new Level(value, children));
        } else if (leaves.wants(value)) {
            String name = name(path);
            if (++names > MOST_NAMES) {
                throw refused("it holds more than " + MOST_NAMES + " named values");
            }
            leaves.take(name, value);
        }
    }

    private String name(List<Level> path) {
        StringBuilder name = new StringBuilder();
        for (Level level : path) {
            name.append(level == path.get(0) ? "" : ".").append(level.step());
            if (name.length() > LONGEST_NAME || letters + name.length() > MOST_LETTERS) {
                throw refused("a name must have at most " + LONGEST_NAME + " letters, all together " + MOST_LETTERS);
            }
        }
        letters += name.length();
        return name.toString();
    }

    private static String quoted(String name) {
        return "\"" + InputException.oneLine(name) + "\"";
    }

    private CheckpointException twice(String name) {
        return refused("two values have the name " + quoted(name));
    }

    private CheckpointException refused(String what) {
        return new CheckpointException(source + ": the pickle cannot be used: " + what);
    }
}
