package org.mezzotint.train;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.mezzotint.io.AtomicFiles;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Yaml;

/**
 * Where one run keeps everything.
 *
 * <pre>
 *   config.yaml                 the resolved recipe
 *   log.txt                     what happened, a line each
 *   metrics.csv                 one row every few steps; validation.csv one a validation
 *   events.out.tfevents…        the same for TensorBoard
 *   samples/000050000.png       sample grids, by pictures seen
 *   checkpoints/000050000/      model.safetensors, optimizer.safetensors, progress.json, checksums.json
 *   snapshots/000050000.safetensors     averages for {@link PostHocEma}, where the recipe says so
 * </pre>
 *
 * <p>A checkpoint is written into a hidden temporary folder, synced, and renamed: a folder with a number for a name is
 * complete. Its checksums are verified before a run goes on from it.
 */
public final class RunDirectory {
    /** The resolved recipe's file name. */
    public static final String CONFIG_FILE = "config.yaml";

    private static final String PROGRESS_FILE = "progress.json";
    private static final String CHECKSUM_FILE = "checksums.json";

    private final Path root;

    private RunDirectory(Path root) {
        this.root = root;
    }

    /**
     * Starts a run in a folder that holds none.
     *
     * @param root made if need be
     * @param config saved into it
     * @return the directory
     * @throws InputException if a run lies there already or the folder cannot be written
     */
    public static RunDirectory create(Path root, TrainConfig config) {
        RunDirectory directory = empty(root);
        AtomicFiles.writeString(root.resolve(CONFIG_FILE), Yaml.write(config));
        return directory;
    }

    private static RunDirectory empty(Path root) {
        RunDirectory directory = new RunDirectory(root);
        if (Files.exists(root.resolve(CONFIG_FILE))) {
            throw new InputException(root + " already holds a run: resume it with --resume, or choose another folder");
        }
        try {
            Files.createDirectories(directory.checkpoints());
            Files.createDirectories(directory.samples());
        } catch (IOException e) {
            throw new InputException("cannot make the run directory " + root + ": " + InputException.reason(e), e);
        }
        return directory;
    }

    /**
     * Starts a run in a folder that holds none, with the state of a run that began elsewhere.
     *
     * @param root made if need be
     * @param state saved as its first checkpoint
     * @return the directory
     * @throws InputException if a run lies there already or the folder cannot be written
     */
    public static RunDirectory create(Path root, TrainState state) {
        RunDirectory directory = empty(root);
        directory.save(state);
        // last: a folder without it holds no run, so one that was killed here is not resumed from nothing
        AtomicFiles.writeString(root.resolve(CONFIG_FILE), Yaml.write(state.config()));
        return directory;
    }

    /**
     * Opens a run that was started before, and removes what an interrupted write left behind.
     *
     * @param root of the run
     * @return the directory
     * @throws InputException if there is no run
     */
    public static RunDirectory open(Path root) {
        RunDirectory directory = find(root);
        AtomicFiles.removeTemporaries(root);
        AtomicFiles.removeTemporaries(directory.checkpoints());
        AtomicFiles.removeTemporaries(directory.samples());
        return directory;
    }

    /**
     * Finds a run for reading.
     *
     * @param root of the run
     * @return the directory
     * @throws InputException if there is no run
     */
    public static RunDirectory find(Path root) {
        if (!Files.isRegularFile(root.resolve(CONFIG_FILE))) {
            throw new InputException("no run found in " + root + ": it has no " + CONFIG_FILE);
        }
        return new RunDirectory(root);
    }

    /**
     * The folder itself.
     *
     * @return as given
     */
    public Path root() {
        return root;
    }

    /**
     * Where sample grids lie.
     *
     * @return a folder
     */
    public Path samples() {
        return root.resolve("samples");
    }

    /**
     * The snapshots of the run's averages.
     *
     * @return of a folder that need not exist
     */
    public EmaSnapshots snapshots() {
        return new EmaSnapshots(root.resolve("snapshots"));
    }

    private Path checkpoints() {
        return root.resolve("checkpoints");
    }

    /**
     * The recipe that the run was started with.
     *
     * @return as saved
     */
    public TrainConfig config() {
        return Yaml.read(root.resolve(CONFIG_FILE), TrainConfig.class);
    }

    /** Saves a longer or otherwise allowed recipe over the old one. */
    void replaceConfig(TrainConfig config) {
        AtomicFiles.writeString(root.resolve(CONFIG_FILE), Yaml.write(config));
    }

    /**
     * The name of a point in a run: pictures seen, nine digits or more.
     *
     * @param images pictures seen
     * @return such as {@code 000050000}
     */
    public static String name(long images) {
        return String.format(Locale.ROOT, "%09d", images);
    }

