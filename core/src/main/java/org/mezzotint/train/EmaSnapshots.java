package org.mezzotint.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.io.AtomicFiles;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Safetensors;
import org.mezzotint.io.Yaml;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;

/**
 * The snapshots of a run's power-function averages: {@code snapshots/000050000.safetensors} by pictures seen.
 *
 * <p>One file holds all averages of one moment, {@code ema0.<parameter>}, {@code ema1.<parameter>} … in the order of their
 * lengths; header entries are {@code format} = {@code mezzotint-ema-snapshot}, {@code format_version} = {@code 1} and
 * {@code snapshot} = {@link Content} as JSON. Tensors that training does not change, frozen parameters among them,
 * are not in it.
 */
public final class EmaSnapshots {
    private static final String FORMAT = "mezzotint-ema-snapshot";
    private static final String VERSION = "1";
    private static final String ENDING = ".safetensors";

    private final Path folder;

    /**
     * Looks into a folder, which need not exist.
     *
     * @param folder where the files lie
     */
    EmaSnapshots(Path folder) {
        this.folder = folder;
    }

    /**
     * What a snapshot holds.
     *
     * @param images pictures seen
     * @param sigmaRels lengths of its averages, as relative standard deviations
     */
    public record Content(long images, List<Double> sigmaRels) {}

    /**
     * One file.
     *
     * @param file where it lies
     * @param content what it holds
     */
    public record Snapshot(Path file, Content content) {}

    /**
     * All of the run, by time.
     *
     * @return the oldest first
     * @throws CheckpointException if a file is damaged or no snapshot
     */
    public List<Snapshot> all() {
        return files().stream().map(EmaSnapshots::snapshot).toList();
    }

    private List<Path> files() {
        if (!Files.isDirectory(folder)) {
            return List.of();
        }
        try (Stream<Path> entries = Files.list(folder)) {
            return entries.filter(path -> path.getFileName().toString().matches("[0-9]{9,18}\\" + ENDING))
                    .sorted(Comparator.comparingLong(EmaSnapshots::images))
                    .toList();
        } catch (IOException e) {
            throw new InputException("cannot list " + folder + ": " + InputException.reason(e), e);
        }
    }

    private static long images(Path file) {
        String name = file.getFileName().toString();
        return Long.parseLong(name.substring(0, name.length() - ENDING.length()));
    }

    private static Snapshot snapshot(Path path) {
        try (Safetensors file = Safetensors.open(path)) {
            Map<String, String> header = file.metadata();
            if (!FORMAT.equals(header.get("format")) || !VERSION.equals(header.get("format_version"))) {
                throw new CheckpointException(path + " is not a snapshot of averages of format " + VERSION
                        + ": its header says format " + header.get("format") + ", version "
                        + header.get("format_version"));
            }
            Content content = Yaml.fromJson(header.getOrDefault("snapshot", ""), path + " (snapshot)", Content.class);
            if (content.images() != images(path)) {
                throw new CheckpointException(
                        path + ": its name and its header must say the same time, got " + content.images());
            }
            return new Snapshot(path, content);
        }
    }

    /** Writes the averages of a moment, in place of a file that is there already. */
    void write(long images, Ema.PostHoc rule, List<Map<String, Tensor>> averages) {
        try {
            Files.createDirectories(folder);
        } catch (IOException e) {
            throw new InputException("cannot make " + folder + ": " + InputException.reason(e), e);
        }
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard()) {
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            for (int i = 0; i < averages.size(); i++) {
                String prefix = prefix(i);
                averages.get(i)
                        .forEach((name, tensor) -> tensors.put(
                                prefix + name, tensor.detach().to(rule.storage().type())));
            }
            Map<String, String> header = new LinkedHashMap<>();
            header.put("format", FORMAT);
            header.put("format_version", VERSION);
            header.put("snapshot", Yaml.toJson(new Content(images, rule.sigmaRels())));
            Safetensors.write(folder.resolve(RunDirectory.name(images) + ENDING), tensors, header);
        }
    }

    private static String prefix(int i) {
        return "ema" + i + ".";
    }

    /** Removes what a run left that goes on from an earlier moment, and interrupted writes. */
    void restartAt(long images) {
        AtomicFiles.removeTemporaries(folder);
        files().stream().filter(file -> images(file) > images).forEach(AtomicFiles::deleteRecursively);
    }

    /**
     * Sets tensors to a sum over averages, computed in double.
     *
     * @param snapshots whose averages are summed
     * @param factors one for each average of each snapshot, in their order; an average with 0 is not read
     * @param into by parameter; changed
     * @throws CheckpointException if a snapshot lacks a parameter or has another shape
     */
    static void sum(List<Snapshot> snapshots, List<Double> factors, Map<String, Tensor> into) {
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard()) {
            Map<String, Tensor> sums = new LinkedHashMap<>();
            into.forEach((name, tensor) ->
                    sums.put(name, torch.zeros_like(tensor.detach().to(ScalarType.Double))));
            int at = 0;
            for (Snapshot snapshot : snapshots) {
                try (Safetensors file = Safetensors.open(snapshot.file())) {
                    for (int i = 0; i < snapshot.content().sigmaRels().size(); i++, at++) {
                        double factor = factors.get(at);
                        String prefix = prefix(i);
                        if (factor != 0) {
                            sums.forEach((name, sum) -> add(file, snapshot.file(), prefix + name, factor, sum));
                        }
                    }
                }
            }
            into.forEach((name, tensor) -> tensor.copy_(sums.get(name)));
        }
    }

    private static void add(Safetensors file, Path path, String name, double factor, Tensor sum) {
        if (!file.contains(name) || !Arrays.equals(file.shape(name), sum.shape())) {
            throw new CheckpointException(path + " lacks " + name + " in shape " + Arrays.toString(sum.shape()));
        }
        try (Scope each = Scope.open()) {
            sum.add_(file.tensor(name).to(sum.device(), ScalarType.Double), Scalars.of(factor));
        }
    }
}
