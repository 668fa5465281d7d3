package org.mezzotint.io;

import java.math.BigInteger;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads a Python pickle of protocol 2 to 5 as data. It builds lists, dicts and numbers, and never an object: what a name
 * ("global") stands for, what a call gives and what a persistent id means is decided by {@link Names}, which refuses
 * everything that it does not know.
 *
 * <p>A library (net.razorvine.pickle) does not serve: it allocates what a length field says before it looks whether so many
 * bytes follow, keeps its list of constructors in a static map, makes a bean of every class that it does not know, sets
 * state by reflection, and takes lists as keys of hash maps, whose hash codes recurse.
 *
 * <p>Everything that takes memory is charged to a budget. Nothing here recurses, so nesting costs no stack.
 */
final class PickleReader {
    private static final int HIGHEST_PROTOCOL = 5;
    private static final int LONGEST_NUMBER = 1024;
    private static final int LONGEST_NAME = 1000;

    private final String source;
    private final ByteBuffer in;
    private final Names names;
    private long budget;
    private final List<Object> stack = new ArrayList<>();
    /** Heights of the stack at each MARK. */
    private final List<Integer> marks = new ArrayList<>();

    private final Map<Integer, Object> memo = new HashMap<>();

    /** What names mean. Each method throws a {@link CheckpointException} for what it does not allow. */
    interface Names {
        /** The thing with a dotted name. */
        Object global(String name);

        /** The result of a call of such a thing (REDUCE). */
        Object call(Object function, List<Object> arguments);

        /** A new object of a class (NEWOBJ). */
        Object create(Object type, List<Object> arguments);

        /** Takes the state of an object (BUILD). */
        void build(Object target, Object state);

        /** What a persistent id stands for. */
        Object persistent(Object id);
    }

    /**
     * A list or a tuple.
     *
     * @param items the elements
     * @param fixed whether it is a tuple
     */
    record Items(List<Object> items, boolean fixed) {}

    /**
     * A dict, or the attributes of an object.
     *
     * @param items key to value; keys are texts, numbers, booleans or null
     * @param type dotted name of the object's class, empty for a dict
     */
    record Dict(Map<Object, Object> items, String type) {
        Dict(String type) {
            this(new LinkedHashMap<>(), type);
        }
    }

    /**
     * Starts to read.
     *
     * @param source of the pickle, for messages
     * @param in positioned at the pickle, with an array; afterwards behind it
     * @param names what names mean
     * @param budget bytes of memory that the values may take
     */
    PickleReader(String source, ByteBuffer in, Names names, long budget) {
        this.source = source;
        this.in = in.order(ByteOrder.LITTLE_ENDIAN);
        this.names = names;
        this.budget = budget;
    }

    /** Reads to STOP and gives the value. */
    Object read() {
        try {
            while (true) {
                int opcode = in.get() & 0xFF;
                if (opcode == '.') {
                    Object value = pop();
                    if (!stack.isEmpty() || !marks.isEmpty()) {
                        throw refused("values are left over at its end");
                    }
                    return value;
                }
                step(opcode);
            }
        } catch (BufferUnderflowException e) {
            throw new CheckpointException(source + ": the pickle is cut, it ends at byte " + in.limit(), e);
        }
    }

