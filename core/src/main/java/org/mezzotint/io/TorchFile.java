package org.mezzotint.io;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * The tensors and values of a file that {@code torch.save} wrote, {@code .pt}, {@code .pth}, {@code .ckpt} or {@code .bin}:
 * the zip format, the legacy format before it, and TorchScript archives as the tensors of their modules. The pickle inside
 * is read as data; a name that is not on the list of {@link TorchNames} is refused and nothing is run.
 *
 * <p>Names are joined by dots: keys of dicts, attributes of {@code argparse.Namespace} and of TorchScript modules, positions
 * in lists: {@code opt.state.3.exp_avg}. Opening checks the whole structure, every tensor against the bytes of its storage
 * included. A storage's checksum is checked when its first tensor is asked for, because that reads it; PyTorch writes 0 where
 * it did not compute one.
 *
 * <p>Tensors are copy-on-write maps of the file, views by strides included. Those of compressed archives (re-packed by a
 * user) are inflated, within {@code 4 × file + 64 MiB}. All tensors of a file together, written out plainly, must not exceed
 * that either: a view that repeats its storage could be of any size.
 */
public final class TorchFile implements TensorFile {
    private static final String PICKLE = "data.pkl";
    private static final int PROTOCOL = 1001;
    /** Part of a legacy file in which its pickles must lie. */
    private static final int LONGEST_LEGACY = 32 << 20;

    private static final long LEAST_BUDGET = 32 << 20;
    private static final long MOST_BUDGET = 512 << 20;

    private final TensorBytes file;
    private final ZipDirectory zip;
    private final Contents contents;
    private final Map<String, Place> places;
    private final Set<String> checked = new HashSet<>();

    /** What the pickle says. */
    private record Contents(Object root, TorchTree tree, Map<String, TorchNames.View> tensors) {}

    /** Where a storage lies; {@code entry} is null in the legacy format. */
    private record Place(long position, ZipDirectory.Entry entry) {}

    private TorchFile(TensorBytes file, ZipDirectory zip, Contents contents, Map<String, Place> places) {
        this.file = file;
        this.zip = zip;
        this.contents = contents;
        this.places = places;
    }

    /**
     * Opens a file and checks all of it but the numbers.
     *
     * @param path the file
     * @return the open file
     * @throws CheckpointException if it cannot be read, is damaged or asks for something that is not data
     */
    public static TorchFile open(Path path) {
        FileKind kind = FileKind.of(path);
        TensorBytes file = TensorBytes.open(path);
        try {
            TorchFile torch =
                    switch (kind) {
                        case ZIP -> openZip(file);
                        case TORCH_LEGACY -> openLegacy(file);
                        case PICKLE -> throw bare(file);
                        default ->
                            throw new CheckpointException(path + ": this is not a PyTorch file, it looks like " + kind);
                    };
            file = null;
            return torch;
        } catch (IOException e) {
            throw new CheckpointException(InputException.message("read", path, e), e);
        } finally {
            if (file != null) {
                file.close();
            }
        }
    }

