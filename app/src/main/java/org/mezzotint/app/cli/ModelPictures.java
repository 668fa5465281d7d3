package org.mezzotint.app.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.function.IntConsumer;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Device;
import org.mezzotint.data.PictureFiles;
import org.mezzotint.data.PictureSet;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.eval.Protocol;
import org.mezzotint.io.AtomicFiles;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Npz;
import org.mezzotint.io.Yaml;
import org.mezzotint.models.Model;
import org.mezzotint.models.ModelConfig;
import org.mezzotint.tensor.Precision;
import picocli.CommandLine;

/**
 * Pictures of a model, drawn into a folder to be measured: one npz file a batch, each written whole or not at all. Killed at any
 * time and started again, it draws what is missing, and the set is the same. The folder is named after what decides the
 * pictures: the model's files, the sampling settings, the seeds and the batch size.
 */
final class ModelPictures implements PictureSet {
    private static final int EDM_SMALL = 32;

    private final Path folder;
    private final int count;
    private final int batch;
    private PictureSet open; // the part read last
    private int openPart = -1;

    private ModelPictures(Path folder, int count, int batch) {
        this.folder = folder;
        this.count = count;
        this.batch = batch;
    }

    /** What is asked of a model. */
    record Request(
            SamplingConfig sampling, String seeds, int batch, Optional<Path> autoencoder, Device device, Path cache) {}

    /** What decides the pictures; also written beside them. */
    record Drawing(Map<String, String> files, String autoencoder, SamplingConfig sampling, String seeds, int batch) {}

    /**
     * How a protocol samples, as options of {@code sample}; {@code given} are the user's, which go first. What a paper does not
     * state stays the model's own.
     */
    static SamplingConfig sampling(ModelSource source, Optional<Protocol> protocol, Map<String, String> given) {
        Map<String, String> options = new LinkedHashMap<>();
        ModelConfig config = source.config();
        switch (protocol.map(Protocol::name).orElse("none")) {
            case "dit" -> options.putAll(Map.of("--solver", "ddpm", "--steps", "250"));
            case "hdit" -> options.put("--steps", "50");
            case "diffit-edm" ->
                options.putAll(Map.of(
                        "--solver", "heun",
                        "--levels", "karras",
                        "--sigma-min", "0.002",
                        "--sigma-max", "80",
                        "--rho", "7",
                        "--steps", Math.max(config.height(), config.width()) <= EDM_SMALL ? "18" : "40"));
            case "simple-diffusion" ->
                options.putAll(Map.of("--solver", "ddpm-interpolated", "--eta", "0.2", "--steps", "512"));
            default -> {}
        }
        if (given.containsKey("--solver")) { // the protocol's levels belong to its solver
            options.keySet().retainAll(List.of("--steps"));
        }
        options.putAll(given);
        List<String> words = new ArrayList<>();
        options.forEach((name, value) -> words.addAll(List.of(name, value)));
        SamplingOptions sampling = new SamplingOptions();
        new CommandLine(sampling).parseArgs(words.toArray(String[]::new));
        return sampling.resolve(source.sampling(), source.diffusion());
    }

    /** Draws what is missing; {@code progress} hears how many pictures there are. */
    static ModelPictures draw(ModelSource source, Request request, IntConsumer progress) {
        long[] seeds = Sizes.ranges("--seed", request.seeds());
        int batch = Math.min(request.batch(), seeds.length);
        DrawOptions.checkMemory(source.config(), request.sampling(), batch);
        String drawing = Yaml.toJson(new Drawing(
                files(source.path()),
                request.autoencoder().map(path -> files(path).toString()).orElse("none"),
                request.sampling(),
                request.seeds(),
                batch));
        Path folder =
                request.cache().resolve("drawn-" + UUID.nameUUIDFromBytes(drawing.getBytes(StandardCharsets.UTF_8)));
        try {
            Files.createDirectories(folder);
        } catch (IOException e) {
            throw new InputException(InputException.message("make the folder", folder, e), e);
        }
        AtomicFiles.removeTemporaries(folder);
        AtomicFiles.writeString(folder.resolve("drawing.json"), drawing + "\n");
        ModelPictures pictures = new ModelPictures(folder, seeds.length, batch);
        pictures.complete(source, request, seeds, progress);
        return pictures;
    }

    /** Name, size and time of all files of a model. */
    private static Map<String, String> files(Path path) {
        Map<String, String> files = new LinkedHashMap<>();
        try (Stream<Path> all = Files.walk(path, 3)) {
            for (Path file : all.filter(Files::isRegularFile).sorted().toList()) {
                files.put(
                        file.toAbsolutePath().normalize().toString(),
                        Files.size(file) + " bytes of " + Files.getLastModifiedTime(file));
            }
        } catch (IOException e) {
            throw new InputException(InputException.message("read", path, e), e);
        }
        return files;
    }

    private Path file(int part) {
        return folder.resolve(String.format(Locale.ROOT, "part-%06d.npz", part));
    }

    private int parts() {
        return (count + batch - 1) / batch;
    }

    private void complete(ModelSource source, Request request, long[] seeds, IntConsumer progress) {
        int first = 0;
        while (first < parts() && Files.isRegularFile(file(first))) {
            first++;
        }
        progress.accept(Math.min(count, first * batch));
        if (first == parts()) {
            return; // the network is not needed
        }
        long[] labels = Pictures.inTurn(new long[0], count, source.config().numClasses());
        try (Decoder decoder = source.decoder(request.autoencoder().orElse(null), request.device());
                Model model = source.load(Precision.FLOAT32, request.device())) {
            if (request.device().is_cpu()) {
                model.pack(request.sampling().guidance() == 1 ? batch : 2 * batch);
            }
            Pictures pictures = new Pictures(model, source.diffusion(), request.sampling(), decoder, batch);
            for (int part = first; part < parts(); part++) {
                int from = part * batch;
                int to = Math.min(count, from + batch);
                if (!Files.isRegularFile(file(part))) {
                    long[] theirs = labels.length == 0 ? labels : Arrays.copyOfRange(labels, from, to);
                    List<byte[]> drawn = pictures.list(Arrays.copyOfRange(seeds, from, to), theirs);
                    try (Npz.ImageWriter writer =
                            Npz.images(file(part), drawn.size(), pictures.height(), pictures.width())) {
                        drawn.forEach(writer::add);
                    }
                }
                progress.accept(to);
            }
        }
    }

    @Override
    public int size() {
        return count;
    }

    @Override
    public PictureFiles.Picture read(int index) {
        int part = index / batch;
        if (part != openPart) {
            close();
            open = PictureSet.open(file(part));
            openPart = part;
        }
        return open.read(index - part * batch);
    }

    /** Of all parts: what lies in them, not what they should be. */
    @Override
    public String fingerprint() {
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
        for (int part = 0; part < parts(); part++) {
            try (PictureSet set = PictureSet.open(file(part))) {
                digest.update(set.fingerprint().getBytes(StandardCharsets.US_ASCII));
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    @Override
    public void close() {
        if (open != null) {
            open.close();
            open = null;
            openPart = -1;
        }
    }
}