    private void step(int opcode) {
        switch (opcode) {
            case 0x80 -> protocol();
            case 0x95 -> frame();
            case '(' -> {
                charge(24);
                marks.add(stack.size());
            }
            case '0' -> pop();
            case '1' -> popMarked();
            case '2' -> push(top(), 8);
            case 'N' -> push(null, 8);
            case 0x88 -> push(true, 8);
            case 0x89 -> push(false, 8);
            case 'J' -> push((long) in.getInt(), 32);
            case 'K' -> push(in.get() & 0xFFL, 32);
            case 'M' -> push(in.getShort() & 0xFFFFL, 32);
            case 0x8a -> push(number(in.get() & 0xFF), 32);
            case 0x8b -> push(number(in.getInt()), 32);
            case 'G' -> push(Double.longBitsToDouble(Long.reverseBytes(in.getLong())), 32);
            case 'U' -> push(text(in.get() & 0xFF), 8);
            case 'T', 'X' -> push(text(in.getInt() & 0xFFFFFFFFL), 8);
            case 0x8c -> push(text(in.get() & 0xFF), 8);
            case 0x8d -> push(text(in.getLong()), 8);
            case 'C' -> push(bytes(in.get() & 0xFF), 8);
            case 'B' -> push(bytes(in.getInt() & 0xFFFFFFFFL), 8);
            case 0x8e -> push(bytes(in.getLong()), 8);
            case ']' -> push(new Items(new ArrayList<>(0), false), 64);
            case 'l' -> push(new Items(popMarked(), false), 64);
            case 'a' -> {
                List<Object> one = new ArrayList<>(1);
                one.add(pop());
                append(one);
            }
            case 'e' -> append(popMarked());
            case ')' -> push(new Items(List.of(), true), 32);
            case 't' -> push(new Items(popMarked(), true), 64);
            case 0x85 -> tuple(1);
            case 0x86 -> tuple(2);
            case 0x87 -> tuple(3);
            case '}' -> push(new Dict(""), 96);
            case 'd' -> {
                List<Object> items = popMarked();
                push(new Dict(""), 96);
                set(items);
            }
            case 's' -> {
                Object value = pop();
                Object key = pop();
                List<Object> items = new ArrayList<>(2);
                items.add(key);
                items.add(value);
                set(items);
            }
            case 'u' -> set(popMarked());
            case 'h' -> recall(in.get() & 0xFF);
            case 'j' -> recall(in.getInt());
            case 'q' -> remember(in.get() & 0xFF);
            case 'r' -> remember(in.getInt());
            case 0x94 -> remember(memo.size());
            case 'c' -> push(names.global(line() + "." + line()), 40);
            case 0x93 -> {
                Object name = pop();
                Object module = pop();
                if (!(module instanceof String m && name instanceof String n)) {
                    throw refused("STACK_GLOBAL needs two texts");
                }
                push(names.global(m + "." + n), 40);
            }
            case 'i' -> {
                // An instance of a class: no class that is allowed is written like this.
                String name = line() + "." + line();
                names.global(name);
                throw refused("opcode INST is not supported, for \"" + name + "\"");
            }
            case 'R' -> {
                List<Object> arguments = arguments();
                push(names.call(pop(), arguments), 100);
            }
            case 0x81 -> {
                List<Object> arguments = arguments();
                push(names.create(pop(), arguments), 100);
            }
            case 'b' -> {
                Object state = pop();
                if (state instanceof Dict dict) {
                    charge(64L * dict.items().size());
                }
                names.build(top(), state);
            }
            case 'Q' -> push(names.persistent(pop()), 100);
            default -> throw refused(String.format("opcode 0x%02x is not supported", opcode));
        }
    }

    private void protocol() {
        int version = in.get() & 0xFF;
        if (version < 2 || version > HIGHEST_PROTOCOL) {
            throw refused("the protocol must be 2 to " + HIGHEST_PROTOCOL + ", got " + version);
        }
    }

    private void frame() {
        long length = in.getLong();
        if (length < 0 || length > in.remaining()) {
            throw refused("a frame of " + Long.toUnsignedString(length) + " bytes is longer than what follows");
        }
    }

    private void tuple(int length) {
        Object[] items = new Object[length];
        for (int i = length - 1; i >= 0; i--) {
            items[i] = pop();
        }
        push(new Items(Arrays.asList(items), true), 80);
    }

    private List<Object> arguments() {
        if (pop() instanceof Items arguments && arguments.fixed()) {
            return arguments.items();
        }
        throw refused("the arguments of a call must be a tuple");
    }

    private void append(List<Object> items) {
        if (!(top() instanceof Items list) || list.fixed()) {
            throw refused("only a list can be appended to");
        }
        charge(12L * items.size());
        list.items().addAll(items);
    }