    private static TorchFile openZip(TensorBytes file) throws IOException {
        ZipDirectory zip = ZipDirectory.read(file);
        List<String> pickles = zip.entries().keySet().stream()
                .filter(name -> name.equals(PICKLE) || name.endsWith("/" + PICKLE))
                .toList();
        if (pickles.size() != 1) {
            throw new CheckpointException(file.path() + ": a PyTorch file is a zip with one " + PICKLE + ", got "
                    + (pickles.isEmpty() ? "none" : InputException.oneLine(String.join(" and ", pickles))));
        }
        String prefix = pickles.get(0).substring(0, pickles.get(0).length() - PICKLE.length());
        checkByteOrder(file, zip, prefix);
        ZipDirectory.Entry entry = zip.entries().get(pickles.get(0));
        if (entry.bytes() > file.size() + LEAST_BUDGET / 2 || entry.bytes() > MOST_BUDGET) {
            throw new CheckpointException(
                    file.path() + ": a pickle of " + entry.bytes() + " bytes is too long for its file");
        }
        boolean script = zip.entries().keySet().stream().anyMatch(name -> name.startsWith(prefix + "code/"));
        TorchNames names = new TorchNames(file.path().toString(), script);
        Contents contents = contents(file, names, ByteBuffer.wrap(bytes(zip, entry)));
        Map<String, Place> places = new HashMap<>();
        long inflated = 0;
        for (TorchNames.Storage storage : names.storages().values()) {
            ZipDirectory.Entry record = zip.entries().get(prefix + "data/" + storage.key());
            if (record == null || record.bytes() != storage.bytes()) {
                throw new CheckpointException(file.path() + ": storage \"" + InputException.oneLine(storage.key())
                        + "\" must have " + storage.bytes() + " bytes, the archive has "
                        + (record == null ? "none of that name" : record.bytes()));
            }
            inflated += record.stored() ? 0 : record.bytes();
            if (inflated > file.mostMemory()) {
                throw new CheckpointException(file.path() + ": it unpacks to more than " + file.mostMemory()
                        + " bytes; pack it without compression");
            }
            places.put(storage.key(), new Place(record.position(), record));
        }
        return new TorchFile(file, zip, contents, places);
    }

    private static void checkByteOrder(TensorBytes file, ZipDirectory zip, String prefix) throws IOException {
        ZipDirectory.Entry order = zip.entries().get(prefix + "byteorder");
        if (order != null) {
            String text = order.bytes() > 16 ? "" : new String(bytes(zip, order), StandardCharsets.UTF_8);
            if (!text.equals("little")) {
                throw new CheckpointException(file.path() + ": its numbers must be little endian, it says \""
                        + InputException.oneLine(text) + "\"; save it on such a machine");
            }
        }
    }

    private static byte[] bytes(ZipDirectory zip, ZipDirectory.Entry entry) throws IOException {
        byte[] bytes = new byte[(int) entry.bytes()];
        try (InputStream in = zip.open(entry)) {
            if (in.readNBytes(bytes, 0, bytes.length) < bytes.length || in.read() >= 0) {
                throw new IOException("the entry \"" + InputException.oneLine(entry.name()) + "\" is damaged");
            }
        }
        return bytes;
    }

    /** Five pickles (a magic number, a version, the machine, the object, the storages' keys), then length and data of each. */
    private static TorchFile openLegacy(TensorBytes file) throws IOException {
        String source = file.path().toString();
        ByteBuffer head = ByteBuffer.allocate((int) Math.min(file.size(), LONGEST_LEGACY));
        TensorBytes.readFully(file.channel(), head, 0);
        head.position(FileKind.LEGACY_MAGIC.length);
        TorchNames names = new TorchNames(source, false);
        Object version = pickle(file, head, names).read();
        if (!Long.valueOf(PROTOCOL).equals(version)) {
            throw new CheckpointException(source + ": the legacy format must be of version " + PROTOCOL);
        }
        Object machine = pickle(file, head, names).read();
        if (!(machine instanceof PickleReader.Dict system)
                || !Boolean.TRUE.equals(system.items().get("little_endian"))) {
            throw new CheckpointException(source + ": its numbers must be little endian; save it on such a machine");
        }
        Contents contents = contents(file, names, head);
        Object keys = pickle(file, head, names).read();
        if (!(keys instanceof PickleReader.Items list)
                || list.items().size() != names.storages().size()) {
            throw new CheckpointException(source + ": the list of its storages must have "
                    + names.storages().size() + " keys");
        }
        Map<String, Place> places = new HashMap<>();
        ByteBuffer count = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
        long position = head.position();
        for (Object key : list.items()) {
            TorchNames.Storage storage =
                    key instanceof String text ? names.storages().get(text) : null;
            if (storage == null) {
                throw new CheckpointException(source + ": the list of its storages has a key that no tensor uses");
            }
            TensorBytes.readFully(file.channel(), count.clear(), position);
            position += 8;
            if (count.getLong(0) != storage.count() || storage.bytes() > file.size() - position) {
                throw new CheckpointException(source + ": storage \"" + InputException.oneLine(storage.key())
                        + "\" must have " + storage.count() + " numbers, " + count.getLong(0) + " are announced and "
                        + (file.size() - position) + " bytes follow");
            }
            if (places.put(storage.key(), new Place(position, null)) != null) {
                throw new CheckpointException(
                        source + ": storage \"" + InputException.oneLine(storage.key()) + "\" is there twice");
            }
            position += storage.bytes();
        }
        if (position != file.size()) {
            throw new CheckpointException(
                    source + ": " + (file.size() - position) + " bytes follow the last storage; it should end there");
        }
        return new TorchFile(file, null, contents, places);
    }