    /**
     * All complete checkpoints.
     *
     * @return the newest first
     */
    public List<Path> complete() {
        if (!Files.isDirectory(checkpoints())) {
            return List.of();
        }
        try (Stream<Path> entries = Files.list(checkpoints())) {
            List<Path> found = new ArrayList<>(
                    entries.filter(path -> path.getFileName().toString().matches("[0-9]{9,}"))
                            .sorted(Comparator.comparingLong(RunDirectory::images))
                            .toList());
            Collections.reverse(found);
            return found;
        } catch (IOException e) {
            throw new InputException("cannot list " + checkpoints() + ": " + InputException.reason(e), e);
        }
    }

    private static long images(Path checkpoint) {
        return Long.parseLong(checkpoint.getFileName().toString());
    }

    /**
     * The newest checkpoint's bundle.
     *
     * @return a file
     * @throws InputException if the run has no checkpoint yet
     */
    public Path newestBundle() {
        return complete().stream()
                .findFirst()
                .map(path -> path.resolve(TrainState.MODEL_FILE))
                .orElseThrow(() -> new InputException("the run in " + root + " has no checkpoint yet"));
    }

    /**
     * Writes a checkpoint, then removes old ones.
     *
     * @param state saved whole
     * @return the new folder, or the one that was there already for this point of the run
     */
    Path save(TrainState state) {
        TrainState.Progress progress = state.progress();
        Path target = checkpoints().resolve(name(progress.images()));
        if (Files.isDirectory(target)) {
            return target;
        }
        Path temporary = AtomicFiles.temporaryDirectory(target);
        try {
            state.write(temporary);
            AtomicFiles.writeString(temporary.resolve(PROGRESS_FILE), Yaml.toJson(progress));
            AtomicFiles.writeString(
                    temporary.resolve(CHECKSUM_FILE), Yaml.toJson(new ChecksumList(checksums(temporary))));
            AtomicFiles.publishDirectory(temporary, target);
        } catch (RuntimeException | Error e) {
            AtomicFiles.deleteRecursively(temporary);
            throw e;
        }
        prune(state.config().checkpoints());
        return target;
    }

    private void prune(TrainConfig.Checkpoints rule) {
        List<Path> newestFirst = complete();
        for (int i = rule.keep(); i < newestFirst.size(); i++) {
            Path old = newestFirst.get(i);
            boolean milestone = rule.milestoneImages() > 0 && images(old) % rule.milestoneImages() == 0;
            if (!milestone) {
                // renamed first, so that an interrupted removal leaves no folder that looks complete
                Path doomed = AtomicFiles.temporaryDirectory(old);
                AtomicFiles.deleteRecursively(doomed);
                try {
                    Files.move(old, doomed);
                } catch (IOException e) {
                    throw new InputException("cannot remove " + old + ": " + InputException.reason(e), e);
                }
                AtomicFiles.deleteRecursively(doomed);
            }
        }
    }

    /** SHA-256 of each file, by name. */
    private static Map<String, String> checksums(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            Map<String, String> sums = new TreeMap<>();
            for (Path file : files.filter(path -> !path.getFileName().toString().equals(CHECKSUM_FILE))
                    .toList()) {
                sums.put(file.getFileName().toString(), sha256(file));
            }
            return sums;
        } catch (IOException e) {
            throw new InputException("cannot read " + folder + ": " + InputException.reason(e), e);
        }
    }

    private static String sha256(Path file) throws IOException {
        try (InputStream in = Files.newInputStream(file)) {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            byte[] buffer = new byte[1 << 16];
            for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
                digest.update(buffer, 0, n);
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    /**
     * The newest checkpoint whose checksums are right.
     *
     * @param damaged is told of each newer one that is not
     * @return empty if the run has none
     */
    Optional<Path> newestIntact(Consumer<String> damaged) {
        for (Path checkpoint : complete()) {
            try {
                verify(checkpoint);
                return Optional.of(checkpoint);
            } catch (InputException e) {
                damaged.accept(e.getMessage());
            }
        }
        return Optional.empty();
    }

    private static void verify(Path checkpoint) {
        Path list = checkpoint.resolve(CHECKSUM_FILE);
        if (!Files.isRegularFile(list)) {
            throw new CheckpointException(checkpoint + " is damaged: it has no " + CHECKSUM_FILE);
        }
        try {
            Map<String, String> expected = Yaml.fromJson(Files.readString(list), list.toString(), ChecksumList.class)
                    .files();
            Map<String, String> actual = checksums(checkpoint);
            if (!expected.equals(actual)) {
                throw new CheckpointException(checkpoint + " is damaged: its files do not have the recorded checksums");
            }
        } catch (IOException e) {
            throw new CheckpointException(checkpoint + " is damaged: " + InputException.reason(e), e);
        }
    }

    /**
     * Content of the checksum file.
     *
     * @param files SHA-256 in hexadecimal by file name
     */
    record ChecksumList(Map<String, String> files) {}

    /** Reads how far a checkpoint is. */
    static TrainState.Progress progress(Path checkpoint) {
        Path file = checkpoint.resolve(PROGRESS_FILE);
        try {
            return Yaml.fromJson(Files.readString(file), file.toString(), TrainState.Progress.class);
        } catch (IOException e) {
            throw new CheckpointException(checkpoint + " is damaged: " + InputException.reason(e), e);
        }
    }
}