    private void set(List<Object> items) {
        if (!(top() instanceof Dict dict) || !dict.type().isEmpty()) {
            throw refused("only a dict can get items");
        }
        if (items.size() % 2 != 0) {
            throw refused("a dict needs pairs of key and value, got " + items.size() + " values");
        }
        charge(40L * items.size());
        for (int i = 0; i < items.size(); i += 2) {
            Object key = items.get(i);
            // What hashes by its content could be large, or contain itself.
            if (!(key == null || key instanceof String || key instanceof Number || key instanceof Boolean)) {
                throw refused("a key of a dict must be a text, a number, a boolean or None");
            }
            dict.items().put(key, items.get(i + 1));
        }
    }

    private void remember(int index) {
        charge(88);
        memo.put(index, top());
    }

    private void recall(int index) {
        Object value = memo.get(index);
        if (value == null && !memo.containsKey(index)) {
            throw refused("nothing was memorised as " + Integer.toUnsignedString(index));
        }
        push(value, 8);
    }

    private Object number(int length) {
        if (length < 0 || length > LONGEST_NUMBER) {
            throw refused("a whole number must have at most " + LONGEST_NUMBER + " bytes, got "
                    + Integer.toUnsignedString(length));
        }
        byte[] bytes = bytes(length);
        for (int i = 0; i < length / 2; i++) {
            byte swapped = bytes[i];
            bytes[i] = bytes[length - 1 - i];
            bytes[length - 1 - i] = swapped;
        }
        BigInteger number = length == 0 ? BigInteger.ZERO : new BigInteger(bytes);
        return number.bitLength() < Long.SIZE ? (Object) number.longValue() : number;
    }

    private byte[] bytes(long length) {
        check(length);
        charge(24 + length);
        byte[] bytes = new byte[(int) length];
        in.get(bytes);
        return bytes;
    }

    private String text(long length) {
        check(length);
        int start = in.position();
        int end = start + (int) length;
        boolean ascii = true;
        for (int i = start; i < end; i++) {
            ascii &= in.get(i) >= 0;
        }
        charge(ascii ? 56 + 2 * length : 250 + 5 * length);
        in.position(end);
        if (ascii) {
            return new String(in.array(), in.arrayOffset() + start, (int) length, StandardCharsets.US_ASCII);
        }
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(in.slice(start, (int) length))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new CheckpointException(
                    source + ": the pickle is damaged at byte " + in.position() + ": a text is not UTF-8", e);
        }
    }

    private void check(long length) {
        if (length < 0 || length > in.remaining()) {
            throw refused("a value of " + Long.toUnsignedString(length) + " bytes is longer than what follows");
        }
    }

    /** A name up to the end of its line. */
    private String line() {
        StringBuilder line = new StringBuilder();
        for (char c = (char) (in.get() & 0xFF); c != '\n'; c = (char) (in.get() & 0xFF)) {
            if (line.length() == LONGEST_NAME) {
                throw refused("a name is longer than " + LONGEST_NAME + " bytes");
            }
            line.append(c);
        }
        return line.toString();
    }

    private void push(Object value, long cost) {
        charge(cost + 8);
        stack.add(value);
    }

    private Object pop() {
        Object top = top();
        stack.remove(stack.size() - 1);
        return top;
    }

    private Object top() {
        int floor = marks.isEmpty() ? 0 : marks.get(marks.size() - 1);
        if (stack.size() <= floor) {
            throw refused("its stack is empty");
        }
        return stack.get(stack.size() - 1);
    }

    private List<Object> popMarked() {
        if (marks.isEmpty()) {
            throw refused("a MARK is missing");
        }
        List<Object> above = stack.subList(marks.remove(marks.size() - 1), stack.size());
        charge(48 + 8L * above.size());
        List<Object> values = new ArrayList<>(above);
        above.clear();
        return values;
    }

    private void charge(long bytes) {
        budget -= bytes;
        if (budget < 0) {
            throw refused("its values need more memory than a file of this size may");
        }
    }

    private CheckpointException refused(String what) {
        return new CheckpointException(source + ": the pickle is damaged at byte " + in.position() + ": " + what);
    }
}