    /** A pickle without tensors: says what it wants to run, if it does. */
    private static CheckpointException bare(TensorBytes file) throws IOException {
        ByteBuffer head = ByteBuffer.allocate((int) Math.min(file.size(), LONGEST_LEGACY));
        TensorBytes.readFully(file.channel(), head, 0);
        contents(file, new TorchNames(file.path().toString(), false), head.flip());
        return new CheckpointException(
                file.path() + ": this is a bare pickle without tensors, not a file of torch.save");
    }

    private static PickleReader pickle(TensorBytes file, ByteBuffer bytes, TorchNames names) {
        long budget = Math.min(MOST_BUDGET, LEAST_BUDGET + 2 * file.size());
        return new PickleReader(file.path().toString(), bytes, names, budget);
    }

    private static Contents contents(TensorBytes file, TorchNames names, ByteBuffer bytes) {
        long start = bytes.position();
        Object root = pickle(file, bytes, names).read();
        TorchTree tree = new TorchTree(file.path().toString(), names, bytes.position() - start);
        Map<String, TorchNames.View> tensors = tree.tensors(root);
        long total = 0;
        for (Map.Entry<String, TorchNames.View> tensor : tensors.entrySet()) {
            total += Math.min(tensor.getValue().bytes(), Long.MAX_VALUE / 2);
            if (total > file.mostMemory()) {
                throw new CheckpointException(file.path() + ": tensor \"" + InputException.oneLine(tensor.getKey())
                        + "\" repeats its storage too often: with it the tensors have " + total
                        + " bytes, more than 4 times the file");
            }
        }
        return new Contents(root, tree, Collections.unmodifiableMap(tensors));
    }

    @Override
    public String source() {
        return file.path().toString();
    }

    @Override
    public Set<String> names() {
        return contents.tensors.keySet();
    }

    @Override
    public boolean contains(String name) {
        return contents.tensors.containsKey(name);
    }

    @Override
    public long[] shape(String name) {
        return view(name).size().clone();
    }

    @Override
    public ScalarType type(String name) {
        return view(name).type().scalar();
    }

    /**
     * None: this format has values instead.
     *
     * @return an empty map
     */
    @Override
    public Map<String, String> metadata() {
        return Map.of();
    }

    /**
     * Everything in the file that is not a tensor, under names like theirs.
     *
     * @return name to a Long, a BigInteger (beyond 64 bits), a Double, a Boolean, a String, a byte[] or null; the empty
     *     {@code Map} or {@code List} for a container without items; a dtype is a String like {@code torch.float32}
     * @throws CheckpointException if there are more than 200,000
     */
    public Map<String, Object> values() {
        return Collections.unmodifiableMap(contents.tree.values(contents.root));
    }

    @Override
    public Tensor tensor(String name) {
        TorchNames.View view = view(name);
        long span = view.span();
        if (span == 0) {
            return Tensors.empty(view.type().scalar(), view.size());
        }
        Place place = places.get(view.storage().key());
        try (Scope scope = Scope.open()) {
            Tensor numbers = numbers(name, view, place, span);
            return scope.keep(isPlain(view) ? numbers : torch.as_strided(numbers, view.size(), view.stride()));
        } catch (IOException e) {
            throw new CheckpointException(InputException.message("read", file.path(), e), e);
        }
    }

    /** From the first to the last number of a view; in its shape if they lie as a plain tensor's do. */
    private Tensor numbers(String name, TorchNames.View view, Place place, long span) throws IOException {
        TorchType type = view.type();
        long[] shape = isPlain(view) ? view.size() : new long[] {span};
        long begin = view.offset() * type.bytes();
        TensorBytes.CrcCheck check = check(view, place);
        Tensor numbers = load(name, view, place, begin, check, shape);
        checked.add(view.storage().key());
        return numbers;
    }

    @Override
    public boolean read(String name, Tensor target) {
        TorchNames.View view = view(name);
        Place place = places.get(view.storage().key());
        boolean packed = place.entry != null && !place.entry.stored();
        if (view.span() == 0 || packed || view.type() == TorchType.BOOL || !isPlain(view)) {
            return false;
        }
        try {
            long position = place.position + view.offset() * view.type().bytes();
            boolean done = file.read(target, view.type().scalar(), position, check(view, place));
            if (done) {
                checked.add(view.storage().key());
            }
            return done;
        } catch (IOException e) {
            throw new CheckpointException(InputException.message("read", file.path(), e), e);
        }
    }

    /** The check that is left to do when the view is read: null if there is none, or it was done here. */
    private TensorBytes.CrcCheck check(TorchNames.View view, Place place) throws IOException {
        if (place.entry == null
                || place.entry.crc() == 0
                || checked.contains(view.storage().key())) {
            return null;
        }
        if (place.entry.stored() && view.span() * view.type().bytes() == place.entry.bytes()) {
            return crc -> ZipDirectory.checkCrc(place.entry, crc);
        }
        zip.checkCrc(place.entry);
        checked.add(view.storage().key());
        return null;
    }

    private Tensor load(
            String name, TorchNames.View view, Place place, long begin, TensorBytes.CrcCheck check, long... shape)
            throws IOException {
        TorchType type = view.type();
        if (place.entry == null || place.entry.stored()) {
            if (type == TorchType.BOOL) {
                file.checkBooleans(name, place.position + begin, view.span());
            }
            return file.tensor(type.scalar(), type.bytes(), place.position + begin, check, shape);
        }
        try (InputStream in = zip.open(place.entry)) {
            in.skipNBytes(begin);
            Tensor numbers = TensorBytes.tensor(type.scalar(), in, shape);
            if (type == TorchType.BOOL) {
                checkBooleans(name, numbers);
            }
            return numbers;
        }
    }

    private void checkBooleans(String name, Tensor tensor) {
        BytePointer data = new BytePointer(tensor.data_ptr());
        for (long i = 0; i < tensor.nbytes(); i++) {
            if ((data.get(i) & 0xFE) != 0) {
                throw new CheckpointException(
                        source() + ": tensor \"" + name + "\": a BOOL must be 0 or 1, got " + (data.get(i) & 0xFF));
            }
        }
    }

    private static boolean isPlain(TorchNames.View view) {
        long step = 1;
        for (int i = view.size().length - 1; i >= 0; i--) {
            if (view.size()[i] != 1 && view.stride()[i] != step) {
                return false;
            }
            step *= view.size()[i];
        }
        return true;
    }

    private TorchNames.View view(String name) {
        TorchNames.View view = contents.tensors.get(name);
        if (view == null) {
            throw TensorCheck.absent(this, name);
        }
        return view;
    }

    @Override
    public void close() {
        file.close();
    }

    /**
     * Writes a file that {@code torch.load(path, weights_only=True)} reads, complete or not at all.
     *
     * @param target the file; its folder must exist
     * @param tree keys (String, Integer or Long) to values: tensors of any shape, device and stride; Integer, Long,
     *     BigInteger, Double, Boolean, String, null; lists and maps of these. A map of tensors only becomes an OrderedDict
     * @throws IllegalArgumentException if a value cannot be written, naming it
     * @throws InputException if the file cannot be written
     */
    public static void write(Path target, Map<?, ?> tree) {
        TorchWriter.write(target, tree);
    }
}
